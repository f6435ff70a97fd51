"""What somebody wants to hear of how calls go: opened once, closed once it has been quiet for a while, and told to whom it concerns."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from apis.models import Api
from gateway.models import UsageAlert, UsageFreshness, UsageMinute, UsageOpenHour
from gateway.usage_alerts import CALM, JOB, change, create, delete, watch
from keys.models import Application
from portal import news
from tenants import due, events, limits
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event, Membership, Role, User
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base

RATE: dict[str, Any] = {"name": "Orders fail", "kind": "error_rate", "threshold": 10, "minutes": 5, "fewest_calls": 20}


@pytest.fixture
def orders(in_acme: Cast) -> Api:
    return make.api("orders")


@pytest.fixture
def checkout(in_acme: Cast) -> Application:
    return make.application(in_acme.carl, name="Checkout")


def fresh(ago: float = 0) -> None:
    UsageFreshness.objects.all().delete()
    at = timezone.now() - timedelta(seconds=ago)
    UsageFreshness.objects.create(started_at=at, seen_at=at, written_until=at)


def called(many: int, *, minutes: int = 2, **key: Any) -> None:
    at = timezone.now() - timedelta(minutes=minutes)
    # As the process that counts leaves it.
    UsageOpenHour.objects.get_or_create(at=at.replace(minute=0, second=0, microsecond=0))
    make.usage(many, at=at, **key)


def look() -> list[str]:
    """The job's next run; what it said."""
    fresh()
    before = Event.objects.latest("number").number
    events.lock()
    assert watch() is not None
    return list(Event.objects.filter(number__gt=before).order_by("number").values_list("kind", flat=True))


def later(alert: UsageAlert, **ago: timedelta) -> None:
    """As if these of its moments were so much longer ago."""
    alert.refresh_from_db()
    for name, by in ago.items():
        setattr(alert, name, getattr(alert, name) - by)
    alert.save()


def test_many_calls_fail(in_acme: Cast, orders: Api) -> None:
    alert = create(**RATE, api=orders, by=in_acme.pam)
    called(100, api=orders.pk)
    called(11, api=orders.pk, status_class=5)
    assert look() == []
    called(1, api=orders.pk, status_class=5, version="v2")
    assert look() == ["usage_alert.opened"]
    assert look() == [], "once"
    data = Event.objects.latest("number").data
    assert (data["calls"], data["failed"], data["threshold"], data["about"]) == (112, 12, 10, "Orders")
    alert.refresh_from_db()
    assert alert.opened_at is not None


def test_a_few_calls_say_nothing(in_acme: Cast) -> None:
    create(**RATE, by=in_acme.ada)
    called(19, status_class=5)
    assert look() == []
    called(1)
    assert look() == ["usage_alert.opened"]


def test_what_is_about_one_thing_is_about_no_other(in_acme: Cast, orders: Api, checkout: Application) -> None:
    create(**RATE, api=orders, application=checkout, by=in_acme.ada)
    called(50, api=uuid4(), application=checkout.pk, status_class=5)
    called(50, api=orders.pk, application=uuid4(), status_class=5)
    called(50, api=orders.pk, application=checkout.pk, status_class=5, minutes=20)
    assert look() == []
    called(50, api=orders.pk, application=checkout.pk, status_class=5)
    assert look() == ["usage_alert.opened"]


def test_answers_take_long(in_acme: Cast) -> None:
    create(name="Slow", kind="p95", threshold=500, minutes=5, fewest_calls=10, by=in_acme.ada)
    called(100, ms=40)
    called(1_000, ms=0, status_class=4, code="RATE_LIMITED")
    assert look() == []
    called(10, ms=900, operation="slow")
    assert look() == ["usage_alert.opened"]


def test_no_calls_any_more(in_acme: Cast) -> None:
    alert = create(name="Silence", kind="no_traffic", minutes=10, by=in_acme.ada)
    assert look() == [], "where nobody ever called, nobody has stopped"
    called(5, minutes=30)
    assert look() == ["usage_alert.opened"]
    called(1)
    assert look() == []
    later(alert, calm_since=CALM)
    assert look() == ["usage_alert.closed"]


