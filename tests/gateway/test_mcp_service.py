"""Parts of the service that speaks MCP: what it is handed, where it listens, and what it calls the tools of all APIs."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from apis import tools
from gateway.mcp import calling, offered, process
from gateway.mcp.calling import Answer
from gateway.mcp.credential import Credential


def token(**claims: Any) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"Bearer e30.{payload}.c2ln"


@pytest.mark.parametrize(
    ("handed", "header", "value"),
    [
        ("Bearer abc -", "authorization", "Bearer abc"),
        ("- ptc_live_x", "x-api-key", "ptc_live_x"),
        ("bearer a -", "authorization", "bearer a"),
    ],
)
def test_what_was_handed_on_goes_back_as_it_came(handed: str, header: str, value: str) -> None:
    found = Credential.of(handed)
    assert found is not None
    assert (found.header, found.value) == (header, value)
    assert value not in repr(found)


@pytest.mark.parametrize("handed", ["", "-", "- -", " "])
def test_without_a_credential_there_is_no_caller(handed: str) -> None:
    assert Credential.of(handed) is None


@pytest.mark.parametrize(
    ("value", "scopes"),
    [
        (token(scope="a b"), {"a", "b"}),
        (token(), set()),
        (token(scope=7), set()),
        ("Bearer x", set()),
        ("Bearer e30.////.c2ln", set()),
        ("Bearer ptc_live_e30.e30.c2ln", None),
    ],
)
def test_scopes_are_those_that_the_token_bears(value: str, scopes: set[str] | None) -> None:
    assert Credential("authorization", value).scopes == scopes


def test_an_api_key_has_what_its_plan_includes() -> None:
    assert Credential("x-api-key", "ptc_test_e30.e30.c2ln").scopes is None


def test_tools_of_all_apis_have_names_of_their_own() -> None:
    assert offered._of_all("orders", "v1", "get") == "orders_v1_get"
    assert offered._of_all("orders", "v1.2", "get") == "orders_v1-2_get"
    long = {offered._of_all("a" * 40, version, "b" * 64) for version in ("v1", "v2")}
    assert len(long) == 2
    assert all(tools.NAME.fullmatch(each) for each in long)


def test_it_listens_for_other_machines_only_where_the_operator_says_so(settings: Any, tmp_path: Path) -> None:
    settings.CONTROL_PLAINTEXT = False
    with pytest.raises(ImproperlyConfigured, match="without TLS"):
        process._listening("0.0.0.0:0")
    settings.CONTROL_PLAINTEXT = True
    for address in ("0.0.0.0:0", "127.0.0.1:0", "localhost:0", f"unix:{tmp_path / 'mcp.sock'}"):
        process._listening(address).close()


def test_answers_as_agents_get_them() -> None:
    def told(
        status: int = 200, media_type: str = "application/json", code: str = "", body: bytes = b"{}", **more: Any
    ) -> tuple[bool, list[str]]:
        found = calling.told(Answer(status, media_type, code, body, more.pop("cut", False), **more))
        return found.is_error, [getattr(each, "text", each.type) for each in found.content]

    assert told() == (False, ["{}"])
    assert told(media_type="") == (False, ["{}"])
    assert told(204, body=b"") == (False, ["Done. The API answered 204 without content."])
    assert told(303, body=b"", location="/orders/1") == (False, ["The API answered 303 and leads to /orders/1."])
    assert told(500, "text/plain", body=b"Oh") == (True, ["The API answered 500.", "Oh"])
    assert told(media_type="image/png", body=b"\x89PNG") == (False, ["image"])
    assert told(media_type="application/pdf", body=b"%PDF") == (False, ["The answer is application/pdf, which can't be shown as text."])
    assert told(media_type="image/png", cut=True)[1] == ["The answer is image/png, which can't be shown as text."]
    refused = json.dumps({"title": "No.", "detail": "Ask."}).encode()
    assert told(403, "application/problem+json", "SCOPE_MISSING", refused) == (True, ["No. Ask. (SCOPE_MISSING)"])
    assert told(503, "text/html", "NOT_READY", b"<html>") == (True, ["The gateway refused the call (NOT_READY)."])
    assert told(body=b"\xff\xfe")[1] == ["��"]
