"""What the compiler makes, held to files that people read: `PORTICO_GOLDEN=write` writes them anew."""

import base64
import json
import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_components_pb2 as route_pb2
from envoy.config.route.v3 import route_pb2 as configuration_pb2
from envoy.config.route.v3 import scoped_route_pb2
from envoy.extensions.filters.http.cors.v3 import cors_pb2
from envoy.extensions.filters.http.header_to_metadata.v3 import header_to_metadata_pb2
from envoy.extensions.filters.http.jwt_authn.v3 import config_pb2 as jwt_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2
from envoy.extensions.filters.http.set_filter_state.v3 import set_filter_state_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from google.protobuf import text_format
from google.protobuf.message import Message

from apis.balancing import HealthCheck
from apis.openapi import METHODS
from apis.policies import Policies
from gateway.envoy import chain, cors, credentials, mcp, rbac, routes
from gateway.envoy.ai import chain as ai_chain
from gateway.envoy.ai.state import Ai, Content, Key, Model, Prompt, Rails, Variable
from gateway.envoy.bootstrap import Transport, bootstrap
from gateway.envoy.extensions import FilterChainConfigPerRoute, packed
from gateway.envoy.names import (
    CALLED_API,
    CORS,
    CREDENTIAL,
    GATE,
    GUARD,
    HANDED_HEADER,
    JWT,
    KEY_TYPE,
    MCP_API,
    NEEDED,
    PASSED,
    RBAC,
    TOKEN_ID,
)
from gateway.envoy.resources import (
    Resource,
    compile_listener,
    compile_ready,
    compile_ready_scope,
    compile_scope,
    compile_tenant,
    compile_tls_listener,
)
from gateway.envoy.routes import LEADS_NOWHERE, OFF, FailsOpen, guard
from gateway.envoy.state import (
    AddressLimit,
    Answer,
    ApiKey,
    Goodbye,
    Grant,
    Logged,
    Mcp,
    Operation,
    OwnHost,
    Retired,
    Target,
    Tenant,
    Version,
)
from tests.gateway.states import access, orders, small_tenant, upstream

GOLDEN = Path(__file__).with_name("golden")
M = TypeVar("M", bound=Message)
POLICIES = Policies(
    ip_allow=("203.0.113.0/24", "2001:db8::/32"),
    ip_deny=("203.0.113.7/32",),
    max_body_kib=64,
    set_request_headers=(("x-source", "100% %REQ(x-request-id)%"),),
    remove_request_headers=("cookie",),
    set_response_headers=(("x-frame-options", "DENY"),),
    remove_response_headers=("server",),
    retries=2,
    retry_percent=10,
    streaming=True,
    compress=True,
)
CLIENT_KEY = b"-----BEGIN PRIVATE KEY-----\nk3y\n-----END PRIVATE KEY-----\n"
PORTAL = "https://portal.example"
WRITE = os.environ.get("PORTICO_GOLDEN") == "write"


def whole_tenant() -> Tenant:
    """The small tenant, with a second API on an https upstream that gets a secret and a client certificate, that pages of another origin
    may call, and that has policies.
    """
    target = upstream(
        8443,
        key="fedcba9876543210",
        scheme="https",
        host="billing.example",
        path="/base",
        header="x-key",
        secret=b"s3cret",
        retry_percent=10,
        strip_path="/bills",
        ca="-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n",
        sni="inside.billing.example",
        client_certificate="-----BEGIN CERTIFICATE-----\nOf the gateway\n-----END CERTIFICATE-----\n",
        client_key=CLIENT_KEY,
    )
    billing = replace(
        orders(target),
        api="billing",
        operations=(Operation("getBill", "GET", "/bills/{id}.pdf"),),
        cors=("https://shop.example",),
        policies=POLICIES,
    )
    return replace(small_tenant(), routes=(billing, orders(upstream())))


def going_tenant() -> Tenant:
    """The same with a deprecated API under a brown-out, a blocked one, and two versions that are no more."""
    billing, active = whole_tenant().routes or ()
    said, before = Goodbye(1_700_000_000, 1_800_000_000, "v2"), Goodbye(1_600_000_000, None, "v1")
    return replace(
        whole_tenant(),
        routes=(replace(billing, refusal="API_BLOCKED"), replace(active, refusal="BROWN_OUT", goodbye=said), replace(active, name="v2")),
        retired=(
            Retired("billing", "v0", cors=("https://shop.example",)),
            Retired("orders", "v0", goodbye=before),
        ),
    )


def used_up_tenant() -> Tenant:
    """Acme, where one more application has used up its quota until a moment of 2027."""
    used_up = Grant("orders", "app-3", "subscription-3", "QUOTA_EXCEEDED", "gold", 100, 60, until=1_800_000_000)
    return replace(small_tenant(), access=replace(access(), grants=(*access().grants, used_up)))


def limited_tenant() -> Tenant:
    """Acme, where one more application has a plan that includes only some scopes."""
    reads = Grant("orders", "app-3", "subscription-3", "", "reading", 100, 60, scopes=("orders:read",))
    return replace(whole_tenant(), access=replace(access(), grants=(*access().grants, reads)))


def divided_tenant() -> Tenant:
    """Acme with every limit there is, divided among three gateways: a burst, an API's ceiling and the tenant's."""
    bursting = Grant("orders", "app-3", "subscription-3", "", "steady", 100, 60, burst=20)
    ceiling = replace(orders(upstream()), policies=Policies(max_calls=1_000, max_calls_seconds=60))
    held = replace(access(), grants=(*access().grants, bursting))
    return replace(small_tenant(), access=held, routes=(ceiling,), gateways=3, max_calls=500)


