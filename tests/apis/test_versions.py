"""Pam opens, blocks, deprecates and retires a version, by actions and over REST; Carl acknowledges for his application."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apis.actions import operation_uses, subscriptions, versions
from apis.models import Acknowledgement, Api, ApiVersion, BrownOut, OperationUse
from keys.models import Application
from tenants import events
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries

Status = ApiVersion.Status


@pytest.fixture
def orders(in_acme: Cast) -> Api:
    return make.api("orders")


def v1(orders: Api) -> ApiVersion:
    return ApiVersion.objects.select_related("api", "successor").get(api=orders, name="v1")


def test_a_deprecation_says_why_until_when_and_what_then(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        make.version(make.api("orders"))
    sunset = (timezone.now() + timedelta(days=90)).replace(microsecond=0)
    at = f"{base(cast.acme)}/apis/orders/versions/v1/"
    answer = rest(cast.pam).post(f"{at}deprecate/", {"reason": "Old.", "sunset_at": sunset.isoformat(), "successor": "v2"}, format="json")
    assert answer.status_code == 200, answer.content
    told = answer.json()
    assert (told["status"], told["reason"], told["successor"]) == ("deprecated", "Old.", "v2")
    with tenant_scope(cast.acme.pk):
        [event] = Event.objects.filter(kind="version.deprecated")
    assert event.data == {"was": "published", "reason": "Old.", "sunset": sunset.isoformat(), "successor": "v2"}
    seen = rest(cast.carl).get(f"{base(cast.acme)}/apis/orders/").json()["versions"][0]
    assert (seen["status"], seen["successor"], bool(seen["sunset_at"])) == ("deprecated", "v2", True)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "reason"),
        ({"reason": " "}, "reason"),
        ({"reason": "Old.", "sunset_at": "2020-01-01T00:00:00Z"}, "sunset_at"),
        ({"reason": "Old.", "sunset_at": "tomorrow"}, "sunset_at"),
        ({"reason": "Old.", "successor": "v1"}, "successor"),
        ({"reason": "Old.", "successor": "v7"}, "successor"),
        ({"reason": "Old.", "successor": "v3"}, "successor"),
    ],
)
def test_what_a_deprecation_can_not_say_is_named(cast: Cast, rest: Rest, body: dict[str, str], field: str) -> None:
    with tenant_scope(cast.acme.pk):
        found = make.api("orders")
        make.version(found)
        make.version(found, name="v3", status="created")
    answer = rest(cast.pam).post(f"{base(cast.acme)}/apis/orders/versions/v1/deprecate/", body, format="json")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])


def test_a_version_of_another_api_succeeds_nothing(in_acme: Cast, orders: Api) -> None:
    other = v1(make.api("billing"))
    with pytest.raises(Invalid) as refused:
        versions.deprecate(v1(orders), reason="Old.", successor=other, by=in_acme.pam)
    assert list(refused.value.problems) == ["successor"]


def test_a_sunset_is_put_off_and_never_brought_forward(in_acme: Cast, orders: Api) -> None:
    day = timedelta(days=1)
    first = timezone.now() + 30 * day
    version = v1(orders)
    versions.deprecate(version, reason="Old.", sunset_at=first, by=in_acme.pam)
    for earlier in (first - day, first):
        with pytest.raises(Invalid, match="It was promised until"):
            versions.change_sunset(version, sunset_at=earlier, by=in_acme.pam)
    event = versions.change_sunset(version, sunset_at=first + day, by=in_acme.pam)
    assert (event.data["was"], event.data["now"]) == (first.isoformat(), (first + day).isoformat())
    with pytest.raises(NotAllowed, match="was promised until"):
        versions.retire(version, by=in_acme.pam)


def test_taken_back_nothing_is_left_of_a_deprecation(in_acme: Cast, orders: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "NOTICE", timedelta(0))
    version, carls = v1(orders), make.application(in_acme.carl)
    versions.deprecate(version, reason="Old.", sunset_at=timezone.now() + timedelta(days=9), successor=make.version(orders), by=in_acme.pam)
    planned = versions.plan_brown_out(version, starts_at=timezone.now() + timedelta(hours=2), lasts=timedelta(minutes=5), by=in_acme.pam)
    versions.acknowledge(version, carls, by=in_acme.carl)
    versions.reinstate(version, by=in_acme.pam)
    found = v1(orders)
    assert (found.status, found.reason, found.deprecated_at, found.sunset_at, found.successor) == ("published", "", None, None, None)
    assert BrownOut.objects.get(pk=planned.pk).status == "cancelled"
    assert not Acknowledgement.objects.exists()


def used(version: ApiVersion, application: Application, calls: int = 3) -> None:
    called = (application.client_id, version.api.slug, version.name, "listOrders")
    operation_uses.store(version.owning_tenant, {called: calls})


def test_retiring_waits_for_those_who_call_and_do_not_know(in_acme: Cast, orders: Api) -> None:
    version = v1(orders)
    plan = make.plan(orders)
    calling, silent = (make.subscription(of=make.application(in_acme.carl, name=name), to=plan).application for name in ("Shop", "Silent"))
    used(version, calling)
    versions.deprecate(version, reason="Old.", by=in_acme.pam)
    with pytest.raises(NotAllowed, match="nobody has acknowledged that it goes: Shop."):
        versions.retire(version, by=in_acme.pam)
    rows = versions.callers(version)
    assert [(row.application, row.calls, row.acknowledged) for row in rows] == [(calling, 3, None), (silent, 0, None)]
    assert versions.going(calling) == [version]
    assert versions.acknowledge(version, calling, by=in_acme.carl) is not None
    assert versions.acknowledge(version, calling, by=in_acme.carl) is None, "once is enough"
    assert versions.going(calling) == []
    versions.retire(version, by=in_acme.pam)


def test_an_override_needs_a_reason_and_says_so_for_ever(in_acme: Cast, orders: Api) -> None:
    version = v1(orders)
    used(version, make.subscription(to=make.plan(orders)).application)
    versions.deprecate(version, reason="Old.", by=in_acme.pam)
    with pytest.raises(Invalid) as refused:
        versions.retire(version, override=True, by=in_acme.pam)
    assert list(refused.value.problems) == ["reason"]
    event = versions.retire(version, override=True, reason="A hole that can't be mended.", by=in_acme.pam)
    assert (event.data["override"], event.data["reason"]) == (True, "A hole that can't be mended.")


def test_nothing_new_begins_with_what_is_going(in_acme: Cast, orders: Api) -> None:
    plan = make.plan(orders)
    versions.deprecate(v1(orders), reason="Old.", by=in_acme.pam)
    with pytest.raises(NotAllowed, match="Every version of Orders is going or blocked"):
        subscriptions.request(make.application(in_acme.carl), api=orders, plan=plan, purpose="x", by=in_acme.carl)
    make.version(orders)
    assert subscriptions.request(make.application(in_acme.carl), api=orders, plan=plan, purpose="x", by=in_acme.carl)


def test_brown_outs_are_announced_short_and_apart(in_acme: Cast, orders: Api) -> None:
    version, hour = v1(orders), timedelta(hours=1)
    now = timezone.now()
    with pytest.raises(NotAllowed, match="is not deprecated"):
        versions.plan_brown_out(version, starts_at=now + 2 * hour, lasts=hour, by=in_acme.pam)
    versions.deprecate(version, reason="Old.", by=in_acme.pam)
    soon = now + 2 * hour
    for starts, lasts, field in ((now, hour, "starts_at"), (soon, 25 * hour, "minutes"), (soon, timedelta(0), "minutes")):
        with pytest.raises(Invalid) as refused:
            versions.plan_brown_out(version, starts_at=starts, lasts=lasts, by=in_acme.pam)
        assert list(refused.value.problems) == [field]
    versions.plan_brown_out(version, starts_at=now + 2 * hour, lasts=hour, by=in_acme.pam)
    with pytest.raises(Invalid, match="Another brown-out"):
        versions.plan_brown_out(version, starts_at=now + 2.5 * hour, lasts=hour, by=in_acme.pam)
    versions.plan_brown_out(version, starts_at=now + 3 * hour, lasts=hour, by=in_acme.pam)


def test_brown_outs_over_rest(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        versions.deprecate(v1(make.api("orders")), reason="Old.", by=cast.pam)
    at = f"{base(cast.acme)}/apis/orders/versions/v1/brown-outs/"
    starts = (timezone.now() + timedelta(days=1)).isoformat()
    made = rest(cast.pam).post(at, {"starts_at": starts, "minutes": 15}, format="json")
    assert (made.status_code, made.json()["status"]) == (201, "planned")
    rest(cast.carl).get(at)
    with queries("versions/brown-outs/"):
        assert len(rest(cast.carl).get(at).json()["results"]) == 1
    assert rest(cast.carl).post(at, {"starts_at": starts, "minutes": 15}, format="json").status_code == 403
    assert rest(cast.pam).post(at, {"starts_at": starts, "minutes": 0}, format="json").status_code == 422
    ended = rest(cast.pam).post(f"{at}{made.json()['id']}/cancel/", {}, format="json")
    assert (ended.status_code, ended.json()["status"]) == (200, "cancelled")
    assert rest(cast.pam).post(f"{at}{made.json()['id']}/cancel/", {}, format="json").status_code == 409
    assert rest(cast.eve).get(at).status_code == 404


def test_callers_over_rest_in_as_many_queries_for_many(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        found = make.api("orders")
        version, plan = v1(found), make.plan(found)
        application = make.subscription(of=make.application(cast.carl), to=plan).application
        others = [make.subscription(to=plan).application for _ in range(5)]
        used(version, application)
        versions.deprecate(version, reason="Old.", by=cast.pam)
    at = f"{base(cast.acme)}/apis/orders/versions/v1/"
    rest(cast.pam).get(f"{at}callers/")
    with queries("versions/callers/"):
        row = rest(cast.pam).get(f"{at}callers/").json()["results"][0]
    assert (row["name"], row["calls"], row["acknowledged"]) == (application.name, 3, None)
    known = rest(cast.carl).post(f"{at}acknowledge/", {"application": str(application.pk)}, format="json")
    assert (known.status_code, known.json()["by_name"]) == (200, cast.carl.name)
    with tenant_scope(cast.acme.pk):
        for other in others:
            used(version, other, calls=1)
    with queries("versions/callers/"):
        rows = rest(cast.pam).get(f"{at}callers/").json()["results"]
    assert len(rows) == 6
    assert [row["acknowledged"]["by_name"] for row in rows if row["acknowledged"]] == [cast.carl.name]
    assert rest(cast.carl).get(f"{at}callers/").status_code == 403
    assert rest(cast.eve).get(f"{at}callers/").status_code == 404


def test_nobody_acknowledges_for_another(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        found = make.api("orders")
        others = make.subscription(to=make.plan(found)).application
        versions.deprecate(v1(found), reason="Old.", by=cast.pam)
        dora = make.member(cast.acme, "dora@acme.example", "developer")
    at = f"{base(cast.acme)}/apis/orders/versions/v1/acknowledge/"
    answer = rest(dora).post(at, {"application": str(others.pk)}, format="json")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["application"])
    assert rest(cast.eve).post(at, {"application": str(others.pk)}, format="json").status_code == 404


def test_uses_are_added_up_by_day_and_forgotten_after_ninety(in_acme: Cast, orders: Api) -> None:
    version, application = v1(orders), make.subscription(to=make.plan(orders)).application
    used(version, application, 2)
    used(version, application, 5)
    operation_uses.store(version.owning_tenant, {("nobody", "orders", "v1", "x"): 1, (application.client_id, "orders", "v9", "x"): 1})
    [row] = OperationUse.objects.all()
    assert (row.calls, row.operation_id) == (7, "listOrders")
    OperationUse.objects.update(day=(timezone.now() - timedelta(days=91)).date())
    used(version, application)
    events.lock()
    assert operation_uses.prune() is not None
    assert [each.calls for each in OperationUse.objects.all()] == [3]
    OperationUse.objects.all().delete()
    assert operation_uses.prune() is None
