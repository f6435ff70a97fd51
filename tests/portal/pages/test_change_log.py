"""Carl reads what changed at Orders, on its page and in his feed reader."""

import re
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.test import Client

from apis.actions import publishing, versions
from apis.actions.catalogue import place
from apis.models import Api, Revision
from tenants.models import TenantSettings
from tenants.scope import tenant_scope
from tests import make
from tests.apis.test_change_log import compare, goes_live, less
from tests.conftest import Cast, queries

PAGE = "/t/acme/apis/orders/?tab=changes"
FEED = "/t/acme/apis/orders/changes.atom"
ATOM = {"a": "http://www.w3.org/2005/Atom"}
HOSTILE = "<script>alert(1)</script>\"'&{{ 7*7 }}"


@pytest.fixture
def carl(cast: Cast, client: Client) -> Client:
    client.force_login(cast.carl)
    return client


@pytest.fixture
def changed(cast: Cast, orders: Api) -> Api:
    with tenant_scope(cast.acme.pk):
        goes_live(orders.versions.get(), less(), note="Orders are listed only.")
    compare()
    return orders


def text(answer: Any) -> str:
    return str(answer.content.decode())


def entries(answer: Any) -> list[ET.Element]:
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/atom+xml; charset=utf-8"
    return ET.fromstring(answer.content).findall("a:entry", ATOM)


def said(entry: ET.Element, name: str) -> str:
    return entry.findtext(f"a:{name}", "", ATOM)


