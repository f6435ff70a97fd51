"""Who waits: narrowed to some, and counted."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q, QuerySet

from apis.models import Subscription

# What a request waits for, beside somebody who looks at it.
WAITS = ("answer", "second", "overdue")


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What is left empty asks nothing. `api`: its slug. `text` stands in the name of an application, its owner, team or applicant."""

    api: str = ""
    environment: str = ""
    text: str = ""
    waits: str = ""


def narrowed(rows: "QuerySet[Subscription]", to: Narrowing, *, now: datetime, within: timedelta | None) -> "QuerySet[Subscription]":
    """:param within: see apis.actions.request_clock; None: nothing is overdue."""
    if to.api:
        rows = rows.filter(api__slug=to.api)
    if to.environment:
        rows = rows.filter(application__environment=to.environment)
    if to.text:
        owner = Q(application__owner__name__icontains=to.text) | Q(application__owner__email__icontains=to.text)
        applicant = Q(requested_by__name__icontains=to.text) | Q(requested_by__email__icontains=to.text)
        team = Q(application__team__name__icontains=to.text)
        rows = rows.filter(Q(application__name__icontains=to.text) | owner | applicant | team)
    return rows.filter(status=Subscription.Status.PENDING).filter(_waiting_for(to.waits, now, within)) if to.waits else rows


def _waiting_for(what: str, now: datetime, within: timedelta | None) -> Q:
    match what:
        case "answer":
            return Q(asked_at__isnull=False)
        case "second":
            return Q(first_approved_by__isnull=False)
        case _:
            return Q(pk=None) if within is None else Q(requested_at__lte=now - within)


def counts(rows: "QuerySet[Subscription]", *, now: datetime, within: timedelta | None) -> dict[str, int]:
    """How many of these wait in all ("") and for what, in one query."""
    asked = {each: Count("pk", filter=_waiting_for(each, now, within)) for each in WAITS}
    found: dict[str, int] = rows.order_by().aggregate(all=Count("pk"), **asked)
    return {"": found.pop("all"), **found}


def apis_of(rows: "QuerySet[Subscription]") -> list[tuple[str, str, int]]:
    """For which APIs: slug, name and how many, by name."""
    found = rows.order_by("api__name", "api__slug").values_list("api__slug", "api__name").annotate(many=Count("pk"))
    return [(slug, name, many) for slug, name, many in found]
