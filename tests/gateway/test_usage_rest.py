"""How APIs are called, over REST: what the pages show, by the same rules."""

import csv
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from apis.models import Api
from gateway.models import UsageFreshness, UsageHour, UsageMinute
from keys.models import Application
from tenants.models import Role
from tests import make
from tests.conftest import Cast, Rest, base, queries


@pytest.fixture
def orders(in_acme: Cast) -> Api:
    return make.api("orders")


@pytest.fixture
def checkout(in_acme: Cast, orders: Api) -> Application:
    made = make.application(in_acme.carl, name="Checkout")
    now = timezone.now()
    UsageFreshness.objects.create(started_at=now, seen_at=now, written_until=now)
    key: dict[str, Any] = {"api": orders.pk, "version": "v1", "application": made.pk, "plan": "gold"}
    make.usage(90, operation="getOrder", **key)
    make.usage(10, operation="listOrders", status_class=5, ms=900, **key)
    make.usage(7, status_class=4, code="TOKEN_MISSING", ms=0)
    return made


def addresses(cast: Cast, application: Application) -> dict[str, str]:
    at = base(cast.acme)
    return {"tenant": f"{at}/usage", "api": f"{at}/apis/orders/usage", "application": f"{at}/applications/{application.pk}/usage"}


def test_who_sees_which(in_acme: Cast, rest: Rest, checkout: Application) -> None:
    auditor = make.member(in_acme.acme, "ugo@acme.example", Role.AUDITOR)
    table = {
        "tenant": {in_acme.ada: 200, auditor: 200, in_acme.pam: 403, in_acme.carl: 403, in_acme.eve: 404, None: 401},
        "api": {in_acme.ada: 200, in_acme.pam: 200, auditor: 403, in_acme.carl: 403, in_acme.eve: 404, None: 401},
        "application": {in_acme.carl: 200, in_acme.ada: 200, in_acme.pam: 404, auditor: 404, in_acme.eve: 404, None: 401},
    }
    for name, people in table.items():
        for suffix in ("/", ".csv"):
            address = addresses(in_acme, checkout)[name] + suffix
            assert {user: rest(user).get(address).status_code for user in people} == people, address


def test_a_report(in_acme: Cast, rest: Rest, checkout: Application) -> None:
    body = rest(in_acme.ada).get(f"{base(in_acme.acme)}/usage/", {"by": "operation", "range": "1h"}).json()
    total = {"calls": 107, "answered": 90, "refused": 7, "failed": 10, "unanswered": 0, "bytes_in": 10_700, "bytes_out": 107_000}
    assert {name: body["total"][name] for name in total} == total
    assert body["total"]["p50_ms"] == pytest.approx(41.1)
    assert (body["range"], body["step_seconds"], len(body["series"]), body["before"], body["behind"]) == ("1h", 60, 60, None, False)
    assert sum(each["figures"]["calls"] for each in body["series"] if each["figures"]) == 107
    first = body["lines"][0]
    assert (first["api"], first["version"], first["operation"], first["figures"]["calls"]) == ("orders", "v1", "getOrder", 90)


@pytest.mark.parametrize(
    ("by", "member", "value"),
    [("application", "application_name", "Checkout"), ("api", "api", "orders"), ("plan", "plan", "gold"), ("code", "code", "")],
)
def test_by_what_is_asked_for(in_acme: Cast, rest: Rest, checkout: Application, by: str, member: str, value: str) -> None:
    for address in addresses(in_acme, checkout).values():
        body = rest(in_acme.ada).get(f"{address}/", {"by": by}).json()
        assert body["lines"][0][member] == value
        assert rest(in_acme.ada).get(f"{address}/").json()["lines"] == []


