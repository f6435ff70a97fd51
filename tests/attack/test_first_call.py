"""The call that makes a gateway load a tenant: Envoy can skip the tenant's chain on it, and nothing may get through.

Each test has an Envoy that has just started, or a tenant that it has never heard of.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import address_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2 as endpoint_pb2
from envoy.config.endpoint.v3 import endpoint_pb2 as load_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2 as protocol_options_pb2

from gateway.envoy import routes
from gateway.envoy.clusters import cluster
from gateway.envoy.extensions import packed
from gateway.envoy.listener import listener
from gateway.envoy.names import GATE, USAGE_CLUSTER
from gateway.envoy.state import Tenant
from keys import tokens
from portal.stack import envoy, probes
from portal.stack.ports import Ports, choose
from portal.stack.processes import Supervisor
from tests import live
from tests.gateway.states import AUDIENCE, ISSUER, KEY, small_tenant
from tests.live import Answer, Gateway, Shop, Upstream

SPOOFED = [(f"x-portico-{name}", "spoofed") for name in ("tenant", "application", "subscription", "plan", "claims")]
FORGED: dict[str, dict[str, Any]] = {
    "GET": {},
    "POST": {"method": "POST", "body": b"{}"},
    "1 MB": {"method": "POST", "body": b"x" * 1_000_000},
    "garbage": {"token": "garbage"},
    "spoofed": {"headers": SPOOFED},
    "spoofed, with a body": {"method": "POST", "headers": SPOOFED, "body": b"x" * 100_000},
}


def together(gateway: Gateway, path: str, calls: Sequence[dict[str, Any]]) -> list[Answer]:
    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(lambda call: gateway.call(path, **call), calls))


def path_for(shop: Shop, call: dict[str, Any]) -> str:
    return shop.path("/orders" if call.get("method") == "POST" else "/orders/1")


def lets_nothing_through(upstream: Upstream, make: Callable[[], list[Answer]]) -> None:
    before = len(upstream.seen)
    for answer in make():
        assert answer.status in {401, 503}, str(answer)
        assert answer.code in {"TOKEN_MISSING", "TOKEN_INVALID", "NOT_READY"}, str(answer)
    assert len(upstream.seen) == before


@pytest.mark.parametrize("name", FORGED)
def test_first_call_to_a_mock_without_right(fresh_gateway: Gateway, upstream: Upstream, name: str) -> None:
    shop, call = live.shop(upstream, mock=True), FORGED[name]
    lets_nothing_through(upstream, lambda: [fresh_gateway.call(path_for(shop, call), **call)])
    answer = fresh_gateway.call(shop.path(), shop.client().token())
    assert answer.code or answer.headers["x-portico-mock"] == "true"


@pytest.mark.parametrize("name", FORGED)
def test_first_call_without_right(fresh_gateway: Gateway, upstream: Upstream, name: str) -> None:
    shop, call = live.shop(upstream), FORGED[name]
    lets_nothing_through(upstream, lambda: [fresh_gateway.call(path_for(shop, call), **call)])
    # It was that call which loaded the tenant.
    assert fresh_gateway.call(shop.path(), shop.client().token()).status in {200, 403}


def test_twenty_first_calls_at_once(fresh_gateway: Gateway, upstream: Upstream) -> None:
    nothing: dict[str, Any] = {}
    mixed = [*FORGED.values()] * 3 + [{"token": "a.b.c"}] * 2
    for calls in ([nothing] * 20, [FORGED["1 MB"]] * 20, mixed):
        shop = live.shop(upstream)
        lets_nothing_through(upstream, lambda calls=calls, shop=shop: together(fresh_gateway, shop.path("/orders"), calls))  # type: ignore[misc]


def test_first_call_with_a_good_token(fresh_gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    carl = shop.client()
    first = fresh_gateway.call(shop.path(), carl.token(), headers=SPOOFED)
    assert first.status == 200 or first.code == "NOT_READY", str(first)
    assert fresh_gateway.call(shop.path(), carl.token()).status == 200
    assert "spoofed" not in {value for seen in upstream.seen[-2:] for value in seen.headers.values()}
    # With a body that is larger than the gateway's buffers.
    other = live.shop(upstream)
    token, body = other.client().token(), b"x" * 1_000_000
    post = lambda: fresh_gateway.call(other.path("/orders"), token, method="POST", body=body)  # noqa: E731
    # Envoy can't begin again with a call whose body is under way, so that one passes no chain, and the guard stops it.
    first = post()
    assert first.status == 200 or first.code == "NOT_READY", str(first)
    assert post().json["length"] == len(body)


def test_twenty_good_first_calls(fresh_gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    good, pending = shop.client(), shop.client("pending")
    calls = [{"token": good.token()}, {"token": pending.token()}] * 10
    answers = together(fresh_gateway, shop.path(), calls)
    assert {answer.status for answer in answers[::2]} <= {200, 503}
    assert {answer.code for answer in answers[1::2]} <= {"SUBSCRIPTION_PENDING", "NOT_READY"}
    applications = {seen.headers["x-portico-application"] for seen in upstream.seen if seen.headers.get("x-portico-tenant") == shop.slug}
    assert applications <= {good.client_id}


def timed(call: Callable[[], Answer]) -> tuple[float, Answer]:
    started = time.monotonic()
    answer = call()
    return time.monotonic() - started, answer


def test_control_is_gone(fresh_gateway: Gateway, upstream: Upstream) -> None:
    """What is loaded goes on; what is not is refused within a second."""
    loaded, unknown = live.shop(upstream), live.shop(upstream)
    token, other = loaded.client().token(), unknown.client().token()
    assert fresh_gateway.call(loaded.path(), token).status == 200
    fresh_gateway.end("control")
    before = len(upstream.seen)
    for path in (unknown.path(), "/nobody/orders/v1/orders/1"):
        for call in ({"token": other}, {}, {"method": "POST", "body": b"x" * 1_000_000}):
            seconds, answer = timed(lambda path=path, call=call: fresh_gateway.call(path, **call))  # type: ignore[misc]
            assert (answer.status, answer.code) == (503, "NOT_READY"), str(answer)
            assert seconds < 1.4
    assert len(upstream.seen) == before
    assert fresh_gateway.call(loaded.path(), token).status == 200
    fresh_gateway.begin_and_wait("control")
    fresh_gateway.settles(200, "", unknown.path(), other)


def test_an_unknown_tenant(fresh_gateway: Gateway, upstream: Upstream) -> None:
    for path in ("/nobody/orders/v1/orders/1", "/", "/nobody"):
        seconds, answer = timed(lambda path=path: fresh_gateway.call(path))  # type: ignore[misc]
        assert (answer.status, answer.code) == (503, "NOT_READY"), str(answer)
        assert seconds < 1.4
    # What a gateway says of itself is known at once, and nobody's.
    assert fresh_gateway.call("/.portico/canary").code == "NO_SUCH_ROUTE"


def test_slow_calls_of_a_loaded_tenant_are_not_cut(gateway: Gateway, upstream: Upstream) -> None:
    """The time in which a tenant has to load is not the time in which an upstream has to answer."""
    shop = live.shop(upstream)
    token = shop.client().token()
    for _ in range(2):  # the first also loads the tenant
        seconds, answer = timed(lambda: gateway.call(shop.path("/slow?ms=2000"), token))
        assert (answer.status, seconds > 2) == (200, True), str(answer)


def test_slow_uploads_are_not_cut(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    token = shop.client().token()

    def upload() -> Answer:
        return gateway.trickle(shop.path("/orders"), token, [b"x" * 1000] * 3, pause=1.2)

    first, second = upload(), upload()
    assert first.status == 200 or first.code == "NOT_READY", str(first)
    assert (second.status, second.json["length"]) == (200, 3000)


def test_slow_uploads_without_a_token_end_at_once(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    gateway.call(shop.path())
    before = len(upstream.seen)
    answer = gateway.trickle(shop.path("/orders"), "", [b"x"] * 3, pause=0.5)
    assert (answer.status, answer.code) == (401, "TOKEN_MISSING")
    assert len(upstream.seen) == before


# The guard


def test_without_the_chain_the_guard_stops_everything(upstream: Upstream, tmp_path: Path) -> None:
    """Our listener with a tenant's routes as no compiler of ours would emit them: every step but the guard is missing."""
    statuses = {}
    for gated in (True, False):
        folder = tmp_path / str(gated)
        folder.mkdir()
        before = len(upstream.seen)
        with static_gateway(upstream, folder, gated=gated) as port:
            for token in (signed(), ""):
                answer = live.call(port, "/acme/orders/v1/orders/1", token)
                statuses[gated, bool(token)] = (answer.status, answer.code, len(upstream.seen) - before)
    assert statuses == {
        (True, True): (200, "", 1),
        (True, False): (401, "TOKEN_MISSING", 1),
        (False, True): (503, "NOT_READY", 0),
        (False, False): (503, "NOT_READY", 0),
    }


