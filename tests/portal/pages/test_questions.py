"""Ada asks beside the request, Carl answers where his subscriptions are, and both see what was said."""

import re
from typing import Any

import pytest
from django.test import Client

from apis.actions import questions, subscriptions
from apis.models import Subscription
from portal import news
from tenants.models import Event
from tests import make
from tests.conftest import Cast, queries
from tests.portal.pages.test_requests import asked, at, signed_in, text

__all__ = ["asked"]
ANSWER = "/t/acme/apps/subscriptions/{}/answer/"


@pytest.fixture
def ada(cast: Cast) -> Client:
    return signed_in(cast.ada)


@pytest.fixture
def carl(cast: Cast) -> Client:
    return signed_in(cast.carl)


def tab(client: Client, subscription: Subscription) -> str:
    return client.get(f"/t/acme/apps/{subscription.application_id}/?tab=subscriptions").content.decode()


def test_the_question_stands_on_both_sides_until_it_is_answered(in_acme: Cast, asked: Subscription, ada: Client, carl: Client) -> None:
    assert "Answer…" not in tab(carl, asked)
    done = ada.post(at(asked, "ask"), {"reason": "How many calls a day?"}, follow=True)
    assert "Ada asked" in text(done)
    assert "How many calls a day?" in text(done)
    assert "Waits for an answer to a question" in text(done)
    page = tab(carl, asked)
    assert "Ada asks: How many calls a day?" in re.sub(r"\s+", " ", page)
    assert ANSWER.format(asked.pk) in page
    assert "Ada asks: How many calls a day?" in text(carl.get(ANSWER.format(asked.pk)))
    done = carl.post(ANSWER.format(asked.pk), {"text": "About 200."}, follow=True)
    assert "The approvers of Orders have your answer." in text(done)
    assert "Answer…" not in tab(carl, asked)
    seen = text(ada.get(at(asked)))
    assert "Waits for an answer" not in seen
    assert seen.index("How many calls a day?") < seen.index("Carl answered") < seen.index("About 200.")


def test_an_empty_question_keeps_the_page(in_acme: Cast, asked: Subscription, ada: Client) -> None:
    refused = ada.post(at(asked, "ask"), {"reason": " "})
    assert refused.status_code == 422
    assert "Fill this in." in text(refused)
    assert not Event.objects.filter(kind="subscription.asked").exists()


def test_what_is_typed_for_a_decided_request_is_not_lost(in_acme: Cast, asked: Subscription, ada: Client, carl: Client) -> None:
    subscriptions.approve(asked, by=in_acme.ada)
    refused = ada.post(at(asked, "ask"), {"reason": "How many?"})
    assert refused.status_code == 409
    assert "so there is nothing to ask or to answer" in text(refused)
    refused = carl.post(ANSWER.format(asked.pk), {"text": "About 200."})
    assert refused.status_code == 409
    assert "About 200." in text(refused)


def test_a_question_sent_twice_is_asked_once(in_acme: Cast, asked: Subscription, ada: Client) -> None:
    for status in (302, 409):
        assert ada.post(at(asked, "ask"), {"reason": "How many?", "once": "a"}).status_code == status
    assert Event.objects.filter(kind="subscription.asked").count() == 1


def test_nobody_elses_question(in_acme: Cast, asked: Subscription) -> None:
    questions.ask(asked, text="How many?", by=in_acme.ada)
    for user, status in ((in_acme.pam, (403, 404)), (in_acme.ada, (403, 404)), (in_acme.eve, (404,))):
        client = signed_in(user)
        assert client.get(ANSWER.format(asked.pk)).status_code in status
        assert client.post(ANSWER.format(asked.pk), {"text": "x"}).status_code in status
    assert not Event.objects.filter(kind="subscription.answered").exists()


def test_as_many_queries_for_many_questions(in_acme: Cast, asked: Subscription, ada: Client, carl: Client) -> None:
    make.subscription(status="pending", of=asked.application)
    questions.ask(asked, text="How many?", by=in_acme.ada)
    ada.get(at(asked))
    with queries("page:console-request:asked"):
        ada.get(at(asked))
    with queries("page:app:subscriptions:asked"):
        tab(carl, asked)
    for number in range(3):
        questions.ask(asked, text=f"{number}?", by=in_acme.ada)
        more = make.subscription(status="pending", of=asked.application)
        questions.ask(more, text=f"{number}?", by=in_acme.ada)
    with queries("page:console-request:asked"):
        ada.get(at(asked))
    with queries("page:app:subscriptions:asked"):
        assert tab(carl, asked).count("Answer…") == 4


# --- who hears of it -------------------------------------------------------------------------------------------------


def hearers(event: Event) -> list[str]:
    about = news.abouts([event])
    return [str(each) for each in news.recipients(event, about[event.subject_id], news.crowd([event], about))]


def test_who_hears_of_a_question_and_of_its_answer(in_acme: Cast, asked: Subscription) -> None:
    assert hearers(questions.ask(asked, text="How many?", by=in_acme.ada)) == ["Carl"]
    assert "Ada" in hearers(answer := questions.answer(asked, text="Ten.", by=in_acme.carl))
    assert "Carl" not in hearers(answer)


def told(events: list[Event], now: Any) -> set[str]:
    stale = news.no_news(events, now)
    return {each.kind for each in events if each.pk not in stale}


def test_what_was_answered_or_decided_is_no_news(in_acme: Cast, asked: Subscription) -> None:
    question = questions.ask(asked, text="How many?", by=in_acme.ada)
    assert told([question], question.at) == {"subscription.asked"}
    answer = questions.answer(asked, text="Ten.", by=in_acme.carl)
    assert told([question, answer], answer.at) == {"subscription.answered"}
    decision = subscriptions.approve(asked, by=in_acme.ada)
    assert told([question, answer, decision], decision.at) == {"subscription.approved"}


def test_a_question_does_not_keep_approvers_from_hearing_of_the_request(in_acme: Cast, asked: Subscription) -> None:
    requested = Event.objects.get(kind="subscription.requested")
    question = questions.ask(asked, text="How many?", by=in_acme.ada)
    assert news.ready_at(requested, [question], now=question.at) == requested.at
