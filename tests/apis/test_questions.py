"""Ada asks about a request before she decides it, and Carl answers."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from apis.actions import applications, plans, questions, subscriptions
from apis.models import Subscription
from keys.models import Application
from tenants import limits
from tenants.errors import NotAllowed
from tenants.models import Event, Membership, Role, TeamMember
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries


@pytest.fixture
def asked(in_acme: Cast) -> Subscription:
    """Carl's Checkout asks for Orders."""
    return make.subscription(status="pending", of=make.application(in_acme.carl, name="Checkout"))


def talk() -> list[tuple[str, str, str]]:
    rows = Event.objects.filter(kind__in=questions.TALK).order_by("number")
    return [(each.kind, each.actor_name, each.data["text"]) for each in rows]


def test_ada_asks_and_carl_answers(in_acme: Cast, asked: Subscription) -> None:
    questions.ask(asked, text="How many calls a day?", by=in_acme.ada)
    asked.refresh_from_db()
    assert (asked.status, asked.asked_at is not None) == ("pending", True)
    questions.answer(asked, text="About 200.", by=in_acme.carl)
    asked.refresh_from_db()
    assert (asked.status, asked.asked_at) == ("pending", None)
    assert talk() == [
        ("subscription.asked", "Ada", "How many calls a day?"),
        ("subscription.answered", "Carl", "About 200."),
    ]


def test_a_question_may_follow_another_and_one_answer_is_enough(in_acme: Cast, asked: Subscription) -> None:
    first = questions.ask(asked, text="How many?", by=in_acme.ada)
    second = questions.ask(asked, text="From where?", by=in_acme.ada)
    asked.refresh_from_db()
    assert asked.asked_at == second.at > first.at
    questions.answer(asked, text="200, from Lyon.", by=in_acme.carl)
    asked.refresh_from_db()
    assert asked.asked_at is None


def test_carl_may_say_more_without_being_asked(in_acme: Cast, asked: Subscription) -> None:
    questions.answer(asked, text="It is for the fair in May.", by=in_acme.carl)
    assert talk() == [("subscription.answered", "Carl", "It is for the fair in May.")]


@pytest.mark.parametrize("decide", ["approve", "reject", "cancel"])
def test_a_decision_needs_no_answer_and_ends_the_talk(in_acme: Cast, asked: Subscription, decide: str) -> None:
    questions.ask(asked, text="How many?", by=in_acme.ada)
    asked.refresh_from_db()
    more = {"reason": "No."} if decide == "reject" else {}
    getattr(subscriptions, decide)(asked, **more, by=in_acme.carl if decide == "cancel" else in_acme.ada)
    asked.refresh_from_db()
    assert asked.asked_at is None
    for act, by in ((questions.ask, in_acme.ada), (questions.answer, in_acme.carl)):
        with pytest.raises(NotAllowed, match="so there is nothing to ask or to answer"):
            act(asked, text="More?", by=by)
    assert len(talk()) == 1


@pytest.mark.parametrize("ends", ["plan", "application"])
def test_what_ends_with_something_else_waits_for_no_answer(in_acme: Cast, asked: Subscription, ends: str) -> None:
    questions.ask(asked, text="How many?", by=in_acme.ada)
    if ends == "plan":
        plans.close(asked.plan, reason="Nobody pays for it.", by=in_acme.pam)
    else:
        applications.delete(asked.application, by=in_acme.carl)
    asked.refresh_from_db()
    assert (asked.status, asked.asked_at) == ("cancelled", None)


def test_what_was_decided_meanwhile_is_told(in_acme: Cast, asked: Subscription) -> None:
    """Both looked at the same page."""
    stale = Subscription.objects.get(pk=asked.pk)
    subscriptions.approve(asked, by=in_acme.ada)
    with pytest.raises(NotAllowed, match="This subscription is active"):
        questions.ask(stale, text="How many?", by=in_acme.ada)
    assert talk() == []


def test_nobody_asks_themselves(in_acme: Cast) -> None:
    own = make.subscription(status="pending", of=make.application(in_acme.ada, name="Ada's"))
    with pytest.raises(NotAllowed, match="a request of your own"):
        questions.ask(own, text="Why?", by=in_acme.ada)


def test_nobody_answers_for_others(in_acme: Cast, asked: Subscription) -> None:
    for other in (in_acme.pam, in_acme.ada):
        with pytest.raises(NotAllowed, match="Only who answers for Checkout can answer here"):
            questions.answer(asked, text="I know it.", by=other)
    assert talk() == []


def test_who_gave_the_application_away_meanwhile_answers_no_more(in_acme: Cast, asked: Subscription) -> None:
    stale = Subscription.objects.select_related("application").get(pk=asked.pk)
    Application.objects.filter(pk=asked.application_id).update(owner=in_acme.pam)
    with pytest.raises(NotAllowed, match="Only who answers for Checkout"):
        questions.answer(stale, text="Ten.", by=in_acme.carl)


