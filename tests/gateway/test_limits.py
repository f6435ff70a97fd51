"""Each limit at a real Envoy: how it refuses, what it tells the caller, and that nobody gets round it or eats what is another's."""

import http.client
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httpx
import pytest

from apis.actions import plans
from apis.actions.policies import change_policies
from keys import tokens
from tenants.models import Tenant
from tenants.people import tenants
from tests import live, make
from tests.gateway.test_chain import assert_refused
from tests.gateway.test_cors import opened, page, preflight, readable
from tests.live import HOST, Answer, Gateway, Shop, Upstream, call

# An item of a list of structured fields (RFC 9651 §3.3): a string, then parameters with whole numbers.
_ITEM = re.compile(r'"([a-z]+)"((?:;[a-z-]+=\d+)*)')


def fields(text: str) -> dict[str, dict[str, int]]:
    """A list of items with parameters, by their names; anything that is none fails."""
    found = {}
    for each in text.split(", "):
        item = _ITEM.fullmatch(each)
        assert item, text
        pairs = [pair.split("=") for pair in item[2].split(";")[1:]]
        found[item[1]] = {name: int(value) for name, value in pairs}
    return found


def said(answers: Sequence[Answer]) -> list[tuple[int, str]]:
    return [(each.status, each.code) for each in answers]


@pytest.fixture
def shop(gateway: Gateway, upstream: Upstream) -> Shop:
    return live.shop(upstream)


def ruled(shop: Shop, api: str = "orders", **given: Any) -> None:
    event = shop.does(change_policies, shop.apis[api], given=given, by=None)
    assert event is not None
    shop.enforced(event)


def ceiling(shop: Shop, most: int | None) -> None:
    """Olga says how many calls a second the tenant gets."""
    event = tenants.change_ceiling(Tenant.objects.get(pk=shop.pk), max_calls=most, by=make.user(is_staff=True))
    assert event is not None
    shop.enforced(event)


# The caller's own


def test_a_burst_is_less_than_the_rate(gateway: Gateway, shop: Shop) -> None:
    plan = shop.plan(calls=60, seconds=60)
    token = shop.client(plan=plan).token()
    gateway.settles(200, "", shop.path(), token)
    event = shop.does(plans.change_terms, plan, burst=3, by=shop.person("publisher"))
    assert event is not None
    shop.enforced(event)
    answers = [gateway.call(shop.path(), token) for _ in range(5)]
    assert said(answers)[:3] == [(200, "")] * 3
    assert (429, "RATE_LIMITED") in said(answers)[3:]
    assert answers[0].headers["x-ratelimit-limit"] == "3"
    assert fields(answers[0].headers["ratelimit-policy"]) == {"plan": {"q": 60, "w": 60, "portico-burst": 3}}
    # The rest comes as time passes: a call a second.
    live.eventually(lambda: gateway.call(shop.path(), token).status == 200, within=3)


def test_what_callers_are_told(gateway: Gateway, upstream: Upstream, shop: Shop) -> None:
    upstream.headers = {"RateLimit": '"upstream";r=7', "RateLimit-Policy": '"upstream";q=9;w=1', "X-RateLimit-Limit": "999"}
    token = shop.client(plan=shop.plan(calls=3, seconds=3600)).token()
    try:
        answers = [gateway.call(shop.path(), token) for _ in range(4)]
    finally:
        upstream.headers = {}
    assert said(answers) == [(200, "")] * 3 + [(429, "RATE_LIMITED")]
    for answer in answers:
        assert fields(answer.headers["ratelimit-policy"]) == {"plan": {"q": 3, "w": 3600}}
        assert answer.headers["x-ratelimit-limit"] == "3"
        assert "x-portico-empty" not in answer.headers
    assert [fields(each.headers["ratelimit"])["plan"]["r"] for each in answers] == [2, 1, 0, 0]
    assert fields(answers[0].headers["ratelimit"]) == {"plan": {"r": 2}}
    # Of a refusal, both say when the next call passes.
    wait = int(answers[3].headers["retry-after"])
    assert fields(answers[3].headers["ratelimit"]) == {"plan": {"r": 0, "t": wait}}
    assert 0 < wait <= 1200


