"""What could open an AI API: its first call, a chain that is missing, routes that no compiler of ours emits, an Envoy that is too old."""

import http.client
import json
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from envoy.config.route.v3 import route_components_pb2 as route_pb2
from envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2
from google.protobuf import struct_pb2

from gateway.envoy import rbac, routes, versions
from gateway.envoy.ai import chain, clusters
from gateway.envoy.ai import routes as ai_routes
from gateway.envoy.extensions import FilterChainConfigPerRoute, packed
from gateway.envoy.names import AI, GATE, MODEL, OPERATION_PREFIX
from gateway.envoy.resources import compile_scope, compile_tenant, compile_tls_listener, resource
from gateway.envoy.routes import OFF, FailsOpen, guard_entry
from gateway.envoy.state import OwnHost, Tenant
from portal.stack import probes
from portal.stack.ports import Ports, choose
from tests import live
from tests.gateway import ai
from tests.gateway.ai import CHAT, MESSAGES, MODELS, Gateway, Providers, asks, token
from tests.live import HOST
from tests.pki import Authority


@pytest.fixture
def fresh(providers: Providers, tmp_path: Path) -> Any:
    """An Envoy that has loaded no tenant yet."""
    for each in providers:
        each.does = "ok"
        each.seen.clear()
    found = compile_tenant(ai.tenant(ai.ai(*providers)))
    with ai.running(tmp_path) as made:
        made.ads.put(*found.clusters, *found.secrets, compile_scope("acme"), found.routes)
        live.eventually(lambda: "acme/ai/k1" in made.admin("/clusters"))
        yield made


FIRST: dict[str, tuple[dict[str, Any], set[tuple[int, str]]]] = {
    "may call": ({"body": asks()}, {(200, "")}),
    "may call, 1 MB": ({"body": asks(text="x" * 1_000_000)}, {(200, ""), (503, "NOT_READY")}),
    "nobody": ({"body": asks(), "bearer": ""}, {(401, "TOKEN_MISSING")}),
    "nobody, 1 MB": ({"body": asks(text="x" * 1_000_000), "bearer": ""}, {(401, "TOKEN_MISSING"), (503, "NOT_READY")}),
    "no subscription": ({"body": asks(), "client": "app-x"}, {(403, "SUBSCRIPTION_REQUIRED")}),
    "another model than the plan's": ({"body": asks("openai/gpt-4o"), "client": "app-small"}, {(403, "MODEL_NOT_IN_PLAN")}),
    "too many tokens": ({"body": asks(max_tokens=9_999), "client": "app-small"}, {(400, "TOO_MANY_TOKENS")}),
    "no such model": ({"body": asks("zzz")}, {(404, "MODEL_UNKNOWN")}),
    "no JSON": ({"body": b'{"model": "fast"'}, {(400, "BODY_NOT_JSON")}),
    "a budget that is used up": ({"body": asks(), "client": "app-spent"}, {(429, "BUDGET_EXCEEDED")}),
}


@pytest.mark.parametrize("name", FIRST)
def test_the_first_call_is_decided_as_every_other(fresh: Gateway, providers: Providers, name: str) -> None:
    call, wanted = FIRST[name]
    answer = fresh.call(**call)
    assert (answer.status, answer.code) in wanted, str(answer)
    assert sum(len(each.seen) for each in providers) == (answer.status == 200)
    assert fresh.call(asks()).status == 200


def test_twenty_first_calls_at_once(fresh: Gateway, providers: Providers) -> None:
    calls: list[dict[str, Any]] = [{"bearer": token()}, {"bearer": token("app-x")}] * 10
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda call: fresh.call(asks(text="y" * 20_000), **call), calls))
    assert {answer.status for answer in answers[::2]} <= {200, 503}
    assert {answer.code for answer in answers[1::2]} <= {"SUBSCRIPTION_REQUIRED", "NOT_READY"}
    assert sum(len(each.seen) for each in providers) == sum(answer.status == 200 for answer in answers)


# Where the chain is not


def every_list(whole: Any, change: Callable[[list[route_pb2.Route]], None]) -> None:
    """Change each operation's routes, wherever they stand in the tree."""

    def walk(found: Any) -> None:
        for each, value in found.ListFields():
            if each.message_type is None:
                continue
            if each.message_type.full_name == "google.protobuf.Any":
                if value.Is(route_pb2.RouteList.DESCRIPTOR):
                    inner = route_pb2.RouteList.FromString(value.value)
                    kept = list(inner.routes)
                    change(kept)
                    del inner.routes[:]
                    inner.routes.extend(kept)
                    value.CopyFrom(packed(inner))
            elif each.message_type.GetOptions().map_entry:
                for key in list(value):
                    if each.message_type.fields_by_name["value"].message_type is not None:
                        walk(value[key])
            else:
                for one in value if each.is_repeated else [value]:
                    walk(one)

    walk(whole)


def without_chain(found: list[route_pb2.Route]) -> None:
    for each in found:
        each.typed_per_filter_config.pop(AI, None)


