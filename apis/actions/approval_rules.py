"""Approval rules: who decides requests of a kind, and what a rule would have done with those of the last months."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Lower
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from apis.actions.catalogue import tags_of
from apis.models import ApiVersion, ApprovalRule, Operation, Subscription
from tenants import events, limits
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event, User

_Outcome = ApprovalRule.Outcome
CONDITIONS = ("environment", "most_per_minute", "reads_only", "own_team", "tags")
STRICTEST = (_Outcome.TWO_PEOPLE, _Outcome.PEOPLE, _Outcome.AUTOMATIC)
# Safe methods: they ask for no change at the upstream (RFC 9110 §9.2.1).
READS = ("GET", "HEAD", "OPTIONS")
# Of a replay: how far back it goes, and how many requests it looks at, the newest.
DAYS, MOST_REPLAYED = 90, 2_000


@dataclass(frozen=True, slots=True)
class Facts:
    """What rules look at in a request. `per_minute`: the calls that its plan allows."""

    environment: str
    per_minute: float
    reads: bool
    own_team: bool
    tags: frozenset[str]


def fits(rule: ApprovalRule, facts: Facts) -> bool:
    """Whether all that the rule asks for holds."""
    return (
        rule.environment in ("", facts.environment)
        and (rule.most_per_minute is None or facts.per_minute <= rule.most_per_minute)
        and (facts.reads or not rule.reads_only)
        and (facts.own_team or not rule.own_team)
        and (not rule.tags or not facts.tags.isdisjoint(rule.tags))
    )


def deciding(rules: Iterable[ApprovalRule], facts: Facts) -> ApprovalRule | None:
    """The one that decides: of those that fit, the strictest."""
    found = [each for each in rules if fits(each, facts)]
    return min(found, key=lambda each: (STRICTEST.index(each.outcome), each.name), default=None)


def rule_for(subscription: Subscription) -> ApprovalRule | None:
    """The rule that decides this request, of those that are on."""
    rules = list(ApprovalRule.objects.filter(enabled=True).order_by("pk"))
    if not rules:
        return None
    return deciding(rules, _facts(subscription, only_read([subscription.api_id])))


def _facts(of: Subscription, reading: frozenset[UUID]) -> Facts:
    team = of.application.team_id
    return Facts(
        environment=of.application.environment,
        per_minute=of.plan.calls * 60 / of.plan.seconds,
        reads=of.api_id in reading,
        own_team=team is not None and team == of.api.team_id,
        tags=frozenset(of.api.tags),
    )


def only_read(apis: Iterable[UUID]) -> frozenset[UUID]:
    """Those of the APIs of whose operations that can be called each only reads."""
    asked = frozenset(apis)
    live = Operation.objects.filter(revision__live_in__api__in=asked, revision__live_in__status__in=ApiVersion.OFFERED)
    writing = live.exclude(method__in=READS).values_list("revision__version__api", flat=True)
    return asked - frozenset(writing)


# --- replay ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Replay:
    """What a rule, had it been on, would have decided of the requests since `since`, as applications, plans and APIs are today.

    `looked_at` counts them all, `fitting` those that it fits. `approved`, `rejected` and `waiting`: what became of these. `against` has
    those that people rejected, the newest first, of which a rule that approves would have let calls pass.
    """

    since: datetime
    looked_at: int
    fitting: int
    approved: int
    rejected: int
    waiting: int
    against: Sequence[Subscription]


def replay(rule: ApprovalRule, *, now: datetime) -> Replay:
    """Two queries, however many requests there were."""
    since = now - timedelta(days=DAYS)
    rows = Subscription.objects.for_list().filter(requested_at__gte=since, added=False)
    requests = list(rows.order_by("-pk")[:MOST_REPLAYED])
    reading = only_read({each.api_id for each in requests})
    found = [each for each in requests if fits(rule, _facts(each, reading))]
    rejected = [each for each in found if each.status == Subscription.Status.REJECTED]
    waiting = sum(each.status == Subscription.Status.PENDING for each in found)
    # Whatever came after it: what was never rejected and waits no more was approved, or withdrawn before that.
    approved = sum(each.decided_at is not None for each in found) - len(rejected)
    return Replay(since, len(requests), len(found), approved, len(rejected), waiting, rejected)


# --- changes ---------------------------------------------------------------------------------------------------------


@transaction.atomic
def create(*, name: str, outcome: str, by: User, **conditions: Any) -> tuple[ApprovalRule, Event]:
    """A new rule, which decides nothing until it is switched on.

    :raises Invalid: another has its name, or it would approve whatever is asked for.
    """
    events.lock()
    if ApprovalRule.objects.count() >= limits.APPROVAL_RULES:
        said = _("There are %(most)s approval rules, which is as many as there may be; delete one first.")
        raise NotAllowed(said % {"most": number_format(limits.APPROVAL_RULES, force_grouping=True)})
    rule = ApprovalRule(name=name, outcome=outcome, **_cleaned(conditions))
    _check(rule)
    rule.save(force_insert=True)
    return rule, events.record("approval_rule.created", rule, by=by, now=as_told(rule))


@transaction.atomic
def change(rule: ApprovalRule, *, by: User, **given: Any) -> Event | None:
    """Change what is given and differs; for requests to come. None if nothing changed.

    :param given: `name`, `outcome`, `enabled` and the conditions.
    """
    events.lock()
    rule = _again(rule)
    was = as_told(rule)
    for name, value in _cleaned(given).items():
        setattr(rule, name, value)
    now = as_told(rule)
    differs = [name for name in now if now[name] != was[name]]
    if not differs:
        return None
    _check(rule)
    rule.save()
    picked: Mapping[str, Any] = {"was": {name: was[name] for name in differs}, "now": {name: now[name] for name in differs}}
    return events.record("approval_rule.changed", rule, by=by, **picked)


@transaction.atomic
def delete(rule: ApprovalRule, *, by: User) -> Event:
    """It decides nothing any more; what it approved stays."""
    events.lock()
    rule = _again(rule)
    event = events.record("approval_rule.deleted", rule, by=by, was=as_told(rule))
    rule.delete()
    return event


def _again(rule: ApprovalRule) -> ApprovalRule:
    """As it is now, under the lock.

    :raises NotAllowed: somebody has deleted it since it was read.
    """
    found = ApprovalRule.objects.filter(pk=rule.pk).first()
    if found is None:
        raise NotAllowed(_("Somebody has deleted the rule “%(rule)s” meanwhile.") % {"rule": rule})
    return found


def as_told(rule: ApprovalRule) -> dict[str, Any]:
    """As events have it."""
    return {name: getattr(rule, name) for name in ("name", "outcome", "enabled", *CONDITIONS)}


def _cleaned(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tags_of(value) if name == "tags" else value for name, value in given.items()}


def _check(rule: ApprovalRule) -> None:
    if ApprovalRule.objects.alias(low=Lower("name")).filter(low=Lower(Value(rule.name))).exclude(pk=rule.pk).exists():
        raise Invalid({"name": [_("Another rule has this name.")]})
    if rule.outcome == _Outcome.AUTOMATIC and not any(getattr(rule, name) for name in CONDITIONS):
        raise Invalid({"outcome": [_("Say for which requests: without a condition it would approve whatever is asked for.")]})