def test_who_was_refused_before_is_told_nothing(gateway: Gateway, shop: Shop) -> None:
    carl = shop.client("suspended")
    for answer in (gateway.call(shop.path()), gateway.call(shop.path(), carl.token()), gateway.call(shop.path("/nothing"), carl.token())):
        assert answer.status >= 400
        assert not {"ratelimit", "ratelimit-policy", "x-ratelimit-limit", "x-portico-empty"} & answer.headers.keys(), str(answer)


def test_a_page_may_read_them(gateway: Gateway, shop: Shop) -> None:
    opened(shop, "https://shop.example")
    answer = gateway.call(shop.path(), shop.client().token(), headers=page())
    assert {"ratelimit", "ratelimit-policy"} <= set(answer.headers["access-control-expose-headers"].split(", "))


# The API's


def test_an_api_takes_no_more_than_its_ceiling(gateway: Gateway, upstream: Upstream, shop: Shop) -> None:
    shop.add_api("billing")
    carl, dora = shop.client(), shop.client()
    shop.subscribe(carl, shop.plan("billing"))
    gateway.settles(200, "", shop.path(), carl.token())
    ruled(shop, max_calls=3, max_calls_seconds=60)
    before = len(upstream.seen)
    answers = [gateway.call(shop.path(), who.token()) for who in (carl, dora, carl, dora, carl)]
    assert said(answers) == [(200, "")] * 3 + [(429, "API_LIMITED")] * 2
    assert len(upstream.seen) == before + 3
    assert_refused(answers[3], 429, "API_LIMITED")
    wait = int(answers[3].headers["retry-after"])
    assert 0 < wait <= 20
    # Of the bucket that is empty, and of no other's.
    assert fields(answers[3].headers["ratelimit"]) == {"api": {"r": 0, "t": wait}}
    assert gateway.call(shop.path(api="billing"), carl.token()).status == 200
    ruled(shop, max_calls=0)
    assert gateway.call(shop.path(), carl.token()).status == 200


def test_who_is_over_the_own_limit_takes_nothing_from_the_api(gateway: Gateway, shop: Shop) -> None:
    greedy, dora = shop.client(plan=shop.plan(name="small", calls=1, seconds=3600)), shop.client()
    gateway.settles(200, "", shop.path(), dora.token())
    ruled(shop, max_calls=3, max_calls_seconds=60)
    assert said([gateway.call(shop.path(), greedy.token()) for _ in range(6)]) == [(200, "")] + [(429, "RATE_LIMITED")] * 5
    assert said([gateway.call(shop.path(), dora.token()) for _ in range(3)]) == [(200, "")] * 2 + [(429, "API_LIMITED")]


def test_who_may_not_call_takes_nothing_from_the_api(gateway: Gateway, shop: Shop) -> None:
    carl, nobody, waiting = shop.client(), shop.client(""), shop.client("pending")
    gateway.settles(200, "", shop.path(), carl.token())
    ruled(shop, max_calls=2, max_calls_seconds=60)
    for _ in range(3):
        assert gateway.call(shop.path()).status == 401
        assert gateway.call(shop.path(), "nonsense").status == 401
        assert gateway.call(shop.path(), nobody.token()).status == 403
        assert gateway.call(shop.path(), waiting.token()).status == 403
        assert gateway.call(shop.path("/nothing"), carl.token()).status == 404
        assert gateway.call(shop.path(), carl.token(), method="DELETE").status == 405
    assert said([gateway.call(shop.path(), carl.token()) for _ in range(3)]) == [(200, "")] * 2 + [(429, "API_LIMITED")]


def test_preflights_take_nothing_from_the_api(gateway: Gateway, shop: Shop) -> None:
    carl = shop.client()
    opened(shop, "https://shop.example")
    gateway.settles(200, "", shop.path(), carl.token())
    ruled(shop, max_calls=1, max_calls_seconds=60)
    assert {gateway.call(shop.path(), **preflight()).status for _ in range(20)} == {200}
    answers = [gateway.call(shop.path(), carl.token(), headers=page()) for _ in range(2)]
    assert said(answers) == [(200, ""), (429, "API_LIMITED")]
    assert readable(answers[1])