def mock_tenant() -> Tenant:
    """The same, where both APIs answer from examples, and a second version of one is blocked."""
    billing, active = whole_tenant().routes or ()
    bill = Answer(200, "application/json", '{"total": "100%"}')
    bills = (Operation("getBill", "GET", "/bills/{id}.pdf", answer=bill), Operation("askBill", "OPTIONS", "/bills/{id}.pdf", answer=bill))
    answers = (Answer(200, "text/csv", "a,b"), Answer(201), Answer(204))
    ordered = tuple(replace(each, answer=answer) for each, answer in zip(active.operations, answers, strict=True))
    mocked = replace(active, upstream=None, operations=ordered)
    return replace(
        whole_tenant(),
        routes=(
            replace(billing, upstream=None, operations=bills),
            replace(mocked, goodbye=Goodbye(1_700_000_000)),
            replace(mocked, name="v2", refusal="API_BLOCKED"),
        ),
    )


def opened_tenant() -> Tenant:
    """The same, where the next revision of each API is tried at an address of its own."""
    billing, active = whole_tenant().routes or ()
    target = upstream(9001, key="00112233445566ff", path="/next")
    return replace(whole_tenant(), routes=(billing, replace(billing, tested=2), active, replace(active, upstream=target, tested=3)))


def shared_tenant() -> Tenant:
    """Acme with an API whose calls four targets share over https, one of them empty, and one that has its only target checked."""
    shared = upstream(
        8443,
        key="aaaa456789abcdef",
        scheme="https",
        host="a.example",
        addresses=("192.0.2.1",),
        weight=80,
        further=(
            Target("a.example", 9443, 5, ("192.0.2.1",)),
            Target("b.example", 443, 15, ("192.0.2.2", "2001:db8::2", "2001:db8::3")),
            Target("192.0.2.9", 443, 0, ()),
        ),
        header="x-key",
        secret=b"s3cret",
        check=HealthCheck(path="/healthz", interval=30, timeout_ms=500, failures=2, successes=1, status="200-399"),
    )
    checked = upstream(key="bbbb456789abcdef", check=HealthCheck(path="/", status="204"))
    return replace(small_tenant(), routes=(orders(shared), replace(orders(checked), name="v2")))


def tried_tenant() -> Tenant:
    """A mock and a version with an upstream that name no origin, and one that does: people try all of them from the portal's pages."""
    billing, active = whole_tenant().routes or ()
    mocked = (mock_tenant().routes or ())[1]
    return replace(whole_tenant(), routes=(billing, active, replace(mocked, name="v2", goodbye=None)), portal=PORTAL)


def own_tenant() -> Tenant:
    """The small one under two hosts of its own, one of which has its certificate."""
    served = OwnHost("api.acme.example", "https://api.acme.example", "-----BEGIN CERTIFICATE-----\n", CLIENT_KEY)
    return replace(small_tenant(), own_hosts=(served, OwnHost("new.acme.example", "https://new.acme.example")))


def ai_tenant() -> Tenant:
    """Acme with an API of AI models beside its own: every kind of operation, rails, plans with limits, at a host of its own, too."""
    key = Key(
        "k1", "openai", "0123456789abcdef", "openai", "https", "api.openai.example", 443, ("192.0.2.1",), "/v1", "authorization", b"s3cret"
    )
    other = Key(
        "k2", "openai", "fedcba9876543210", "vllm", "http", "vllm.example", 8000, ("192.0.2.2",), "", "x-key", b"s3cret", usage=False
    )
    messages = Key(
        "k3", "anthropic", "0011223344556677", "anthropic", "https", "192.0.2.3", 443, ("192.0.2.3",), "/v1", "x-api-key", b"s3cret"
    )
    fast = Model(
        "fast",
        ((("k1", 60),), (("k2", 40),)),
        ((("k3", 1),),),
        (("anthropic", "c-4"), ("openai", 'gpt "4"'), ("vllm", "m")),
        30_000,
        60_000,
    )
    single = Model("openai/gpt-4o", ((("k1", 60), ("k2", 40)),), (), (("openai", "gpt-4o"), ("vllm", "gpt-4o")), 10_000, 20_000)
    prompt = Prompt(
        "summarize",
        "/summarize",
        "fast",
        (Variable("text", "string", True, None, (), 500), Variable("many", "integer", False, 3, ("3", "5"), 0)),
        (("system", 'In {{many}} "sentences".'), ("user", "{{text}}")),
        (("max_tokens", 200),),
    )
    rails = Rails(masks=("email",), patterns=(("ticket", "T%-%d+"),), blocked=("%f[%w]secret%f[%W]",), body_kib=256)
    operations = (
        Operation("chat", "POST", "/chat/completions"),
        Operation("messages", "POST", "/messages"),
        Operation("models", "GET", "/models"),
        Operation("summarize", "POST", "/summarize"),
    )
    llm = Version(
        "llm",
        "v1",
        None,
        operations,
        cors=("https://shop.example",),
        policies=replace(POLICIES, compress=True),
        ai=Ai((key, other, messages), (fast, single), (prompt,), rails),
    )
    grants = (
        *access().grants,
        Grant("llm", "app-1", "subscription-7", "", "all", 100, 60, tokens_per_minute=10_000),
        Grant("llm", "app-2", "subscription-8", "", "small", 100, 60, models=("fast",), max_tokens=500),
        Grant("llm", "app-3", "subscription-9", "BUDGET_EXCEEDED", "small", 100, 60, until=1_800_000_000, models=("fast",), max_tokens=500),
    )
    return replace(own_tenant(), access=replace(access(), grants=grants), routes=(llm, orders(upstream())))


