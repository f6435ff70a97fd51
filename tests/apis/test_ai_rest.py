"""Pam publishes AI APIs over REST, changes what they offer, and keeps aliases."""

from typing import Any

import pytest

from apis.models import Api, ApiVersion, ModelAlias, Plan
from tenants.models import Event
from tests import make
from tests.conftest import Cast, Rest, queries

PLAN = {"name": "free", "calls": 60, "seconds": 60, "approval": "automatic", "max_tokens": 500, "tokens_per_minute": 5_000}
GIVEN: dict[str, Any] = {"slug": "models", "name": "Models", "models": ["openai/gpt-5", "fast"], "plans": [{**PLAN, "models": ["fast"]}]}
PROMPT: dict[str, Any] = {
    "name": "sum-up",
    "title": "Sum a text up",
    "model": "fast",
    "variables": [{"name": "text", "most": 2000}, {"name": "words", "kind": "integer", "required": False, "default": 50}],
    "messages": [{"role": "user", "text": "In {{words}} words: {{text}}"}],
    "parameters": {"temperature": 0.2},
}
RAILS = {"masks": ["email"], "patterns": [{"name": "customer", "regex": r"K-\d{4}"}], "blocked": ["secret"], "body_kib": 64}


def at(cast: Cast, rest: str = "") -> str:
    return f"/api/v1/tenants/{cast.acme.slug}/{rest}"


@pytest.fixture
def there(in_acme: Cast) -> Cast:
    """OpenAI is connected, and `fast` stands for one of its models."""
    make.provider_key(make.provider(by=in_acme.pam), by=in_acme.pam)
    make.alias("fast", "openai/gpt-5-mini", by=in_acme.pam)
    return in_acme


def test_one_is_published_in_one_go_and_asked_for_as_any_other(there: Cast, rest: Rest) -> None:
    with queries("ai-apis:create"):
        made = rest(there.pam).post(at(there, "ai-apis/"), {**GIVEN, "prompts": [PROMPT], "rails": RAILS})
    assert made.status_code == 201, made.content
    told = made.json()
    assert (told["slug"], told["kind"], told["versions"][0]["status"]) == ("models", "ai", "published")
    assert told["versions"][0]["address"].endswith("/acme/models/v1")
    assert told["receipt"].endswith(f"/{Event.objects.latest('number').number}/")
    plan = told["plans"][0]
    assert (plan["models"], plan["max_tokens"], plan["tokens_per_minute"], plan["status"]) == (["fast"], 500, 5_000, "published")
    offered = rest(there.pam).get(at(there, "apis/models/ai/")).json()
    assert (offered["revision"], offered["live"], offered["models"], offered["rails"]) == (1, True, ["openai/gpt-5", "fast"], RAILS)
    assert offered["prompts"][0]["variables"][0] == {
        "name": "text", "kind": "string", "required": True, "default": None, "choices": [], "most": 2000,
    }  # fmt: skip
    # Carl sees what he may ask for, and nothing of the prompt's text or the rails.
    carl = rest(there.carl)
    seen = carl.get(at(there, "apis/models/versions/v1/revisions/1/"))
    assert {each["operation_id"] for each in seen.json()["operations"]} >= {"chatCompletions", "promptSumUp"}
    assert "In {{words}}" not in seen.content.decode()
    assert "K-" not in seen.content.decode()
    assert carl.get(at(there, "apis/models/ai/")).status_code == 403
    application = make.application(there.carl)
    asked = carl.post(
        at(there, "subscriptions/"), {"application": str(application.pk), "api": "models", "plan": "free", "purpose": "A test."}
    )
    assert (asked.status_code, asked.json()["status"]) == (201, "active")


def test_developers_read_what_they_may_ask_for_and_what_it_costs(there: Cast, rest: Rest) -> None:
    make.ai_api("models", "openai/gpt-5", "fast", by=there.pam)
    with queries("api-models:list"):
        found = rest(there.carl).get(at(there, "apis/models/models/")).json()["models"]
    assert [(each["name"], each["answers"], each["formats"], each["input"], each["currency"]) for each in found] == [
        ("fast", ["openai/gpt-5-mini"], ["openai"], "0.25", "USD"),
        ("openai/gpt-5", ["openai/gpt-5"], ["openai"], "1.25", "USD"),
    ]
    make.api("orders")
    assert rest(there.carl).get(at(there, "apis/orders/models/")).json() == {"models": []}


