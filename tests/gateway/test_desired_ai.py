"""What gateways are told of AI APIs, as people publish them, and as keys come and go."""

from typing import Any

import pytest
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from apis.actions import ai_apis, aliases, content_logging, gate, provider_keys, provider_models, providers, testing
from apis.ai.offer import Message, Offer, Pattern, Prompt, Rails, Variable
from apis.models import Api, ApiVersion, ModelAlias, Plan, Provider, ProviderKey
from gateway import desired, desired_ai
from gateway.envoy.ai import state
from tenants.event_kinds import GATEWAY_KINDS
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast

TWO = [
    {"format": "openai", "prefix": "/v1", "header": "authorization", "value": "Bearer {key}"},
    {"format": "anthropic", "prefix": "/anthropic", "header": "x-api-key", "value": "{key}", "include_usage": False},
]


def told() -> state.Ai:
    (version,) = desired._routes(desired.live())
    assert version.ai is not None
    assert version.upstream is None
    assert all(each.answer is None for each in version.operations)
    return version.ai


def model(name: str) -> state.Model:
    return next(each for each in told().models if each.name == name)


def labelled(groups: Any) -> list[list[tuple[str, int]]]:
    labels = {str(pk): label for pk, label in ProviderKey.objects.values_list("pk", "label")}
    return [[(labels[key], weight) for key, weight in group] for group in groups]


def put(label: str, state: str) -> None:
    ProviderKey.objects.filter(label=label).update(state=state)


@pytest.fixture
def openai(in_acme: Cast) -> Provider:
    found = make.provider(by=in_acme.pam, url="http://127.0.0.1:9/base")
    make.provider_key(found, label="A", key="sk-a-0123456789abcdef", weight=60)
    make.provider_key(found, label="B", weight=40)
    make.provider_key(found, label="C", priority=2)
    return found


@pytest.fixture
def both(in_acme: Cast, openai: Provider) -> Api:
    """Two providers, of which the other one speaks both formats."""
    other = make.provider("claude", kind="custom", by=in_acme.pam, dialects=TWO)
    make.provider_key(other, label="D")
    provider_models.add(other, given={"name": "sonnet"}, by=in_acme.pam)
    make.alias("best", "claude/sonnet", "openai/gpt-5", by=in_acme.pam)
    return make.ai_api("models", "best", "openai/gpt-5", "claude/sonnet", by=in_acme.pam)


def test_an_api_of_one_provider_is_told_with_its_keys_by_priority_and_weight(openai: Provider) -> None:
    make.ai_api("models", "openai/gpt-5")
    found = told()
    assert [each.name for each in found.models] == ["openai/gpt-5"]
    assert labelled(found.models[0].openai) == [[("A", 60), ("B", 40)], [("C", 1)]]
    assert found.models[0].anthropic == ()
    assert found.models[0].names == (("openai", "gpt-5"),)
    assert (found.models[0].first_byte_ms, found.models[0].silence_ms) == (30_000, 60_000)
    key = next(each for each in found.keys if each.secret == b"Bearer sk-a-0123456789abcdef")
    assert (key.format, key.provider, key.scheme, key.host, key.port) == ("openai", "openai", "http", "127.0.0.1", 9)
    assert (key.prefix, key.header.lower(), key.addresses, key.usage) == ("/base/v1", "authorization", ("127.0.0.1",), True)
    assert "sk-a" not in repr(found), "no repr shows a key"
    assert found.rails == state.Rails()


