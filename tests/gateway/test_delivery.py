"""The decision table of one tenant on one gateway: what is offered after what was refused."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from apis.balancing import HealthCheck
from gateway.ads import Refused, Request, Response, Stream
from gateway.delivery import Delivery, Kind, Newest, Outcome, key_of
from gateway.desired import Desired, RoutesRef
from gateway.envoy.resources import CLUSTER, ROUTES, SECRET, Resource, compile_tenant
from gateway.envoy.state import Tenant
from tests.gateway.states import orders, small_tenant, upstream

OLD: RoutesRef = [{"version": "v", "revision": "1", "addresses": {}}]
NEW: RoutesRef = [{"version": "v", "revision": "2", "addresses": {}}]


def tenant(ref: RoutesRef, *, suspended: bool = False) -> Tenant:
    """Routes by the reference, and an access that changes when the subscription is suspended."""
    found = small_tenant(9001 if ref == OLD else 9002)
    target = upstream(9001 if ref == OLD else 9002, key="old" if ref == OLD else "new")
    found = replace(found, routes=(orders(target),))
    if suspended:
        grants = tuple(replace(grant, refusal="SUBSCRIPTION_SUSPENDED") for grant in found.access.grants)
        found = replace(found, access=replace(found.access, grants=grants))
    return found


def newest(ref: RoutesRef, number: int, *, suspended: bool = False, compiles: bool = True) -> Newest:
    wanted = Desired(tenant(ref, suspended=suspended), number, ref)
    return Newest(wanted, compile_tenant(wanted.tenant)) if compiles else Newest(wanted, None, "No route can hold it.")


@dataclass
class Gateway:
    """Answers each response of a real Stream at once, and refuses what it is told to."""

    refuses: Callable[[Any], bool] = lambda _: False
    has: Sequence[Resource] = ()
    got: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    stream: Stream = field(init=False)

    def __post_init__(self) -> None:
        self.stream = Stream(self.write, asked=lambda *_: None)
        for url in (CLUSTER, ROUTES):
            versions = {each.name: each.version for each in self.has if each.url == url}
            self.stream.take(Request(type_url=url, initial_resource_versions=versions))

    async def write(self, response: Response) -> None:
        names = tuple(each.name for each in response.resources)
        self.got.append((response.type_url, names or tuple(f"-{name}" for name in response.removed_resources)))
        self.digests += [each.version for each in response.resources if response.type_url == ROUTES]
        answer = Request(type_url=response.type_url, response_nonce=response.nonce)
        if any(self.refuses(each) for each in response.resources):
            answer.error_detail.message = "No."
        asyncio.get_running_loop().call_soon(self.stream.take, answer)


def run(*steps: Newest, gateway: Gateway, **delivery: Any) -> list[Outcome]:
    async def go() -> list[Outcome]:
        current: list[Newest] = []

        async def held(ref: RoutesRef) -> Newest:
            now = current[-1].desired
            suspended = all(grant.refusal for grant in now.tenant.access.grants)
            return newest(ref, now.number, suspended=suspended)

        made = Delivery(gateway.stream, "acme", held, **delivery)
        outcomes = []
        for step in steps:
            current.append(step)
            outcomes.append(await made.bring(step))
        return outcomes

    return asyncio.run(go())


def refuses_new(resource: Any) -> bool:
    """The new routes or their cluster, but nothing of the old."""
    return b"new" in resource.resource.value


def kinds(outcomes: Sequence[Outcome]) -> list[tuple[Kind, int, bool, int]]:
    return [(each.offer.kind, each.offer.number, each.pushed, len(each.refusals)) for each in outcomes]


def test_first_then_nothing_then_a_change() -> None:
    gateway = Gateway()
    outcomes = run(newest(OLD, 1), newest(OLD, 2), newest(OLD, 3, suspended=True), newest(NEW, 4), gateway=gateway)
    assert kinds(outcomes) == [
        (Kind.IN_STEP, 1, True, 0),
        (Kind.IN_STEP, 2, False, 0),
        (Kind.IN_STEP, 3, True, 0),
        (Kind.IN_STEP, 4, True, 0),
    ]
    # Clusters before the routes that use them; away with what nobody needs after those.
    assert gateway.got == [
        (CLUSTER, ("acme/old",)),
        (ROUTES, ("acme",)),
        (ROUTES, ("acme",)),
        (CLUSTER, ("acme/new",)),
        (ROUTES, ("acme",)),
        (CLUSTER, ("-acme/old",)),
    ]


def test_refused_routes_hold_the_old_with_todays_access() -> None:
    gateway = Gateway(refuses_new)
    steps = (newest(OLD, 1), newest(NEW, 2), newest(NEW, 3, suspended=True), newest(OLD, 4, suspended=True))
    outcomes = run(*steps, gateway=gateway)
    assert kinds(outcomes) == [
        (Kind.IN_STEP, 1, True, 0),
        (Kind.HELD, 2, False, 1),
        # The routes that were refused are not tried again for a change of access.
        (Kind.HELD, 3, True, 0),
        (Kind.IN_STEP, 4, False, 0),
    ]
    assert outcomes[2].offer.compiled.digest == newest(OLD, 3, suspended=True).compiled.digest  # type: ignore[union-attr]
    assert outcomes[1].offer.routes_ref is None


def test_what_does_not_compile_is_held_too() -> None:
    outcomes = run(newest(OLD, 1), newest(NEW, 2, compiles=False), gateway=Gateway())
    assert kinds(outcomes) == [(Kind.IN_STEP, 1, True, 0), (Kind.HELD, 2, False, 1)]
    assert outcomes[1].refusals == [(f"uncompiled {key_of(NEW)}: No route can hold it.", "No route can hold it.")]


def test_good_routes_of_before_a_restart() -> None:
    outcomes = run(newest(NEW, 5), gateway=Gateway(refuses_new), good_routes=OLD)
    assert kinds(outcomes) == [(Kind.HELD, 5, True, 1)]


def test_a_digest_is_not_sent_twice() -> None:
    first = newest(NEW, 5)
    assert first.compiled is not None
    gateway = Gateway()
    outcomes = run(first, gateway=gateway, good_routes=OLD, refused={first.compiled.digest: "No."})
    # And yet it is known why it does not have the newest.
    assert kinds(outcomes) == [(Kind.HELD, 5, True, 1)]
    assert outcomes[0].refusals == [(first.compiled.digest, "No.")]
    assert first.compiled.routes.version not in gateway.digests


def test_without_good_routes_it_closes() -> None:
    gateway = Gateway(refuses_new)
    outcomes = run(newest(NEW, 1), newest(NEW, 2, suspended=True), newest(OLD, 3), gateway=gateway)
    assert kinds(outcomes) == [(Kind.CLOSED, 1, True, 1), (Kind.CLOSED, 2, False, 1), (Kind.IN_STEP, 3, True, 0)]
    assert b"no_route" not in outcomes[0].offer.compiled.routes.body.value


def test_held_that_is_refused_closes_too() -> None:
    gateway = Gateway(lambda resource: b"new" in resource.resource.value or b"old" in resource.resource.value)
    outcomes = run(newest(NEW, 7), gateway=gateway, good_routes=OLD)
    assert kinds(outcomes) == [(Kind.CLOSED, 7, True, 2)]


def test_refusing_even_the_closed_is_an_error() -> None:
    with pytest.raises(Refused):
        run(newest(NEW, 1), gateway=Gateway(lambda _: True))


def secret_of(ref: RoutesRef) -> Newest:
    found = newest(ref, 1)
    target = replace(upstream(9002), header="x-key", secret=b"s3cret")
    wanted = replace(found.desired, tenant=replace(found.desired.tenant, routes=(orders(target),)))
    return Newest(wanted, compile_tenant(wanted.tenant))


def test_a_cluster_is_acknowledged_only_after_its_secret() -> None:
    """Envoy answers no cluster while one waits for its secret, so the secret must not wait for the cluster."""

    async def go() -> list[str]:
        sent: list[str] = []
        waiting: list[Response] = []
        asked: set[asyncio.Task[Any]] = set()

        def on_asked(url: str, names: Sequence[str], *_: object) -> None:
            asked.update(asyncio.create_task(delivery.answer_secret(name)) for name in names if url == SECRET)

        async def write(response: Response) -> None:
            sent.append(response.type_url)
            later = asyncio.get_running_loop().call_soon
            if response.type_url == CLUSTER:
                waiting.append(response)
                name = response.resources[0].name
                later(stream.take, Request(type_url=SECRET, resource_names_subscribe=[name]))
                return
            later(stream.take, Request(type_url=response.type_url, response_nonce=response.nonce))
            if response.type_url == SECRET:
                later(stream.take, Request(type_url=CLUSTER, response_nonce=waiting[0].nonce))

        stream = Stream(write, asked=on_asked)
        delivery = Delivery(stream, "acme", held=lambda _: asyncio.sleep(0, newest(OLD, 1)))
        async with asyncio.timeout(2):
            outcome = await delivery.bring(secret_of(NEW))
        assert outcome.offer.kind is Kind.IN_STEP
        return sent

    assert asyncio.run(go()) == [CLUSTER, SECRET, ROUTES]


def test_initial_versions_are_not_sent_again() -> None:
    """After a reconnect the gateway says what it has."""
    wanted = newest(OLD, 1)
    assert wanted.compiled is not None
    gateway = Gateway(has=[wanted.compiled.routes, *wanted.compiled.clusters])
    assert kinds(run(wanted, gateway=gateway)) == [(Kind.IN_STEP, 1, False, 0)]
    assert gateway.got == []


def checked(slug: str, *keys: str) -> Tenant:
    """Its versions' upstreams are called by the gateway before it acknowledges them."""
    targets = [upstream(key=key, check=HealthCheck(path="/healthz")) for key in keys]
    return replace(small_tenant(), slug=slug, routes=tuple(replace(orders(each), name=each.key) for each in targets))


