"""Pam gives a document of Swagger 2.0. It is taken, and what it can't carry over she reads on each page and from REST."""

from typing import Any

from django.test import Client

from apis.models import Revision
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base

NEW = "/t/acme/console/new-api/"
ORDERS = "/t/acme/console/apis/orders/"
SWAGGER = """swagger: "2.0"
info: {title: Orders, version: "1"}
paths:
  /orders:
    get:
      parameters:
      - {name: tag, in: query, type: array, items: {type: string}, collectionFormat: tsv}
      responses: {200: {description: Orders}}
"""
NOTES = [
    {"line": 1, "column": 1, "message": "This is Swagger 2.0. It is kept as OpenAPI 3.0."},
    {"line": 7, "column": 68, "message": "OpenAPI 3.0 has no counterpart of the collectionFormat tsv; the list is described as csv."},
]
AIM = {"upstream": "http://127.0.0.1:9", "header": "", "secret": "", "connect_timeout_ms": "5000", "timeout_ms": "30000", "note": ""}


def says_both(page: Any) -> bool:
    text = page.content.decode()
    return all(note["message"] in text for note in NOTES) and "Line 7, column 68" in text


def test_while_she_types(pam: Client) -> None:
    assert says_both(pam.post(NEW, {"document": SWAGGER}, headers={"HX-Request": "true", "HX-Target": "problems"}))


def test_in_the_second_step(pam: Client) -> None:
    pam.post(NEW, {"document": SWAGGER})
    page = pam.get(f"{NEW}check/")
    assert says_both(page)
    assert "OpenAPI 3.0.3" in page.content.decode()


def test_beside_the_revision(cast: Cast, pam: Client) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("orders")
    assert pam.post(f"{ORDERS}v1/revisions/new/", {**AIM, "document": SWAGGER})["Location"] == f"{ORDERS}v1/revisions/2/"
    assert says_both(pam.get(ORDERS))
    with tenant_scope(cast.acme.pk):
        kept = Revision.objects.get(number=2).document
    assert kept["openapi"] == "3.0.3"
    assert "swagger" not in kept


def test_from_rest(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("orders")
    address = f"{base(cast.acme)}/apis/orders/versions/v1/revisions/"
    made = rest(cast.pam).post(address, {"document": SWAGGER, "upstream": {"url": "http://127.0.0.1:9"}})
    assert made.status_code == 201
    assert made.json()["notes"] == NOTES
    assert rest(cast.pam).get(f"{address}2/").json()["notes"] == NOTES