def test_compared_and_narrowed(in_acme: Cast, rest: Rest, orders: Api, checkout: Application) -> None:
    for of in (UsageHour, UsageMinute):
        make.usage(40, at=timezone.now() - timedelta(days=1), of=of, api=orders.pk)
    ada, address = rest(in_acme.ada), f"{base(in_acme.acme)}/usage/"
    assert ada.get(address, {"against": "before"}).json()["before"]["calls"] == 40
    for query, calls in (
        ({"api": "orders"}, 100),
        ({"application": str(checkout.pk)}, 100),
        ({"operation": "listOrders"}, 10),
        ({"plan": "gold", "version": "v1"}, 100),
        ({"plan": "none"}, 0),
    ):
        assert ada.get(address, query).json()["total"]["calls"] == calls


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"range": "1y"}, "range"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2999-01-01T00:00:00Z"}, "since"),
        ({"since": "2020-01-01T00:00:00Z"}, "since"),
        ({"until": "2026-01-01T00:00:00Z"}, "since"),
        ({"since": "0001-01-01T00:00:00Z"}, "since"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": "../etc/passwd"}, "time_zone"),
        ({"against": "x"}, "against"),
        ({"against": "week", "range": "30d"}, "against"),
        ({"by": "moon"}, "by"),
        ({"api": "nothing"}, "api"),
        ({"application": "x"}, "application"),
        ({"application": "01935c0e-7f3a-7b1e-9d57-0f6c3a1f2b44"}, "application"),
        ({"colour": "red"}, "colour"),
        ({"operation": "x" * 201}, "operation"),
    ],
)
def test_what_can_t_be_used_is_named(in_acme: Cast, rest: Rest, checkout: Application, query: dict[str, str], field: str) -> None:
    for suffix in ("/", ".csv"):
        response = rest(in_acme.ada).get(f"{base(in_acme.acme)}/usage{suffix}", query)
        assert response.status_code == 422
        assert set(response.json()["errors"]) == {field}


def test_an_address_says_what_it_is_about(in_acme: Cast, rest: Rest, checkout: Application) -> None:
    found = addresses(in_acme, checkout)
    assert rest(in_acme.ada).get(f"{found['api']}/", {"api": "orders"}).status_code == 422
    assert rest(in_acme.ada).get(f"{found['application']}/", {"application": str(uuid4())}).status_code == 422


def test_of_days_of_somewhere(in_acme: Cast, rest: Rest, checkout: Application) -> None:
    body = rest(in_acme.ada).get(f"{base(in_acme.acme)}/usage/", {"range": "30d", "time_zone": "Asia/Tokyo"}).json()
    assert {each["at"][11:16] for each in body["series"]} == {"15:00"}


def test_as_a_file(in_acme: Cast, rest: Rest, checkout: Application) -> None:
    for address in addresses(in_acme, checkout).values():
        response = rest(in_acme.ada).get(f"{address}.csv", {"by": "operation"})
        assert response["Content-Type"] == "text/csv; charset=utf-8"
        found = list(csv.DictReader(b"".join(response).decode().splitlines()))
        assert (found[0]["operation"], found[0]["calls"]) == ("getOrder", "90")
        steps = rest(in_acme.ada).get(f"{address}.csv", {"range": "1h"})
        assert len(b"".join(steps).decode().splitlines()) == 61


def test_a_name_that_its_reader_does_not_see_is_not_told(in_acme: Cast, rest: Rest, checkout: Application) -> None:
    hidden = make.api("secret-plans", published=False)
    make.usage(500, api=hidden.pk, application=checkout.pk)
    carl = rest(in_acme.carl)
    address = addresses(in_acme, checkout)["application"]
    body = carl.get(f"{address}/", {"by": "api"}).json()
    assert [(each["api"], each["figures"]["calls"]) for each in body["lines"]] == [("", 500), ("orders", 100)]
    assert carl.get(f"{address}/", {"api": "secret-plans"}).status_code == 422
    make.usage(500, api=hidden.pk, application=checkout.pk, version="v9", operation="buyGlobex")
    for by in ("version", "operation", "plan"):
        said = carl.get(f"{address}/", {"by": by}).content
        assert b"buyGlobex" not in said
        assert b"v9" not in said


def test_as_many_queries_for_much(in_acme: Cast, rest: Rest, checkout: Application) -> None:
    for _ in range(5):
        make.usage(1, api=uuid4(), application=uuid4(), operation=str(uuid4()))
    with queries("GET usage/"):
        rest(in_acme.ada).get(f"{base(in_acme.acme)}/usage/", {"by": "operation", "against": "before"})