def test_what_it_offers_changes_by_a_revision_that_goes_live_as_others_do(there: Cast, rest: Rest) -> None:
    pam, one = rest(there.pam), at(there, "apis/models/ai/")
    make.ai_api("models", "openai/gpt-5", "fast", by=there.pam)
    made = pam.post(one, {"models": ["fast"], "rails": RAILS, "note": "Less."})
    assert (made.status_code, made.json()["number"], made.json()["live"], made.json()["upstream"], made.json()["mock"]) == (
        201, 2, False, None, False,
    )  # fmt: skip
    same = pam.post(one, {"models": ["fast"], "rails": RAILS})
    assert (same.status_code, same.json()["detail"]) == (409, "Revision 2 offers the same.")
    assert pam.get(one).json()["live"] is False
    revision = at(there, "apis/models/versions/v1/revisions/2/")
    held = pam.post(f"{revision}live/", {})
    assert (held.status_code, "break" in held.json()["detail"]) == (409, True), "gpt-5 can't be asked for any more"
    assert pam.post(f"{revision}live/", {"override": True}).status_code == 200
    assert pam.get(one).json() == {"models": ["fast"], "prompts": [], "rails": RAILS, "revision": 2, "live": True}
    assert pam.get(revision).json()["ai"]["models"] == ["fast"]


@pytest.mark.parametrize(
    "given,field",
    [
        ({"models": []}, "models"),
        ({"models": ["openai/gpt-5", "openai/gpt-5"]}, "models"),
        ({"models": ["openai/none"]}, "models"),
        ({"models": ["slow"]}, "models"),
        ({"models": ["fa\x00st"]}, "models"),
        ({"models": "fast"}, "models"),
        ({"models": ["fast"] * 101}, "models"),
        ({"more": 1}, "more"),
        ({"slug": "No slug"}, "slug"),
        ({"visibility": "nobody"}, "visibility"),
        ({"visibility": "teams"}, "teams"),
        ({"plans": [{**PLAN, "models": ["openai/gpt-5-mini"]}]}, "models"),
        ({"plans": [{**PLAN, "max_tokens": 0}]}, "plans"),
        ({"plans": [{**PLAN, "tokens_per_minute": 10**12}]}, "plans"),
        ({"plans": [{**PLAN, "max_tokens": -1}]}, "plans"),
        ({"prompts": [{**PROMPT, "name": "Sum Up"}]}, "prompts"),
        ({"prompts": [{**PROMPT, "model": "openai/gpt-4o"}]}, "prompts"),
        ({"prompts": [PROMPT, PROMPT]}, "prompts"),
        ({"prompts": [{**PROMPT, "messages": []}]}, "prompts"),
        ({"prompts": [{**PROMPT, "messages": [{"role": "user", "text": "{{other}}"}]}]}, "prompts"),
        ({"prompts": [{**PROMPT, "messages": [{"role": "tool", "text": "a"}]}]}, "prompts"),
        ({"prompts": [{**PROMPT, "parameters": {"temperature": 3}}]}, "prompts"),
        ({"prompts": [{**PROMPT, "parameters": {"stream": True}}]}, "prompts"),
        ({"prompts": [{**PROMPT, "parameters": {"max_tokens": 1.5}}]}, "prompts"),
        ({"prompts": [{**PROMPT, "variables": [{"name": "text"}]}]}, "prompts"),
        ({"rails": {"masks": ["name"]}}, "rails"),
        ({"rails": {"masks": ["email", "email"]}}, "masks"),
        ({"rails": {"patterns": [{"name": "a", "regex": "(a+)+"}]}}, "patterns"),
        ({"rails": {"patterns": [{"name": "email", "regex": "a"}]}}, "patterns"),
        ({"rails": {"blocked": ["a"]}}, "blocked"),
        ({"rails": {"blocked": ["Word", "word"]}}, "blocked"),
        ({"rails": {"body_kib": 1}}, "rails"),
    ],
    ids=range(32),
)
def test_what_no_gateway_could_do_is_refused_by_its_field(there: Cast, rest: Rest, given: dict[str, Any], field: str) -> None:
    refused = rest(there.pam).post(at(there, "ai-apis/"), {**GIVEN, **given})
    assert refused.status_code == 422, refused.content
    assert {name.partition(".")[0] for name in refused.json()["errors"]} == {field}, refused.content
    assert not Api.objects.exists()


