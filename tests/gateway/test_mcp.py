"""APIs as tools for agents, by the official SDK: a real Envoy, the service behind it, and an upstream that counts."""

import asyncio
import base64
import contextlib
import http.client
import http.server
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from django.conf import settings
from django.db import connections
from django.test import Client as DjangoClient
from mcp import Client
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from apis.actions import mcp_servers, policies, subscriptions
from apis.models import ApiVersion
from gateway import explaining
from gateway.models import UsageMinute
from keys import tokens
from tenants.roles import permissions_of
from tests import live, make, secrets_search
from tests.gateway.test_own_hosts import called, name, opened, shaken
from tests.live import Gateway, Shop, Upstream

ERAS = ("auto", "legacy")
LIST, GET, CREATE = {"operation": "listOrders"}, {"operation": "getOrder", "name": "get_order"}, {"operation": "createOrder"}
ACCEPT = [("accept", "application/json, text/event-stream"), ("content-type", "application/json")]
RICH: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Orders", "version": "1"},
    "paths": {
        "/orders/{id}": {
            "put": {
                "operationId": "putOrder",
                "summary": "Change an order.",
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
                    {"name": "notify", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
                    {"name": "X-Reason", "in": "header", "schema": {"type": "string"}},
                    {"name": "Authorization", "in": "header", "schema": {"type": "string"}},
                ],
                "requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}},
                "responses": {"200": {"description": "The order"}},
            },
        },
        "/large": {"get": {"operationId": "getLarge", "responses": {"200": {"description": "Much"}}}},
        "/missing": {"get": {"operationId": "getMissing", "responses": {"200": {"description": "Nothing"}}}},
    },
    "components": {"schemas": {"Order": {"type": "object", "required": ["sku"], "properties": {"sku": {"type": "string"}}}}},
}


@dataclass
class Told:
    """What an agent found: its tools by name, and for each call whether it failed and its text."""

    tools: dict[str, Any] = field(default_factory=dict)
    calls: list[tuple[bool, str]] = field(default_factory=list)


@pytest.fixture
def agents(gateway: Gateway) -> Gateway:
    """A gateway with the service that speaks MCP."""
    gateway.environment["PORTICO_MCP_GATEWAY"] = f"http://{live.HOST}:{gateway.port}"
    if "mcp" not in gateway.parts:
        gateway.begin_and_wait("mcp")
    return gateway


@pytest.fixture
def shop(upstream: Upstream) -> Shop:
    return live.shop(upstream)


def switch_on(shop: Shop, *chosen: Mapping[str, str], api: str = "orders", enabled: bool = True) -> None:
    with shop.scope():
        version = ApiVersion.objects.select_related("api").get(api__slug=api)
        event = mcp_servers.put(version, enabled=enabled, chosen=chosen, by=shop.person("publisher"))
    assert event is not None
    if event.kind != "mcp.changed":
        shop.enforced(event)


