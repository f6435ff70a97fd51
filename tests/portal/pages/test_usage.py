"""Carl sees how his application calls, Pam how her API is called, Ada all of it; and what is not counted is never told as nothing."""

import csv
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone, translation

from apis.models import Api
from gateway.models import Refusal, UsageDay, UsageFreshness, UsageHour, UsageMinute
from gateway.usage_reports import BEHIND
from keys.models import Application
from portal import usage_words as words
from tenants.models import Role
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, queries
from tests.portal.pages.test_console import signed_in, text

PAGE = "/t/acme/console/usage/"
API = "/t/acme/console/apis/orders/usage/"
LIVE = {"part": "live"}


def fresh(ago: float = 1, **more: Any) -> None:
    at = timezone.now()
    until = at - timedelta(seconds=ago)
    UsageFreshness.objects.create(started_at=until, seen_at=until, written_until=until, **more)


@pytest.fixture
def orders(in_acme: Cast) -> Api:
    return make.api("orders")


@pytest.fixture
def checkout(in_acme: Cast, orders: Api) -> Application:
    """Carl's, with a subscription."""
    made = make.application(in_acme.carl, name="Checkout")
    make.subscription(of=made, to=make.plan(orders, name="gold"))
    return made


@pytest.fixture
def used(orders: Api, checkout: Application) -> None:
    """1,248 calls: most answered, some refused, a few failed."""
    fresh()
    key: dict[str, Any] = {"api": orders.pk, "version": "v1", "application": checkout.pk, "plan": "gold"}
    make.usage(1_234, operation="getOrder", **key)
    make.usage(5, operation="listOrders", status_class=5, ms=900, **key)
    make.usage(6, operation="getOrder", status_class=4, code="RATE_LIMITED", ms=0, **key)
    make.usage(3, status_class=4, code="TOKEN_MISSING", ms=0)


def app_page(application: Application) -> str:
    return f"/t/acme/apps/{application.pk}/usage/"


# Who may


def test_who_sees_which(in_acme: Cast, checkout: Application, used: None) -> None:
    approver = make.member(in_acme.acme, "alan@acme.example", Role.APPROVER)
    auditor = make.member(in_acme.acme, "ugo@acme.example", Role.AUDITOR)
    of_console = f"/t/acme/console/applications/{checkout.pk}/usage/"
    table = {
        PAGE: {in_acme.ada: 200, auditor: 200, in_acme.pam: 403, approver: 403, in_acme.carl: 403, in_acme.eve: 404},
        API: {in_acme.ada: 200, in_acme.pam: 200, auditor: 403, approver: 403, in_acme.carl: 403, in_acme.eve: 404},
        of_console: {in_acme.ada: 200, approver: 200, in_acme.pam: 403, in_acme.carl: 403, auditor: 403, in_acme.eve: 404},
        app_page(checkout): {in_acme.carl: 200, in_acme.ada: 404, in_acme.pam: 403, in_acme.eve: 404},
    }
    for address, people in table.items():
        for query in ({}, LIVE, {"as": "csv"}):
            got = {user: signed_in(user).get(address, query).status_code for user in people}
            assert got == people, address


def test_a_developer_sees_their_own_alone(in_acme: Cast, checkout: Application, used: None) -> None:
    cora = make.member(in_acme.acme, "cora@acme.example")
    assert signed_in(cora).get(app_page(checkout)).status_code == 404
    hers = make.application(cora, name="Warehouse")
    make.usage(77, application=hers.pk)
    said = text(signed_in(in_acme.carl).get(app_page(checkout)))
    assert "Warehouse" not in said
    assert "Calls 1,245" in said
    assert "Calls 77" in text(signed_in(cora).get(app_page(hers)))


def test_one_of_the_team_sees_the_teams(in_acme: Cast, orders: Api) -> None:
    team = make.team(in_acme.carl)
    application = make.application(in_acme.carl, name="Shared")
    Application.objects.filter(pk=application.pk).update(team=team, owner=in_acme.ada)
    assert signed_in(in_acme.carl).get(app_page(application)).status_code == 200


