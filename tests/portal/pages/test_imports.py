"""Pam chooses a file that is too large to wait for. She sees how far it is, and goes on where she was."""

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.files.uploadedfile import SimpleUploadedFile, UploadedFile
from django.test import Client, RequestFactory

from apis.actions import importing
from apis.models import Api, DocumentImport, Draft, Revision
from apis.openapi_source import MAX_BYTES
from tenants.scope import tenant_scope
from tests.apis.document_server import Site, site
from tests.apis.test_importing import large, read_documents
from tests.conftest import Cast

__all__ = ["site"]
NEW = "/t/acme/console/new-api/"
REVISIONS = "/t/acme/console/apis/orders/v1/revisions/"
AIM = {"upstream": "http://127.0.0.1:9/base", "header": "", "secret": "", "connect_timeout_ms": "5000", "timeout_ms": "30000"}
TERMS = {"name": "free", "calls": "60", "period": "60", "seconds": "", "approval": "manual"}


def text(answer: Any) -> str:
    return str(answer.content.decode())


def a_file(content: str) -> SimpleUploadedFile:
    return SimpleUploadedFile("large.json", content.encode())


def test_from_the_file_to_a_published_api(cast: Cast, pam: Client) -> None:
    page = pam.post(NEW, {"document": "", "file": a_file(large(3))})["Location"]
    waiting = text(pam.get(page))
    assert "Reading the document" in waiting
    assert "Look again" in waiting
    assert f'hx-get="{page}"' in waiting
    read_documents()
    assert pam.get(page)["Location"] == f"{NEW}check/"
    assert pam.get(page, headers={"HX-Request": "true"})["HX-Redirect"] == f"{NEW}check/"
    assert "/a2" in text(pam.get(f"{NEW}check/"))
    pam.post(f"{NEW}check/", {"name": "Large", "slug": "large", "description": ""})
    pam.post(f"{NEW}upstream/", AIM)
    with tenant_scope(cast.acme.pk):
        seen = Draft.objects.get().changed_at.isoformat()
    assert pam.post(f"{NEW}plan/", {**TERMS, "seen": seen, "once": "a" * 32})["Location"] == "/t/acme/console/apis/large/"
    with tenant_scope(cast.acme.pk):
        assert Revision.objects.get().operations.count() == 3


def test_a_new_revision_has_what_was_told_with_the_file(cast: Cast, pam: Client, orders: Api) -> None:
    told = {**AIM, "note": "Larger", "document": "", "once": "a" * 32}
    page = pam.post(f"{REVISIONS}new/", {**told, "file": a_file(large())})["Location"]
    read_documents()
    assert pam.get(page)["Location"] == f"{REVISIONS}2/"
    assert "Revision 2 is there." in text(pam.get(f"{REVISIONS}2/"))
    with tenant_scope(cast.acme.pk):
        revision = Revision.objects.select_related("upstream").get(number=2)
    assert (revision.note, str(revision.upstream)) == ("Larger", "http://127.0.0.1:9/base")


def test_what_is_wrong_is_shown_and_what_was_told_is_still_there(pam: Client, orders: Api) -> None:
    told = {**AIM, "note": "Larger", "document": "", "further_targets": "127.0.0.2 20", "once": "a" * 32}
    page = pam.post(f"{REVISIONS}new/", {**told, "file": a_file(large(problem="pahts"))})["Location"]
    read_documents()
    refused = text(pam.get(page))
    assert "“pahts” doesn" in refused
    assert "&quot;pahts&quot;: 1" in refused
    assert "Look again" not in refused
    back = f"{REVISIONS}new/?import={page.split('/')[-2]}"
    assert back in refused
    form = text(pam.get(back))
    assert 'value="Larger"' in form
    assert 'value="http://127.0.0.1:9/base"' in form
    assert "127.0.0.2 20</textarea>" in form


def test_an_address_that_is_wrong_is_told_before_anything_is_read(cast: Cast, pam: Client, orders: Api) -> None:
    told = {**AIM, "upstream": "ftp://a", "note": "", "document": "", "file": a_file(large())}
    assert pam.post(f"{REVISIONS}new/", told).status_code == 422
    with tenant_scope(cast.acme.pk):
        assert not DocumentImport.objects.exists()


def test_a_second_one_waits_for_the_first(cast: Cast, pam: Client) -> None:
    pam.post(NEW, {"document": "", "file": a_file(large())})
    answer = pam.post(NEW, {"document": "", "file": a_file(large())})
    assert answer.status_code == 409
    assert "Another document of yours is being read." in text(answer)


