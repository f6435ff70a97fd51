"""What Ada is told of a request that stands out, and nothing of one that does not."""

from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.utils import timezone

from apis.actions import catalogue, risk_notes, subscriptions
from apis.models import Plan, Subscription
from keys.actions import application_life
from keys.models import Application
from tests import make
from tests.conftest import Cast, Rest, base, queries

READING = {
    "openapi": "3.1.0",
    "info": {"title": "Prices", "version": "1"},
    "paths": {"/prices": {"get": {"operationId": "prices", "responses": {"200": {"description": "Prices"}}}}},
}


def plain(cast: Cast, to: Plan | None = None, **about: object) -> Subscription:
    """A request of which nothing stands out: of an application that is a week old and names a contact, of somebody who has asked before."""
    make.subscription(status="rejected", of=make.application(cast.carl), to=make.plan())
    Authenticator.objects.get_or_create(user=cast.carl, type="totp", defaults={"data": {}})
    application = make.application(cast.carl, **{"contact": "help@acme.example", **about})
    Application.objects.filter(pk=application.pk).update(created_at=timezone.now() - timedelta(days=7))
    return again(make.subscription(status="pending", of=application, to=to or make.plan(make.api("prices", content=READING))))


def again(subscription: Subscription) -> Subscription:
    return Subscription.objects.for_list().get(pk=subscription.pk)


def names(subscription: Subscription) -> list[str]:
    return list(risk_notes.notes(again(subscription)))


def test_nothing_stands_out(in_acme: Cast) -> None:
    assert names(plain(in_acme)) == []


def test_the_first_of_an_applicant_with_nothing_to_show(in_acme: Cast) -> None:
    found = make.subscription(status="pending", of=make.application(in_acme.carl), to=make.plan(make.api("prices", content=READING)))
    assert names(found) == ["first_request", "young_application", "no_second_factor", "no_contact"]


@pytest.mark.parametrize(("environment", "said"), [("live", True), ("test", False)])
def test_live_calls_that_change_something(in_acme: Cast, environment: str, said: bool) -> None:
    assert names(plain(in_acme, make.plan(make.api("orders")), environment=environment)) == (["live_and_writing"] if said else [])


def test_what_was_rejected_for_this_api(in_acme: Cast) -> None:
    found = plain(in_acme)
    subscriptions.reject(found, reason="No.", by=in_acme.ada)
    assert names(make.subscription(status="pending", of=found.application, to=found.plan)) == ["rejected_before"]


def test_what_was_suspended_once(in_acme: Cast) -> None:
    found = plain(in_acme)
    make.subscription(status="suspended", of=found.application, to=make.plan())
    assert names(found) == ["suspended_before"]
    other = plain(in_acme, found.plan)
    application = Application.objects.get(pk=other.application_id)
    application_life.suspend(application, reason="Too loud.", by=in_acme.ada)
    application_life.resume(Application.objects.get(pk=application.pk), by=make.member(in_acme.acme, "alan@acme.example", "approver"))
    assert names(other) == ["suspended_before"]


@pytest.mark.parametrize(("calls", "said"), [(99, None), (100, "10 times"), (1_000_000, "100,000 times")])
def test_far_more_than_its_other_plans(in_acme: Cast, calls: int, said: str | None) -> None:
    found = plain(in_acme, make.plan(make.api("prices", content=READING), calls=calls, seconds=60))
    make.subscription(of=found.application, to=make.plan(calls=10, seconds=60))
    make.subscription(status="rejected", of=found.application, to=make.plan(calls=1, seconds=60))
    notes = risk_notes.notes(again(found))
    assert list(notes) == (["far_more"] if said else [])
    assert said is None or f"The plan allows {said} as many calls" in notes["far_more"]


def test_personal_data(in_acme: Cast) -> None:
    found = plain(in_acme)
    catalogue.place(found.api, tags=["Personal data", "prices"], by=in_acme.pam)
    assert names(found) == ["personal_data"]


def test_over_rest_with_as_many_queries_for_more(in_acme: Cast, rest: Rest) -> None:
    found = plain(in_acme)
    at = f"{base(in_acme.acme)}/subscriptions/{found.pk}/risk-notes/"
    assert rest(in_acme.ada).get(at).json() == {"notes": []}
    for _ in range(2):
        make.subscription(status="suspended", of=found.application, to=make.plan())
        with queries("subscription-risk-notes"):
            answer = rest(in_acme.ada).get(at)
        assert answer.json() == {
            "notes": [{"name": "suspended_before", "says": "The application, or a subscription of it, was suspended before."}]
        }
    for user, status in ((in_acme.carl, 403), (in_acme.eve, 404), (None, 401)):
        assert rest(user).get(at).status_code == status
    assert rest(in_acme.eve).get(f"{base(in_acme.globex)}/subscriptions/{found.pk}/risk-notes/").status_code == 404