def test_a_team_answers_for_its_application(in_acme: Cast) -> None:
    dana = make.member(in_acme.acme, "dana@acme.example", Role.DEVELOPER)
    team = make.team(in_acme.carl)
    TeamMember.objects.create(team=team, membership=Membership.objects.get(user=dana))
    theirs = make.subscription(status="pending", of=make.application(in_acme.carl, name="Shop", team=team))
    questions.ask(theirs, text="How many?", by=in_acme.ada)
    questions.answer(theirs, text="Ten.", by=dana)
    assert talk()[-1] == ("subscription.answered", str(dana), "Ten.")


def test_at_some_point_enough_was_said(in_acme: Cast, asked: Subscription, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MESSAGES_PER_REQUEST", 2)
    questions.ask(asked, text="One?", by=in_acme.ada)
    questions.answer(asked, text="One.", by=in_acme.carl)
    for act, by in ((questions.ask, in_acme.ada), (questions.answer, in_acme.carl)):
        with pytest.raises(NotAllowed, match="There are 2 questions and answers about this request"):
            act(asked, text="More?", by=by)


def test_the_database_keeps_a_decided_one_from_waiting(in_acme: Cast, asked: Subscription) -> None:
    subscriptions.approve(asked, by=in_acme.ada)
    with pytest.raises(IntegrityError), transaction.atomic():
        Subscription.objects.filter(pk=asked.pk).update(asked_at="2026-01-01T00:00:00Z")


# --- over REST -------------------------------------------------------------------------------------------------------


@pytest.fixture
def request_at(cast: Cast) -> str:
    with tenant_scope(cast.acme.pk):
        found = make.subscription(status="pending", of=make.application(cast.carl, name="Checkout"))
    return f"{base(cast.acme)}/subscriptions/{found.pk}/"


def test_the_talk_over_rest(cast: Cast, rest: Rest, request_at: str) -> None:
    ada, carl = rest(cast.ada), rest(cast.carl)
    done = ada.post(f"{request_at}ask/", {"text": "How many?"})
    assert done.status_code == 200
    assert done.json()["asked_at"] == carl.get(request_at).json()["asked_at"] is not None
    done = carl.post(f"{request_at}answer/", {"text": "Ten."})
    assert (done.status_code, done.json()["asked_at"]) == (200, None)
    newest, first = carl.get(f"{request_at}messages/").json()["results"]
    assert {name: newest[name] for name in ("kind", "text", "by")} == {"kind": "answer", "text": "Ten.", "by": "Carl"}
    assert {name: first[name] for name in ("kind", "text", "by")} == {"kind": "question", "text": "How many?", "by": "Ada"}
    assert ada.get(f"{request_at}messages/").json()["results"] == [newest, first]


def test_the_list_takes_as_many_queries_for_many(cast: Cast, rest: Rest, request_at: str) -> None:
    ada = rest(cast.ada)
    for text in "abc":
        ada.post(f"{request_at}ask/", {"text": text})
    with queries("subscriptions/messages/"):
        assert len(ada.get(f"{request_at}messages/").json()["results"]) == 3


@pytest.mark.parametrize(
    ("text", "said"), [(None, "required"), ("", "blank"), ("x" * 1_001, "1000"), (["a"], "string"), ("a\x00", "haracter")]
)
def test_what_can_not_be_said(cast: Cast, rest: Rest, request_at: str, text: Any, said: str) -> None:
    given = {} if text is None else {"text": text}
    for person, verb in ((cast.ada, "ask"), (cast.carl, "answer")):
        refused = rest(person).post(f"{request_at}{verb}/", given)
        assert refused.status_code == 422
        assert said in str(refused.json()["errors"]["text"])


def test_who_may_not(cast: Cast, rest: Rest, request_at: str) -> None:
    eve, pam, carl, ada = (rest(each) for each in (cast.eve, cast.pam, cast.carl, cast.ada))
    assert eve.post(f"{request_at}ask/", {"text": "x"}).status_code == 404
    assert eve.post(f"{request_at}answer/", {"text": "x"}).status_code == 404
    assert eve.get(f"{request_at}messages/").status_code == 404
    # Carl does not decide; Pam neither decides nor owns it; it is not Ada's to answer.
    assert carl.post(f"{request_at}ask/", {"text": "x"}).status_code == 403
    assert pam.post(f"{request_at}ask/", {"text": "x"}).status_code == 403
    assert pam.get(f"{request_at}messages/").status_code == 404
    assert ada.post(f"{request_at}answer/", {"text": "x"}).status_code in {403, 404}
    assert ada.get(f"{request_at}messages/").json()["results"] == []
