"""All tenants, one transaction each: what is there already stays as it is, and a run that was stopped goes on where it was."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from apis import openapi
from keys.secrets import pepper_id
from portal.demo.data import PEOPLE, TENANTS
from portal.scale.sizes import Size
from portal.scale.stories import Story
from portal.scale.telling import Known, Person, Setting, name_of, slug_of, tenant_id
from portal.scale.writing import Rows, close, platform_chain
from tenants.models import Role, Tenant, User
from tenants.scope import tenant_scope

# The demo finds its people here, and what it makes comes on top: see portal.demo.data.
BIGGEST = next(iter(TENANTS))
# Each of these tenants has a member who is at home in the biggest.
GUESTS_EVERY = 20
# So many events of one tenant are told between two lines of how far it is.
SAID_EVERY = 2_000
ANSWER: dict[str, Any] = {"responses": {"200": {"description": "So it is."}}}
ONE: dict[str, Any] = {"parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Items", "version": "1"},
    "paths": {
        "/items": {"get": {"operationId": "listItems", **ANSWER}, "post": {"operationId": "createItem", **ANSWER}},
        "/items/{id}": {**ONE, "get": {"operationId": "readItem", **ANSWER}, "delete": {"operationId": "deleteItem", **ANSWER}},
    },
}


def ours(tenants: int, seed: int) -> list[UUID]:
    """The ids of such a run's tenants, the biggest first."""
    return [tenant_id(seed, number) for number in range(tenants)]


def make(wanted: Sequence[Size], *, seed: int) -> Iterator[tuple[int, int]]:
    """Yields after each tenant, and now and then within a big one, how many tenants and how many events are there."""
    setting = Setting(seed, _midnight(), len(wanted), pepper_id(settings.PEPPER), openapi.parse(json.dumps(DOCUMENT)))
    ids = ours(len(wanted), seed)
    there = set(Tenant.objects.filter(pk__in=ids).values_list("pk", flat=True))
    guests = _guests(ids[0]) if ids[0] in there else []
    told = 0
    for number, (pk, size) in enumerate(zip(ids, wanted, strict=True)):
        if pk not in there:
            guest = guests[number // GUESTS_EVERY % len(guests)] if guests and number % GUESTS_EVERY == 0 else None
            for so_far in _tell(setting, number, size, guest):
                yield number, told + so_far
            if number == 0:
                guests = _guests(pk)
        told += size.events + size.sign_ins + 1
        yield number + 1, told


def _tell(setting: Setting, number: int, size: Size, guest: Person | None) -> Iterator[int]:
    rows = Rows()
    slug, name = (slug_of(number), name_of(number)) if number else (BIGGEST, TENANTS[BIGGEST])
    story = Story(setting, number, size, rows, slug=slug, name=name)
    with tenant_scope(story.tenant):
        said = 0
        for so_far in story.tell_all(known=_cast() if number == 0 else (), guest=guest):
            if so_far - said >= SAID_EVERY:
                said = so_far
                yield so_far
        chain = platform_chain(rows)
        for facts in story.platform:
            chain.add(facts)
        close(chain)
        rows.finish()


def _cast() -> list[Known]:
    """The demo's, as it has them."""
    return [Known(each.email, each.name, each.tenants[BIGGEST]) for each in PEOPLE if BIGGEST in each.tenants]


def _guests(biggest: UUID) -> list[Person]:
    with tenant_scope(biggest):
        found = User.objects.filter(email__endswith=f"@{BIGGEST}.example", is_service=False).order_by("pk")[len(PEOPLE) :][:100]
    return [Person(each.pk, each.name, each.email, [str(Role.DEVELOPER)], "", "") for each in found]


def _midnight() -> datetime:
    return timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
