"""What few tenants have is asked for in one question, and each that is there is found by it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apis.actions import publishing, testing
from apis.models import BrownOut
from gateway import rare
from gateway.models import ApiGroup, GatewayGroup, Orphan
from keys.actions import records
from tenants import events
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast


def brown_out() -> None:
    version = make.api().versions.get()
    now = timezone.now()
    BrownOut.objects.create(version=version, starts_at=now, ends_at=now + timedelta(hours=1), status=BrownOut.Status.RUNNING)


def placed() -> None:
    ApiGroup.objects.create(api=make.api(), group=GatewayGroup.objects.create(name="eu"))


def revoked() -> None:
    credential, _ = make.credential()
    events.lock()
    records.revoke_token(credential, jti="gone", expires_at=events.now() + timedelta(minutes=5))


def opened_for_tests() -> None:
    version = make.api().versions.get()
    second = publishing.add_revision(version, document=make.document(), target=make.target(), by=None)
    testing.open_for_tests(second, hours=1, by=make.somebody("publisher"))


MAKERS: dict[str, Callable[[], Any]] = {
    "brown_outs": brown_out,
    "domains": make.domain,
    "logs": lambda: make.log_shipping(make.api()),
    "orphans": lambda: Orphan.objects.create(kind="token", name="gone", found_at=timezone.now(), until=timezone.now() + timedelta(hours=1)),
    "placed": placed,
    "retired": lambda: make.version(make.api(), status="retired"),
    "revoked_tokens": revoked,
    "tested": opened_for_tests,
}


def test_a_tenant_without_any_has_none(in_acme: Cast) -> None:
    make.subscription()
    number, found = rare.read(in_acme.acme.pk)
    assert found == rare.Rare(*[False] * len(rare.Rare._fields))
    assert number == events.lock().number


@pytest.mark.parametrize("name", rare.Rare._fields)
def test_each_that_is_there_is_found(in_acme: Cast, name: str) -> None:
    MAKERS[name]()
    found = rare.read(in_acme.acme.pk)[1]
    assert {each for each, there in found._asdict().items() if there} == {name}


def test_other_tenants_have_no_part_in_it(in_acme: Cast) -> None:
    for each in MAKERS.values():
        each()
    assert all(rare.read(in_acme.acme.pk)[1])
    with tenant_scope(in_acme.globex.pk):
        assert not any(rare.read(in_acme.globex.pk)[1])
