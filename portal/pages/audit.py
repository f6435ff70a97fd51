"""The audit: everything that happened in a tenant, in words, narrowed as one likes, and each event with all that was written down."""

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from apis.models import ApiVersion, BrownOut, Plan, Review, Subscription
from gateway import receipts
from keys.models import Credential
from portal.forms import Text
from portal.pages.audit_chain import last_head, most
from portal.pages.listing import page_of
from portal.templatetags.ui import STATES
from portal.words import added, happened, listed, subject_of
from tenants.access import TenantRequest, tenant_view
from tenants.event_kinds import GATEWAY_KINDS
from tenants.events import digest_of
from tenants.models import Event, Invitation, Membership, ServiceAccount, Steps, Tenant

# Every kind, grouped by what it is about.
KINDS: dict[str | Promise, dict[str, str | Promise]] = {
    gettext_lazy("Tenant"): {
        "tenant.created": gettext_lazy("Tenant created"),
        "tenant.changed": gettext_lazy("Settings changed"),
        "tenant.suspended": gettext_lazy("Tenant suspended"),
        "tenant.resumed": gettext_lazy("Tenant resumed"),
        "tenant.closing": gettext_lazy("Closing begun"),
        "tenant.reopened": gettext_lazy("Closing taken back"),
        "tenant.ceiling_changed": gettext_lazy("Ceiling of calls changed"),
        "tenant.exported": gettext_lazy("All data exported"),
        "audit.exported": gettext_lazy("Audit exported"),
        "domain.added": gettext_lazy("Domain added"),
        "domain.verified": gettext_lazy("Domain proven"),
        "domain.certificate_changed": gettext_lazy("Certificate of a domain put"),
        "domain.ends_soon": gettext_lazy("End of a domain's certificate announced"),
        "domain.proof_missing": gettext_lazy("Proof of a domain gone"),
        "domain.removed": gettext_lazy("Domain removed"),
        "webhook.created": gettext_lazy("Webhook made"),
        "webhook.changed": gettext_lazy("Webhook changed"),
        "webhook.rolled": gettext_lazy("Webhook's secret rolled"),
        "webhook.disabled": gettext_lazy("Webhook switched off by Portico"),
        "webhook.deleted": gettext_lazy("Webhook deleted"),
        "identity_provider.changed": gettext_lazy("Identity provider changed"),
        "identity_provider.removed": gettext_lazy("Identity provider removed"),
    },
    gettext_lazy("AI providers"): {
        "provider.connected": gettext_lazy("Provider connected"),
        "provider.changed": gettext_lazy("Provider changed"),
        "provider.removed": gettext_lazy("Provider removed"),
        "provider.resolved": gettext_lazy("Provider's addresses changed"),
        "provider_key.added": gettext_lazy("Key of a provider added"),
        "provider_key.changed": gettext_lazy("Key of a provider changed"),
        "provider_key.works": gettext_lazy("Key of a provider works"),
        "provider_key.refused": gettext_lazy("Key of a provider refused"),
        "provider_key.exhausted": gettext_lazy("Key of a provider used up"),
        "provider_key.failing": gettext_lazy("Key of a provider failing"),
        "provider_key.removed": gettext_lazy("Key of a provider removed"),
        "provider_model.added": gettext_lazy("Model of a provider added"),
        "provider_model.changed": gettext_lazy("Model of a provider changed"),
        "provider_model.removed": gettext_lazy("Model of a provider removed"),
        "model_alias.created": gettext_lazy("Alias for models made"),
        "model_alias.changed": gettext_lazy("Alias for models changed"),
        "model_alias.deleted": gettext_lazy("Alias for models deleted"),
        "tenant_budget.changed": gettext_lazy("Tenant's budget changed"),
        "tenant_budget.warned": gettext_lazy("Tenant's budget nearly spent"),
        "tenant_budget.passed": gettext_lazy("Tenant's budget spent"),
        "tenant_budget.reset": gettext_lazy("Tenant's budget begun anew"),
    },
    gettext_lazy("Members"): {
        "member.added": gettext_lazy("Member added"),
        "member.changed": gettext_lazy("Roles changed"),
        "member.joined": gettext_lazy("Member joined"),
        "member.left": gettext_lazy("Member left"),
        "member.removed": gettext_lazy("Member removed"),
        "invitation.created": gettext_lazy("Invited"),
        "invitation.renewed": gettext_lazy("Invited again"),
        "invitation.accepted": gettext_lazy("Invitation accepted"),
        "invitation.revoked": gettext_lazy("Invitation taken back"),
        "invitation.expired": gettext_lazy("Invitation expired"),
        "identity.linked": gettext_lazy("Linked with the identity provider"),
        "identity.unlinked": gettext_lazy("Link undone"),
        "role.created": gettext_lazy("Role made"),
        "role.changed": gettext_lazy("Role changed"),
        "role.deleted": gettext_lazy("Role deleted"),
        "delegation.created": gettext_lazy("Deciding handed on"),
        "delegation.ended": gettext_lazy("Deciding for another ended"),
        "team.created": gettext_lazy("Team made"),
        "team.changed": gettext_lazy("Team changed"),
        "team.deleted": gettext_lazy("Team deleted"),
        "service_account.created": gettext_lazy("Service account made"),
        "service_account.changed": gettext_lazy("Service account changed"),
        "service_account.rolled": gettext_lazy("Service account's secret rolled"),
        "service_account.ends_soon": gettext_lazy("End of a service account announced"),
        "service_account.revoked": gettext_lazy("Service account revoked"),
        "service_account.expired": gettext_lazy("Service account expired"),
    },
    gettext_lazy("APIs"): {
        "api.created": gettext_lazy("API created"),
        "api.changed": gettext_lazy("API changed"),
        "api.transferred": gettext_lazy("API's team changed"),
        "api.cors_changed": gettext_lazy("Browser pages that may call it changed"),
        "api.gateways_changed": gettext_lazy("Gateways of an API changed"),
        "api.policies_changed": gettext_lazy("Policies of an API changed"),
        "mcp.switched_on": gettext_lazy("Tools for agents switched on"),
        "mcp.changed": gettext_lazy("Tools for agents changed"),
        "mcp.switched_off": gettext_lazy("Tools for agents switched off"),
        "log_shipping.switched_on": gettext_lazy("Logging of calls switched on"),
        "log_shipping.changed": gettext_lazy("Logging of calls changed"),
        "log_shipping.switched_off": gettext_lazy("Logging of calls switched off"),
        "log_shipping.removed": gettext_lazy("Logging of calls removed"),
        "log_shipping.failing": gettext_lazy("Logs of calls not delivered"),
        "log_shipping.recovered": gettext_lazy("Logs of calls delivered again"),
        "content_logging.switched_on": gettext_lazy("Keeping prompts and answers switched on"),
        "content_logging.changed": gettext_lazy("Keeping prompts and answers changed"),
        "content_logging.switched_off": gettext_lazy("Keeping prompts and answers switched off"),
        "content_logging.agreed": gettext_lazy("Agreed that prompts and answers are kept"),
        "content_logging.withdrawn": gettext_lazy("Consent to keeping prompts and answers withdrawn"),
        "content_logging.read": gettext_lazy("Prompt and answer read"),
        "content_logging.erased": gettext_lazy("Prompts and answers deleted"),
        "api.encryption_key_changed": gettext_lazy("Encryption key changed"),
        "version.created": gettext_lazy("Version begun"),
        "version.discarded": gettext_lazy("Version thrown away"),
        "version.prereleased": gettext_lazy("Version opened as a prerelease"),
        "version.published": gettext_lazy("Version published"),
        "version.blocked": gettext_lazy("Version blocked"),
        "version.unblocked": gettext_lazy("Version unblocked"),
        "version.deprecated": gettext_lazy("Version deprecated"),
        "version.sunset_changed": gettext_lazy("Sunset changed"),
        "version.reinstated": gettext_lazy("Deprecation taken back"),
        "version.acknowledged": gettext_lazy("End of a version acknowledged"),
        "version.retired": gettext_lazy("Version retired"),
        "brown_out.planned": gettext_lazy("Brown-out planned"),
        "brown_out.began": gettext_lazy("Brown-out began"),
        "brown_out.ended": gettext_lazy("Brown-out ended"),
        "brown_out.cancelled": gettext_lazy("Brown-out cancelled"),
        "revision.created": gettext_lazy("Revision imported"),
        "revision.live": gettext_lazy("Revision made live"),
        "api.request_form_changed": gettext_lazy("Questions to applicants changed"),
        "api.review_changed": gettext_lazy("Reviews switched"),
        "review.requested": gettext_lazy("Review asked for"),
        "review.approved": gettext_lazy("Review approved"),
        "review.rejected": gettext_lazy("Review rejected"),
        "review.withdrawn": gettext_lazy("Review withdrawn"),
        "revision.test_opened": gettext_lazy("Revision opened for tests"),
        "revision.test_closed": gettext_lazy("Revision closed to tests"),
        "document_source.set": gettext_lazy("Source of a document set"),
        "document_source.removed": gettext_lazy("Source of a document removed"),
        "document_source.found": gettext_lazy("Document changed at its source"),
        "document_source.failing": gettext_lazy("Document not to be had at its source"),
        "document_source.stopped": gettext_lazy("Looking for a document stopped"),
        "certificate.ends_soon": gettext_lazy("End of an upstream's certificate announced"),
        "api.placed": gettext_lazy("Place in the catalogue changed"),
        "categories.changed": gettext_lazy("Categories changed"),
        "lint.changed": gettext_lazy("Rules on documents changed"),
        "upstream.resolved": gettext_lazy("Upstream's addresses changed"),
    },
    gettext_lazy("Plans"): {
        "plan.created": gettext_lazy("Plan made"),
        "plan.published": gettext_lazy("Plan published"),
        "plan.changed": gettext_lazy("Plan changed"),
        "plan.shown": gettext_lazy("Who sees a plan changed"),
        "plan.deprecated": gettext_lazy("Plan deprecated"),
        "plan.reinstated": gettext_lazy("Plan offered again"),
        "plan.closed": gettext_lazy("Plan closed"),
    },
    gettext_lazy("Applications"): {
        "application.created": gettext_lazy("Application registered"),
        "application.requested": gettext_lazy("Application registered, to be approved"),
        "application.approved": gettext_lazy("Application approved"),
        "application.rejected": gettext_lazy("Application rejected"),
        "application.changed": gettext_lazy("Application changed"),
        "application.suspended": gettext_lazy("Application suspended"),
        "application.resumed": gettext_lazy("Application resumed"),
        "application.deleted": gettext_lazy("Application deleted"),
        "application.tried": gettext_lazy("API tried in the browser"),
        "application.transferred": gettext_lazy("Application given away"),
        "credential.created": gettext_lazy("Credential made"),
        "credential.first_used": gettext_lazy("Credential used for the first time"),
        "credential.rolled": gettext_lazy("Credential rolled"),
        "credential.revoked": gettext_lazy("Credential revoked"),
        "credential.expired": gettext_lazy("Credential expired"),
        "token.revoked": gettext_lazy("Access token given back"),
        "credential.ends_soon": gettext_lazy("End of a credential announced"),
        "calendar_feed.created": gettext_lazy("Calendar's address made"),
        "calendar_feed.revoked": gettext_lazy("Calendar's address ended"),
    },
    gettext_lazy("Subscriptions"): {
        "subscription.requested": gettext_lazy("Subscription asked for"),
        "subscription.added": gettext_lazy("Subscription added without a request"),
        "subscription.asked": gettext_lazy("Question about a request"),
        "subscription.answered": gettext_lazy("Answer about a request"),
        "subscription.overdue": gettext_lazy("Request overdue"),
        "request_policy.changed": gettext_lazy("Time to answer changed"),
        "subscription.approved_first": gettext_lazy("First of two approvals"),
        "subscription.first_approval_undone": gettext_lazy("First of two approvals undone"),
        "subscription.approved": gettext_lazy("Subscription approved"),
        "subscription.rejected": gettext_lazy("Subscription rejected"),
        "subscription.decision_undone": gettext_lazy("Decision undone"),
        "subscription.suspended": gettext_lazy("Subscription suspended"),
        "subscription.resumed": gettext_lazy("Subscription resumed"),
        "subscription.cancelled": gettext_lazy("Subscription cancelled"),
        "subscription.started": gettext_lazy("Subscription started"),
        "subscription.expired": gettext_lazy("Subscription expired"),
        "subscription.ends_soon": gettext_lazy("End of a subscription announced"),
        "subscription.dates_changed": gettext_lazy("Dates of a subscription changed"),
        "subscription.plan_changed": gettext_lazy("Plan of a subscription changed"),
        "subscription.renewed": gettext_lazy("Subscription renewed"),
        "change_request.requested": gettext_lazy("Change of a subscription asked for"),
        "change_request.approved": gettext_lazy("Change of a subscription approved"),
        "change_request.approved_first": gettext_lazy("Change of a subscription approved by the first of two"),
        "change_request.rejected": gettext_lazy("Change of a subscription rejected"),
        "change_request.withdrawn": gettext_lazy("Change of a subscription withdrawn"),
        "quota.warned": gettext_lazy("Quota nearly used up"),
        "quota.passed": gettext_lazy("Quota used up"),
        "quota.reset": gettext_lazy("Quota begun anew"),
        "quota.topped_up": gettext_lazy("Quota topped up"),
        "budget.warned": gettext_lazy("Budget nearly spent"),
        "budget.passed": gettext_lazy("Budget spent"),
        "budget.reset": gettext_lazy("Budget begun anew"),
        "budget.topped_up": gettext_lazy("Budget topped up"),
        "usage_alert.created": gettext_lazy("Usage alert made"),
        "usage_alert.changed": gettext_lazy("Usage alert changed"),
        "usage_alert.deleted": gettext_lazy("Usage alert deleted"),
        "usage_alert.opened": gettext_lazy("Usage alert opened"),
        "usage_alert.closed": gettext_lazy("Usage alert closed"),
        "approval_rule.created": gettext_lazy("Approval rule made"),
        "approval_rule.changed": gettext_lazy("Approval rule changed"),
        "approval_rule.deleted": gettext_lazy("Approval rule deleted"),
    },
    gettext_lazy("Gateways and keys"): {
        "gateway.rejected_config": gettext_lazy("Configuration refused"),
        "gateway.drift_repaired": gettext_lazy("Changed past Portico, and put right"),
        "gateway.serves_other": gettext_lazy("Gateway serves other routes"),
        "signing_key.published": gettext_lazy("Signing key announced"),
        "signing_key.activated": gettext_lazy("Signing key began to sign"),
        "signing_key.retired": gettext_lazy("Signing key retired"),
        "signing_key.removed": gettext_lazy("Signing key left the JWKS"),
        "signing_key.compromised": gettext_lazy("Signing key compromised"),
        "signing_key.brought_forward": gettext_lazy("Rotation brought forward"),
        "signing_key.rehearsed": gettext_lazy("Rotation rehearsed"),
        "token_policy.changed": gettext_lazy("Token policy changed"),
    },
}
# Who did what nobody in particular did.
PORTICO = "portico"
MOST_PEOPLE = 100
# Names are looked for in so many events: row security keeps an index from answering, so each has to be read.
LOOKED_THROUGH = 50_000
# Numbers follow the database's clock; this allows for a clock that was set back.
CLOCK = timedelta(minutes=5)
# Whose STEPS say what an event's verb leads to, by what it is about.
STATEFUL: dict[str, Any] = {
    "subscription": Subscription,
    "credential": Credential,
    "plan": Plan,
    "version": ApiVersion,
    "brown_out": BrownOut,
    "review": Review,
    "tenant": Tenant,
    "invitation": Invitation,
    "service_account": ServiceAccount,
}


