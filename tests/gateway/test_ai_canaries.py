"""A provider's key goes to the provider, and nowhere else: not to callers, other providers, logs, pages, dumps."""

import json
import secrets
from collections.abc import Iterator

import httpx
import openai
import pytest
from django.test import Client as Browser

from apis.actions import provider_keys
from portal.demo.provider import KEY, Provider
from tests import ai_live, secrets_search
from tests.ai_live import Models
from tests.live import Gateway, eventually

BEHAVIOURS = ("", "401", "429", "500", "html", "broken", "half", "reset")


@pytest.fixture
def mocks() -> Iterator[dict[str, Provider]]:
    with Provider(pause=0.001) as first, Provider(pause=0.001) as second:
        yield {"first": first, "second": second}


@pytest.fixture
def canaries() -> dict[str, str]:
    return {slug: f"{KEY}-canary-{secrets.token_hex(16)}" for slug in ("first", "second")}


@pytest.fixture
def models(gateway: Gateway, mocks: dict[str, Provider], canaries: dict[str, str]) -> Models:
    return ai_live.offer(gateway, mocks, keys={slug: (key,) for slug, key in canaries.items()}, alias={"fast": ("first", "second")})


def test_a_key_reaches_its_own_provider_alone(
    models: Models, mocks: dict[str, Provider], canaries: dict[str, str], gateway: Gateway
) -> None:
    caller = models.caller()
    told = []
    for first in BEHAVIOURS:
        for second in ("", "401", "500"):
            mocks["first"].behaviour, mocks["second"].behaviour = first, second
            for path, body in calls():
                with httpx.Client(trust_env=False) as client:
                    try:
                        answer = client.post(f"{caller.url}/v1{path}", json=body, headers={"x-api-key": caller.key})
                    except httpx.RemoteProtocolError as broken:
                        told.append(str(broken))
                    else:
                        told += [answer.text, json.dumps(dict(answer.headers))]
    for slug, other in (("first", "second"), ("second", "first")):
        assert {each.key for each in mocks[slug].seen} == {canaries[slug]}
        assert not [each for each in mocks["second"].seen if "authorization" in each.headers]
        for each in mocks[slug].seen:
            text = f"{each.path} {each.headers} {each.body.decode()}"
            assert canaries[other] not in text
            assert caller.key not in text
            assert not [name for name in each.headers if name.startswith("x-portico")], "Who calls is none of a provider's business."
    nowhere("\n".join(told), "An answer", canaries)


def calls() -> Iterator[tuple[str, dict[str, object]]]:
    chat = {"model": "fast", "messages": [{"role": "user", "content": "Good morning"}], "max_tokens": 9}
    for stream in (False, True):
        yield "/chat/completions", {**chat, "stream": stream}
        yield "/messages", {**chat, "stream": stream}
    yield "/responses", {"model": "fast", "input": "Good morning"}
    yield "/embeddings", {"model": "fast", "input": "Good morning"}


def test_no_key_stands_in_a_log_a_dump_or_a_page(
    models: Models, mocks: dict[str, Provider], canaries: dict[str, str], gateway: Gateway
) -> None:
    caller = models.caller()
    for behaviour in BEHAVIOURS:
        mocks["first"].behaviour = behaviour
        with caller.openai() as client:
            try:
                client.chat.completions.create(model="fast", messages=[{"role": "user", "content": "Good morning"}])
            except (openai.APIError, ValueError) as error:
                nowhere(f"{error!r}", "An error", canaries)
    admin = gateway.folder / "admin.sock"
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(admin))) as envoy:
        for path in ("config_dump?include_eds", "clusters?format=json", "stats", "listeners", "server_info", "certs", "init_dump"):
            nowhere(envoy.get(f"http://envoy/{path}").raise_for_status().text, f"Envoy's {path}", canaries)
    for name in ("control", "usage", "envoy"):
        nowhere(gateway.log(name), f"The log of {name}", canaries)
    console, api = f"/t/{models.shop.slug}/console", ai_live.API
    shown = [f"{console}/{page}" for page in ("ai-providers/", "ai-providers/first/", "ai-providers/first/edit/", f"apis/{api}/")]
    pages = {"publisher": [*shown, f"/t/{models.shop.slug}/apis/{api}/"], "auditor": [f"{console}/audit/"]}
    for role, addresses in pages.items():
        browser = Browser()
        browser.force_login(models.shop.person(role))
        for address in addresses:
            answer = browser.get(address)
            assert answer.status_code == 200, address
            nowhere(answer.content.decode(), address, canaries)


def nowhere(text: str, where: str, canaries: dict[str, str]) -> None:
    assert text
    for canary in canaries.values():
        assert canary not in text, f"{where} holds a provider's key."
        assert canary.rpartition("-")[2] not in text, f"{where} holds a part of a provider's key."
    secrets_search.check(text, where)


def test_a_changed_key_is_the_one_that_is_sent(models: Models, mocks: dict[str, Provider], canaries: dict[str, str]) -> None:
    """The old one is gone from the gateway, too."""
    caller, row, person = models.caller(), models.rows["first"], models.shop.person("publisher")
    new = f"{KEY}-canary-{secrets.token_hex(16)}"
    with models.shop.scope():
        provider_keys.add(row, key=new, label="new", priority=1, by=person)
        provider_keys.remove(row.keys.get(label="1"), by=person)
    models.shop.enforced_newest()
    mocks["first"].seen.clear()

    def sent() -> bool:
        with caller.openai() as client:
            client.chat.completions.create(model="fast", messages=[{"role": "user", "content": "Good morning"}])
        return mocks["first"].seen[-1].key == new

    eventually(sent)