def contents_tenant() -> Tenant:
    """The same API alone and without rails, whose log has what is asked and answered."""
    (llm, *_) = ai_tenant().routes or ()
    assert llm.ai is not None
    operations = tuple(each for each in llm.operations if each.path in {"/chat/completions", "/models", "/summarize"})
    kept = replace(llm.ai, rails=Rails(), content=Content(requests=True, answers=True))
    return replace(ai_tenant(), own_hosts=(), routes=(replace(llm, operations=operations, ai=kept),))


def readable(kind: type[Message], resource: Resource) -> str:
    """Text format with every Any opened that Python knows."""
    return text_format.MessageToString(kind.FromString(resource.body.value))


def logged_tenant() -> Tenant:
    """Acme, the log of one of whose APIs has some headers, and of one only that it was there."""
    return replace(small_tenant(), logged=Logged(("x-customer", "x-source"), ("x-answer",), ("x-customer",)))


def tools_tenant() -> Tenant:
    """Acme and its own host, with tools of one version; of the next, which may be called from some addresses only, there are none."""
    (active,) = small_tenant().routes or ()
    limited = replace(active, name="v2", policies=Policies(ip_allow=("203.0.113.0/24",)), mcp=True)
    everything = Grant(MCP_API, "app-1", "mcp", "", "mcp", 600, 60)
    held = replace(access(), grants=(everything, *access().grants))
    served = replace(own_tenant(), access=held, routes=(replace(active, mcp=True), limited))
    return replace(served, mcp=Mcp("unix:/run/portico/mcp.sock", b"s3cret"))


def tenant_files() -> dict[str, str]:
    found = compile_tenant(whole_tenant())
    files = {"routes": readable(configuration_pb2.RouteConfiguration, found.routes)}
    closed = compile_tenant(replace(whole_tenant(), routes=None))
    files["closed"] = readable(configuration_pb2.RouteConfiguration, closed.routes)
    suspended = compile_tenant(replace(whole_tenant(), suspended=True))
    files["suspended"] = readable(configuration_pb2.RouteConfiguration, suspended.routes)
    files["going"] = readable(configuration_pb2.RouteConfiguration, compile_tenant(going_tenant()).routes)
    files["mock"] = readable(configuration_pb2.RouteConfiguration, compile_tenant(mock_tenant()).routes)
    files["tested"] = readable(configuration_pb2.RouteConfiguration, compile_tenant(opened_tenant()).routes)
    files["tried"] = readable(configuration_pb2.RouteConfiguration, compile_tenant(tried_tenant()).routes)
    files["quota"] = readable(configuration_pb2.RouteConfiguration, compile_tenant(used_up_tenant()).routes)
    files["limited"] = readable(configuration_pb2.RouteConfiguration, compile_tenant(limited_tenant()).routes)
    own = compile_tenant(own_tenant())
    files["own"] = readable(configuration_pb2.RouteConfiguration, own.routes)
    (door,) = own.doors
    files["secret-own"] = readable(secret_pb2.Secret, door)
    files["scope-own"] = readable(scoped_route_pb2.ScopedRouteConfiguration, compile_scope("acme", host=door.name))
    files["logged"] = readable(configuration_pb2.RouteConfiguration, compile_tenant(logged_tenant()).routes)
    tools = compile_tenant(tools_tenant())
    files["tools"] = readable(configuration_pb2.RouteConfiguration, tools.routes)
    files["cluster-mcp"] = readable(cluster_pb2.Cluster, tools.clusters[-1])
    files["secret-mcp"] = readable(secret_pb2.Secret, tools.secrets[-1])
    files["divided"] = readable(configuration_pb2.RouteConfiguration, compile_tenant(divided_tenant()).routes)
    ai = compile_tenant(ai_tenant())
    files["ai"] = readable(configuration_pb2.RouteConfiguration, ai.routes)
    for each in ai.clusters[1:]:
        files["cluster-ai-" + each.name.split("/")[2]] = readable(cluster_pb2.Cluster, each)
    files["ai-contents"] = readable(configuration_pb2.RouteConfiguration, compile_tenant(contents_tenant()).routes)
    files["scope"] = readable(scoped_route_pb2.ScopedRouteConfiguration, compile_scope("acme"))
    for each in (*found.clusters, *compile_tenant(shared_tenant()).clusters):
        files["cluster-" + each.name.partition("/")[2][:4]] = readable(cluster_pb2.Cluster, each)
    for each in found.secrets:
        _slug, key, *of = each.name.split("/")
        files["-".join(["secret", key[:4], *of])] = readable(secret_pb2.Secret, each)
    return files