def public(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        TenantSettings.objects.update_or_create(defaults={"catalogue": "public"})


def test_carl_reads_what_changed(cast: Cast, carl: Client, changed: Api) -> None:
    carl.get(PAGE)
    with queries("page:catalogue-api changes"):
        page = text(carl.get(PAGE))
    for each in (
        "v1 changed: revision 2", "Orders are listed only.", "1 change breaks callers", "/orders/{id}", "1 change is safe",
        "The operation is gone, and had not been deprecated.", "v1 is published",
    ):  # fmt: skip
        assert each in page, each
    link = re.compile(r'<link rel="alternate"\s+type="application/atom\+xml"\s+href="/t/acme/apis/orders/changes.atom"')
    assert link.search(page)
    assert link.search(text(carl.get("/t/acme/apis/orders/")))
    with tenant_scope(cast.acme.pk):
        for _ in range(3):
            goes_live(changed.versions.get())
    compare()
    with queries("page:catalogue-api changes"):
        assert "v1 changed: revision 5" in text(carl.get(PAGE))


def test_the_log_has_pages(cast: Cast, carl: Client, changed: Api) -> None:
    with tenant_scope(cast.acme.pk):
        for _ in range(10):
            goes_live(changed.versions.get())
    page = text(carl.get(PAGE))
    assert "revision 12" in page
    assert "revision 2<" not in page
    older = re.search(r'href="(\?tab=changes&amp;before=[^"]+)"', page)
    assert older is not None
    assert "revision 2<" in text(carl.get(f"/t/acme/apis/orders/{older[1].replace('&amp;', '&')}"))


def test_what_waits_and_what_changes_nothing_is_said(cast: Cast, carl: Client, orders: Api) -> None:
    with tenant_scope(cast.acme.pk):
        goes_live(orders.versions.get(), url="http://127.0.0.1:10")
    assert "What changed is being compared. Look again in a minute." in text(carl.get(PAGE))
    compare()
    page = text(carl.get(PAGE))
    assert "being compared" not in page
    assert "No operation changes for callers." in page
    assert "127.0.0.1" not in page
    with tenant_scope(cast.acme.pk):
        publishing.make_live(Revision.objects.get(number=1), by=None)
    assert "v1 is back at revision 1" in text(carl.get(PAGE))


def test_many_changes_are_cut_and_counted(cast: Cast, carl: Client, orders: Api) -> None:
    many = {f"/a{number}": {"get": {"responses": {"200": {"description": "d"}}}} for number in range(70)}
    with tenant_scope(cast.acme.pk):
        goes_live(orders.versions.get(), {**make.DOCUMENT, "paths": many})
    compare()
    page = text(carl.get(PAGE))
    assert "70 changes are safe" in page
    assert "And 13 more changes" in page
    assert "And 13 more changes" in said(entries(carl.get(FEED))[0], "summary")


def test_the_end_of_a_version_is_told(cast: Cast, carl: Client, orders: Api) -> None:
    with tenant_scope(cast.acme.pk):
        version = orders.versions.select_related("api").get()
        sunset = version.created_at + timedelta(days=30)
        versions.deprecate(version, sunset_at=sunset, reason="v2 is better.", by=cast.pam)
        versions.plan_brown_out(version, starts_at=sunset, lasts=timedelta(minutes=5), by=cast.pam)
    page = text(carl.get(PAGE))
    for each in ("v1 is deprecated", "v2 is better.", "It answers until ", "A brown-out of v1 is planned", "Every call is refused from "):
        assert each in page, each
    assert "Pam" not in page


# --- the feed --------------------------------------------------------------------------------------------------------


def test_the_feed_is_atom_with_names_that_stay(cast: Cast, carl: Client, changed: Api) -> None:
    carl.get(FEED)
    with queries("page:catalogue-feed"):
        answer = carl.get(FEED)
    feed = ET.fromstring(answer.content)
    assert feed.tag == "{http://www.w3.org/2005/Atom}feed"
    links = {each.get("rel"): each.get("href", "") for each in feed.findall("a:link", ATOM)}
    assert links["self"].endswith(FEED)
    assert feed.findtext("a:id", "", ATOM) == links["self"]
    assert links["alternate"].endswith(PAGE)
    assert feed.findtext("a:author/a:name", "", ATOM) == "Acme"
    live, opened = entries(answer)
    assert (said(live, "title"), said(opened, "title")) == ("Orders v1 changed: revision 2", "Orders v1 is published")
    assert said(live, "id").startswith("urn:uuid:")
    assert "The operation is gone, and had not been deprecated." in said(live, "summary")
    assert "<code>GET /orders/{id}</code>" in said(live, "summary")
    assert [said(each, "id") for each in entries(carl.get(FEED))] == [said(each, "id") for each in (live, opened)]
    assert feed.findtext("a:updated", "", ATOM) == said(live, "updated") >= said(live, "published")


def test_who_has_it_already_is_told_so_until_something_happens(cast: Cast, carl: Client, changed: Api) -> None:
    answer = carl.get(FEED)
    etag, modified = answer["ETag"], answer["Last-Modified"]
    assert carl.get(FEED, headers={"If-None-Match": etag}).status_code == 304
    assert carl.get(FEED, headers={"If-Modified-Since": modified}).status_code == 304
    with tenant_scope(cast.acme.pk):
        goes_live(changed.versions.get())
    assert carl.get(FEED, headers={"If-None-Match": etag}).status_code == 200


def test_a_feed_comes_in_the_readers_language(cast: Cast, carl: Client, changed: Api) -> None:
    cast.carl.language = "de"
    cast.carl.save()
    answer = carl.get(FEED)
    assert answer["Content-Language"] == "de"
    assert "The operation is gone" not in text(answer)
    public(cast)
    asked = {"Accept": "application/atom+xml", "Accept-Language": "de"}
    assert Client().get(FEED, headers=asked)["Content-Language"] == "de"


def test_what_people_and_documents_write_does_no_harm(cast: Cast, carl: Client, orders: Api) -> None:
    more: dict[str, Any] = {"get": {"responses": {"200": {"description": "d"}, "404": {"description": "d"}}}}
    more["get"]["parameters"] = [{"name": "a\x0b" + HOSTILE, "in": "query", "schema": {"type": "string"}}]
    paths = make.DOCUMENT["paths"]
    document = {**make.DOCUMENT, "paths": {**paths, "/orders": {**paths["/orders"], **more}}}
    with tenant_scope(cast.acme.pk):
        goes_live(orders.versions.get(), document, note=HOSTILE)
    compare()
    assert "<script>alert" not in text(carl.get(PAGE))
    live = entries(carl.get(FEED))[0]
    assert "<script>" not in said(live, "summary")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in said(live, "summary")


def test_visitors_read_it_where_the_catalogue_is_public(cast: Cast, changed: Api) -> None:
    for address in (PAGE, FEED):
        assert Client().get(address).status_code in {302, 401}
    public(cast)
    for address in (PAGE, FEED):
        assert "revision 2" in text(Client().get(address))
    with tenant_scope(cast.acme.pk):
        place(changed, visibility="tenant", by=cast.pam)
    for address in (PAGE, FEED):
        assert Client().get(address).status_code == 404


def test_eve_finds_nothing(cast: Cast, client: Client, changed: Api) -> None:
    client.force_login(cast.eve)
    for address in (PAGE, FEED):
        assert client.get(address).status_code == 404
