"""What a canary's answer tells: whether the gate stands, and which routes are really served."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from gateway import truth
from gateway.boards import Board
from gateway.canary import Answered, Canary
from gateway.database import Database
from gateway.envoy.names import CONFIGURATION_HEADER, canary_path
from gateway.keeper import STALE_LOOKS, Keeper
from gateway.models import Loaded
from gateway.register import NodeId, newest
from tenants.models import AccountMail, Event, PlatformEvent, Tenant
from tenants.people import tenants
from tests import live, make
from tests.conftest import Cast
from tests.gateway.test_delivery import OLD
from tests.gateway.test_delivery import Gateway as Played
from tests.gateway.test_delivery import newest as played
from tests.gateway.test_many_receipts import node
from tests.live import Gateway, Shop, Upstream


def asked(address: str, slug: str) -> Answered | None:
    async def go() -> Answered | None:
        canary = Canary()
        try:
            return await canary(address, slug)
        finally:
            await canary._client.aclose()

    return asyncio.run(go())


def at(gateway: Gateway, shop: Shop) -> Answered:
    found = asked(f"http://{live.HOST}:{gateway.port}", shop.slug)
    assert found is not None
    return found


def expected(shop: Shop) -> str:
    compiled = newest(shop.pk).compiled
    assert compiled is not None
    return compiled.served


def test_it_says_which_routes_refused_it(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    carl = shop.client()
    assert gateway.call(shop.path(), carl.token()).status == 200
    shop.enforced_newest()
    first = at(gateway, shop)
    assert first == Answered(401, expected(shop))
    # Another configuration, another digest; the same, the same.
    dora = shop.client()
    shop.enforced_newest()
    second = at(gateway, shop)
    assert second == Answered(401, expected(shop))
    assert second.serves != first.serves
    # Nobody else is told: not who is refused elsewhere, and not who calls.
    for answer in (gateway.call(shop.path()), gateway.call(shop.path(), dora.token())):
        assert CONFIGURATION_HEADER not in answer.headers
    upstream.headers[CONFIGURATION_HEADER] = "forged"
    try:
        assert CONFIGURATION_HEADER not in gateway.call(shop.path(), dora.token()).headers
    finally:
        del upstream.headers[CONFIGURATION_HEADER]


def test_it_says_so_of_a_suspended_tenant_too(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    carl = shop.client()
    assert gateway.call(shop.path(), carl.token()).status == 200
    olga = make.user(f"olga-{uuid4()}@portico.example", is_staff=True)
    tenants.suspend(Tenant.objects.get(pk=shop.pk), reason="A test.", by=olga)
    shop.enforced_newest()
    assert at(gateway, shop) == Answered(403, expected(shop))
    assert gateway.call(canary_path(shop.slug)).code == "TENANT_SUSPENDED"


# Control's side, with answers of the test's


class Kept(Database):
    """Writes nothing down but what is seen."""

    def __init__(self) -> None:
        self.sights: list[tuple[bool, bool]] = []
        self.opened = 0

    async def ask(self, work: Any, *_: Any, **named: Any) -> Any:
        if work is truth.save_sight:
            self.sights.append((named["unreached"], named["stale"]))
        if work is truth.save_open:
            self.opened += 1


def looks(answers: Sequence[Answered | None]) -> tuple[Kept, Played, Keeper]:
    """A keeper whose gateway has acknowledged a configuration, and answers its canary so."""
    gateway, database = Played(), Kept()
    left = list(answers)

    async def probe(address: str, slug: str) -> Answered | None:
        return left.pop(0)

    async def go() -> Keeper:
        keeper = Keeper(NodeId(uuid4(), "gateway-1"), "", gateway.stream, Board(uuid4(), "acme", database), database, probe)
        found = played(OLD, 1)
        await keeper._bring(found)
        keeper.address = "http://127.0.0.1:1"
        for _ in answers:
            await keeper.look()
            if keeper.wake.is_set():
                keeper.wake.clear()
                keeper.address, address = "", keeper.address
                await keeper._bring(found)
                keeper.address = address
        return keeper

    keeper = asyncio.run(go())
    return database, gateway, keeper


def right() -> Answered:
    found = played(OLD, 1).compiled
    assert found is not None
    return Answered(401, found.served)


OTHER = Answered(401, "0123456789abcdef")


def test_a_gateway_that_serves_what_it_acknowledged() -> None:
    database, gateway, _ = looks([right(), right(), Answered(401)])
    assert database.sights == [(False, False)]
    assert [url for url, _ in gateway.got].count(gateway.got[-1][0]) == 1


def test_other_routes_are_sent_again_and_then_told() -> None:
    database, gateway, _ = looks([right(), OTHER])
    assert database.sights == [(False, False)]
    assert [names for _, names in gateway.got].count(("acme",)) == 2
    database, gateway, _ = looks([right(), *[OTHER] * STALE_LOOKS, OTHER, right()])
    assert database.sights == [(False, False), (False, True), (False, False)]


def test_one_that_is_silent_is_told_after_three_times() -> None:
    database, _, _ = looks([right(), None, None, right(), None, None, None, None, right()])
    assert database.sights == [(False, False), (True, False), (False, False)]


def test_one_that_is_let_through_between_decisions_closes_the_tenant() -> None:
    database, gateway, keeper = looks([right(), Answered(204)])
    assert database.opened == 1
    assert keeper.delivery.serves != right().serves
    # Its clusters went with it.
    assert gateway.got[-1][1] == ("-acme/old",)


def test_what_was_seen_is_written_down_once(in_acme: Cast) -> None:
    found = node("gateway-1")
    where = NodeId(found.pk, found.name)

    def row() -> Loaded:
        return Loaded.objects.get(node=found)

    truth.save_sight(where, in_acme.acme.pk, unreached=True, stale=False)
    since = row().unreached_since
    assert (bool(since), row().stale_since) == (True, None)
    for _ in range(2):
        truth.save_sight(where, in_acme.acme.pk, unreached=True, stale=True)
    assert row().unreached_since == since
    assert row().stale_since
    assert Event.objects.filter(kind="gateway.serves_other").count() == 1
    assert PlatformEvent.objects.filter(kind="gateway.serves_other", data__tenant="acme").count() == 1
    assert AccountMail.objects.filter(kind=truth.ALARM, email=in_acme.olga.email).count() == 1
    truth.save_sight(where, in_acme.acme.pk, unreached=False, stale=False)
    assert (row().unreached_since, row().stale_since) == (None, None)
    # One that has left meanwhile is nobody's.
    truth.save_sight(NodeId(UUID(int=1), "nobody"), in_acme.acme.pk, unreached=True, stale=True)
    truth.save_open(where, in_acme.acme.pk)
    assert PlatformEvent.objects.filter(kind="gateway.stood_open").count() == 1


def test_an_address_that_answers_nothing() -> None:
    assert asked("http://127.0.0.1:1", "acme") is None