def test_a_slug_is_given_once(there: Cast, rest: Rest) -> None:
    make.api("models")
    again = rest(there.pam).post(at(there, "ai-apis/"), GIVEN)
    assert (again.status_code, "exists already" in again.json()["detail"]) == (409, True)
    assert Plan.objects.count() == 0


def test_what_makes_no_sense_for_an_ai_api_is_refused_with_a_sentence(there: Cast, rest: Rest) -> None:
    make.ai_api("models", "fast", by=there.pam)
    make.api("orders")
    pam = rest(there.pam)
    upload = pam.post(
        at(there, "apis/models/versions/v1/revisions/"), {"document": make.DOCUMENT, "upstream": {"url": "http://127.0.0.1:9"}}
    )
    assert (upload.status_code, upload.json()["detail"][:24]) == (409, "Models is an AI API: its")
    mock = pam.post(at(there, "apis/models/versions/v1/revisions/"), {"document": make.DOCUMENT, "mock": True})
    assert mock.status_code == 409
    second = pam.post(at(there, "apis/models/versions/"), {"name": "v2"})
    assert (second.status_code, "one version, v1" in second.json()["detail"]) == (409, True)
    source = {"url": "https://docs.example.com/openapi.yml", "every": "daily", "enabled": True}
    assert pam.put(at(there, "apis/models/versions/v1/source/"), source).status_code == 409
    imported = pam.post(
        at(there, "apis/models/versions/v1/imports/"), {"document": make.DOCUMENT, "upstream": {"url": "http://127.0.0.1:9"}}
    )
    assert imported.status_code == 409
    tokens = pam.post(at(there, "apis/orders/plans/"), PLAN)
    assert (tokens.status_code, [*tokens.json()["errors"]]) == (422, ["max_tokens", "tokens_per_minute"])
    assert pam.post(at(there, "apis/orders/ai/"), {"models": ["fast"]}).status_code == 404


def test_a_plan_of_one_is_changed(there: Cast, rest: Rest) -> None:
    make.ai_api("models", "fast", "openai/gpt-5", terms=(PLAN,), by=there.pam)
    pam, plan = rest(there.pam), at(there, "apis/models/plans/free/")
    changed = pam.patch(plan, {"models": ["fast"], "max_tokens": None, "tokens_per_minute": 100})
    assert (changed.status_code, changed.json()["models"], changed.json()["max_tokens"], changed.json()["tokens_per_minute"]) == (
        200, ["fast"], None, 100,
    )  # fmt: skip
    assert "event" not in pam.patch(plan, {"models": ["fast"], "max_tokens": None}).json()
    assert pam.patch(plan, {"models": ["openai/gpt-4o"]}).status_code == 422
    assert Event.objects.filter(kind="plan.changed").latest("number").data["now"] == {
        "models": ["fast"], "max_tokens": None, "tokens_per_minute": 100,
    }  # fmt: skip


# --- aliases ----------------------------------------------------------------------------------------------------------

TARGETS = [{"provider": "openai", "model": "gpt-5"}]


def test_an_alias_is_made_changed_and_deleted(there: Cast, rest: Rest) -> None:
    pam, one = rest(there.pam), at(there, "model-aliases/best/")
    with queries("model-aliases:create"):
        made = pam.post(at(there, "model-aliases/"), {"name": "best", "targets": TARGETS})
    assert (made.status_code, made.json()["targets"]) == (201, TARGETS)
    with queries("model-aliases:list"):
        assert [each["name"] for each in pam.get(at(there, "model-aliases/")).json()["results"]] == ["best", "fast"]
    other = [{"provider": "openai", "model": "gpt-4o"}]
    for _ in range(2):
        changed = pam.patch(one, {"targets": other})
        assert (changed.status_code, changed.json()["targets"]) == (200, other)
    assert Event.objects.filter(kind="model_alias.changed").count() == 1
    assert pam.patch(one, {"targets": TARGETS}, headers={"If-Match": '"stale"'}).status_code == 412
    names = pam.get(at(there, "ai-models/")).json()["models"]
    assert [(each["name"], each["alias"], each["formats"]) for each in names[:2]] == [
        ("best", True, ["openai"]),
        ("fast", True, ["openai"]),
    ]
    assert pam.delete(one).status_code == 204
    assert pam.get(one).status_code == pam.delete(one).status_code == 404


