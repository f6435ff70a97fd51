"""Where a person is signed in, and ending that."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from portal import browsers
from portal.forms import PageForm
from portal.kept import given
from portal.pages.asking import Question, ask
from portal.second_factors import person
from tenants.access import signed_in


@signed_in
@require_safe
def sessions(request: HttpRequest) -> HttpResponse:
    user = person(request)
    found = browsers.signed_in(user, here=request.session.session_key)
    context = {"browsers": found, "programs": browsers.programs(user), "at_profile": True}
    return render(request, "usersessions/list.html", context)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def end_session(request: HttpRequest, pk: int) -> HttpResponse:
    user = person(request)
    found = next((each for each in browsers.signed_in(user, here=request.session.session_key) if each.pk == pk and not each.here), None)
    if found is None:
        raise Http404
    question = Question(
        title=_("Sign out %(device)s?") % {"device": found.device},
        says=_("Whoever uses it has to sign in again."),
        button=_("Sign out"),
        back=reverse("sessions"),
        done=_("%(device)s is signed out.") % {"device": found.device},
    )
    return ask(request, question, PageForm(given(request)), lambda _data: browsers.end(user, pk))


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def end_others(request: HttpRequest) -> HttpResponse:
    user = person(request)
    question = Question(
        title=_("Sign out everywhere else?"),
        says=_("Every other browser, and every program that signed in over REST, has to sign in again."),
        button=_("Sign out everywhere else"),
        back=reverse("sessions"),
        done=_("You are signed out everywhere else."),
    )
    return ask(request, question, PageForm(given(request)), lambda _data: browsers.end_others(user, here=request.session.session_key))


urlpatterns = [
    path("accounts/sessions/", sessions, name="sessions"),
    path("accounts/sessions/<int:pk>/end/", end_session, name="session-end"),
    path("accounts/sessions/end-others/", end_others, name="sessions-end-others"),
]
