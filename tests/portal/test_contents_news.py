"""That an API asks whether it may keep prompts and answers is told to its callers' people; that one withdrew, to who publishes."""

from typing import Any

import pytest

from apis.actions import content_logging, subscriptions
from apis.models import Api, Plan, Subscription
from portal import tasks
from tenants.models import Role
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast
from tests.portal.test_mails import cast, run, sent

__all__ = ["cast"]

ASKS, ASKS_ANEW = "Models asks whether it may keep prompts and answers", "Models asks anew whether it may keep prompts and answers"
OURS = {"pam", "carl", "eve", "ada", "paul"}


@pytest.fixture
def models(cast: Cast) -> Api:
    with tenant_scope(cast.acme.pk):
        make.provider(by=cast.pam)
        return make.ai_api("models", by=cast.pam)


@pytest.fixture
def subscription(cast: Cast, models: Api) -> Subscription:
    with tenant_scope(cast.acme.pk):
        application, plan = make.application(cast.carl, name="Checkout"), Plan.objects.get(api=models)
        found = subscriptions.request(application, api=models, plan=plan, purpose="A test.", by=cast.carl)[0]
    run()
    return found


def keep(cast: Cast, models: Api, **more: Any) -> list[tuple[str, str]]:
    with tenant_scope(cast.acme.pk):
        make.kept(models, by=cast.pam, **more)
    return [each for each in run() if each[0] in OURS]


def test_its_callers_people_hear_that_it_asks_and_asks_anew(
    cast: Cast, models: Api, subscription: Subscription, mailoutbox: list[Any]
) -> None:
    assert keep(cast, models) == [("carl", ASKS)]
    assert keep(cast, models, days=7) == [], "less than they were asked about"
    assert keep(cast, models, days=7, consent="Another.") == [("carl", ASKS_ANEW)]
    assert keep(cast, models, enabled=False, days=7, consent="Another.") == []
    assert keep(cast, models, enabled=False, days=7, consent="A third.") == [], "nobody is asked while it is off"
    sent()


def test_what_was_taken_back_before_anybody_heard_of_it_is_not_told(
    cast: Cast, models: Api, subscription: Subscription, mailoutbox: list[Any]
) -> None:
    with tenant_scope(cast.acme.pk):
        make.kept(models, by=cast.pam)
        make.kept(models, by=cast.pam, enabled=False)
    assert [each for each in run() if each[0] in OURS] == []


def test_who_publishes_hears_that_a_consent_was_withdrawn(
    cast: Cast, models: Api, subscription: Subscription, mailoutbox: list[Any]
) -> None:
    make.member(cast.acme, "paul@acme.example", Role.PUBLISHER)
    keep(cast, models)
    with tenant_scope(cast.acme.pk):
        content_logging.agree(subscription, version=1, by=cast.carl)
        content_logging.withdraw(subscription, by=cast.carl)
    mailoutbox.clear()
    tasks.send_mails()
    subject = "Models keeps no prompts and answers of Checkout any more"
    told = {str(each.to[0]).partition("@")[0]: each for each in mailoutbox if subject in each.subject}
    assert set(told) >= {"pam", "paul"}
    assert not set(told) & {"carl", "eve"}
    body = str(told["pam"].body)
    assert "/t/acme/console/apis/models/contents/" in body
    assert "You get this because you publish APIs at Acme." in body
    sent()


def test_a_request_is_told_to_approvers_although_its_asker_agreed_and_withdrew(cast: Cast, models: Api, mailoutbox: list[Any]) -> None:
    keep(cast, models)
    with tenant_scope(cast.acme.pk):
        plan = make.plan(models, name="gold")
        application = make.application(cast.carl, name="Checkout")
        asked, _ = subscriptions.request(application, api=models, plan=plan, purpose="A test.", logging_agreed=1, by=cast.carl)
        content_logging.withdraw(asked, by=cast.carl)
    assert ("ada", "Checkout asks for Models: gold") in run()
    sent()


def test_the_mail_leads_to_the_text(cast: Cast, models: Api, subscription: Subscription, mailoutbox: list[Any]) -> None:
    with tenant_scope(cast.acme.pk):
        make.kept(models, by=cast.pam)
    tasks.send_mails()
    (mail,) = [each for each in mailoutbox if "carl" in str(each.to)]
    for said in ("/t/acme/apis/models/", "Pam switched on that Models keeps them", "an application of yours or your team's subscribes"):
        assert said in str(mail.body), said
    sent()