class Day(forms.DateField):
    def __init__(self, **more: Any) -> None:
        widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
        wrong = {"invalid": gettext_lazy("Write a date such as 2027-03-31.")}
        super().__init__(required=False, input_formats=["%Y-%m-%d"], widget=widget, error_messages=wrong, **more)

    def clean(self, value: Any) -> date | None:
        day: date | None = super().clean(value)
        if day is not None and not 1970 <= day.year < 3000:
            raise forms.ValidationError(_("Choose a year from 1970 to 2999."))
        return day


class Filter(forms.Form):
    """How the list is narrowed: all that is given has to hold."""

    q = Text(most=100, empty=True, label=gettext_lazy("Names of who and what"))
    kind = forms.ChoiceField(
        required=False,
        label=gettext_lazy("What happened"),
        choices=[("", gettext_lazy("Anything")), *((group, [*kinds.items()]) for group, kinds in KINDS.items())],
        error_messages={"invalid_choice": gettext_lazy("There is no such kind of event.")},
    )
    who = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Who"),
        error_messages={"invalid_choice": gettext_lazy("Choose somebody of the list.")},
    )
    subject = Text(most=200, empty=True, label=gettext_lazy("About"), help_text=gettext_lazy("A name, or an id."))
    since = Day(label=gettext_lazy("From"))
    until = Day(label=gettext_lazy("To"))
    ip = Text(most=45, empty=True, label=gettext_lazy("IP address"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        members = Membership.objects.order_by("user__name", "user__email").values_list("user", "user__name", "user__email")
        people = [(str(pk), name or email) for pk, name, email in members[: MOST_PEOPLE + 1]]
        if len(people) > MOST_PEOPLE:
            del people[MOST_PEOPLE:]
            self.fields["who"].help_text = _("The first %(many)s by name. Search for the names of others.") % {"many": MOST_PEOPLE}
        self.fields["who"].choices = [("", _("Anybody")), (PORTICO, "Portico"), *people]  # type: ignore[attr-defined]
        for name, field in self.fields.items():
            field.widget.attrs |= {"placeholder": field.label, "aria-label": field.label} if name == "q" else {"class": "input"}

    def clean_ip(self) -> str:
        typed: str = self.cleaned_data["ip"]
        try:
            return str(ipaddress.ip_address(typed)) if typed else ""
        except ValueError:
            raise forms.ValidationError(_("This is no IP address.")) from None

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if given.get("since") and given.get("until") and given["since"] > given["until"]:
            self.add_error("until", _("This day is before the first one."))
        return given

    def narrow(self, events: QuerySet[Event]) -> "Narrowed":
        given = self.cleaned_data
        if kind := given["kind"]:
            events = events.filter(kind=kind)
        if who := given["who"]:
            events = events.filter(actor_id=None if who == PORTICO else who)
        if ip := given["ip"]:
            events = events.filter(ip=ip)
        events = _between(events, given["since"], given["until"])
        names = Q()
        if subject := given["subject"]:
            found = _id(subject)
            events = events.filter(subject_id=found) if found else events
            names &= Q() if found else Q(subject_name__icontains=subject)
        if q := given["q"]:
            names &= Q(subject_name__icontains=q) | Q(actor_name__icontains=q)
        return _named(events, names) if names else Narrowed(events)


@dataclass(frozen=True, slots=True)
class Narrowed:
    """The events, and from which number on names were looked for; 0 where all of them are."""

    events: QuerySet[Event]
    looked_from: int = 0


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _between(events: QuerySet[Event], since: date | None, until: date | None) -> QuerySet[Event]:
    """From the beginning of one day to the end of another, in the person's time zone. Numbers find the place in a long chain at once."""
    if since:
        start = _midnight(since)
        before = Event.objects.filter(at__lt=start - CLOCK).order_by("-at").values_list("number", flat=True).first()
        events = events.filter(at__gte=start, number__gt=before or 0)
    if until:
        end = _midnight(until + timedelta(days=1))
        after = Event.objects.filter(at__gte=end + CLOCK).order_by("at").values_list("number", flat=True).first()
        events = events.filter(at__lt=end, **{"number__lt": after} if after else {})
    return events


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=timezone.get_current_timezone())


def _named(events: QuerySet[Event], names: Q) -> Narrowed:
    newest = events.order_by("-number").values_list("number", flat=True).first() or 0
    looked_from = max(0, newest - LOOKED_THROUGH)
    return Narrowed(events.filter(names, number__gt=looked_from), looked_from)


@dataclass(frozen=True, slots=True)
class Row:
    event: Event
    sentence: str
    added: str


def _row(event: Event) -> Row:
    person = event.actor_id is not None
    sentence = happened(event.kind, event.data, actor=event.actor_name, subject=subject_of(event), by_a_person=person)
    return Row(event, sentence, added(event.data))


@tenant_view("audit.read")
@require_safe
def console_events(request: TenantRequest) -> HttpResponse:
    """What happened, the newest first."""
    form = Filter(request.GET)
    narrowed = form.narrow(Event.objects.all()) if form.is_valid() else Narrowed(Event.objects.none())
    page = page_of(request, narrowed.events, by="number", size=50)
    filtered = any(request.GET.get(name) for name in form.fields)
    context = {
        "form": form,
        "more": [form[name] for name in form.fields if name != "q"],
        "page": page,
        "rows": [_row(each) for each in page.rows],
        "filtered": filtered,
        "many_filters": any(request.GET.get(name) for name in form.fields if name != "q"),
        "looked_from": narrowed.looked_from,
        "looked_through": LOOKED_THROUGH,
        "zone": timezone.get_current_timezone_name(),
        "narrowed": f"?{_filter_of(request)}" if filtered and form.is_valid() else "",
        "head": last_head(),
        "most": most(),
    }
    return render(request, "audit/list.html", context, status=200 if form.is_valid() else 422)


def _filter_of(request: TenantRequest) -> str:
    """The filter as it stands in an address, without the place in the list."""
    query = request.GET.copy()
    for name in set(query) - set(Filter.base_fields):
        del query[name]
    return query.urlencode()


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not as it was."""

    name: str
    was: str
    now: str


@tenant_view("audit.read")
@require_safe
def console_event(request: TenantRequest, number: int) -> HttpResponse:
    """One event, with all that was written down."""
    near = {each.number: each for each in Event.objects.filter(number__in=[number - 1, number, number + 1])}
    event = near.get(number) or get_object_or_404(Event, number=number)
    before, after = near.get(number - 1), near.get(number + 1)
    told = receipts.as_told_to(request.permissions, receipts.receipt(event)) if event.kind in GATEWAY_KINDS else None
    context = {
        "event": event,
        "subject": subject_of(event),
        "row": _row(event),
        "changes": _changes(event),
        "facts": [(name, _text(value)) for name, value in event.data.items() if name not in _TOLD_AS_CHANGE],
        "before": before,
        "after": after,
        "whole": event.digest == digest_of(event, chain=str(event.tenant_id)),
        "linked": before is None or before.digest == event.previous,
        "receipt": told,
        "word": next(kinds[event.kind] for kinds in KINDS.values() if event.kind in kinds),
    }
    return render(request, "audit/event.html", context)


_TOLD_AS_CHANGE = {"was", "now", "roles"}


def _changes(event: Event) -> list[Change]:
    was, now = event.data.get("was"), event.data.get("now")
    if isinstance(was, Mapping) or isinstance(now, Mapping):
        was, now = was or {}, now or {}
        return [Change(name, _text(was.get(name)), _text(now.get(name))) for name in {**was, **now}]
    if "roles" in event.data:
        return [Change(_("Roles"), _text(was), _text(event.data["roles"]))]
    if event.kind == "revision.live":
        return [Change(_("Live revision"), _text(was), _text(event.data.get("number")))]
    noun, verb = event.kind.split(".")
    model = STATEFUL.get(noun)
    steps: Steps = model.STEPS if model else {}
    leads_to = [to for (start, to), name in steps.items() if (start, name) == (was, verb)]
    if leads_to:
        # Where two ways lead on from here, only the event after it says which was taken.
        return [Change(_("State"), _state(model, str(was)), _state(model, leads_to[0]) if len(leads_to) == 1 else _text(now))]
    return [Change(_("Value"), _text(was), _text(now))] if "was" in event.data else []


def _state(model: Any, state: str) -> str:
    return str(STATES[state][0] if state in STATES else model.Status(state).label)


def _text(value: Any) -> str:
    """A value of an event's data for people."""
    if value in (None, [], ""):
        return "—"
    if isinstance(value, list) and all(isinstance(each, str | int) for each in value):
        return listed(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


urlpatterns = [
    path("t/<str:tenant>/console/audit/", console_events, name="console-events"),
    path("t/<str:tenant>/console/audit/<int:number>/", console_event, name="console-event"),
]