def test_eve_finds_none_of_it(in_acme: Cast, checkout: Application, used: None) -> None:
    eve = signed_in(in_acme.eve)
    for address in (f"/t/globex/apps/{checkout.pk}/usage/", "/t/globex/console/apis/orders/usage/"):
        assert eve.get(address).status_code in {403, 404}
    with tenant_scope(in_acme.globex.pk):
        admin = signed_in(make.member(in_acme.globex, "gus@globex.example", Role.ADMIN))
    for query in ({}, {"api": "orders"}, {"application": str(checkout.pk)}, {"range": "90d"}):
        response = admin.get("/t/globex/console/usage/", query)
        assert response.status_code in {200, 422}
        assert "Checkout" not in text(response)
        assert "1,2" not in text(response)


def test_an_api_that_somebody_does_not_see_is_not_named(in_acme: Cast, checkout: Application, orders: Api, used: None) -> None:
    hidden = make.api("secret-plans", published=False)
    make.usage(9, api=hidden.pk, application=checkout.pk, status_class=4, code="NO_SUCH_ROUTE")
    said = text(signed_in(in_acme.carl).get(app_page(checkout)))
    assert "another API 9" in said
    assert "ecret-plans" not in said
    file = signed_in(in_acme.carl).get(app_page(checkout), {"as": "csv", "what": "api"})
    assert b"ecret-plans" not in b"".join(file)
    assert signed_in(in_acme.carl).get(app_page(checkout), {"api": "secret-plans"}).status_code == 422
    assert "Secret-Plans 9" in text(signed_in(in_acme.ada).get(PAGE))


# What it says


def test_in_numbers(in_acme: Cast, checkout: Application, used: None) -> None:
    said = text(signed_in(in_acme.ada).get(PAGE))
    assert "Calls 1,248" in said
    assert "Failed (5xx) 0.40 % 5 calls" in said
    assert "Refused 9 66.67 % of them RATE_LIMITED" in said
    assert "p50 · p95 · p99 40 · 49 · 50 ms" in said
    assert "Checkout 1,245 0.40 % 6" in said
    assert "nobody that is known: refused before 3" in said
    assert "RATE_LIMITED Your plan's limit is reached. 6" in said
    assert "5xx The API answered so itself. 5" in said
    assert "getOrder Orders v1 49 ms" in said
    assert "gold Orders 1,245" in said
    assert "Of all APIs and applications. As of" in said


def test_of_an_api(in_acme: Cast, checkout: Application, used: None) -> None:
    make.usage(500, api=uuid4(), version="v1")
    said = text(signed_in(in_acme.pam).get(API))
    assert "Usage of Orders" in said
    assert "Calls 1,245" in said
    assert "Checkout 1,245" in said
    assert "Orders v1 1,245" in said
    assert "Applications" in said
    assert f'href="{API}"' in signed_in(in_acme.pam).get("/t/acme/console/apis/orders/").content.decode()


def test_of_an_application(in_acme: Cast, checkout: Application, used: None) -> None:
    response = signed_in(in_acme.carl).get(app_page(checkout))
    said, page = text(response), response.content.decode()
    assert "Usage by Checkout" in said
    assert "Orders 1,245" in said
    assert '<a href="/refusals/RATE_LIMITED/"><code>RATE_LIMITED</code></a>' in page
    assert f'href="/t/acme/apps/{checkout.pk}/?tab=refusals"' in page
    assert f'href="{app_page(checkout)}"' in signed_in(in_acme.carl).get(f"/t/acme/apps/{checkout.pk}/").content.decode()


