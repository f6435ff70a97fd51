"""The platform, for its operators: tenants, people, health, jobs, and what happened outside any tenant. Shared tables alone."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.db.models import Count, Min, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from gateway.models import ControlProcess, GatewayNode
from portal import answering
from portal.forms import PageForm, Text
from portal.kept import given
from portal.pages.asking import Question, ask, carried_out, finished
from portal.pages.listing import chosen, page_of, sought
from portal.words import happened
from tenants.access import operator_view
from tenants.models import Due, JobRun, PlatformEvent, PlatformSettings, SignUp, Tenant, User
from tenants.people.platform import FIELDS, change_platform, deactivate, reactivate
from tenants.people.tenants import MAX_REASON, change_ceiling, resume, suspend

# A worker that has ended no job for so long is away: there are jobs every five seconds.
QUIET = timedelta(seconds=60)
# What is due for longer than its lease is not being done.
LATE = timedelta(minutes=5)
STATES = {
    Tenant.Status.ACTIVE: gettext_lazy("Active"),
    Tenant.Status.SUSPENDED: gettext_lazy("Suspended"),
    Tenant.Status.CLOSING: gettext_lazy("Closing"),
}


@operator_view
@require_safe
def tenants(request: HttpRequest) -> HttpResponse:
    """Every tenant: its state, and how much it holds."""
    q, status = sought(request), chosen(request, "status", Tenant.Status.values)
    rows: QuerySet[Tenant] = Tenant.objects.select_related("size")
    if q:
        rows = rows.filter(Q(name__icontains=q) | Q(slug__icontains=q))
    if status:
        rows = rows.filter(status=status)
    return render(request, "platform/tenants.html", {"page": page_of(request, rows), "q": q, "status": status, "states": STATES})


class SuspendForm(PageForm):
    reason = Text(most=MAX_REASON, lines=3, label=gettext_lazy("Why"), help_text=gettext_lazy("Its members read this on every page."))


@operator_view
@require_http_methods(["GET", "HEAD", "POST"])
def suspend_tenant(request: HttpRequest, slug: str) -> HttpResponse:
    found, by = get_object_or_404(Tenant, slug=slug), _operator(request)
    question = Question(
        title=_("Suspend %(tenant)s?") % {"tenant": found},
        says=_("Every call of it is refused within a second. Its members read on, and change nothing until it is resumed."),
        button=_("Suspend"),
        back=reverse("platform-tenants"),
        done=_("%(tenant)s is suspended.") % {"tenant": found},
        danger=True,
    )

    def act(data: dict[str, Any]) -> None:
        # The receipt is the tenant's, which an operator does not see.
        suspend(found, reason=data["reason"], by=by)

    return ask(request, question, SuspendForm(given(request)), act)


@operator_view
@require_http_methods(["GET", "HEAD", "POST"])
def resume_tenant(request: HttpRequest, slug: str) -> HttpResponse:
    found, by = get_object_or_404(Tenant, slug=slug), _operator(request)
    question = Question(
        title=_("Resume %(tenant)s?") % {"tenant": found},
        says=_("Its calls pass again, and its members work on. It was suspended for: %(reason)s") % {"reason": found.status_why},
        button=_("Resume"),
        back=reverse("platform-tenants"),
        done=_("%(tenant)s is active again.") % {"tenant": found},
    )

    def act(_data: dict[str, Any]) -> None:
        resume(found, by=by)

    return ask(request, question, PageForm(given(request)), act)


class CeilingForm(PageForm):
    default = forms.BooleanField(required=False, label=gettext_lazy("As the platform says for every tenant"))
    max_calls = forms.IntegerField(
        required=False,
        label=gettext_lazy("Calls a second"),
        help_text=gettext_lazy("Of all of its APIs and callers together, at all gateways. Empty for no ceiling."),
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        error_messages={"invalid": gettext_lazy("Give a whole number.")},
    )

    @property
    def ceiling(self) -> int | None:
        return None if self.cleaned_data["default"] else self.cleaned_data["max_calls"] or 0


@operator_view
@require_http_methods(["GET", "HEAD", "POST"])
def tenant_ceiling(request: HttpRequest, slug: str) -> HttpResponse:
    """How many calls of it pass at the gateways."""
    found, by = get_object_or_404(Tenant, slug=slug), _operator(request)
    initial = {"default": found.max_calls is None, "max_calls": found.max_calls or None}
    form = CeilingForm(given(request), initial=initial)
    question = Question(
        title=_("How many calls of %(tenant)s pass?") % {"tenant": found},
        says=_("Beyond it, calls are answered 429 TENANT_LIMITED, whoever makes them. %(default)s") % {"default": _default_ceiling()},
        button=_("Save"),
        back=reverse("platform-tenants"),
        done=_("The ceiling of %(tenant)s is changed.") % {"tenant": found},
    )

    def act(_data: dict[str, Any]) -> None:
        # The receipt is the tenant's, which an operator does not see.
        change_ceiling(found, max_calls=form.ceiling, by=by)

    return ask(request, question, form, act)


def _default_ceiling() -> str:
    most: int = settings.TENANT_CALLS_PER_SECOND
    if not most:
        return _("The platform says no ceiling for every tenant.")
    said = ngettext(
        "The platform says %(many)s call a second for every tenant.", "The platform says %(many)s calls a second for every tenant.", most
    )
    return said % {"many": number_format(most, force_grouping=True)}


def _operator(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


@operator_view
@require_safe
def people(request: HttpRequest) -> HttpResponse:
    """Every account. Who is where is each tenant's own."""
    q = sought(request)
    rows: QuerySet[User] = User.objects.filter(is_service=False)
    if q:
        rows = rows.filter(Q(name__icontains=q) | Q(email__icontains=q))
    return render(request, "platform/people.html", {"page": page_of(request, rows), "q": q})


