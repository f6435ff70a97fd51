"""Approval rules: who decides requests of a kind, and what each would have done, before it is switched on."""

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from apis.actions import approval_rules as actions
from apis.actions import request_clock
from apis.models import ApprovalRule
from keys.models import Application
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.plans import number
from portal.words import listed
from tenants.access import TenantRequest, tenant_view
from tenants.models import Event

_ANY = gettext_lazy("Live and test")


class RuleForm(PageForm):
    name = Text(most=80, label=gettext_lazy("Name"), help_text=gettext_lazy("Those who ask read it, such as “Tests”."))
    outcome = forms.ChoiceField(
        choices=ApprovalRule.Outcome.choices,
        initial="automatic",
        widget=forms.RadioSelect,
        label=gettext_lazy("What it does"),
        help_text=gettext_lazy("Where several rules fit, the strictest wins. A rule wins over the plan, but asks no fewer people than it."),
        error_messages={"invalid_choice": gettext_lazy("Choose one of these.")},
    )
    environment = forms.ChoiceField(
        choices=[("", _ANY), *Application.Environment.choices],
        required=False,
        label=gettext_lazy("Applications"),
        error_messages={"invalid_choice": gettext_lazy("Choose one of these.")},
    )
    most_per_minute = number(
        1,
        2_000_000_000,
        required=False,
        label=gettext_lazy("Calls a minute that the plan allows, at most"),
        help_text=gettext_lazy("Left empty, any plan."),
    )
    tags = Text(
        most=400,
        empty=True,
        label=gettext_lazy("Tags"),
        help_text=gettext_lazy("The API bears one of these, with commas between them. Left empty, any API."),
    )
    reads_only = forms.BooleanField(
        required=False, label=gettext_lazy("The API only reads: each of its operations is a GET, HEAD or OPTIONS")
    )
    own_team = forms.BooleanField(required=False, label=gettext_lazy("The application belongs to the team that looks after the API"))


def in_words(rule: ApprovalRule) -> str:
    """For which requests, in a line."""
    said = []
    if rule.environment:
        said.append(_("test applications") if rule.environment == Application.Environment.TEST else _("live applications"))
    if rule.most_per_minute is not None:
        many = number_format(rule.most_per_minute, force_grouping=True)
        said.append(ngettext("at most %(many)s call a minute", "at most %(many)s calls a minute", rule.most_per_minute) % {"many": many})
    if rule.reads_only:
        said.append(_("APIs that only read"))
    if rule.own_team:
        said.append(_("the team's own APIs"))
    if rule.tags:
        said.append(_("tagged %(tags)s") % {"tags": listed(rule.tags)})
    return listed(said) if said else _("every request")


@tenant_view("subscriptions.see_all")
@require_safe
def rules(request: TenantRequest) -> HttpResponse:
    rows = [{"rule": each, "words": in_words(each)} for each in ApprovalRule.objects.for_list()]
    context = {"rows": rows, "hours": request_clock.policy().answer_hours}
    return render(request, "requests/rules.html", context)


@tenant_view("subscriptions.see_all")
@require_safe
def rule(request: TenantRequest, pk: UUID) -> HttpResponse:
    found = _rule(pk)
    context = {
        "rule": found,
        "words": in_words(found),
        "replay": actions.replay(found, now=timezone.now()),
    }
    return render(request, "requests/rule.html", context)