@pytest.mark.parametrize("name", ["1h", "24h", "7d", "30d", "90d"])
def test_each_range_is_drawn_and_told_in_a_table(in_acme: Cast, used: None, name: str) -> None:
    response = signed_in(in_acme.ada).get(PAGE, {"range": name})
    page = response.content.decode()
    steps = {"1h": 60, "24h": 96, "7d": 168, "30d": 30, "90d": 90}[name]
    assert page.count('class="whole"') == 2 * steps
    assert page.count('<rect class="failed"') == 1
    assert page.count('<td class="nowrap">') == steps
    assert re.search(r'aria-label="Calls per [^"]+: 1,248 in all, of them 9 refused and 5 failed"', page)
    assert "1,248 calls, 9 refused, 5 failed</title>" in page


def test_a_language_with_commas_draws_the_same(in_acme: Cast, used: None) -> None:
    drawn = re.compile(r' (?:x|y|width|height|d|y1|y2)="([^"]*)"')
    in_acme.ada.language = "de"
    in_acme.ada.save(update_fields=["language"])
    page = signed_in(in_acme.ada).get(PAGE).content.decode()
    assert 'lang="de"' in page
    assert not [each for each in drawn.findall(page) if "," in each]


def test_days_are_the_readers(in_acme: Cast) -> None:
    fresh()
    at = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3) - timedelta(minutes=30)
    for of in (UsageHour, UsageDay):
        make.usage(321, at=at, of=of)
    in_utc = f"{at:%a} {at.day} {at:%b %Y}"
    assert f"{in_utc}: 321 calls" in signed_in(in_acme.ada).get(PAGE, {"range": "30d"}).content.decode()
    in_acme.ada.time_zone = "Asia/Tokyo"
    in_acme.ada.save(update_fields=["time_zone"])
    there = at + timedelta(days=1)
    assert f"{there:%a} {there.day} {there:%b %Y}: 321 calls" in signed_in(in_acme.ada).get(PAGE, {"range": "30d"}).content.decode()


def test_it_is_compared_with_the_time_before(in_acme: Cast, used: None) -> None:
    ago = timezone.now() - timedelta(days=1)
    ada = signed_in(in_acme.ada)
    assert "Calls 1,248 none before" in text(ada.get(PAGE))
    for of in (UsageHour, UsageMinute):
        make.usage(1_000, at=ago, of=of)
    assert "Calls 1,248 +24.8 %, 1,000 before" in text(ada.get(PAGE))
    assert "before" not in text(ada.get(PAGE, {"against": "none"})).partition("In numbers")[2].partition("Refused")[0]
    assert "can be compared with the time just before" in text(ada.get(PAGE, {"range": "30d", "against": "week"}))


def test_it_is_narrowed(in_acme: Cast, orders: Api, checkout: Application, used: None) -> None:
    ada = signed_in(in_acme.ada)
    for query, calls in (
        ({"api": "orders"}, "1,245"),
        ({"application": str(checkout.pk)}, "1,245"),
        ({"api": "orders", "version": "v1", "plan": "gold"}, "1,245"),
    ):
        assert f"In numbers Calls {calls}" in f"In numbers {text(ada.get(PAGE, query)).partition('Show all')[2].strip()}"
    for query in (
        {"api": "nothing"},
        {"application": str(uuid4())},
        {"application": "x"},
        {"api": "orders", "version": "v9"},
        {"range": "1y"},
    ):
        response = ada.get(PAGE, query)
        assert response.status_code == 422
        assert "There is no such choice here." in text(response) or "range" in query


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"since": "2026-13-01T00:00"}, "Write a moment such as"),
        ({"until": "2026-01-01T00:00"}, "Say from when on."),
        ({"since": "2999-01-01T00:00"}, "This moment is still to come."),
        ({"since": "2026-01-02T00:00", "until": "2026-01-01T00:00"}, "The end has to come after the beginning."),
        ({"since": "2020-01-02T00:00"}, "At most 400 days can be looked at at once."),
        ({"since": "0001-01-01T00:00"}, "Choose a year from 2020 on."),
        ({"since": "9999-12-31T23:59"}, "This moment is still to come."),
        ({"since": "x" * 10_000}, "Write a moment such as"),
    ],
)
def test_a_range_that_is_none_says_why(in_acme: Cast, query: dict[str, str], says: str) -> None:
    response = signed_in(in_acme.ada).get(PAGE, query)
    assert response.status_code == 422
    assert says in text(response)