def usage_cluster(path: str) -> cluster_pb2.Cluster:
    socket = endpoint_pb2.Endpoint(address=address_pb2.Address(pipe=address_pb2.Pipe(path=path)))
    endpoints = endpoint_pb2.LocalityLbEndpoints(lb_endpoints=[endpoint_pb2.LbEndpoint(endpoint=socket)])
    found = cluster_pb2.Cluster(
        name=USAGE_CLUSTER,
        type=cluster_pb2.Cluster.STATIC,
        load_assignment=load_pb2.ClusterLoadAssignment(cluster_name=USAGE_CLUSTER, endpoints=[endpoints]),
    )
    http2 = protocol_options_pb2.HttpProtocolOptions()
    http2.explicit_http_config.http2_protocol_options.SetInParent()
    found.typed_extension_protocol_options["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"].CopyFrom(packed(http2))
    return found


def signed() -> str:
    claims = tokens.claims(
        issuer=ISSUER, audience=AUDIENCE, client_id="app-1", credential_id="1", token_id="1", now=int(time.time()), lifetime=600
    )
    return tokens.sign(claims, KEY)


@contextmanager
def static_gateway(upstream: Upstream, folder: Path, *, gated: bool, tenant: Tenant | None = None, usage: str = "") -> Iterator[int]:
    """An Envoy with everything in its bootstrap; yields its port.

    :param usage: the socket that takes its access log; "" keeps none.
    """
    tenant = tenant or small_tenant(upstream.port)
    assert tenant.routes is not None
    target = tenant.routes[0].upstream
    assert target is not None
    whole = routes.configuration(tenant)
    if not gated:
        del whole.typed_per_filter_config[GATE]
    port = choose(Ports(0, 0, 0, 0), needed=set()).gateway
    made = listener(port=port, address="127.0.0.1", portal_url="http://portal.example")
    manager = hcm_pb2.HttpConnectionManager.FromString(made.filter_chains[0].filters[0].typed_config.value)
    manager.route_config.CopyFrom(whole)
    if not usage:
        manager.ClearField("access_log")
    # Nothing is loaded on demand here.
    del manager.http_filters[0]
    made.filter_chains[0].filters[0].typed_config.CopyFrom(packed(manager))
    admin = folder / "admin.sock"
    bootstrap = bootstrap_pb2.Bootstrap(
        admin=bootstrap_pb2.Admin(address=address_pb2.Address(pipe=address_pb2.Pipe(path=str(admin)))),
        static_resources=bootstrap_pb2.Bootstrap.StaticResources(
            listeners=[made], clusters=[cluster(tenant.slug, target), *([usage_cluster(usage)] if usage else [])]
        ),
    )
    (folder / "bootstrap.json").write_text(json.dumps({"admin": {"address": {"pipe": {"path": str(admin)}}}}))
    # As bytes: JSON can't hold messages that Python does not know.
    (folder / "bootstrap.pb").write_bytes(bootstrap.SerializeToString())
    program = envoy.gateway(envoy.executable(os.environ.get("PORTICO_ENVOY", "")), folder / "bootstrap.json", log=folder / "envoy.log")
    argv = [folder / "bootstrap.pb" if each == folder / "bootstrap.json" else each for each in program.argv]
    supervisor = Supervisor(folder / "processes.json", say=lambda _: None)
    supervisor.open()
    try:
        supervisor.start(replace(program, argv=argv)).wait_ready()
        live.eventually(lambda: probes.accepts(("127.0.0.1", port)))
        yield port
    finally:
        supervisor.stop()
