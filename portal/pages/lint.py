"""The rules on documents: what a tenant makes of them, and how a document stands to them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms import BoundField
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from apis.actions.rules import change_rules
from apis.findings import Lint
from apis.lint.rules import RULES, Choice, Rule
from apis.lint.standing import Broken, Choices, Standing, broken, standing
from apis.models import LintRule, Revision
from portal.forms import PageForm
from portal.kept import given
from portal.pages import asking
from tenants.access import TenantRequest, tenant_view

CHOICES: dict[Choice, Promise] = {
    Choice.OFF: gettext_lazy("Off"),
    Choice.ON: gettext_lazy("On"),
    Choice.BLOCKS: gettext_lazy("Blocks publishing"),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """What templates/apis/_lint.html draws."""

    standing: Standing
    rules: tuple[Broken, ...]


def shown(found: Lint | None) -> Shown | None:
    """By the rules of the tenant in scope; None where they were not asked."""
    if found is None:
        return None
    choices = LintRule.objects.chosen()
    return Shown(standing(found.counts, choices), broken(found, choices, gettext=_))


def score(revision: Revision | None, choices: Choices) -> int | None:
    return standing(revision.lint, choices).score if revision is not None and revision.lint is not None else None


@dataclass(frozen=True, slots=True)
class Row:
    """A rule in the reader's language, and what the tenant makes of it: as a word, or as a field."""

    rule: Rule
    title: str
    mend: str
    choice: Choice
    word: str | Promise
    field: BoundField | None = None


def _row(rule: Rule, choice: Choice, field: BoundField | None = None) -> Row:
    return Row(rule, _(rule.title), _(rule.mend), choice, CHOICES[choice], field)


@tenant_view("apis.publish")
@require_safe
def rules(request: TenantRequest) -> HttpResponse:
    """What documents are held to, for those who write them."""
    choices = LintRule.objects.chosen()
    rows = [_row(rule, choices[name]) for name, rule in RULES.items()]
    return render(request, "lint/rules.html", {"rows": rows, "may_change": "settings.manage" in request.permissions})


class RulesForm(PageForm):
    """A field for each rule, by its id: `cleaned_data` holds what `change_rules` takes, and `once`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, rule in RULES.items():
            words = [(choice.value, word) for choice, word in CHOICES.items()]
            attrs = {"aria-label": _(rule.title), "class": "input"}
            self.fields[name] = forms.ChoiceField(choices=words, required=False, widget=forms.Select(attrs=attrs))

    @property
    def rows(self) -> Iterator[Row]:
        return (_row(rule, Choice(self.initial[name]), self[name]) for name, rule in RULES.items())


@tenant_view("settings.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def change(request: TenantRequest) -> HttpResponse:
    """Switch rules on and off, and make some block publishing."""
    form = RulesForm(given(request), initial=LintRule.objects.chosen())

    def act(typed: dict[str, Any]) -> Any:
        # What was not sent stays as it is.
        return change_rules({name: typed[name] for name in RULES if typed[name]}, by=request.user)

    if done := asking.carried_out(request, form, act):
        said = _("The rules are changed.") if done.result else _("Nothing was changed: the rules are as they were.")
        return asking.finished(request, back=reverse("console-settings-lint", args=[request.tenant.slug]), said=said)
    return render(request, "lint/change.html", {"form": form}, status=form.http_status)


urlpatterns = [
    path("t/<str:tenant>/console/api-rules/", rules, name="console-api-lint"),
    path("t/<str:tenant>/console/settings/api-rules/", change, name="console-settings-lint"),
]