def test_it_closes_once_it_has_been_quiet_and_flaps_are_told_once(in_acme: Cast) -> None:
    alert = create(**RATE, by=in_acme.ada)
    called(50, status_class=5)
    assert look() == ["usage_alert.opened"]
    called(5_000)
    assert look() == []
    # It comes back before it was quiet for long enough.
    later(alert, calm_since=CALM - timedelta(seconds=30))
    called(5_000, status_class=5, operation="again")
    assert look() == []
    alert.refresh_from_db()
    assert alert.calm_since is None
    called(500_000, operation="calm")
    assert look() == []
    later(alert, calm_since=CALM)
    assert look() == ["usage_alert.closed"]
    # And after that it rests.
    called(5_000_000, status_class=5, operation="more")
    assert look() == []
    later(alert, closed_at=timedelta(minutes=30))
    assert look() == ["usage_alert.opened"]


def test_while_counting_is_behind_nothing_is_said(in_acme: Cast) -> None:
    create(name="Silence", kind="no_traffic", minutes=1, by=in_acme.ada)
    called(5, minutes=30)
    for ago in (40, 3_600):
        fresh(ago)
        events.lock()
        watch()
    UsageFreshness.objects.all().delete()
    watch()
    assert not Event.objects.filter(kind="usage_alert.opened").exists()
    assert look() == ["usage_alert.opened"]


def test_what_is_muted_is_not_looked_at(in_acme: Cast) -> None:
    alert = create(**RATE, by=in_acme.ada)
    called(50, status_class=5)
    assert look() == ["usage_alert.opened"]
    change(alert, muted=True, by=in_acme.ada)
    alert.refresh_from_db()
    assert (alert.muted, alert.opened_at) == (True, None)
    assert look() == []
    change(alert, muted=False, by=in_acme.ada)
    assert look() == ["usage_alert.opened"]


def test_the_job_for_two_tenants_and_twice(in_acme: Cast) -> None:
    create(**RATE, by=in_acme.ada)
    called(50, status_class=5)
    with tenant_scope(in_acme.globex.pk):
        create(**RATE, by=in_acme.eve)
        called(50)
    fresh()
    for tenant in (in_acme.acme, in_acme.globex):
        with tenant_scope(tenant.pk):
            due.expect(JOB, timezone.now() - timedelta(seconds=1))
    assert due.run(JOB, watch) == 2
    assert due.run(JOB, watch) == 0
    assert Event.objects.filter(kind="usage_alert.opened").count() == 1
    with tenant_scope(in_acme.globex.pk):
        assert not Event.objects.filter(kind="usage_alert.opened").exists()


