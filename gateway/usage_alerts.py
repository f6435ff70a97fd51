"""Alerts: what somebody wants to hear of how calls go. A job looks each minute; what flaps is told once."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.translation import gettext as _

from apis.models import Api
from gateway.models import UsageAlert
from gateway.usage_ranges import DAY, MINUTE, Range, floor
from gateway.usage_reports import Figures, Of, Tables, tables, totals
from keys.models import Application
from tenants import due, events, limits
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event, User
from tenants.models.base import new_id
from tenants.scope import current_tenant_id

JOB = "watch_usage"
EVERY = timedelta(minutes=1)
# For so long nothing has to speak for an open one before it is closed.
CALM = timedelta(minutes=5)
# What is told later than this may still be on its way; a minute that is over is whole by then.
SETTLES = timedelta(seconds=10)
MOST_MS, MOST_MINUTES, MOST_CALLS = 60_000, 1_440, 1_000_000_000
FIELDS = ("name", "kind", "threshold", "minutes", "fewest_calls", "cooldown_minutes", "muted")
_Kind = UsageAlert.Kind


def may_watch(user: User, permissions: frozenset[str], *, api: Api | None, application: Application | None) -> bool:
    """Whether somebody may have an alert about this: what they see the usage of."""
    if "usage.see" in permissions:
        return True
    if application is not None:
        return Application.objects.visible_to(user, permissions).filter(pk=application.pk).exists()
    return api is not None and "apis.see_all" in permissions


@transaction.atomic
def create(*, name: str, kind: str, by: User, api: Api | None = None, application: Application | None = None, **told: Any) -> UsageAlert:
    """:raises Invalid: by field."""
    lock = events.lock()
    if UsageAlert.objects.count() >= limits.USAGE_ALERTS:
        said = _("There are %(most)s alerts, which is as many as a tenant may have. Delete one first.")
        raise NotAllowed(said % {"most": limits.USAGE_ALERTS})
    alert = UsageAlert(pk=new_id(), tenant_id=current_tenant_id(), name=name, kind=kind, api=api, application=application, created_by=by)
    _set(alert, told)
    _check(alert)
    alert.save(force_insert=True)
    due.expect(JOB, lock.now + EVERY)
    events.record("usage_alert.created", alert, by=by, now=_facts(alert), about=alert.about)
    return alert


@transaction.atomic
def change(alert: UsageAlert, *, by: User, **told: Any) -> Event | None:
    """What is left out stays; None if nothing changed. One that is muted meanwhile is closed, and tells nobody.

    :raises Invalid: by field.
    """
    lock = events.lock()
    alert = _again(alert)
    was = _facts(alert)
    _set(alert, told)
    now = _facts(alert)
    differs = [name for name in FIELDS if was[name] != now[name]]
    if not differs:
        return None
    _check(alert)
    # It is looked at anew, as what it is now.
    alert.opened_at = alert.calm_since = alert.closed_at = None
    alert.save(update_fields=[*FIELDS, "opened_at", "calm_since", "closed_at"])
    due.expect(JOB, lock.now + EVERY)
    before, after = ({name: facts[name] for name in differs} for facts in (was, now))
    return events.record("usage_alert.changed", alert, by=by, was=before, now=after)


@transaction.atomic
def delete(alert: UsageAlert, *, by: User) -> Event:
    events.lock()
    alert = _again(alert)
    event = events.record("usage_alert.deleted", alert, by=by, was=_facts(alert), about=alert.about)
    alert.delete()
    return event


def _again(alert: UsageAlert) -> UsageAlert:
    found = UsageAlert.objects.select_related("api", "application").filter(pk=alert.pk).first()
    if found is None:
        raise NotAllowed(_("This alert was deleted meanwhile."))
    return found


def _set(alert: UsageAlert, told: Mapping[str, Any]) -> None:
    for field, value in told.items():
        setattr(alert, field, value)
    if alert.kind == _Kind.NO_TRAFFIC:
        alert.threshold, alert.fewest_calls = 0, 1


def _facts(alert: UsageAlert) -> dict[str, Any]:
    return {name: getattr(alert, name) for name in FIELDS}


def _check(alert: UsageAlert) -> None:
    problems: dict[str, list[str]] = {}
    most = {_Kind.ERROR_RATE.value: 100, _Kind.P95.value: MOST_MS}.get(alert.kind)
    for field, least, upmost in (
        ("threshold", 1, most),
        ("minutes", 1, MOST_MINUTES),
        ("fewest_calls", 1, MOST_CALLS),
        ("cooldown_minutes", 0, MOST_MINUTES),
    ):
        if upmost is not None and not least <= getattr(alert, field) <= upmost:
            problems[field] = [_("Give a number from %(least)s to %(most)s.") % {"least": least, "most": upmost}]
    if UsageAlert.objects.exclude(pk=alert.pk).filter(name__iexact=alert.name).exists():
        problems["name"] = [_("There is an alert of this name.")]
    if problems:
        raise Invalid(problems)


# --- the job ---------------------------------------------------------------------------------------------------------


def watch() -> datetime | None:
    """Look at each alert of the tenant in scope; returns when to look again. Runs under the lock, and does the same twice.

    While counting is behind nothing is said: what is not counted is not known.
    """
    known = tables()
    alerts = list(UsageAlert.objects.select_related("api", "application").order_by("pk"))
    if not alerts:
        return None
    if known.until is not None and not known.behind:
        for alert in alerts:
            if not alert.muted:
                _look(alert, known)
    return known.now + EVERY


def _look(alert: UsageAlert, known: Tables) -> None:
    until = floor(known.now - SETTLES, MINUTE)
    span = _span(until - alert.minutes * MINUTE, until)
    of = Of(api=alert.api_id, application=alert.application_id)
    figures = totals(span, of, known)
    speaks = _speaks(alert, figures, span, of, known)
    if alert.opened_at is None:
        rests = alert.closed_at is not None and known.now < alert.closed_at + alert.cooldown_minutes * MINUTE
        if speaks and not rests:
            alert.opened_at, alert.calm_since, alert.closed_at = known.now, None, None
            alert.save(update_fields=["opened_at", "calm_since", "closed_at"])
            events.record("usage_alert.opened", alert, by=None, **_told(alert, figures))
        return
    if speaks:
        if alert.calm_since is not None:
            alert.calm_since = None
            alert.save(update_fields=["calm_since"])
        return
    alert.calm_since = alert.calm_since or known.now
    if known.now - alert.calm_since >= CALM:
        opened = alert.opened_at
        alert.opened_at, alert.calm_since, alert.closed_at = None, None, known.now
        alert.save(update_fields=["opened_at", "calm_since", "closed_at"])
        events.record("usage_alert.closed", alert, by=None, opened_at=opened.isoformat(), **_told(alert, figures))
    else:
        alert.save(update_fields=["calm_since"])


def _span(since: datetime, until: datetime) -> Range:
    return Range("", since, until, MINUTE, ZoneInfo("UTC"))


def _speaks(alert: UsageAlert, figures: Figures, span: Range, of: Of, known: Tables) -> bool:
    if alert.kind == _Kind.NO_TRAFFIC:
        # Where nobody ever called, nobody has stopped.
        return not figures.calls and (alert.opened_at is not None or bool(totals(_span(span.since - DAY, span.since), of, known).calls))
    if alert.kind == _Kind.ERROR_RATE:
        return figures.calls >= alert.fewest_calls and figures.failed * 100 >= alert.threshold * figures.calls
    return sum(figures.histogram) >= alert.fewest_calls and (figures.p95 or 0) >= alert.threshold


def _told(alert: UsageAlert, figures: Figures) -> dict[str, Any]:
    return {
        "alert": alert.kind,
        "about": alert.about,
        "api": alert.api.slug if alert.api else "",
        "threshold": alert.threshold,
        "minutes": alert.minutes,
        "calls": figures.calls,
        "failed": figures.failed,
        "p95_ms": None if figures.p95 is None else round(figures.p95),
    }