@pytest.mark.parametrize(
    "given,field",
    [
        ({"name": "Fast"}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": "a" * 41}, "name"),
        ({"name": "fast"}, "name"),
        ({"targets": []}, "targets"),
        ({"targets": TARGETS * 2}, "targets"),
        ({"targets": [{"provider": "openai", "model": "none"}]}, "targets"),
        ({"targets": [{"provider": "none", "model": "gpt-5"}]}, "targets"),
        ({"targets": [{"provider": "openai"}]}, "targets"),
        ({"targets": TARGETS * 11}, "targets"),
        ({"more": 1}, "more"),
    ],
)
def test_an_alias_that_nobody_could_answer_is_refused(there: Cast, rest: Rest, given: dict[str, Any], field: str) -> None:
    refused = rest(there.pam).post(at(there, "model-aliases/"), {"name": "best", "targets": TARGETS, **given})
    assert (refused.status_code, {name.partition(".")[0] for name in refused.json()["errors"]}) == (422, {field})
    assert ModelAlias.objects.count() == 1


def test_what_is_in_use_stays(there: Cast, rest: Rest) -> None:
    make.ai_api("models", "fast", by=there.pam)
    pam = rest(there.pam)
    kept = pam.delete(at(there, "model-aliases/fast/"))
    assert (kept.status_code, kept.json()["detail"]) == (409, "The alias “fast” is in use: the API Models. Take it out there first.")
    mini = pam.get(at(there, "providers/openai/models/")).json()["results"]
    model = next(each["id"] for each in mini if each["name"] == "gpt-5-mini")
    for answer in (
        pam.delete(at(there, f"providers/openai/models/{model}/")),
        pam.patch(at(there, f"providers/openai/models/{model}/"), {"name": "gpt-5-small"}),
        pam.delete(at(there, "providers/openai/")),
    ):
        assert (answer.status_code, "the alias fast" in answer.json()["detail"]) == (409, True)
    assert pam.patch(at(there, f"providers/openai/models/{model}/"), {"input": "1"}).status_code == 200


def test_an_earlier_revision_goes_not_live_without_its_models(there: Cast, rest: Rest) -> None:
    make.alias("slow", "openai/gpt-5", by=there.pam)
    make.ai_api("models", "fast", "slow", by=there.pam)
    pam = rest(there.pam)
    pam.post(at(there, "apis/models/ai/"), {"models": ["fast"]})
    pam.post(at(there, "apis/models/versions/v1/revisions/2/live/"), {"override": True})
    assert pam.delete(at(there, "model-aliases/slow/")).status_code == 204
    back = pam.post(at(there, "apis/models/versions/v1/revisions/1/live/"), {})
    assert (back.status_code, "offers the model slow, which is not there any more" in back.json()["detail"]) == (409, True)


def test_eve_finds_nothing_of_it(there: Cast, rest: Rest) -> None:
    make.ai_api("models", "fast", by=there.pam)
    eve = rest(there.eve)
    for address in ("ai-apis/", "apis/models/ai/", "apis/models/models/", "ai-models/", "model-aliases/", "model-aliases/fast/"):
        assert eve.get(at(there, address)).status_code in {404, 405}, address
        assert eve.post(at(there, address), {}).status_code in {404, 405}, address
    assert eve.delete(at(there, "model-aliases/fast/")).status_code == 404
    globex = f"/api/v1/tenants/{there.globex.slug}"
    assert eve.get(f"{globex}/model-aliases/fast/").status_code == 404
    stolen = eve.post(f"{globex}/ai-apis/", {**GIVEN, "models": ["fast"]})
    assert (stolen.status_code, [*stolen.json()["errors"]]) == (422, ["models"])


def test_who_may_not_publish_publishes_nothing(there: Cast, rest: Rest) -> None:
    carl = rest(there.carl)
    assert carl.post(at(there, "ai-apis/"), GIVEN).status_code == 403
    assert carl.post(at(there, "model-aliases/"), {"name": "best", "targets": TARGETS}).status_code == 403
    assert carl.get(at(there, "ai-models/")).status_code == 403
    assert not ApiVersion.objects.exists()
