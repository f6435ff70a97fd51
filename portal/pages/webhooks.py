"""Webhooks: where events are sent to, what became of each, and sending again. A secret stands in the answer to the POST that made it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.db.models import OuterRef, QuerySet, Subquery
from django.forms.boundfield import BoundWidget
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from keys import webhooks as hooks
from keys.actions import webhook_sending, webhooks
from keys.models import Webhook, WebhookAttempt, WebhookDelivery
from keys.serializers_webhooks import error_of
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.audit import KINDS
from portal.pages.listing import chosen, page_of
from tenants.access import TenantRequest, tenant_view
from tenants.event_kinds import HOOKED

MANAGE = "webhooks.manage"
State = WebhookDelivery.State
FAMILIES: dict[str, Promise] = {
    "subscription.*": gettext_lazy("All about subscriptions"),
    "application.*": gettext_lazy("All about applications"),
    "credential.*": gettext_lazy("All about credentials"),
    "version.*": gettext_lazy("All about versions of APIs"),
    "signing_key.*": gettext_lazy("All about signing keys"),
    "usage_alert.*": gettext_lazy("All about usage alerts"),
    "budget.*": gettext_lazy("All about budgets of subscriptions"),
    "tenant_budget.*": gettext_lazy("All about the tenant's budget"),
    "content_logging.*": gettext_lazy("All about prompts and answers that are kept"),
}
# As the audit calls them.
NAMES: dict[str, str | Promise] = {
    **{kind: name for kinds in KINDS.values() for kind, name in kinds.items() if kind in HOOKED},
    hooks.TEST: gettext_lazy("Test event"),
}
SINCE: dict[str, tuple[timedelta, Promise]] = {
    "1h": (timedelta(hours=1), gettext_lazy("The last hour")),
    "24h": (timedelta(hours=24), gettext_lazy("The last day")),
    "7d": (timedelta(days=7), gettext_lazy("The last week")),
    "30d": (webhooks.KEPT, gettext_lazy("The last 30 days")),
}


@dataclass(frozen=True, slots=True)
class Family:
    """What can be chosen of one: all of it, or single kinds."""

    all: BoundWidget
    kinds: list[BoundWidget]
    opened: bool


class WebhookForm(PageForm):
    name = Text(most=80, label=gettext_lazy("Name"), help_text=gettext_lazy("Such as “Chat” or “Billing”."))
    url = Text(
        most=hooks.MAX_URL,
        label=gettext_lazy("Address"),
        help_text=gettext_lazy("It begins with https://. Events are sent to it by POST."),
    )
    kinds = forms.MultipleChoiceField(
        choices=[*FAMILIES.items(), *((kind, NAMES[kind]) for kind in sorted(HOOKED))],
        widget=forms.CheckboxSelectMultiple,
        label=gettext_lazy("What it is told of"),
        error_messages={"invalid_choice": gettext_lazy("Choose among these.")},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["kinds"].error_messages["required"] = _("Choose at least one.")

    @property
    def families(self) -> Iterator[Family]:
        boxes = {str(each.data["value"]): each for each in self["kinds"]}
        for family in FAMILIES:
            of = [boxes[kind] for kind in sorted(HOOKED) if kind.startswith(family.removesuffix("*"))]
            yield Family(boxes[family], of, any(each.data["selected"] for each in of))


class EnableForm(PageForm):
    meanwhile = forms.ChoiceField(
        widget=forms.RadioSelect,
        initial="leave",
        choices=[("leave", gettext_lazy("It is not told of that")), ("catch_up", gettext_lazy("It is told of that first"))],
        label=gettext_lazy("What happened meanwhile"),
        error_messages={"invalid_choice": gettext_lazy("Choose one of these.")},
    )


class SinceForm(PageForm):
    since = forms.ChoiceField(
        widget=forms.RadioSelect,
        initial="24h",
        choices=[(name, said) for name, (_time, said) in SINCE.items()],
        label=gettext_lazy("What failed in"),
        error_messages={"invalid_choice": gettext_lazy("Choose one of these.")},
    )


# --- looking ---------------------------------------------------------------------------------------------------------


@tenant_view(MANAGE)
@require_safe
def listed(request: TenantRequest) -> HttpResponse:
    rows = [{"webhook": each, "kinds": told_of(each)} for each in Webhook.objects.order_by("name")]
    return render(request, "webhooks/list.html", {"rows": rows})


def told_of(webhook: Webhook) -> list[str | Promise]:
    """Its kinds in words."""
    return [FAMILIES.get(each) or NAMES.get(each, each) for each in webhook.kinds]


@tenant_view(MANAGE)
@require_safe
def webhook(request: TenantRequest, pk: UUID) -> HttpResponse:
    found = _webhook(pk)
    state, kind = chosen(request, "state", State.values), chosen(request, "kind", [*NAMES])
    rows: QuerySet[WebhookDelivery] = WebhookDelivery.objects.filter(webhook=found)
    if state:
        rows = rows.filter(state=state)
    if kind:
        rows = rows.filter(kind=kind)
    last = WebhookAttempt.objects.filter(delivery=OuterRef("pk")).order_by("-pk")
    page = page_of(request, rows.annotate(last=Subquery(last.values("pk")[:1])))
    attempts = WebhookAttempt.objects.in_bulk([each.last for each in page.rows if each.last])  # type: ignore[attr-defined]
    context = {
        "webhook": found,
        "kinds": told_of(found),
        "former_until": found.former_until if found.former_until and found.former_until > timezone.now() else None,
        "page": page,
        "rows": [
            {"delivery": each, "name": NAMES.get(each.kind, each.kind), "said": _said(attempts.get(each.last), found)}  # type: ignore[attr-defined]
            for each in page.rows
        ],
        "state": state,
        "kind": kind,
        "states": State.choices,
        "names": [(each, NAMES[each]) for each in [*hooks.kinds_of(found.kinds), hooks.TEST]],
    }
    return render(request, "webhooks/webhook.html", context)


def _said(attempt: WebhookAttempt | None, webhook: Webhook) -> str:
    """What came of the last try, in a line."""
    if attempt is None:
        return ""
    return error_of(attempt, webhook.host) or _("Answered %(status)s.") % {"status": attempt.answered}


@tenant_view(MANAGE)
@require_safe
def delivery(request: TenantRequest, pk: UUID, delivery: UUID) -> HttpResponse:
    found = _delivery(pk, delivery)
    attempts = found.attempts.order_by("-pk")
    body = json.loads(webhook_sending.message(found, request.tenant).body())
    context = {
        "webhook": found.webhook,
        "delivery": found,
        "name": NAMES.get(found.kind, found.kind),
        "attempts": [{"attempt": each, "error": error_of(each, found.webhook.host)} for each in attempts],
        "body": json.dumps(body, indent=2, ensure_ascii=False),
        "again": found.state != State.WAITING and found.kind != hooks.TEST,
    }
    return render(request, "webhooks/delivery.html", context)


def _webhook(pk: UUID) -> Webhook:
    found: Webhook = get_object_or_404(Webhook.objects, pk=pk)
    return found


def _delivery(pk: UUID, delivery: UUID) -> WebhookDelivery:
    rows = WebhookDelivery.objects.select_related("webhook", "event")
    found: WebhookDelivery = get_object_or_404(rows, webhook=pk, pk=delivery)
    return found


# --- changing --------------------------------------------------------------------------------------------------------


@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: TenantRequest) -> HttpResponse:
    form = WebhookForm(given(request))
    back = reverse("console-webhooks", args=[request.tenant.slug])

    def make(typed: dict[str, Any]) -> tuple[Webhook, str]:
        return webhooks.create(name=typed["name"], url=typed["url"], kinds=typed["kinds"], by=request.user)

    return _made_once(request, form, make, template="webhooks/new.html", context={"back": back})


@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def roll(request: TenantRequest, pk: UUID) -> HttpResponse:
    found = _webhook(pk)

    def make(_typed: dict[str, Any]) -> tuple[Webhook, str]:
        return found, webhooks.roll(found, by=request.user)[0]

    context = {"webhook": found, "back": _at(request, found)}
    return _made_once(request, PageForm(given(request)), make, template="webhooks/roll.html", context=context)


def _made_once(
    request: TenantRequest,
    form: PageForm,
    make: Callable[[dict[str, Any]], tuple[Webhook, str]],
    *,
    template: str,
    context: dict[str, Any],
) -> HttpResponse:
    """The form; its POST is answered with the secret, once. Sent again, or reloaded, it makes nothing and says so."""
    if done := asking.carried_out(request, form, make):
        made, secret = done.result
        answer = render(request, "webhooks/made.html", {"webhook": made, "secret": secret, "back": _at(request, made)})
        answer["Cache-Control"] = "private, no-store"
        return answer
    page = "webhooks/shown_before.html" if form.sent_before else template
    return render(request, page, {**context, "form": form}, status=form.http_status)


@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: TenantRequest, pk: UUID) -> HttpResponse:
    found = _webhook(pk)
    initial = {"name": found.name, "url": found.url, "kinds": found.kinds}
    form = WebhookForm(given(request), initial=initial)

    def change(typed: dict[str, Any]) -> bool:
        told = {name: typed[name] for name in ("name", "url", "kinds")}
        return webhooks.change(found, **told, by=request.user) is not None

    if done := asking.carried_out(request, form, change):
        said = _("The webhook is changed.") if done.result else _("Nothing was changed.")
        return asking.finished(request, back=_at(request, found), said=said)
    return render(request, "webhooks/edit.html", {"webhook": found, "form": form, "back": _at(request, found)}, status=form.http_status)


@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def enable(request: TenantRequest, pk: UUID) -> HttpResponse:
    found = _webhook(pk)
    named = {"webhook": found}
    question = asking.Question(
        title=_("Switch “%(webhook)s” on?") % named,
        says=_("What waited is sent at once, and then what happens from now on."),
        button=_("Switch it on"),
        back=_at(request, found),
        done=_("“%(webhook)s” is told of what happens.") % named,
    )

    def act(typed: dict[str, Any]) -> None:
        webhooks.change(found, enabled=True, catch_up=typed["meanwhile"] == "catch_up", by=request.user)

    return asking.ask(request, question, EnableForm(given(request)), act)


@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def disable(request: TenantRequest, pk: UUID) -> HttpResponse:
    found = _webhook(pk)
    named = {"webhook": found}
    question = asking.Question(
        title=_("Switch “%(webhook)s” off?") % named,
        says=_("It is told nothing more until it is switched on again. What waits then goes on where it was."),
        button=_("Switch it off"),
        back=_at(request, found),
        done=_("“%(webhook)s” is told nothing more.") % named,
    )

    def act(_typed: dict[str, Any]) -> None:
        webhooks.change(found, enabled=False, by=request.user)

    return asking.ask(request, question, PageForm(given(request)), act)


@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: TenantRequest, pk: UUID) -> HttpResponse:
    found = _webhook(pk)
    named = {"webhook": found}
    question = asking.Question(
        title=_("Delete “%(webhook)s”?") % named,
        says=_("It is told nothing more, and the record of its deliveries goes with it. This can't be undone."),
        button=_("Delete it"),
        back=reverse("console-webhooks", args=[request.tenant.slug]),
        done=_("“%(webhook)s” is deleted.") % named,
        danger=True,
    )

    def act(_typed: dict[str, Any]) -> None:
        webhooks.delete(found, by=request.user)

    return asking.ask(request, question, PageForm(given(request)), act)


# --- sending ---------------------------------------------------------------------------------------------------------


@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def test(request: TenantRequest, pk: UUID) -> HttpResponse:
    """Sent by the job within seconds; the page that follows shows what came of it."""
    found = _webhook(pk)
    question = asking.Question(
        title=_("Send a test event to %(host)s?") % {"host": found.host},
        says=_("It is sent once, before all that waits, and signed like any other."),
        button=_("Send it"),
        back=_at(request, found),
        done="",
    )
    form = PageForm(given(request))

    def act(_typed: dict[str, Any]) -> WebhookDelivery:
        return webhooks.send_test(found)

    if done := asking.carried_out(request, form, act):
        back = reverse("console-webhook-delivery", args=[request.tenant.slug, pk, done.result.pk])
        return asking.finished(request, back=back, said=_("The test is on its way. Load this page again in a moment."))
    return asking.asked(request, question, form, status=form.http_status)


@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def redeliver_failed(request: TenantRequest, pk: UUID) -> HttpResponse:
    found = _webhook(pk)
    question = asking.Question(
        title=_("Send again what failed?"),
        says=_("The oldest comes first, each with its id, so that a receiver which remembers ids takes it once."),
        button=_("Send again"),
        back=_at(request, found),
        done="",
    )
    form = SinceForm(given(request))

    def act(typed: dict[str, Any]) -> int:
        since = timezone.now() - SINCE[typed["since"]][0]
        return webhooks.redeliver_failed(found, since=since)

    if done := asking.carried_out(request, form, act):
        many = done.result
        said = ngettext("%(many)s delivery waits to be sent again.", "%(many)s deliveries wait to be sent again.", many)
        nothing = _("Nothing failed in that time.")
        return asking.finished(request, back=_at(request, found), said=said % {"many": many} if many else nothing)
    return asking.asked(request, question, form, status=form.http_status)


@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def redeliver(request: TenantRequest, pk: UUID, delivery: UUID) -> HttpResponse:
    found = _delivery(pk, delivery)
    question = asking.Question(
        title=_("Send this again?"),
        says=_("It goes with the id that it had, and before what waits and is newer."),
        button=_("Send again"),
        back=_at_delivery(request, found),
        done=_("It waits to be sent again."),
    )

    def act(_typed: dict[str, Any]) -> None:
        webhooks.redeliver(found)

    return asking.ask(request, question, PageForm(given(request)), act)


@tenant_view(MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def give_up(request: TenantRequest, pk: UUID, delivery: UUID) -> HttpResponse:
    found = _delivery(pk, delivery)
    if request.method != "POST" and found.state != State.WAITING:
        return redirect(_at_delivery(request, found))
    question = asking.Question(
        title=_("Give this up?"),
        says=_("It is not tried any more, and what waits behind it is sent. It can be sent again later."),
        button=_("Give it up"),
        back=_at_delivery(request, found),
        done=_("It is not tried any more."),
    )

    def act(_typed: dict[str, Any]) -> None:
        webhooks.give_up(found)

    return asking.ask(request, question, PageForm(given(request)), act)


def _at(request: TenantRequest, webhook: Webhook) -> str:
    return reverse("console-webhook", args=[request.tenant.slug, webhook.pk])


def _at_delivery(request: TenantRequest, delivery: WebhookDelivery) -> str:
    return reverse("console-webhook-delivery", args=[request.tenant.slug, delivery.webhook_id, delivery.pk])


_HERE = "t/<str:tenant>/console/webhooks/"
_ONE = f"{_HERE}<uuid:pk>/"
_DELIVERY = f"{_ONE}deliveries/<uuid:delivery>/"
urlpatterns = [
    path(_HERE, listed, name="console-webhooks"),
    path(f"{_HERE}new/", new, name="console-webhook-new"),
    path(_ONE, webhook, name="console-webhook"),
    path(f"{_ONE}edit/", edit, name="console-webhook-edit"),
    path(f"{_ONE}roll/", roll, name="console-webhook-roll"),
    path(f"{_ONE}enable/", enable, name="console-webhook-enable"),
    path(f"{_ONE}disable/", disable, name="console-webhook-disable"),
    path(f"{_ONE}delete/", delete, name="console-webhook-delete"),
    path(f"{_ONE}test/", test, name="console-webhook-test"),
    path(f"{_ONE}redeliver/", redeliver_failed, name="console-webhook-redeliver-failed"),
    path(_DELIVERY, delivery, name="console-webhook-delivery"),
    path(f"{_DELIVERY}redeliver/", redeliver, name="console-webhook-delivery-redeliver"),
    path(f"{_DELIVERY}give-up/", give_up, name="console-webhook-delivery-give-up"),
]
