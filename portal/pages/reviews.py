"""A second person looks at a revision before callers get it: asked for, approved, rejected and withdrawn on the revision's page."""

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from apis.actions import gate, reviews
from apis.models import Api, Review
from portal.forms import PageForm, ReasonForm, Text
from portal.kept import given
from portal.pages import asking
from portal.pages.apis import api_page
from portal.pages.revision_changes import what_it_does
from portal.pages.revisions import address_of, revision_at
from tenants.access import TenantRequest, tenant_view
from tenants.models import Event


class NoteForm(PageForm):
    note = Text(most=500, lines=3, empty=True, label=gettext_lazy("Note"), help_text=gettext_lazy("What they should look at."))


@tenant_view("settings.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def api_review(request: TenantRequest, api: str) -> HttpResponse:
    """Whether revisions are reviewed is for those to say who don't only publish: else whoever is held by it could switch it off."""
    found: Api = get_object_or_404(Api.objects, slug=api)
    names = {"api": found}
    question = asking.Question(
        title=(_("Let revisions of %(api)s go live without a review?") if found.needs_review else _("Have revisions of %(api)s reviewed?"))
        % names,
        says=_("Whoever may publish then decides alone what callers get.")
        if found.needs_review
        else _("A second person who may publish then has to approve each revision before callers get it. Going back needs nobody."),
        button=_("No reviews any more") if found.needs_review else _("Ask for reviews"),
        back=api_page(request, found),
        done=(_("Revisions of %(api)s go live without a review.") if found.needs_review else _("Revisions of %(api)s are reviewed."))
        % names,
        danger=found.needs_review,
    )
    change = reviews.ask_for_no_reviews if found.needs_review else reviews.ask_for_reviews
    return asking.ask(request, question, PageForm(given(request)), lambda _data: change(found, by=request.user))


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


def _decided(
    request: TenantRequest, found: Review, form: PageForm, words: tuple[str, str, str, str], act: Callable[[Review, dict[str, Any]], Event]
) -> HttpResponse:
    """
    :param words: title, what follows, the button, and what was done.
    """
    names = {"number": found.revision.number, "version": found.revision.version}
    title, says, button, done = (each % names for each in words)
    question = asking.Question(title=title, says=says, button=button, back=address_of(request, found.revision), done=done)
    return asking.ask(request, question, form, lambda data: act(found, data))


def _last(api: str, version: str, number: int) -> Review:
    """The last one that was asked for."""
    rows = Review.objects.for_list().select_related("revision__version__live_revision").order_by("-pk")
    rows = rows.defer(*(f"revision__version__live_revision__{name}" for name in ("document", "findings", "answers")))
    found = rows.filter(revision__version__api__slug=api, revision__version__name=version, revision__number=number)
    last = found.first()
    if last is None:
        raise Http404
    return last


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def revision_approve(request: TenantRequest, api: str, version: str, number: int) -> HttpResponse:
    found = _last(api, version, number)
    revision = revision_at(api, version, number)
    does = what_it_does(revision, gate.look(revision).differences).replace("%", "%%")
    words = (_("Approve revision %(number)s of %(version)s?"), does, _("Approve"), _("Revision %(number)s of %(version)s is approved."))
    return _decided(request, found, PageForm(given(request)), words, lambda review, _data: reviews.approve(review, by=request.user))


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def revision_reject(request: TenantRequest, api: str, version: str, number: int) -> HttpResponse:
    found = _last(api, version, number)
    words = (
        _("Reject revision %(number)s of %(version)s?"),
        _("It does not go live. Who asked is told why, and may ask again."),
        _("Reject"),
        _("Revision %(number)s of %(version)s is rejected."),
    )

    def act(review: Review, data: dict[str, Any]) -> Event:
        return reviews.reject(review, reason=data["reason"], by=request.user)

    return _decided(request, found, ReasonForm(given(request)), words, act)


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def revision_withdraw(request: TenantRequest, api: str, version: str, number: int) -> HttpResponse:
    found = _last(api, version, number)
    words = (
        _("Withdraw the review of revision %(number)s of %(version)s?"),
        _("Nobody has to look at it any more. You may ask again."),
        _("Withdraw"),
        _("The review is withdrawn."),
    )
    return _decided(request, found, PageForm(given(request)), words, lambda review, _data: reviews.withdraw(review, by=request.user))


_AT = "t/<str:tenant>/console/apis/<str:api>/<str:version>/revisions/<int:number>/"
urlpatterns = [
    path("t/<str:tenant>/console/apis/<str:api>/review/", api_review, name="console-api-review"),
    path(f"{_AT}review/", revision_review, name="console-api-revision-review"),
    path(f"{_AT}review/approve/", revision_approve, name="console-api-revision-approve"),
    path(f"{_AT}review/reject/", revision_reject, name="console-api-revision-reject"),
    path(f"{_AT}review/withdraw/", revision_withdraw, name="console-api-revision-withdraw"),
]
