"""The token endpoint, to the letter of RFC 6749 and RFC 8707."""

import ast
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import jwt as pyjwt
import pytest
from django.conf import settings
from django.test import Client

from keys import oauth
from keys.oauth import clients
from tests.conftest import Cast
from tests.keys.test_token_endpoint import GRANT, Shop, ask, refused

# RFC 6749 §5.2.
DESCRIPTION = re.compile(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+")
REFUSING = {"OAuthError", "_refused", "AssertionRefused"}
HERE = f"{settings.GATEWAY_URL}/acme"


@pytest.fixture
def shop(cast: Cast) -> Shop:
    return Shop(cast)


LEFT_OUT = ("client_secret=", "client_id=", "client_id=&client_secret=", "scope=", "redirect_uri=", "resource=", "resource=&resource=")


@pytest.mark.parametrize("more", LEFT_OUT)
def test_a_parameter_without_a_value_is_as_good_as_left_out(shop: Shop, more: str) -> None:
    assert ask(f"{GRANT}&{more}", basic=shop.basic()).status_code == 200


def test_an_empty_secret_in_the_body_is_none(shop: Shop) -> None:
    response = ask(shop.form(client_secret=""))
    refused(response, 401, "invalid_client", "Send client_id and client_secret")
    assert response.has_header("WWW-Authenticate")


def test_tokens_are_for_the_gateway_and_may_be_asked_for_so(shop: Shop) -> None:
    for more in ({}, {"resource": HERE}):
        token = ask(shop.form(**more)).json()["access_token"]
        assert pyjwt.decode(token, options={"verify_signature": False})["aud"] == HERE
    twice = urlencode([("grant_type", "client_credentials"), ("resource", HERE), ("resource", HERE)])
    assert ask(twice, basic=shop.basic()).status_code == 200


@pytest.mark.parametrize("resource", ["here/", "HERE", "gateway", "gateway/globex", "here#x", "x"])
def test_a_token_for_something_else_is_an_invalid_target(shop: Shop, resource: str) -> None:
    resource = resource.replace("here", HERE).replace("HERE", HERE.upper()).replace("gateway", settings.GATEWAY_URL)
    refused(ask(f"{GRANT}&resource={quote(resource)}", basic=shop.basic()), 400, "invalid_target")
    refused(ask(f"{GRANT}&resource={quote(HERE)}&resource={quote(resource)}", basic=shop.basic()), 400, "invalid_target")


@pytest.mark.parametrize("method", ["get", "head", "put", "delete", "patch", "options"])
def test_other_methods_are_told_by_json_that_nobody_keeps(shop: Shop, method: str) -> None:
    response = getattr(Client(), method)("/t/acme/oauth/token")
    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert (response["Cache-Control"], response["Content-Type"]) == ("no-store", "application/json")
    if method != "head":
        assert response.json() == {"error": "invalid_request", "error_description": "Send this by POST (RFC 6749, section 3.2)."}


def test_who_asks_too_often_is_told_in_a_registered_word(shop: Shop, settings: Any) -> None:
    settings.TOKEN_RATE = 1
    ask(GRANT, basic=shop.basic())
    response = ask(GRANT, basic=shop.basic())
    refused(response, 429, "slow_down", "Too many token requests")
    assert response.has_header("Retry-After")


def test_every_sentence_is_in_the_characters_of_the_rfc() -> None:
    """Read from the source, so that no refusal is forgotten."""
    said: list[str] = []
    for source in Path(*oauth.__path__).glob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            names_a_sentence = isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "said"
            if names_a_sentence or (isinstance(node, ast.Call) and getattr(node.func, "id", "") in REFUSING):
                constants = [each.value for each in ast.walk(node) if isinstance(each, ast.Constant)]
                said += [each for each in constants if isinstance(each, str) and " " in each]
    assert len(said) > 35
    for sentence in [*said, str(clients._refused(clients.Given("")))]:
        if not sentence.startswith("Basic realm"):
            assert DESCRIPTION.fullmatch(sentence), sentence


@pytest.mark.parametrize("sent", ['"\\', "“ünï”", "<script>", "\x1b[31m"])
def test_nothing_that_was_sent_is_repeated(shop: Shop, sent: str) -> None:
    for response in (
        ask(f"{GRANT}&{quote(sent)}=1&{quote(sent)}=1", basic=shop.basic()),
        ask(f"{GRANT}&resource={quote(sent)}", basic=shop.basic()),
        ask(f"{GRANT}&scope={quote(sent)}", basic=shop.basic()),
        ask(f"grant_type={quote(sent)}", basic=shop.basic()),
        ask(GRANT, basic=shop.basic(), tenant=quote(sent)),
    ):
        assert response.status_code in {400, 404}
        assert sent not in response.json()["error_description"]
        assert DESCRIPTION.fullmatch(response.json()["error_description"])