@operator_view
@require_http_methods(["GET", "HEAD", "POST"])
def close_account(request: HttpRequest, pk: UUID) -> HttpResponse:
    found = get_object_or_404(User, pk=pk, is_service=False)
    question = Question(
        title=_("Close the account of %(person)s?") % {"person": found},
        says=_("They can sign in nowhere any more, and every session of theirs ends now. What they own stays, and goes on working."),
        button=_("Close the account"),
        back=reverse("platform-people"),
        done=_("The account of %(person)s is closed.") % {"person": found},
        danger=True,
    )
    return _ask(request, question, found, deactivate)


@operator_view
@require_http_methods(["GET", "HEAD", "POST"])
def open_account(request: HttpRequest, pk: UUID) -> HttpResponse:
    found = get_object_or_404(User, pk=pk, is_service=False)
    question = Question(
        title=_("Open the account of %(person)s again?") % {"person": found},
        says=_("They can sign in again, with the roles that they have."),
        button=_("Open the account"),
        back=reverse("platform-people"),
        done=_("The account of %(person)s is open again.") % {"person": found},
    )
    return _ask(request, question, found, reactivate)


def _ask(request: HttpRequest, question: Question, about: User, act: Callable[..., PlatformEvent]) -> HttpResponse:
    def done(_data: dict[str, Any]) -> None:
        # An event of the platform's has no receipt that could be shown.
        act(about, by=request.user)

    return ask(request, question, PageForm(given(request)), done)


@dataclass(frozen=True, slots=True)
class Part:
    """A component: `told` says what was seen, just now or by others."""

    name: str | Promise
    well: bool
    told: str


@operator_view
@require_safe
def platform_health(request: HttpRequest) -> HttpResponse:
    """Each component, looked at now."""
    return render(request, "platform/health.html", {"parts": list(_parts())})


def _parts() -> list[Part]:
    now = timezone.now()
    database, took = _timed(answering.database)
    broker, asked = _timed(answering.broker)
    control = ControlProcess.objects.filter(seen_at__gt=now - timedelta(seconds=15)).count()
    last = JobRun.objects.order_by("-ended_at").first()
    quiet = last is None or last.ended_at is None or last.ended_at < now - QUIET
    nodes = GatewayNode.objects.filter(revoked_at=None).count()
    connected = GatewayNode.objects.connected().count()
    late = Due.objects.filter(at__lt=now - LATE).aggregate(many=Count("pk"), first=Min("at"))
    return [
        Part(_("Database"), database, _("answered after %(ms)s ms") % {"ms": took}),
        Part(_("Broker"), broker, _("answered after %(ms)s ms") % {"ms": asked} if broker else _("does not answer")),
        Part(_("Control plane"), control > 0, ngettext("%(many)s process lives", "%(many)s processes live", control) % {"many": control}),
        Part(_("Worker"), not quiet, _worked(last, now)),
        Part(_("Gateways"), connected == nodes, _("%(connected)s of %(all)s are connected") % {"connected": connected, "all": nodes}),
        Part(_("Work that is due"), not late["many"], _("nothing is late") if not late["many"] else _("%(many)s pieces are late") % late),
    ]


