"""Pam publishes an AI API in one form, changes what it offers, and developers find how it is called."""

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from apis.models import Api, ModelAlias, Plan, Revision
from portal import ai_samples
from tenants.models import Event
from tests import make
from tests.conftest import Cast, queries
from tests.portal.pages.test_console import signed_in, text

CONSOLE = "/t/acme/console"


def all_of(answer: Any) -> str:
    return unescape(answer.content.decode())


def plain(answer: Any) -> str:
    """Code as it is copied, without its colours."""
    return unescape(re.sub(r"<[^>]*>", "", answer.content.decode()))


def once(form: Any) -> str:
    found = re.search(r'name="once" value="([0-9a-f]+)"', form.content.decode())
    assert found is not None
    return found[1]


TYPED: dict[str, Any] = {
    "name": "Models", "slug": "models", "models": ["fast", "openai/gpt-5"], "description": "", "visibility": "tenant", "plan": "standard",
    "calls": "60", "period": "60", "approval": "automatic", "tokens_per_minute": "5000", "max_tokens": "",
}  # fmt: skip


@pytest.fixture
def there(in_acme: Cast) -> Cast:
    make.provider_key(make.provider(by=in_acme.pam), by=in_acme.pam)
    make.alias("fast", "openai/gpt-5-mini", by=in_acme.pam)
    return in_acme


@pytest.fixture
def pam(there: Cast) -> Client:
    return signed_in(there.pam)


def offered() -> Any:
    return Revision.objects.order_by("-number").values_list("ai", flat=True)[0]


def test_without_a_provider_the_way_there_stands_in_its_place(in_acme: Cast) -> None:
    page = all_of(signed_in(in_acme.pam).get(f"{CONSOLE}/publish-ai-api/"))
    assert "Connect a provider first." in page
    assert f'href="{CONSOLE}/connect-ai-provider/"' in page


def test_it_takes_two_steps_and_one_form_from_a_provider(pam: Client) -> None:
    assert f'href="{CONSOLE}/publish-ai-api/?provider=openai"' in all_of(pam.get(f"{CONSOLE}/ai-providers/openai/"))
    with queries("console:ai-api-new"):
        form = pam.get(f"{CONSOLE}/publish-ai-api/?provider=openai")
    page = all_of(form)
    assert re.search(r'value="openai/gpt-5"[^>]*checked', page)
    assert not re.search(r'value="fast"[^>]*checked', page)
    sent = pam.post(f"{CONSOLE}/publish-ai-api/", {**TYPED, "once": once(form)}, follow=True)
    assert "Models is published." in all_of(sent)
    api = Api.objects.get()
    assert (api.kind, api.slug, api.visibility) == ("ai", "models", "tenant")
    assert offered()["models"] == ["fast", "openai/gpt-5"]
    plan = Plan.objects.get()
    assert (plan.name, plan.status, plan.tokens_per_minute, plan.max_tokens, plan.models) == ("standard", "published", 5_000, None, [])
    again = pam.post(f"{CONSOLE}/publish-ai-api/", {**TYPED, "slug": "more", "once": once(form)})
    assert (again.status_code, "This was sent twice" in text(again)) == (409, True)
    assert Api.objects.count() == 1


def test_it_can_be_for_some_teams_alone(pam: Client, there: Cast) -> None:
    cards, ledger = make.team(there.pam, name="Cards"), make.team(there.ada, name="Ledger")
    page = all_of(pam.get(f"{CONSOLE}/publish-ai-api/"))
    assert "Teams that see it" in page
    given = {**TYPED, "visibility": "teams", "description": "Kept as typed."}
    for teams, said in (([], "Choose at least one team that sees it."), ([str(ledger.pk)], "Choose one of these teams.")):
        answer = pam.post(f"{CONSOLE}/publish-ai-api/", {**given, "teams": teams})
        assert (answer.status_code, said in text(answer)) == (422, True), text(answer)
        assert "Kept as typed." in all_of(answer)
    assert not Api.objects.exists()
    sent = pam.post(f"{CONSOLE}/publish-ai-api/", {**given, "teams": [str(cards.pk)]}, follow=True)
    assert "Models is published." in all_of(sent)
    api = Api.objects.get()
    assert (api.visibility, [each.team for each in api.audience.all()]) == ("teams", [cards])


