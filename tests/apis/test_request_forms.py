"""Pam has Orders ask something of its own, and Carl answers it with his request."""

import dataclasses
from typing import Any

import pytest

from apis.actions import request_forms, subscriptions
from apis.models import Api, FormQuestion, Plan, Subscription, questions_of
from tenants import limits
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries

WHY = FormQuestion("why", "Why do you need it?", "In a sentence.")
WHERE = FormQuestion("where", "Where does it run?", kind="choice", options=("Here", "Elsewhere"))
PERSONAL = FormQuestion("personal", "Do you keep personal data?", kind="yes_no", required=False)
STORY = FormQuestion("story", "Tell us more.", kind="long", required=False)
ALL = [WHY, WHERE, PERSONAL, STORY]
GOOD: dict[str, Any] = {"why": "To sell.", "where": "Here", "personal": False}


@pytest.fixture
def gold(in_acme: Cast) -> Plan:
    return make.plan(make.api("orders"), name="gold")


@pytest.fixture
def asking(in_acme: Cast, gold: Plan) -> Plan:
    request_forms.set_form(gold.api, ALL, by=in_acme.pam)
    return gold


def asks(cast: Cast, to: Plan, answers: dict[str, Any] | None = None) -> Subscription:
    made, _ = subscriptions.request(make.application(cast.carl), api=to.api, plan=to, purpose="x", answers=answers, by=cast.carl)
    return made


# --- what is asked ---------------------------------------------------------------------------------------------------


def test_questions_are_added_changed_moved_and_removed(in_acme: Cast, gold: Plan) -> None:
    api, pam = gold.api, in_acme.pam
    request_forms.add(api, dataclasses.replace(WHY, key=""), by=pam)
    request_forms.add(api, dataclasses.replace(WHY, key=""), by=pam)
    request_forms.add(api, FormQuestion("", "为什么"), by=pam)
    assert [each.key for each in questions_of(api)] == ["why-do-you-need-it", "why-do-you-need-it-2", "question"]
    request_forms.change(api, "question", WHERE, by=pam)
    assert questions_of(api)[2] == dataclasses.replace(WHERE, key="question"), "it keeps its key"
    request_forms.move(api, "question", up=True, by=pam)
    assert request_forms.move(api, "why-do-you-need-it", up=True, by=pam) is None
    assert [each.key for each in questions_of(api)] == ["why-do-you-need-it", "question", "why-do-you-need-it-2"]
    request_forms.remove(api, "why-do-you-need-it-2", by=pam)
    with pytest.raises(NotAllowed, match="Somebody has removed this question meanwhile"):
        request_forms.remove(api, "why-do-you-need-it-2", by=pam)
    stored = Api.objects.get(pk=api.pk)
    assert [each.key for each in questions_of(stored)] == ["why-do-you-need-it", "question"]
    event = Event.objects.filter(kind="api.request_form_changed").order_by("number").last()
    assert event is not None
    assert event.data["now"] == ["Why do you need it?", "Where does it run?"]
    assert Event.objects.filter(kind="api.request_form_changed").count() == 6


