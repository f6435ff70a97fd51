"""Pam connects providers of AI models in the browser, tests their keys, which no page shows, and says what models cost."""

from html import unescape
from typing import Any

import pytest
from django.test import Client

from apis.models import FormerPrice, Provider, ProviderKey, ProviderModel
from tenants.models import Membership, Role
from tests import make
from tests.apis.models_server import answering
from tests.conftest import Cast, queries
from tests.portal.pages.test_console import signed_in, text

LIST = "/t/acme/console/ai-providers/"
CONNECT = "/t/acme/console/connect-ai-provider/"
KEY = "sk-page-0123456789-wxyz"
GIVEN = {"kind": "openai", "url": "http://127.0.0.1:9", "key": KEY, "name": "Ours", "slug": "ours"}
MODEL = {"name": "ft:mini", "context": "4000", "input": "0.3", "output": "", "cached": "", "currency": "USD"}
DIALOG = {"HX-Request": "true", "HX-Target": "dialog"}


@pytest.fixture
def pam(in_acme: Cast) -> Client:
    return signed_in(in_acme.pam)


@pytest.fixture
def openai(in_acme: Cast) -> Provider:
    return make.provider(by=in_acme.pam)


@pytest.fixture
def key(openai: Provider) -> ProviderKey:
    return make.provider_key(openai, label="Team", key=KEY)


def one(then: str = "") -> str:
    return f"{LIST}openai/{then}"


def all_of(response: Any) -> str:
    """What is said beside the page as well."""
    return unescape(response.content.decode())


def test_who_may_see_and_who_may_change(in_acme: Cast, key: ProviderKey) -> None:
    model = ProviderModel.objects.order_by("name")[0]
    seen = [LIST, one()]
    changed = [CONNECT, one("edit/"), one("remove/"), one("add-key/"), one("add-model/")]
    changed += [one(f"keys/{key.pk}/{step}/") for step in ("edit", "on", "off", "remove", "test")]
    changed += [one(f"models/{model.pk}/{step}/") for step in ("edit", "remove")]
    reader = make.member(in_acme.acme, None, Role.DEVELOPER)
    Membership.objects.filter(user=reader).update(custom_roles=[make.custom_role("Looks", ["providers.see"]).pk])
    for address in [*seen, *changed]:
        for user, status in (
            (in_acme.ada, 200),
            (in_acme.pam, 200),
            (reader, 200 if address in seen else 403),
            (make.member(in_acme.acme, None, Role.AUDITOR), 403),
            (in_acme.carl, 403),
            (in_acme.eve, 404),
            (in_acme.olga, 404),
        ):
            assert signed_in(user).get(address).status_code == status, f"{user} {address}"
        theirs = address.replace("acme", "globex")
        assert signed_in(in_acme.eve).get(theirs).status_code == (200 if address in {LIST, CONNECT} else 404)
    shown = text(signed_in(reader).get(one()))
    assert "gpt-4o-mini" in shown
    assert not [each for each in ("Change…", "Remove…", "Test…", "Add a key", "Add a model") if each in shown]


def test_one_is_connected_in_one_form(in_acme: Cast, pam: Client) -> None:
    assert "No provider yet" in text(pam.get(LIST))
    assert "Azure OpenAI" in text(pam.get(CONNECT))
    made = pam.post(CONNECT, GIVEN, follow=True)
    assert "Ours is connected. Test its key next." in all_of(made)
    shown = text(made)
    assert "…wxyz" in shown
    assert "ours/gpt-4o-mini" in shown
    assert "0.15 USD" in shown
    assert KEY not in all_of(made)
    with queries("console:providers"):
        listed = text(pam.get(LIST))
    assert "Ours 127.0.0.1:9 OpenAI 1 of 1 on 9" in listed
    assert pam.post(CONNECT, {**GIVEN, "key": "", "slug": "none", "name": ""}, follow=True).status_code == 200
    assert "none" in text(pam.get(LIST))


def test_sent_twice_it_is_connected_once(pam: Client) -> None:
    assert pam.post(CONNECT, {**GIVEN, "once": "a"}).status_code == 302
    again = pam.post(CONNECT, {**GIVEN, "slug": "again", "once": "a"})
    assert (again.status_code, "done once" in text(again)) == (409, True)
    assert Provider.objects.count() == 1