class Portal(httpx2.AsyncBaseTransport):
    """Portico's pages, without a server between."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = await request.aread()

        def ask() -> httpx2.Response:
            kept = {name: value for name, value in request.headers.items() if name not in {"host", "content-length"}}
            kind = kept.pop("content-type", "application/octet-stream")
            try:
                answer = DjangoClient().generic(request.method, request.url.raw_path.decode(), body, content_type=kind, headers=kept)
            finally:
                connections.close_all()
            return httpx2.Response(answer.status_code, headers=dict(answer.items()), content=answer.content)

        return await asyncio.to_thread(ask)


@contextlib.asynccontextmanager
async def connected(url: str, mode: str, **more: Any) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(timeout=live.DEADLINE, **more) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


def agent(
    gateway: Gateway, path: str, headers: Mapping[str, str], calls: Sequence[tuple[str, Any]] = (), *, mode: str = "auto", **more: Any
) -> Told:
    gateway.loads(path.split("/")[1])

    async def work() -> Told:
        found = Told()
        async with connected(f"http://{live.HOST}:{gateway.port}{path}", mode, headers=dict(headers), **more) as client:
            found.tools = {each.name: each for each in (await client.list_tools()).tools}
            for called_as, arguments in calls:
                try:
                    result = await client.call_tool(called_as, arguments)
                    found.calls.append((result.is_error, "\n".join(getattr(each, "text", "") for each in result.content)))
                except MCPError as error:
                    found.calls.append((True, f"error: {error}"))
        return found

    return asyncio.run(work())


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def message(method: str, params: Mapping[str, Any] | None = None) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}).encode()


def list_of(gateway: Gateway, path: str, token: str) -> list[str]:
    answer = gateway.call(path, token, method="POST", headers=ACCEPT, body=message("tools/list"))
    assert answer.status == 200, str(answer)
    return [each["name"] for each in answer.json["result"]["tools"]]


@pytest.mark.parametrize("mode", ERAS)
def test_an_agent_lists_and_calls_the_tools_of_an_api(agents: Gateway, shop: Shop, upstream: Upstream, mode: str) -> None:
    carl = shop.client()
    with shop.scope():
        _, key = make.api_key(carl.application)
    switch_on(shop, LIST, GET)
    path = shop.path("/mcp")
    for credential in (bearer(carl.token()), bearer(key), {"x-api-key": key}):
        before = len(upstream.seen)
        found = agent(agents, path, credential, [("get_order", {"id": "5 & 7"}), ("createOrder", {})], mode=mode)
        assert list(found.tools) == ["listOrders", "get_order"]
        assert found.tools["get_order"].input_schema["required"] == ["id"]
        (failed, text), (refused, why) = found.calls
        assert (failed, refused) == (False, True)
        seen = json.loads(text)
        assert (seen["method"], seen["path"]) == ("GET", "/orders/5%20%26%207")
        assert seen["headers"]["x-portico-application"] == carl.client_id
        assert "There is no tool 'createOrder'" in why
        assert len(upstream.seen) == before + 1, "a tool that is not switched on calls nothing"


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_there_are_no_streams_and_no_sessions(agents: Gateway, shop: Shop, method: str) -> None:
    switch_on(shop, LIST)
    carl = shop.client()
    for path in (shop.path("/mcp"), f"/{shop.slug}/mcp"):
        answer = agents.settles(405, "METHOD_NOT_ALLOWED", path, carl.token(), method=method)
        assert (answer.headers["allow"], answer.json["code"]) == ("POST", "METHOD_NOT_ALLOWED")


def test_whoever_has_not_subscribed_reaches_no_tool(agents: Gateway, shop: Shop, upstream: Upstream) -> None:
    shop.add_api("billing")
    switch_on(shop, GET)
    switch_on(shop, GET, api="billing")
    carl = shop.client()
    billing = shop.path("/mcp", api="billing")
    answer = agents.settles(403, "SUBSCRIPTION_REQUIRED", billing, carl.token(), method="POST", headers=ACCEPT, body=message("tools/list"))
    assert answer.headers["content-type"] == "application/problem+json"
    everything = f"/{shop.slug}/mcp"
    before = len(upstream.seen)
    calls = [("billing_v1_get_order", {"id": "1"}), ("orders_v1_get_order", {"id": "1"})]
    found = agent(agents, everything, bearer(carl.token()), calls)
    assert list(found.tools) == ["orders_v1_get_order"]
    assert [failed for failed, _ in found.calls] == [True, False]
    assert "There is no tool" in found.calls[0][1]
    assert [each.path for each in upstream.seen[before:]] == ["/orders/1"]
    # Nobody in particular: no subscription to anything.
    nobody = shop.client(status="")
    agents.settles(403, "SUBSCRIPTION_REQUIRED", everything, nobody.token(), method="POST", headers=ACCEPT, body=message("tools/list"))


@pytest.mark.parametrize("mode", ERAS)
def test_one_address_has_the_tools_of_all_subscribed_apis(agents: Gateway, shop: Shop, upstream: Upstream, mode: str) -> None:
    shop.add_api("billing")
    switch_on(shop, LIST, GET)
    switch_on(shop, {**CREATE, "name": "new"}, api="billing")
    carl = shop.client()
    everything = f"/{shop.slug}/mcp"
    agents.settles(200, "", everything, carl.token(), method="POST", headers=ACCEPT, body=message("tools/list"))
    assert list_of(agents, everything, carl.token()) == ["orders_v1_listOrders", "orders_v1_get_order"]
    shop.subscribe(carl, shop.plan("billing"))
    shop.enforced_newest()
    found = agent(agents, everything, bearer(carl.token()), [("billing_v1_new", {}), ("orders_v1_listOrders", {})], mode=mode)
    assert list(found.tools) == ["billing_v1_new", "orders_v1_listOrders", "orders_v1_get_order"]
    assert [failed for failed, _ in found.calls] == [False, False]


def test_a_suspension_counts_within_a_second(agents: Gateway, shop: Shop, upstream: Upstream) -> None:
    switch_on(shop, GET)
    carl = shop.client()
    everything, own = f"/{shop.slug}/mcp", shop.path("/mcp")
    call = message("tools/call", {"name": "get_order", "arguments": {"id": "1"}})
    agents.settles(200, "", own, carl.token(), method="POST", headers=ACCEPT, body=call)
    agents.settles(200, "", everything, carl.token(), method="POST", headers=ACCEPT, body=message("tools/list"))
    shop.does(subscriptions.suspend, carl.subscription, reason="A test.", by=shop.person("approver"))
    began = time.monotonic()
    answer = agents.call(everything, carl.token(), method="POST", headers=ACCEPT, body=message("tools/list"))
    assert answer.status == 403 or answer.json["result"]["tools"] == [], str(answer)
    agents.settles(403, "SUBSCRIPTION_SUSPENDED", own, carl.token(), method="POST", headers=ACCEPT, body=call)
    agents.settles(403, "SUBSCRIPTION_REQUIRED", everything, carl.token(), method="POST", headers=ACCEPT, body=message("tools/list"))
    assert time.monotonic() - began < 1
    before = len(upstream.seen)
    agents.call(own, carl.token(), method="POST", headers=ACCEPT, body=call)
    assert len(upstream.seen) == before


def _refused(gateway: Gateway, path: str, token: str) -> bool:
    return gateway.call(path, token, method="POST", headers=ACCEPT, body=message("tools/list")).status == 403


def test_switched_off_there_is_nothing(agents: Gateway, shop: Shop) -> None:
    switch_on(shop, GET, LIST)
    carl = shop.client()
    own, everything = shop.path("/mcp"), f"/{shop.slug}/mcp"
    agents.settles(200, "", own, carl.token(), method="POST", headers=ACCEPT, body=message("tools/list"))
    switch_on(shop, LIST)
    assert list_of(agents, own, carl.token()) == ["listOrders"], "a change is there with the next list"
    switch_on(shop, LIST, enabled=False)
    for path in (everything, own):
        gone = agents.settles(404, "NO_SUCH_ROUTE", path, carl.token(), method="POST", headers=ACCEPT, body=message("tools/list"))

    def explained() -> explaining.Explanation:
        pam = shop.person("publisher")
        with shop.scope():
            found = explaining.find(gone.headers["x-request-id"], user=pam, permissions=permissions_of(["publisher"]))
            assert found is not None
            return explaining.explain(found, user=pam, permissions=permissions_of(["publisher"]))

    because = live.eventually(explained)
    assert (because.event and because.event.kind, "while they are switched on" in because.fact) == ("mcp.switched_off", True)


def test_nobody_can_say_who_they_are(agents: Gateway, shop: Shop, upstream: Upstream) -> None:
    """Each header that the gateway speaks to the service in, sent by a caller: Dora stays Dora."""
    shop.add_api("billing")
    switch_on(shop, GET)
    switch_on(shop, GET, api="billing")
    carl, dora = shop.client(), shop.client(api="billing")
    spoofed = {
        "x-portico-application": carl.client_id,
        "x-portico-credential": f"Bearer {carl.token()} -",
        "x-portico-gateway": "guessed",
        "x-portico-tenant": "acme",
        "x-portico-subscription": str(carl.subscription and carl.subscription.pk),
    }
    everything = f"/{shop.slug}/mcp"
    before = len(upstream.seen)
    found = agent(agents, everything, {**bearer(dora.token()), **spoofed}, [("billing_v1_get_order", {"id": "1"})])
    assert list(found.tools) == ["billing_v1_get_order"]
    assert [each.headers["x-portico-application"] for each in upstream.seen[before:]] == [dora.client_id]
    assert not any("x-portico-credential" in each.headers or "x-portico-gateway" in each.headers for each in upstream.seen[before:])
    # Without a credential of her own, Carl's in the header is none.
    headers = [*ACCEPT, *spoofed.items()]
    agents.settles(401, "TOKEN_MISSING", everything, method="POST", headers=headers, body=message("tools/list"))
    # Neither is what an upstream is told ever an answer.
    answer = agents.call(shop.path("/orders/1"), carl.token(), headers=list(spoofed.items()))
    assert (answer.json["headers"].get("x-portico-credential"), answer.json["headers"]["x-portico-application"]) == (None, carl.client_id)


def test_eve_of_another_tenant_reaches_nothing(agents: Gateway, shop: Shop, upstream: Upstream) -> None:
    globex = live.shop(upstream)
    switch_on(shop, GET)
    switch_on(globex, GET)
    eve = globex.client()
    for path in (shop.path("/mcp"), f"/{shop.slug}/mcp"):
        answer = agents.settles(401, "TOKEN_INVALID", path, eve.token(), method="POST", headers=ACCEPT, body=message("tools/list"))
        assert "resource_metadata=" in answer.headers["www-authenticate"]
    assert list_of(agents, f"/{globex.slug}/mcp", eve.token()) == ["orders_v1_get_order"]


def test_what_plan_or_token_leave_out_is_not_listed_and_refused_by_the_chain(agents: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream, api=False)
    shop.add_api("orders", content=make.SCOPED)
    switch_on(shop, LIST, CREATE)
    carl, reader = shop.client(), shop.client(plan=shop.plan(name="reading", scopes=["orders:read"]))
    with shop.scope():
        _, key = make.api_key(carl.application)
        _, readers = make.api_key(reader.application)
    path, both = shop.path("/mcp"), "orders:read orders:write"
    agents.settles(200, "", path, key, method="POST", headers=ACCEPT, body=message("tools/list"))

    def token(who: live.Client, scope: str) -> str:
        return tokens.sign(who.claims(scope=scope), shop.key)

    assert list_of(agents, path, key) == ["listOrders", "createOrder"], "an API key has all that its plan includes"
    assert list_of(agents, path, token(carl, both)) == ["listOrders", "createOrder"]
    assert list_of(agents, path, token(carl, "orders:write")) == ["createOrder"]
    assert list_of(agents, path, carl.token()) == []
    agents.settles(200, "", path, readers, method="POST", headers=ACCEPT, body=message("tools/list"))
    assert list_of(agents, path, readers) == ["listOrders"]
    assert list_of(agents, path, token(reader, both)) == ["listOrders"]
    found = agent(agents, path, bearer(token(reader, both)), [("createOrder", {}), ("listOrders", {})])
    assert [failed for failed, _ in found.calls] == [True, False]


class Large(Upstream):
    """Answers /large with more than agents are given, and /missing with 404."""

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        if handler.path.endswith("/large"):
            handler.send_response(200)
            body = b"x" * 3_000_000
            for header in (("content-type", "text/plain"), ("content-length", str(len(body)))):
                handler.send_header(*header)
            handler.end_headers()
            with contextlib.suppress(OSError):
                handler.wfile.write(body)
            return
        self.status = 404 if handler.path.endswith("/missing") else 200
        super().answer(handler)


@pytest.fixture
def large() -> Iterator[Large]:
    found = Large()
    yield found
    found.stop()


def test_arguments_become_a_call_and_answers_a_text(agents: Gateway, large: Large) -> None:
    shop = live.shop(large, api=False)
    shop.add_api("orders", content=RICH)
    switch_on(shop, {"operation": "putOrder"}, {"operation": "getLarge", "description": "Get much."}, {"operation": "getMissing"})
    carl = shop.client()
    path = shop.path("/mcp")
    agents.settles(200, "", path, carl.token(), method="POST", headers=ACCEPT, body=message("tools/list"))
    whole = {"id": "7", "notify": ["a b", "ü&"], "X-Reason": "late", "body": {"sku": "é"}}
    wrong: list[dict[str, Any]] = [
        {"id": "../../../globex/secret", "body": {}},
        {"id": "..", "body": {}},
        {"id": "", "body": {}},
        {"id": "a\\b", "body": {}},
        {"id": "1\r\nx: y", "body": {}},
        {"id": "1", "X-Reason": "late\r\nx-portico-application: someone", "body": {}},
        {"id": "1", "X-Reason": "ü", "body": {}},
        {"id": "1", "Authorization": "Bearer other", "body": {}},
        {"body": {}},
        {"id": "1"},
        {"id": {"a": 1}, "body": {}},
    ]
    before = len(large.seen)
    calls = [("putOrder", whole), ("getLarge", {}), ("getMissing", {}), *(("putOrder", each) for each in wrong)]
    found = agent(agents, path, bearer(carl.token()), calls)
    told = found.tools["putOrder"]
    assert (told.description, told.annotations.destructive_hint, told.annotations.read_only_hint) == ("Change an order.", True, False)
    assert list(told.input_schema["properties"]) == ["id", "notify", "X-Reason", "body"]
    assert told.input_schema["$defs"] == {"Order": RICH["components"]["schemas"]["Order"]}
    assert found.tools["getLarge"].description == "Get much."
    (failed, text), (cut, much), (missing, why), *refused = found.calls
    assert (failed, cut, missing) == (False, False, True)
    seen = json.loads(text)
    assert (seen["method"], seen["path"]) == ("PUT", "/orders/7?notify=a%20b&notify=%C3%BC%26")
    assert (seen["headers"]["x-reason"], seen["headers"]["content-type"], seen["length"]) == ("late", "application/json", 17)
    assert len(much) < 1024 * 1024 + 200
    assert much.endswith("It was cut here, after 1024 KiB.")
    assert why.startswith("The API answered 404.")
    assert [failed for failed, _ in refused] == [True] * len(wrong), refused
    assert len(large.seen) == before + 2, "what is wrong calls nothing"


def test_a_refusal_is_told_with_its_code(agents: Gateway, shop: Shop) -> None:
    switch_on(shop, GET)
    carl = shop.client(plan=shop.plan(calls=2, seconds=600))
    path = shop.path("/mcp")
    call = message("tools/call", {"name": "get_order", "arguments": {"id": "1"}})
    # The message takes one of its plan's calls, and the tool's own call the other.
    first = agents.settles(200, "", path, carl.token(), method="POST", headers=ACCEPT, body=call)
    assert first.json["result"]["isError"] is False
    everything = f"/{shop.slug}/mcp"
    call = message("tools/call", {"name": "orders_v1_get_order", "arguments": {"id": "1"}})
    answer = agents.settles(200, "", everything, carl.token(), method="POST", headers=ACCEPT, body=call)
    result = answer.json["result"]
    assert result["isError"] is True
    assert result["content"][0]["text"].startswith("Your plan's limit is reached.")
    assert result["content"][0]["text"].endswith("(RATE_LIMITED)")


@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize("wide", [False, True])
def test_a_client_finds_out_by_itself_whom_to_ask_for_a_token(agents: Gateway, shop: Shop, mode: str, *, wide: bool) -> None:
    """The SDK's own client: refused, it reads the metadata, and asks for a token for just this address."""
    with shop.scope():
        application = make.application()
        _, secret = make.credential(application)
        make.subscription(status="active", of=application, to=make.plan(shop.apis["orders"], calls=1_000))
    switch_on(shop, GET)
    path = f"/{shop.slug}/mcp" if wide else shop.path("/mcp")
    url = f"http://{live.HOST}:{agents.port}{path}"
    kept = Kept()
    provider = ClientCredentialsOAuthProvider(
        url, kept, application.client_id, secret, issuer=tokens.issuer(settings.PORTAL_URL, shop.slug)
    )
    agents.settles(401, "TOKEN_MISSING", path, method="POST", headers=ACCEPT, body=message("tools/list"))
    more = {"auth": provider, "mounts": {settings.PORTAL_URL: Portal()}}
    tool = "orders_v1_get_order" if wide else "get_order"
    found = agent(agents, path, {}, [(tool, {"id": "1"})], mode=mode, **more)
    assert list(found.tools) == [tool]
    assert [failed for failed, _ in found.calls] == [False]
    audience = tokens.audience(settings.GATEWAY_URL, shop.slug)
    assert claims_of(kept.tokens.access_token)["aud"] == (audience if wide else f"{audience}/orders")


