"""Pam connects providers of AI models, adds their keys, says what models cost, and tests whether each key works."""

import logging
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from apis.actions import provider_keys, provider_models, providers
from apis.actions.provider_keys import sentence
from apis.ai.catalogue import catalogue
from apis.ai.looking import Found
from apis.models import FormerPrice, Provider, ProviderKey, ProviderModel
from keys.envelope import unseal
from keys.kek import kek
from tenants import addresses, limits
from tenants.errors import Busy, Invalid, NotAllowed
from tenants.models import Event
from tenants.scope import in_scope, tenant_scope
from tests import make
from tests.apis.models_server import answering
from tests.conftest import Cast

KEY = "sk-live-0123456789-abcd"


def public(host: str, _port: int) -> list[str]:
    """Every name lies at a public address."""
    return ["93.184.216.34"] if addresses.is_name(host) else [host]


@pytest.fixture
def openai(in_acme: Cast) -> Provider:
    return make.provider(by=in_acme.pam)


def told(kind: str) -> list[Any]:
    return list(Event.objects.filter(kind=kind).order_by("number").values_list("data", flat=True))


# --- connecting -------------------------------------------------------------------------------------------------------


def test_what_is_left_out_is_as_the_catalogue_has_it(in_acme: Cast) -> None:
    found = providers.connect(kind="anthropic", key=KEY, by=in_acme.pam, resolver=public)
    of = catalogue().kind("anthropic")
    assert of is not None
    assert (found.slug, found.name, found.url) == ("anthropic", "Anthropic", "https://api.anthropic.com")
    assert list(found.speaks) == list(of.dialects)
    assert {each.name: each.input for each in found.models.all()} == {each.name: each.input for each in of.models}
    key = found.keys.get()
    assert (key.label, key.last_four, key.state, key.priority, key.weight) == ("1", "abcd", "on", 1, 1)
    assert unseal(key.sealed, key.sealed_for, kek()).decode() == KEY
    assert told("provider.connected") == [{"slug": "anthropic", "provider_kind": "anthropic", "host": "api.anthropic.com", "models": 3}]
    assert told("provider_key.added") == [{"provider": "Anthropic", "priority": 1, "weight": 1}]


@pytest.mark.parametrize(
    "url,kept",
    [
        ("https://api.example.com/v1", "https://api.example.com"),
        ("https://api.example.com/v1/", "https://api.example.com"),
        ("https://api.example.com/base/v1", "https://api.example.com/base"),
        ("https://api.example.com:8443/base", "https://api.example.com:8443/base"),
        ("https://[2606:4700::1]/v1", "https://[2606:4700::1]"),
    ],
)
def test_the_prefix_of_a_format_is_taken_off_the_address(in_acme: Cast, url: str, kept: str) -> None:
    found = providers.connect(kind="custom", url=url, by=in_acme.pam, resolver=public)
    assert found.url == kept


