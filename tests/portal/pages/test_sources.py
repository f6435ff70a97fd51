"""Pam says on a page where the document of Orders v1 stands, and reads there what came of looking."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client

from apis import document_at
from apis.actions import sources
from apis.document_at import Fetched, FetchRefused, Trouble
from apis.models import Api, ApiVersion, DocumentSource
from portal import tasks
from tenants import due
from tenants.models import Due, Membership, Notification, Role
from tenants.scope import tenant_scope
from tests.apis.document_server import SMALL
from tests.apis.test_sources import look, look_again
from tests.conftest import Cast, queries

ORDERS = "/t/acme/console/apis/orders/"
PAGE = f"{ORDERS}v1/source/"
TOLD = {"url": "https://docs.example.com/openapi.yaml", "every": "daily", "enabled": "on"}


def text(answer: Any) -> str:
    return str(answer.content.decode())


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_at, "fetch", lambda url, *, etag="": Fetched(SMALL))


def test_from_the_address_to_the_revision(cast: Cast, pam: Client, orders: Api, there: None) -> None:
    assert "Fetch its document every so often" in text(pam.get(ORDERS))
    assert "The last look" not in text(pam.get(PAGE))
    assert pam.post(PAGE, {**TOLD, "once": "a" * 32})["Location"] == PAGE
    page = text(pam.get(PAGE))
    assert "Portico looks there now." in page
    assert "Nobody has looked there yet." in page
    look()
    with queries("page:api-source"):
        page = text(pam.get(PAGE))
    assert "It became revision 2, which is not live by itself." in page
    assert "The last look" in page
    assert "Look now…" in page
    assert f"{ORDERS}v1/revisions/2/" in page
    assert f'value="{TOLD["url"]}"' in page
    api = text(pam.get(ORDERS))
    assert "Its document stands at docs.example.com: New revision" in api


def test_what_failed_is_told_with_what_is_wrong(cast: Cast, pam: Client, orders: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    pam.post(PAGE, TOLD)
    monkeypatch.setattr(document_at, "fetch", lambda url, *, etag="": Fetched("openapi: 3.1.0\npahts: {}\n"))
    look()
    page = text(pam.get(PAGE))
    assert "What stands there is no document that could be published." in page
    assert "Line 2, column 1" in page

    def gone(url: str, *, etag: str = "") -> Fetched:
        raise FetchRefused(Trouble.MISSING, host="docs.example.com", status=404)

    monkeypatch.setattr(document_at, "fetch", gone)
    look_again(cast)
    page = text(pam.get(PAGE))
    assert "docs.example.com has nothing at this address: it answered 404." in page
    assert "Failed in a row" in page


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"url": ""}, "Fill this in."),
        ({"url": "http://docs.example.com/"}, "The address of a document begins with https:// and a host name."),
        ({"url": "https://docs.example.com/" + "a" * 500}, "This has 525 characters; 500 are the most."),
        ({"every": "minute"}, "Choose one of these."),
    ],
)
def test_what_can_not_be_is_said_and_nothing_is_lost(cast: Cast, pam: Client, orders: Api, told: dict[str, str], said: str) -> None:
    answer = pam.post(PAGE, {**TOLD, **told})
    assert answer.status_code == 422
    assert said in text(answer)
    assert f'value="{ {**TOLD, **told}["url"] }"' in text(answer) or not told.get("url", "x")
    with tenant_scope(cast.acme.pk):
        assert not DocumentSource.objects.exists()


def test_a_version_without_a_document_has_none_to_look_for(cast: Cast, pam: Client, orders: Api) -> None:
    with tenant_scope(cast.acme.pk):
        ApiVersion.objects.create(api=orders, name="v2")
    answer = pam.post(f"{ORDERS}v2/source/", TOLD)
    assert answer.status_code == 409
    assert "Import the first document of Orders v2 yourself" in text(answer)


def test_look_now_off_and_no_more(cast: Cast, pam: Client, orders: Api, there: None) -> None:
    pam.post(PAGE, TOLD)
    look()
    assert "Look at docs.example.com now?" in text(pam.get(f"{PAGE}look/"))
    assert pam.post(f"{PAGE}look/")["Location"] == PAGE
    assert look() == 1
    pam.post(PAGE, {**TOLD, "enabled": ""})
    page = text(pam.get(PAGE))
    assert "never: it is off" in page
    assert "Look now…" not in page
    assert pam.post(f"{PAGE}look/").status_code == 409
    assert "Revisions that came from there stay." in text(pam.get(f"{PAGE}remove/"))
    assert pam.post(f"{PAGE}remove/")["Location"] == PAGE
    assert pam.get(f"{PAGE}look/").status_code == 404
    with tenant_scope(cast.acme.pk):
        assert not DocumentSource.objects.exists()


def test_who_publishes_hears_of_it_once(cast: Cast, pam: Client, orders: Api, there: None) -> None:
    pam.post(PAGE, TOLD)
    look()
    # As if the moment had come: a test's transaction has the time of its start.
    Due.objects.filter(job=due.MAIL_JOB).update(at=Now() - timedelta(hours=1))
    tasks.send_mails()
    with tenant_scope(cast.acme.pk):
        rows = Notification.objects.filter(in_inbox=True).select_related("user", "event")
        told = sorted((each.user.email, each.event.kind) for each in rows)
    assert [kind for email, kind in told if email == cast.pam.email] == ["document_source.found"]
    assert cast.carl.email not in dict(told)
    inbox = text(pam.get("/t/acme/inbox/"))
    assert "a new revision from its document&#x27;s address" in inbox


def test_who_may_publish_no_more_is_told_on_the_page(cast: Cast, pam: Client, orders: Api, there: None) -> None:
    pam.post(PAGE, TOLD)
    with tenant_scope(cast.acme.pk):
        Membership.objects.filter(user=cast.pam).update(roles=[Role.DEVELOPER])
        Membership.objects.filter(user=cast.ada).update(roles=[Role.PUBLISHER])
    look()
    ada = Client()
    ada.force_login(cast.ada)
    assert "may not publish here any more. Save it, and it goes on in your name." in text(ada.get(PAGE))
    ada.post(PAGE, TOLD)
    assert look() == 1
    with tenant_scope(cast.acme.pk):
        now = DocumentSource.objects.get()
    assert (now.set_by, now.result) == (cast.ada, "found")


def test_nobody_else_sees_it(cast: Cast, pam: Client, orders: Api) -> None:
    with tenant_scope(cast.acme.pk):
        version = ApiVersion.objects.get()
        sources.set_source(version, url=TOLD["url"], every="daily", enabled=True, by=cast.pam)
    for page in (PAGE, f"{PAGE}look/", f"{PAGE}remove/"):
        assert pam.get(page).status_code == 200
        for person, status in ((cast.carl, 403), (cast.eve, 404)):
            client = Client()
            client.force_login(person)
            assert client.get(page).status_code == status
            assert client.post(page, TOLD).status_code == status
    ugo = Client()
    ugo.force_login(cast.carl)
    with tenant_scope(cast.acme.pk):
        Membership.objects.filter(user=cast.carl).update(roles=[Role.AUDITOR])
    assert "docs.example.com" not in text(ugo.get(ORDERS)), "the address is for who publishes"
