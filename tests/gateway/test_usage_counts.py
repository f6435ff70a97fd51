"""Every call is counted, once: as a real gateway tells of it, in memory within bounds, and in the tables though PostgreSQL was away."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import IntegrityError
from django.db.models import Sum
from envoy.service.accesslog.v3 import als_pb2

from apis import origins
from gateway.envoy.names import RBAC
from gateway.latency import BUCKETS
from gateway.models import OTHER_OPERATIONS, UsageFreshness, UsageMinute, UsageOpenHour
from gateway.usage import bounded, freshness, minutes, writing
from gateway.usage.calls import Call, read
from gateway.usage.minutes import HISTOGRAM, Minutes
from gateway.usage.process import Usage
from tenants.models import Due, Tenant
from tenants.scope import tenant_scope
from tests import live, make
from tests.conftest import Cast
from tests.gateway.test_usage import AWAY, a_call
from tests.live import Gateway, Shop, Upstream, eventually

MINUTE = 29_766_240  # 2026-08-06 00:00
AT = datetime.fromtimestamp(MINUTE * 60, UTC)


def told(
    slug: str = "acme",
    *,
    path: str = "/orders/v1/orders/7",
    route: str = "op/getOrder",
    client: str = "app-1",
    grant: str = "",
    plan: str = "",
    status: int = 200,
    code: str = "",
    ms: float = 4,
) -> Call:
    """A call as it was read."""
    api, version = [*path.split("/")[1:3], "", ""][:2]
    details = "" if code else "via_upstream"
    return Call(
        slug,
        api,
        version,
        f"/{slug}{path}",
        bool(client),
        client,
        "",
        route,
        grant,
        plan,
        not code,
        status,
        details,
        code,
        int(ms * 1000),
        100,
        1_000,
    )


def counted(*calls: Call, minute: int = MINUTE) -> Minutes:
    found = Minutes()
    for call in calls:
        found.add(call, minute)
    return found


# --- what an entry says


def test_an_entry_is_read_once() -> None:
    entry = a_call()
    entry.common_properties.metadata.filter_metadata[RBAC].update(
        {"grant_enforced_effective_policy_id": str(UUID(int=7)), "plan_enforced_effective_policy_id": "gold"}
    )
    entry.common_properties.duration.FromMicroseconds(2_345_678)
    entry.common_properties.downstream_wire_bytes_received = 120
    entry.common_properties.downstream_wire_bytes_sent = 3_400
    call = read(entry)
    assert (call.slug, call.api, call.version, call.route, call.client_id) == ("acme", "orders", "v1", "op/getOrder", "app-1")
    assert (call.grant, call.plan, call.status, call.code) == (str(UUID(int=7)), "gold", 200, "")
    assert (call.us, call.bytes_in, call.bytes_out) == (2_345_678, 120, 3_400)


def test_control_looking_for_itself_is_nobodys_call() -> None:
    process, message = Usage(), als_pb2.StreamAccessLogsMessage()
    refused, gated = a_call(status=401, code="TOKEN_MISSING", details="rbac", route=""), a_call(status=204, route="canary")
    for entry in (refused, gated):
        entry.common_properties.filter_state_objects.clear()
        entry.request.path = "/acme/.portico/canary"
    message.http_logs.log_entry.extend([refused, gated])
    process.take(message, "gateway-1")
    assert process._minutes.kinds == {}


# --- in memory


def test_calls_of_one_kind_are_one_count() -> None:
    found = counted(told(ms=0.4), told(ms=4), told(ms=70_000), told(status=404), told(code="RATE_LIMITED", status=429))
    assert sorted((kind.status_class, kind.code, counts[0]) for kind, counts in found.kinds.items()) == [
        (2, "", 3),
        (4, "", 1),
        (4, "RATE_LIMITED", 1),
    ]
    (counts,) = (counts for kind, counts in found.kinds.items() if kind.status_class == 2)
    assert counts[:HISTOGRAM] == [3, 300, 3_000, 70_004_400]
    assert counts[HISTOGRAM:] == [1, 0, 0, 1, *[0] * (BUCKETS - 5), 1]


def test_another_minute_is_another_kind() -> None:
    found = counted(told())
    found.add(told(), MINUTE + 1)
    assert [counts[0] for counts in found.kinds.values()] == [1, 1]


@pytest.mark.parametrize("status", [0, 100, 700])
def test_no_answer_has_a_class_of_its_own(status: int) -> None:
    assert [kind.status_class for kind in counted(told(status=status)).kinds] == [0]


def test_paths_that_callers_make_up_do_not_grow_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minutes, "MOST_STRANGE", 5)
    found = counted(
        *(told(path=f"/made-up-{number}/v1/x", route="no_route", client="", status=404, code="NO_SUCH_ROUTE") for number in range(100))
    )
    assert len(found.kinds) == 6
    assert sum(counts[0] for counts in found.kinds.values()) == 100
    assert [counts[0] for kind, counts in found.kinds.items() if not kind.api] == [95]


def test_tenants_that_callers_make_up_do_not_grow_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minutes, "MOST_STRANGE", 5)
    found = Minutes()
    found.learn({("acme", "orders", "v1")})
    for number in range(100):
        found.add(told(f"made-up-{number}", route="", client="", status=503, code="NOT_READY"), MINUTE)
    assert len(found.kinds) == 5
    found.add(told(path="/orders/v1/%2F", route="", client="", status=400, code="REQUEST_INVALID"), MINUTE)
    found.add(told(path="/else/v1/%2F", route="", client="", status=400, code="REQUEST_INVALID"), MINUTE)
    assert [(kind.slug, kind.api) for kind in found.kinds][5:] == [("acme", "orders"), ("acme", "")]


def test_what_is_too_much_is_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "MOST_OF_A_TENANT", 3)
    found = counted(*(told(client=f"app-{number}") for number in range(10)), told("globex"))
    assert {(kind.slug, kind.operation, counts[0]) for kind, counts in found.kinds.items()} == {
        ("acme", "getOrder", 1), ("acme", OTHER_OPERATIONS, 7), ("globex", "getOrder", 1),
    }  # fmt: skip
    assert found.lost == 0


def test_what_is_beyond_even_that_is_lost_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "MOST_KINDS", 2)
    monkeypatch.setattr(bounded, "MOST_OTHERS", 1)
    found = counted(*(told(f"tenant-{number}") for number in range(5)))
    assert (len(found.kinds), found.lost, found.waiting) == (3, 2, 3)
    waiting = found.take()
    for number in range(5, 8):
        found.add(told(f"tenant-{number}"), MINUTE)
    found.give_back(waiting)
    assert (len(found.kinds), found.lost, found.waiting) == (3, 5, 3)


# --- in the tables


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> int:
    """This minute, in which days have partitions."""
    return int(datetime.now(UTC).timestamp() // 60)


def total(tenant: Tenant) -> int:
    with tenant_scope(tenant.pk):
        return UsageMinute.objects.aggregate(calls=Sum("calls"))["calls"] or 0


def test_names_become_ids_and_what_there_is_not_is_nobodys(cast: Cast, now: int) -> None:
    with tenant_scope(cast.acme.pk):
        application = make.application(cast.carl)
        held = make.subscription(of=application, to=make.plan(make.api("orders"), name="gold"))
    mine = told(client=application.client_id, grant=str(held.pk), plan="gold")
    calls = [mine, mine, told(client="app-of-nobody", plan="-"), told(path="/nothing/v1/x"), told(path="/orders/v9/x"), told("nobody")]
    written = writing.write(counted(*calls, minute=now).kinds)
    assert (written.waiting, written.lost, written.places) == ({}, 0, {("acme", "orders", "v1")})
    with tenant_scope(cast.acme.pk):
        rows = UsageMinute.objects.values_list("api", "version", "operation", "application", "subscription", "plan", "calls")
        assert Counter(rows) == Counter(
            [
                (held.api_id, "v1", "getOrder", application.pk, held.pk, "gold", 2),
                (held.api_id, "v1", "getOrder", None, None, "", 1),
                (held.api_id, "", "getOrder", None, None, "", 1),
                (None, "", "getOrder", None, None, "", 1),
            ]
        )
        assert UsageOpenHour.objects.values_list("at", flat=True).get() == datetime.fromtimestamp(now // 60 * 3600, UTC)
        assert Due.objects.filter(tenant_id=cast.acme.pk, job="roll_up_usage").exists()


def test_a_second_write_adds_to_the_first(cast: Cast, now: int) -> None:
    for ms in (1, 4, 70_000):
        writing.write(counted(told(ms=ms), told(ms=4), minute=now).kinds)
    with tenant_scope(cast.acme.pk):
        row = UsageMinute.objects.get()
    assert (row.calls, row.bytes_in, row.bytes_out, row.duration_ms_sum) == (6, 600, 6_000, 70_017)
    assert (sum(row.histogram), row.histogram[1], row.histogram[3], row.histogram[-1]) == (6, 1, 4, 1)


def test_calls_of_a_day_that_no_job_made_have_their_place(cast: Cast) -> None:
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)
    assert writing.write(counted(told(), minute=int(day.timestamp() // 60)).kinds).lost == 0
    assert total(cast.acme) == 1


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
def test_they_wait_while_postgresql_is_away_and_none_is_counted_twice(
    cast: Cast, now: int, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    whole = writing._write_for

    def write_for(tenant_id: UUID, way: Any, kinds: Any) -> Any:
        if tenant_id == cast.globex.pk:
            raise error
        return whole(tenant_id, way, kinds)

    found = counted(told(), told("globex"), minute=now)
    with monkeypatch.context() as patched:
        patched.setattr(writing, "_write_for", write_for)
        found.give_back(writing.write(found.take()).waiting)
    assert ([kind.slug for kind in found.kinds], found.held_back) == (["globex"], True)
    found.add(told("globex"), now)
    assert writing.write(found.take()).waiting == {}
    assert (total(cast.acme), total(cast.globex), found.held_back) == (1, 2, False)


def test_what_postgresql_will_not_have_is_lost_and_keeps_nobody_waiting(cast: Cast, now: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = writing._write_for

    def write_for(tenant_id: UUID, way: Any, kinds: Any) -> Any:
        if tenant_id == cast.acme.pk:
            raise IntegrityError("no")
        return whole(tenant_id, way, kinds)

    monkeypatch.setattr(writing, "_write_for", write_for)
    written = writing.write(counted(told(), told(), told("globex"), minute=now).kinds)
    assert (written.lost, written.waiting, total(cast.globex)) == (2, {}, 1)


def test_a_tenant_that_goes_meanwhile_leaves_no_counts_behind(cast: Cast, now: int) -> None:
    """Between its being looked up and its counts being written it was erased; no foreign key would say so."""
    gone = UUID(int=9)
    assert writing._write_for(gone, writing.CALLED, counted(told(), minute=now).kinds) == set()
    with tenant_scope(gone):
        assert not UsageMinute.objects.exists()


def test_how_far_a_process_has_written_and_what_it_lost(db: None) -> None:
    process, at = UUID(int=1), datetime(2026, 11, 29, tzinfo=UTC)
    freshness.tell(process, started_at=at, written_until=at, waiting=0, lost=2)
    freshness.tell(process, started_at=at, written_until=at + timedelta(seconds=1), waiting=3, lost=0)
    found = UsageFreshness.objects.writing().get()
    assert (found.written_until, found.waiting, found.lost) == (at + timedelta(seconds=1), 3, 2)
    assert found.lost_at is not None
    UsageFreshness.objects.update(seen_at=found.seen_at - timedelta(seconds=16))
    assert not UsageFreshness.objects.writing().exists()
    UsageFreshness.objects.update(seen_at=found.seen_at - timedelta(days=8))
    freshness.prune()
    assert not UsageFreshness.objects.exists()


# --- through a real gateway


def rows(shop: Shop) -> list[tuple[Any, ...]]:
    with shop.scope():
        found = UsageMinute.objects.values("operation", "application", "plan", "status_class", "code", "version").annotate(
            many=Sum("calls")
        )
        return [tuple(each.values()) for each in found.order_by("operation", "application", "plan", "status_class", "code")]


def test_all_calls_are_in_the_tables_within_five_seconds(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    carl, dora, limited = shop.client(plan=shop.plan(name="gold")), shop.client(""), shop.client(plan=shop.plan(calls=1, seconds=3600))
    shop.enforced_newest()
    gateway.settles(200, "", shop.path(), carl.token())

    def calls_of(client: Any) -> int:
        with shop.scope():
            return UsageMinute.objects.filter(application=client.application.pk).aggregate(many=Sum("calls"))["many"] or 0

    eventually(lambda: calls_of(carl))
    with shop.scope():
        UsageMinute.objects.all().delete()
    for _ in range(40):
        assert gateway.call(shop.path(), carl.token()).status == 200
    upstream.status = 500
    assert gateway.call(shop.path("/orders"), carl.token()).status == 500
    upstream.status = 200
    answers = [
        gateway.call(shop.path(), dora.token()),
        gateway.call(shop.path()),
        gateway.call(shop.path(), "nonsense"),
        gateway.call(shop.path(), limited.token()),
        gateway.call(shop.path(), limited.token()),
        gateway.call(shop.path("/nothing")),
        gateway.call(shop.path(), method="PATCH"),
        gateway.call(f"/{shop.slug}/nothing/at/all"),
    ]
    preflight = [("origin", origins.of_address(settings.PORTAL_URL)), ("access-control-request-method", "GET")]
    answer = gateway.call(shop.path(), method="OPTIONS", headers=preflight)
    assert (answer.status, answer.code) == (200, "")
    assert [each.code for each in answers] == [
        "SUBSCRIPTION_REQUIRED", "TOKEN_MISSING", "TOKEN_INVALID", "", "RATE_LIMITED",
        "NO_SUCH_ROUTE", "METHOD_NOT_ALLOWED", "NO_SUCH_ROUTE",
    ]  # fmt: skip
    first, second, third = carl.application.pk, dora.application.pk, limited.application.pk
    plan = limited.subscription.plan.name if limited.subscription else ""
    wanted = Counter(
        [
            ("getOrder", first, "gold", 2, "", "v1", 40),
            ("listOrders", first, "gold", 5, "", "v1", 1),
            ("getOrder", second, "", 4, "SUBSCRIPTION_REQUIRED", "v1", 1),
            ("getOrder", None, "", 4, "TOKEN_MISSING", "v1", 1),
            ("getOrder", None, "", 4, "TOKEN_INVALID", "v1", 1),
            ("getOrder", third, plan, 2, "", "v1", 1),
            ("getOrder", third, plan, 4, "RATE_LIMITED", "v1", 1),
            ("", None, "", 4, "NO_SUCH_ROUTE", "v1", 1),
            ("", None, "", 4, "METHOD_NOT_ALLOWED", "v1", 1),
            ("", None, "", 4, "NO_SUCH_ROUTE", "", 1),
        ]
    )

    def check() -> bool:
        assert Counter(rows(shop)) == wanted
        return True

    eventually(check, within=5)
    with shop.scope():
        row = UsageMinute.objects.filter(operation="listOrders").get()
        assert UsageMinute.objects.exclude(subscription=None).values_list("subscription", flat=True).distinct().count() == 2
    assert sum(row.histogram) == 1
    assert 50 < row.bytes_in < 2_000
    assert 50 < row.bytes_out < 2_000
    assert UsageFreshness.objects.writing().exists()
