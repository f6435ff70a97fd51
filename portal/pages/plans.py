"""Plans: what an API may be called for, how often, and who decides."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.core.validators import RegexValidator
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from apis.actions import plan_models
from apis.actions import plans as actions
from apis.ai.offer import MOST_TOKENS
from apis.models import Api, Plan, Subscription
from apis.quotas import MOST_CALLS
from apis.serializers_plans import MAX_PLAN_CALLS, MAX_PLAN_SECONDS, MAX_TRIAL_DAYS
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.listing import chosen, page_of, sought
from portal.pages.profile import zones
from portal.pages.shares import in_general
from tenants.access import TenantRequest, tenant_view
from tenants.models import SLUG, TenantSettings

# In seconds; OWN is a time of one's own.
OWN = "own"
PERIODS = [
    ("1", gettext_lazy("a second")),
    ("10", gettext_lazy("in 10 seconds")),
    ("60", gettext_lazy("a minute")),
    ("3600", gettext_lazy("an hour")),
    ("86400", gettext_lazy("a day")),
    (OWN, gettext_lazy("in another time…")),
]
APPROVAL = [
    (Plan.Approval.MANUAL, gettext_lazy("An approver decides each request")),
    (Plan.Approval.TWO_PEOPLE, gettext_lazy("Two approvers decide each request")),
    (Plan.Approval.TESTS, gettext_lazy("Requests of test applications are approved at once; an approver decides those of live ones")),
    (Plan.Approval.AUTOMATIC, gettext_lazy("Each request is approved at once")),
]


# What leads on from each state: page, button, and whether it takes something from subscribers. portal.pages.plan_life has the pages.
_CHANGE = ("console-plan-change", gettext_lazy("Change…"), False)
# Of AI APIs.
_BUDGET = ("console-plan-budget", gettext_lazy("Budget…"), False)
_SHOWN = ("console-plan-audience", gettext_lazy("Who sees it…"), False)
_CLOSE = ("console-plan-close", gettext_lazy("Close…"), True)
WAYS: dict[str, list[tuple[str, Any, bool]]] = {
    Plan.Status.STAGING: [("console-plan-publish", gettext_lazy("Publish…"), False), _CHANGE, _SHOWN, _CLOSE],
    Plan.Status.PUBLISHED: [_CHANGE, _SHOWN, ("console-plan-deprecate", gettext_lazy("Deprecate…"), False), _CLOSE],
    Plan.Status.DEPRECATED: [_CHANGE, _SHOWN, ("console-plan-reinstate", gettext_lazy("Offer again…"), False), _CLOSE],
    Plan.Status.CLOSED: [],
}


def number(least: int, most: int, **more: Any) -> forms.IntegerField:
    """A field for a whole number; what is none, too small or too large comes back with the range."""
    said = gettext_lazy("Give a number from %(least)s to %(most)s.")
    field = forms.IntegerField(**more, widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}))

    def check(value: int) -> None:
        if not least <= value <= most:
            raise forms.ValidationError(sentence())

    def sentence() -> str:
        return str(said) % {"least": number_format(least, force_grouping=True), "most": number_format(most, force_grouping=True)}

    field.validators.append(check)
    field.error_messages["invalid"] = gettext_lazy("Give a whole number.")
    return field


def of_ai(models: Iterable[str]) -> dict[str, forms.Field]:
    """What plans of AI APIs have beside calls. :param models: those that one can choose from."""
    return {
        "tokens_per_minute": number(
            1,
            MOST_TOKENS,
            required=False,
            label=_("Tokens a minute"),
            help_text=_("For how many the calls of an application may ask together. Empty: for as many as the calls may."),
        ),
        "max_tokens": number(
            1,
            MOST_TOKENS,
            required=False,
            label=_("Tokens of an answer"),
            help_text=_("For how many one call may ask. Empty: for as many as the model gives."),
        ),
        "models": forms.MultipleChoiceField(
            choices=[(each, each) for each in models],
            required=False,
            widget=forms.CheckboxSelectMultiple,
            label=_("Models"),
            help_text=_("Those that it includes. None: all of them."),
            error_messages={"invalid_choice": _("There is no model %(value)s here.")},
        ),
    }


class TermsForm(PageForm):
    """What a plan allows, and who decides: `terms` has it as actions take it."""

    calls = number(1, MAX_PLAN_CALLS, initial=60, label=gettext_lazy("Calls"))
    period = forms.ChoiceField(choices=PERIODS, initial="60", label=gettext_lazy("In what time"))
    seconds = number(
        1,
        MAX_PLAN_SECONDS,
        required=False,
        label=gettext_lazy("Seconds"),
        help_text=gettext_lazy("Counts where “in another time” is chosen."),
    )
    burst = number(
        1,
        MAX_PLAN_CALLS,
        required=False,
        label=gettext_lazy("Of which at once"),
        help_text=gettext_lazy("How many of them may come at once; more follow as time passes. Empty: all of them."),
    )
    quota = number(
        1,
        MOST_CALLS,
        required=False,
        label=gettext_lazy("Quota"),
        help_text=gettext_lazy("Calls of each subscription in that period. Empty: no quota."),
    )
    quota_period = forms.ChoiceField(
        choices=Plan.Period.choices, required=False, initial=Plan.Period.MONTH, label=gettext_lazy("Quota period")
    )
    quota_time_zone = forms.ChoiceField(
        choices=zones,
        required=False,
        initial=actions.UTC,
        label=gettext_lazy("Time zone"),
        help_text=gettext_lazy("It begins anew at midnight there."),
    )
    approval = forms.ChoiceField(choices=APPROVAL, widget=forms.RadioSelect, label=gettext_lazy("Who decides"))
    trial_days = number(
        1,
        MAX_TRIAL_DAYS,
        required=False,
        label=gettext_lazy("Days of trial"),
        help_text=gettext_lazy("A subscription under the plan ends so many days after it begins. Empty: it is no trial."),
    )

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("period") == OWN and "seconds" in data and data["seconds"] is None:
            self.add_error("seconds", _("Give the time in seconds, or choose one from the list."))
        return data

    @property
    def terms(self) -> dict[str, Any]:
        data = self.cleaned_data
        return {
            "calls": data["calls"],
            "seconds": data["seconds"] if data["period"] == OWN else int(data["period"]),
            "approval": data["approval"],
            "burst": data["burst"],
            "trial_days": data["trial_days"],
            "quota": data["quota"],
            "quota_period": data["quota_period"] or Plan.Period.MONTH,
            "quota_time_zone": data["quota_time_zone"] or actions.UTC,
            **({"scopes": data["scopes"].split()} if "scopes" in data else {}),
            # 0 takes away.
            **{name: data[name] or 0 for name in plan_models.TOKENS if name in data},
            **({"models": data["models"]} if "models" in data else {}),
        }


def scopes_field() -> Text:
    """Of a plan whose API is there already: its document says which there are."""
    return Text(
        most=2_000,
        empty=True,
        label=gettext_lazy("Scopes"),
        help_text=gettext_lazy("What it includes of the scopes that the API's operations need, with spaces between. Empty: all of them."),
    )


class PlanForm(TermsForm):
    name = Text(
        most=40,
        label=gettext_lazy("Name of the plan"),
        help_text=gettext_lazy("Lower-case letters, digits and hyphens, such as free or gold. It can't be changed later."),
        validators=[RegexValidator(SLUG.regex, gettext_lazy("Use lower-case letters, digits and single hyphens."))],
    )

    field_order = ["name"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.is_bound:
            by_people = TenantSettings.objects.values_list("approval_by_people", flat=True).get()
            self.initial.setdefault("approval", Plan.Approval.MANUAL if by_people else Plan.Approval.AUTOMATIC)

    @property
    def terms(self) -> dict[str, Any]:
        """With the name."""
        return {"name": self.cleaned_data["name"], **super().terms}


class NewPlanForm(PlanForm):
    api: "forms.ModelChoiceField[Api]" = forms.ModelChoiceField(
        queryset=None, to_field_name="slug", label=gettext_lazy("API"), empty_label=gettext_lazy("Choose one")
    )

    scopes = scopes_field()

    field_order = ["api", "name"]

    def __init__(self, *args: Any, api: str = "", **kwargs: Any) -> None:
        """:param api: the slug of the one that is chosen: of an AI API a plan has more."""
        of = Api.objects.filter(slug=api, kind=Api.Kind.AI).first() if api else None
        super().__init__(*args, more=of_ai(plan_models.offered(of)) if of else None, **kwargs)
        # Asked for here: which tenant's is known in a request alone.
        self.fields["api"].queryset = Api.objects.order_by("name")  # type: ignore[attr-defined]
        self.fields["api"].error_messages["invalid_choice"] = _("There is no such API.")


@dataclass(frozen=True, slots=True)
class Row:
    """A plan of a list, how many subscriptions to it are open, and what this person may do with it: page, word, and whether it takes."""

    plan: Plan
    active: int
    pending: int
    ways: list[tuple[str, Any, bool]]


def rows_of(request: TenantRequest, plans: Iterable[Plan]) -> list[Row]:
    found = list(plans)
    held = open_subscriptions("plan", found)
    return [Row(each, *held.get(each.pk, (0, 0)), _ways(request, each)) for each in found]


def _ways(request: TenantRequest, plan: Plan) -> list[tuple[str, Any, bool]]:
    if "apis.publish" not in request.permissions:
        return []
    ways = list(WAYS[plan.status])
    if plan.api.is_ai and _CHANGE in ways:
        ways.insert(ways.index(_CHANGE) + 1, _BUDGET)
    return [(reverse(name, args=[request.tenant.slug, plan.pk]), word, takes) for name, word, takes in ways]


def open_subscriptions(by: str, among: Iterable[Api | Plan]) -> dict[UUID, tuple[int, int]]:
    """How many are active and how many pending, of each API or plan that has any."""
    rows = Subscription.objects.filter(**{f"{by}__in": list(among)}, status__in=["active", "pending"]).values(by)
    counted = rows.annotate(active=Count("pk", filter=Q(status="active")), pending=Count("pk", filter=Q(status="pending")))
    return {each[by]: (each["active"], each["pending"]) for each in counted.order_by(by)}


@tenant_view("apis.see_all")
@require_safe
def console_plans(request: TenantRequest) -> HttpResponse:
    """All plans, the newest first; `?api=` is those of one API."""
    q, status = sought(request), chosen(request, "status", Plan.Status.values)
    rows = Plan.objects.select_related("api")
    if q:
        rows = rows.filter(Q(name__icontains=q) | Q(api__name__icontains=q) | Q(api__slug__icontains=q))
    if api := request.GET.get("api", ""):
        rows = rows.filter(api__slug=api[:40])
    if status:
        rows = rows.filter(status=status)
    page = page_of(request, rows)
    context = {
        "page": page,
        "rows": rows_of(request, page.rows),
        "q": q,
        "status": status,
        "states": [(each.value, each.label) for each in Plan.Status],
        "filtered": bool(q or api or status),
        "may_publish": "apis.publish" in request.permissions,
        "divided": in_general(request),
    }
    return render(request, "plans/list.html", context)


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def plan_new(request: TenantRequest) -> HttpResponse:
    api = request.GET.get("api", "")
    form = NewPlanForm(given(request), api=(request.POST.get("api") or api).replace("\x00", ""), initial={"api": api})
    if done := asking.carried_out(request, form, lambda typed: actions.create(typed["api"], **form.terms, by=request.user)):
        plan = done.result
        said = _("The plan %(plan)s of %(api)s is made. Publish it when subscribers may choose it.")
        back = reverse("console-plans", args=[request.tenant.slug])
        return asking.finished(request, back=back, said=said % {"plan": plan, "api": plan.api})
    return render(request, "plans/new.html", {"form": form}, status=form.http_status)


urlpatterns = [
    path("t/<str:tenant>/console/plans/", console_plans, name="console-plans"),
    path("t/<str:tenant>/console/plans/new/", plan_new, name="console-plan-new"),
]
