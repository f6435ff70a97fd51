"""A second person approves a revision before callers get it, where its API asks for that."""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from apis.models import LIVE_LARGE, Api, ApiVersion, Review, Revision
from apis.models.review import ReviewQuerySet
from tenants import events
from tenants.errors import NotAllowed
from tenants.lifecycle import move
from tenants.models import Event, User

_Status = Review.Status


def had_by_callers(version: ApiVersion) -> Revision | None:
    """What callers have of it now, which a draft's live revision is not."""
    return version.live_revision if version.status in ApiVersion.OFFERED else None


def is_back(revision: Revision, live: Revision | None) -> bool:
    """Whether it is an older one that callers had, which one takes in a hurry."""
    return live is not None and revision.went_live_at is not None and revision.number < live.number


def what_stands_against(revision: Revision, version: ApiVersion) -> str:
    """Why callers can't get it without another person, in a sentence; "" where they can.

    :param version: its own, with its API and its live revision.
    """
    if version.status == ApiVersion.Status.RETIRED:
        # Nothing of it goes live any more.
        return ""
    live = had_by_callers(version)
    # What is live in a draft still has to reach callers.
    if not version.api.needs_review or revision == live or is_back(revision, live) or _approval(revision, live):
        return ""
    names = {"number": revision.number, "version": version}
    if Review.objects.usable().filter(revision=revision).exists():
        return _("Revision %(number)s of %(version)s was approved against another live revision. Ask for a review again.") % names
    return _("A second person has to approve revision %(number)s of %(version)s before callers get it. Ask for a review.") % names


def _approval(revision: Revision, live: Revision | None) -> Review | None:
    return Review.objects.usable().filter(revision=revision, against=live).first()


def hold_to_review(revision: Revision, version: ApiVersion) -> Review | None:
    """The approval by which callers get it from now on, which it uses up; None where none is needed. Runs under the lock.

    :raises NotAllowed: nobody else has approved it.
    """
    if against := what_stands_against(revision, version):
        raise NotAllowed(against)
    found = _approval(revision, had_by_callers(version)) if version.api.needs_review else None
    if found is not None:
        found.used_at = events.now()
        found.save(update_fields=["used_at"])
    return found


@transaction.atomic
def ask_for_reviews(api: Api, *, by: User | None) -> Event | None:
    """From now on a second person approves each revision before callers get it. None if that was so."""
    return _change(api, needed=True, by=by)


@transaction.atomic
def ask_for_no_reviews(api: Api, *, by: User | None) -> Event | None:
    return _change(api, needed=False, by=by)


def _change(api: Api, *, needed: bool, by: User | None) -> Event | None:
    events.lock()
    api.refresh_from_db(fields=["needs_review"])
    if api.needs_review is needed:
        return None
    api.needs_review = needed
    api.save(update_fields=["needs_review"])
    if not needed:
        withdraw_all(Review.objects.filter(revision__version__api=api), by=by)
    return events.record("api.review_changed", api, by=by, was=not needed, now=needed)


@transaction.atomic
def request(revision: Revision, *, note: str = "", by: User) -> Review:
    """Ask another person to look at it, against what callers have now. One that was asked for against something else is over.

    :raises NotAllowed: it needs none, or one is asked for already.
    """
    lock = events.lock()
    version = ApiVersion.objects.select_related("api", "live_revision").defer(*LIVE_LARGE).get(pk=revision.version_id)
    if not what_stands_against(revision, version):
        raise NotAllowed(_("Revision %(number)s needs no review now.") % {"number": revision.number})
    live = had_by_callers(version)
    waiting = Review.objects.waiting().for_list().filter(revision=revision).first()
    if waiting is not None and waiting.against == live:
        raise NotAllowed(_("A review of revision %(number)s is asked for already.") % {"number": revision.number})
    if waiting is not None:
        move(waiting, _Status.WITHDRAWN, by=by, data=_told(waiting))
    made = Review.objects.create(revision=revision, against=live, requested_by=by, requested_at=lock.now, note=note)
    told: dict[str, Any] = {"version": str(version), "number": revision.number, "against": live.number if live else None}
    events.record("review.requested", made, by=by, note=note, **told)
    return made


@transaction.atomic
def approve(review: Review, *, by: User) -> Event:
    """
    :raises NotAllowed: it is one's own, or callers have something else by now.
    """
    lock = events.lock()
    _hold_to_four_eyes(review, by)
    version = ApiVersion.objects.select_related("live_revision").defer(*LIVE_LARGE).get(pk=review.revision.version_id)
    if had_by_callers(version) != review.against:
        raise NotAllowed(_("Another revision went live since the review was asked for. Somebody has to ask again."))
    return move(review, _Status.APPROVED, by=by, data=_told(review), decided_by=by, decided_at=lock.now)


@transaction.atomic
def reject(review: Review, *, reason: str, by: User) -> Event:
    lock = events.lock()
    _hold_to_four_eyes(review, by)
    return move(review, _Status.REJECTED, by=by, why=reason, data=_told(review), reason=reason, decided_by=by, decided_at=lock.now)


@transaction.atomic
def withdraw(review: Review, *, by: User) -> Event:
    """Who asked takes it back."""
    events.lock()
    if not review.is_own_of(by):
        raise NotAllowed(_("Only who asked for a review can withdraw it."))
    return move(review, _Status.WITHDRAWN, by=by, data=_told(review))


def withdraw_all(those: ReviewQuerySet, *, by: User | None) -> None:
    """Nobody has to look at them any more. Under the lock."""
    for each in those.waiting().for_list().order_by("pk"):
        move(each, _Status.WITHDRAWN, by=by, data=_told(each))


def _hold_to_four_eyes(review: Review, by: User) -> None:
    if review.is_own_of(by):
        raise NotAllowed(_("You asked for this review yourself; a second person has to decide."))


def _told(review: Review) -> dict[str, Any]:
    return {"version": str(review.revision.version), "number": review.revision.number}
