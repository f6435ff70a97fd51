"""Budgets for models: of a plan, what an approver adds to a subscription's, and the tenant's own."""

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from apis import budgets as amounts
from apis.actions import budget_terms, budgets, plans
from apis.budgets import CURRENCY, MOST_TOKENS, SOFT_PERCENT, SOFT_PERCENTS, Budget
from apis.models import Plan, Subscription
from portal import words
from portal.forms import PageForm, ReasonForm, Text
from portal.kept import given
from portal.money import money, tokens
from portal.pages import asking
from portal.pages.plans import number
from portal.pages.profile import zones
from tenants.access import TenantRequest, tenant_view
from tenants.errors import Invalid
from tenants.models import Event

# So many of whom another budget stops are named.
NAMED_OVER = 5


class Amount(Text):
    """In a currency; its value is in millionths, None where nothing was typed."""

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        found = amounts.read(text.strip())
        if found is None:
            raise forms.ValidationError(_("Give an amount such as 12.50, above 0, with up to six digits behind the point."))
        return found


def amount_field(**more: Any) -> Amount:
    return Amount(most=20, empty=True, **more)


class BudgetForm(PageForm):
    tokens = number(
        1, MOST_TOKENS, required=False, label=gettext_lazy("Tokens"), help_text=gettext_lazy("In and out together. Empty: no end.")
    )
    amount = amount_field(
        label=gettext_lazy("Money"), help_text=gettext_lazy("By the prices of models. Empty: no end. Whichever comes first ends it.")
    )  # fmt: skip
    currency = Text(most=3, label=gettext_lazy("Currency"), help_text=gettext_lazy("What has its price in another counts by its tokens."))
    period = forms.ChoiceField(choices=Plan.Period.choices, label=gettext_lazy("Period"))
    time_zone = forms.ChoiceField(
        choices=zones, label=gettext_lazy("Time zone"), help_text=gettext_lazy("It begins anew at midnight there.")
    )
    soft_percent = number(*SOFT_PERCENTS, label=gettext_lazy("Warn from"), help_text=gettext_lazy("Percent of it, once in each period."))

    @property
    def terms(self) -> dict[str, Any]:
        names = ("tokens", "amount", "currency", "period", "time_zone", "soft_percent")
        return {name: self.cleaned_data[name] for name in names}


class PlanBudgetForm(BudgetForm):
    """Whom another budget stops at once, it stops after a second look."""

    even_over = forms.BooleanField(required=False, widget=forms.HiddenInput, label=gettext_lazy("Refuse their calls"))

    def look_twice(self, plan: Plan) -> None:
        """:raises Invalid: who changes it has not seen yet whom it stops."""
        wanted = Budget(**self.terms)
        if self.cleaned_data["even_over"] or wanted == plan.budget:
            return
        over = budget_terms.over(plan, wanted, now=timezone.now())
        if not over:
            return
        self.fields["even_over"].widget = forms.CheckboxInput()
        said = ngettext(
            "%(many)s application has spent as much as that already and is refused at once, until the budget begins anew: %(names)s.",
            "%(many)s applications have spent as much as that already and are refused at once, until the budget begins anew: %(names)s.",
            len(over),
        )
        names = words.listed([*(each.application for each in over[:NAMED_OVER]), *(["…"] if len(over) > NAMED_OVER else [])])
        raise Invalid({"even_over": [said % {"many": len(over), "names": names}]})


def _initial(budget: Budget) -> dict[str, Any]:
    """As the form shows it."""
    return {
        "tokens": budget.tokens,
        "amount": amounts.plain(budget.amount) or "",
        "currency": budget.currency or CURRENCY,
        "period": budget.period,
        "time_zone": budget.time_zone,
        "soft_percent": budget.soft_percent or SOFT_PERCENT,
    }


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def plan_budget(request: TenantRequest, pk: UUID) -> HttpResponse:
    """What each subscription under a plan may spend on models, at once for all who have it."""
    plan: Plan = get_object_or_404(Plan.objects.select_related("api"), pk=pk)
    names, back = {"plan": plan, "api": plan.api}, reverse("console-plans", args=[request.tenant.slug])
    if not plan.api.is_ai and request.method != "POST":
        return asking.nothing_to_ask(request, back=back, says=_("%(api)s is no AI API, so its plans have no budget.") % names)
    form = PlanBudgetForm(given(request), initial=_initial(plan.budget))
    question = asking.Question(
        title=_("Budget of the plan %(plan)s of %(api)s") % names,
        says=_("What each subscription under it may spend on models. It holds at once; an answer under way is not cut off."),
        button=_("Save the budget"),
        back=back,
        done=_("The budget of the plan %(plan)s of %(api)s is saved.") % names,
    )

    def act(_data: dict[str, Any]) -> Event | None:
        form.look_twice(plan)
        return plans.change_terms(plan, **{f"budget_{name}": value for name, value in form.terms.items()}, by=request.user)

    def carried(data: dict[str, Any]) -> Event | None:
        try:
            return act(data)
        except Invalid as refused:
            raise Invalid({name.removeprefix("budget_"): said for name, said in refused.problems.items()}) from refused

    if done := asking.carried_out(request, form, carried):
        said = question.done if done.result else _("The plan %(plan)s of %(api)s stays as it was.") % names
        return asking.finished(request, back=question.back, said=said, event=done.result)
    return asking.asked(request, question, form, status=form.http_status)