def test_the_same_again_is_no_change(in_acme: Cast, asking: Plan) -> None:
    assert request_forms.set_form(asking.api, ALL, by=in_acme.pam) is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"text": " "}, "Say what is asked"),
        ({"text": "x" * 201}, "At most 200 characters"),
        ({"help": "x" * 501}, "At most 500 characters"),
        ({"kind": "number"}, "Choose one of these"),
        ({"key": "Why?"}, "Use lower-case letters"),
        ({"key": "x" * 41}, "Use lower-case letters"),
        ({"options": ("a", "b")}, "Only a choice has options"),
        ({"kind": "choice"}, "Give from 2 to 20 options"),
        ({"kind": "choice", "options": ("a",) * 21}, "Give from 2 to 20 options"),
        ({"kind": "choice", "options": ("a", "a")}, "An option stands there twice"),
        ({"kind": "choice", "options": ("a", " ")}, "Each option has from 1 to 100 characters"),
    ],
)
def test_what_can_not_be_asked(in_acme: Cast, gold: Plan, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        request_forms.set_form(gold.api, [dataclasses.replace(WHY, **wrong)], by=in_acme.pam)
    assert Api.objects.get(pk=gold.api_id).request_form == []


def test_so_many_questions_are_asked(in_acme: Cast, gold: Plan) -> None:
    ten = [FormQuestion("", "Again?")] * limits.QUESTIONS_PER_API
    request_forms.set_form(gold.api, ten, by=in_acme.pam)
    with pytest.raises(Invalid, match="An API asks at most 10 questions"):
        request_forms.add(gold.api, WHY, by=in_acme.pam)
    with pytest.raises(Invalid, match="Two questions have the key “why”"):
        request_forms.set_form(gold.api, [WHY, WHY], by=in_acme.pam)


# --- what is answered ------------------------------------------------------------------------------------------------


def test_answers_keep_the_words_in_which_they_were_asked(in_acme: Cast, asking: Plan) -> None:
    made = asks(in_acme, asking, {**GOOD, "story": "x" * 2_000})
    request_forms.set_form(asking.api, [dataclasses.replace(WHY, text="Really?")], by=in_acme.pam)
    kept = Subscription.objects.get(pk=made.pk).answers
    assert [(each["question"], each["answer"]) for each in kept] == [
        ("Why do you need it?", "To sell."),
        ("Where does it run?", "Here"),
        ("Do you keep personal data?", False),
        ("Tell us more.", "x" * 2_000),
    ]
    told = Event.objects.get(kind="subscription.requested").data["answers"]
    assert told[0] == {"question": "Why do you need it?", "answer": "To sell."}
    assert len(told[3]["answer"]) == request_forms.TOLD


def test_what_need_not_be_answered(in_acme: Cast, asking: Plan) -> None:
    assert [each["key"] for each in asks(in_acme, asking, {"why": " To sell. ", "where": "Here", "story": ""}).answers] == ["why", "where"]


@pytest.mark.parametrize(
    ("wrong", "field", "said"),
    [
        ({"why": ""}, "answers.why", "Answer this"),
        ({"why": "  "}, "answers.why", "Answer this"),
        ({"why": "x" * 201}, "answers.why", "This has 201 characters; 200 are the most"),
        ({"why": True}, "answers.why", "Answer with a text"),
        ({"where": "Nowhere"}, "answers.where", "Choose one of the options"),
        ({"personal": "yes"}, "answers.personal", "Answer yes or no"),
        ({"story": "x" * 2_001}, "answers.story", "2000 are the most"),
        ({"what": "x"}, "answers", "Orders asks nothing with the key “what”"),
    ],
)
def test_what_does_not_fit(in_acme: Cast, asking: Plan, wrong: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(Invalid, match=said) as refused:
        asks(in_acme, asking, {**GOOD, **wrong})
    assert list(refused.value.problems) == [field]
    assert not Subscription.objects.exists()


def test_without_an_answer_nothing_is_asked_for(in_acme: Cast, asking: Plan) -> None:
    with pytest.raises(Invalid) as refused:
        asks(in_acme, asking)
    assert list(refused.value.problems) == ["answers.why", "answers.where"]


# --- over REST -------------------------------------------------------------------------------------------------------


def test_the_form_over_rest(in_acme: Cast, gold: Plan, rest: Rest) -> None:
    at = f"{base(in_acme.acme)}/apis/orders/request-form/"
    asked = [{"text": "Why?"}, {"key": "where", "text": "Where?", "kind": "choice", "options": ["Here", "There"], "required": False}]
    made = rest(in_acme.pam).put(at, {"questions": asked}, format="json")
    assert made.status_code == 200, made.data
    whole = {"key": "why", "text": "Why?", "help": "", "kind": "short", "options": [], "required": True}
    assert made.data["questions"][0] == whole
    assert rest(in_acme.carl).get(at).data == made.data
    assert rest(in_acme.carl).put(at, {"questions": []}, format="json").status_code == 403
    assert rest(in_acme.eve).get(at).status_code == 404
    for wrong in ({"text": "x", "more": 1}, {"text": "\x00"}, {"text": "x", "kind": "y"}, {"text": "x", "options": "ab"}):
        assert rest(in_acme.pam).put(at, {"questions": [wrong]}, format="json").status_code == 422, wrong
    assert rest(in_acme.pam).put(at, {}, format="json").status_code == 422
    assert rest(in_acme.pam).put(at, {"questions": [{"text": "x"}] * 11}, format="json").status_code == 422
    with queries("request-form:get"):
        rest(in_acme.carl).get(at)


def test_a_request_with_answers_over_rest(in_acme: Cast, asking: Plan, rest: Rest) -> None:
    carls = make.application(in_acme.carl)
    at, body = f"{base(in_acme.acme)}/subscriptions/", {"application": str(carls.pk), "api": "orders", "plan": "gold", "purpose": "x"}
    refused = rest(in_acme.carl).post(at, body, format="json")
    assert (refused.status_code, refused.json()["errors"]) == (
        422,
        {"answers.why": ["Answer this."], "answers.where": ["Answer this."]},
    )
    wrong: Any
    for wrong in ({"why": ["x"]}, {"why": "\x00"}, {"why": 7}, [], "x", {str(number): "x" for number in range(11)}):
        assert rest(in_acme.carl).post(at, {**body, "answers": wrong}, format="json").status_code == 422, wrong
    made = rest(in_acme.carl).post(at, {**body, "answers": GOOD}, format="json")
    assert made.status_code == 201, made.data
    answers = [
        {"key": "why", "question": "Why do you need it?", "answer": "To sell."},
        {"key": "where", "question": "Where does it run?", "answer": "Here"},
        {"key": "personal", "question": "Do you keep personal data?", "answer": False},
    ]
    assert made.json()["answers"] == answers
    assert rest(in_acme.ada).get(f"{at}{made.json()['id']}/").json()["answers"] == answers


def test_what_others_ask_is_none_of_eves(in_acme: Cast, asking: Plan) -> None:
    with tenant_scope(in_acme.globex.pk):
        assert not Api.objects.filter(slug="orders").exists()