def files() -> dict[str, str]:
    limit = AddressLimit(calls=1_000, burst=5_000, kept=20_000)
    made = compile_listener(port=8080, address="127.0.0.1", portal_url="http://portal.example", per_address=limit)
    started = bootstrap(
        node="gateway-1",
        credential="a-credential",
        control="unix:/run/portico/control.sock",
        usage="usage.example:8003",
        admin="/run/portico/admin.sock",
        ca_file="/etc/ssl/ca.pem",
        connections=10_000,
        address="http://gateway.example",
    )
    secure = bootstrap(
        node="gateway-1",
        credential="a-token",
        control="control-1.example:9001 control-2.example:9001",
        usage="192.0.2.7:9002",
        admin="/run/portico/admin.sock",
        ca_file="/etc/ssl/ca.pem",
        connections=10_000,
        transport=Transport(
            ca_file="/etc/portico/ca.pem", cert_file="/etc/portico/own.pem", key_file="/etc/portico/own.key", sds_dir="/etc/portico"
        ),
    )
    tls, own = compile_tls_listener(
        port=8443,
        address="127.0.0.1",
        portal_url="http://portal.example",
        hosts=["gateway.example", "127.0.0.1"],
        certificate_file="/etc/portico/gateway.crt",
        key_file="/etc/portico/gateway.key",
    )
    assert own is not None
    texts = {**tenant_files(), "listener": readable(listener_pb2.Listener, made), "listener-tls": readable(listener_pb2.Listener, tls)}
    texts["secret-gateway"] = readable(secret_pb2.Secret, own)
    for draining in (False, True):
        ready = compile_ready(draining=draining)
        texts["draining" if draining else "ready"] = readable(configuration_pb2.RouteConfiguration, ready)
    texts["ready-scope"] = readable(scoped_route_pb2.ScopedRouteConfiguration, compile_ready_scope())
    return {
        **{f"{name}.textproto": text for name, text in texts.items()},
        "bootstrap.json": json.dumps(started, indent=2) + "\n",
        "bootstrap-tls.json": json.dumps(secure, indent=2) + "\n",
    }


def test_golden() -> None:
    made = files()
    if WRITE:
        for name, text in made.items():
            (GOLDEN / name).write_text(text)
    assert {path.name for path in GOLDEN.iterdir()} == set(made)
    for name, text in made.items():
        assert text == (GOLDEN / name).read_text(), f"{name} changed; read the difference, then write it anew."


def test_a_secret_stands_in_its_resource_alone() -> None:
    found = compile_tenant(whole_tenant())
    for each in (found.routes, *found.clusters):
        assert b"s3cret" not in each.body.value
        assert b"k3y" not in each.body.value
    header, client = found.secrets
    assert (b"s3cret" in header.body.value, CLIENT_KEY in client.body.value) == (True, True)
    assert base64.b64encode(b"s3cret") not in found.routes.body.value
    assert "k3y" not in repr(whole_tenant())


def test_a_providers_key_stands_in_its_resource_alone() -> None:
    found = compile_tenant(ai_tenant())
    assert len(found.clusters) == 4
    for each in (found.routes, *found.clusters):
        assert b"s3cret" not in each.body.value
    assert [each.name for each in found.secrets] == [each.name for each in found.clusters[1:]]
    assert all(b"s3cret" in each.body.value for each in found.secrets)
    assert "s3cret" not in repr(ai_tenant())


def test_what_is_asked_and_answered_is_a_step_more_and_nothing_else() -> None:
    """Where an API keeps nothing of it, its chains are as they were."""
    (llm,) = contents_tenant().routes or ()
    assert llm.ai is not None
    for each in (ai_chain.of_endpoint, ai_chain.of_prompt):
        made = [_steps_of(each, replace(llm.ai, content=content)) for content in (None, llm.ai.content)]
        assert list(made[0]) == [name for name in made[1] if name != "log"]
        assert all(made[0][name] == made[1][name] for name in made[0])
        names = list(made[1])
        assert names[names.index("log") + 1] == ("tokens" if each is ai_chain.of_endpoint else "answer")


def _steps_of(make: Callable[..., Any], whole: Ai) -> dict[str, bytes]:
    grants = (Grant("llm", "app-1", "subscription-7", "", "all", 100, 60),)
    more = {"format_": "openai", "outputs": True} if make is ai_chain.of_endpoint else {}
    of = () if more else (whole.prompts[0],)
    config = make(*of, whole, grants, slug="acme", portal="http://portal.example", **more)
    assert ai_chain.is_whole(config)
    filters = FilterChainConfigPerRoute.FromString(config.value).filter_chain.filters
    return {step.name: step.SerializeToString(deterministic=True) for step in filters}


def test_an_ai_apis_bytes_are_the_same_whatever_the_order() -> None:
    whole = ai_tenant()
    llm, other = whole.routes or ()
    assert llm.ai is not None
    mixed = replace(llm, operations=llm.operations[::-1], ai=replace(llm.ai, keys=llm.ai.keys[::-1], models=llm.ai.models[::-1]))
    again = replace(whole, routes=(other, mixed), access=replace(whole.access, grants=whole.access.grants[::-1]))
    assert compile_tenant(again) == compile_tenant(whole)


def many_grants() -> tuple[Grant, ...]:
    return tuple(Grant("orders", f"app-{n}", f"subscription-{n}", "" if n % 3 else "SUBSCRIPTION_PENDING", "p", 5, 1) for n in range(50))


def stirred(operation: Operation) -> Operation:
    """Its scopes the other way round, which needs the same."""
    return replace(operation, scopes=tuple(scopes[::-1] for scopes in operation.scopes[::-1]))


def test_the_same_bytes_whatever_the_order() -> None:
    keys = tuple(ApiKey(f"key-{n}", "" if n % 3 else "KEY_REVOKED") for n in range(30))
    many = replace(access(), grants=many_grants(), api_keys=keys, revoked_credentials=("a", "b", "c"), revoked_tokens=("d", "e", "f"))
    tenant = replace(whole_tenant(), access=many)
    assert tenant.routes is not None
    chance = random.Random(7)
    wanted = compile_tenant(tenant)
    for _ in range(5):
        versions = [replace(v, operations=tuple(map(stirred, chance.sample(v.operations, len(v.operations))))) for v in tenant.routes]
        chance.shuffle(versions)
        mixed = replace(
            tenant.access,
            grants=tuple(chance.sample(tenant.access.grants, 50)),
            api_keys=tuple(chance.sample(tenant.access.api_keys, 30)),
            revoked_credentials=tuple(chance.sample(tenant.access.revoked_credentials, 3)),
            revoked_tokens=tuple(chance.sample(tenant.access.revoked_tokens, 3)),
        )
        again = compile_tenant(replace(tenant, access=mixed, routes=tuple(versions)))
        assert again == wanted
        assert again.digest == wanted.digest