class TopUpForm(ReasonForm):
    tokens = number(1, MOST_TOKENS, required=False, label=gettext_lazy("Tokens more"))
    amount = amount_field(label=gettext_lazy("Money more"))

    field_order = ["tokens", "amount", "reason"]


@tenant_view("subscriptions.decide")
@require_http_methods(["GET", "HEAD", "POST"])
def top_up(request: TenantRequest, pk: UUID) -> HttpResponse:
    """More, in the period that now is."""
    subscription: Subscription = get_object_or_404(Subscription.objects.visible_to(request.user, request.permissions).for_list(), pk=pk)
    standing = budgets.standing(subscription)
    names = {"application": subscription.application, "api": subscription.api}
    back, none = (
        reverse("console-subscription", args=[request.tenant.slug, pk]),
        _("Its plan has no budget, so there is nothing to add to."),
    )
    if standing is None and request.method != "POST":
        return asking.nothing_to_ask(request, back=back, says=none)
    question = asking.Question(
        title=_("Let %(application)s spend more on %(api)s?") % names,
        says=_says(standing) if standing else none,
        button=_("Let it be spent"),
        back=back,
        done=_("%(application)s may spend more on %(api)s, until the budget begins anew.") % names,
    )

    def act(data: dict[str, Any]) -> Event:
        return budgets.top_up(subscription, tokens=data["tokens"] or 0, amount=data["amount"] or 0, reason=data["reason"], by=request.user)

    return asking.ask(request, question, TopUpForm(given(request)), act)


def _says(standing: budgets.Standing) -> str:
    limit = standing.budget
    ends = [
        *([_("%(used)s of %(limit)s") % {"used": tokens(standing.tokens), "limit": tokens(limit.tokens)}] if limit.tokens else []),
        *([_("%(used)s of %(limit)s") % {"used": money(standing.amount, limit.currency), "limit": money(limit.amount, limit.currency)}]
          if limit.amount else []),
    ]  # fmt: skip
    said = _("Spent: %(spent)s. What you add holds until the budget begins anew: %(when)s.")
    return said % {"spent": words.listed(ends), "when": words.day_and_time(standing.resets_at)}


@tenant_view("providers.see")
@require_http_methods(["GET", "HEAD", "POST"])
def tenants_budget(request: TenantRequest) -> HttpResponse:
    """What all AI APIs together may spend. Who sees providers sees it; who manages the settings changes it."""
    may = "settings.manage" in request.permissions
    form = BudgetForm(given(request) if may else None, initial=_initial(budgets.of_tenant().budget))
    here = reverse("console-provider-budget", args=[request.tenant.slug])
    if may and (done := asking.carried_out(request, form, lambda _typed: budgets.set_tenants(given=form.terms, by=request.user))):
        said = _("The budget is saved.") if done.result else _("Nothing was changed.")
        return asking.finished(request, back=here, said=said, event=done.result)
    context = {"form": form, "budget": budgets.tenants_standing(), "may_change": may}
    return render(request, "providers/budget.html", context, status=form.http_status if may else 200)


urlpatterns = [
    path("t/<str:tenant>/console/plans/<uuid:pk>/budget/", plan_budget, name="console-plan-budget"),
    path("t/<str:tenant>/console/subscriptions/<uuid:pk>/budget-top-up/", top_up, name="console-subscription-budget-top-up"),
    path("t/<str:tenant>/console/ai-budget/", tenants_budget, name="console-provider-budget"),
]
