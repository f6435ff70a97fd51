"""Who hears of a quota: those whose the application is, and when it is used up those whose the API is."""

import pytest
from django.core import mail
from django.utils import timezone

from apis.actions import quotas
from apis.models import Api, Subscription
from keys.models import Application
from portal import tasks
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, make_cast
from tests.portal.test_inbox import subjects, told
from tests.portal.test_mails import checkout, parts, pass_time

__all__ = ["checkout"]


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    return make_cast()


@pytest.fixture
def held(cast: Cast, checkout: Application) -> Subscription:
    """Checkout's ten calls a day of the API that Pam has made; what came before is told."""
    with tenant_scope(cast.acme.pk):
        api = make.api("orders")
        Api.objects.filter(pk=api.pk).update(created_by=cast.pam)
        found = make.subscription(of=checkout, to=make.plan(api, name="gold", quota=10, quota_period="day"))
    pass_time(11)
    tasks.send_mails()
    mail.outbox.clear()
    return found


def news_of(cast: Cast) -> list[tuple[str, str]]:
    tasks.send_mails()
    return [(who, kind) for who, kind in told(cast.acme) if kind.startswith("quota.")]


def called(cast: Cast, held: Subscription, many: int) -> None:
    quotas.count(cast.acme.pk, {(held.pk, timezone.now()): many})


def test_the_applications_people_hear_that_it_is_nearly_used_up_once(cast: Cast, held: Subscription) -> None:
    called(cast, held, 8)
    called(cast, held, 1)
    assert news_of(cast) == [("carl", "quota.warned")]
    assert subjects() == [("carl", "Checkout has used 80 % of its quota for Orders")]
    body = parts(mail.outbox[0])[0]
    for said in ("Used: 8 of 10 calls", "It begins anew:", "Plan: gold", f"/t/acme/quotas/{held.pk}/"):
        assert said in body
    assert "Checkout" in body


def test_when_it_is_used_up_the_apis_people_hear_it_too(cast: Cast, held: Subscription) -> None:
    called(cast, held, 10)
    assert news_of(cast) == [("carl", "quota.passed"), ("pam", "quota.passed")]
    assert {subject for _who, subject in subjects()} == {"Checkout has used up its quota for Orders"}
    assert "Calls of Checkout are refused until the quota begins anew." in parts(mail.outbox[0])[0]


def test_where_a_team_looks_after_the_api_its_members_hear_it(cast: Cast, held: Subscription) -> None:
    dora = make.member(cast.acme, "dora@acme.example", "publisher")
    with tenant_scope(cast.acme.pk):
        Api.objects.filter(pk=held.api_id).update(team=make.team(dora))
    called(cast, held, 10)
    assert news_of(cast) == [("carl", "quota.passed"), ("dora", "quota.passed")]


def test_who_gets_more_hears_it_and_why(cast: Cast, held: Subscription) -> None:
    with tenant_scope(cast.acme.pk):
        quotas.top_up(held, calls=5_000, reason="Their sale.", by=cast.ada)
    assert news_of(cast) == [("carl", "quota.topped_up")], "Ada did it herself"
    assert subjects() == [("carl", "Checkout may call Orders more often for now")]
    body = parts(mail.outbox[0])[0]
    for said in ("Ada let 5,000 calls more pass, until the quota begins anew.", "Their sale.", "Used: 0 of 5,010 calls"):
        assert said in body


def test_a_quota_is_no_answer_to_a_request(cast: Cast, held: Subscription, checkout: Application) -> None:
    """What is decided waits ten seconds; calls of that time change nothing about who hears of it."""
    with tenant_scope(cast.acme.pk):
        stock = make.subscription(of=checkout, to=make.plan(make.api("stock"), quota=1))
    called(cast, stock, 1)
    pass_time(11)
    tasks.send_mails()
    assert ("carl", "Stock: Checkout's subscription is active") in subjects()
    assert ("carl", "Checkout has used up its quota for Stock") in subjects()
