"""What access logs say of calls and refusals, and what becomes of it when PostgreSQL is away or refuses it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError
from envoy.data.accesslog.v3 import accesslog_pb2
from envoy.service.accesslog.v3 import als_pb2
from google.protobuf import wrappers_pb2

from apis.actions import version_days
from apis.actions.version_days import Outcome
from apis.models import VersionDay
from gateway.envoy.names import CALLED, CLAIMS, JWT, KEY_HEADER, REFUSAL_HEADER, TOKEN_HEADER
from gateway.models import Refusal
from gateway.usage import counters
from gateway.usage import refused as refused_ones
from gateway.usage.calls import caller_of, outcome_of, read
from gateway.usage.process import Usage
from gateway.usage.refused import Refused, refusal_of, store
from keys import uses
from keys.models import Application, CredentialUse
from tenants.models import Tenant
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast

AWAY = [OperationalError("server closed the connection"), InterfaceError("connection already closed")]


CALLED_PATH = "/acme/orders/v1/orders/7"


def entry(
    code: str = "UPSTREAM_TIMEOUT", *, path: str = "/orders/7?x=1", called: str = CALLED_PATH, header: str = TOKEN_HEADER, **claims: str
) -> Any:
    found = accesslog_pb2.HTTPAccessLogEntry()
    found.request.path, found.request.request_id = path, "r" * 80
    found.response.response_headers[REFUSAL_HEADER] = code
    found.response.response_code.value = 504
    found.common_properties.metadata.filter_metadata[JWT].update({CLAIMS: {"sub": "app-1", **claims}, header: {"alg": "ES256"}})
    if called:
        found.common_properties.filter_state_objects[CALLED].Pack(wrappers_pb2.StringValue(value=called))
    return found


def read_entry(entry: Any, gateway: str) -> Refused | None:
    return refusal_of(read(entry), entry, gateway)


def test_the_tenant_is_the_one_that_was_called_and_the_path_the_callers() -> None:
    found = read_entry(entry(iss="http://portal.example/t/globex"), "gateway-1")
    assert found is not None
    assert (found.slug, found.client_id, found.path, found.request_id) == ("acme", "app-1", CALLED_PATH, "r" * 64)


def test_the_credential_is_the_tokens_cid_or_the_api_keys_id() -> None:
    assert caller_of(read(entry(cid="credential-1", jti="token-1"))) == ("acme", "app-1", "credential-1")
    assert caller_of(read(entry(header=KEY_HEADER, jti="key-1"))) == ("acme", "app-1", "key-1")


def test_at_an_own_host_the_path_names_no_tenant_also_before_anything_is_verified() -> None:
    found = entry("TOKEN_MISSING", path="/globex/v1/orders/7", called="")
    found.common_properties.metadata.Clear()
    found.common_properties.tls_properties.tls_sni_hostname = "api.acme.example"
    call = read(found)
    assert (call.slug, call.api, call.version, call.path) == ("api.acme.example", "globex", "v1", "/api.acme.example/globex/v1/orders/7")
    found.common_properties.tls_properties.tls_sni_hostname = settings.GATEWAY_HOSTS[0]
    assert read(found).slug == "globex"


def test_a_refusal_at_an_own_host_is_its_tenants(in_acme: Cast) -> None:
    make.domain("api.acme.example")
    found = entry("TOKEN_MISSING", path="/globex/v1/orders/7", called="")
    found.common_properties.metadata.Clear()
    found.common_properties.tls_properties.tls_sni_hostname = "api.acme.example"
    refused = read_entry(found, "gateway-1")
    assert refused is not None
    assert store([refused]) == []
    assert [each.path for each in Refusal.objects.all()] == ["/api.acme.example/globex/v1/orders/7"]
    with tenant_scope(in_acme.globex.pk):
        assert not Refusal.objects.exists()


def test_a_query_is_never_kept() -> None:
    found = read_entry(entry(called=f"{CALLED_PATH}?x=1"), "gateway-1")
    assert found is not None
    assert found.path == CALLED_PATH


def test_nothing_that_a_caller_sends_is_kept_at_length() -> None:
    huge = "x" * 100_000
    found = read_entry(entry(huge, path=f"/{huge}", called=f"/{huge}", sub=huge, cid=huge), huge)
    assert found is not None
    lengths = [len(str(getattr(found, name))) for name in ("slug", "client_id", "request_id", "code", "method", "path", "gateway")]
    assert max(lengths) == 500
    assert sum(lengths) < 800


def test_what_the_upstream_said_is_no_refusal() -> None:
    forged = entry()
    forged.response.response_code_details = "via_upstream"
    assert read_entry(forged, "gateway-1") is None


def test_without_a_verified_token_it_is_nobodys() -> None:
    nobodys = entry("TOKEN_MISSING", path="/acme/orders/v1/orders/7?x=1", called="")
    del nobodys.common_properties.metadata.filter_metadata[JWT]
    assert caller_of(read(nobodys)) is None
    found = read_entry(nobodys, "gateway-1")
    assert found is not None
    assert (found.slug, found.client_id, found.credential, found.path) == ("acme", "", "", CALLED_PATH)


def test_what_was_verified_nobody_knows_where_is_in_no_list() -> None:
    assert caller_of(read(entry(called=""))) is None
    assert read_entry(entry(called=""), "gateway-1") is None


def refused(slug: str, client_id: str = "somebody", code: str = "RATE_LIMITED") -> Refused:
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
    whole = refused_ones._store_here

    def store_here(refusals: list[Refused]) -> None:
        if refusals[0].client_id == client_id:
            raise error
        whole(refusals)

    monkeypatch.setattr(refused_ones, "_store_here", store_here)


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
    monkeypatch.setattr("gateway.usage.process.store", store)
    process = Usage()
    process._waiting.extend(waiting)
    asyncio.run(process.flush())
    return list(process._waiting)


def test_what_could_not_be_stored_waits_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = [refused(str(number)) for number in range(4)]
    assert flushed(monkeypatch, batch, lambda found: [each for each in found if each.slug != "1"]) == [batch[0], batch[2], batch[3]]
    assert flushed(monkeypatch, batch, lambda _: []) == []


def test_when_too_many_wait_the_oldest_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.usage.process.MOST_WAITING", 3)
    monkeypatch.setattr("gateway.usage.process.fresh_connection", lambda work: work)
    process = Usage()
    old, new = [refused("old")] * 3, refused("new")
    process._waiting.extend(old)

    def away(found: Iterable[Refused]) -> list[Refused]:
        # One more comes in while PostgreSQL is asked.
        process._waiting.append(new)
        return list(found)

    monkeypatch.setattr("gateway.usage.process.store", away)
    asyncio.run(process.flush())
    assert list(process._waiting) == [old[1], old[2], new]


# --- how often each credential calls


def calls_taken(*entries: Any) -> Usage:
    """The process after gateways told of these calls."""
    process = Usage()
    message = als_pb2.StreamAccessLogsMessage()
    message.http_logs.log_entry.extend(entries)
    process.take(message, "gateway-1")
    return process


def test_every_verified_call_counts_whether_it_passed_or_not() -> None:
    passed = entry("", cid="credential-1")
    nobodys = entry("")
    del nobodys.common_properties.metadata.filter_metadata[JWT]
    process = calls_taken(passed, passed, entry("RATE_LIMITED", cid="credential-1"), entry("", header=KEY_HEADER, jti="key-1"), nobodys)
    assert process._calls == {("acme", "credential-1"): 3, ("acme", "key-1"): 1}
    assert [each.code for each in process._waiting] == ["RATE_LIMITED"]


def test_calls_are_counted_per_tenant_and_credential_and_ids_that_are_none_are_nobodys(two: list[tuple[Tenant, Application]]) -> None:
    (acme, carls), (globex, eves) = two
    with tenant_scope(acme.pk):
        secret, key = make.credential(carls)[0], make.api_key(carls)[0]
    with tenant_scope(globex.pk):
        theirs, _ = make.credential(eves)
    told = {("acme", str(secret.pk)): 3, ("acme", str(key.pk)): 2, ("globex", str(theirs.pk)): 1}
    nobodys = {("nobody", str(secret.pk)): 9, ("acme", "x"): 9, ("acme", str(theirs.pk)): 9}
    assert counters.count(Counter({**told, **nobodys})) == Counter()
    with tenant_scope(acme.pk):
        assert dict(CredentialUse.objects.values_list("credential_id", "calls")) == {secret.pk: 3, key.pk: 2}
    with tenant_scope(globex.pk):
        assert dict(CredentialUse.objects.values_list("credential_id", "calls")) == {theirs.pk: 1}


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
def test_calls_wait_while_postgresql_is_away_and_none_is_counted_twice(
    monkeypatch: pytest.MonkeyPatch, two: list[tuple[Tenant, Application]], error: Exception
) -> None:
    (acme, carls), (globex, eves) = two
    with tenant_scope(acme.pk):
        mine, _ = make.credential(carls)
    with tenant_scope(globex.pk):
        theirs, _ = make.credential(eves)
    whole = uses.store

    def store(tenant_id: Any, **counts: Any) -> None:
        if tenant_id == globex.pk:
            raise error
        whole(tenant_id, **counts)

    monkeypatch.setattr(uses, "store", store)
    left = counters.count(Counter({("globex", str(theirs.pk)): 4, ("acme", str(mine.pk)): 2}))
    assert left == {("globex", str(theirs.pk)): 4}
    monkeypatch.undo()
    assert counters.count(left) == Counter()
    for tenant, many in ((acme, 2), (globex, 4)):
        with tenant_scope(tenant.pk):
            assert list(CredentialUse.objects.values_list("calls", flat=True)) == [many]


def test_calls_that_can_not_be_counted_are_dropped(monkeypatch: pytest.MonkeyPatch, two: list[tuple[Tenant, Application]]) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise IntegrityError("no")

    monkeypatch.setattr(uses, "store", refuse)
    with tenant_scope(two[0][0].pk):
        mine, _ = make.credential(two[0][1])
    assert counters.count(Counter({("acme", str(mine.pk)): 1})) == Counter()


def test_what_could_not_be_counted_is_added_to_what_comes_in_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.usage.process.fresh_connection", lambda work: work)
    process = Usage()
    process._calls["acme", "1"] = 2

    def away(calls: Any) -> Any:
        process._calls["acme", "1"] += 1
        return calls

    monkeypatch.setattr("gateway.usage.process.count", away)
    asyncio.run(process.flush())
    assert process._calls == {("acme", "1"): 3}


# --- how the calls of each version went


def a_call(*, route: str = "op/getOrder", status: int = 200, details: str = "via_upstream", code: str = "") -> Any:
    found = entry(code)
    if not code:
        del found.response.response_headers[REFUSAL_HEADER]
    found.common_properties.route_name = route
    found.response.response_code.value, found.response.response_code_details = status, details
    return found


BROKEN = "upstream_reset_after_response_started{connection_termination}"


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        (a_call(), Outcome.ANSWERED),
        # What an upstream says of the call is an answer.
        (a_call(status=404), Outcome.ANSWERED),
        (a_call(status=429), Outcome.ANSWERED),
        (a_call(status=500), Outcome.FAILED_UPSTREAM),
        # It speaks in our header; that is taken off, but was logged before.
        (a_call(status=503, code="GATEWAY_ERROR"), Outcome.FAILED_UPSTREAM),
        (a_call(status=504, details="response_timeout", code="UPSTREAM_TIMEOUT"), Outcome.FAILED_UPSTREAM),
        (a_call(status=503, details="upstream_reset_before_response_started", code="UPSTREAM_UNAVAILABLE"), Outcome.FAILED_UPSTREAM),
        (a_call(details=BROKEN), Outcome.FAILED_UPSTREAM),
        (a_call(status=500, details="internal_error", code="GATEWAY_ERROR"), Outcome.FAILED_GATEWAY),
        (a_call(status=503, details="overload", code="OVERLOADED"), Outcome.FAILED_GATEWAY),
        # What is refused for a reason of the caller's says nothing of the version.
        (a_call(status=429, details="local_rate_limited", code="RATE_LIMITED"), None),
        (a_call(status=403, details="rbac", code="SUBSCRIPTION_SUSPENDED"), None),
        (a_call(status=501, details="upgrade_failed", code="UPGRADE_NOT_SUPPORTED"), None),
        # Planned, or in place of an upstream, or nobody's use.
        (a_call(route="brown_out/getOrder", status=503, details="cluster_not_found", code="BROWN_OUT"), None),
        (a_call(route="blocked/getOrder", status=503, details="cluster_not_found", code="API_BLOCKED"), None),
        (a_call(route="test/getOrder", status=500), None),
        (a_call(details="direct_response"), None),
        # Whoever called did not wait.
        (a_call(status=0, details="downstream_remote_disconnect"), None),
    ],
)
def test_how_a_call_went(told: Any, outcome: Outcome | None) -> None:
    assert outcome_of(read(told)) == (None if outcome is None else ("acme", ("orders", "v1", outcome)))


def test_what_nobody_was_let_through_to_is_no_call_of_a_version() -> None:
    nobodys = a_call(status=500)
    del nobodys.common_properties.metadata.filter_metadata[JWT]
    assert outcome_of(read(nobodys)) is None


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
def test_how_calls_went_waits_while_postgresql_is_away_and_is_not_counted_twice(
    monkeypatch: pytest.MonkeyPatch, two: list[tuple[Tenant, Application]], error: Exception
) -> None:
    (acme, _), (globex, _) = two
    for tenant in (acme, globex):
        with tenant_scope(tenant.pk):
            make.api("orders")
    whole = version_days.store

    def store(tenant_id: Any, calls: Any) -> None:
        if tenant_id == globex.pk:
            raise error
        whole(tenant_id, calls)

    monkeypatch.setattr(version_days, "store", store)
    process = calls_taken(a_call(), a_call(), a_call(status=500))
    process._outcomes["globex", ("orders", "v1", Outcome.ANSWERED)] = 4
    left = counters.count_outcomes(process._outcomes)
    assert left == {("globex", ("orders", "v1", Outcome.ANSWERED)): 4}
    monkeypatch.undo()
    assert counters.count_outcomes(left) == Counter()
    for tenant, counts in ((acme, (2, 1)), (globex, (4, 0))):
        with tenant_scope(tenant.pk):
            assert VersionDay.objects.values_list("answered", "failed_upstream").get() == counts