def test_its_operations_are_the_endpoints_and_its_prompts(openai: Provider) -> None:
    asked = Prompt("sum-up", "Sum up", "openai/gpt-5", (Variable("text"),), (Message("user", "Sum up: {{text}}"),), {"temperature": 0.2})
    make.ai_api("models", "openai/gpt-5", prompts=(asked,))
    (version,) = desired._routes(desired.live())
    assert {(each.operation_id, each.method, each.path) for each in version.operations} == {
        ("chatCompletions", "POST", "/chat/completions"),
        ("responses", "POST", "/responses"),
        ("embeddings", "POST", "/embeddings"),
        ("messages", "POST", "/messages"),
        ("models", "GET", "/models"),
        ("promptSumUp", "POST", "/prompts/sum-up"),
    }
    assert version.name == "v1"
    (prompt,) = told().prompts
    assert prompt == state.Prompt(
        "promptSumUp",
        "/prompts/sum-up",
        "openai/gpt-5",
        (state.Variable("text", "string", True, None, (), 4_000),),
        (("user", "Sum up: {{text}}"),),
        (("temperature", 0.2),),
    )


def test_an_alias_goes_from_provider_to_provider_in_each_format_that_these_speak(both: Api) -> None:
    found = model("best")
    assert labelled(found.openai) == [[("D", 1)], [("A", 60), ("B", 40)], [("C", 1)]]
    assert labelled(found.anthropic) == [[("D", 1)]]
    assert found.names == (("claude", "sonnet"), ("openai", "gpt-5"))
    claude = {each.format: each for each in told().keys if each.provider == "claude"}
    assert {name: (key.prefix, key.header, key.usage) for name, key in claude.items()} == {
        "openai": ("/v1", "authorization", True),
        "anthropic": ("/anthropic", "x-api-key", False),
    }


def test_a_changed_alias_counts_at_once_and_changes_no_key(both: Api, in_acme: Cast) -> None:
    before = told().keys
    alias = ModelAlias.objects.get()
    aliases.change(alias, targets=[{"provider": "openai", "model": "gpt-5"}], by=in_acme.pam)
    assert labelled(model("best").openai) == [[("A", 60), ("B", 40)], [("C", 1)]]
    assert model("best").anthropic == ()
    assert told().keys == before


@pytest.mark.parametrize("bad", ["exhausted", "failing", "off", "refused"])
def test_a_key_that_does_not_work_leaves_its_group(openai: Provider, bad: str) -> None:
    make.ai_api("models", "openai/gpt-5")
    put("A", bad)
    assert labelled(model("openai/gpt-5").openai) == [[("B", 40)], [("C", 1)]]
    put("B", bad)
    assert labelled(model("openai/gpt-5").openai) == [[("C", 1)]]


def test_the_last_group_stays_so_that_callers_hear_what_the_provider_says(both: Api) -> None:
    for label in "ABCD":
        put(label, "refused")
    assert labelled(model("best").openai) == [[("C", 1)]]
    assert labelled(model("claude/sonnet").openai) == [[("D", 1)]]
    assert labelled(model("best").anthropic) == [[("D", 1)]]


def test_what_somebody_switched_off_gets_no_call_even_where_nothing_else_is_there(openai: Provider) -> None:
    make.ai_api("models", "openai/gpt-5")
    for label in "ABC":
        put(label, "off")
    assert model("openai/gpt-5").openai == ()
    assert told().keys == ()


def test_a_key_that_rests_keeps_its_cluster_and_another_secret_is_another_one(openai: Provider) -> None:
    make.ai_api("models", "openai/gpt-5")
    before = told().keys
    put("A", "exhausted")
    assert told().keys == before
    digests = {each.digest for each in before}
    assert len(digests) == 3
    key = ProviderKey.objects.get(label="A")
    provider_keys.seal_key(key, "sk-another")
    key.save()
    assert len({each.digest for each in told().keys} & digests) == 2


def test_other_addresses_are_no_other_cluster(openai: Provider) -> None:
    make.ai_api("models", "openai/gpt-5")
    Provider.objects.update(host="models.example.com", scheme="https", addresses=["93.184.216.34"])
    before = told().keys
    Provider.objects.update(addresses=["93.184.216.35"])
    after = told().keys
    assert [each.digest for each in before] == [each.digest for each in after]
    assert {each.addresses for each in after} == {("93.184.216.35",)}