def test_a_range_of_ones_own(in_acme: Cast, used: None) -> None:
    since = timezone.now() - timedelta(hours=3)
    said = text(signed_in(in_acme.ada).get(PAGE, {"range": "", "since": f"{since:%Y-%m-%dT%H:%M}"}))
    assert "Calls 1,248" in said
    assert "Calls per 5 minutes" in said
    assert "Of your own" in said


# What is not known


def test_before_anything_counts_it_says_so(in_acme: Cast) -> None:
    said = text(signed_in(in_acme.ada).get(PAGE))
    assert "no usage process has written yet" in said
    assert "What is not counted yet is left empty; it is not nothing." in said
    assert "Calls per second" not in said
    assert "No call in this time" in said


def test_what_is_behind_is_told(in_acme: Cast) -> None:
    fresh(ago=BEHIND.seconds - 10)
    assert "Counting is behind" not in text(signed_in(in_acme.ada).get(PAGE))
    UsageFreshness.objects.all().delete()
    fresh(ago=600)
    response = signed_in(in_acme.ada).get(PAGE, {"range": "1h"})
    assert "Counting is behind: what came after" in text(response)
    assert ": not counted yet</title>" in response.content.decode()
    assert "counted until 10 minutes ago" in text(response)


def test_what_was_lost_is_told(in_acme: Cast) -> None:
    fresh(lost=12, lost_at=timezone.now())
    assert "12 calls could not be kept and are missing in these counts." in text(signed_in(in_acme.ada).get(PAGE))


# What happens now


def test_the_last_minute_by_itself(in_acme: Cast, checkout: Application, used: None) -> None:
    Refusal.objects.create(
        application=checkout, at=timezone.now(), request_id="r", code="RATE_LIMITED", status=429, method="GET",
        path="/acme/orders/v1/orders/7", gateway="gateway-1",
    )  # fmt: skip
    for address, user, calls in ((PAGE, in_acme.ada, "1,248"), (API, in_acme.pam, "1,245"), (app_page(checkout), in_acme.carl, "1,245")):
        response = signed_in(user).get(address, LIVE)
        page = response.content.decode()
        said = " ".join(re.sub(r"<[^>]*>", " ", page).split())
        assert "<html" not in page
        assert 'hx-trigger="every 2s, seen"' in page
        assert f"{calls} this minute, 0 the minute before" in said or f"0 this minute, {calls} the minute before" in said
        assert "RATE_LIMITED 6" in said
        # Who may not see refused calls one by one reads no path.
        assert ("/acme/orders/v1/orders/7" in said) == (user != in_acme.pam)
        assert f'hx-get="{address}?part=live"' in page


def test_it_goes_on_with_what_the_page_was_narrowed_to(in_acme: Cast, used: None) -> None:
    page = signed_in(in_acme.ada).get(PAGE, {"range": "7d", "api": "orders", "part": "live"}).content.decode()
    assert 'hx-get="/t/acme/console/usage/?range=7d&amp;api=orders&amp;part=live"' in page


# As a file


def rows(response: Any) -> list[dict[str, str]]:
    assert response.status_code == 200
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(b"".join(response).decode().splitlines()))


def test_the_steps_as_a_file(in_acme: Cast, used: None) -> None:
    found = rows(signed_in(in_acme.ada).get(PAGE, {"as": "csv", "range": "1h"}))
    assert len(found) == 60
    (row,) = (each for each in found if each["calls"] not in {"0", ""})
    assert (row["calls"], row["answered"], row["refused"], row["failed"]) == ("1248", "1234", "9", "5")
    assert row["p50_ms"] == "40.0"