class Kept:
    """What the SDK keeps of a client."""

    tokens: Any = None
    client: Any = None

    async def get_tokens(self) -> Any:
        return self.tokens

    async def set_tokens(self, tokens: Any) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> Any:
        return self.client

    async def set_client_info(self, client_info: Any) -> None:
        self.client = client_info


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


def test_at_a_host_of_the_tenants_own(agents: Gateway, shop: Shop) -> None:
    host = name()
    opened(shop, host)
    switch_on(shop, GET)
    carl = shop.client()

    def sent(path: str, token: str) -> live.Answer:
        body = message("tools/call", {"name": "get_order" if "orders" in path else "orders_v1_get_order", "arguments": {"id": "3"}})
        lines = [f"POST {path} HTTP/1.1", f"Host: {host}", "Connection: close", f"Content-Length: {len(body)}"]
        lines += [f"{each}: {value}" for each, value in ACCEPT] + ([f"Authorization: Bearer {token}"] if token else [])
        with shaken(host) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
            response = http.client.HTTPResponse(connection)
            response.begin()
            return live._read(response)

    def settled(check: Callable[[], live.Answer], status: int) -> live.Answer:
        def once() -> live.Answer:
            try:
                answer = check()
            except OSError as error:
                raise AssertionError(str(error)) from error
            assert answer.status == status, str(answer)
            return answer

        return live.eventually(once)

    for path in ("/orders/v1/mcp", "/mcp"):
        assert settled(lambda path=path: sent(path, carl.token()), 200).json["result"]["isError"] is False  # type: ignore[misc]
        refused = settled(lambda path=path: sent(path, ""), 401)  # type: ignore[misc]
        where = refused.headers["www-authenticate"].partition('resource_metadata="')[2].rstrip('"')
        told = DjangoClient().get(where.removeprefix(settings.PORTAL_URL)).json()
        assert told["resource"] == tokens.own_audience(host, settings.GATEWAY_TLS_PUBLIC_PORT) + path
    assert called(host, "/mcp").status == 405