def test_an_address_that_must_not_be_called_any_more_is_none(openai: Provider) -> None:
    make.ai_api("models", "openai/gpt-5")
    with override_settings(UPSTREAM_NETWORKS=[]):
        assert {each.addresses for each in told().keys} == {()}


def test_without_tls_a_key_goes_nowhere_but_where_the_operator_allows_it(openai: Provider) -> None:
    make.ai_api("models", "openai/gpt-5")
    Provider.objects.update(host="models.example.com", addresses=["127.0.0.1", "93.184.216.34"])
    assert {each.addresses for each in told().keys} == {("127.0.0.1",)}


def test_earlier_routes_keep_their_addresses_and_today_s_keys(openai: Provider) -> None:
    make.ai_api("models", "openai/gpt-5")
    Provider.objects.update(host="models.example.com", scheme="https", addresses=["93.184.216.34"])
    ref = desired.live()
    assert ref[0]["ai"] == {str(openai.pk): ["93.184.216.34"]}
    Provider.objects.update(addresses=["93.184.216.35"])
    put("A", "refused")
    (version,) = desired._routes(ref)
    assert version.ai is not None
    assert {each.addresses for each in version.ai.keys} == {("93.184.216.34",)}
    assert labelled(version.ai.models[0].openai) == [[("B", 40)], [("C", 1)]]


def test_a_configuration_that_is_shown_has_no_secret(openai: Provider) -> None:
    make.ai_api("models", "openai/gpt-5")
    (version,) = desired._routes(desired.live(), secrets=False)
    assert version.ai is not None
    assert {each.secret for each in version.ai.keys} == {b""}


def test_a_key_that_can_not_be_read_holds_nothing_up(openai: Provider, caplog: pytest.LogCaptureFixture) -> None:
    make.ai_api("models", "openai/gpt-5")
    ProviderKey.objects.filter(label="A").update(sealed="v1.nothing")
    assert labelled(model("openai/gpt-5").openai) == [[("B", 40)], [("C", 1)]]
    assert "can't be read" in caplog.text


def test_rails_are_told_as_gateways_look(openai: Provider) -> None:
    rails = Rails(("phone", "email"), (Pattern("customer", r"\bK-\d{3,4}|X\d+"),), ("Top Secret",), 64)
    make.ai_api("models", "openai/gpt-5", rails=rails)
    assert told().rails == state.Rails(
        masks=("email", "phone"),
        patterns=(("customer", "%f[%w_]K%-%d%d%d%d?"), ("customer", "X%d+")),
        blocked=("%f[%w]top secret%f[%W]",),
        body_kib=64,
    )


def test_what_is_asked_and_answered_is_told_of_the_apis_that_keep_it(openai: Provider, in_acme: Cast) -> None:
    api = make.ai_api("models", "openai/gpt-5")
    make.ai_api("others", "openai/gpt-5")

    def kept() -> dict[str, state.Content | None]:
        return {each.api: each.ai.content if each.ai else None for each in desired._routes(desired.live())}

    def put(**changed: Any) -> None:
        wanted: dict[str, Any] = {"enabled": True, "requests": True, "answers": True, "days": 30, "consent": "We read it.", **changed}
        event = content_logging.put(api, **wanted, by=in_acme.pam)
        assert event is not None
        assert event.kind in GATEWAY_KINDS

    earlier = desired.live()
    assert kept() == {"models": None, "others": None}
    put()
    assert kept() == {"models": state.Content(True, True), "others": None}
    put(answers=False)
    assert kept()["models"] == state.Content(True, False)
    # Earlier routes are no way to go on with it.
    assert [each.ai and each.ai.content for each in desired._routes(earlier)] == [state.Content(True, False), None]
    put(enabled=False)
    assert kept() == {"models": None, "others": None}
    assert [each.ai and each.ai.content for each in desired._routes(earlier)] == [None, None]