@pytest.mark.parametrize(
    "given,said",
    [
        ({"models": []}, "Fill this in."),
        ({"models": ["openai/none"]}, "There is no model openai/none here."),
        ({"slug": "No slug"}, "Use lower-case letters"),
        ({"plan": ""}, "Fill this in."),
        ({"tokens_per_minute": "0"}, "Give a number from 1 to"),
        ({"tokens_per_minute": "99999999999999999999"}, "Give a number from 1 to"),
        ({"max_tokens": "-1"}, "Give a number from 1 to"),
        ({"name": "a\x00b"}, "Control characters"),
        ({"visibility": "nobody"}, "Select a valid choice"),
    ],
)
def test_what_is_wrong_comes_back_with_what_was_typed(pam: Client, given: dict[str, Any], said: str) -> None:
    answer = pam.post(f"{CONSOLE}/publish-ai-api/", {**TYPED, "description": "Kept as typed.", **given})
    assert (answer.status_code, said in text(answer)) == (422, True), text(answer)
    assert "Kept as typed." in all_of(answer)
    assert not Api.objects.exists()


def test_its_page_offers_what_makes_sense_and_nothing_else(pam: Client, there: Cast) -> None:
    make.ai_api("models", "fast", by=there.pam)
    with queries("console:ai-api"):
        page = all_of(pam.get(f"{CONSOLE}/apis/models/"))
    for way in ("models", "rails", "prompts"):
        assert re.search(rf'href="{CONSOLE}/apis/models/{way}/">\s*<svg', page), "with an icon, as its neighbours have"
    for no_way in ("add-version/", "new-revision", "source/"):
        assert no_way not in page, no_way
    for address in ("add-version/", "v1/revisions/new/"):
        sent = pam.get(f"{CONSOLE}/apis/models/{address}", follow=True)
        assert sent.redirect_chain[-1][0] == f"{CONSOLE}/apis/models/models/", address
        assert "Models is an AI API" in all_of(sent)
    assert "Bodies of up to 1,024 KiB" in text(pam.get(f"{CONSOLE}/apis/models/v1/revisions/1/"))


def test_other_models_wait_in_a_revision(pam: Client, there: Cast) -> None:
    make.ai_api("models", "fast", "openai/gpt-5", by=there.pam)
    at = f"{CONSOLE}/apis/models/models/"
    form = pam.get(at)
    sent = pam.post(at, {"models": ["fast"], "note": "Less.", "seen": "1", "once": once(form)}, follow=True)
    assert sent.redirect_chain[-1][0] == f"{CONSOLE}/apis/models/v1/revisions/2/"
    page = text(sent)
    assert "Revision 2 has it." in all_of(sent)
    assert "can no longer be openai/gpt-5" in page
    assert "The whole API The model openai/gpt-5 can no longer be asked for." in page
    stale = pam.post(at, {"models": ["openai/gpt-5"], "seen": "1"})
    assert (stale.status_code, "Somebody changed what Models offers meanwhile." in text(stale)) == (409, True)
    same = pam.post(at, {"models": ["fast"], "seen": "2"})
    assert (same.status_code, "Revision 2 offers the same." in text(same)) == (409, True)
    assert Revision.objects.count() == 2


def test_rails_are_typed_line_by_line(pam: Client, there: Cast) -> None:
    make.ai_api("models", "fast", by=there.pam)
    at = f"{CONSOLE}/apis/models/rails/"
    typed = {
        "masks": ["email", "card"],
        "patterns": "customer: K-\\d{6}\n\n",
        "blocked": "secret\nTop Secret\n",
        "body_kib": "64",
        "seen": "1",
    }
    sent = pam.post(at, typed, follow=True)
    page = all_of(sent)
    assert "Masked: email, card, customer" in text(sent)
    assert "Nothing changes for callers" not in page
    for said in (
        "What callers send is masked: E-mail addresses.",
        "What callers send is masked: Numbers of payment cards.",
        "What matches K-\\d{6} is masked as [customer].",
        "Calls with one of these are refused: secret, Top Secret.",
        "A body has at most 64 KiB; it had 1024.",
    ):
        assert said in page, said
    question = all_of(pam.get(f"{CONSOLE}/apis/models/v1/revisions/2/live/"))
    assert "2 changes are risky. Calls with one of these are refused: secret, Top Secret." in question
    assert offered()["rails"] == {
        "masks": ["email", "card"], "patterns": [{"name": "customer", "regex": "K-\\d{6}"}], "blocked": ["secret", "Top Secret"],
        "body_kib": 64,
    }  # fmt: skip
    assert "customer: K-\\d{6}" in all_of(pam.get(at))
    for wrong, said in (
        ({"patterns": "customer"}, "Line 1: write a name, a colon, and the pattern."),
        ({"patterns": "customer: (a|b)+"}, "Pattern “customer”: A pattern has no groups"),
        ({"patterns": "customer: a+b+c+d+"}, "at most 3 of *, + and {n,}"),
        ({"blocked": "x"}, "A blocked word has 2 to 80 characters"),
        ({"body_kib": "9000"}, "Give a number from 16 to 8,192."),
    ):
        answer = pam.post(at, {**typed, "seen": "2", **wrong})
        assert (answer.status_code, said in text(answer)) == (422, True), said