# What fails open is refused


def compiled() -> configuration_pb2.RouteConfiguration:
    """With headers in logs, policies, ceilings, somebody over the quota, a plan for readers alone: every step of the chain."""
    grants = (*used_up_tenant().access.grants, Grant("orders", "app-4", "subscription-4", "", "reading", 100, 60, scopes=("orders:read",)))
    return routes.configuration(
        replace(
            used_up_tenant(),
            access=replace(access(), grants=grants),
            routes=(
                replace(orders(upstream()), policies=replace(POLICIES, max_calls=1_000)),
                replace(orders(upstream()), name="v2", mcp=True),
            ),
            mcp=Mcp("unix:/run/portico/mcp.sock", b"s3cret"),
            max_calls=500,
            logged=logged_tenant().logged,
        )
    )


def without_gate(whole: configuration_pb2.RouteConfiguration) -> None:
    del whole.typed_per_filter_config[GATE]


def gate_off(whole: configuration_pb2.RouteConfiguration) -> None:
    whole.typed_per_filter_config[GATE].CopyFrom(OFF)


def guard_off(whole: configuration_pb2.RouteConfiguration) -> None:
    whole.typed_per_filter_config[GUARD].CopyFrom(OFF)


def every_domain(whole: configuration_pb2.RouteConfiguration) -> None:
    whole.virtual_hosts[0].domains.append("*")


def a_way_in_for_every_host(whole: configuration_pb2.RouteConfiguration) -> None:
    whole.virtual_hosts[1].routes.insert(0, route(direct_response=route_pb2.DirectResponseAction(status=200)))


def host_off(whole: configuration_pb2.RouteConfiguration) -> None:
    whole.virtual_hosts[0].typed_per_filter_config[GATE].CopyFrom(OFF)


def route(**fields: object) -> route_pb2.Route:
    return route_pb2.Route(name="r", match=route_pb2.RouteMatch(prefix="/"), **fields)


def passed_on(**config: object) -> route_pb2.Route:
    return route(route=route_pb2.RouteAction(cluster="c"), typed_per_filter_config=config)


def both_off_with_a_cluster(whole: configuration_pb2.RouteConfiguration) -> None:
    whole.virtual_hosts[0].routes.append(passed_on(**{GATE: OFF, GUARD: OFF}))


def an_example_for_everybody(whole: configuration_pb2.RouteConfiguration) -> None:
    route = whole.virtual_hosts[0].routes.add(name="op/getBill", typed_per_filter_config={GATE: OFF, GUARD: OFF})
    route.direct_response.status = 200
    route.direct_response.body.inline_string = "{}"


def gate_off_on_a_route(whole: configuration_pb2.RouteConfiguration) -> None:
    whole.virtual_hosts[0].routes.append(passed_on(**{GATE: OFF}))


def other_filter_on_an_answer(whole: configuration_pb2.RouteConfiguration) -> None:
    answer = route(direct_response=route_pb2.DirectResponseAction(status=200), typed_per_filter_config={"cors": OFF})
    whole.virtual_hosts[0].routes.append(answer)


def shared(change: Callable[[cors_pb2.CorsPolicy], None]) -> Callable[[configuration_pb2.RouteConfiguration], None]:
    """A route whose policy is one that the compiler makes, but for this."""

    def spoil(whole: configuration_pb2.RouteConfiguration) -> None:
        policy = cors.policy(["https://shop.example"], ["GET"])
        change(policy)
        whole.virtual_hosts[0].routes.append(passed_on(**{CORS: packed(policy)}))

    return spoil


def every_origin_by_a_prefix(policy: cors_pb2.CorsPolicy) -> None:
    policy.allow_origin_string_match[0].prefix = "https://"


def no_origin_named(policy: cors_pb2.CorsPolicy) -> None:
    del policy.allow_origin_string_match[:]


def credentials_lent(policy: cors_pb2.CorsPolicy) -> None:
    policy.allow_credentials.value = True


def into_private_networks(policy: cors_pb2.CorsPolicy) -> None:
    policy.allow_private_network_access.value = True


def every_method(policy: cors_pb2.CorsPolicy) -> None:
    policy.allow_methods = "*"


def every_header(policy: cors_pb2.CorsPolicy) -> None:
    policy.allow_headers = "*"


def strangers_answered(policy: cors_pb2.CorsPolicy) -> None:
    policy.forward_not_matching_preflights.value = False


def watched_only(policy: cors_pb2.CorsPolicy) -> None:
    policy.shadow_enabled.default_value.numerator = 100


def nowhere_that_leads_on(whole: configuration_pb2.RouteConfiguration) -> None:
    found = refused_nowhere()
    found.route.cluster = "acme/0123456789abcdef"
    whole.virtual_hosts[0].routes.append(found)


def nowhere_with_a_mirror(whole: configuration_pb2.RouteConfiguration) -> None:
    found = refused_nowhere()
    found.route.request_mirror_policies.add(cluster="acme/0123456789abcdef")
    whole.virtual_hosts[0].routes.append(found)


def identity_of_its_own(whole: configuration_pb2.RouteConfiguration) -> None:
    found = passed_on()
    found.request_headers_to_add.add().header.key = "X-Portico-Plan"
    whole.virtual_hosts[0].routes.append(found)


