"""A tenant that is suspended or closing: every call is refused within a second, whatever it brings, and all of it comes back."""

import threading
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from apis.actions import publishing
from gateway import erasing
from gateway.delivery import Kind, Newest
from gateway.envoy.refusals import REFUSALS
from gateway.envoy.resources import compile_tenant
from gateway.models import Loaded
from tenants.models import Event, Tenant, User
from tenants.people import tenants
from tests import live, make
from tests.gateway import test_delivery as delivery
from tests.gateway.states import small_tenant
from tests.gateway.test_golden import whole_tenant
from tests.live import Client, Gateway, Shop, Upstream

CODE = "TENANT_SUSPENDED"
ROUNDS = 20
WITHIN = 1.0


@pytest.fixture
def running(gateway: Gateway, upstream: Upstream) -> tuple[Gateway, Shop, Client]:
    shop = live.shop(upstream)
    carl = shop.client()
    gateway.settles(200, "", shop.path(), carl.token())
    shop.enforced_newest()
    return gateway, shop, carl


def suspend(shop: Shop, by: User) -> Event:
    return tenants.suspend(Tenant.objects.get(pk=shop.pk), reason="Bills.", by=by)


def resume(shop: Shop, by: User) -> Event:
    return tenants.resume(Tenant.objects.get(pk=shop.pk), by=by)


def test_every_call_is_refused_and_resuming_gives_all_back(running: tuple[Gateway, Shop, Client], upstream: Upstream) -> None:
    gateway, shop, carl = running
    olga, token = make.user(is_staff=True), carl.token()
    receipt = shop.enforced(suspend(shop, olga))
    assert receipt.sentence == f"Enforced on 1/1 gateways in {receipt.ms} ms."
    before = len(upstream.seen)
    calls: list[dict[str, Any]] = [
        {"path": shop.path(), "token": token},
        {"path": shop.path()},
        {"path": shop.path(), "token": "forged"},
        {"path": shop.path(), "headers": [("x-api-key", "ptc_live_none")]},
        {"path": shop.path("/none/at/all"), "token": token},
        {"path": shop.path(), "token": token, "method": "DELETE"},
        {"path": f"/{shop.slug}/.portico/canary", "token": token},
        {"path": f"/{shop.slug}"},
    ]
    for each in calls:
        answer = gateway.call(**each)
        assert (answer.status, answer.code, answer.json["code"]) == (403, CODE, CODE), each
    assert len(upstream.seen) == before
    shop.enforced(resume(shop, olga))
    assert gateway.call(shop.path(), token).status == 200
    assert gateway.call(shop.path()).code == "TOKEN_MISSING"
    assert gateway.call(shop.path("/none/at/all"), token).code == "NO_SUCH_ROUTE"


def test_closing_refuses_every_call_until_it_is_taken_back(running: tuple[Gateway, Shop, Client]) -> None:
    gateway, shop, carl = running
    ada, token = shop.person("admin"), carl.token()
    shop.enforced(shop.does(tenants.close, name=shop.slug.title(), reason="Moving.", by=ada))
    assert gateway.call(shop.path(), token).code == CODE
    shop.enforced(shop.does(tenants.reopen, by=ada))
    assert gateway.call(shop.path(), token).status == 200


def test_the_first_refusal_comes_within_a_second_under_calls(running: tuple[Gateway, Shop, Client]) -> None:
    gateway, shop, carl = running
    olga, token = make.user(is_staff=True), carl.token()
    calls: list[tuple[float, int]] = []
    ended = threading.Event()

    def loop() -> None:
        while not ended.is_set():
            began = time.monotonic()
            calls.append((began, gateway.call(shop.path(), token).status))

    threads = [threading.Thread(target=loop) for _ in range(2)]
    for thread in threads:
        thread.start()
    took: list[float] = []
    try:
        for _ in range(ROUNDS):
            since = time.monotonic()
            event = suspend(shop, olga)
            began = live.eventually(lambda since=since: _first(calls, 403, since))  # type: ignore[misc]
            assert began is not None
            took.append(began - since)
            shop.enforced(event)
            shop.enforced(resume(shop, olga))
            since = time.monotonic()
            live.eventually(lambda since=since: _first(calls, 200, since))  # type: ignore[misc]
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    print(f"suspended, in ms: {sorted(round(each * 1000) for each in took)}")
    assert max(took) < WITHIN
    assert {status for _, status in calls} == {200, 403}


def _first(calls: list[tuple[float, int]], status: int, since: float) -> float | None:
    """When the first call began that was answered so."""
    return next((began for began, each in calls if began > since and each == status), None)