# --- prompts ----------------------------------------------------------------------------------------------------------

PROMPT = {
    "name": "sum-up", "title": "Sum a text up", "model": "fast", "variables": "text\nwords: integer = 50\ntone = plain | plain, formal",
    "role_0": "system", "text_0": "Be {{tone}}.", "role_1": "user", "text_1": "In {{words}} words: {{text}}",
    "temperature": "0.2", "max_tokens": "200", "seen": "1",
}  # fmt: skip


def test_a_prompt_is_written_previewed_changed_and_removed(pam: Client, there: Cast) -> None:
    make.ai_api("models", "fast", by=there.pam)
    at = f"{CONSOLE}/apis/models"
    assert "No prompt yet" in text(pam.get(f"{at}/prompts/"))
    sent = pam.post(f"{at}/add-prompt/", PROMPT, follow=True)
    assert "Revision 2 has it." in all_of(sent), text(sent)
    (kept,) = offered()["prompts"]
    assert kept["variables"] == [
        {"name": "text", "kind": "string", "required": True, "default": None, "choices": [], "most": 4_000},
        {"name": "words", "kind": "integer", "required": False, "default": 50, "choices": [], "most": 4_000},
        {"name": "tone", "kind": "string", "required": False, "default": "plain", "choices": ["plain", "formal"], "most": 4_000},
    ]
    assert kept["messages"] == [{"role": "system", "text": "Be {{tone}}."}, {"role": "user", "text": "In {{words}} words: {{text}}"}]
    assert kept["parameters"] == {"temperature": 0.2, "max_tokens": 200}
    assert Revision.objects.get(number=2).operations.filter(operation_id="promptSumUp", path="/prompts/sum-up").exists()
    listed = text(pam.get(f"{at}/prompts/"))
    assert "This is revision 2, which callers don't have yet." in listed
    with queries("console:ai-prompt"):
        one = pam.get(f"{at}/prompts/sum-up/")
    assert "In 50 words:" in text(one)
    filled = text(pam.get(f"{at}/prompts/sum-up/?v_text=<b>Long</b>&v_words=9&v_tone=formal"))
    assert "In 9 words: <b>Long</b>" in filled
    assert "<b>Long" not in pam.get(f"{at}/prompts/sum-up/?v_text=<b>Long</b>").content.decode()
    form = all_of(pam.get(f"{at}/prompts/sum-up/edit/"))
    assert "tone = plain | plain, formal" in form
    changed = pam.post(f"{at}/prompts/sum-up/edit/", {**PROMPT, "title": "Sum up", "seen": "2"}, follow=True)
    assert "Revision 3 has it." in all_of(changed)
    gone = pam.post(f"{at}/prompts/sum-up/remove/", {"seen": "3"}, follow=True)
    assert "There is a revision without it." in all_of(gone)
    assert offered()["prompts"] == []
    assert pam.get(f"{at}/prompts/sum-up/").status_code == 404


@pytest.mark.parametrize(
    "given,said",
    [
        ({"name": "Sum Up"}, "a name has up to 40 lower-case letters"),
        ({"text_1": "{{other}}", "variables": ""}, "is none of its variables"),
        ({"variables": "text\nwords: integer = many\ntone"}, "Line 2: “many” is none of the kind integer."),
        ({"variables": "text\nwords: integer = 1.5\ntone"}, "its default is none that could be sent"),
        ({"variables": "text\nwords: date\ntone"}, "it is a string, an integer, a number or a boolean"),
        ({"variables": "text\nwords\ntone\nmore"}, "no message has {{more}} in it"),
        ({"temperature": "3"}, "temperature is between 0.0 and 2.0"),
        ({"temperature": "nan"}, "Enter a number."),
        ({"max_tokens": "0"}, "max_tokens is between 1 and 1000000"),
        ({"model": "openai/gpt-4o"}, "There is no model openai/gpt-4o here."),
        ({"text_0": "", "text_1": "", "variables": ""}, "it has 1 to 10 messages"),
    ],
)
def test_a_prompt_that_would_not_work_comes_back(pam: Client, there: Cast, given: dict[str, str], said: str) -> None:
    make.ai_api("models", "fast", by=there.pam)
    answer = pam.post(f"{CONSOLE}/apis/models/add-prompt/", {**PROMPT, **given})
    assert (answer.status_code, said in text(answer)) == (422, True), text(answer)
    assert Revision.objects.count() == 1


