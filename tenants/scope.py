"""Which tenant we work for: one at a time, for one transaction, in Python and in PostgreSQL alike."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

TENANT_SETTING = "portico.tenant_id"
USER_SETTING = "portico.user_id"


class NoTenant(RuntimeError):  # noqa: N818  (reads as the sentence it is)
    """A tenant's row was read or written outside `tenant_scope`."""


@dataclass(slots=True)
class Lock:
    """Proof that the tenant's counter row is locked: the savepoints that hold it, and the chain's head as it stood in `known_in`."""

    savepoints: tuple[str | None, ...]
    known_in: tuple[str | None, ...]
    number: int
    digest: str
    now: datetime


@dataclass(slots=True)
class Scope:
    tenant_id: UUID
    lock: Lock | None = None


_current: ContextVar[Scope | None] = ContextVar("tenant", default=None)


def current() -> Scope:
    scope = _current.get()
    if scope is None:
        raise NoTenant("No tenant is in scope; open one with tenant_scope(tenant_id).")
    return scope


def in_scope() -> bool:
    return _current.get() is not None


def current_tenant_id() -> UUID:
    return current().tenant_id


def held_lock() -> Lock | None:
    """The lock of this scope, as long as the savepoint it was taken in still stands.

    A savepoint that is rolled back gives the row lock back; its name never comes again within the transaction.
    """
    lock = current().lock
    return lock if lock is not None and still_inside(lock.savepoints) else None


def still_inside(savepoints: tuple[str | None, ...]) -> bool:
    return tuple(connection.savepoint_ids[: len(savepoints)]) == savepoints


def _set(name: str, value: UUID | None) -> None:
    # Always transaction-local: a session-level setting leaks into whatever runs next on the connection.
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, %s, true)", [name, str(value or "")])


@contextmanager
def tenant_scope(tenant_id: UUID, *, snapshot: bool = False) -> Iterator[None]:
    """One transaction in which `tenant_id`'s rows, and no others, exist.

    :param snapshot: REPEATABLE READ and read only, for a reader that needs one consistent picture; does not nest.
    :raises NoTenant: from every tenant model used outside.
    """
    outer = _current.get()
    if snapshot and connection.in_atomic_block:
        raise RuntimeError("A snapshot needs a transaction of its own.")
    nested = connection.in_atomic_block
    with transaction.atomic():
        if snapshot:
            # Before set_config: PostgreSQL refuses to change the isolation level after the first query.
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        _set(TENANT_SETTING, tenant_id)
        token = _current.set(Scope(tenant_id))
        try:
            yield
        finally:
            _current.reset(token)
        if nested and not connection.needs_rollback:
            # A released savepoint keeps the inner value, so the outer one is put back by hand. A transaction takes it with it.
            _set(TENANT_SETTING, outer.tenant_id if outer else None)


@contextmanager
def user_scope(user_id: UUID) -> Iterator[None]:
    """One transaction in which a person's own memberships can be read across tenants: to choose a tenant, nothing else."""
    with transaction.atomic():
        _set(USER_SETTING, user_id)
        yield
        _set(USER_SETTING, None)
