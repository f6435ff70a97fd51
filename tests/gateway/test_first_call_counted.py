"""The call that makes a gateway load a tenant is one call, however it ends: Envoy tells of it twice, since it begins anew."""

import socket
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db.models import Sum

from gateway.models import Refusal, UsageMinute
from gateway.usage.calls import BEGUN_ANEW, is_no_call, read
from tests import http2, live
from tests.gateway.test_usage import a_call
from tests.live import DEADLINE, HOST, Client, Gateway, Shop, Upstream

# Longer than until what a gateway tells is in the tables.
WHILE = 2.5


def counted(shop: Shop) -> dict[int, int]:
    """How many calls of this tenant stand in usage, by the class of their status."""
    with shop.scope():
        found = UsageMinute.objects.values_list("status_class").annotate(many=Sum("calls"))
        return {status: many for status, many in found.order_by("status_class") if many}


def ends_so(shop: Shop, wanted: dict[int, int]) -> None:
    """It comes to be so, and stays: a second entry of one call may come with the next message."""

    def check() -> bool:
        assert counted(shop) == wanted
        return True

    live.eventually(check, within=10)
    live.stays(check, seconds=WHILE)


def new(gateway: Gateway, upstream: Upstream) -> tuple[Shop, Client]:
    """A tenant that the gateway knows of, and has not loaded."""
    shop = live.shop(upstream)
    carl = shop.client()
    shop.enforced_newest()
    return shop, carl


def first_call(gateway: Gateway, upstream: Upstream, make: Callable[[Shop, Client], int]) -> tuple[Shop, int]:
    """Of a tenant that was loaded in time; a busy machine can need longer than the gateway waits."""
    for _ in range(5):
        shop, carl = new(gateway, upstream)
        if (status := make(shop, carl)) != 503:
            return shop, status
    raise AssertionError("No tenant was loaded in time.")


def test_it_is_counted_once(fresh_gateway: Gateway, upstream: Upstream) -> None:
    body: dict[str, Any] = {"method": "POST", "body": b"x" * 100}
    ways: list[tuple[Callable[[Shop, Client], int], int]] = [
        (lambda shop, carl: fresh_gateway.call(shop.path(), carl.token()).status, 200),
        (lambda shop, carl: fresh_gateway.call(shop.path("/orders"), carl.token(), **body).status, 200),
        (lambda shop, _: fresh_gateway.call(shop.path()).status, 401),
        (lambda shop, _: fresh_gateway.call(shop.path("/nothing")).status, 404),
    ]
    loaded = []
    for make, wanted in ways:
        shop, status = first_call(fresh_gateway, upstream, make)
        assert status == wanted
        loaded.append((shop, status // 100))
    for shop, status_class in loaded:
        ends_so(shop, {status_class: 1})
    # And the refused one is explained once.
    with loaded[2][0].scope():
        assert list(Refusal.objects.values_list("code", flat=True)) == ["TOKEN_MISSING"]


def test_twenty_at_once_are_twenty(fresh_gateway: Gateway, upstream: Upstream) -> None:
    shop, carl = new(fresh_gateway, upstream)
    token = carl.token()
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: fresh_gateway.call(shop.path(), token).status, range(20)))
    ends_so(shop, dict(sorted(Counter(status // 100 for status in answers).items())))


def leaves(gateway: Gateway, path: str, token: str, after: float) -> None:
    with socket.create_connection((HOST, gateway.port), timeout=DEADLINE) as connection:
        head = f"GET {path} HTTP/1.1\r\nhost: {HOST}:{gateway.port}\r\nauthorization: Bearer {token}\r\n\r\n"
        connection.sendall(head.encode())
        time.sleep(after)


def test_one_who_leaves_is_counted_as_ever(fresh_gateway: Gateway, upstream: Upstream) -> None:
    """While the tenant is being loaded, while the upstream works at it, and at a tenant that is loaded."""
    waiting, carl = new(fresh_gateway, upstream)
    with fresh_gateway.paused("control"):
        leaves(fresh_gateway, waiting.path(), carl.token(), 0.2)
        time.sleep(0.2)
    working, dora = new(fresh_gateway, upstream)
    many = len(upstream.seen)
    leaves(fresh_gateway, working.path("/slow?ms=3000"), dora.token(), 2)
    reached = len(upstream.seen) > many
    ends_so(waiting, {0: 1})
    # Where the machine was too busy to load it in time, the gateway had answered.
    ends_so(working, {0: 1} if reached else {5: 1})
    fresh_gateway.settles(200, "", working.path(), dora.token())
    live.eventually(lambda: counted(working).get(2))
    before = counted(working)
    leaves(fresh_gateway, working.path("/slow?ms=3000"), dora.token(), 0.5)
    ends_so(working, {**before, 0: before.get(0, 0) + 1})


def test_over_http2_a_reset_stream_is_one_who_leaves(fresh_gateway: Gateway, upstream: Upstream) -> None:
    shop, carl = new(fresh_gateway, upstream)
    token = carl.token()
    with http2.talk(fresh_gateway.port) as talk:
        assert talk.call(shop.path(), token).status in {200, 503}
        fresh_gateway.settles(200, "", shop.path(), token)
        live.eventually(lambda: counted(shop).get(2))
        assert counted(shop).get(0) is None
        stream = talk.begin(talk.head(shop.path("/slow?ms=3000"), token))
        time.sleep(0.3)
        talk.connection.reset_stream(stream)
        talk.flush()
        live.eventually(lambda: counted(shop).get(0) == 1)


@pytest.mark.parametrize(
    ("entry", "none"),
    [
        (a_call(status=0, details=BEGUN_ANEW), True),
        (a_call(status=0, details="downstream_remote_disconnect"), False),
        (a_call(status=0, details="http2.remote_reset"), False),
        (a_call(status=0, details=""), False),
        # Of an answer.
        (a_call(status=302, details=BEGUN_ANEW), False),
    ],
)
def test_what_is_the_first_half_of_a_call(entry: Any, none: bool) -> None:
    assert is_no_call(read(entry)) is none
