"""Plans in words, a new one, and publishing it."""

from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from apis.actions import plans
from apis.models import Api, Plan
from apis.models.api import limit_in_words
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, queries

LIST = "/t/acme/console/plans/"
NEW = f"{LIST}new/"
DIALOG = {"HX-Request": "true", "HX-Target": "dialog"}
TOLD = {"api": "orders", "name": "gold", "calls": "600", "period": "10", "seconds": "", "approval": "automatic"}


def text(answer: Any) -> str:
    return str(answer.content.decode())


@pytest.mark.parametrize(
    "calls,seconds,said",
    [
        (60, 60, "60 calls a minute"),
        (1, 1, "1 call a second"),
        (1000, 10, "1,000 calls in 10 seconds"),
        (5, 3600, "5 calls an hour"),
        (1_000_000, 86_400, "1,000,000 calls a day"),
        (7, 90, "7 calls in 90 seconds"),
        (7, 600, "7 calls in 10 minutes"),
        (7, 7200, "7 calls in 2 hours"),
        (7, 5000, "7 calls in 5,000 seconds"),
        (7, 172_800, "7 calls in 2 days"),
    ],
)
def test_a_limit_reads_as_people_say_it(calls: int, seconds: int, said: str) -> None:
    with translation.override("en"):
        assert limit_in_words(calls, seconds) == said


def test_pam_makes_a_plan_and_publishes_it_after_reading_what_that_means(cast: Cast, pam: Client, orders: Api) -> None:
    assert "No plan yet" in text(pam.get(LIST))
    assert '<option value="orders" selected>' in text(pam.get(f"{NEW}?api=orders"))
    assert pam.post(NEW, {**TOLD, "once": "a" * 32})["Location"] == LIST
    with tenant_scope(cast.acme.pk):
        plan = Plan.objects.get()
        assert (plan.calls, plan.seconds, plan.approval, plan.status) == (600, 10, "automatic", "staging")
    page = text(pam.get(LIST))
    for said in ("gold", "600 calls in 10 seconds", "Approved at once", "Staging", "0 active", f"{LIST}{plan.pk}/publish/"):
        assert said in page
    asked = text(pam.get(f"{LIST}{plan.pk}/publish/", headers=DIALOG))
    assert "<html" not in asked
    assert "Subscribers of Orders can choose it from now on: 600 calls in 10 seconds, approved at once." in asked
    assert "taken back to staging." in asked
    assert pam.post(f"{LIST}{plan.pk}/publish/", {"once": "b" * 32})["Location"] == LIST
    with tenant_scope(cast.acme.pk):
        plan.refresh_from_db()
        event = Event.objects.latest("number")
        assert (plan.status, event.kind, event.actor_id) == ("published", "plan.published", cast.pam.pk)
    assert f"/receipts/{event.number}/" in text(pam.get(LIST))
    assert pam.post(f"{LIST}{plan.pk}/publish/", {"once": "c" * 32}).status_code == 409
    assert f"{plan.pk}/publish/" not in text(pam.get(LIST))


@pytest.mark.parametrize(
    "field,value,sentence",
    [
        ("api", "", "Fill this in."),
        ("api", "no-such-api", "There is no such API."),
        ("api", "theirs", "There is no such API."),
        ("name", "Gold!", "Use lower-case letters, digits and single hyphens."),
        ("name", "g" * 41, "This has 41 characters; 40 are the most."),
        ("name", "taken", "Orders has a plan “taken” already."),
        ("calls", "0", "Give a number from 1 to 1,000,000."),
        ("calls", "1000001", "Give a number from 1 to 1,000,000."),
        ("calls", "<b>", "Give a whole number."),
        ("period", "own", "Give the time in seconds, or choose one from the list."),
        ("seconds", "0", "Give a number from 1 to 86,400."),
        ("approval", "", "Fill this in."),
    ],
)
def test_what_cannot_be_comes_back_with_all_that_was_typed(
    cast: Cast, pam: Client, orders: Api, field: str, value: str, sentence: str
) -> None:
    with tenant_scope(cast.acme.pk):
        make.plan(orders, name="taken")
    with tenant_scope(cast.globex.pk):
        make.api("theirs")
    told = {**TOLD, field: value}
    answer = pam.post(NEW, told)
    assert answer.status_code == (409 if value == "taken" else 422)
    assert sentence in text(answer)
    assert f'value="{told["calls"]}"'.replace("<b>", "&lt;b&gt;") in text(answer)
    assert f'value="{told["name"]}"' in text(answer)
    assert "theirs" not in text(answer).replace(f'value="{value}"', "")
    with tenant_scope(cast.acme.pk):
        assert Plan.objects.count() == 1


def test_sent_twice_it_is_made_once(cast: Cast, pam: Client, orders: Api) -> None:
    assert pam.post(NEW, {**TOLD, "once": "d" * 32}).status_code == 302
    assert pam.post(NEW, {**TOLD, "once": "d" * 32}).status_code == 409
    with tenant_scope(cast.acme.pk):
        assert Plan.objects.count() == 1


def test_the_list_is_searched_filtered_and_counted_in_as_many_queries_for_thirty(cast: Cast, pam: Client, orders: Api) -> None:
    with tenant_scope(cast.acme.pk):
        gold = make.plan(orders, name="gold")
        make.subscription(to=gold)
        make.subscription(to=gold, status="pending")
    pam.get(LIST)
    with queries("page:plans"):
        page = text(pam.get(LIST))
    assert "1 active" in page
    assert "1 pending" in page
    with tenant_scope(cast.acme.pk):
        plans.create(orders, name="silver", calls=1, seconds=1, approval="manual", by=None)
        for _ in range(26):
            make.plan()
    pam.get(LIST)
    with queries("page:plans"):
        assert "28 in all" in text(pam.get(LIST))
    found = text(pam.get(f"{LIST}?q=orders&status=staging"))
    assert "silver" in found
    assert "gold" not in found
    assert "No plan is like that" in text(pam.get(f"{LIST}?q=%27%3B--"))
    assert "28 in all" in text(pam.get(f"{LIST}?status=nonsense"))


def test_carl_may_not_and_eve_sees_nothing(cast: Cast, client: Client, orders: Api) -> None:
    with tenant_scope(cast.acme.pk):
        plan = plans.create(orders, name="silver", calls=1, seconds=1, approval="manual", by=None)
    publish = f"{LIST}{plan.pk}/publish/"
    for who, status in ((cast.carl, 403), (cast.eve, 404), (cast.olga, 404)):
        client.force_login(who)
        for at in (LIST, NEW, publish):
            assert client.get(at).status_code == status
            assert client.post(at, TOLD).status_code in {status, 405}
    client.force_login(cast.eve)
    assert client.post(publish.replace("acme", "globex")).status_code == 404
    with tenant_scope(cast.acme.pk):
        assert [each.status for each in Plan.objects.all()] == ["staging"]
