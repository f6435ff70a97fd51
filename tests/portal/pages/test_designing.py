"""A document written in the browser: begun, formatted, looked at, and edited from what is live."""

import json
from html import unescape
from typing import Any
from unittest.mock import patch

import pytest
from django.test import Client

from apis import openapi
from apis.actions import publishing
from apis.models import Api, Draft
from apis.openapi_source import load
from portal.pages import designing
from portal.pages.designing import MEANT
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast

NEW, BEGIN = "/t/acme/console/new-api/", "/t/acme/console/new-api/begin/"
REVISION = "/t/acme/console/apis/orders/v1/revisions/new/"
TOLD = {"title": "Orders", "description": "What is bought.", "operations": "GET /orders All orders\nPOST /orders\nGET /orders/{id}"}
DOCUMENT = """openapi:   3.1.0
info: {title: Orders, version: '1', description: '<script>alert(1)</script> **bold**'}
paths:
  /orders:
    get: {operationId: listOrders, summary: All, responses: {'200': {description: Fine}}}
"""
TIDY = {"HX-Request": "true", "HX-Target": "document-field"}
PREVIEW = {"HX-Request": "true", "HX-Target": "preview"}


def text(answer: Any) -> str:
    return str(answer.content.decode())


def draft(cast: Cast) -> Draft | None:
    with tenant_scope(cast.acme.pk):
        found: Draft | None = Draft.objects.of(cast.pam).first()
        return found


class TestBegin:
    def test_pam_begins_with_a_list_and_goes_on_in_the_editor(self, cast: Cast, pam: Client) -> None:
        assert BEGIN in text(pam.get(NEW))
        assert 'name="replace"' not in text(pam.get(BEGIN))
        assert pam.post(BEGIN, TOLD)["Location"] == NEW
        page = text(pam.get(NEW))
        assert "The document is written." in page
        assert "operationId: getOrdersById" in page
        made = draft(cast)
        assert made is not None
        assert not made.problems
        assert pam.post(NEW, {"document": made.document})["Location"] == f"{NEW}check/"

    def test_a_draft_that_is_there_is_asked_for(self, cast: Cast, pam: Client) -> None:
        pam.post(NEW, {"document": DOCUMENT})
        assert 'name="replace"' in text(pam.get(BEGIN))
        refused = pam.post(BEGIN, TOLD)
        assert refused.status_code == 422
        assert "Say that the document of your draft may go, or leave this." in text(refused)
        assert "POST /orders" in text(refused)
        kept = draft(cast)
        assert kept is not None
        assert kept.document == DOCUMENT
        assert pam.post(BEGIN, {**TOLD, "replace": "on"}).status_code == 302
        kept = draft(cast)
        assert kept is not None
        assert "getOrdersById" in kept.document

    def test_a_line_that_is_no_operation_is_told_and_nothing_is_lost(self, cast: Cast, pam: Client) -> None:
        refused = pam.post(BEGIN, {**TOLD, "operations": "GET /orders\nFETCH /orders <b>"})
        assert refused.status_code == 422
        assert "Line 2 begins with no method. Write it like: GET /orders/{id} One order." in text(refused)
        assert "FETCH /orders &lt;b&gt;" in text(refused)
        assert draft(cast) is None

    @pytest.mark.parametrize(
        ("listed", "kind"),
        [
            ("FETCH /a", "method"),
            ("GET a", "path"),
            ("GET /{a", "braces"),
            ("GET /a\nGET /a", "twice"),
            ("\n".join(f"GET /{n}" for n in range(101)), "many"),
            ("#", "method"),
        ],
    )
    def test_each_way_to_be_wrong_has_its_sentence(self, pam: Client, listed: str, kind: str) -> None:
        sentence = str(MEANT[kind]) % {"line": listed.count("\n") + 1}
        assert sentence in unescape(text(pam.post(BEGIN, {**TOLD, "operations": listed})))

    def test_others_documents_are_read_just_now(self, cast: Cast, pam: Client) -> None:
        with patch("apis.openapi.read", side_effect=openapi.TooManyAtOnceError):
            busy = pam.post(BEGIN, TOLD)
        assert busy.status_code == 503
        assert "POST /orders" in text(busy)
        assert draft(cast) is None

    def test_who_may_not_publish_has_no_such_page(self, cast: Cast, client: Client) -> None:
        for person, status in ((cast.carl, 403), (cast.eve, 404)):
            client.force_login(person)
            assert client.post(BEGIN, TOLD).status_code == status


