"""How a tenant's story is told: each event at its time, with its place in the chain, and the rows that it is about."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from apis.openapi import Document
from portal import inbox
from portal.scale import names
from portal.scale.sizes import Size
from portal.scale.writing import Chain, Row, Rows
from tenants.models import Notification

# Their keys change once a year, so that none was due to change yet.
DAY = timedelta(days=1)
YEAR, LIFE = 365 * DAY, 360 * DAY
# Ids of tenants are the same on every day, so that what is there already is known again.
FIRST_ID = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Person:
    id: UUID
    name: str
    email: str
    roles: list[str]
    ip: str
    user_agent: str


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody the biggest tenant has before all others, by address, name and roles."""

    email: str
    name: str
    roles: Sequence[str]


@dataclass(frozen=True, slots=True)
class Setting:
    """What all tenants of one run have in common."""

    seed: int
    # Midnight: their histories end here.
    until: datetime
    tenants: int
    pepper_id: str
    document: Document


@dataclass(slots=True)
class Given:
    """Rows that go on changing while the story is told; they are written at its end."""

    people: list[Person] = field(default_factory=list)
    deciders: list[Person] = field(default_factory=list)
    developers: list[Person] = field(default_factory=list)
    memberships: dict[UUID, Row] = field(default_factory=dict)
    apis: list[Row] = field(default_factory=list)
    plans: dict[UUID, dict[str, Row]] = field(default_factory=dict)
    applications: list[Row] = field(default_factory=list)
    subscriptions: list[Row] = field(default_factory=list)
    standing: list[Row] = field(default_factory=list)
    credentials: list[Row] = field(default_factory=list)
    teams: list[Row] = field(default_factory=list)
    jobs: dict[str, datetime] = field(default_factory=dict)


def tenant_id(seed: int, number: int) -> UUID:
    return _id(FIRST_ID + timedelta(seconds=number), Random(f"{seed} id {number}"))  # nosec B311  (nothing here is secret)


def slug_of(number: int) -> str:
    """“birch-bikes-17”."""
    return "-".join([*_words(number), str(number)]).lower()


def name_of(number: int) -> str:
    return " ".join(_words(number))


def _words(number: int) -> tuple[str, str]:
    return names.PLACES[number % len(names.PLACES)], names.TRADES[number // len(names.PLACES) % len(names.TRADES)]


def _id(at: datetime, chance: Random) -> UUID:
    """A UUIDv7 (RFC 9562 §5.7) of that moment."""
    milliseconds = int(at.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 7 << 76 | chance.getrandbits(12) << 64 | 2 << 62 | chance.getrandbits(62))


class Teller:
    """One tenant's. `platform` is what it has caused in the platform's chain, in order; `given` goes on changing until the end."""

    def __init__(self, setting: Setting, number: int, size: Size, rows: Rows, *, slug: str, name: str) -> None:
        self.setting, self.number, self.size, self.rows = setting, number, size, rows
        self.slug, self.name = slug, name
        self.chance = Random(f"{setting.seed} story {number}")  # nosec B311  (nothing here is secret)
        self.tenant = tenant_id(setting.seed, number)
        # Until the next tenant is founded.
        self.between = (LIFE - DAY) / setting.tenants
        self.at = self.founded = setting.until - LIFE + self.between * number
        self._pace = (setting.until - self.founded) / (size.events + 1)
        self.chain = Chain(str(self.tenant), rows, number=0, digest="0" * 64, tenant_id=self.tenant)
        self.platform: list[Row] = []
        self.given = Given()

    def tell(self, kind: str, noun: str, subject: Row | None, name: str, /, *, by: Person | None, **data: Any) -> UUID:
        """One event of the tenant's chain, at its time; its id."""
        facts = self._facts(kind, noun, subject["id"] if subject else self.tenant, name, by=by, data=data)
        self.chain.add(facts)
        self.at += self._pace
        found: UUID = facts["id"]
        return found

    def tell_platform(self, kind: str, noun: str, subject: UUID, name: str, *, by: Person | None, at: datetime) -> None:
        self.platform.append({**self._facts(kind, noun, subject, name, by=by, data={}), "at": at, "id": _id(at, self.chance)})

    def _facts(self, kind: str, noun: str, subject: UUID, name: str, *, by: Person | None, data: Row) -> Row:
        return {
            "id": _id(self.at, self.chance),
            "at": self.at,
            "kind": kind,
            "actor_id": by.id if by else None,
            "actor_name": by.name if by else "Portico",
            "subject_type": noun,
            "subject_id": subject,
            "subject_name": name,
            "data": data,
            "ip": by.ip if by else "",
            "user_agent": by.user_agent if by else "",
            "request_id": f"{self.chance.getrandbits(128):032x}" if by else "",
        }

    def notify(self, event: UUID, people: Sequence[Person]) -> None:
        """What is older was taken out of inboxes."""
        if self.at < self.setting.until - inbox.KEPT:
            return
        for person in people:
            row = {"id": self.new(), "tenant_id": self.tenant, "user_id": person.id, "event_id": event, "created_at": self.at}
            # Most have been read.
            read = self.at + timedelta(hours=3) if self.chance.random() < 0.9 else None
            self.rows.add(Notification, {**row, "read_at": read})
        self.expect(inbox.PRUNE_JOB, self.at + inbox.KEPT)

    def new(self) -> UUID:
        return _id(self.at, self.chance)

    def row(self, **columns: Any) -> Row:
        return {"id": self.new(), "tenant_id": self.tenant, **columns}

    def expect(self, job: str, at: datetime) -> None:
        self.given.jobs[job] = min(at, self.given.jobs.get(job, at))