@pytest.mark.parametrize(
    "typed,said",
    [
        ({"kind": ""}, "Fill this in."),
        ({"kind": "soap"}, "Choose one of these."),
        ({"kind": "azure", "url": ""}, "Write the base URL"),
        ({"url": "https://10.0.0.1/"}, "is not a public address"),
        ({"url": "api.example.com"}, "starts with http"),
        ({"url": "http://1.1.1.1"}, "begins with https://"),
        ({"key": "a b\u00e4"}, "printable ASCII"),
        ({"slug": "Our AI"}, "Use lower-case letters"),
        ({"slug": "openai"}, "There is a provider “openai” already."),
        ({"name": "x" * 81}, "81 characters"),
    ],
)
def test_what_can_not_be_used_comes_back_with_what_was_typed_but_the_key(
    pam: Client, openai: Provider, typed: dict[str, str], said: str
) -> None:
    answer = pam.post(CONNECT, {**GIVEN, **typed})
    assert (answer.status_code, said in text(answer)) == (422, True), text(answer)
    html = answer.content.decode()
    assert ('value="Ours"' in html) == ("name" not in typed)
    assert ('value="http://127.0.0.1:9"' in html) == ("url" not in typed)
    assert KEY not in html
    assert ("Type the key again" in text(answer)) == ("key" not in typed)
    assert Provider.objects.count() == 1


def test_one_is_changed_with_its_formats_and_removed(pam: Client, openai: Provider) -> None:
    page = pam.get(one("edit/")).content.decode()
    assert 'value="Bearer {key}"' in page
    typed = {
        "name": "Ours", "url": "http://127.0.0.1:9/base", "first_byte": "10", "silence": "20", "anthropic_speaks": "on",
        "anthropic_prefix": "/v1", "anthropic_header": "x-api-key", "anthropic_value": "{key}",
    }  # fmt: skip
    changed = pam.post(one("edit/"), typed, follow=True)
    assert "The provider is changed." in all_of(changed)
    openai.refresh_from_db()
    assert (openai.name, openai.url, openai.first_byte_ms, openai.silence_ms) == ("Ours", "http://127.0.0.1:9/base", 10_000, 20_000)
    assert openai.dialects == [{"format": "anthropic", "prefix": "/v1", "header": "x-api-key", "value": "{key}", "include_usage": True}]
    assert "Nothing was changed." in all_of(pam.post(one("edit/"), typed, follow=True))
    wrong = pam.post(one("edit/"), {**typed, "anthropic_value": "none"})
    assert (wrong.status_code, "has {key} in it once" in text(wrong)) == (422, True)
    none = pam.post(one("edit/"), {**typed, "anthropic_speaks": ""})
    assert (none.status_code, "at least one format" in text(none)) == (422, True)
    make.provider_key(openai)
    moved = pam.post(one("edit/"), {**typed, "url": "http://127.0.0.1:10"})
    assert (moved.status_code, "The keys were given for 127.0.0.1:9." in text(moved)) == (409, True)
    dialog = pam.get(one("remove/"), headers=DIALOG)
    assert "Its keys, its models" in all_of(dialog)
    assert "is removed." in all_of(pam.post(one("remove/"), {}, follow=True))
    assert pam.post(one("remove/"), {}).status_code == 404


def test_a_key_is_added_placed_switched_and_removed(pam: Client, openai: Provider) -> None:
    assert "No key yet" in text(pam.get(one()))
    typed = {"label": "Team", "key": KEY, "priority": "2", "weight": "30"}
    made = pam.post(one("add-key/"), typed, follow=True)
    assert "The key “Team” is added. Test it next." in all_of(made)
    assert KEY not in all_of(made)
    again = pam.post(one("add-key/"), typed)
    assert (again.status_code, "has this label" in text(again), "Type the key again" in text(again)) == (422, True, True)
    assert KEY not in again.content.decode()
    for wrong in ({"priority": "0"}, {"priority": "x"}, {"weight": "101"}, {"weight": ""}, {"key": ""}, {"label": "a\x00"}):
        assert pam.post(one("add-key/"), {**typed, "label": "Other", **wrong}).status_code == 422, wrong
    found = ProviderKey.objects.get()
    place = one(f"keys/{found.pk}/")
    assert "The key is changed." in all_of(pam.post(f"{place}edit/", {**typed, "weight": "7"}, follow=True))
    assert "Nothing was changed." in all_of(pam.post(f"{place}edit/", {**typed, "weight": "7"}, follow=True))
    assert "Switch it off…" in text(pam.get(one()))
    assert "is off." in all_of(pam.post(f"{place}off/", {}, follow=True))
    shown = text(pam.get(one()))
    assert "Switch it on…" in shown
    assert "0 of 1 on" in text(pam.get(LIST))
    assert "is on." in all_of(pam.post(f"{place}on/", {}, follow=True))
    assert "stays valid until you revoke it there" in text(pam.get(f"{place}remove/"))
    assert "is removed." in all_of(pam.post(f"{place}remove/", {}, follow=True))
    assert pam.get(f"{place}remove/").status_code == 404


