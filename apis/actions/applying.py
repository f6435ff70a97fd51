"""A tenant is made as it is described: what would be done, and doing it, all of it or nothing.

The plan is a difference and writes nothing. It can't promise what does not come: after the steps, in their own transaction, the difference
is made again and has to be empty, and nobody may have lost access of whom it did not tell; else nothing stands.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from apis import openapi_source
from apis.actions import describing, steps, wanted
from apis.actions.wanted import Wanted
from apis.ai.document import document
from apis.ai.offer import Offer
from apis.description import AI_VERSION, Description, Difference, Entry, block
from apis.description.callers import after, losses, who_can_call
from apis.description.differing import differences as differing
from apis.differences import Level, offer_changes
from apis.differences import differences as document_differences
from apis.models import LIVE_LARGE, ApiVersion, Upstream
from tenants import due, events
from tenants.errors import Invalid, NotAllowed
from tenants.event_kinds import GATEWAY_KINDS
from tenants.models import Event, User
from tenants.people.members import held_now

# So many of what happened meanwhile are named.
NAMED = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done, who loses access by it, and the state of the tenant that it is true for."""

    base: str
    now: Description
    live: Mapping[tuple[str, str], Upstream]
    wanted: Wanted
    differences: tuple[Difference, ...]
    losses: tuple[Entry, ...]
    prunable: int

    @property
    def changes(self) -> list[Difference]:
        return [each for each in self.differences if not each.waits]

    @property
    def blocked(self) -> list[Difference]:
        return [each for each in self.differences if each.blocked]


@dataclass(frozen=True, slots=True)
class Read:
    """What a plan needs of the tenant, read in its scope. `sources`: of which texts the documents of live revisions were read."""

    base: str
    now: Description
    live: Mapping[tuple[str, str], Upstream]
    sources: Mapping[tuple[str, str], str]
    at: datetime


def look(*, by: User) -> Read:
    """In the tenant's scope. Takes no lock: whoever applies the plan compares the base under it."""
    rows = ApiVersion.objects.exclude(status=ApiVersion.Status.RETIRED).filter(live_revision__isnull=False)
    rows = rows.select_related("api", "live_revision__upstream").defer(*LIVE_LARGE)
    revisions = {(each.api.slug, each.name): each.live_revision for each in rows if each.live_revision is not None}
    live = {key: each.upstream for key, each in revisions.items() if each.upstream is not None}
    sources = {key: each.source for key, each in revisions.items()}
    now = describing.describe(by=by)
    return Read(describing.digest(now, at=describing.number()), now, live, sources, due.now())


def plan(found: Read, given: Mapping[str, Any], *, prune: bool = False, breaking: str = "", held: frozenset[str]) -> Plan:
    """Outside any transaction: documents are read and names are looked up.

    :param breaking: why revisions that break callers go live all the same.
    :param held: the permissions of who would apply it.
    :raises Invalid: by path, what can't be used.
    """
    asked = wanted.read(given, found.now, live=found.live, sources=found.sources, at=found.at)
    differences = [_barred(each, found, asked, breaking, held) for each in differing(found.now, asked.description, prune=prune)]
    before, then = who_can_call(found.now), after(found.now, asked.description, differences)
    lost = losses(before, who_can_call(then))
    prunable = 0 if prune else _prunable(found.now, asked.description, differences)
    return Plan(found.base, found.now, found.live, asked, tuple(differences), tuple(lost), prunable)


def _prunable(now: Description, asked: Description, found: list[Difference]) -> int:
    """How much of what is not described `prune` would take away."""
    pruned = differing(now, asked, prune=True)
    return len({each.what for each in pruned if each.sign == "-"} - {each.what for each in found if each.sign == "-"})


def _barred(each: Difference, found: Read, asked: Wanted, breaking: str, held: frozenset[str]) -> Difference:
    """The same, with why it can't be done."""
    if not each.waits and each.needs not in held:
        return block(each, f"Your roles here don't include “{each.needs}”.")
    if each.verb == "offer":
        return _offered(each, found, breaking)
    if each.verb != "revise":
        return each
    making, old = asked.makings[each.at], _version(found.now, each.at)
    if making.document is None or old.get("status") not in ApiVersion.OFFERED:
        return each
    # As the gate asks when it goes live; against the document alone, for where calls go breaks nobody's.
    was = openapi_source.load(old["document"], most_bytes=len(old["document"].encode())).value
    changes = document_differences(was, making.document.content, today=timezone.now().date())
    return _breaks(each, len(changes.of(Level.BREAKING)), breaking)