def test_without_alerts_nothing_is_due(in_acme: Cast) -> None:
    alert = create(**RATE, by=in_acme.ada)
    assert due.is_expected(JOB)
    delete(alert, by=in_acme.ada)
    events.lock()
    assert watch() is None


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"threshold": 0}, "threshold"),
        ({"threshold": 101}, "threshold"),
        ({"kind": "p95", "threshold": 60_001}, "threshold"),
        ({"minutes": 0}, "minutes"),
        ({"minutes": 1_441}, "minutes"),
        ({"fewest_calls": 0}, "fewest_calls"),
        ({"cooldown_minutes": 1_441}, "cooldown_minutes"),
    ],
)
def test_what_makes_no_sense_is_refused(in_acme: Cast, told: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        create(**{**RATE, **told}, by=in_acme.ada)
    assert set(refused.value.problems) == {field}


def test_a_name_is_given_once_and_there_are_not_too_many(in_acme: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    alert = create(**RATE, by=in_acme.ada)
    with pytest.raises(Invalid, match="There is an alert of this name."):
        create(**{**RATE, "name": "ORDERS fail"}, by=in_acme.ada)
    assert change(alert, name="Orders fail", by=in_acme.ada) is None
    monkeypatch.setattr(limits, "USAGE_ALERTS", 1)
    with pytest.raises(NotAllowed, match="as many as a tenant may have"):
        create(**{**RATE, "name": "Another"}, by=in_acme.ada)
    delete(alert, by=in_acme.ada)
    with pytest.raises(NotAllowed, match="deleted meanwhile"):
        change(alert, name="Gone", by=in_acme.ada)


def concerned(alert: UsageAlert) -> list[User]:
    event = Event.objects.filter(kind="usage_alert.opened", subject_id=alert.pk).latest("number")
    about = news.abouts([event])
    return news.recipients(event, about[alert.pk], news.crowd([event], about))


def test_who_hears_of_it(in_acme: Cast, orders: Api, checkout: Application) -> None:
    Api.objects.filter(pk=orders.pk).update(created_by=in_acme.pam)
    orders.refresh_from_db()
    of_api = create(**RATE, api=orders, by=in_acme.ada)
    called(50, api=orders.pk, status_class=5)
    look()
    assert {str(each) for each in concerned(of_api)} == {"Ada", "Pam"}
    mine = create(**{**RATE, "name": "Mine"}, application=checkout, by=in_acme.carl)
    called(50, application=checkout.pk, status_class=5)
    look()
    assert {str(each) for each in concerned(mine)} == {"Carl"}


def test_who_may_see_it_no_more_hears_of_it_no_more(in_acme: Cast, orders: Api, checkout: Application) -> None:
    alerts = [create(**RATE, by=in_acme.ada), create(**{**RATE, "name": "Of the API"}, api=orders, by=in_acme.ada)]
    called(50, api=orders.pk, status_class=5)
    look()
    for alert in alerts:
        assert in_acme.ada in concerned(alert)
    Membership.objects.filter(user=in_acme.ada).update(roles=[Role.DEVELOPER])
    for alert in alerts:
        assert in_acme.ada not in concerned(alert)


# Over REST


def address(cast: Cast) -> str:
    return f"{base(cast.acme)}/usage-alerts/"


def test_over_rest(in_acme: Cast, rest: Rest, checkout: Application) -> None:
    carl = rest(in_acme.carl)
    made = carl.post(address(in_acme), {**RATE, "application": str(checkout.pk)}, format="json")
    assert made.status_code == 201
    at = f"{address(in_acme)}{made.json()['id']}/"
    assert carl.get(at).json()["application"] == str(checkout.pk)
    assert carl.patch(at, {"muted": True}, format="json").json()["muted"] is True
    assert [each["name"] for each in carl.get(address(in_acme)).json()["results"]] == ["Orders fail"]
    assert rest(in_acme.ada).get(at).status_code == 200
    for user, status in ((in_acme.pam, 404), (in_acme.eve, 404), (None, 401)):
        assert rest(user).get(at).status_code == status
        assert rest(user).patch(at, {"muted": False}, format="json").status_code == status
        assert rest(user).delete(at).status_code == status
    assert carl.delete(at).status_code == 204
    assert carl.get(at).status_code == 404


def test_of_what_one_does_not_see_there_is_no_alert(in_acme: Cast, rest: Rest, orders: Api, checkout: Application) -> None:
    cora = make.member(in_acme.acme, "cora@acme.example")
    hers = make.application(cora, name="Hers")
    hidden = make.api("hidden", published=False)
    for user, about, field in (
        (in_acme.carl, {}, "application"),
        (in_acme.carl, {"api": "orders"}, "application"),
        (in_acme.carl, {"application": str(hers.pk)}, "application"),
        (in_acme.carl, {"application": str(checkout.pk), "api": hidden.slug}, "api"),
        (in_acme.pam, {}, "application"),
        (in_acme.pam, {"application": str(hers.pk)}, "application"),
        (in_acme.ada, {"api": "nothing"}, "api"),
        (in_acme.ada, {"application": str(uuid4())}, "application"),
    ):
        response = rest(user).post(address(in_acme), {**RATE, **about}, format="json")
        assert response.status_code == 422, about
        assert set(response.json()["errors"]) == {field}
    assert rest(in_acme.pam).post(address(in_acme), {**RATE, "api": "orders"}, format="json").status_code == 201


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"threshold": -1}, "threshold"),
        ({"minutes": 10**12}, "minutes"),
        ({"name": "x\x00"}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"kind": "moon"}, "kind"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_bad_input_is_named(in_acme: Cast, rest: Rest, body: dict[str, Any], field: str) -> None:
    response = rest(in_acme.ada).post(address(in_acme), {**RATE, **body}, format="json")
    assert response.status_code == 422
    assert set(response.json()["errors"]) == {field}


def test_minutes_are_what_it_reads(in_acme: Cast) -> None:
    """Nothing is rolled up within a day that an alert would need."""
    create(**{**RATE, "minutes": 1_440}, by=in_acme.ada)
    assert UsageMinute.objects.count() == 0
    assert look() == []