def test_more_than_16_mb_is_no_document(cast: Cast, pam: Client) -> None:
    answer = pam.post(NEW, {"document": "", "file": a_file("a" * (16 * 1024 * 1024 + 1))})
    assert answer.status_code == 422
    assert "The document is larger than 16 MB." in text(answer)


# --- by its address


def test_from_its_address_to_the_check(cast: Cast, pam: Client, site: Site) -> None:
    page = pam.post(NEW, {"document": "what stood there", "document_url": f" {site.url} "})["Location"]
    assert "It is fetched from 127.0.0.1 first" in text(pam.get(page))
    read_documents()
    assert pam.get(page)["Location"] == f"{NEW}check/"
    assert "/orders" in text(pam.get(f"{NEW}check/"))
    assert "operationId: listOrders" in text(pam.get(NEW)), "a small one can be edited"


def test_what_did_not_come_is_said_and_the_address_is_still_there(cast: Cast, pam: Client, orders: Api, site: Site) -> None:
    site.status = 404
    for form, told in ((NEW, {}), (f"{REVISIONS}new/", {**AIM, "note": "Fetched"})):
        page = pam.post(form, {**told, "document": "", "document_url": site.url})["Location"]
        read_documents()
        refused = text(pam.get(page))
        assert "127.0.0.1 has nothing at this address: it answered 404." in refused
        assert "What you typed is still there." in refused
        back = f"{form}?import={page.split('/')[-2]}"
        assert back in refused
        assert f'value="{site.url}"' in text(pam.get(back))
    assert 'value="Fetched"' in text(pam.get(back))


def test_a_new_revision_comes_from_an_address(cast: Cast, pam: Client, orders: Api, site: Site) -> None:
    page = pam.post(f"{REVISIONS}new/", {**AIM, "note": "", "document": "", "document_url": site.url})["Location"]
    read_documents()
    assert pam.get(page)["Location"] == f"{REVISIONS}2/"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://docs.example.com/", "The address of a document begins with https:// and a host name."),
        ("https://pam:word@docs.example.com/", "Leave user, password and what follows a # out of the address."),
        ("https://docs.example.com/" + "a" * 500, "This has 525 characters; 500 are the most."),
    ],
)
def test_an_address_that_is_none_is_told_at_once(cast: Cast, pam: Client, orders: Api, url: str, said: str) -> None:
    for form, told in ((NEW, {}), (f"{REVISIONS}new/", AIM)):
        answer = pam.post(form, {**told, "document": "typed", "document_url": url})
        assert answer.status_code == 422
        assert said in text(answer)
        assert f'value="{url}"' in text(answer)
        assert "typed" in text(answer)
    with tenant_scope(cast.acme.pk):
        assert not DocumentImport.objects.exists()


def test_a_file_and_an_address_are_one_too_many(cast: Cast, pam: Client) -> None:
    answer = pam.post(NEW, {"document": "", "document_url": "https://docs.example.com/", "file": a_file("a: 1")})
    assert answer.status_code == 422
    assert "Choose a file or write an address, not both." in text(answer)


def test_a_second_address_waits_for_the_first(cast: Cast, pam: Client) -> None:
    pam.post(NEW, {"document": "", "document_url": "https://docs.example.com/"})
    answer = pam.post(NEW, {"document": "", "document_url": "https://docs.example.com/"})
    assert answer.status_code == 409
    assert "Another document of yours is being read." in text(answer)


def test_elsewhere_a_large_file_is_not_held(cast: Cast, rf: RequestFactory) -> None:
    """The memory of the process isn't anybody's."""
    held = {}
    for name, path, user in (("page", NEW, cast.pam), ("elsewhere", "/profile/", cast.pam), ("nobody", NEW, AnonymousUser())):
        request = rf.post(path, {"file": a_file("a" * (MAX_BYTES + 10))})
        request.user = user
        found = request.FILES["file"]
        assert isinstance(found, UploadedFile)
        held[name] = len(found.read())
    assert held == {"page": MAX_BYTES + 10, "elsewhere": MAX_BYTES, "nobody": MAX_BYTES}


def test_nobody_else_sees_it(cast: Cast, pam: Client) -> None:
    with tenant_scope(cast.acme.pk):
        begun = importing.begin(document=large(), by=cast.pam)
    page = f"/t/acme/console/imports/{begun.pk}/"
    assert pam.get(page).status_code == 200
    for person, status in ((cast.ada, 404), (cast.carl, 403), (cast.eve, 404)):
        client = Client()
        client.force_login(person)
        assert client.get(page).status_code == status