def _offered(each: Difference, found: Read, breaking: str) -> Difference:
    """Of an AI API, whose document is written from what it offers."""
    api = next((api for api in found.now["apis"] if api["slug"] == each.at[0]), None)
    if api is None or "offer" not in api or _version(found.now, (each.at[0], AI_VERSION)).get("status") not in ApiVersion.OFFERED:
        return each
    offers = [Offer.of(told) for told in (api["offer"], each.told["offer"])]
    documents = [document(offer, title=api["name"], description=api["description"]) for offer in offers]
    changes = document_differences(*documents, today=timezone.now().date()).and_then(offer_changes(*offers))
    return _breaks(each, len(changes.of(Level.BREAKING)), breaking)


def _breaks(each: Difference, many: int, breaking: str) -> Difference:
    if not many:
        return each
    text = f"{each.text}; {many} {'change breaks' if many == 1 else 'changes break'} callers"
    return replace(each, text=text, blocked=each.blocked or ("" if breaking else "Say why it goes live all the same: --breaking."))


def _version(now: Description, at: tuple[Any, ...]) -> Entry:
    api = next((each for each in now["apis"] if each["slug"] == at[0]), None)
    return next((each for each in api["versions"] if each["name"] == at[1]), {}) if api else {}


# --- doing it --------------------------------------------------------------------------------------------------------


def targets(found: Plan) -> steps.Makings:
    """For each revision what it is made of, as far as it takes no row: addresses are looked up here, before anybody waits for the lock.

    :raises Invalid: calls can't or mustn't go there, by path.
    """
    made: dict[tuple[Any, ...], steps.Made] = {}
    for each in found.changes:
        if each.verb != "revise":
            continue
        making = found.wanted.makings[each.at]
        try:
            made[each.at] = steps.Made(making.document, wanted.target(making, found.live.get(each.at)), mock=making.mock)
        except Invalid as refused:
            raise Invalid({f"{each.what}: {name}": said for name, said in refused.problems.items()}) from refused
    return made


@transaction.atomic
def apply(found: Plan, made: steps.Makings, *, base: str, breaking: str = "", by: User) -> Event | None:
    """Do it, by the actions that pages and REST take, each with its events. Nothing of it stands if one refuses.

    :param base: of the plan that the person read.
    :returns: the last event that gateways hear of, else the last; None if nothing had to be done.
    :raises NotAllowed: the tenant is not as that plan found it, or a rule says no.
    """
    lock = events.lock()
    now = describing.describe(by=by)
    # Events that change nothing of what is described move the number alone.
    if not (_state(base) == _state(found.base) == _state(describing.digest(now, at=0))):
        raise NotAllowed(_changed_since(base, lock.number, held_now(by)))
    if found.blocked:
        first = found.blocked[0]
        raise NotAllowed(f"{first.what[:1].upper()}{first.what[1:]}: {first.blocked}")
    held = held_now(by)
    for each in found.changes:
        if each.needs not in held:
            raise NotAllowed(f"Your roles here don't include “{each.needs}” any more.")
    began = lock.number
    work = steps.Work(by=by, made=made, breaking=breaking)
    for each in found.changes:
        work.do(each)
    if not found.changes:
        return None
    _hold_to(found, by=by)
    return _last_event(began)


def _state(base: str) -> str:
    return base.partition(".")[2]


def _hold_to(found: Plan, *, by: User) -> None:
    """:raises NotAllowed: what was done is not what was told."""
    then = describing.describe(by=by)
    left = [each for each in differing(then, wanted.done(found.wanted.description)) if not each.waits]
    lost = who_can_call(found.now) - who_can_call(then)
    told = who_can_call(found.now) - who_can_call(after(found.now, found.wanted.description, found.differences))
    if left:
        raise NotAllowed(f"This did not come as it was planned, so nothing of it was done: {left[0]}.")
    if lost - told:
        (name, _whose), api, version = min(lost - told)
        raise NotAllowed(f"{name} would lose access to {api} {version}, which the plan did not tell, so nothing was done.")


def _changed_since(base: str, number: int, held: frozenset[str]) -> str:
    said = "This tenant has changed since the plan was made"
    text = base.partition(".")[0]
    since = int(text) if text.isascii() and text.isdigit() and len(text) < 18 else number
    rows = list(Event.objects.filter(number__gt=since).order_by("-number")[: NAMED + 1])
    if not rows or "audit.read" not in held:
        return f"{said}. Plan again."
    named = [f"{each.kind} “{each.subject_name}” by {each.actor_name} (event {each.number})" for each in rows[:NAMED]]
    return f"{said}: {', '.join(named)}{' …' if len(rows) > NAMED else ''}. Plan again."


def _last_event(began: int) -> Event | None:
    rows = Event.objects.filter(number__gt=began).order_by("-number")
    last: Event | None = rows.filter(kind__in=[*GATEWAY_KINDS]).first() or rows.first()
    return last
