"""Sealed secrets, sealed anew under the key-encryption key that wraps now.

Nothing waits for it: keys are asked between transactions, and a secret that changed meanwhile is left as it is. What was done stays
done, so a run that was killed goes on where it stood when it is run again.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import transaction
from django.db.models import JSONField, TextField

from keys.envelope import Kek, Purpose, Unreadable, seal, unseal
from tenants import events
from tenants.checks import tenant_models
from tenants.models import Tenant, TenantModel
from tenants.scope import tenant_scope

BATCH = 100
TENANTS = 500


@dataclass(frozen=True, slots=True)
class Unread:
    """A secret that no key-encryption key at hand opens; of a tenant, of a person, or of the platform."""

    tenant_id: UUID | None
    table: str
    row_id: UUID
    why: str


@dataclass(frozen=True, slots=True)
class _Column:
    model: Any
    name: str


@dataclass(frozen=True, slots=True)
class _Row:
    pk: UUID
    sealed: str
    purpose: Purpose


def sealed_columns(model: Any) -> list[str]:
    """What a model seals: a column such as `sealed`, of which it says what it is for, in `sealed_for`."""
    return [field.name for field in model._meta.concrete_fields if hasattr(model, f"{field.name}_for")]  # noqa: SLF001


def sealed_models() -> list[Any]:
    """Whatever an app seals."""
    return [model for model in tenant_models() if sealed_columns(model)]


def shared_sealed_models() -> list[Any]:
    """The same of what belongs to no tenant."""
    return [model for model in apps.get_models() if sealed_columns(model) and not issubclass(model, TenantModel)]


def tenants() -> Iterator[tuple[UUID, str]]:
    """Id and slug of every tenant, a few at a time."""
    after = UUID(int=0)
    while page := list(Tenant.objects.filter(pk__gt=after).order_by("pk").values_list("pk", "slug")[:TENANTS]):
        yield from page
        after = page[-1][0]


def rewrap(tenant_id: UUID | None, kek: Kek, *, current_id: str, unread: Callable[[Unread], None]) -> Iterator[int]:
    """Re-seal what the tenant has under other keys than `current_id`, with None what is the platform's own; says after each batch how many.

    :raises Unavailable: where a key-encryption key can't be asked; what was done before stays done.
    """
    for model in sealed_models() if tenant_id else shared_sealed_models():
        for name in sealed_columns(model):
            column = _Column(model, name)
            for rows in _batches(tenant_id, column, current_id):
                yield _replace(tenant_id, kek, column, rows, unread)


def _scope(tenant_id: UUID | None) -> AbstractContextManager[None]:
    return tenant_scope(tenant_id) if tenant_id else transaction.atomic()


def _batches(tenant_id: UUID | None, column: _Column, current_id: str) -> Iterator[list[_Row]]:
    model, name = column.model, column.name
    # Documents are long, and not needed.
    long = [field.name for field in model._meta.fields if isinstance(field, TextField | JSONField) and field.name != name]  # noqa: SLF001
    after = UUID(int=0)
    while True:
        with _scope(tenant_id):
            others = model.objects.filter(**{"pk__gt": after, f"{name}__gt": ""}).exclude(**{f"{name}__startswith": f"v1.{current_id}."})
            found = others.defer(*long).order_by("pk")[:BATCH]
            rows = [_Row(row.pk, getattr(row, name), getattr(row, f"{name}_for")) for row in found]
        if not rows:
            return
        yield rows
        after = rows[-1].pk


def _replace(tenant_id: UUID | None, kek: Kek, column: _Column, rows: list[_Row], unread: Callable[[Unread], None]) -> int:
    model, name = column.model, column.name
    fresh = {}
    for row in rows:
        try:
            fresh[row] = seal(unseal(row.sealed, row.purpose, kek), row.purpose, kek)
        except Unreadable as error:
            unread(Unread(tenant_id, model._meta.db_table, row.pk, str(error)))  # noqa: SLF001
    with _scope(tenant_id):
        if tenant_id:
            events.lock()
        # Only what still is as it was read: a private key that was destroyed meanwhile must not come back.
        return sum(model.objects.filter(**{"pk": row.pk, name: row.sealed}).update(**{name: sealed}) for row, sealed in fresh.items())
