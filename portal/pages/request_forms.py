"""What an API asks of those who request a subscription to it, as its publishers edit it."""

from contextlib import suppress
from typing import Any

from django import forms
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from apis.actions import request_forms as actions
from apis.models import Api, FormQuestion, questions_of
from apis.models.request_form import Kind
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking
from tenants import limits
from tenants.access import TenantRequest, tenant_view
from tenants.errors import NotAllowed
from tenants.models import Event


class QuestionForm(PageForm):
    text = Text(most=actions.MOST_TEXT, label=gettext_lazy("Question"))
    help = Text(
        most=actions.MOST_HELP, lines=2, empty=True, label=gettext_lazy("Help"), help_text=gettext_lazy("Stands beneath the question.")
    )
    kind = forms.ChoiceField(
        choices=Kind.choices,
        initial=Kind.SHORT,
        widget=forms.RadioSelect,
        label=gettext_lazy("How it is answered"),
        error_messages={"invalid_choice": gettext_lazy("Choose one of these.")},
    )
    options = Text(
        most=3_000,
        lines=4,
        empty=True,
        label=gettext_lazy("Options"),
        help_text=gettext_lazy("One per line, where one of some options is chosen."),
    )
    required = forms.BooleanField(required=False, initial=True, label=gettext_lazy("It has to be answered"))

    @property
    def question(self) -> FormQuestion:
        typed = self.cleaned_data
        options = [line.strip() for line in typed["options"].split("\n") if line.strip()]
        names = ("text", "help", "kind", "required")
        return FormQuestion.of({"key": "", **{name: typed[name] for name in names}, "options": options})


def _api(slug: str) -> Api:
    found: Api = get_object_or_404(Api.objects, slug=slug)
    return found


def _question(api: Api, key: str) -> FormQuestion:
    """
    :raises Http404: it asks nothing with this key.
    """
    found = {each.key: each for each in questions_of(api)}
    if key not in found:
        raise Http404
    return found[key]


def _here(request: TenantRequest, api: Api) -> str:
    return reverse("console-api-questions", args=[request.tenant.slug, api.slug])


@tenant_view("apis.see_all")
@require_safe
def questions(request: TenantRequest, api: str) -> HttpResponse:
    found = _api(api)
    asked = questions_of(found)
    context = {
        "api": found,
        "questions": [{"question": each, "kind": Kind(each.kind).label} for each in asked],
        "may_publish": "apis.publish" in request.permissions,
        "room": len(asked) < limits.QUESTIONS_PER_API,
        "most": limits.QUESTIONS_PER_API,
    }
    return render(request, "request_forms/questions.html", context)


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def question_new(request: TenantRequest, api: str) -> HttpResponse:
    found = _api(api)
    form = QuestionForm(given(request))
    if done := asking.carried_out(request, form, lambda _typed: actions.add(found, form.question, by=request.user)):
        return asking.finished(request, back=_here(request, found), said=_("It is asked from now on."), event=done.result)
    return render(request, "request_forms/form.html", {"form": form, "api": found}, status=form.http_status)


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def question_edit(request: TenantRequest, api: str, question: str) -> HttpResponse:
    found = _api(api)
    asked = _question(found, question)
    initial = {**asked.as_stored(), "options": "\n".join(asked.options)}
    form = QuestionForm(given(request), initial=initial)

    def change(_typed: dict[str, Any]) -> Event | None:
        return actions.change(found, question, form.question, by=request.user)

    if done := asking.carried_out(request, form, change):
        said = _("The question is changed.") if done.result else _("Nothing was changed.")
        return asking.finished(request, back=_here(request, found), said=said, event=done.result)
    return render(request, "request_forms/form.html", {"form": form, "api": found, "question": asked}, status=form.http_status)


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def question_remove(request: TenantRequest, api: str, question: str) -> HttpResponse:
    found = _api(api)
    asked = _question(found, question)
    told = asking.Question(
        title=_("Remove “%(question)s”?") % {"question": asked.text},
        says=_("It is asked no more. What was answered to it stays with its requests."),
        button=_("Remove it"),
        danger=True,
        back=_here(request, found),
        done=_("The question is removed."),
    )
    return asking.ask(request, told, PageForm(given(request)), lambda _data: actions.remove(found, question, by=request.user))


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def question_move(request: TenantRequest, api: str, question: str) -> HttpResponse:
    """One place up or down."""
    found = _api(api)
    _question(found, question)
    if request.method == "POST":
        # What is gone by now can't be moved, as the page shows.
        with suppress(NotAllowed):
            actions.move(found, question, up="up" in request.POST, by=request.user)
    return redirect(_here(request, found))


_AT = "t/<str:tenant>/console/apis/<str:api>/questions/"
urlpatterns = [
    path(_AT, questions, name="console-api-questions"),
    path(f"{_AT}new/", question_new, name="console-api-question-new"),
    path(f"{_AT}<str:question>/edit/", question_edit, name="console-api-question-edit"),
    path(f"{_AT}<str:question>/remove/", question_remove, name="console-api-question-remove"),
    path(f"{_AT}<str:question>/move/", question_move, name="console-api-question-move"),
]