def test_what_is_tried_is_not_kept(openai: Provider, in_acme: Cast) -> None:
    api = make.ai_api("models", "openai/gpt-5")
    content_logging.put(api, enabled=True, requests=True, answers=True, days=30, consent="We read it.", by=in_acme.pam)
    version = ApiVersion.objects.get(api=api)
    revision = ai_apis.offer(version, Offer(("openai/gpt-5-mini",)), by=in_acme.pam)
    testing.open_for_tests(revision, hours=1, by=in_acme.pam)
    found = {each.tested: each.ai and each.ai.content for each in desired._routes(desired.live())}
    assert found == {0: state.Content(True, True), revision.number: None}


def test_a_plan_says_which_models_and_how_many_tokens(openai: Provider, in_acme: Cast) -> None:
    terms = {"name": "small", "models": ["openai/gpt-5"], "max_tokens": 200, "tokens_per_minute": 1_000}
    api = make.ai_api("models", "openai/gpt-5", "openai/gpt-5-mini", terms=(terms,))
    make.subscription(to=Plan.objects.get(api=api))
    (grant,) = desired._grants()
    assert (grant.plan, grant.models, grant.max_tokens, grant.tokens_per_minute) == ("small", ("openai/gpt-5",), 200, 1_000)


def test_other_apis_are_read_as_before_and_cost_no_query_more(in_acme: Cast) -> None:
    make.api("orders")
    with CaptureQueriesContext(connection) as caught:
        (version,) = desired._routes(desired.live())
    assert version.ai is None
    assert not any("provider" in each["sql"] for each in caught.captured_queries)


def test_reading_costs_the_same_for_many_ai_apis_as_for_one(both: Api) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as caught:
            desired._routes(desired.live())
        return len(caught)

    before = cost()
    for number in range(3):
        make.ai_api(f"more-{number}", "best", "openai/gpt-5")
    assert cost() == before


def test_a_tenants_providers_answer_its_own_apis_alone(both: Api, cast: Cast) -> None:
    with tenant_scope(cast.globex.pk):
        make.provider(by=cast.eve)
        make.ai_api("models", "openai/gpt-5", by=cast.eve)
        assert told().keys == ()


def test_what_happens_to_providers_is_told_to_gateways(in_acme: Cast, both: Api) -> None:
    """Each of these kinds is pushed: what changes by it is seen above."""
    pam = in_acme.pam
    provider, key = Provider.objects.get(slug="openai"), ProviderKey.objects.get(label="C")
    last = Event.objects.latest("number").number
    provider_keys.change(key, weight=7, by=pam)
    provider_keys.remove(key, by=pam)
    providers.change(provider, first_byte_ms=2_000, by=pam)
    aliases.change(ModelAlias.objects.get(), targets=[{"provider": "openai", "model": "gpt-5"}], by=pam)
    unused = make.alias("unused", by=pam)
    aliases.delete(unused, by=pam)
    kinds = [*Event.objects.filter(number__gt=last).order_by("number").values_list("kind", flat=True)]
    assert kinds == [
        "provider_key.changed", "provider_key.removed", "provider.changed", "model_alias.changed", "model_alias.created",
        "model_alias.deleted",
    ]  # fmt: skip
    assert set(kinds) <= GATEWAY_KINDS.keys()


def test_a_new_offer_counts_once_it_is_live(both: Api, in_acme: Cast) -> None:
    version = ApiVersion.objects.get(api=both)
    revision = ai_apis.offer(version, Offer(("openai/gpt-5",)), by=in_acme.pam)
    assert len(told().models) == 3
    gate.go_live(revision, override=True, by=in_acme.pam)
    assert [each.name for each in told().models] == ["openai/gpt-5"]


def test_what_is_there_no_more_is_left_out() -> None:
    assert desired_ai.Providers().targets("gone/model") == []