@pytest.mark.usefixtures("orders")
class TestFormat:
    def test_the_field_comes_back_formatted(self, cast: Cast, pam: Client) -> None:
        for address in (NEW, REVISION):
            answer = pam.post(address, {"document": DOCUMENT}, headers=TIDY)
            told = text(answer)
            assert "openapi: &quot;3.1.0&quot;\ninfo:\n  title: Orders\n" in told
            assert 'id="document-field"' in told
            assert "formatted" in answer["HX-Trigger-After-Settle"], "what is wrong is looked for anew"
            assert "<form" not in told
        assert draft(cast) is None

    def test_what_cant_be_read_stays_as_it_is(self, pam: Client) -> None:
        told = text(pam.post(NEW, {"document": "openapi:   3.1.0\npats: {}"}, headers=TIDY))
        assert "It can be formatted once it can be read: mend first what is wrong with it." in told
        assert "openapi:   3.1.0" in told

    def test_comments_stay(self, pam: Client) -> None:
        told = text(pam.post(NEW, {"document": f"# ours\n{DOCUMENT}"}, headers=TIDY))
        assert "It has comments, which would be lost, so it stays as it is." in told
        assert "# ours\nopenapi:   3.1.0" in told

    def test_a_long_one_stays(self, pam: Client) -> None:
        document = DOCUMENT.replace("summary: All", f"summary: All, description: {'x' * 500_000}")
        assert "It is too long to be formatted here: 500,000 characters are the most." in text(
            pam.post(NEW, {"document": document}, headers=TIDY)
        )

    def test_others_documents_are_read_just_now(self, pam: Client) -> None:
        with patch("apis.openapi.read", side_effect=openapi.TooManyAtOnceError):
            told = text(pam.post(NEW, {"document": DOCUMENT}, headers=TIDY))
        assert "Portico reads other documents just now." in told
        assert "openapi:   3.1.0" in told


@pytest.mark.usefixtures("orders")
class TestPreview:
    def test_it_is_what_developers_will_read(self, cast: Cast, pam: Client) -> None:
        for address in (NEW, REVISION):
            told = text(pam.post(address, {"document": DOCUMENT}, headers=PREVIEW))
            assert "As developers will read it" in told
            assert "<strong>bold</strong>" in told
            assert "<script" not in told
            assert "/orders" in told
            assert "Fine" in told
        assert draft(cast) is None

    def test_it_shows_so_many(self, pam: Client) -> None:
        value = json.loads(json.dumps(make.DOCUMENT))
        value["paths"] = {f"/{n}": {"get": {"responses": {"200": {"description": "x"}}}} for n in range(designing.PREVIEWED + 2)}
        told = text(pam.post(NEW, {"document": json.dumps(value)}, headers=PREVIEW))
        assert f"/{designing.PREVIEWED - 1}<" in told
        assert f"/{designing.PREVIEWED}<" not in told
        assert "2 more operations are not shown here." in told

    def test_what_cant_be_read_says_so(self, pam: Client) -> None:
        assert "It can be shown once it can be read" in text(pam.post(NEW, {"document": "a"}, headers=PREVIEW))
        assert "Paste a document" in text(pam.post(NEW, {"document": ""}, headers=PREVIEW))


@pytest.mark.usefixtures("orders")
class TestEditWhatIsLive:
    def test_the_live_document_is_there_to_edit(self, pam: Client) -> None:
        assert "Edit that of revision 1" in text(pam.get(REVISION))
        page = pam.get(f"{REVISION}?document=live")
        edited = page.context["form"].initial["document"]
        assert edited.startswith("openapi: ")
        assert load(edited).value == make.DOCUMENT
        assert page.context["form"].initial["upstream"] == "http://127.0.0.1:9"

    def test_a_large_one_is_not(self, pam: Client) -> None:
        with patch.object(designing, "MAX_BYTES", 10):
            page = pam.get(f"{REVISION}?document=live")
        assert "The document of revision 1 is too large to be edited here." in text(page)
        assert page.context["form"].initial["document"] == ""

    def test_a_version_without_one_offers_nothing(self, cast: Cast, pam: Client, orders: Api) -> None:
        with tenant_scope(cast.acme.pk):
            publishing.add_version(orders, name="v2", by=cast.pam)
        page = pam.get("/t/acme/console/apis/orders/v2/revisions/new/?document=live")
        assert page.status_code == 200
        assert "Edit that of revision" not in text(page)
        assert not page.context["form"].initial.get("document")

    def test_what_was_told_before_stays_beside_it(self, pam: Client) -> None:
        page = pam.get(f"{REVISION}?import=x&document=live")
        assert page.context["form"].initial["document"].startswith("openapi: ")
        assert "?import=x&amp;document=live" in text(page)

    def test_an_address_beside_it_is_refused_and_nothing_is_lost(self, pam: Client) -> None:
        told = {"document": DOCUMENT, "document_url": "https://docs.example.com/openapi.yaml", "mock": "on", "note": "New"}
        refused = pam.post(REVISION, told)
        assert refused.status_code == 422
        assert "Write a document or its address, not both." in text(refused)
        assert "listOrders" in text(refused)