@tenant_view("settings.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: TenantRequest) -> HttpResponse:
    form = RuleForm(given(request))

    def create(typed: dict[str, Any]) -> tuple[ApprovalRule, Event]:
        return actions.create(**_conditions(typed), by=request.user)

    if done := asking.carried_out(request, form, create):
        made, event = done.result
        back = reverse("console-request-rule", args=[request.tenant.slug, made.pk])
        return asking.finished(request, back=back, said=_("The rule “%(rule)s” is made, and off.") % {"rule": made}, event=event)
    return render(request, "requests/rule_form.html", {"form": form}, status=form.http_status)


@tenant_view("settings.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: TenantRequest, pk: UUID) -> HttpResponse:
    found = _rule(pk)
    initial = {**actions.as_told(found), "tags": ", ".join(found.tags)}
    form = RuleForm(given(request), initial=initial)

    def change(typed: dict[str, Any]) -> Event | None:
        return actions.change(found, **_conditions(typed), by=request.user)

    if done := asking.carried_out(request, form, change):
        said = _("The rule is changed.") if done.result else _("Nothing was changed.")
        return asking.finished(request, back=reverse("console-request-rule", args=[request.tenant.slug, pk]), said=said, event=done.result)
    return render(request, "requests/rule_form.html", {"form": form, "rule": found}, status=form.http_status)


def _conditions(typed: dict[str, Any]) -> dict[str, Any]:
    names = ("name", "outcome", "environment", "most_per_minute", "reads_only", "own_team")
    tags = [each for each in typed["tags"].split(",") if each.strip()]
    return {**{name: typed[name] for name in names}, "tags": tags}


@tenant_view("settings.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def switch(request: TenantRequest, pk: UUID) -> HttpResponse:
    """Ask, with what it would have done, then switch it on or off."""
    found = _rule(pk)
    on = not found.enabled
    names = {"rule": found}
    told = actions.replay(found, now=timezone.now()) if on else None
    question = asking.Question(
        title=(_("Switch “%(rule)s” on?") if on else _("Switch “%(rule)s” off?")) % names,
        says=_what_it_would_have_done(found, told) if told else _("From now on it decides nothing. What it approved stays."),
        button=_("Switch it on") if on else _("Switch it off"),
        back=reverse("console-request-rule", args=[request.tenant.slug, pk]),
        done=(_("“%(rule)s” decides from now on.") if on else _("“%(rule)s” decides nothing any more.")) % names,
        note=_what_speaks_against(found, told) if told else None,
    )
    form = PageForm(given(request))
    return asking.ask(request, question, form, lambda _data: actions.change(found, enabled=on, by=request.user))


def _what_it_would_have_done(found: ApprovalRule, told: actions.Replay) -> str:
    numbers = {"fitting": number_format(told.fitting, force_grouping=True), "all": number_format(told.looked_at, force_grouping=True)}
    if found.outcome == ApprovalRule.Outcome.PEOPLE:
        return _("Of %(all)s requests of the last 90 days it fits %(fitting)s: a person decides these from now on.") % numbers
    if found.outcome == ApprovalRule.Outcome.TWO_PEOPLE:
        return _("Of %(all)s requests of the last 90 days it fits %(fitting)s: two people decide these from now on.") % numbers
    return _("Of %(all)s requests of the last 90 days it fits %(fitting)s: it would have approved these at once.") % numbers


def _what_speaks_against(found: ApprovalRule, told: actions.Replay) -> asking.Note | None:
    if found.outcome != ApprovalRule.Outcome.AUTOMATIC or not told.rejected:
        return None
    said = ngettext("People rejected %(many)s of them.", "People rejected %(many)s of them.", told.rejected)
    return asking.Note(said % {"many": told.rejected}, tone="wait")


@tenant_view("settings.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: TenantRequest, pk: UUID) -> HttpResponse:
    found = _rule(pk)
    question = asking.Question(
        title=_("Delete the rule “%(rule)s”?") % {"rule": found},
        says=_("It decides nothing any more. What it approved stays."),
        button=_("Delete the rule"),
        danger=True,
        back=reverse("console-request-rules", args=[request.tenant.slug]),
        done=_("The rule “%(rule)s” is deleted.") % {"rule": found},
    )
    return asking.ask(request, question, PageForm(given(request)), lambda _data: actions.delete(found, by=request.user))


def _rule(pk: UUID) -> ApprovalRule:
    found: ApprovalRule = get_object_or_404(ApprovalRule.objects, pk=pk)
    return found


_HERE = "t/<str:tenant>/console/request-rules/"
urlpatterns = [
    path(_HERE, rules, name="console-request-rules"),
    path(f"{_HERE}new/", new, name="console-request-rule-new"),
    path(f"{_HERE}<uuid:pk>/", rule, name="console-request-rule"),
    path(f"{_HERE}<uuid:pk>/edit/", edit, name="console-request-rule-edit"),
    path(f"{_HERE}<uuid:pk>/switch/", switch, name="console-request-rule-switch"),
    path(f"{_HERE}<uuid:pk>/delete/", delete, name="console-request-rule-delete"),
]
