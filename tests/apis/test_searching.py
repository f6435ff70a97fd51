"""Carl finds an API by whatever is said of it."""

import json
from typing import Any

import pytest
from django.db import connection

from apis import searching, words
from apis.actions import publishing, versions
from apis.models import Api, ApiVersion
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base

BILLING: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Billing", "version": "1"},
    "paths": {
        "/invoices": {"get": {"operationId": "listInvoices", "summary": "List invoices", "responses": {"200": {"description": "."}}}},
        "/invoices/{id}/refunds": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "post": {
                "operationId": "refundInvoice",
                "summary": "Give money back",
                "description": "Sends it to the card that paid, within three days. Größere Beträge prüft ein Mensch. 订单管理。",
                "responses": {"201": {"description": "."}},
            },
        },
    },
}


@pytest.fixture
def billing(in_acme: Cast) -> Api:
    api = make.api("billing", content=BILLING)
    publishing.change_api(api, name="Billing", description="Who owes **us** what — and why.", by=in_acme.pam)
    return api


def found(sought: str) -> list[str]:
    """Slugs, the best first."""
    ranks = searching.matching(words.terms(sought))
    return [each.slug for each in sorted(Api.objects.filter(pk__in=ranks), key=lambda each: -ranks[each.pk])]


def operations(sought: str) -> list[str]:
    terms = words.terms(sought)
    return [each.operation_id for of in searching.operations_found(searching.matching(terms), terms).values() for each in of.operations]


@pytest.mark.parametrize(
    "sought",
    [
        "Billing", "bill", "BILLING", "owes", "us", "why", "refunds", "refundInvoice", "refund", "invoices", "/invoices/{id}/refunds",
        "invoices list", "money back", "card", "größere", "GRÖ", "beträge", "订单", "管理", "订单管理", "billing refund", "back list",
    ],
)  # fmt: skip
def test_each_word_is_found_wherever_it_stands(billing: Api, sought: str) -> None:
    make.api("stock")
    assert found(sought) == ["billing"]


@pytest.mark.parametrize("sought", ["illing", "billing stock", "nvoice", "管单", "zz'); --", "%", "\\", "' & 'zz", "!!", "", "a" * 5000])
def test_what_is_nowhere_is_not_found(billing: Api, sought: str) -> None:
    assert found(sought) == []


def test_its_name_says_more_than_a_word_in_a_description(billing: Api, in_acme: Cast) -> None:
    publishing.change_api(make.api("cards"), description="Other than billing.", by=in_acme.pam)
    assert found("billing") == ["billing", "cards"]
    assert found("card") == ["cards", "billing"]


def test_the_operations_with_most_of_it_are_told(billing: Api) -> None:
    assert operations("refund") == ["refundInvoice"]
    assert operations("billing money") == ["refundInvoice"]
    assert operations("invoice card") == ["refundInvoice"]
    assert sorted(operations("invoice")) == ["listInvoices", "refundInvoice"]
    assert operations("owes") == []


def test_one_that_has_all_of_it_stands_before_many_that_have_less(in_acme: Cast) -> None:
    answer = {"responses": {"200": {"description": "."}}}
    paths = {f"/cats/{number}": {"get": {"operationId": f"cat{number}", "summary": "Cat cat cat", **answer}} for number in range(5)}
    paths["/cats/food"] = {"get": {"operationId": "food", "description": "What a cat, or a dog, eats.", **answer}}
    api = make.api("zoo", content={**BILLING, "paths": paths})
    told = searching.operations_found([api.pk], words.terms("cat dog"))[api.pk]
    assert ([each.operation_id for each in told.operations], told.more) == (["food"], 0)


def test_of_many_alike_the_first_are_told_and_how_many_there_are(in_acme: Cast) -> None:
    get = {"summary": "Read a thing", "responses": {"200": {"description": "."}}}
    content = {**BILLING, "paths": {f"/things/{number}": {"get": {"operationId": f"thing{number}", **get}} for number in range(5)}}
    api = make.api("things", content=content)
    told = searching.operations_found([api.pk], words.terms("read"))[api.pk]
    assert (len(told.operations), told.more) == (3, 2)
    assert {each.version for each in told.operations} == {"v1"}  # type: ignore[attr-defined]


def test_only_what_callers_reach_is_looked_into(billing: Api, in_acme: Cast) -> None:
    version = ApiVersion.objects.get(api=billing)
    fewer = json.loads(json.dumps(BILLING))
    del fewer["paths"]["/invoices/{id}/refunds"]
    revision = publishing.add_revision(version, document=make.document(fewer), target=make.target(), by=in_acme.pam)
    assert found("money") == ["billing"]
    publishing.make_live(revision, by=in_acme.pam)
    assert found("money") == []
    assert found("invoice") == ["billing"]
    versions.block(ApiVersion.objects.get(api=billing), reason="For now.", by=in_acme.pam)
    assert found("invoice") == ["billing"]
    ApiVersion.objects.update(status="retired")
    assert found("invoice") == []


def test_a_changed_name_is_found_at_once(billing: Api, in_acme: Cast) -> None:
    publishing.change_api(billing, name="Accounts", description="", by=in_acme.pam)
    assert found("accounts") == ["billing"]
    assert found("owes") == []


def test_eve_finds_nothing_of_acme(billing: Api, cast: Cast) -> None:
    with tenant_scope(cast.globex.pk):
        assert found("billing") == []
        assert operations("refund") == []
        assert searching.operations_found([billing.pk], words.terms("refund")) == {}
    # In raw SQL as well.
    with tenant_scope(cast.globex.pk), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM apis_operation WHERE words @@ 'refund'::tsquery")
        assert cursor.fetchone() == (0,)


@pytest.mark.parametrize(
    "text,sought,marked",
    [
        ("List orders", "order", "List [order]s"),
        ("listOrders", "orders", "list[Order]s"),
        ("Reorder borders", "order", "Reorder borders"),
        ("/orders/{id}", "id", "/orders/{[id]}"),
        ("订单管理", "单管", "订[单管]理"),
        ("<b>Orders</b>", "b orders", "<[b]>[Order]s</[b]>"),
        ("Orders", "", "Orders"),
    ],
)
def test_what_was_sought_is_marked_where_a_word_begins(text: str, sought: str, marked: str) -> None:
    assert "".join(f"[{part}]" if is_it else part for part, is_it in words.parts(text, words.terms(sought))) == marked


def test_rest_finds_the_same(billing: Api, cast: Cast, rest: Rest) -> None:
    make.api("stock")
    client = rest(cast.carl)
    for q, slugs in (("refund card", ["billing"]), ("createOrder", ["stock"]), ("%", []), ("", ["stock", "billing"])):
        answer = client.get(f"{base(cast.acme)}/apis/", {"q": q})
        assert sorted(each["slug"] for each in answer.json()["results"]) == sorted(slugs), q
    assert rest(cast.eve).get(f"{base(cast.acme)}/apis/", {"q": "refund"}).status_code == 404
    assert rest(cast.eve).get(f"{base(cast.globex)}/apis/", {"q": "refund"}).json()["results"] == []
