"""The job is killed at every statement it runs, and run again: it always comes to one active key, and loses none (I7)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from gateway import rotation
from keys.actions import policies, signing
from keys.models import SigningKey, TokenPolicy
from tenants import due, events
from tenants.models import Due
from tenants.scope import tenant_scope
from tests import make, turns

TIMES = 20 if turns.whole() else 1
USE = SigningKey.Use.ACCESS_TOKEN


class Killed(BaseException):
    """As little is tidied up after it as after SIGKILL: PostgreSQL drops the transaction with the connection."""


@contextmanager
def killed_at(number: int) -> Iterator[list[int]]:
    """Dies instead of running the `number`-th statement; yields a list whose length is how many began."""
    begun: list[int] = []

    def run(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        begun.append(1)
        if len(begun) == number:
            raise Killed
        return execute(sql, params, many, context)

    with connection.execute_wrapper(run):
        try:
            yield begun
        except Killed:
            connection.close()


def older(by: timedelta) -> None:
    """All that stands in the tenant's rows was so much earlier."""
    names = ("published_at", "known_at", "planned_for", "activated_at", "last_exp", "retired_at", "remove_at", "condemned_at")
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE keys_signingkey SET {', '.join(f'{name} = {name} - make_interval(secs => %(by)s)' for name in names)}",
            {"by": by.total_seconds()},
        )


def due_for_the_next() -> None:
    older(timedelta(days=31))


def due_to_sign() -> None:
    key = TokenPolicy.objects.get()
    events.lock()
    signing.bring_forward(USE, signing.spare(key.owning_tenant, USE, key.algorithm), by=None)
    older(timedelta(seconds=400))


def due_to_leave() -> None:
    due_to_sign()
    events.lock()
    found = signing.published(USE)
    assert found is not None
    signing.activate(found, by=None)
    older(timedelta(days=2))


def condemned() -> None:
    key = signing.active(USE)
    assert key is not None
    events.lock()
    signing.condemn(key, reason="Lost.")
    older(timedelta(seconds=2))


def of_another_algorithm() -> None:
    policies.change_policy({"algorithm": "ES384"}, by=None)


STAGES = [due_for_the_next, due_to_sign, due_to_leave, condemned, of_another_algorithm]


def states(tenant: UUID) -> list[tuple[str, str]]:
    with tenant_scope(tenant):
        return list(SigningKey.objects.order_by("id").values_list("purpose", "status"))


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
@pytest.mark.parametrize("_", range(TIMES))
def test_killed_at_any_statement_and_run_again(committed: None, stage: Callable[[], None], _: int) -> None:
    whole = make.tenant()
    with tenant_scope(whole.pk):
        stage()
    for _run in range(2):
        rotation.advance(whole.pk)
    wanted = states(whole.pk)
    for number in count(1):
        tenant = make.tenant()
        with tenant_scope(tenant.pk):
            stage()
        with killed_at(number) as begun:
            rotation.advance(tenant.pk)
        with tenant_scope(tenant.pk):
            for purpose in SigningKey.Use.values:
                assert SigningKey.objects.filter(purpose=purpose, status="active").count() == 1, f"after statement {number}"
        for _run in range(2):
            rotation.advance(tenant.pk)
        assert states(tenant.pk) == wanted, f"after statement {number}"
        if len(begun) < number:
            assert number > 5
            break


def test_a_worker_that_died_gives_its_tenants_back(committed: None) -> None:
    tenant = make.tenant()
    with tenant_scope(tenant.pk):
        older(timedelta(days=31))
    Due.objects.filter(tenant=tenant, job=signing.ADVANCE_JOB).update(at="2020-01-01T00:00Z")
    assert tenant.pk in due.claim(signing.ADVANCE_JOB, 1_000)
    assert tenant.pk not in due.claim(signing.ADVANCE_JOB, 1_000), "for five minutes they are its own"
    Due.objects.filter(tenant=tenant, job=signing.ADVANCE_JOB).update(at="2020-01-01T00:00Z")
    rotation.advance_all()
    assert ("access_token", "published") in states(tenant.pk)


def test_two_workers_make_one_rotation(committed: None) -> None:
    """The second made its key for a reason that the first has taken away; it is thrown away unsaved."""
    tenant = make.tenant()
    with tenant_scope(tenant.pk):
        older(timedelta(days=31))
        events.lock()
        needed = signing.needs(signing.Keys.read(), events.now())
    spares = [[signing.spare(tenant.pk, purpose, "ES256") for purpose in needed] for _ in range(2)]
    for each in spares:
        with tenant_scope(tenant.pk):
            events.lock()
            signing.advance(each, lambda _: False)
    assert states(tenant.pk).count(("access_token", "published")) == 1
