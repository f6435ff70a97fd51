"""Talking about a request before it is decided: an approver asks, the applicant answers. What was said stands in the events."""

from collections import defaultdict
from collections.abc import Collection
from uuid import UUID

from django.db import transaction
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from apis.actions.subscriptions import four_eyes
from apis.models import Subscription
from tenants import events, limits
from tenants.errors import NotAllowed
from tenants.lifecycle import in_words
from tenants.models import Event, ServiceAccount, User

ASKED, ANSWERED = "subscription.asked", "subscription.answered"
TALK = (ASKED, ANSWERED)


@transaction.atomic
def ask(subscription: Subscription, *, text: str, by: User) -> Event:
    """Ask the applicant; the request waits for their answer, and can be decided all the same.

    :raises NotAllowed: it was decided meanwhile, it is their own, or enough was said.
    """
    lock = events.lock()
    _still_waits(subscription)
    four_eyes(subscription, by)
    _room_for_one_more(subscription)
    subscription.asked_at = lock.now
    subscription.save(update_fields=["asked_at"])
    return events.record(ASKED, subscription, by=by, text=text)


@transaction.atomic
def answer(subscription: Subscription, *, text: str, by: User) -> Event:
    """Whoever answers for the application says more about its request, asked or not; approvers hear of it.

    :raises NotAllowed: it was decided meanwhile, the application is not theirs, or enough was said.
    """
    events.lock()
    _still_waits(subscription)
    if not subscription.application.belongs_to(ServiceAccount.objects.person_behind(by)):
        raise NotAllowed(_("Only who answers for %(application)s can answer here.") % {"application": subscription.application})
    _room_for_one_more(subscription)
    subscription.asked_at = None
    subscription.save(update_fields=["asked_at"])
    return events.record(ANSWERED, subscription, by=by, text=text)


def said_about(subscriptions: Collection[UUID]) -> dict[UUID, list[Event]]:
    """What was asked and answered about each, oldest first. One query for all of them, none for none."""
    found: dict[UUID, list[Event]] = defaultdict(list)
    if subscriptions:
        for event in Event.objects.filter(subject_id__in=subscriptions, kind__in=TALK).order_by("number"):
            found[event.subject_id].append(event)
    return found


def _still_waits(subscription: Subscription) -> None:
    # Whose it is may have changed as well.
    subscription.refresh_from_db(fields=["status", "asked_at", "application"])
    if subscription.status != Subscription.Status.PENDING:
        said = _("This subscription is %(state)s, so there is nothing to ask or to answer.")
        raise NotAllowed(said % {"state": in_words(subscription, subscription.status)})


def _room_for_one_more(subscription: Subscription) -> None:
    if Event.objects.filter(subject_id=subscription.pk, kind__in=TALK).count() >= limits.MESSAGES_PER_REQUEST:
        said = _("There are %(most)s questions and answers about this request, which is as many as may be; decide it.")
        raise NotAllowed(said % {"most": number_format(limits.MESSAGES_PER_REQUEST, force_grouping=True)})