def _timed(look: Callable[[], bool]) -> tuple[bool, int]:
    began = time.perf_counter()
    found = look()
    return found, round((time.perf_counter() - began) * 1000)


def _worked(last: JobRun | None, now: datetime) -> str:
    if last is None or last.ended_at is None:
        return _("has ended no job yet")
    return _("ended its last job %(seconds)s s ago") % {"seconds": round((now - last.ended_at).total_seconds())}


@dataclass(frozen=True, slots=True)
class Job:
    name: str
    every: timedelta
    run: JobRun | None

    @property
    def next_at(self) -> datetime | None:
        return self.run.started_at + self.every if self.run and self.run.started_at else None


@operator_view
@require_safe
def jobs(request: HttpRequest) -> HttpResponse:
    """What the clock starts: the last run, the next, and failures."""
    runs = JobRun.objects.in_bulk()
    rows = [
        Job(name, timedelta(seconds=each["schedule"]), runs.get(each["task"]))
        for name, each in sorted(settings.CELERY_BEAT_SCHEDULE.items())
    ]
    return render(request, "platform/jobs.html", {"rows": rows})


@operator_view
@require_safe
def platform_events(request: HttpRequest) -> HttpResponse:
    """What happened outside any tenant."""
    q = sought(request)
    rows: QuerySet[PlatformEvent] = PlatformEvent.objects.all()
    if q:
        rows = rows.filter(Q(subject_name__icontains=q) | Q(actor_name__icontains=q) | Q(kind__startswith=q) | Q(ip=q))
    page = page_of(request, rows, by="number")
    told = [
        (each, happened(each.kind, each.data, actor=each.actor_name, subject=each.subject_name, by_a_person=each.actor_id is not None))
        for each in page.rows
    ]
    return render(request, "platform/events.html", {"page": page, "rows": told, "q": q})


class PlatformForm(PageForm):
    tenants_by = forms.ChoiceField(
        choices=PlatformSettings.Creators.choices, widget=forms.RadioSelect, label=gettext_lazy("Who makes tenants")
    )
    sign_up = forms.ChoiceField(choices=SignUp.choices, widget=forms.RadioSelect, label=gettext_lazy("Who opens an account"))
    sign_up_domains = Text(
        most=2000, lines=3, empty=True, label=gettext_lazy("Domains"), help_text=gettext_lazy("One in a line, such as example.com.")
    )

    def clean_sign_up_domains(self) -> list[str]:
        return [line for line in self.cleaned_data["sign_up_domains"].replace(",", "\n").split("\n") if line.strip()]


@operator_view
@require_http_methods(["GET", "HEAD", "POST"])
def platform_settings(request: HttpRequest) -> HttpResponse:
    now, by = PlatformSettings.get(), _operator(request)
    initial = {"tenants_by": now.tenants_by, "sign_up": now.sign_up, "sign_up_domains": "\n".join(now.sign_up_domains)}
    form = PlatformForm(given(request), initial=initial)
    if done := carried_out(request, form, lambda typed: change_platform({name: typed[name] for name in FIELDS}, by=by)):
        said = _("The settings are changed.") if done.result else _("Nothing was changed: all of it was so already.")
        return finished(request, back=reverse("platform-settings"), said=said)
    return render(request, "platform/settings.html", {"form": form}, status=form.http_status)


urlpatterns = [
    path("platform/", tenants, name="platform-tenants"),
    path("platform/tenants/<slug:slug>/suspend/", suspend_tenant, name="platform-tenants-suspend"),
    path("platform/tenants/<slug:slug>/resume/", resume_tenant, name="platform-tenants-resume"),
    path("platform/tenants/<slug:slug>/ceiling/", tenant_ceiling, name="platform-tenants-ceiling"),
    path("platform/people/", people, name="platform-people"),
    path("platform/people/<uuid:pk>/close/", close_account, name="platform-person-close"),
    path("platform/people/<uuid:pk>/open/", open_account, name="platform-person-open"),
    path("platform/health/", platform_health, name="platform-health"),
    path("platform/jobs/", jobs, name="platform-jobs"),
    path("platform/events/", platform_events, name="platform-events"),
    path("platform/settings/", platform_settings, name="platform-settings"),
]