def refused_nowhere() -> route_pb2.Route:
    policy = packed(cors.policy(["https://shop.example"], ["GET"]))
    return route(route=LEADS_NOWHERE, typed_per_filter_config={GATE: OFF, GUARD: OFF, CORS: policy})


def change_steps(change: Callable[[list[Any]], None]) -> Callable[[configuration_pb2.RouteConfiguration], None]:
    def spoil(whole: configuration_pb2.RouteConfiguration) -> None:
        found = FilterChainConfigPerRoute.FromString(whole.typed_per_filter_config[GATE].value)
        filters = found.filter_chain.filters
        steps = list(filters)
        change(steps)
        del filters[:]
        filters.extend(steps)
        whole.typed_per_filter_config[GATE].CopyFrom(packed(found))

    return spoil


def change_config(name: str, kind: type[M], change: Callable[[M], None]) -> Callable[[configuration_pb2.RouteConfiguration], None]:
    """Every step is there, and one of them does not do what it is there for."""

    def spoil(steps: list[Any]) -> None:
        step = next(each for each in steps if each.name == name)
        config = kind.FromString(step.typed_config.value)
        change(config)
        step.typed_config.CopyFrom(packed(config))

    return change_steps(spoil)


def notes_elsewhere(config: Any) -> None:
    config.request_rules[1].on_header_present.metadata_namespace = JWT


def notes_answers_elsewhere(config: Any) -> None:
    config.response_rules[0].on_header_present.metadata_namespace = ""


def notes_what_is_missing(config: Any) -> None:
    config.request_rules[0].on_header_missing.metadata_namespace = RBAC


def no_rule_for_the_rest(config: Any) -> None:
    config.rules[0].match.prefix = "/acme/orders"


def an_open_rule_first(config: Any) -> None:
    config.rules.insert(0, jwt_pb2.RequirementRule(match=route_pb2.RouteMatch(prefix="/acme/open")))


def no_requirement(config: Any) -> None:
    config.rules[0].ClearField("requires")


def a_token_may_be_missing(config: Any) -> None:
    config.rules[0].requires.allow_missing.SetInParent()


def one_may_be_missing(config: Any) -> None:
    config.rules[0].requires.requires_any.requirements.add().allow_missing.SetInParent()


def a_provider_of_nobodys(config: Any) -> None:
    config.providers["other"].CopyFrom(config.providers["token"])


def no_provider(config: Any) -> None:
    config.providers.clear()
    config.rules[0].CopyFrom(credentials.everywhere(()))


def provider(name: str, change: Callable[[Any], object]) -> Callable[[configuration_pb2.RouteConfiguration], None]:
    """One that verifies less than it should."""

    def spoil(config: Any) -> None:
        change(config.providers[name])

    return change_config("verify", jwt_pb2.JwtAuthentication, spoil)


def lets_unknown_keys_pass(config: Any) -> None:
    config.matcher.matcher_tree.exact_match_map.map["ak+jwt"].matcher.on_no_match.CopyFrom(rbac.verdict("works"))


def looks_no_key_up(config: Any) -> None:
    config.matcher.matcher_tree.exact_match_map.map["ak+jwt"].CopyFrom(rbac.verdict("works"))


def lets_other_kinds_pass(config: Any) -> None:
    config.matcher.on_no_match.CopyFrom(rbac.verdict("whatever"))


def lets_pass_what_the_plan_lacks(config: Any) -> None:
    config.matcher.matcher_tree.exact_match_map.map["orders/app-4"].matcher.on_no_match.CopyFrom(rbac.verdict("whatever"))


def forgets(key: str) -> Callable[[configuration_pb2.RouteConfiguration], None]:
    """What a table looks up is nowhere, so nothing is found."""

    def spoil(config: Any) -> None:
        kept = [value for value in config.on_request_headers if value.object_key != key]
        del config.on_request_headers[:]
        config.on_request_headers.extend(kept)

    return change_config("caller", set_filter_state_pb2.Config, spoil)


def preflights_pass(config: Any) -> None:
    config.bypass_cors_preflight = True


def allows_by_default(config: Any) -> None:
    config.matcher.on_no_match.CopyFrom(rbac.verdict("anybody"))


def no_default(config: Any) -> None:
    config.matcher.ClearField("on_no_match")


def shadow_only(config: Any) -> None:
    config.shadow_rules.CopyFrom(config.rules)
    config.ClearField("rules")


def looks_no_api_up(config: Any) -> None:
    del config.matcher.matcher_tree.exact_match_map.map["orders"]


def marks_nothing(config: Any) -> None:
    config.on_request_headers[0].object_key = "portico.elsewhere"


def marks_early(config: Any) -> None:
    config.on_request_headers[0].object_key = PASSED


def to_the_service() -> route_pb2.Route:
    """As the compiler makes it."""
    return next(mcp.entries(tools_tenant(), "/acme")).route


def a_credential_to_an_upstream(whole: configuration_pb2.RouteConfiguration) -> None:
    found = to_the_service()
    found.route.cluster = "acme/0123456789abcdef"
    whole.virtual_hosts[0].routes.append(found)


def a_credential_in_an_answer(whole: configuration_pb2.RouteConfiguration) -> None:
    found = passed_on()
    found.response_headers_to_add.add(header=to_the_service().request_headers_to_add[0].header)
    whole.virtual_hosts[0].routes.append(found)


def a_credential_to_a_mirror(whole: configuration_pb2.RouteConfiguration) -> None:
    found = to_the_service()
    found.route.request_mirror_policies.add(cluster="acme/0123456789abcdef")
    whole.virtual_hosts[0].routes.append(found)


