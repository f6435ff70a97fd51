"""Tokens and cost over REST: what the pages show, by the same rules."""

import csv
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from apis.models import Api
from gateway.models import TokenHour, TokenMinute, UsageFreshness
from keys.models import Application
from tenants.models import Role
from tests import make
from tests.conftest import Cast, Rest, base, queries


@pytest.fixture
def api(in_acme: Cast) -> Api:
    return make.api("ai")


@pytest.fixture
def checkout(in_acme: Cast, api: Api) -> Application:
    made = make.application(in_acme.carl, name="Checkout")
    now = timezone.now()
    UsageFreshness.objects.create(started_at=now, seen_at=now, written_until=now)
    key: dict[str, Any] = {"api": api.pk, "application": made.pk, "plan": "gold", "provider": "openai"}
    make.answers(10, asked="fast", model="gpt-4o-mini", **key)
    make.answers(2, asked="openai/gpt-4o", model="gpt-4o", currency="EUR", amount=7_500_000, **key)
    make.answers(1, asked="fast", model="other", currency="", amount=0, missing=1, input=0, output=0, **key)
    make.answers(3, api=uuid4(), application=uuid4(), plan="silver", unpriced=3, currency="", amount=0)
    return made


def whole(file: Any) -> str:
    return b"".join(file.streaming_content).decode()


def addresses(cast: Cast, application: Application) -> dict[str, str]:
    at = base(cast.acme)
    return {
        "tenant": f"{at}/token-usage",
        "api": f"{at}/apis/ai/token-usage",
        "application": f"{at}/applications/{application.pk}/token-usage",
    }


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
    body = rest(in_acme.ada).get(f"{base(in_acme.acme)}/token-usage/", {"by": "model", "range": "1h"}).json()
    assert body["total"] == {
        "calls": 16, "input": 1_500, "output": 300, "cached": 0, "reasoning": 0, "missing": 1, "unpriced": 3,
        "cost": [{"currency": "EUR", "amount": "7.5"}, {"currency": "USD", "amount": "0.0015"}],
    }  # fmt: skip
    assert (body["range"], body["step_seconds"], len(body["series"]), body["behind"]) == ("1h", 60, 60, False)
    assert sum(each["figures"]["calls"] for each in body["series"] if each["figures"]) == 16
    first = body["lines"][0]
    assert (first["asked"], first["provider"], first["model"], first["figures"]["calls"]) == ("fast", "openai", "gpt-4o-mini", 10)
    assert [each["figures"]["input"] for each in body["lines"]] == [1_000, 300, 200, 0]


@pytest.mark.parametrize(
    ("by", "said"),
    [("application", ["Checkout", ""]), ("api", ["ai", ""]), ("plan", ["gold", ""])],
)
def test_by_what_is_asked_for(in_acme: Cast, rest: Rest, checkout: Application, by: str, said: list[str]) -> None:
    body = rest(in_acme.ada).get(f"{base(in_acme.acme)}/token-usage/", {"by": by}).json()
    member = {"application": "application_name"}.get(by, by)
    # Of what is no more not even the plan is named.
    assert [each[member] for each in body["lines"]] == said
    assert body["lines"][0]["figures"]["cost"] == body["total"]["cost"]


def test_of_an_application_its_own_are_told_alone(in_acme: Cast, rest: Rest, checkout: Application) -> None:
    body = rest(in_acme.carl).get(addresses(in_acme, checkout)["application"] + "/", {"by": "api"}).json()
    assert (body["total"]["calls"], len(body["lines"])) == (13, 1)


def test_hours_and_minutes_tell_one_whole(in_acme: Cast, rest: Rest, checkout: Application) -> None:
    long_ago = timezone.now() - timedelta(hours=5)
    make.answers(100, at=long_ago, of=TokenHour, asked="fast")
    # Minutes of an hour that was rolled up count once.
    make.answers(100, at=long_ago, of=TokenMinute, asked="fast")
    body = rest(in_acme.ada).get(f"{base(in_acme.acme)}/token-usage/", {"range": "24h"}).json()
    assert body["total"]["calls"] == 116
    assert sum(each["figures"]["calls"] for each in body["series"] if each["figures"]) == 116


def test_what_can_not_be_asked_is_told(in_acme: Cast, rest: Rest, checkout: Application) -> None:
    for asked, field in (
        ({"by": "version"}, "by"),
        ({"range": "3y"}, "range"),
        ({"time_zone": "Mars"}, "time_zone"),
        ({"api": "no-such"}, "api"),
        ({"application": str(uuid4())}, "application"),
        ({"version": "v1"}, "version"),
        ({"since": "2027-13-01"}, "since"),
    ):
        answer = rest(in_acme.ada).get(f"{base(in_acme.acme)}/token-usage/", asked)
        assert (answer.status_code, list(answer.json()["errors"])) == (422, [field]), asked


def test_files(in_acme: Cast, rest: Rest, checkout: Application) -> None:
    ada, at = rest(in_acme.ada), f"{base(in_acme.acme)}/token-usage.csv"
    rows = list(csv.reader(whole(ada.get(at, {"by": "model"})).splitlines()))
    assert rows[0] == [
        "asked", "provider", "model", "calls", "input", "output", "cached", "reasoning", "missing", "unpriced", "cost_EUR", "cost_USD",
    ]  # fmt: skip
    assert rows[1] == ["fast", "openai", "gpt-4o-mini", "10", "1000", "200", "0", "0", "0", "0", "0", "0.0015"]
    steps = list(csv.reader(whole(ada.get(at, {"range": "1h"})).splitlines()))
    assert (len(steps), sum(int(each[1] or 0) for each in steps[1:])) == (61, 16)


def test_a_cell_that_would_run_is_none(in_acme: Cast, rest: Rest, checkout: Application) -> None:
    make.answers(asked="=cmd()", provider="x")
    told = whole(rest(in_acme.ada).get(f"{base(in_acme.acme)}/token-usage.csv", {"by": "model"}))
    assert "'=cmd()" in told


def test_as_many_queries_for_many_as_for_one(in_acme: Cast, rest: Rest, checkout: Application) -> None:
    ada = rest(in_acme.ada)
    ada.get(f"{base(in_acme.acme)}/token-usage/", {"by": "application"})
    for _ in range(2):
        with queries("tokens:report"):
            ada.get(f"{base(in_acme.acme)}/token-usage/", {"by": "application"})
        for _ in range(5):
            make.answers(application=make.application(in_acme.carl).pk, asked="fast")
