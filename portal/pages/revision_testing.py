"""A revision at an address of its own, for tests: where that is, opening it, and closing it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from apis.actions import testing
from apis.models import ApiVersion, Operation, Revision, Subscription
from apis.models.api import time_in_words
from gateway import groups
from keys.models import Application
from portal import samples
from portal.forms import PageForm
from portal.kept import given
from portal.pages import asking
from portal.pages.revision_place import address_of, revision_at
from tenants.access import TenantRequest, tenant_view
from tenants.models import Event


@dataclass(frozen=True, slots=True)
class Test:
    """A revision that is open, with its own address and a call to try."""

    revision: Revision
    address: str
    curl: str

    @property
    def element(self) -> str:
        """What the address is called on a page that may show several."""
        return f"test-{self.revision.number}"


def tests_of(request: TenantRequest, version: ApiVersion, revisions: Sequence[Revision]) -> dict[UUID, Test]:
    """Those of the version's that are open, by the revisions' ids; in as many queries for many as for one."""
    open_ones = [each for each in revisions if each.is_open_for_tests]
    if not open_ones:
        return {}
    reads = Operation.objects.filter(revision__in=open_ones, method="GET").order_by("revision", "path").distinct("revision")
    paths = dict(reads.values_list("revision", "path"))
    base = f"{groups.base_of(version.api)}/{request.tenant.slug}/{version.api.slug}"
    return {each.pk: _test(each, f"{base}/{each.test_segment}", paths.get(each.pk, "/")) for each in open_ones}


def _test(revision: Revision, address: str, called: str) -> Test:
    url = samples.address(address, called, path_values={})
    call = samples.Call(token_url="", client_id="", method="GET", url=url)  # nosec B106  (it takes an API key)
    return Test(revision, address, samples.curl_by_api_key(call))


class OpenForm(PageForm):
    hours = forms.TypedChoiceField(coerce=int, initial=8, label=gettext_lazy("For how long"))
    application: "forms.ModelChoiceField[Application]" = forms.ModelChoiceField(
        queryset=None,
        label=gettext_lazy("Application"),
        empty_label=gettext_lazy("Choose an application"),
        help_text=gettext_lazy("One of yours; with its credentials the revision can be called."),
        error_messages={"invalid_choice": gettext_lazy("Choose one of your own applications.")},
    )

    def __init__(self, *args: Any, applications: Any, **kwargs: Any) -> None:
        """:param applications: to choose one from; None where it takes a subscription."""
        super().__init__(*args, **kwargs)
        self.fields["hours"].choices = [(each, time_in_words(each * 3_600)) for each in testing.HOURS]  # type: ignore[attr-defined]
        if applications is None:
            del self.fields["application"]
        else:
            self.fields["application"].queryset = applications  # type: ignore[attr-defined]


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def revision_test(request: TenantRequest, api: str, version: str, number: int) -> HttpResponse:
    """Open it, or, where it is open, for another time from now on."""
    found = revision_at(api, version, number)
    names = {"number": found.number, "version": found.version}
    active = Application.objects.owned_by(request.user).filter(status=Application.Status.ACTIVE).order_by("name")
    own = active if testing.needs_tester(found.version) else None
    question = asking.Question(
        title=_("Open revision %(number)s of %(version)s for tests?") % names,
        says=_("It answers at an address of its own until the time is over, or it goes live. Callers of %(version)s notice nothing.")
        % names,
        button=_("Open it for tests"),
        back=address_of(request, found),
        done=_("Revision %(number)s of %(version)s is open for tests.") % names,
        note=_who_may_call(found, own),
    )
    form = OpenForm(given(request), applications=own, initial={"application": found.tester_id})

    def act(data: dict[str, Any]) -> Event:
        return testing.open_for_tests(found, hours=data["hours"], application=data.get("application"), by=request.user)

    return asking.ask(request, question, form, act)


def _who_may_call(revision: Revision, own: Any) -> asking.Note:
    api = revision.version.api
    if own is None:
        many = Subscription.objects.filter(api=api, status=Subscription.Status.ACTIVE).count()
        said = ngettext(
            "%(many)s application with an active subscription to %(api)s can call it, under its plan.",
            "%(many)s applications with an active subscription to %(api)s can call it, under their plans.",
            many,
        )
        return asking.Note(said % {"many": many, "api": api})
    if not own.exists():
        return asking.Note(
            _("Nothing of %(api)s is open, so an application of yours has to call it; register one first.") % {"api": api}, "bad"
        )
    said = _("Nothing of %(api)s is open, so the application that you choose can call it, %(many)s times a minute.")
    return asking.Note(said % {"api": api, "many": testing.CALLS})


@tenant_view("apis.publish")
@require_http_methods(["GET", "HEAD", "POST"])
def revision_test_close(request: TenantRequest, api: str, version: str, number: int) -> HttpResponse:
    found = revision_at(api, version, number)
    names = {"number": found.number, "version": found.version}
    question = asking.Question(
        title=_("Close revision %(number)s of %(version)s to tests?") % names,
        says=_("Its own address answers no more."),
        button=_("Close it"),
        back=address_of(request, found),
        done=_("Revision %(number)s of %(version)s is closed to tests.") % names,
    )
    return asking.ask(request, question, PageForm(given(request)), lambda _data: testing.close_to_tests(found, by=request.user))


_PLACE = "t/<str:tenant>/console/apis/<str:api>/<str:version>/revisions/<int:number>/test/"
urlpatterns = [
    path(_PLACE, revision_test, name="console-api-revision-test"),
    path(f"{_PLACE}close/", revision_test_close, name="console-api-revision-test-close"),
]
