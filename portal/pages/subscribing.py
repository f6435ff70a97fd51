"""Asking for an application's right to call an API."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.db.models import QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from apis.actions import content_logging, subscriptions
from apis.models import Api, ContentLogging, Plan, Subscription
from keys.models import Application
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking, consent
from portal.pages.answers import answers_in, check_asked, fields_of
from portal.pages.catalogue import offered, own_subscriptions, plans_of
from portal.pages.version_life import Moment
from tenants.access import TenantRequest, tenant_view
from tenants.models import Event, Membership, TeamMember, User
from tenants.roles import who_may

DECIDES = {
    Plan.Approval.MANUAL: gettext_lazy("an approver decides"),
    Plan.Approval.TWO_PEOPLE: gettext_lazy("two approvers decide"),
    Plan.Approval.TESTS: gettext_lazy("approved at once for test applications"),
    Plan.Approval.AUTOMATIC: gettext_lazy("approved at once"),
}


class Choice(forms.ModelChoiceField):  # type: ignore[type-arg]
    def to_python(self, value: Any) -> Any:
        """What is no id at all is as unknown as an id that nothing has."""
        try:
            return super().to_python(value)
        except forms.ValidationError:
            raise forms.ValidationError(self.error_messages["invalid_choice"], code="invalid_choice") from None


class PlanChoice(Choice):
    def label_from_instance(self, obj: Plan) -> SafeString:
        decides = DECIDES[Plan.Approval(obj.approval)]
        return format_html('<strong>{}</strong> <span class="sub">{} · {}</span>', obj.name, obj.terms, decides)


class SubscribeForm(PageForm):
    application = Choice(
        None,
        empty_label=gettext_lazy("Choose an application"),
        label=gettext_lazy("Application"),
        error_messages={"invalid_choice": gettext_lazy("Choose one of your own applications.")},
    )
    plan = PlanChoice(
        None,
        empty_label=None,
        widget=forms.RadioSelect,
        label=gettext_lazy("Plan"),
        error_messages={"invalid_choice": gettext_lazy("This plan is not offered any more. Choose another.")},
    )
    purpose = Text(
        most=500,
        lines=4,
        label=gettext_lazy("Purpose"),
        help_text=gettext_lazy("What the calls are for. Whoever decides reads it, and it stays with the subscription."),
    )

    starts_at = Moment(
        required=False, label=gettext_lazy("Starts"), help_text=gettext_lazy("Empty: as soon as it is approved. In your time zone.")
    )
    ends_at = Moment(
        required=False, label=gettext_lazy("Ends"), help_text=gettext_lazy("Empty: never by itself. It can be renewed before it ends.")
    )

    def __init__(
        self,
        data: QueryDict | None,
        *,
        api: Api,
        applications: QuerySet[Application],
        plans: QuerySet[Plan],
        taken: set[UUID],
        logging: ContentLogging | None,
        initial: dict[str, Any],
        here: str,
    ) -> None:
        """:param taken: applications with a subscription here; not offered, as suspended ones, and refused by the rule if named."""
        asked = fields_of(api)
        super().__init__(data, initial=initial, more={**asked, **consent.fields_of(logging)})
        self.questions = [self[name] for name, field in asked.items() if not field.widget.is_hidden]
        self.agreement = self[consent.AGREED] if logging else None
        own, plan = self.fields["application"], self.fields["plan"]
        assert isinstance(own, forms.ModelChoiceField)
        assert isinstance(plan, forms.ModelChoiceField)
        own.queryset, plan.queryset = applications, plans
        chosen = str(self["application"].value() or "")
        free = {each.pk for each in applications if each.status == Application.Status.ACTIVE and each.pk not in taken}
        self.free = [(str(each.pk), each.name) for each in applications if each.pk in free or (data and str(each.pk) == chosen)]
        # Another choice shows why that one was rejected, where it was.
        own.widget.attrs |= {"hx-get": here, "hx-trigger": "change", "hx-target": "#before", "hx-select": "#before", "hx-swap": "outerHTML"}
        own.widget.choices = self.free if len(self.free) == 1 else [("", own.empty_label), *self.free]


@tenant_view("applications.own")
@require_http_methods(["GET", "HEAD", "POST"])
def subscribe(request: TenantRequest, api: str) -> HttpResponse:
    """Choose an application and a plan, and say what for."""
    found = get_object_or_404(offered(request), slug=api)
    mine = own_subscriptions(found, request.user)
    applications = Application.objects.owned_by(request.user).order_by("name")
    taken = {each.application_id for each in mine if each.status in Subscription.OPEN}
    plans = plans_of(request, found)
    logging = content_logging.in_force(found)
    typed = given(request)
    here = reverse("catalogue-subscribe", args=[request.tenant.slug, found.slug])
    initial = {name: request.GET.get(name, "") for name in ("application", "plan")}
    if len(plans) == 1:
        initial["plan"] = str(plans[0].pk)
    form = SubscribeForm(typed, api=found, applications=applications, plans=plans, taken=taken, logging=logging, initial=initial, here=here)

    def ask_for(typed: dict[str, Any]) -> tuple[Subscription, Event]:
        check_asked(form, found)
        told = {**{name: typed[name] for name in ("plan", "purpose", "starts_at", "ends_at")}, "answers": answers_in(typed, found)}
        told["logging_agreed"] = consent.agreed_in(form, logging)
        return subscriptions.request(typed["application"], api=found, **told, by=request.user)

    if done := asking.carried_out(request, form, ask_for):
        made, event = done.result
        back = f"{reverse('app', args=[request.tenant.slug, made.application_id])}?tab=subscriptions"
        active = made.status == Subscription.Status.ACTIVE
        return asking.finished(request, back=back, said=_said(made), event=event if active else None)
    context = {
        "api": found,
        "form": form,
        "before": _rejected_before(form, mine),
        "logging": logging,
        "kept": consent.sentence(logging) if logging else "",
        "plans": plans,
        "applications": form.free,
        "has_some": bool(applications),
        "new": f"{reverse('app-new', args=[request.tenant.slug])}?{urlencode({'next': here})}",
    }
    return render(request, "catalogue/subscribe.html", context, status=form.http_status)


def _rejected_before(form: SubscribeForm, mine: list[Subscription]) -> list[Subscription]:
    """Of the application that is chosen its rejected request; while none is, those of all."""
    rejected = [each for each in mine if each.status == Subscription.Status.REJECTED]
    chosen = form.free[0][0] if len(form.free) == 1 else str(form["application"].value() or "")
    return [each for each in rejected if str(each.application_id) == chosen] if chosen else rejected


def _said(made: Subscription) -> str:
    """What happened, and who it waits for."""
    names = {"application": made.application, "api": made.api}
    if made.status == Subscription.Status.ACTIVE:
        return _("%(application)s is subscribed to %(api)s.") % names
    asked = _("%(application)s asks for %(api)s, and its request is pending.") % names
    return f"{asked} {_who_decides(made)}"


def _who_decides(made: Subscription) -> str:
    """Four eyes: never who asked, and nobody of the team that it is for."""
    decides = Membership.objects.filter(who_may("subscriptions.decide"), user__is_active=True)
    decides = decides.exclude(user__in=[made.requested_by_id, made.application.owner_id])
    if made.application.team_id is not None:
        decides = decides.exclude(pk__in=TeamMember.objects.filter(team=made.application.team_id).values("membership"))
    people: list[User] = [each.user for each in decides.select_related("user").order_by("user__name", "id")]
    if not people:
        return _("Nobody else here can decide yet; tell an administrator.")
    others = len(people) - 1
    if not others:
        return _("%(person)s can decide.") % {"person": people[0]}
    said = ngettext("%(person)s and %(others)s other can decide.", "%(person)s and %(others)s others can decide.", others)
    return said % {"person": people[0], "others": others}


urlpatterns = [path("t/<str:tenant>/apis/<str:api>/subscribe/", subscribe, name="catalogue-subscribe")]