def without_asking(found: list[route_pb2.Route]) -> None:
    """The step that remembers the model is not there."""
    per_route = FilterChainConfigPerRoute.FromString(found[-1].typed_per_filter_config[AI].value)
    steps = [each for each in per_route.filter_chain.filters if each.name != "asked"]
    if steps:
        del per_route.filter_chain.filters[:]
        per_route.filter_chain.filters.extend(steps)
        found[-1].typed_per_filter_config[AI].CopyFrom(packed(per_route))


@pytest.mark.parametrize(("name", "wanted"), [("chain", "MODEL_UNKNOWN"), ("asked", "MODEL_NOT_IN_PLAN"), ("gate", "NOT_READY")])
def test_without_its_chain_nothing_gets_through(providers: Providers, tmp_path: Path, name: str, wanted: str) -> None:
    for each in providers:
        each.seen.clear()
    tenant = ai.tenant(ai.ai(*providers))
    whole, found = routes.configuration(tenant), compile_tenant(tenant)
    if name == "gate":
        del whole.typed_per_filter_config[GATE]
    else:
        every_list(whole, without_chain if name == "chain" else without_asking)
    with ai.running(tmp_path) as gateway:
        gateway.ads.put(*found.clusters, *found.secrets, compile_scope("acme"), resource("acme", whole))
        live.eventually(lambda: gateway.call(asks()).code == wanted)
        # Nobody chooses by a header or a body what only the chain may write.
        for _ in range(3):
            answer = gateway.call(asks(), headers=[("portico.ai.model", "fast"), ("x-portico-model", "fast")])
            assert answer.code == wanted, str(answer)
        assert not gateway.ads.refused
    assert not any(each.seen for each in providers)


# What fails open is not emitted


def made(path: str = CHAT) -> list[route_pb2.Route]:
    providers = ai.Provider("unused")
    providers.stop()
    tenant = ai.tenant(ai.ai(providers, providers, providers))
    (version,) = tenant.routes or ()
    operation = next(each for each in version.operations if each.path == path)
    of = ai_routes.Of(f"{OPERATION_PREFIX}x", struct_pb2.Struct())
    return ai_routes.of_operation(tenant, version, operation, of, ai_routes.plans(tenant, version))


def change_chain(change: Callable[[Any], None]) -> Callable[[list[route_pb2.Route]], None]:
    def spoil(found: list[route_pb2.Route]) -> None:
        per_route = FilterChainConfigPerRoute.FromString(found[-1].typed_per_filter_config[AI].value)
        change(per_route.filter_chain.filters)
        found[-1].typed_per_filter_config[AI].CopyFrom(packed(per_route))

    return spoil


def decides_nothing(steps: Any) -> None:
    step = next(each for each in steps if each.name == "model_not_in_plan")
    config = rbac_pb2.RBAC.FromString(step.typed_config.value)
    config.matcher.on_no_match.CopyFrom(rbac.verdict("every"))
    step.typed_config.CopyFrom(packed(config))


def lets_a_plan_have_more(steps: Any) -> None:
    step = next(each for each in steps if each.name == "model_not_in_plan")
    config = rbac_pb2.RBAC.FromString(step.typed_config.value)
    config.matcher.matcher_tree.exact_match_map.map["small"].matcher.on_no_match.CopyFrom(rbac.verdict("in_plan"))
    step.typed_config.CopyFrom(packed(config))


def logs_before_it_masks(steps: Any) -> None:
    at = [each.name for each in steps].index("tokens")
    steps.insert(at, steps[at])
    steps[at].name = "log"
    steps[at - 1].name, steps[at].name = "log", "masks"


def keeps_the_route(steps: Any) -> None:
    step = next(each for each in steps if each.name == "asked")
    step.typed_config.value = step.typed_config.value.removesuffix(chain.CLEARS)


def found_at_once(found: list[route_pb2.Route]) -> None:
    del found[0].match.filter_state[:]


def found_by_something_else(found: list[route_pb2.Route]) -> None:
    found[0].match.filter_state[0].key = "portico.api"


def chain_off(found: list[route_pb2.Route]) -> None:
    found[-1].typed_per_filter_config[AI].CopyFrom(OFF)


def first_leads_on(found: list[route_pb2.Route]) -> None:
    found[-1].route.cluster = "acme/ai/k1/openai/0123"


def gate_off(found: list[route_pb2.Route]) -> None:
    found[0].typed_per_filter_config[GATE].CopyFrom(OFF)


def the_plan_leads(found: list[route_pb2.Route]) -> None:
    found[0].match.filter_state[0].key = "portico.ai.plan"


SPOILT: dict[str, Callable[[list[route_pb2.Route]], None]] = {
    "no chain": without_chain,
    "no step asks": without_asking,
    "the chain is off": chain_off,
    "the route stays": change_chain(keeps_the_route),
    "what is not masked yet is logged": change_chain(logs_before_it_masks),
    "plans decide nothing": change_chain(decides_nothing),
    "a plan has more": change_chain(lets_a_plan_have_more),
    "a model's route is found at once": found_at_once,
    "a model's route is found by something else": found_by_something_else,
    "a plan leads to a provider": the_plan_leads,
    "the first leads on": first_leads_on,
    "the gate is off": gate_off,
}


