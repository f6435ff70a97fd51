"""The document of a version, for programs: who may have it, and that it is made once."""

import gzip
import json
from typing import Any

import pytest
import yaml
from django.test import Client
from django.utils.http import http_date

from apis import published
from apis.actions import publishing
from apis.actions.catalogue import place
from apis.models import Api, PublishedDocument
from tenants.models import Role
from tenants.people.settings import change_settings
from tests import make
from tests.conftest import Cast, queries
from tests.portal.pages.test_catalogue import DOCUMENT, browser

JSON, YAML = "/t/acme/apis/orders/v1/openapi.json", "/t/acme/apis/orders/v1/openapi.yaml"


@pytest.fixture
def orders(in_acme: Cast) -> Api:
    return make.api("orders", content=DOCUMENT)


@pytest.fixture
def carl(in_acme: Cast, orders: Api) -> Client:
    return browser(in_acme.carl)


def test_carl_downloads_it_with_the_gateways_address_in_both_forms(carl: Client) -> None:
    response = carl.get(JSON)
    assert response["Content-Disposition"] == 'attachment; filename="orders-v1.openapi.json"'
    assert (response["Content-Type"], response["Cache-Control"]) == ("application/json", "private, no-cache")
    document = json.loads(response.content)
    assert [each["url"].rpartition(":")[2].partition("/")[2] for each in document["servers"]] == ["acme/orders/v1"]
    flow = document["components"]["securitySchemes"]["accessToken"]["flows"]["clientCredentials"]
    assert flow["tokenUrl"].endswith("/t/acme/oauth/token")
    assert document["paths"]["/orders"]["get"]["summary"] == "List orders"
    other = carl.get(YAML)
    assert other["Content-Type"] == "application/yaml"
    assert yaml.safe_load(other.content) == document
    assert "inside.acme.example" not in (response.content + other.content).decode()


def test_the_page_leads_to_it(carl: Client) -> None:
    for tab in ("", "?tab=reference"):
        page = carl.get(f"/t/acme/apis/orders/{tab}")
        body = page.content.decode()
        assert f'href="{JSON}"' in body
        assert f'href="{YAML}"' in body
        assert page["Link"].endswith(f'{JSON}>; rel="service-desc"; type="application/json"')


def test_it_is_made_once_and_anew_when_another_revision_is_live(carl: Client, in_acme: Cast, orders: Api, monkeypatch: Any) -> None:
    first = carl.get(JSON)
    with monkeypatch.context() as patched:
        patched.setattr("apis.actions.documents.published", lambda *_args, **_named: pytest.fail("made again"))
        with queries("page:catalogue-document"):
            assert carl.get(JSON).content == first.content
    changed = {**DOCUMENT, "info": {"title": "Orders", "version": "2"}}
    revision = publishing.add_revision(orders.versions.get(), document=make.document(changed), target=make.target(), by=None)
    publishing.make_live(revision, by=in_acme.pam)
    second = carl.get(JSON, headers={"If-None-Match": first["ETag"]})
    assert (second.status_code, json.loads(second.content)["info"]["version"]) == (200, "2")
    assert PublishedDocument.objects.count() == 1
    was = PublishedDocument.objects.get().made_from
    monkeypatch.setattr(published, "FORMAT", 2)
    assert carl.get(JSON).content == second.content
    assert PublishedDocument.objects.get().made_from != was


def test_what_has_not_changed_is_not_sent_again(carl: Client) -> None:
    first = carl.get(JSON)
    for headers in ({"If-None-Match": first["ETag"]}, {"If-Modified-Since": first["Last-Modified"]}):
        again = carl.get(JSON, headers=headers)
        assert (again.status_code, again.content) == (304, b"")
        assert again["ETag"] == first["ETag"]
    for headers in ({"If-None-Match": '"other"'}, {"If-Modified-Since": http_date(0)}):
        assert carl.get(JSON, headers=headers).status_code == 200


def test_it_comes_compressed_to_whom_that_is_welcome(carl: Client) -> None:
    plain, small = carl.get(JSON), carl.get(JSON, headers={"Accept-Encoding": "br, gzip"})
    assert small["Content-Encoding"] == "gzip"
    assert gzip.decompress(small.content) == plain.content
    assert small["ETag"] == plain["ETag"]
    assert not plain.has_header("Content-Encoding")


def test_everybody_has_it_where_the_catalogue_is_public_and_pages_of_every_origin(in_acme: Cast, orders: Api, carl: Client) -> None:
    nobody = Client()
    refused = nobody.get(JSON)
    assert (refused.status_code, refused["Content-Type"]) == (401, "application/problem+json")
    assert not carl.get(JSON).has_header("Access-Control-Allow-Origin")
    change_settings({"catalogue": "public"}, by=in_acme.ada)
    answer = nobody.get(JSON)
    assert (answer.status_code, answer["Access-Control-Allow-Origin"], answer["Cache-Control"]) == (200, "*", "public, no-cache")
    place(orders, visibility="tenant", by=in_acme.pam)
    assert nobody.get(JSON).status_code == 404
    assert carl.get(JSON).status_code == 200
    assert not carl.get(JSON).has_header("Access-Control-Allow-Origin")


def test_eve_gets_none_and_every_role_its_own(in_acme: Cast, orders: Api) -> None:
    for address in (JSON, YAML):
        assert browser(in_acme.eve).get(address).status_code == 404
    for role in Role.values:
        assert browser(make.member(in_acme.acme, None, role)).get(JSON).status_code == 200


def test_of_what_is_not_published_there_is_none(in_acme: Cast, carl: Client) -> None:
    make.api("secret", published=False)
    for address in ("/t/acme/apis/secret/v1/openapi.json", "/t/acme/apis/orders/v9/openapi.json", "/t/acme/apis/orders/v1/openapi.xml"):
        assert carl.get(address).status_code == 404
    assert carl.post(JSON).status_code == 405