def test_what_is_slow_to_be_acknowledged_holds_up_other_tenants_once() -> None:
    """All of a tenant's are under way at once, and one tenant's after the other's; what nobody has to wait for goes on meanwhile."""

    async def go() -> list[list[str]]:
        under_way: list[list[str]] = []
        waiting: dict[str, Request] = {}

        async def write(response: Response) -> None:
            answer = Request(type_url=response.type_url, response_nonce=response.nonce)
            if response.type_url != CLUSTER or not response.resources or response.resources[0].name == "globex/plain":
                asyncio.get_running_loop().call_soon(stream.take, answer)
                return
            waiting[response.resources[0].name] = answer

        async def held(_: RoutesRef) -> Newest:
            raise AssertionError

        async def acknowledge() -> None:
            for _ in range(2):
                await asyncio.sleep(0.02)
                under_way.append(sorted(waiting))
                for name in list(waiting):
                    stream.take(waiting.pop(name))

        stream = Stream(write, asked=lambda *_: None)
        for url in (CLUSTER, ROUTES):
            stream.take(Request(type_url=url))
        plain = replace(small_tenant(), slug="globex", routes=(orders(upstream(key="plain")),))
        brought = []
        for each in (checked("acme", "a", "b"), checked("other", "c"), plain):
            step = Newest(Desired(each, 1, OLD), compile_tenant(each))
            brought.append(asyncio.create_task(Delivery(stream, each.slug, held).bring(step)))
        await asyncio.sleep(0.01)
        assert [task.done() for task in brought] == [False, False, True]
        await acknowledge()
        outcomes = await asyncio.gather(*brought)
        assert {outcome.offer.kind for outcome in outcomes} == {Kind.IN_STEP}
        return under_way

    assert asyncio.run(go()) == [["acme/a", "acme/b"], ["other/c"]]


def test_a_slow_cluster_that_is_refused_is_refused() -> None:
    async def held(_: RoutesRef) -> Newest:
        raise AssertionError

    gateway = Gateway(lambda resource: resource.name == "acme/b")
    tenant = checked("acme", "a", "b")
    outcome = asyncio.run(Delivery(gateway.stream, "acme", held).bring(Newest(Desired(tenant, 1, OLD), compile_tenant(tenant))))
    assert (outcome.offer.kind, len(outcome.refusals)) == (Kind.CLOSED, 1)