@pytest.mark.parametrize(
    ("state", "offered"),
    [("on", {"off"}), ("off", {"on"}), ("refused", {"on", "off"}), ("exhausted", {"on", "off"}), ("failing", {"on", "off"})],
)
def test_a_key_in_each_state_can_be_switched_to_the_others(pam: Client, key: ProviderKey, state: str, offered: set[str]) -> None:
    ProviderKey.objects.filter(pk=key.pk).update(state=state)
    shown = pam.get(one()).content.decode()
    assert {to for to in ("on", "off") if f'href="{one(f"keys/{key.pk}/{to}/")}"' in shown} == offered
    assert "No call reaches a provider" not in shown


def test_a_key_is_tested_and_the_page_says_what_came_back(in_acme: Cast, pam: Client) -> None:
    with answering(status=403, answer=KEY.encode()) as there:
        found = make.provider_key(make.provider(url=there.url, by=in_acme.pam), key=KEY)
        test = one(f"keys/{found.pk}/test/")
        assert "asks 127.0.0.1" in all_of(pam.get(test, headers=DIALOG))
        assert not there.got
        refused = pam.post(test, {}, follow=True)
        said = f"127.0.0.1:{there.port} refused the key (403)."
        assert all_of(refused).count(said) == 2, "once now, and once beside its state"
        assert "Refused" in text(refused)
        assert KEY not in all_of(refused)
        there.status, there.answer = 200, b'{"data": [{}]}'
        works = pam.post(test, {}, headers=DIALOG)
        assert works.status_code == 200
        shown = pam.get(one())
        assert "has 1 model for this key." in all_of(shown)
        assert "refused the key" not in all_of(shown)


def test_the_page_of_one_takes_as_many_queries_with_ten_keys_as_with_one(pam: Client, openai: Provider, key: ProviderKey) -> None:
    pam.get(LIST)
    with queries("console:provider"):
        pam.get(one())
    for _ in range(9):
        make.provider_key(openai)
    with queries("console:provider"):
        assert text(pam.get(one())).count("Test…") == 10


def test_a_model_is_added_priced_and_removed(pam: Client, openai: Provider) -> None:
    made = pam.post(one("add-model/"), MODEL, follow=True)
    assert "The model “ft:mini” is added." in all_of(made)
    assert "openai/ft:mini 4,000 0.3 USD not known not known" in text(made)
    again = pam.post(one("add-model/"), MODEL)
    assert (again.status_code, "a model of this name already" in text(again)) == (422, True)
    model = ProviderModel.objects.get(name="ft:mini")
    place = one(f"models/{model.pk}/")
    page = pam.get(f"{place}edit/").content.decode()
    assert 'value="0.3"' in page
    assert "What it cost before" not in page
    assert "The model is changed." in all_of(pam.post(f"{place}edit/", {**MODEL, "input": "0.4"}, follow=True))
    assert "Nothing was changed." in all_of(pam.post(f"{place}edit/", {**MODEL, "input": "0.40"}, follow=True))
    assert "What it cost before" in text(pam.get(f"{place}edit/"))
    assert FormerPrice.objects.count() == 1
    for wrong in (
        {"input": "-1"},
        {"input": "0,5"},
        {"output": "1e99"},
        {"cached": "NaN"},
        {"context": "0"},
        {"name": "a b"},
        {"currency": "us"},
    ):
        answer = pam.post(f"{place}edit/", {**MODEL, **wrong})
        assert answer.status_code == 422, wrong
        assert next(iter(wrong.values())) in answer.content.decode()
    assert "is removed." in all_of(pam.post(f"{place}remove/", {}, follow=True))
    assert pam.get(f"{place}edit/").status_code == 404


def test_prices_are_written_as_readers_write_numbers(in_acme: Cast, pam: Client, openai: Provider) -> None:
    type(in_acme.pam).objects.filter(pk=in_acme.pam.pk).update(language="de")
    assert "0,15 USD" in text(pam.get(one()))
    model = ProviderModel.objects.get(name="gpt-4o-mini")
    assert 'value="0.15"' in pam.get(one(f"models/{model.pk}/edit/")).content.decode()
