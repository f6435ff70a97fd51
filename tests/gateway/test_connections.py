"""Gateways connect to an upstream as its revision says: with which proof, to which paths."""

import base64
from typing import Any

from tests import live
from tests.gateway.test_chain import Tls, assert_refused, last_seen, tls
from tests.live import Gateway, Upstream

__all__ = ["tls"]
ANSWERS = {"responses": {"200": {"description": "Yes"}}}
PATHS = ("/api/v3", "/api/v3/orders/{id}", "/api/v30", "/{name}/v3/orders")
CONTENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Paths", "version": "1"},
    "paths": {path: {"get": {"operationId": f"at{number}", **ANSWERS}} for number, path in enumerate(PATHS)},
}
for _path, _name in (("/api/v3/orders/{id}", "id"), ("/{name}/v3/orders", "name")):
    CONTENT["paths"][_path]["parameters"] = [{"name": _name, "in": "path", "required": True, "schema": {"type": "string"}}]


def test_a_bearer_token_and_a_password_reach_the_upstream_alone(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream, api=False)
    shop.add_api("bearer", credential="bearer", secret="of-ours")
    shop.add_api("basic", credential="basic", user="pörtico", secret="a:b £")
    said = {"bearer": "Bearer of-ours", "basic": f"Basic {base64.b64encode('pörtico:a:b £'.encode()).decode()}"}
    for api, value in said.items():
        answer = gateway.settles(200, "", shop.path(api=api), shop.client(api=api).token())
        assert last_seen(upstream).headers["authorization"] == value
        assert value not in str(answer.headers)


def test_the_beginning_of_paths_is_taken_off(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream, api=False)
    seen: dict[str, dict[str, str]] = {}
    for api, base in (("bare", ""), ("based", "/base")):
        shop.add_api(api, content=CONTENT, url=f"{upstream.url}{base}", strip_path="/api/v3")
        token = shop.client(api=api).token()
        gateway.settles(200, "", shop.path("/api/v30", api=api), token)
        seen[api] = {}
        for path in ("/api/v3", "/api/v3?a=b", "/api/v3/orders/7?a=/api/v3", "/api/%763/orders/7", "/api/v30", "/other/v3/orders"):
            assert gateway.call(shop.path(path, api=api), token).status == 200, path
            seen[api][path] = last_seen(upstream).path
    assert seen == {
        "bare": {
            "/api/v3": "/",
            "/api/v3?a=b": "/?a=b",
            "/api/v3/orders/7?a=/api/v3": "/orders/7?a=/api/v3",
            "/api/%763/orders/7": "/orders/7",
            "/api/v30": "/api/v30",
            "/other/v3/orders": "/other/v3/orders",
        },
        "based": {
            "/api/v3": "/base",
            "/api/v3?a=b": "/base?a=b",
            "/api/v3/orders/7?a=/api/v3": "/base/orders/7?a=/api/v3",
            "/api/%763/orders/7": "/base/orders/7",
            "/api/v30": "/base/api/v30",
            "/other/v3/orders": "/base/other/v3/orders",
        },
    }


def test_an_upstream_proves_itself_by_authorities_and_a_name_of_its_own(gateway: Gateway, upstream: Upstream, tls: Tls) -> None:
    """Its certificate is for localhost, by an authority that the gateway does not know."""
    shop = live.shop(upstream, api=False)
    root, url = tls.ca_file.read_text(), f"https://127.0.0.1:{tls.upstream.port}"
    asked: dict[str, dict[str, Any]] = {"both": {"ca": root, "sni": "localhost"}, "authority": {"ca": root}, "name": {"sni": "localhost"}}
    for api, given in asked.items():
        shop.add_api(api, url=url, **given)
    clients = {api: shop.client(api=api).token() for api in asked}
    assert gateway.settles(200, "", shop.path(api="both"), clients["both"]).json["headers"]["host"] == f"127.0.0.1:{tls.upstream.port}"
    for api in ("authority", "name"):
        assert_refused(gateway.call(shop.path(api=api), clients[api]), 503, "UPSTREAM_UNAVAILABLE")