@pytest.mark.parametrize(
    ("what", "first"),
    [
        ("application", ("application_name", "Checkout")),
        ("api", ("api", "orders")),
        ("version", ("version", "v1")),
        ("operation", ("operation", "getOrder")),
        ("plan", ("plan", "gold")),
        ("code", ("code", "")),
    ],
)
def test_a_table_as_a_file(in_acme: Cast, used: None, what: str, first: tuple[str, str]) -> None:
    response = signed_in(in_acme.ada).get(PAGE, {"as": "csv", "what": what})
    found = rows(response)
    assert found[0][first[0]] == first[1]
    assert sum(int(each["calls"]) for each in found) == 1_248
    assert f"acme-usage-{what}-" in response["Content-Disposition"]


def test_a_spreadsheet_runs_no_name(in_acme: Cast, used: None) -> None:
    evil = make.application(in_acme.carl, name="=HYPERLINK(1)")
    make.usage(1, application=evil.pk, operation="+1", api=Api.objects.get(slug="orders").pk)
    ada = signed_in(in_acme.ada)
    assert "'=HYPERLINK(1)" in {each["application_name"] for each in rows(ada.get(PAGE, {"as": "csv", "what": "application"}))}
    assert "'+1" in {each["operation"] for each in rows(ada.get(PAGE, {"as": "csv", "what": "operation"}))}


def test_there_is_no_file_of_what_a_page_does_not_show(in_acme: Cast, used: None) -> None:
    for address, query in ((API, {"what": "api"}), (PAGE, {"what": "x"}), (PAGE, {"range": "1y"})):
        assert signed_in(in_acme.ada).get(address, {"as": "csv", **query}).status_code == 404


# How many queries


@pytest.fixture
def busy(in_acme: Cast, orders: Api, checkout: Application, used: None) -> None:
    for number in range(5):
        application = make.application(in_acme.carl)
        make.usage(number + 1, api=make.api().pk, application=application.pk, version=f"v{number}")
        make.usage(number + 1, api=orders.pk, application=application.pk, status_class=4, code="QUOTA_EXCEEDED")
        make.usage(number + 1, api=orders.pk, application=checkout.pk, operation=f"op{number}")


def test_as_many_queries_for_much(in_acme: Cast, checkout: Application, busy: None) -> None:
    for name, user, address in (
        ("console-usage", in_acme.ada, PAGE),
        ("console-api-usage", in_acme.pam, API),
        ("app-usage", in_acme.carl, app_page(checkout)),
    ):
        client = signed_in(user)
        for face, query in (("", {"range": "30d"}), (":live", LIVE)):
            with queries(f"page:{name}{face}"):
                client.get(address, query)


# Words


@pytest.mark.parametrize(
    ("of", "says"), [(None, "\u2013"), (0, "0 %"), (1, "100 %"), (1e-9, "0.01 %"), (1 - 1e-9, "99.99 %"), (0.1234567, "12.35 %")]
)
def test_a_share_is_never_rounded_to_nothing_or_to_all(of: float | None, says: str) -> None:
    assert words.share(of) == says


@pytest.mark.parametrize(
    ("ms", "says"), [(None, "\u2013"), (0, "0 ms"), (0.5, "0.5 ms"), (84.4, "84 ms"), (1_234, "1.2 s"), (60_000, "60.0 s")]
)
def test_how_long_something_took(ms: float | None, says: str) -> None:
    assert words.took(ms) == says


def test_numbers_are_the_readers() -> None:
    with translation.override("de"):
        assert (words.count(1_234_567), words.took(1_234), words.change(3, 2)) == ("1.234.567", "1,2 s", "+50,0 %")


def test_a_change_of_nothing_has_no_share() -> None:
    assert (words.change(5, 0), words.change(1, 2), words.change(2, 2)) == ("", "\u221250.0 %", "±0.0 %")


def test_signed_out(client: Client, in_acme: Cast) -> None:
    assert client.get(PAGE).status_code in {302, 401}