WAYS_ROUND: dict[str, Callable[[Shop, live.Client], tuple[str, Sequence[tuple[str, str]]]]] = {
    "another spelling": lambda shop, _: (shop.path().replace("/orders/v1", "//orders/./v1"), ()),
    "a query": lambda shop, _: (f"{shop.path()}?x=1", ()),
    "another operation": lambda shop, _: (shop.path("/orders/7"), ()),
    "an address of its own invention": lambda shop, _: (shop.path(), [("x-forwarded-for", "203.0.113.9")]),
    "headers of the gateway's": lambda shop, _: (shop.path(), [("x-envoy-ratelimited", "0"), ("x-portico-application", "other")]),
}


@pytest.mark.parametrize("way", sorted(WAYS_ROUND))
def test_there_is_no_way_round_a_ceiling(gateway: Gateway, shop: Shop, way: str) -> None:
    carl = shop.client()
    gateway.settles(200, "", shop.path(), carl.token())
    ruled(shop, max_calls=1, max_calls_seconds=60)
    assert gateway.call(shop.path(), carl.token()).status == 200
    path, headers = WAYS_ROUND[way](shop, carl)
    assert gateway.call(path, carl.token(), headers=headers).code == "API_LIMITED"


def test_neither_another_credential_nor_connections_nor_http_2_give_a_caller_more(gateway: Gateway, shop: Shop) -> None:
    carl = shop.client(plan=shop.plan(calls=4, seconds=3600))
    path = shop.path()
    assert gateway.call(path, carl.token()).status == 200
    # A further credential of the application's, as its claim `cid` says.
    other = tokens.sign({**carl.claims(), "cid": "another", "jti": "another"}, shop.key)
    assert fields(gateway.call(path, other).headers["ratelimit"])["plan"]["r"] == 2
    with httpx.Client(http1=False, http2=True, base_url=f"http://{HOST}:{gateway.port}", trust_env=False) as client:
        assert client.get(path, headers={"authorization": f"Bearer {other}"}).headers["ratelimit"] == '"plan";r=1'
    connections = [http.client.HTTPConnection(HOST, gateway.port, timeout=5) for _ in range(4)]
    try:
        for connection in connections:
            connection.request("GET", path, headers={"authorization": f"Bearer {carl.token()}"})
        answered = sorted(connection.getresponse().status for connection in connections)
    finally:
        for connection in connections:
            connection.close()
    assert answered == [200, 429, 429, 429]


def test_versions_share_the_ceiling_of_their_api(gateway: Gateway, shop: Shop) -> None:
    carl = shop.client()
    with shop.scope():
        make.version(shop.apis["orders"], upstream=shop.upstream)
    gateway.settles(200, "", shop.path(version="v2"), carl.token())
    ruled(shop, max_calls=1, max_calls_seconds=60)
    assert gateway.call(shop.path(), carl.token()).status == 200
    assert gateway.call(shop.path(version="v2"), carl.token()).code == "API_LIMITED"


# The tenant's


def test_a_tenant_takes_no_more_than_its_ceiling(gateway: Gateway, upstream: Upstream, shop: Shop) -> None:
    shop.add_api("billing")
    carl = shop.client()
    shop.subscribe(carl, shop.plan("billing"))
    other = live.shop(upstream)
    outside = other.client()
    gateway.settles(200, "", shop.path(), carl.token())
    gateway.settles(200, "", other.path(), outside.token())
    ceiling(shop, 1)

    def refused() -> Answer | None:
        answers = [gateway.call(shop.path(api=api), carl.token()) for api in ("orders", "billing", "orders")]
        return next((each for each in answers if each.status == 429), None)

    found = live.eventually(refused)
    assert found is not None
    assert_refused(found, 429, "TENANT_LIMITED")
    assert fields(found.headers["ratelimit"]) == {"tenant": {"r": 0, "t": int(found.headers["retry-after"])}}
    assert {gateway.call(other.path(), outside.token()).status for _ in range(5)} == {200}, "another tenant has its own"
    ceiling(shop, None)
    assert {gateway.call(shop.path(), carl.token()).status for _ in range(5)} == {200}