def test_an_api_that_some_addresses_may_call_has_no_tools(agents: Gateway, shop: Shop) -> None:
    """The service's own address would stand for whoever asks it."""
    switch_on(shop, GET)
    carl = shop.client()
    path, everything = shop.path("/mcp"), f"/{shop.slug}/mcp"
    agents.settles(200, "", path, carl.token(), method="POST", headers=ACCEPT, body=message("tools/list"))
    event = shop.does(policies.change_policies, shop.apis["orders"], given={"ip_allow": ["127.0.0.0/8"]}, by=shop.person("publisher"))
    assert event is not None
    shop.enforced(event)
    for each in (path, everything):
        agents.settles(404, "NO_SUCH_ROUTE", each, carl.token(), method="POST", headers=ACCEPT, body=message("tools/list"))
    assert agents.call(shop.path("/orders/1"), carl.token()).status == 200


def test_the_service_believes_gateways_alone(agents: Gateway, shop: Shop) -> None:
    def asked(method: str, path: str, **headers: str) -> int:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(agents.folder / "mcp.sock"))
            sent = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
            connection.sendall(f"{method} {path} HTTP/1.1\r\nhost: mcp\r\n{sent}connection: close\r\ncontent-length: 0\r\n\r\n".encode())
            response = http.client.HTTPResponse(connection)
            response.begin()
            return response.status

    who = {"x_portico_application": "app", "x_portico_credential": "Bearer a -"}
    assert asked("GET", "/healthz") == 200
    assert asked("POST", f"/{shop.slug}", **who) == 403
    assert asked("POST", f"/{shop.slug}", **who, x_portico_gateway="guessed") == 403
    assert asked("GET", f"/{shop.slug}", x_portico_gateway=settings.MCP_SECRET) == 405
    assert (agents.folder / "mcp.sock").stat().st_mode & 0o077 == 0, "others on this machine can't connect"


