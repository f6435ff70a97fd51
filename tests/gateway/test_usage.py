"""What access logs say of refusals, and what becomes of it when PostgreSQL is away or refuses it."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError
from envoy.data.accesslog.v3 import accesslog_pb2
from google.protobuf import wrappers_pb2

from gateway import usage
from gateway.envoy.names import CALLED, JWT, REFUSAL_HEADER
from gateway.models import Refusal
from gateway.usage import Refused, Usage, read_entry, store
from keys import tokens
from keys.models import Application
from tenants.models import Tenant
from tenants.scope import tenant_scope
from tests import make

AWAY = [OperationalError("server closed the connection"), InterfaceError("connection already closed")]


def entry(code: str = "UPSTREAM_TIMEOUT", *, path: str = "/orders/7?x=1", called: str = "", **claims: str) -> Any:
    found = accesslog_pb2.HTTPAccessLogEntry()
    found.request.path, found.request.request_id = path, "r" * 80
    found.response.response_headers[REFUSAL_HEADER] = code
    found.response.response_code.value = 504
    payload = {"iss": tokens.issuer(settings.PORTAL_URL, "acme"), "client_id": "app-1", **claims}
    found.common_properties.metadata.filter_metadata[JWT].update({"token": payload})
    if called:
        found.common_properties.filter_state_objects[CALLED].Pack(wrappers_pb2.StringValue(value=called))
    return found


def test_the_tenant_is_the_tokens_and_the_path_the_callers() -> None:
    found = read_entry(entry(called="/acme/orders/v1/orders/7"), "gateway-1")
    assert found is not None
    assert (found.slug, found.client_id, found.path, found.request_id) == ("acme", "app-1", "/acme/orders/v1/orders/7", "r" * 64)


@pytest.mark.parametrize("called", ["", "/orders/7?x=1"])
def test_a_query_is_never_kept(called: str) -> None:
    found = read_entry(entry(called=called), "gateway-1")
    assert found is not None
    assert found.path == "/orders/7"


def test_nothing_that_a_caller_sends_is_kept_at_length() -> None:
    huge = "x" * 100_000
    found = read_entry(entry(huge, path=f"/{huge}", called=f"/{huge}", client_id=huge, iss=huge), huge)
    assert found is not None
    lengths = [len(str(getattr(found, name))) for name in ("slug", "client_id", "request_id", "code", "method", "path", "gateway")]
    assert max(lengths) == 500
    assert sum(lengths) < 800


def test_what_the_upstream_said_is_no_refusal() -> None:
    forged = entry()
    forged.response.response_code_details = "via_upstream"
    assert read_entry(forged, "gateway-1") is None


def test_without_a_verified_token_it_is_nobodys() -> None:
    nobodys = entry()
    del nobodys.common_properties.metadata.filter_metadata[JWT]
    assert read_entry(nobodys, "gateway-1") is None


def refused(slug: str, client_id: str = "", code: str = "RATE_LIMITED") -> Refused:
    return Refused(slug, client_id, datetime.now(UTC), "request", code, 429, "GET", "/", "gateway-1")


@pytest.fixture
def two(db: None) -> list[tuple[Tenant, Application]]:
    """Two tenants with an application each; they are served in this order."""
    found = []
    for slug in ("acme", "globex"):
        tenant = make.tenant(slug)
        with tenant_scope(tenant.pk):
            found.append((tenant, make.application()))
    return found


def kept(tenant: Tenant) -> int:
    with tenant_scope(tenant.pk):
        return Refusal.objects.count()


def failing_at(monkeypatch: pytest.MonkeyPatch, client_id: str, error: Exception) -> None:
    """PostgreSQL answers so when this application's refusals are stored."""
    whole = usage._store_here

    def store_here(refusals: list[Refused]) -> None:
        if refusals[0].client_id == client_id:
            raise error
        whole(refusals)

    monkeypatch.setattr(usage, "_store_here", store_here)


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
def test_what_is_stored_is_not_stored_again(
    monkeypatch: pytest.MonkeyPatch, two: list[tuple[Tenant, Application]], error: Exception
) -> None:
    (acme, carls), (globex, eves) = two
    failing_at(monkeypatch, eves.client_id, error)
    batch = [refused("globex", eves.client_id), refused("acme", carls.client_id)]
    assert store(batch) == [batch[0]]
    assert (kept(acme), kept(globex)) == (1, 0)
    monkeypatch.undo()
    assert store([batch[0]]) == []
    assert (kept(acme), kept(globex)) == (1, 1)


@pytest.mark.parametrize("error", [IntegrityError("gone"), DatabaseError("no"), ValueError("NUL")], ids=lambda error: type(error).__name__)
def test_what_can_not_be_stored_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, two: list[tuple[Tenant, Application]], error: Exception
) -> None:
    (acme, carls), (globex, eves) = two
    failing_at(monkeypatch, carls.client_id, error)
    assert store([refused("acme", carls.client_id), refused("globex", eves.client_id)]) == []
    assert (kept(acme), kept(globex)) == (0, 1)


def test_unknown_tenants_and_applications_are_nobodys(two: list[tuple[Tenant, Application]]) -> None:
    assert store([refused("nobody", "x"), refused("acme", "y")]) == []
    assert kept(two[0][0]) == 0


Store = Callable[[Iterable[Refused]], list[Refused]]


def flushed(monkeypatch: pytest.MonkeyPatch, waiting: list[Refused], store: Store) -> list[Refused]:
    monkeypatch.setattr(usage, "store", store)
    process = Usage()
    process._waiting.extend(waiting)
    asyncio.run(process.flush())
    return list(process._waiting)


def test_what_could_not_be_stored_waits_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = [refused(str(number)) for number in range(4)]
    assert flushed(monkeypatch, batch, lambda found: [each for each in found if each.slug != "1"]) == [batch[0], batch[2], batch[3]]
    assert flushed(monkeypatch, batch, lambda _: []) == []


def test_when_too_many_wait_the_oldest_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "MOST_WAITING", 3)
    monkeypatch.setattr(usage, "fresh_connection", lambda work: work)
    process = Usage()
    old, new = [refused("old")] * 3, refused("new")
    process._waiting.extend(old)

    def away(found: Iterable[Refused]) -> list[Refused]:
        # One more comes in while PostgreSQL is asked.
        process._waiting.append(new)
        return list(found)

    monkeypatch.setattr(usage, "store", away)
    asyncio.run(process.flush())
    assert list(process._waiting) == [old[1], old[2], new]