def another_credential_handed_on(whole: configuration_pb2.RouteConfiguration) -> None:
    """One that the caller could choose, and that the chain does not verify."""
    change = set_filter_state_pb2.Config.FromString
    at = chain.STEPS.index("handed")
    per_route = FilterChainConfigPerRoute.FromString(whole.typed_per_filter_config[GATE].value)
    step = per_route.filter_chain.filters[at]
    found = change(step.typed_config.value)
    found.on_request_headers[0].format_string.text_format_source.inline_string = f"%REQ({HANDED_HEADER})%"
    step.typed_config.value = found.SerializeToString()
    whole.typed_per_filter_config[GATE].value = per_route.SerializeToString()


SPOILT: dict[str, Callable[[configuration_pb2.RouteConfiguration], None]] = {
    "no rule for the rest": change_config("verify", jwt_pb2.JwtAuthentication, no_rule_for_the_rest),
    "an open rule first": change_config("verify", jwt_pb2.JwtAuthentication, an_open_rule_first),
    "no requirement": change_config("verify", jwt_pb2.JwtAuthentication, no_requirement),
    "a token may be missing": change_config("verify", jwt_pb2.JwtAuthentication, a_token_may_be_missing),
    "one may be missing": change_config("verify", jwt_pb2.JwtAuthentication, one_may_be_missing),
    "a provider of nobody's": change_config("verify", jwt_pb2.JwtAuthentication, a_provider_of_nobodys),
    "no provider": change_config("verify", jwt_pb2.JwtAuthentication, no_provider),
    "tokens without an end": provider("token", lambda each: each.ClearField("require_expiration")),
    "API keys without an end": provider("key", lambda each: each.ClearField("require_expiration")),
    "tokens that live for years": provider("token", lambda each: each.ClearField("max_lifetime")),
    "tokens of any issuer": provider("token", lambda each: each.ClearField("issuer")),
    "tokens in the query": provider("token", lambda each: each.from_params.append("access_token")),
    "API keys in cookies": provider("key", lambda each: each.from_cookies.append("key")),
    "tokens at Envoy's own places": provider("token", lambda each: each.ClearField("from_headers")),
    "keys from elsewhere": provider("key", lambda each: each.remote_jwks.SetInParent()),
    "an API key passes for a token": provider("key", lambda each: setattr(each, "header_in_metadata", "token_h")),
    "claims that nobody looks at": provider("key", lambda each: setattr(each, "payload_in_metadata", "elsewhere")),
    "preflights pass": change_config("verify", jwt_pb2.JwtAuthentication, preflights_pass),
    "two credentials in the shadow": change_config("two_credentials", rbac_pb2.RBAC, shadow_only),
    "scopes in the shadow": change_config("scope_missing", rbac_pb2.RBAC, shadow_only),
    "unknown API keys pass": change_config("in_force", rbac_pb2.RBAC, lets_unknown_keys_pass),
    "no API key is looked up": change_config("in_force", rbac_pb2.RBAC, looks_no_key_up),
    "other kinds pass": change_config("in_force", rbac_pb2.RBAC, lets_other_kinds_pass),
    **{f"{key} is not remembered": forgets(key) for key in (CALLED_API, CREDENTIAL, KEY_TYPE, NEEDED, TOKEN_ID)},
    "wrong kind in the shadow": change_config("token_wrong_kind", rbac_pb2.RBAC, shadow_only),
    "wrong audience in the shadow": change_config("token_wrong_audience", rbac_pb2.RBAC, shadow_only),
    "anybody is granted": change_config("granted", rbac_pb2.RBAC, allows_by_default),
    "more than a plan includes": change_config("granted", rbac_pb2.RBAC, lets_pass_what_the_plan_lacks),
    "no default": change_config("granted", rbac_pb2.RBAC, no_default),
    "another kind of step": change_config("granted", rbac_pb2.RBAC, lambda config: config.Clear()),
    "sizes in the shadow": change_config("request_too_large", rbac_pb2.RBAC, shadow_only),
    "lengths in the shadow": change_config("length_required", rbac_pb2.RBAC, shadow_only),
    "lists that no call is held to": change_config("addresses", rbac_pb2.RBAC, looks_no_api_up),
    "another kind of step for addresses": change_config("addresses", rbac_pb2.RBAC, lambda config: config.Clear()),
    "a header in place of a claim": change_config("logged", header_to_metadata_pb2.Config, notes_elsewhere),
    "an answer's header in its place": change_config("logged", header_to_metadata_pb2.Config, notes_answers_elsewhere),
    "no header in its place": change_config("logged", header_to_metadata_pb2.Config, notes_what_is_missing),
    "marks nothing": change_config("mark", set_filter_state_pb2.Config, marks_nothing),
    "marks early": change_config("caller", set_filter_state_pb2.Config, marks_early),
}
SABOTAGE: dict[str, Callable[[configuration_pb2.RouteConfiguration], None]] = {
    "no chain": without_gate,
    "gate off": gate_off,
    "guard off": guard_off,
    "every domain": every_domain,
    "a way in for every host": a_way_in_for_every_host,
    "host off": host_off,
    "both off with a cluster": both_off_with_a_cluster,
    "gate off on a route": gate_off_on_a_route,
    "an example for everybody": an_example_for_everybody,
    "another filter on an answer": other_filter_on_an_answer,
    "every origin by a prefix": shared(every_origin_by_a_prefix),
    "no origin named": shared(no_origin_named),
    "credentials lent": shared(credentials_lent),
    "into private networks": shared(into_private_networks),
    "every method": shared(every_method),
    "every header": shared(every_header),
    "strangers answered": shared(strangers_answered),
    "watched only": shared(watched_only),
    "an identity of its own": identity_of_its_own,
    "nowhere that leads on": nowhere_that_leads_on,
    "nowhere with a mirror": nowhere_with_a_mirror,
    "empty chain": change_steps(lambda steps: steps.clear()),
    "mark first": change_steps(lambda steps: steps.insert(0, steps.pop())),
    **SPOILT,
    "twice": change_steps(lambda steps: steps.append(steps[0])),
    **{
        f"without {name}": change_steps(lambda steps, at=at: steps.pop(at))  # type: ignore[misc]
        for at, name in enumerate(chain.STEPS)
        if name not in chain.OPTIONAL
    },
    "a credential to an upstream": a_credential_to_an_upstream,
    "a credential in an answer": a_credential_in_an_answer,
    "a credential to a mirror": a_credential_to_a_mirror,
    "another credential handed on": another_credential_handed_on,
    "an optional step elsewhere": change_steps(lambda steps: steps.insert(0, steps.pop(chain.STEPS.index("addresses")))),
}


