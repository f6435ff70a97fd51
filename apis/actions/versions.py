"""The end of a version's life: who is told, until when it answers, and when it answers no more."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apis.actions import resources, reviews, testing
from apis.models import Acknowledgement, ApiVersion, BrownOut, OperationUse, Review, Subscription
from keys.models import Application
from tenants import due, events
from tenants.errors import Invalid, NotAllowed
from tenants.lifecycle import in_words, move
from tenants.models import Event, User

BROWN_OUT_JOB = "brown_outs"
# Whoever still calls has to hear of a brown-out before it begins.
NOTICE = timedelta(hours=1)
LONGEST = timedelta(hours=24)
MOST_PLANNED = 20
# So many applications are named in a refusal.
NAMED = 3
_Status = ApiVersion.Status


@dataclass(frozen=True, slots=True)
class Caller:
    """An application that may call a version: how often it did lately, and whether who answers for it knows that the version is going."""

    application: Application
    calls: int
    last_at: datetime | None
    acknowledged: Acknowledgement | None


def callers(version: ApiVersion) -> list[Caller]:
    """Of each open subscription, and whoever called lately; who called most comes first."""
    uses = OperationUse.objects.filter(version=version).lately().by_application()
    known = {each.application_id: each for each in version.acknowledgements.select_related("by")}
    open_ones = Subscription.objects.open().filter(api=version.api_id).values_list("application", flat=True)
    rows = Application.objects.standing().filter(pk__in={*uses, *open_ones}).select_related("owner", "team").order_by("name", "pk")
    nothing = {"calls": 0, "last_at": None}
    found = [Caller(each, **uses.get(each.pk, nothing), acknowledged=known.get(each.pk)) for each in rows]
    return sorted(found, key=lambda each: -each.calls)


def unaware(found: Iterable[Caller]) -> list[Caller]:
    """Those that called lately, and of which nobody has acknowledged that the version is going."""
    return [each for each in found if each.calls and each.acknowledged is None]


def going(application: Application) -> list[ApiVersion]:
    """Deprecated versions of APIs that the application subscribes to, of which nobody has acknowledged for it that they go."""
    apis = Subscription.objects.open().filter(application=application).values("api")
    known = Acknowledgement.objects.filter(application=application).values("version")
    rows = ApiVersion.objects.filter(api__in=apis, status=_Status.DEPRECATED).exclude(pk__in=known)
    return list(rows.select_related("api", "successor").order_by("sunset_at", "id"))


@transaction.atomic
def block(version: ApiVersion, *, reason: str, by: User) -> Event:
    """Refuse its calls until it is unblocked, also those of tests; one may be opened again, for what mends it."""
    events.lock()
    testing.end_all(version, by=by)
    return move(version, _Status.BLOCKED, by=by, why=reason, reason=reason)


@transaction.atomic
def unblock(version: ApiVersion, *, by: User) -> Event:
    events.lock()
    if version.status != _Status.BLOCKED:
        raise NotAllowed(_("%(version)s is not blocked.") % {"version": version})
    return move(version, _Status.PUBLISHED, by=by, reason="")


@transaction.atomic
def deprecate(
    version: ApiVersion, *, sunset_at: datetime | None = None, successor: ApiVersion | None = None, reason: str, by: User
) -> Event:
    """Tell callers that it is going. It answers as before, with headers that say so.

    :param sunset_at: until when it is promised to answer; None where that is not decided.
    :param successor: another version of the same API, that callers should move to.
    :raises Invalid: the date has passed, or the successor is none.
    """
    lock = events.lock()
    _ahead(sunset_at, lock.now)
    if successor is not None and (
        successor.api_id != version.api_id or successor.pk == version.pk or successor.status not in ApiVersion.BEGINNING
    ):
        raise Invalid({"successor": [_("The successor has to be another version of the API that applications may begin with.")]})
    told = {"sunset": sunset_at.isoformat() if sunset_at else None, "successor": successor.name if successor else ""}
    return move(
        version,
        _Status.DEPRECATED,
        by=by,
        why=reason,
        data=told,
        reason=reason,
        # In whole seconds, as the header has it.
        deprecated_at=lock.now.replace(microsecond=0),
        sunset_at=sunset_at,
        successor=successor,
    )


@transaction.atomic
def change_sunset(version: ApiVersion, *, sunset_at: datetime, by: User) -> Event:
    """Promise a day, or a later one: callers have planned with the one that they were told.

    :raises Invalid: it has passed, or is earlier than the one that was promised.
    """
    lock = events.lock()
    version.refresh_from_db(fields=["status", "sunset_at"])
    _has_to_be_deprecated(version)
    _ahead(sunset_at, lock.now)
    was = version.sunset_at
    if was is not None and sunset_at <= was:
        raise Invalid({"sunset_at": [_("It was promised until %(when)s; it can only go on longer.") % {"when": _day(was)}]})
    version.sunset_at = sunset_at
    version.save(update_fields=["sunset_at"])
    return events.record("version.sunset_changed", version, by=by, was=was.isoformat() if was else None, now=sunset_at.isoformat())


@transaction.atomic
def reinstate(version: ApiVersion, *, by: User) -> Event:
    """Take a deprecation back."""
    events.lock()
    if version.status != _Status.DEPRECATED:
        raise NotAllowed(_("%(version)s is not deprecated.") % {"version": version})
    _cancel_all(version, by=by)
    version.acknowledgements.all().delete()
    return move(version, _Status.PUBLISHED, by=by, reason="", deprecated_at=None, sunset_at=None, successor=None)


@transaction.atomic
def retire(version: ApiVersion, *, reason: str = "", override: bool = False, by: User) -> Event:
    """Answer no more, for good. One that was never opened is thrown away.

    :param override: although somebody still calls it and has not acknowledged that it is going, or it was promised for longer.
    :raises NotAllowed: who still calls, or until when it was promised.
    :raises Invalid: an override without a reason.
    """
    lock = events.lock()
    version.refresh_from_db(fields=["status", "sunset_at"])
    if override and not reason:
        raise Invalid({"reason": [_("Say why it is retired all the same.")]})
    if version.status == _Status.CREATED:
        _end_all(version, by=by)
        return move(version, _Status.RETIRED, by=by, why=reason, reason=reason, live_revision=None)
    if not override and (against := what_stands_against(version, lock.now)):
        raise NotAllowed(against)
    _cancel_all(version, by=by)
    _end_all(version, by=by)
    event = move(version, _Status.RETIRED, by=by, why=reason, data={"override": True} if override else {}, reason=reason)
    resources.bring_up_to_date(version.api)
    return event


def _end_all(version: ApiVersion, *, by: User) -> None:
    """What is under way with its revisions."""
    testing.end_all(version, by=by)
    reviews.withdraw_all(Review.objects.filter(revision__version=version), by=by)


def what_stands_against(version: ApiVersion, now: datetime) -> str:
    """Why it should not be retired now, in a sentence; "" where nothing speaks against it."""
    if version.sunset_at is not None and now < version.sunset_at:
        return _("%(version)s was promised until %(when)s.") % {"version": version, "when": _day(version.sunset_at)}
    waiting = unaware(callers(version))
    if not waiting:
        return ""
    said = ngettext(
        "%(many)s application called %(version)s in the last 30 days, and nobody has acknowledged that it goes: %(named)s.",
        "%(many)s applications called %(version)s in the last 30 days, and nobody has acknowledged that it goes: %(named)s.",
        len(waiting),
    )
    return said % {"many": len(waiting), "version": version, "named": named(each.application for each in waiting)}


def named(applications: Iterable[Application]) -> str:
    """The first few, as a refusal names them."""
    names = [str(each) for each in applications]
    return ", ".join(names[:NAMED]) + (" …" if len(names) > NAMED else "")


@transaction.atomic
def acknowledge(version: ApiVersion, application: Application, *, by: User) -> Event | None:
    """Who answers for the application knows that the version is going; None where somebody had said so."""
    lock = events.lock()
    version.refresh_from_db(fields=["status"])
    _has_to_be_deprecated(version)
    _found, made = Acknowledgement.objects.get_or_create(version=version, application=application, defaults={"by": by, "at": lock.now})
    if not made:
        return None
    return events.record("version.acknowledged", version, by=by, application=application.name, application_id=str(application.pk))


# --- brown-outs ------------------------------------------------------------------------------------------------------


@transaction.atomic
def plan_brown_out(version: ApiVersion, *, starts_at: datetime, lasts: timedelta, by: User) -> BrownOut:
    """Refuse every call for a short time, so that who still calls notices.

    :raises Invalid: too soon, too long, or at the same time as another.
    """
    lock = events.lock()
    version.refresh_from_db(fields=["status"])
    _has_to_be_deprecated(version)
    if starts_at < lock.now + NOTICE:
        raise Invalid({"starts_at": [_("Give who still calls an hour at least to hear of it.")]})
    if not timedelta(minutes=1) <= lasts <= LONGEST:
        raise Invalid({"minutes": [_("A brown-out takes from a minute to a day.")]})
    ends_at = starts_at + lasts
    coming = version.brown_outs.filter(status__in=BrownOut.COMING)
    if coming.filter(starts_at__lt=ends_at, ends_at__gt=starts_at).exists():
        raise Invalid({"starts_at": [_("Another brown-out is planned for this time.")]})
    if coming.count() >= MOST_PLANNED:
        raise NotAllowed(_("%(most)s brown-outs are planned, which is as many as may be at once.") % {"most": MOST_PLANNED})
    planned = BrownOut.objects.create(version=version, starts_at=starts_at, ends_at=ends_at, created_by=by)
    due.expect(BROWN_OUT_JOB, starts_at)
    events.record("brown_out.planned", planned, by=by, starts=starts_at.isoformat(), ends=ends_at.isoformat())
    return planned


@transaction.atomic
def cancel_brown_out(brown_out: BrownOut, *, by: User | None) -> Event:
    """It does not come, or ends at once."""
    events.lock()
    if brown_out.status not in BrownOut.COMING:
        raise NotAllowed(_("This brown-out is %(state)s.") % {"state": in_words(brown_out, brown_out.status)})
    return move(brown_out, BrownOut.Status.CANCELLED, by=by)


def turn_brown_outs() -> datetime | None:
    """Begin and end those whose time has come, for the tenant in scope; returns when the next one's comes. Runs under the lock."""
    now = events.now()
    for each in BrownOut.objects.filter(status=BrownOut.Status.PLANNED, starts_at__lte=now).select_related("version__api").order_by("id"):
        move(each, BrownOut.Status.RUNNING, by=None)
    for each in BrownOut.objects.filter(status=BrownOut.Status.RUNNING, ends_at__lte=now).select_related("version__api").order_by("id"):
        move(each, BrownOut.Status.OVER, by=None)
    coming = BrownOut.objects.filter(status__in=BrownOut.COMING).values_list("status", "starts_at", "ends_at")
    return min((starts if status == BrownOut.Status.PLANNED else ends for status, starts, ends in coming), default=None)


def _cancel_all(version: ApiVersion, *, by: User | None) -> None:
    for each in version.brown_outs.filter(status__in=BrownOut.COMING).order_by("id"):
        move(each, BrownOut.Status.CANCELLED, by=by)


def _has_to_be_deprecated(version: ApiVersion) -> None:
    if version.status != _Status.DEPRECATED:
        raise NotAllowed(_("%(version)s is not deprecated.") % {"version": version})


def _ahead(sunset_at: datetime | None, now: datetime) -> None:
    if sunset_at is not None and sunset_at <= now:
        raise Invalid({"sunset_at": [_("This time has passed.")]})


def _day(at: datetime) -> str:
    return date_format(timezone.localtime(at), "DATE_FORMAT")
