"""Deciding several requests in one go: each by its own action, so that a rule which refuses one holds up no other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from apis.actions import subscriptions
from apis.models import Subscription
from tenants import events
from tenants.errors import NotAllowed
from tenants.models import Event, User


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one request: what happened, or why nothing did. `subscription` is None where nobody here sees one with this id."""

    pk: UUID
    subscription: Subscription | None
    event: Event | None
    refusal: str


def approve_all(ids: Sequence[UUID], *, among: "QuerySet[Subscription]", by: User) -> list[Result]:
    """:param among: those that the person may see."""
    return _each(ids, among, lambda found: subscriptions.approve(found, by=by))


def reject_all(ids: Sequence[UUID], *, among: "QuerySet[Subscription]", reason: str, by: User) -> list[Result]:
    """One reason for all of them."""
    return _each(ids, among, lambda found: subscriptions.reject(found, reason=reason, by=by))


@transaction.atomic
def _each(ids: Sequence[UUID], among: "QuerySet[Subscription]", act: Callable[[Subscription], Event]) -> list[Result]:
    """In the order of `ids`, each once; the rows are taken in the order of theirs."""
    events.lock()
    found = among.in_bulk(ids)
    results = {pk: Result(pk, None, None, _("There is no such request.")) for pk in ids}
    for pk in sorted(found):
        try:
            results[pk] = Result(pk, found[pk], act(found[pk]), "")
        except NotAllowed as refusal:
            results[pk] = Result(pk, found[pk], None, str(refusal))
    return list(results.values())
