"""A second person looks at a revision before callers get it: asked for, approved, rejected and withdrawn on the revision's page."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from apis.actions import gate, reviews
from apis.models import LIVE_LARGE, Api, Review
from portal.forms import PageForm, ReasonForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.apis import api_page
from portal.pages.revision_changes import what_it_does
from portal.pages.revision_place import address_of, revision_at
from tenants.access import TenantRequest, tenant_view
from tenants.errors import NotAllowed
from tenants.models import Event


class NoteForm(PageForm):
    note = Text(most=500, lines=3, empty=True, label=gettext_lazy("Note"), help_text=gettext_lazy("What they should look at."))


ON, OFF = "on", "off"


class SwitchForm(PageForm):
    # What the person was asked, whatever became of it meanwhile.
    to = forms.ChoiceField(choices=[(ON, ON), (OFF, OFF)], widget=forms.HiddenInput)


@tenant_view("settings.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def api_review(request: TenantRequest, api: str) -> HttpResponse:
    """Whether revisions are reviewed is for those to say who don't only publish: else whoever is held by it could switch it off."""
    found: Api = get_object_or_404(Api.objects, slug=api)
    form = SwitchForm(given(request), initial={"to": OFF if found.needs_review else ON})
    names = {"api": found}
    if form["to"].value() == ON:
        question = asking.Question(
            title=_("Have revisions of %(api)s reviewed?") % names,
            says=_("A second person who may publish then has to approve each revision before callers get it. Going back needs nobody."),
            button=_("Ask for reviews"),
            back=api_page(request, found),
            done=_("Revisions of %(api)s are reviewed.") % names,
        )
    else:
        question = asking.Question(
            title=_("Let revisions of %(api)s go live without a review?") % names,
            says=_("Whoever may publish then decides alone what callers get."),
            button=_("No reviews any more"),
            back=api_page(request, found),
            done=_("Revisions of %(api)s go live without a review.") % names,
            danger=True,
        )

    def act(data: dict[str, Any]) -> Event | None:
        change = reviews.ask_for_reviews if data["to"] == ON else reviews.ask_for_no_reviews
        return change(found, by=request.user)

    return asking.ask(request, question, form, act)


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def revision_review(request: TenantRequest, api: str, version: str, number: int) -> HttpResponse:
    """Ask for one."""
    found = revision_at(api, version, number)
    names = {"number": found.number, "version": found.version}
    question = asking.Question(
        title=_("Ask for a review of revision %(number)s of %(version)s?") % names,
        says=_("Everybody else who may publish hears of it. Once one of them has approved it, it can be made live."),
        button=_("Ask for a review"),
        back=address_of(request, found),
        done=_("A review is asked for."),
    )

    def act(data: dict[str, Any]) -> None:
        reviews.request(found, note=data["note"], by=request.user)

    return asking.ask(request, question, NoteForm(given(request)), act)


class OnReview(PageForm):
    # Which one the person has before them.
    review = forms.UUIDField(widget=forms.HiddenInput)


class RejectForm(OnReview, ReasonForm):
    pass


def _last(api: str, version: str, number: int) -> Review:
    """The last one that was asked for."""
    rows = Review.objects.for_list().select_related("revision__version__live_revision").order_by("-pk")
    rows = rows.defer(*(f"revision__version__{name}" for name in LIVE_LARGE))
    found = rows.filter(revision__version__api__slug=api, revision__version__name=version, revision__number=number)
    last = found.first()
    if last is None:
        raise Http404
    return last


def _names(review: Review) -> dict[str, Any]:
    return {"number": review.revision.number, "version": review.revision.version}


def _decide(
    request: TenantRequest,
    review: Review,
    question: asking.Question,
    act: Callable[[dict[str, Any]], Event],
    kind: type[OnReview] = OnReview,
) -> HttpResponse:
    """Only of the one that was shown: another would be of something else."""
    form = kind(given(request), initial={"review": review.pk})

    def act_on_that(data: dict[str, Any]) -> Event:
        if data["review"] != review.pk:
            raise NotAllowed(_("Another review was asked for meanwhile. Look at that one first."))
        return act(data)

    return asking.ask(request, question, form, act_on_that)


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def revision_approve(request: TenantRequest, api: str, version: str, number: int) -> HttpResponse:
    found = _last(api, version, number)
    revision = revision_at(api, version, number)
    question = asking.Question(
        title=_("Approve revision %(number)s of %(version)s?") % _names(found),
        says=what_it_does(revision, gate.look(revision).differences),
        button=_("Approve"),
        back=address_of(request, found.revision),
        done=_("Revision %(number)s of %(version)s is approved.") % _names(found),
    )
    return _decide(request, found, question, lambda _data: reviews.approve(found, by=request.user))


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def revision_reject(request: TenantRequest, api: str, version: str, number: int) -> HttpResponse:
    found = _last(api, version, number)
    question = asking.Question(
        title=_("Reject revision %(number)s of %(version)s?") % _names(found),
        says=_("It does not go live. Who asked is told why, and may ask again."),
        button=_("Reject"),
        back=address_of(request, found.revision),
        done=_("Revision %(number)s of %(version)s is rejected.") % _names(found),
    )
    return _decide(request, found, question, lambda data: reviews.reject(found, reason=data["reason"], by=request.user), RejectForm)


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def revision_withdraw(request: TenantRequest, api: str, version: str, number: int) -> HttpResponse:
    found = _last(api, version, number)
    question = asking.Question(
        title=_("Withdraw the review of revision %(number)s of %(version)s?") % _names(found),
        says=_("Nobody has to look at it any more. You may ask again."),
        button=_("Withdraw"),
        back=address_of(request, found.revision),
        done=_("The review is withdrawn."),
    )
    return _decide(request, found, question, lambda _data: reviews.withdraw(found, by=request.user))


_AT = "t/<str:tenant>/console/apis/<str:api>/<str:version>/revisions/<int:number>/"
urlpatterns = [
    path("t/<str:tenant>/console/apis/<str:api>/review/", api_review, name="console-api-review"),
    path(f"{_AT}review/", revision_review, name="console-api-revision-review"),
    path(f"{_AT}review/approve/", revision_approve, name="console-api-revision-approve"),
    path(f"{_AT}review/reject/", revision_reject, name="console-api-revision-reject"),
    path(f"{_AT}review/withdraw/", revision_withdraw, name="console-api-revision-withdraw"),
]