@pytest.mark.parametrize(
    "given,field",
    [
        ({"kind": "nothing"}, "kind"),
        ({"kind": "azure"}, "url"),
        ({"url": "ftp://a.example"}, "url"),
        ({"url": "https://user:word@a.example"}, "url"),
        ({"url": "https://a.example/?x=1"}, "url"),
        ({"url": "https://169.254.169.254/v1"}, "url"),
        ({"url": "https://10.0.0.1"}, "url"),
        ({"url": "http://api.example.com"}, "url"),
        ({"slug": "Open AI"}, "slug"),
        ({"slug": "a" * 41}, "slug"),
        ({"key": "a b\n"}, "key"),
        ({"key": " a"}, "key"),
        ({"key": "a" * 501}, "key"),
        ({"key": "ä"}, "key"),
        ({"dialects": []}, "dialects"),
        ({"first_byte_ms": 0}, "first_byte_ms"),
        ({"silence_ms": 10**9}, "silence_ms"),
    ],
)
def test_what_can_not_be_used_is_refused_by_its_field(in_acme: Cast, given: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        providers.connect(**{"kind": "openai", "by": in_acme.pam, "resolver": public, **given})
    assert list(refused.value.problems) == [field]
    assert not Provider.objects.exists()


def test_a_name_that_leads_inside_is_refused(in_acme: Cast) -> None:
    with pytest.raises(Invalid, match="not a public address"):
        providers.connect(kind="openai", by=in_acme.pam, resolver=lambda _host, _port: ["192.168.0.1"])


def test_a_slug_is_given_once_in_a_tenant_and_again_in_another(in_acme: Cast, openai: Provider) -> None:
    with pytest.raises(Invalid, match="There is a provider “openai” already"):
        make.provider(by=in_acme.pam)
    with tenant_scope(in_acme.globex.pk):
        assert make.provider(by=in_acme.eve).slug == openai.slug


def test_there_are_not_more_than_may_be(in_acme: Cast, openai: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PROVIDERS", "KEYS_PER_PROVIDER", "MODELS_PER_PROVIDER"):
        monkeypatch.setattr(limits, name, 1)
    make.provider_key(openai)
    with pytest.raises(NotAllowed, match="as many as a tenant may have"):
        make.provider("another", by=in_acme.pam)
    with pytest.raises(NotAllowed, match="1 keys, which is as many"):
        make.provider_key(openai)
    with pytest.raises(NotAllowed, match="1 models, which is as many"):
        provider_models.add(openai, given={"name": "new"}, by=in_acme.pam)


# --- changing and removing --------------------------------------------------------------------------------------------


def test_one_is_changed_and_only_what_differs_is_told(in_acme: Cast, openai: Provider) -> None:
    event = providers.change(openai, name="Ours", url=f"{openai.url}/base", first_byte_ms=5_000, silence_ms=60_000, by=in_acme.pam)
    assert event is not None
    assert event.data == {
        "was": {"name": "OpenAI", "url": "http://127.0.0.1:9", "first_byte_ms": 30_000},
        "now": {"name": "Ours", "url": "http://127.0.0.1:9/base", "first_byte_ms": 5_000},
    }
    assert providers.change(openai, name="Ours", by=in_acme.pam) is None
    with pytest.raises(Invalid):
        providers.change(openai, dialects=[], by=in_acme.pam)


def test_keys_do_not_go_to_a_server_that_they_were_not_given_for(in_acme: Cast, openai: Provider) -> None:
    """Else whoever may change addresses could read them at one of their own."""
    key = make.provider_key(openai)
    for url in ("http://127.0.0.1:10", "https://127.0.0.1:9", "http://127.0.0.2:9"):
        with pytest.raises(NotAllowed, match="The keys were given for 127.0.0.1:9"):
            providers.change(openai, url=url, by=in_acme.pam)
    assert providers.change(openai, url=f"{openai.url}/base", by=in_acme.pam)
    provider_keys.remove(key, by=in_acme.pam)
    assert providers.change(openai, url="http://127.0.0.2:9", by=in_acme.pam)


def test_it_goes_with_all_that_it_has_and_a_second_time_says_so(in_acme: Cast, openai: Provider) -> None:
    key, model = make.provider_key(openai), openai.models.order_by("name")[0]
    provider_models.change(model, given={"input": Decimal(7)}, by=in_acme.pam)
    event = providers.remove(openai, by=in_acme.pam)
    assert event.data == {"slug": "openai", "host": "127.0.0.1:9", "keys": 1, "models": 9}
    assert not any(each.objects.exists() for each in (Provider, ProviderKey, ProviderModel, FormerPrice))
    for act in (
        lambda: providers.remove(openai, by=in_acme.pam),
        lambda: providers.change(openai, name="x", by=in_acme.pam),
        lambda: provider_keys.change(key, weight=2, by=in_acme.pam),
        lambda: provider_keys.remove(key, by=in_acme.pam),
        lambda: make.provider_key(openai),
        lambda: provider_models.add(openai, given={"name": "x"}, by=in_acme.pam),
        lambda: provider_models.remove(model, by=in_acme.pam),
        lambda: provider_models.change(model, given={"context": 1}, by=in_acme.pam),
    ):
        with pytest.raises(NotAllowed, match="Somebody has removed"):
            act()


# --- keys -------------------------------------------------------------------------------------------------------------


def test_keys_have_their_place_and_are_switched_off_and_on(in_acme: Cast, openai: Provider) -> None:
    key = make.provider_key(openai, label="Team", priority=2, weight=30)
    event = provider_keys.change(key, label="Reserve", priority=9, weight=100, on=False, by=in_acme.pam)
    assert event is not None
    assert event.data == {
        "provider": "OpenAI",
        "was": {"label": "Team", "priority": 2, "weight": 30, "state": "on"},
        "now": {"label": "Reserve", "priority": 9, "weight": 100, "state": "off"},
    }
    assert provider_keys.change(key, on=False, by=in_acme.pam) is None
    ProviderKey.objects.update(state="refused", state_reason="refused", answered=401)
    provider_keys.change(key, on=True, by=in_acme.pam)
    key.refresh_from_db()
    assert (key.state, key.state_reason, key.answered) == ("on", "", None)


@pytest.mark.parametrize("given", [{"priority": 0}, {"priority": 10}, {"weight": 0}, {"weight": 101}])
def test_a_place_is_within_bounds(in_acme: Cast, openai: Provider, given: dict[str, Any]) -> None:
    key = make.provider_key(openai)
    for act in (lambda: make.provider_key(openai, **given), lambda: provider_keys.change(key, **given, by=in_acme.pam)):
        with pytest.raises(Invalid, match="Between 1 and"):
            act()


def test_a_label_is_had_by_one_key_of_a_provider(in_acme: Cast, openai: Provider) -> None:
    make.provider_key(openai, label="Team")
    other = make.provider_key(openai, label="Reserve")
    with pytest.raises(Invalid, match="has this label"):
        make.provider_key(openai, label="team")
    with pytest.raises(Invalid, match="has this label"):
        provider_keys.change(other, label="TEAM", by=in_acme.pam)
    assert make.provider_key(make.provider("another", by=in_acme.pam), label="Team")


def test_of_a_short_key_nothing_is_shown(openai: Provider) -> None:
    assert make.provider_key(openai, key="none").last_four == ""
    assert make.provider_key(openai, key="a" * 15).last_four == ""
    assert make.provider_key(openai, key="a" * 12 + "wxyz").last_four == "wxyz"


def test_a_key_is_in_no_row_and_no_event(in_acme: Cast, openai: Provider) -> None:
    key = make.provider_key(openai, key=KEY)
    provider_keys.change(key, weight=7, by=in_acme.pam)
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM apis_providerkey t UNION ALL SELECT t::text FROM tenants_event t")
        rows = "\n".join(row for (row,) in cursor.fetchall())
    assert "…" not in rows
    assert key.label in rows
    assert KEY not in rows
    assert KEY not in repr(key) + str(vars(key))


# --- what models cost -------------------------------------------------------------------------------------------------


def test_a_price_that_changes_counts_from_then_on_and_the_former_is_kept(in_acme: Cast, openai: Provider) -> None:
    model = openai.models.get(name="gpt-4o-mini")
    since = model.prices_since
    event = provider_models.change(model, given={"input": Decimal("0.2"), "cached": None}, by=in_acme.pam)
    assert event is not None
    assert event.data == {"provider": "OpenAI", "was": {"input": "0.15", "cached": "0.075"}, "now": {"input": "0.2", "cached": None}}
    former = FormerPrice.objects.get()
    model.refresh_from_db()
    assert (former.input, former.output, former.cached, former.currency) == (Decimal("0.15"), Decimal("0.6"), Decimal("0.075"), "USD")
    assert (former.since, former.until, model.prices_since) == (since, event.at, event.at)
    assert (model.input, model.output, model.cached) == (Decimal("0.2"), Decimal("0.6"), None)
    # The same amount is no change, however it is written.
    assert provider_models.change(model, given={"input": Decimal("0.200000")}, by=in_acme.pam) is None
    assert provider_models.change(model, given={"context": 4_000}, by=in_acme.pam)
    assert FormerPrice.objects.count() == 1, "what it costs has not changed"


def test_models_are_added_and_removed(in_acme: Cast, openai: Provider) -> None:
    model = provider_models.add(openai, given={"name": "ft:gpt-4o:acme"}, by=in_acme.pam)
    assert (model.context, model.input, model.currency) == (None, None, "USD")
    with pytest.raises(Invalid, match="a model of this name already"):
        provider_models.add(openai, given={"name": "ft:gpt-4o:acme"}, by=in_acme.pam)
    with pytest.raises(Invalid, match="a model of this name already"):
        provider_models.change(model, given={"name": "gpt-5"}, by=in_acme.pam)
    provider_models.remove(model, by=in_acme.pam)
    assert not openai.models.filter(name="ft:gpt-4o:acme").exists()


@pytest.mark.parametrize(
    "given,field",
    [
        ({"name": ""}, "name"),
        ({"name": "a b"}, "name"),
        ({"context": 0}, "context"),
        ({"context": 10**9}, "context"),
        ({"input": Decimal(-1)}, "input"),
        ({"output": Decimal("0.0000001")}, "output"),
        ({"cached": Decimal(10) ** 12}, "cached"),
        ({"cached": Decimal("NaN")}, "cached"),
        ({"currency": "euro"}, "currency"),
        ({"currency": "usd"}, "currency"),
    ],
)
def test_what_no_model_can_have_is_refused_by_its_field(in_acme: Cast, openai: Provider, given: dict[str, Any], field: str) -> None:
    model = openai.models.order_by("name")[0]
    for act in (
        lambda: provider_models.add(openai, given={"name": "new", **given}, by=in_acme.pam),
        lambda: provider_models.change(model, given=given, by=in_acme.pam),
    ):
        with pytest.raises(Invalid) as refused:
            act()
        assert list(refused.value.problems) == [field]


# --- testing ----------------------------------------------------------------------------------------------------------


def at(cast: Cast, url: str, **given: Any) -> ProviderKey:
    given = {"kind": "openai", **given}
    return make.provider_key(make.provider(url=url, by=cast.pam, **given), key=KEY)


def test_a_key_that_works_is_told_with_how_many_models(in_acme: Cast) -> None:
    with answering() as there:
        key = at(in_acme, there.url)
        found = provider_keys.try_out(in_acme.acme.pk, key.pk, by=in_acme.pam)
    assert (found.works, found.models) == (True, 2)
    assert found.sentence == f"It works: 127.0.0.1:{there.port} has 2 models for this key."
    [(path, headers)] = there.got
    assert (path, headers["authorization"], headers["host"]) == ("/v1/models", f"Bearer {KEY}", f"127.0.0.1:{there.port}")
    key.refresh_from_db()
    assert (key.state, key.state_reason, key.tested_at is not None) == ("on", "", True)
    assert not told("provider_key.works"), "it was on before"


def test_anthropic_is_asked_in_its_own_way(in_acme: Cast) -> None:
    with answering() as there:
        found = provider_keys.try_out(in_acme.acme.pk, at(in_acme, there.url, kind="anthropic").pk, by=in_acme.pam)
    assert found.works
    [(path, headers)] = there.got
    assert (path, headers["x-api-key"], headers["anthropic-version"]) == ("/v1/models", KEY, "2023-06-01")
    assert "authorization" not in headers


@pytest.mark.parametrize(
    "given,found,state,said",
    [
        ({"status": 401}, "refused", "refused", "refused the key (401)"),
        ({"status": 403, "kind": "text/html"}, "refused", "refused", "refused the key (403)"),
        ({"status": 429}, "quota", "exhausted", "takes no more of this key"),
        ({"status": 500}, "status", "failing", "answered 500."),
        ({"status": 302}, "redirect", "failing", "answered 302, which leads elsewhere"),
        ({"kind": "text/html", "answer": b"<p>"}, "html", "failing", "a web page"),
        ({"answer": b"{}"}, "not_json", "failing", "not with a list of models"),
        ({"answer": b"x" * (1024 * 1024 + 1)}, "large", "failing", "more than a list"),
        ({"status": 404}, "no_list", "on", "can't be tested"),
    ],
)
def test_what_came_back_becomes_the_state_of_the_key(in_acme: Cast, given: dict[str, Any], found: str, state: str, said: str) -> None:
    with answering(**given) as there:
        key = at(in_acme, there.url)
        tested = provider_keys.try_out(in_acme.acme.pk, key.pk, by=in_acme.pam)
        assert len(there.got) == 1, "a redirect is not followed"
        again = provider_keys.try_out(in_acme.acme.pk, key.pk, by=in_acme.pam)
    assert (tested.found, again.found) == (found, found)
    assert said in tested.sentence
    key.refresh_from_db()
    assert key.state == state
    kinds = {"refused": "provider_key.refused", "exhausted": "provider_key.exhausted", "failing": "provider_key.failing"}
    if state == "on":
        assert key.state_reason == ""
    else:
        assert sentence(key.state_reason, key.provider, status=key.answered) == tested.sentence
        assert told(kinds[state]) == [{"provider": "OpenAI", "reason": found, "answered": None if found == "large" else there.status}], (
            "told once"
        )


def test_one_that_works_again_is_on_again(in_acme: Cast) -> None:
    with answering(status=429) as there:
        key = at(in_acme, there.url)
        provider_keys.try_out(in_acme.acme.pk, key.pk, by=in_acme.pam)
        there.status = 200
        provider_keys.try_out(in_acme.acme.pk, key.pk, by=in_acme.pam)
    key.refresh_from_db()
    assert (key.state, key.state_reason) == ("on", "")
    assert len(told("provider_key.works")) == 1


@pytest.mark.parametrize("status", [200, 401])
def test_one_that_is_off_stays_off(in_acme: Cast, status: int) -> None:
    with answering(status=status) as there:
        key = at(in_acme, there.url)
        provider_keys.change(key, on=False, by=in_acme.pam)
        found = provider_keys.try_out(in_acme.acme.pk, key.pk, by=in_acme.pam)
    key.refresh_from_db()
    assert (found.works, key.state, key.state_reason) == (status == 200, "off", "")
    assert not told("provider_key.refused")


def test_who_does_not_answer_is_not_waited_for(in_acme: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apis.ai.looking.SECONDS", 0.2)
    with answering(slow=1.0) as there:
        found = provider_keys.try_out(in_acme.acme.pk, at(in_acme, there.url).pk, by=in_acme.pam)
    assert (found.found, found.key.state) == (Found.SLOW, "failing")
    assert "did not answer within" in found.sentence


def test_nobody_there_and_an_address_that_may_not_be_called_are_told_apart(in_acme: Cast) -> None:
    key = at(in_acme, "http://127.0.0.1:9")
    assert provider_keys.try_out(in_acme.acme.pk, key.pk, by=in_acme.pam).found == Found.SILENT
    Provider.objects.update(host="models.example.com", scheme="https", port=443)
    inside = provider_keys.try_out(in_acme.acme.pk, key.pk, by=in_acme.pam, resolver=lambda _host, _port: ["169.254.169.254"])
    assert (inside.found, inside.sentence) == (Found.FORBIDDEN, "models.example.com has no address that may be called.")
    Provider.objects.update(scheme="http", port=80)
    plain = provider_keys.try_out(in_acme.acme.pk, key.pk, by=in_acme.pam, resolver=public)
    assert plain.found == Found.FORBIDDEN, "the key would go without TLS"


def test_without_tls_a_network_is_called_that_the_operator_allows(in_acme: Cast, settings: Any) -> None:
    """0.0.0.0 is no loopback address, and leads to this machine all the same."""
    with answering() as there:
        key = at(in_acme, there.url)
        Provider.objects.update(host="models.internal")
        for networks, found in ((["0.0.0.0/32"], Found.WORKS), ([], Found.FORBIDDEN)):
            settings.UPSTREAM_NETWORKS = networks
            tested = provider_keys.try_out(in_acme.acme.pk, key.pk, by=in_acme.pam, resolver=lambda _host, _port: ["0.0.0.0"])
            assert tested.found == found, networks


def test_nobody_waits_for_a_provider_in_a_transaction(cast: Cast) -> None:
    inside = []

    def look_up(host: str, _port: int) -> list[str]:
        inside.append(in_scope())
        return [host]

    with tenant_scope(cast.acme.pk):
        key = at(cast, "http://127.0.0.1:9")
    provider_keys.try_out(cast.acme.pk, key.pk, by=cast.pam, resolver=look_up)
    assert inside == [False]


def test_nothing_of_the_key_is_told(in_acme: Cast, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    with answering(status=401, answer=KEY.encode()) as there:
        found = provider_keys.try_out(in_acme.acme.pk, at(in_acme, there.url).pk, by=in_acme.pam)
    assert KEY not in found.sentence
    assert KEY not in caplog.text
    assert KEY not in str(list(Event.objects.values()))


def test_of_a_tenant_one_is_tested_at_once(in_acme: Cast, openai: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_keys, "PATIENCE", 0.05)
    monkeypatch.setattr(provider_keys, "_testing", {in_acme.acme.pk})
    with pytest.raises(Busy, match="Try again in a few seconds"):
        provider_keys.try_out(in_acme.acme.pk, make.provider_key(openai).pk, by=in_acme.pam)
    monkeypatch.setattr(provider_keys, "_testing", set())
    provider_keys.try_out(in_acme.acme.pk, openai.keys.get().pk, by=in_acme.pam)


def test_a_key_of_another_tenant_is_not_there(in_acme: Cast, openai: Provider) -> None:
    key = make.provider_key(openai)
    with pytest.raises(NotAllowed, match="Somebody has removed the key"):
        provider_keys.try_out(in_acme.globex.pk, key.pk, by=in_acme.eve)