def test_a_tools_call_counts_once(agents: Gateway, shop: Shop) -> None:
    switch_on(shop, GET)
    carl = shop.client()
    agent(agents, shop.path("/mcp"), bearer(carl.token()), [("get_order", {"id": "1"})])

    def counted() -> dict[str, int]:
        with shop.scope():
            rows = UsageMinute.objects.filter(api=shop.apis["orders"].pk)
            found: dict[str, int] = {}
            for each in rows:
                found[each.operation] = found.get(each.operation, 0) + each.calls
            assert found
            return found

    assert live.eventually(counted) == {"getOrder": 1}
    live.stays(lambda: counted() == {"getOrder": 1}, seconds=2)


def test_no_log_has_what_was_handed_on(agents: Gateway, shop: Shop) -> None:
    switch_on(shop, GET)
    carl = shop.client()
    token = carl.token()
    agent(agents, shop.path("/mcp"), bearer(token), [("get_order", {"id": "1"})])
    signature = token.rpartition(".")[2]
    for part in ("control", "usage", "mcp", "envoy"):
        assert signature not in agents.log(part)
    held = secrets_search.config_dump(agents.folder / "admin.sock")
    assert "x-portico-gateway" in held
    assert (signature in held, settings.MCP_SECRET in held) == (False, False)