def test_what_the_compiler_makes_passes() -> None:
    for path in (CHAT, MODELS):
        guard_entry(made(path))


@pytest.mark.parametrize("name", SPOILT)
def test_what_fails_open_is_refused(name: str) -> None:
    found = made()
    SPOILT[name](found)
    with pytest.raises(FailsOpen):
        guard_entry(found)


def test_a_bucket_of_tokens_is_that_and_nothing_else() -> None:
    unused = ai.Provider("unused")
    unused.stop()
    whole = routes.configuration(ai.tenant(ai.ai(unused, unused, unused)))
    routes.guard(whole)
    whole.typed_per_filter_config["tokens"].CopyFrom(whole.typed_per_filter_config[GATE])
    with pytest.raises(FailsOpen, match="tokens are limited"):
        routes.guard(whole)


# A key that stays for the next provider


def test_without_its_first_filter_a_cluster_would_tell_a_providers_key_to_another(
    ai_gateway: Gateway, providers: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shows that the filter is needed, and that the test of it can fail."""
    providers[0].does = providers[1].does = "429"
    tenant: Tenant = ai.tenant(ai.ai(*providers))
    assert ai_gateway.call(asks()).status == 200
    assert "authorization" not in providers[2].seen[-1].headers
    monkeypatch.setattr(clusters, "clean", header_mutation_pb2.HeaderMutation)
    ai_gateway.has(tenant)
    live.eventually(lambda: _second_key(ai_gateway, providers) == "Bearer sk-canary-two")
    monkeypatch.undo()
    ai_gateway.has(tenant)
    live.eventually(lambda: _second_key(ai_gateway, providers) is None)


def _second_key(gateway: Gateway, providers: Providers) -> str | None:
    assert gateway.call(asks()).status == 200
    return providers[2].seen[-1].headers.get("authorization")


# Envoys that are too old


def test_which_envoys_serve_apis_of_ai_models() -> None:
    assert [versions.serves_ai(each) for each in ("1.38.0", "1.39.3", "1.40.0", "1.41.1", "2.0.0", "", "x.y")] == [
        *(False, False, True, True, True, False, False)
    ]


def test_a_gateway_that_is_too_old_gets_nothing_that_it_would_not_understand(providers: Providers) -> None:
    whole = ai.tenant(ai.ai(*providers))
    (version,) = whole.routes or ()
    old = compile_tenant(replace(whole, routes=(replace(version, ai=None, refusal="GATEWAY_TOO_OLD"),)))
    assert not old.clusters
    assert not old.secrets
    for name in (b"priority_group", MODEL.encode(), b"hits_addend"):
        assert name not in old.routes.body.value


# At a host of the tenant's own


def test_it_answers_at_the_tenants_own_host(providers: Providers, tmp_path: Path) -> None:
    for each in providers:
        each.does = "ok"
        each.seen.clear()
    host = "api.acme.example"
    root = Authority("Root of the tests")
    pair = root.issue(host, extensions=(x509.SubjectAlternativeName([x509.DNSName(host)]),))
    own = OwnHost(host, f"https://{host}", pair.certificate, pair.key.encode())
    found = compile_tenant(ai.tenant(ai.ai(*providers), own_hosts=(own,)))
    port = choose(Ports(0, 0, 0), needed=set()).gateway
    tls, _ = compile_tls_listener(
        port=port, address=HOST, portal_url="http://portal.example", hosts=["gateway.example"], certificate_file="", key_file=""
    )
    context = ssl.create_default_context(cadata=root.certificate)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    with ai.running(tmp_path) as gateway:
        gateway.ads.put(
            *found.clusters, *found.secrets, *found.doors, compile_scope("acme"), compile_scope("acme", host=host), found.routes, tls
        )
        live.eventually(lambda: "acme/ai/k1" in gateway.admin("/clusters") and probes.accepts((HOST, port)))

        def ask(model: str, path: str = CHAT) -> tuple[int, Any]:
            with context.wrap_socket(socket.create_connection((HOST, port), timeout=10), server_hostname=host) as connection:
                raw = json.dumps(asks(model)).encode()
                head = [
                    f"POST /llm/v1{path} HTTP/1.1",
                    f"Host: {host}",
                    f"Authorization: Bearer {token()}",
                    "Content-Type: application/json",
                ]
                connection.sendall("\r\n".join([*head, f"Content-Length: {len(raw)}", "Connection: close", "", ""]).encode() + raw)
                response = http.client.HTTPResponse(connection)
                response.begin()
                return response.status, json.loads(response.read())

        live.eventually(lambda: ask("fast")[0] == 200)
        assert providers[0].seen[-1].body == asks("gpt-4o-mini")
        assert "x-portico-door" not in providers[0].seen[-1].headers
        assert ask("zzz")[1]["error"]["code"] == "MODEL_UNKNOWN"
        assert ask("claude", MESSAGES)[0] == 200