# By address, before anything else


@pytest.fixture
def strict(gateway: Gateway) -> Iterator[Gateway]:
    """The gateway takes a call a second of one address, ten of them at once, and remembers forty addresses."""
    told = {"PORTICO_ADDRESS_CALLS_PER_SECOND": "1", "PORTICO_ADDRESS_BURST": "10", "PORTICO_ADDRESSES_KEPT": "40"}
    gateway.environment |= told
    try:
        again(gateway)
        yield gateway
    finally:
        for name in told:
            del gateway.environment[name]
        again(gateway)


def again(gateway: Gateway) -> None:
    """Another control, that reads its settings anew; the gateway has its listener when a tenant of nobody's is asked for."""
    gateway.end("control")
    gateway.begin_and_wait("control")
    gateway.wait_joined()
    limited = "PORTICO_ADDRESS_BURST" in gateway.environment

    def has() -> bool:
        codes = {call(gateway.port, "/nobody/", source="127.9.9.9").code for _ in range(15)}
        return ("ADDRESS_LIMITED" in codes) == limited

    live.eventually(has)


def test_one_address_is_turned_away_before_its_tokens_are_verified(strict: Gateway, shop: Shop) -> None:
    token = shop.client().token()
    strict.settles(200, "", shop.path(), token, source="127.0.0.40")
    answers = [strict.call(shop.path(), "a token of nobody's", source="127.0.0.2") for _ in range(15)]
    assert said(answers)[:10] == [(401, "TOKEN_INVALID")] * 10
    refused = next(each for each in answers if each.status == 429)
    assert_refused(refused, 429, "ADDRESS_LIMITED")
    assert int(refused.headers["retry-after"]) == 1
    assert "ratelimit" not in refused.headers
    # With a good token, too; another address is somebody else.
    assert strict.call(shop.path(), token, source="127.0.0.2").code in {"ADDRESS_LIMITED", ""}
    assert strict.call(shop.path(), token, source="127.0.0.3").status == 200
    # Time passes, and calls with it.
    strict.settles(200, "", shop.path(), token, source="127.0.0.2")


def test_nobody_says_an_address_of_their_own(strict: Gateway) -> None:
    codes = []
    for n in range(15):
        headers = [("x-forwarded-for", f"203.0.113.{n}"), ("x-real-ip", f"203.0.113.{n}"), ("forwarded", f"for=203.0.113.{n}")]
        codes.append(call(strict.port, "/nobody/", headers=headers, source="127.0.0.4").code)
    assert "ADDRESS_LIMITED" in codes


def test_preflights_are_counted_as_well(strict: Gateway, shop: Shop) -> None:
    opened(shop, "https://shop.example")
    strict.settles(200, "", shop.path(), shop.client().token(), source="127.0.0.40")
    codes = [call(strict.port, shop.path(), source="127.0.0.5", **preflight()).code for _ in range(15)]
    assert codes[:10] == [""] * 10
    assert "ADDRESS_LIMITED" in codes


def test_as_many_addresses_are_remembered_as_is_said(strict: Gateway) -> None:
    """Whoever was forgotten begins with a full bucket, so the number bounds what somebody with many addresses gets."""

    def used_up(source: str) -> None:
        live.eventually(lambda: call(strict.port, "/nobody/", source=source).code == "ADDRESS_LIMITED")

    used_up("127.0.1.1")
    for n in range(30):
        call(strict.port, "/nobody/", source=f"127.0.2.{n + 1}")
    assert "ADDRESS_LIMITED" in {call(strict.port, "/nobody/", source="127.0.1.1").code for _ in range(9)}, "thirty others, and it is known"
    used_up("127.0.1.1")
    for n in range(45):
        call(strict.port, "/nobody/", source=f"127.0.3.{n + 1}")
    codes = [call(strict.port, "/nobody/", source="127.0.1.1").code for _ in range(10)]
    assert "ADDRESS_LIMITED" not in codes, "the measured way round: more addresses than are kept"