def test_a_gateway_that_starts_meanwhile_refuses_from_its_first_call(running: tuple[Gateway, Shop, Client]) -> None:
    gateway, shop, carl = running
    suspend(shop, make.user(is_staff=True))
    gateway.fresh_envoy()
    assert gateway.call(shop.path(), carl.token()).code == CODE


def test_a_page_of_another_origin_can_read_why(running: tuple[Gateway, Shop, Client]) -> None:
    gateway, shop, carl = running
    origin = "https://shop.example"
    shop.does(publishing.change_api, shop.apis["orders"], name=None, description=None, cors_origins=[origin], by=None)
    shop.enforced(suspend(shop, make.user(is_staff=True)))
    answer = gateway.call(shop.path(), carl.token(), headers=[("origin", origin)])
    assert (answer.status, answer.code, answer.headers.get("access-control-allow-origin")) == (403, CODE, origin)
    foreign = gateway.call(shop.path(), carl.token(), headers=[("origin", "https://evil.example")])
    assert (foreign.status, foreign.code, foreign.headers.get("access-control-allow-origin")) == (403, CODE, None)


def test_an_erased_tenant_is_unknown_at_the_gateways(running: tuple[Gateway, Shop, Client], upstream: Upstream) -> None:
    gateway, shop, carl = running
    token = carl.token()
    shop.enforced(shop.does(tenants.close, name=shop.slug.title(), reason="Moving.", by=shop.person("admin")))
    Tenant.objects.filter(pk=shop.pk).update(erase_at=Tenant.objects.get(pk=shop.pk).created_at - timedelta(days=1))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tenants_due SET at = now() WHERE tenant_id = %s AND job = %s", [shop.pk, tenants.ERASE_JOB])
    assert erasing.erase_all() == 1
    # Until control has compared what it knows with what there is, it is refused as before.
    assert gateway.call(shop.path(), token).code == CODE
    live.eventually(lambda: gateway.call(shop.path(), token).code == "NOT_READY", within=20)
    assert not Loaded.objects.filter(tenant_id=shop.pk).exists()
    assert gateway.call(live.shop(upstream).path()).code == "TOKEN_MISSING"


# What is compiled


def test_nothing_leads_anywhere_and_no_secret_stays() -> None:
    found = compile_tenant(replace(whole_tenant(), suspended=True))
    assert (found.clusters, found.secrets) == ((), ())
    assert b"s3cret" not in found.routes.body.value
    assert compile_tenant(small_tenant()).clusters


def test_the_closed_configuration_says_it_too() -> None:
    closed, suspended = (compile_tenant(replace(small_tenant(), routes=None, suspended=each)).routes for each in (False, True))
    assert closed.version != suspended.version
    assert b"suspended" in suspended.body.value


def test_no_other_refusal_answers_before_it() -> None:
    """But for those of calls that came to the wrong door: whose it is they do not hear."""
    doors = {"HOST_UNKNOWN", "DRAINING", "ADDRESS_LIMITED"}
    assert next(each.code for each in REFUSALS if each.code not in doors) == CODE


def halted(ref: Any, number: int) -> Any:
    found = delivery.newest(ref, number)
    wanted = replace(found.desired, tenant=replace(found.desired.tenant, suspended=True))
    return Newest(wanted, compile_tenant(wanted.tenant))


def test_routes_that_nobody_tried_are_not_taken_for_good() -> None:
    """They changed while the tenant was suspended, and are refused when it is resumed: back to those that worked."""
    bad = compile_tenant(delivery.tenant(delivery.NEW)).routes.version
    gateway = delivery.Gateway(refuses=lambda each: each.version == bad)
    steps = (delivery.newest(delivery.OLD, 1), halted(delivery.NEW, 2), delivery.newest(delivery.NEW, 3))
    outcomes = delivery.run(*steps, gateway=gateway)
    assert [(each.offer.kind, each.offer.number) for each in outcomes] == [
        (Kind.IN_STEP, 1), (Kind.IN_STEP, 2), (Kind.HELD, 3),
    ]  # fmt: skip


def test_routes_that_are_refused_do_not_hold_up_a_suspension() -> None:
    bad = compile_tenant(delivery.tenant(delivery.NEW)).routes.version
    gateway = delivery.Gateway(refuses=lambda each: each.version == bad)
    outcomes = delivery.run(delivery.newest(delivery.OLD, 1), delivery.newest(delivery.NEW, 2), halted(delivery.NEW, 3), gateway=gateway)
    assert [each.offer.kind for each in outcomes] == [Kind.IN_STEP, Kind.HELD, Kind.IN_STEP]