def test_a_prompt_may_be_called_as_a_page_is(pam: Client, there: Cast) -> None:
    make.ai_api("models", "fast", by=there.pam)
    pam.post(f"{CONSOLE}/apis/models/add-prompt/", {**PROMPT, "name": "source"})
    assert "What the model gets" in text(pam.get(f"{CONSOLE}/apis/models/prompts/source/"))


# --- aliases ----------------------------------------------------------------------------------------------------------


def test_an_alias_is_made_changed_and_deleted(pam: Client) -> None:
    with queries("console:ai-aliases"):
        assert "openai/gpt-5-mini" in text(pam.get(f"{CONSOLE}/ai-aliases/"))
    made = pam.post(f"{CONSOLE}/new-ai-alias/", {"name": "best", "targets": "openai/gpt-5\n"}, follow=True)
    assert "The alias “best” is made." in all_of(made)
    changed = pam.post(f"{CONSOLE}/ai-aliases/best/edit/", {"targets": "openai/gpt-4o"}, follow=True)
    assert "The alias “best” is changed." in all_of(changed)
    assert "Nothing was changed." in all_of(pam.post(f"{CONSOLE}/ai-aliases/best/edit/", {"targets": "openai/gpt-4o"}, follow=True))
    for targets, said in (
        ("gpt-5", "Line 1: write the provider, a slash, and the model."),
        ("openai/none", "There is no model openai/none here."),
        ("openai/gpt-5\nopenai/gpt-4o", "Name one model of each provider"),
    ):
        answer = pam.post(f"{CONSOLE}/ai-aliases/best/edit/", {"targets": targets})
        assert (answer.status_code, said in text(answer)) == (422, True)
    assert "is deleted." in all_of(pam.post(f"{CONSOLE}/ai-aliases/best/delete/", follow=True))
    assert [each.name for each in ModelAlias.objects.all()] == ["fast"]


def test_an_alias_in_use_says_where(pam: Client, there: Cast) -> None:
    make.ai_api("models", "fast", by=there.pam)
    assert "It is in use, and has to be taken out there first: the API Models" in text(pam.get(f"{CONSOLE}/ai-aliases/fast/delete/"))
    kept = pam.post(f"{CONSOLE}/ai-aliases/fast/delete/")
    assert (kept.status_code, "is in use: the API Models." in text(kept)) == (409, True)


# --- plans ------------------------------------------------------------------------------------------------------------


def test_plans_of_ai_apis_alone_have_models_and_tokens(pam: Client, there: Cast) -> None:
    make.ai_api("models", "fast", "openai/gpt-5", by=there.pam)
    make.api("orders")
    assert "tokens_per_minute" not in all_of(pam.get(f"{CONSOLE}/plans/new/?api=orders"))
    assert "tokens_per_minute" in all_of(pam.get(f"{CONSOLE}/plans/new/?api=models"))
    typed = {"api": "models", "name": "small", "calls": "10", "period": "60", "approval": "automatic"}
    pam.post(f"{CONSOLE}/plans/new/", {**typed, "models": ["fast"], "max_tokens": "200"})
    plan = Plan.objects.get(name="small")
    assert (plan.models, plan.max_tokens, plan.tokens_per_minute) == (["fast"], 200, None)
    assert plan.terms == "10 calls a minute; answers of up to 200 tokens; models: fast"
    at = f"{CONSOLE}/plans/{plan.pk}/change/"
    assert re.search(r'value="fast"[^>]*checked', all_of(pam.get(at)))
    changed = {"calls": "10", "period": "60", "approval": "automatic", "tokens_per_minute": "900", "models": ["openai/gpt-5"]}
    assert "is changed." in all_of(pam.post(at, changed, follow=True))
    plan.refresh_from_db()
    assert (plan.models, plan.max_tokens, plan.tokens_per_minute) == (["openai/gpt-5"], None, 900)
    assert Event.objects.filter(kind="plan.changed").count() == 1
    strange = pam.post(at, {**changed, "models": ["openai/gpt-4o"]})
    assert (strange.status_code, "There is no model openai/gpt-4o here." in text(strange)) == (422, True)


