"""Carl sees how the calls of a version went, day by day, and never how many there were."""

import re
from datetime import UTC, date, timedelta

import pytest
from django.test import Client
from django.utils import timezone, translation

from apis.actions import publishing
from apis.models import Api, ApiVersion, VersionDay
from portal.pages.uptime import DAYS, HEIGHT, of, percent
from tests import make
from tests.conftest import Cast
from tests.portal.pages.test_console import signed_in, text

PAGE = "/t/acme/apis/orders/"


@pytest.fixture
def version(in_acme: Cast) -> ApiVersion:
    api: Api = make.api("orders")
    return api.versions.get()


@pytest.fixture
def carl(in_acme: Cast) -> Client:
    return signed_in(in_acme.carl)


def today() -> date:
    return timezone.now().astimezone(UTC).date()


def went(version: ApiVersion, *, ago: int = 0, answered: int = 0, upstream: int = 0, gateway: int = 0) -> None:
    day = today() - timedelta(days=ago)
    VersionDay.objects.create(version=version, day=day, answered=answered, failed_upstream=upstream, failed_gateway=gateway)


@pytest.mark.parametrize(
    ("answered", "failed", "says"), [(1, 0, "100"), (0, 1, "0.00"), (9_999_999, 1, "99.99"), (1, 2, "33.33"), (9_998, 2, "99.98")]
)
def test_a_share_is_cut_and_never_rounded_up(answered: int, failed: int, says: str) -> None:
    assert percent(answered, failed) == says


def test_a_share_is_written_in_the_readers_language() -> None:
    with translation.override("de"):
        assert percent(1, 2) == "33,33"


def test_before_any_call(carl: Client, version: ApiVersion) -> None:
    said = text(carl.get(PAGE))
    assert "No calls in the last 90 days." in said
    assert "No calls today yet." in said
    page = carl.get(PAGE).content.decode()
    assert page.count('<g class="none">') == DAYS
    assert '<g class="ok">' not in page


def test_the_share_of_ninety_days_and_how_today_goes(carl: Client, version: ApiVersion) -> None:
    went(version, answered=734_211)
    went(version, ago=3, answered=265_589, upstream=150, gateway=50)
    went(version, ago=DAYS, upstream=1_000_000)
    response = carl.get(PAGE)
    said = text(response)
    assert "Answered 99.98 % of calls in 90 days." in said
    assert "Today every call was answered." in said
    assert "1 day on which calls failed" in said
    assert "99.92 % What is behind the gateway, and the gateway" in said
    page = response.content.decode()
    counts = [len(re.findall(f'<g class="{state}">', page)) for state in ("ok", "bad", "none")]
    assert counts == [1, 1, 88]
    assert 'aria-label="The last 90 days: 1 day on which every call was answered; 1 on which some failed; 88 without calls"' in page


def test_numbers_of_calls_are_told_to_nobody(in_acme: Cast, version: ApiVersion) -> None:
    went(version, answered=734_211, upstream=613, gateway=27)
    for user in (in_acme.carl, in_acme.pam, in_acme.ada):
        page = signed_in(user).get(PAGE).content.decode()
        assert "99.91 %" in page
        for number in ("734", "613", ">27<", "640"):
            assert number not in page.partition('class="days"')[2].partition("</section>")[0].replace("99.91", "")


def test_a_day_on_which_calls_failed_is_told_without_colours_too(version: ApiVersion) -> None:
    went(version, answered=0, upstream=5)
    went(version, ago=1, answered=1_000_000, gateway=1)
    went(version, ago=2, answered=1)
    *_, good, poor, failed = of(version).bars
    assert (good.y, good.height, good.failed) == (0, HEIGHT, 0)
    assert (poor.state, poor.failed, poor.y, poor.height) == ("bad", 5, 7, HEIGHT - 7)
    assert (failed.state, failed.height) == ("bad", 0)
    assert failed.failed < HEIGHT
    assert failed.says.endswith(": 0.00 % answered")
    assert of(version).today == "Today 0.00 % of calls were answered."
    assert [each.because for each in of(version).failing] == ["What is behind the gateway", "The gateway"]


def test_each_version_has_its_own_and_a_mock_none(carl: Client, version: ApiVersion) -> None:
    went(version, answered=1)
    make.version(version.api, name="v2")
    assert "Answered 100 % of calls in 90 days." in text(carl.get(f"{PAGE}?version=v1"))
    assert "No calls in the last 90 days." in text(carl.get(f"{PAGE}?version=v2"))
    mock = publishing.answer_from_examples(make.document())
    publishing.make_live(publishing.add_revision(version, document=make.document(), target=mock, by=None), by=None)
    assert "calls in 90 days" not in text(carl.get(f"{PAGE}?version=v1"))


def test_eve_sees_none_of_it(in_acme: Cast, version: ApiVersion) -> None:
    went(version, answered=1)
    assert signed_in(in_acme.eve).get(PAGE).status_code == 404