def test_the_service_alone_is_told_credentials() -> None:
    whole = compiled()
    whole.virtual_hosts[0].routes.append(to_the_service())
    guard(whole)
    found = compile_tenant(tools_tenant())
    assert b"s3cret" not in b"".join(each.body.value for each in (found.routes, *found.clusters))
    assert "s3cret" not in repr(tools_tenant())


def test_an_operation_that_would_answer_there_stands_in_the_way() -> None:
    active, limited = tools_tenant().routes or ()
    assert (mcp.takes(active), mcp.takes(limited), mcp.takes(replace(active, tested=2))) == (True, False, False)
    assert not mcp.takes(replace(active, operations=(Operation("any", "GET", "/{anything}"),)))


def test_what_the_compiler_makes_passes() -> None:
    guard(compiled())
    guard(routes.configuration(replace(small_tenant(), routes=())))
    guard(routes.configuration(replace(small_tenant(), routes=None)))
    guard(routes.configuration(mock_tenant()))
    # Without API keys, and without anything but API keys.
    guard(routes.configuration(replace(small_tenant(), access=replace(access(), api_key_jwks=()))))
    guard(routes.configuration(replace(small_tenant(), access=replace(access(), jwks=()))))


PORTALS: dict[str, Callable[[cors_pb2.CorsPolicy], None]] = {
    "another origin beside it": lambda policy: policy.allow_origin_string_match.add(exact="https://evil.example"),
    "all that begin so": lambda policy: setattr(policy.allow_origin_string_match[0], "prefix", "https://portal.example"),
    "credentials lent": credentials_lent,
    "into private networks": into_private_networks,
    "strangers answered": strangers_answered,
    "every method": every_method,
}


@pytest.mark.parametrize("wider", PORTALS)
def test_the_portals_pages_alone_may_call_what_names_no_origin(wider: str) -> None:
    whole = routes.configuration(tried_tenant())
    guard(whole, portal=PORTAL)
    for other in ("", "https://other.example"):
        with pytest.raises(FailsOpen, match="more pages than the portal"):
            guard(whole, portal=other)
    policy = cors.portal_policy(PORTAL, METHODS)
    PORTALS[wider](policy)
    whole.typed_per_filter_config[CORS].CopyFrom(packed(policy))
    with pytest.raises(FailsOpen, match="more pages than the portal"):
        guard(whole, portal=PORTAL)


def test_every_origin_is_not_the_portals() -> None:
    whole = routes.configuration(tried_tenant())
    whole.typed_per_filter_config[CORS].CopyFrom(packed(cors.portal_policy("*", METHODS)))
    with pytest.raises(FailsOpen):
        guard(whole, portal="*")


def test_steps_that_no_policy_needs_are_left_out() -> None:
    def steps(whole: configuration_pb2.RouteConfiguration) -> list[str]:
        found = FilterChainConfigPerRoute.FromString(whole.typed_per_filter_config[GATE].value)
        return [step.name for step in found.filter_chain.filters]

    assert steps(compiled()) == list(chain.STEPS)
    assert steps(routes.configuration(small_tenant())) == [name for name in chain.STEPS if name not in chain.OPTIONAL]


def test_pages_of_other_origins_need_the_chain_too() -> None:
    whole = compiled()
    shared(lambda _: None)(whole)
    whole.virtual_hosts[0].routes.append(refused_nowhere())
    guard(whole)
    without_gate(whole)
    whole.virtual_hosts[0].ClearField("matcher")
    with pytest.raises(FailsOpen):
        guard(whole)


@pytest.mark.parametrize("name", SABOTAGE)
def test_what_fails_open_is_refused(name: str) -> None:
    whole = compiled()
    SABOTAGE[name](whole)
    with pytest.raises(FailsOpen):
        guard(whole)


def test_a_closed_configuration_reaches_nothing() -> None:
    whole = routes.configuration(replace(small_tenant(), routes=None))
    assert len(whole.virtual_hosts) == 2
    assert {each.WhichOneof("action") for host in whole.virtual_hosts for each in host.routes} == {"direct_response"}
    whole.virtual_hosts[0].routes.append(passed_on())
    with pytest.raises(FailsOpen):
        guard(whole)


def test_operations_of_one_base_cannot_configure_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Routes within the matcher are looked at one by one, before they are packed into it."""
    made = routes._route

    def sabotaged(*args: object) -> route_pb2.Route:
        found = made(*args)  # type: ignore[arg-type]
        found.typed_per_filter_config[GUARD].CopyFrom(OFF)
        return found

    monkeypatch.setattr(routes, "_route", sabotaged)
    with pytest.raises(FailsOpen):
        compiled()