# --- developers -------------------------------------------------------------------------------------------------------


def test_developers_find_lines_that_work_and_what_models_cost(there: Cast) -> None:
    api = make.ai_api(
        "models", "fast", "openai/gpt-5", terms=({"name": "small", "models": ["fast"], "tokens_per_minute": 900},), by=there.pam
    )
    carl = signed_in(there.carl)
    with queries("catalogue:ai-api"):
        page = carl.get("/t/acme/apis/models/")
    assert "from openai import OpenAI" in text(page)
    assert "openai/gpt-5" in text(page)
    assert "1.25" in text(page)
    assert "anthropic import" not in text(page), "no provider speaks it"
    assert re.search(r'data-label="Formats">\s*OpenAI\s*<', all_of(page))
    application = make.application(there.carl)
    make.subscription(of=application, to=Plan.objects.get(api=api))
    page = carl.get("/t/acme/apis/models/")
    assert 'model="fast"' in plain(page)
    assert "openai/gpt-5<" not in all_of(page), "the plan has it not"
    assert "Under the plan small: 1,000 calls a second; 900 tokens a minute; models: fast." in text(page)
    reference = text(carl.get("/t/acme/apis/models/?tab=reference&operation=chatCompletions"))
    assert "Complete a chat" in reference
    made = carl.post(f"/t/acme/apps/{application.pk}/credentials/new/?kind=api_key", {"kind": "api_key", "label": "CI", "expires": "never"})
    assert re.search(r'base_url="http[^"]+/acme/models/v1",\n    api_key="[^"]{40,}",', plain(made)), plain(made)


def test_lines_are_programs_that_mean_what_they_say() -> None:
    models = [
        {"name": "openai/text-embedding-3", "formats": ["openai"]},
        {"name": "claude/sonnet", "formats": ["openai", "anthropic"]},
        {"name": "fast", "formats": ["openai"]},
    ]
    asked = ai_samples.asked("https://gw.example/acme/models/v1", models)
    assert (asked.openai, asked.anthropic) == ("fast", "claude/sonnet")
    found = {each.lang: each.text for each in ai_samples.samples(asked)}
    assert list(found) == ["python", "javascript", "curl", "anthropic"]
    for lang in ("python", "anthropic"):
        compile(found[lang], lang, "exec")
    assert 'base_url="https://gw.example/acme/models/v1"' in found["python"]
    assert 'base_url="https://gw.example/acme/models"' in found["anthropic"], "that SDK writes /v1 itself"
    assert 'os.environ["API_KEY"]' in found["python"]
    with_key = {each.lang: each.text for each in ai_samples.samples(ai_samples.asked("https://gw.example/a/m/v1", models, key="k'1"))}
    assert 'api_key="k\'1"' in with_key["python"]
    assert "API_KEY='k'\"'\"'1'" in with_key["curl"]
    assert ai_samples.samples(ai_samples.asked("https://gw.example/a/m/v1", [])) == []
    only = ai_samples.asked("https://gw.example/a/m/v1", models, only=["claude/sonnet"])
    assert only.openai == "claude/sonnet"
    # Under a plan with a bound each call has to say how many tokens it wants.
    bounded = {each.lang: each.text for each in ai_samples.samples(ai_samples.asked("https://gw.example/a/m/v1", models, most=50))}
    assert all("max_tokens" in each and "50" in each for each in bounded.values())
    compile(bounded["python"], "python", "exec")


def test_eve_sees_nothing_of_it(there: Cast) -> None:
    make.ai_api("models", "fast", by=there.pam)
    eve = signed_in(there.eve)
    for address in (
        "publish-ai-api/", "ai-aliases/", "new-ai-alias/", "ai-aliases/fast/edit/", "ai-aliases/fast/delete/", "apis/models/models/",
        "apis/models/rails/", "apis/models/prompts/", "apis/models/add-prompt/",
    ):  # fmt: skip
        assert eve.get(f"{CONSOLE}/{address}").status_code == 404, address
        assert eve.post(f"{CONSOLE}/{address}").status_code == 404, address


def test_carl_publishes_nothing(there: Cast) -> None:
    carl = signed_in(there.carl)
    assert carl.post(f"{CONSOLE}/publish-ai-api/", TYPED).status_code == 403
    assert carl.get(f"{CONSOLE}/ai-aliases/").status_code == 403
    assert not Api.objects.exists()
