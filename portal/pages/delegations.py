"""Deciding in somebody's place for a while: what one handed on, or got."""

from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages import asking, listing
from tenants.access import TenantRequest, tenant_view
from tenants.errors import Invalid, NotAllowed
from tenants.models import Delegation, Event
from tenants.people import delegations as actions

_NO_DAY = gettext_lazy("Write a date such as 2027-03-31.")


def _day(**more: Any) -> forms.DateField:
    return forms.DateField(
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        error_messages={"invalid": _NO_DAY},
        **more,
    )


class DelegationForm(PageForm):
    delegate = Text(most=254, label=gettext_lazy("To whom"), help_text=gettext_lazy("The e-mail address of a member."))
    first_day = _day(label=gettext_lazy("First day"))
    last_day = _day(label=gettext_lazy("Last day"))

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        for name in ("first_day", "last_day"):
            # Others have no beginning in every time zone.
            if data.get(name) is not None and not 2000 <= data[name].year <= 2999:
                self.add_error(name, str(_NO_DAY))
        return data

    def refuse(self, refusal: NotAllowed | Invalid) -> None:
        if isinstance(refusal, Invalid):
            refusal = Invalid({{"ends_at": "last_day"}.get(name, name): said for name, said in refusal.problems.items()})
        super().refuse(refusal)


def _begins(day: date) -> datetime:
    """Where the person lives."""
    return datetime.combine(day, time(), tzinfo=timezone.get_current_timezone())


@tenant_view("tenant.see")
@require_safe
def delegations(request: TenantRequest) -> HttpResponse:
    page = listing.page_of(request, _rows(request, "members.see"))
    now = timezone.now()
    manages = "members.manage" in request.permissions
    rows = [
        {
            "delegation": each,
            "state": _state(each, now),
            "may_end": each.ended_at is None and (manages or request.user.pk in {each.delegator_id, each.delegate_id}),
        }
        for each in page.rows
    ]
    return render(request, "requests/delegations.html", {"page": page, "rows": rows})


def _state(delegation: Delegation, now: datetime) -> str:
    """As it is now; the job that writes its end down comes a little later."""
    if delegation.ended_at is not None or delegation.ends_at <= now:
        return "over"
    return "active" if delegation.starts_at <= now else "planned"


def _rows(request: TenantRequest, everybody: str) -> "QuerySet[Delegation]":
    rows = Delegation.objects.for_list()
    return rows if everybody in request.permissions else rows.of(request.user)


@tenant_view("subscriptions.decide")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: TenantRequest) -> HttpResponse:
    form = DelegationForm(given(request), initial={"first_day": timezone.localdate()})

    def create(typed: dict[str, Any]) -> tuple[Delegation, Event]:
        ends_at = _begins(typed["last_day"] + timedelta(days=1))
        return actions.create(delegate=typed["delegate"], starts_at=_begins(typed["first_day"]), ends_at=ends_at, by=request.user)

    if done := asking.carried_out(request, form, create):
        made, _event = done.result
        said = _("%(person)s decides in your place in that time.") % {"person": made.delegate}
        return asking.finished(request, back=reverse("console-request-delegations", args=[request.tenant.slug]), said=said)
    return render(request, "requests/delegation_form.html", {"form": form}, status=form.http_status)


@tenant_view("tenant.see")
@require_http_methods(["GET", "HEAD", "POST"])
def end(request: TenantRequest, pk: UUID) -> HttpResponse:
    found = get_object_or_404(_rows(request, "members.manage"), pk=pk)
    names = {"delegate": found.delegate, "delegator": found.delegator}
    question = asking.Question(
        title=_("End it now?"),
        says=_("From now on %(delegate)s no longer decides in the place of %(delegator)s. What was decided stays.") % names,
        button=_("End it"),
        danger=True,
        back=reverse("console-request-delegations", args=[request.tenant.slug]),
        done=_("%(delegate)s no longer decides in the place of %(delegator)s.") % names,
    )

    def act(_data: dict[str, Any]) -> None:
        actions.end(found, by=request.user)

    return asking.ask(request, question, PageForm(given(request)), act)


_HERE = "t/<str:tenant>/console/request-delegations/"
urlpatterns = [
    path(_HERE, delegations, name="console-request-delegations"),
    path(f"{_HERE}new/", new, name="console-request-delegation-new"),
    path(f"{_HERE}<uuid:pk>/end/", end, name="console-request-delegation-end"),
]
