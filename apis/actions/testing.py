"""A revision is tried at an address of its own before callers get it."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from apis.actions import resources, room
from apis.actions.resolving import RESOLVE_JOB
from apis.models import LARGE, ApiVersion, Revision
from keys.models import Application
from tenants import due, events
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event, User

TEST_JOB = "end_tests"
# For so many hours one may open it.
HOURS = (1, 8, 24)
# Of the application that may call while nothing can have a subscription: calls in so many seconds.
CALLS, SECONDS = 60, 60


@transaction.atomic
def open_for_tests(revision: Revision, *, hours: int, application: Application | None = None, by: User) -> Event:
    """Let it be called at its own address until then; where it is open, until another time.

    :param hours: one of `HOURS`.
    :param application: one of the person's own, that may call it; only where nothing of the API is open, and needed there.
    :raises NotAllowed: callers have it already, or never will; or gateways hold too much.
    :raises Invalid: the application, or the hours, are none that may be given.
    """
    lock = events.lock()
    version = ApiVersion.objects.select_related("api").get(pk=revision.version_id)
    if against := what_stands_against(revision, version):
        raise NotAllowed(against)
    if hours not in HOURS:
        raise Invalid({"hours": [_("Choose from %(choices)s.") % {"choices": ", ".join(map(str, HOURS))}]})
    _check_tester(version, application, by=by)
    revision.open_until, revision.tester = lock.now + timedelta(hours=hours), application
    room.for_a_test(revision)
    revision.save(update_fields=["open_until", "tester"])
    resources.bring_up_to_date(version.api)
    due.expect(TEST_JOB, revision.open_until)
    # Its addresses may have grown old.
    due.expect(RESOLVE_JOB, lock.now)
    told: dict[str, Any] = {"application": application.name, "application_id": str(application.pk)} if application else {}
    until = revision.open_until.isoformat()
    return events.record("revision.test_opened", revision, by=by, version=str(version), number=revision.number, until=until, **told)


def what_stands_against(revision: Revision, version: ApiVersion) -> str:
    """Why it can't be opened, in a sentence; "" where it can.

    :param version: its own.
    """
    if version.status == ApiVersion.Status.RETIRED:
        return _("%(version)s is retired, so nothing of it is tested any more.") % {"version": version}
    if version.live_revision_id == revision.pk and version.status in ApiVersion.OFFERED:
        said = _("Revision %(number)s is live, so it is called at the address of %(version)s.")
        return said % {"number": revision.number, "version": version}
    return ""


def needs_tester(version: ApiVersion) -> bool:
    """Whether nothing of its API is open, so that no application can have a subscription."""
    return not ApiVersion.objects.offered().filter(api=version.api_id).exists()


def without_testers(version: ApiVersion) -> None:
    """It opens, and from now on it takes a subscription to try any revision of its API. Under the lock."""
    events.require_lock()
    Revision.objects.filter(version__api=version.api_id, tester__isnull=False).update(tester=None)


def _check_tester(version: ApiVersion, application: Application | None, *, by: User) -> None:
    if not needs_tester(version):
        if application is not None:
            said = _("%(api)s is open, so it takes a subscription to call this; leave the application out.")
            raise Invalid({"application": [said % {"api": version.api}]})
        return
    mine = Application.objects.owned_by(by).filter(status=Application.Status.ACTIVE)
    if application is None or not mine.filter(pk=application.pk).exists():
        said = _("Nothing of %(api)s is open, so no application can subscribe to it: choose one of yours that may call this.")
        raise Invalid({"application": [said % {"api": version.api}]})


@transaction.atomic
def close_to_tests(revision: Revision, *, by: User) -> Event:
    """
    :raises NotAllowed: it is not open.
    """
    events.lock()
    event = end(revision, by=by)
    if event is None:
        raise NotAllowed(_("Revision %(number)s is not open for tests.") % {"number": revision.number})
    return event


def end(revision: Revision, *, by: User | None) -> Event | None:
    """Its own address answers no more; None if it did not. Under the lock.

    :param by: None where its time is over.
    """
    events.require_lock()
    changed = Revision.objects.filter(pk=revision.pk, open_until__isnull=False).update(open_until=None, tester=None)
    revision.open_until, revision.tester = None, None
    if not changed:
        return None
    version = ApiVersion.objects.select_related("api").get(pk=revision.version_id)
    resources.bring_up_to_date(version.api)
    return events.record("revision.test_closed", revision, by=by, version=str(version), number=revision.number)


def end_all(version: ApiVersion, *, by: User | None) -> None:
    """Of what is blocked or retired nothing is called. Under the lock."""
    for each in version.revisions.filter(open_until__isnull=False).defer(*LARGE).order_by("id"):
        end(each, by=by)


def end_due() -> datetime | None:
    """End those whose time is over, for the tenant in scope; returns when the next one's is. Runs under the lock."""
    tested = Revision.objects.filter(open_until__isnull=False)
    for each in tested.filter(open_until__lte=events.now()).defer(*LARGE).order_by("id"):
        end(each, by=None)
    return tested.order_by("open_until").values_list("open_until", flat=True).first()
