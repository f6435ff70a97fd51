"""Pam tries a revision at an address of its own, in the browser."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apis.actions import publishing
from apis.models import Api, ApiVersion, Revision
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, queries

API = "/t/acme/console/apis/orders/"
PAGE = f"{API}v1/revisions/2/"
TEST = f"{PAGE}test/"
CLOSE = f"{TEST}close/"


@pytest.fixture
def second(cast: Cast, orders: Api) -> Revision:
    with tenant_scope(cast.acme.pk):
        return another(orders)


def another(api: Api) -> Revision:
    version = ApiVersion.objects.select_related("api").get(api=api, name="v1")
    return publishing.add_revision(version, document=make.document(), target=make.target(), by=None)


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", answer.content.decode())))


def is_open(cast: Cast, revision: Revision) -> bool:
    with tenant_scope(cast.acme.pk):
        revision.refresh_from_db()
        return revision.is_open_for_tests


def test_pam_opens_it_finds_its_address_and_closes_it(cast: Cast, pam: Client, second: Revision) -> None:
    assert f'href="{TEST}"' in pam.get(PAGE).content.decode()
    assert "0 applications with an active subscription to Orders can call it" in text(pam.get(TEST))
    opened = pam.post(TEST, {"hours": "24"}, follow=True)
    assert "Revision 2 of Orders v1 is open for tests." in text(opened)
    assert is_open(cast, second)
    for page in (opened, pam.get(API)):
        said = text(page)
        assert "/acme/orders/v1~2" in said
        assert 'v1~2/orders\' \\ -H "X-API-Key: $KEY"' in said
        assert "It closes in 24 hours" in said or "It closes in 1 day" in said
        assert f'href="{CLOSE}"' in page.content.decode()
    assert pam.get(CLOSE).status_code == 200
    assert "Revision 2 of Orders v1 is closed to tests." in text(pam.post(CLOSE, follow=True))
    assert not is_open(cast, second)
    assert "v1~2" not in text(pam.get(API))
    answer = pam.post(CLOSE)
    assert (answer.status_code, "Revision 2 is not open for tests." in text(answer)) == (409, True)


def test_one_whose_time_is_over_is_not_shown_although_no_job_has_run(cast: Cast, pam: Client, second: Revision) -> None:
    pam.post(TEST, {"hours": "1"})
    assert "v1~2" in text(pam.get(PAGE))
    with tenant_scope(cast.acme.pk):
        Revision.objects.filter(pk=second.pk).update(open_until=timezone.now() - timedelta(seconds=1))
    assert "v1~2" not in text(pam.get(PAGE))


def test_the_live_one_is_not_offered_and_refused(cast: Cast, pam: Client, second: Revision) -> None:
    live = f"{API}v1/revisions/1/"
    assert f"{live}test/" not in pam.get(live).content.decode()
    answer = pam.post(f"{live}test/", {"hours": "1"})
    assert (answer.status_code, "Revision 1 is live" in text(answer)) == (409, True)


def test_while_nothing_is_open_pam_chooses_an_application_of_hers(cast: Cast, pam: Client) -> None:
    with tenant_scope(cast.acme.pk):
        api = make.api("orders", published=False)
        foreign, revision = make.application(cast.carl, name="Carl's"), another(api)
    assert "register one first" in text(pam.get(TEST))
    with tenant_scope(cast.acme.pk):
        mine = make.application(cast.pam, name="Try-out")
    form = text(pam.get(TEST))
    assert "Try-out" in form
    assert "Carl's" not in form
    for wrong in ("", str(foreign.pk), "no id"):
        answer = pam.post(TEST, {"hours": "8", "application": wrong})
        assert answer.status_code == 422
        assert re.search(r'<option value="8" selected', answer.content.decode()), "what was chosen stays"
    assert not is_open(cast, revision)
    said = text(pam.post(TEST, {"hours": "8", "application": str(mine.pk)}, follow=True))
    assert "so Try-out can call it" in said
    assert is_open(cast, revision)


@pytest.mark.parametrize("hours", ["", "2", "soon"])
def test_another_time_comes_back_with_a_sentence(cast: Cast, pam: Client, second: Revision, hours: str) -> None:
    assert pam.post(TEST, {"hours": hours}).status_code == 422
    assert not is_open(cast, second)


def test_the_list_costs_as_much_for_many_tests_as_for_one(cast: Cast, pam: Client, orders: Api) -> None:
    with tenant_scope(cast.acme.pk):
        for _ in range(3):
            another(orders)
    for number in (2, 3, 4):
        pam.post(f"{API}v1/revisions/{number}/test/", {"hours": "1"})
    with queries("page:api:tested"):
        page = pam.get(API)
    assert text(page).count("It closes in") == 3


def test_carl_may_not_and_eve_finds_nothing(cast: Cast, second: Revision) -> None:
    for person, status in ((cast.carl, 403), (cast.eve, 404)):
        client = Client()
        client.force_login(person)
        for address in (TEST, CLOSE):
            assert client.get(address).status_code == status
            assert client.post(address, {"hours": "1"}).status_code == status
    with tenant_scope(cast.acme.pk):
        assert not Event.objects.filter(kind__startswith="revision.test").exists()
