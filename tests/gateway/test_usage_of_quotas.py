"""Which calls count for a quota, as access logs tell them, and what becomes of the counts when PostgreSQL is away."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from envoy.data.accesslog.v3 import accesslog_pb2

from apis.actions import quotas
from apis.models import QuotaUse
from gateway.envoy.names import RBAC
from gateway.usage import counters
from gateway.usage.calls import passed, read
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast
from tests.gateway.test_usage import AWAY, a_call, calls_taken

ID = UUID(int=7)
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def granted(call: Any, name: str = str(ID), *, sent: bool = False, connected: bool = True) -> Any:
    """:param sent: whether the gateway chose an upstream's address for it."""
    found = accesslog_pb2.HTTPAccessLogEntry()
    found.CopyFrom(call)
    found.common_properties.metadata.filter_metadata[RBAC].update({"grant_enforced_effective_policy_id": name, "plan_x": "gold"})
    if sent:
        found.common_properties.upstream_remote_address.socket_address.address = "192.0.2.1"
    found.common_properties.response_flags.upstream_connection_failure = not connected
    return found


TIMEOUT = a_call(status=504, details="response_timeout", code="UPSTREAM_TIMEOUT")
DOWN = a_call(status=503, details="upstream_reset_before_response_started", code="UPSTREAM_UNAVAILABLE")
LEFT = a_call(status=0, details="downstream_remote_disconnect")


@pytest.mark.parametrize(
    ("told", "counts"),
    [
        (granted(a_call()), True),
        (granted(a_call(status=500)), True),
        # It speaks in our header; that is taken off, but was logged before.
        (granted(a_call(status=503, code="GATEWAY_ERROR")), True),
        (granted(a_call(route="test/getOrder")), True),
        (granted(a_call(details="direct_response")), True),
        (granted(TIMEOUT, sent=True), True),
        (granted(LEFT, sent=True), True),
        (granted(LEFT), False),
        (granted(DOWN, sent=True, connected=False), False),
        (granted(DOWN), False),
        (granted(a_call(status=429, details="local_rate_limited", code="RATE_LIMITED")), False),
        (granted(a_call(status=429, details="rbac", code="QUOTA_EXCEEDED"), "QUOTA_EXCEEDED"), False),
        (granted(a_call(route="brown_out/getOrder", status=503, details="cluster_not_found", code="BROWN_OUT")), False),
        (granted(a_call(route="blocked/getOrder", status=503, details="cluster_not_found", code="API_BLOCKED")), False),
        (granted(a_call(route="canary", status=204, details="direct_response")), False),
        # Who tries a revision without a subscription, and who was let through by nothing.
        (granted(a_call(), "test"), False),
        (granted(a_call(), ""), False),
        (a_call(), False),
    ],
)
def test_which_calls_count(told: Any, counts: bool) -> None:
    assert passed(read(told)) == (("acme", ID) if counts else None)


def test_they_are_counted_by_when_usage_hears_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.usage.process.time.time", lambda: NOW.timestamp() + 899)
    late = granted(a_call())
    late.common_properties.start_time.FromDatetime(datetime(2020, 1, 1))
    assert calls_taken(late, granted(a_call()))._granted == {("acme", (ID, NOW)): 2}


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
def test_they_wait_while_postgresql_is_away_and_none_is_counted_twice(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    with tenant_scope(cast.acme.pk):
        held = make.subscription(of=make.application(cast.carl), to=make.plan(make.api("orders"), quota=5))
    told = Counter({("acme", (held.pk, NOW)): 3, ("globex", (uuid4(), NOW)): 1})

    def away(*_: Any) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(quotas, "_add", away)
        left = counters.count_granted(told)
    assert left == told
    assert counters.count_granted(left + Counter({("nobody", (held.pk, NOW)): 9})) == Counter()
    with tenant_scope(cast.acme.pk):
        assert list(QuotaUse.objects.values_list("calls", flat=True)) == [3]
