"""Carl finds an API, reads it, copies a call that works, and asks for it."""

import json
import re
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from apis.actions import plans, publishing, subscriptions
from apis.models import Api, ApiVersion, OperationUse, Plan, Revision, Subscription
from keys.models import Application
from tenants.models import Event, Role
from tests import make
from tests.conftest import Cast, queries

HOSTILE = "<script>alert(1)</script>\"'&{{ 7*7 }}"
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Orders", "version": "1", "description": "From the *document*."},
    "servers": [{"url": "https://inside.acme.example"}],
    "tags": [{"name": "Orders", "description": "What was **bought**"}],
    "paths": {
        "/orders": {
            "servers": [{"url": "https://inside.acme.example"}],
            "get": {
                "operationId": "listOrders",
                "summary": "List orders",
                "tags": ["Orders"],
                "servers": [{"url": "https://inside.acme.example"}],
                "parameters": [
                    {"name": "state", "in": "query", "required": True, "schema": {"type": "string", "enum": ["paid", "new"]}},
                    {"name": "X-Shop", "in": "header", "required": True, "schema": {"type": "string"}, "example": "berlin"},
                    {"name": "limit", "in": "query", "schema": {"type": "integer"}},
                ],
                "responses": {"200": {"description": "Orders"}},
            },
            "post": {
                "operationId": "createOrder",
                "summary": "Create an order",
                "description": "## Idempotent\n\n<img src=x onerror=alert(1)>",
                "tags": ["Orders"],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["sku"],
                                "properties": {
                                    "sku": {"type": "string", "minLength": 4, "description": "What is ordered", "example": "mug-01"}
                                },
                            }
                        }
                    },
                },
                "responses": {"201": {"description": "Made"}},
            },
        },
        "/orders/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}, "example": "o 7"}],
            "get": {"operationId": "getOrder", "tags": ["Orders"], "deprecated": True, "responses": {"200": {"description": "An order"}}},
        },
    },
}


@pytest.fixture
def carl(in_acme: Cast) -> Client:
    return browser(in_acme.carl)


def browser(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def orders(in_acme: Cast) -> Api:
    found = make.api("orders", content=DOCUMENT)
    publishing.change_api(found, name="Orders", description="Create, **pay** and follow orders.\n\nMore.", by=in_acme.pam)
    return found


@pytest.fixture
def gold(orders: Api) -> Plan:
    return make.plan(orders, name="gold", calls=60, seconds=60)


@pytest.fixture
def open_plan(orders: Api) -> Plan:
    return make.plan(orders, name="open", calls=10, seconds=1, approval="automatic")


@pytest.fixture
def checkout(in_acme: Cast) -> Application:
    return make.application(in_acme.carl, name="Checkout")


def text(response: Any) -> str:
    """What one reads."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", response.content.decode(), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def tiles(response: Any) -> dict[str, str]:
    """Each tile's API and its text."""
    found = re.findall(r'<a class="card tile" href="/t/acme/apis/([^/]+)/">(.*?)</a>', response.content.decode(), re.DOTALL)
    return {slug: " ".join(unescape(re.sub(r"<[^>]+>", " ", inner)).split()) for slug, inner in found}


def sample(response: Any, lang: str) -> str:
    found = re.search(rf'<code id="sample-{lang}">(.*?)</code>', response.content.decode(), re.DOTALL)
    assert found
    return unescape(re.sub(r"<[^>]+>", "", found[1]))


def ask(client: Client, application: Any, plan: Any, purpose: str = "To sell.", **more: str) -> Any:
    data = {"application": str(getattr(application, "pk", application)), "plan": str(getattr(plan, "pk", plan)), "purpose": purpose, **more}
    return client.post("/t/acme/apis/orders/subscribe/", data)


# The list


def test_carl_sees_what_each_api_is_to_him(carl: Client, in_acme: Cast, checkout: Application) -> None:
    for slug, approval, status in [
        ("alpha", "manual", ""), ("beta", "automatic", ""), ("gamma", "manual", "active"), ("delta", "automatic", "pending"),
        ("epsilon", "manual", "suspended"), ("zeta", "automatic", "rejected"),
    ]:  # fmt: skip
        plan = make.plan(make.api(slug))
        make.plan(plan.api, approval=approval)
        if status:
            make.subscription(status=status, of=checkout, to=plan)
    make.api("eta")
    # Somebody else's subscription is no state of Carl's.
    make.subscription(of=make.application(make.member(in_acme.acme)), to=make.plan(Api.objects.get(slug="alpha")))
    found = tiles(carl.get("/t/acme/"))
    assert {slug: told.split("v1 ")[1] for slug, told in found.items()} == {
        "alpha": "Needs approval", "beta": "Open", "gamma": "Subscribed", "delta": "Pending", "epsilon": "Suspended", "zeta": "Open",
        "eta": "No plan yet",
    }  # fmt: skip
    narrowed = {"subscribed": {"gamma"}, "pending": {"delta"}, "needs_approval": {"alpha"}, "open": {"beta", "zeta"}}
    for status, slugs in {**narrowed, "": set(found), "x'": set(found)}.items():
        assert set(tiles(carl.get("/t/acme/", {"status": status}))) == slugs, status


def test_a_tile_tells_the_first_lines_without_marks(carl: Client, orders: Api) -> None:
    assert tiles(carl.get("/t/acme/"))["orders"] == "Orders v1 Create, pay and follow orders. No plan yet"


@pytest.mark.parametrize(
    "q,found", [("ORD", {"orders"}), ("follow", {"orders"}), ("stock", {"stock"}), ("%", set()), ("\\", set()), ("idempotent", {"orders"})]
)
def test_searching_narrows_by_name_description_and_operations(carl: Client, orders: Api, q: str, found: set[str]) -> None:
    make.api("stock", content={**DOCUMENT, "paths": {"/levels": {"get": {"responses": {"200": {"description": "."}}}}}})
    assert set(tiles(carl.get("/t/acme/", {"q": q}))) == found


def test_what_was_found_is_marked_and_its_operations_lead_to_their_place(carl: Client, orders: Api) -> None:
    body = carl.get("/t/acme/", {"q": "follow crea"}).content.decode()
    assert "<mark>Crea</mark>te, pay and <mark>follow</mark> orders." in body
    place = re.search(
        r'href="(/t/acme/apis/orders/[^"]+#operation)">\s*<span><span class="method post">POST</span> <code>/orders</code>', body
    )
    assert place
    assert "<p><mark>Crea</mark>te an order</p>" in body
    page = carl.get(unescape(place[1]).partition("#")[0])
    assert "<h4>Idempotent</h4>" in page.content.decode()
    # Nothing is found in what nobody looks for.
    assert "#operation" not in carl.get("/t/acme/").content.decode()


def test_words_deep_in_a_description_are_shown_with_what_stands_around(carl: Client, orders: Api) -> None:
    publishing.change_api(orders, description=f"What it is.\n\n{'So much is said. ' * 20}The **needle** is here.", by=None)
    told = tiles(carl.get("/t/acme/", {"q": "needle"}))["orders"]
    assert told.startswith("Orders v1 …")
    assert "said. The needle is here." in told


def test_no_text_of_a_document_becomes_markup_in_what_was_found(carl: Client, in_acme: Cast) -> None:
    content = json.loads(json.dumps(DOCUMENT))
    content["paths"]["/orders"]["get"]["summary"] = HOSTILE
    content["paths"]["/orders"]["post"]["description"] = f"{'Far. ' * 50}alert {HOSTILE}"
    publishing.change_api(make.api("evil", content=content), name="<i>alert", description=f"<b>alert {HOSTILE}", by=in_acme.pam)
    body = carl.get("/t/acme/", {"q": "alert script"}).content.decode()
    found = body[body.index('id="list"') :]
    for wrong in ("<i>", "<b>", "<script>alert", "<script><mark>"):
        assert wrong not in found
    assert "&lt;<mark>script</mark>&gt;<mark>alert</mark>(1)" in found


def test_the_best_comes_first(carl: Client, in_acme: Cast) -> None:
    for slug, said in (("paying", ""), ("other", "Of paying."), ("last", "")):
        publishing.change_api(make.api(slug), description=said, by=in_acme.pam)
    assert list(tiles(carl.get("/t/acme/", {"q": "paying"}))) == ["paying", "other"]
    assert list(tiles(carl.get("/t/acme/"))) == ["last", "other", "paying"]


def test_the_list_is_put_in_order(carl: Client, in_acme: Cast, checkout: Application) -> None:
    for slug, name, calls in (("a", "zebra", 5), ("b", "Ant", 90), ("c", "Bee", 0)):
        api = make.api(slug)
        publishing.change_api(api, name=name, by=in_acme.pam)
        version, today = api.versions.get(), timezone.now()
        used = {"version": version, "application": checkout, "operation_id": "getOrder"}
        OperationUse.objects.create(**used, day=today.date(), calls=calls, last_at=today)
        long_ago = today - timedelta(days=30)
        OperationUse.objects.create(**used, day=long_ago.date(), calls=1000 - calls, last_at=long_ago)
    old = ApiVersion.objects.get(api__slug="a")
    again = publishing.add_revision(old, document=make.document(DOCUMENT), target=make.target(), by=in_acme.pam)
    Revision.objects.exclude(pk=again.pk).update(went_live_at=timezone.now() - timedelta(days=1))
    publishing.make_live(again, by=in_acme.pam)
    for sort, slugs in (("", "cba"), ("newest", "cba"), ("name", "bca"), ("used", "bac"), ("changed", "acb"), ("x'", "cba")):
        assert "".join(tiles(carl.get("/t/acme/", {"sort": sort}))) == slugs, sort
    body = carl.get("/t/acme/", {"sort": "used", "q": "orders"}).content.decode()
    assert 'href="?sort=used&amp;q=orders" aria-current="true">Most used</a>' in body
    assert 'href="?q=orders">Best match</a>' in body
    with queries("page:catalogue used"):
        carl.get("/t/acme/", {"sort": "used"})


def test_a_search_without_result_is_cleared_by_a_link(carl: Client, orders: Api) -> None:
    response = carl.get("/t/acme/", {"q": HOSTILE})
    assert "No API here is like that" in text(response)
    assert HOSTILE not in response.content.decode()
    assert re.search(r'<a class="btn primary" href="/t/acme/">Show all</a>', response.content.decode())


def test_an_empty_catalogue_says_what_comes_next(in_acme: Cast) -> None:
    make.api("draft", published=False)
    pam, carl = (browser(person).get("/t/acme/") for person in (in_acme.pam, in_acme.carl))
    assert 'href="/t/acme/console/apis/">Publish an API' in pam.content.decode()
    assert "As soon as a publisher here publishes one" in text(carl)
    for response in (pam, carl):
        assert "draft" not in text(response).lower()


def test_who_owns_applications_begins_one_here(in_acme: Cast) -> None:
    assert "/t/acme/apps/new/" in browser(in_acme.carl).get("/t/acme/").content.decode()
    assert "/t/acme/apps/new/" not in browser(in_acme.pam).get("/t/acme/").content.decode()


def test_pages_follow_one_another(carl: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.pages.catalogue_list.SIZE", 2)
    for slug in ("a1", "a2", "a3"):
        make.api(slug)
    first = carl.get("/t/acme/")
    assert list(tiles(first)) == ["a3", "a2"]
    older = re.search(r'href="(\?before=[^"]+)" rel="next"', first.content.decode())
    assert older
    second = carl.get("/t/acme/" + unescape(older[1]))
    assert list(tiles(second)) == ["a1"]
    newer = re.search(r'href="(\?after=[^"]+)" rel="prev"', second.content.decode())
    assert newer
    assert list(tiles(carl.get("/t/acme/" + unescape(newer[1])))) == ["a3", "a2"]
    assert list(tiles(carl.get("/t/acme/?before=nothing"))) == ["a3", "a2"]


def test_the_list_makes_the_same_queries_however_long(carl: Client, checkout: Application) -> None:
    for slug in ("a1", "a2", "a3", "a4"):
        make.subscription(of=checkout, to=make.plan(make.api(slug)))
    with queries("page:catalogue"):
        assert len(tiles(carl.get("/t/acme/"))) == 4
    with queries("page:catalogue search"):
        assert len(tiles(carl.get("/t/acme/", {"q": "orders list"}))) == 4


# One API


def test_the_overview_shows_the_description_as_markdown(carl: Client, orders: Api, gold: Plan) -> None:
    response = carl.get("/t/acme/apis/orders/")
    assert "<p>Create, <strong>pay</strong> and follow orders.</p>" in response.content.decode()
    assert 'id="address" tabindex="0">http://127.0.0.1:' in response.content.decode()
    assert "/acme/orders/v1</code>" in response.content.decode()
    Api.objects.filter(pk=orders.pk).update(description="")
    assert "From the <em>document</em>." in carl.get("/t/acme/apis/orders/").content.decode()


def test_the_reference_tells_an_operation_in_words(carl: Client, orders: Api) -> None:
    response = carl.get("/t/acme/apis/orders/?tab=reference&operation=createOrder")
    told = text(response)
    assert "What was bought" in told
    assert "sku required string, at least 4" in told or "sku required string" in told
    assert "What is ordered" in told
    assert "201 Made" in told
    assert "<h4>Idempotent</h4>" in response.content.decode()
    assert "<img" not in response.content.decode()
    assert "GET /orders/{id} Deprecated" in told
    assert response.content.decode().count('aria-current="true">') >= 1


def test_carl_reads_which_scopes_there_are_and_which_an_operation_needs(carl: Client, in_acme: Cast) -> None:
    needing = json.loads(json.dumps(make.SCOPED))
    needing["paths"]["/orders"]["post"]["security"] = [{"login": ["orders:write", "orders:read"]}, {"login": ["zoo"]}]
    hostile = needing["components"]["securitySchemes"]["login"]["flows"]["clientCredentials"]["scopes"]
    hostile["orders:write"] = HOSTILE
    make.api("orders", content=needing)
    overview = carl.get("/t/acme/apis/orders/")
    said = "Scopes orders:read Read orders orders:write <script>alert(1)</script>\"'&{{ 7*7 }} zoo – A token has all of them"
    assert said in text(overview)
    assert "<script>alert(1)" not in overview.content.decode()
    shown = text(carl.get("/t/acme/apis/orders/?tab=reference&operation=createOrder"))
    assert "Scopes a token needs: orders:read + orders:write or zoo" in shown
    assert shown.count("Scopes a token needs:") == 1
    make.api("stock")
    assert "Scopes" not in text(carl.get("/t/acme/apis/stock/"))
    assert "Scopes" not in text(carl.get("/t/acme/apis/stock/?tab=reference"))


def test_a_sample_is_filled_in_from_the_document_and_carls_application(
    carl: Client, orders: Api, gold: Plan, checkout: Application
) -> None:
    other = make.application(checkout.owner, name="Storefront")
    make.subscription(of=checkout, to=gold)
    make.subscription(status="pending", of=other, to=gold)
    page = "/t/acme/apis/orders/?tab=reference&operation="
    listed = sample(carl.get(page + "listOrders"), "curl")
    assert f'-u {checkout.client_id}:"$SECRET"' in listed
    assert "/t/acme/oauth/token" in listed
    assert "/acme/orders/v1/orders?state=paid" in listed
    assert "-H 'X-Shop: berlin'" in listed
    assert "limit" not in listed
    assert "/orders/o%207" in sample(carl.get(page + "getOrder"), "python")
    assert '"sku": "mug-01"' in sample(carl.get(page + "createOrder"), "javascript")
    as_other = carl.get(f"{page}listOrders&as={other.pk}")
    assert other.client_id in sample(as_other, "go")
    assert "is pending: the gateway refuses this call" in text(as_other)


def test_without_an_application_the_sample_has_a_place_for_it(in_acme: Cast, orders: Api) -> None:
    make.subscription(of=make.application(in_acme.carl), to=make.plan(orders))
    response = browser(in_acme.pam).get("/t/acme/apis/orders/")
    assert "YOUR_CLIENT_ID" in sample(response, "curl")
    assert "Your applications" not in text(response)


def test_another_persons_application_cannot_be_borrowed(carl: Client, in_acme: Cast, gold: Plan) -> None:
    doras = make.application(make.member(in_acme.acme, "dora@acme.example"), name="Doras own")
    make.subscription(of=doras, to=gold)
    response = carl.get(f"/t/acme/apis/orders/?as={doras.pk}")
    assert doras.client_id not in response.content.decode()
    assert "Doras own" not in response.content.decode()


def test_carls_applications_stand_there_with_their_last_state(carl: Client, in_acme: Cast, gold: Plan, checkout: Application) -> None:
    for status, name in [("active", "Runs"), ("rejected", "Waits"), ("suspended", "Stands")]:
        make.subscription(status=status, of=make.application(in_acme.carl, name=name), to=gold)
    again = Subscription.objects.get(application__name="Waits")
    make.subscription(status="pending", of=again.application, to=gold)
    told = text(carl.get("/t/acme/apis/orders/"))
    assert "Runs plan gold Active Stands plan gold Suspended “A test.” Waits plan gold Pending" in told
    assert "Rejected" not in told
    assert "Checkout" not in told


def test_the_newest_version_comes_first_and_the_others_by_a_switch(carl: Client, in_acme: Cast, orders: Api) -> None:
    for name in ("v2", "v3"):
        version = publishing.add_version(orders, name=name, by=in_acme.pam)
        changed = {**DOCUMENT, "info": {**DOCUMENT["info"], "title": name}, "paths": {f"/{name}": DOCUMENT["paths"]["/orders"]}}
        publishing.make_live(publishing.add_revision(version, document=make.document(changed), target=make.target(), by=None), by=None)
        version.refresh_from_db()
        if name == "v2":
            publishing.publish(version, by=in_acme.pam)
    newest, first, draft = (carl.get(f"/t/acme/apis/orders/?tab=reference&version={name}") for name in ("", "v1", "v3"))
    assert "GET /v2" in text(newest)
    assert "GET /orders" in text(first)
    assert draft.status_code == 404
    assert "v3" not in text(newest)
    assert 'href="?tab=reference&amp;version=v1"' in newest.content.decode()
    assert carl.get("/t/acme/apis/orders/v3/openapi.json").status_code == 404


def test_drafts_are_nowhere_here_for_nobody(in_acme: Cast, carl: Client) -> None:
    draft = make.api("secret", published=False)
    make.plan(draft)
    for person in (in_acme.carl, in_acme.pam, in_acme.ada):
        client = browser(person)
        assert "secret" not in client.get("/t/acme/").content.decode().lower()
        for path in ("", "v1/openapi.json"):
            assert client.get(f"/t/acme/apis/secret/{path}").status_code == 404
    assert carl.get("/t/acme/apis/secret/subscribe/").status_code == 404
    assert carl.post("/t/acme/apis/secret/subscribe/").status_code == 404


def test_staged_plans_are_not_offered(carl: Client, in_acme: Cast, orders: Api, gold: Plan) -> None:
    staged = plans.create(orders, name="platinum", calls=1, seconds=1, approval="manual", by=in_acme.pam)
    for path in ("", "?tab=plans", "subscribe/"):
        response = carl.get(f"/t/acme/apis/orders/{path}")
        assert "platinum" not in text(response)
        assert str(staged.pk) not in response.content.decode()
    told = text(carl.get("/t/acme/apis/orders/?tab=plans"))
    assert "gold 60 calls a minute An approver decides Subscribe" in told


@pytest.mark.parametrize("named", ["tab", "operation", "as", "tab=reference&q"])
@pytest.mark.parametrize("value", ["", "x", HOSTILE, "x" * 3000])
def test_what_the_address_says_never_breaks_the_page(carl: Client, orders: Api, gold: Plan, named: str, value: str) -> None:
    response = carl.get(f"/t/acme/apis/orders/?{named}={quote(value)}")
    assert response.status_code == 200
    assert "<script>alert(1)" not in response.content.decode()


def test_a_hostile_document_shows_as_text(carl: Client, in_acme: Cast) -> None:
    content = json.loads(json.dumps(DOCUMENT).replace("List orders", json.dumps(HOSTILE)[1:-1]))
    content["tags"][0] |= {"name": HOSTILE, "description": HOSTILE}
    for operation in content["paths"]["/orders"].values():
        if isinstance(operation, dict):
            operation["tags"] = [HOSTILE]
    content["paths"]["/orders"]["get"]["parameters"][0] |= {"description": HOSTILE, "example": HOSTILE}
    api = make.api("orders", content=content)
    publishing.change_api(api, name=HOSTILE, description=HOSTILE, by=in_acme.pam)
    make.plan(api)
    for path in ("", "apis/orders/", "apis/orders/?tab=reference", "apis/orders/?tab=plans", "apis/orders/subscribe/"):
        body = carl.get(f"/t/acme/{path}").content.decode()
        assert "<script>alert(1)" not in body, path
        assert "alert(1)" in body or "plans" in path, path


def test_a_long_reference_is_searched(carl: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.pages.catalogue.OPERATIONS_SHOWN", 2)
    monkeypatch.setattr("portal.pages.catalogue.OPERATIONS_SEARCHED", 2)
    make.api("orders", content=DOCUMENT)
    told = text(carl.get("/t/acme/apis/orders/?tab=reference"))
    assert "1 more operation; search for it." in told
    assert "GET /orders/{id}" not in told
    assert "GET /orders/{id}" in text(carl.get("/t/acme/apis/orders/?tab=reference&q=GET%20/orders/%7B"))
    assert "No operation has this" in text(carl.get("/t/acme/apis/orders/?tab=reference&q=nothing"))
    # Whoever found it elsewhere is led to it.
    there = carl.get("/t/acme/apis/orders/?tab=reference&operation=getOrder")
    assert "GET /orders/{id}" in text(there)
    assert 'id="operation"' in there.content.decode()
    assert "more operation" not in text(there)


def test_the_links_of_a_reference_keep_what_was_chosen(carl: Client) -> None:
    make.api("orders", content=DOCUMENT)
    body = carl.get("/t/acme/apis/orders/?tab=reference&version=v1&q=orders&operation=getOrder").content.decode()
    assert 'href="?tab=reference&amp;version=v1&amp;q=orders&amp;operation=listOrders#operation"' in body
    assert 'href="?tab=reference&amp;version=v1&amp;q=orders&amp;operation=getOrder" aria-current="true"' in body


@pytest.mark.parametrize("tab", ["overview", "reference", "plans"])
def test_each_tab_makes_the_same_queries_however_much_there_is(carl: Client, in_acme: Cast, gold: Plan, tab: str) -> None:
    for _ in range(3):
        make.subscription(of=make.application(in_acme.carl), to=gold)
        make.plan(gold.api)
    with queries(f"page:catalogue-api {tab}"):
        assert carl.get(f"/t/acme/apis/orders/?tab={tab}").status_code == 200


# Who may


def test_each_role_sees_the_catalogue_and_eve_nothing(in_acme: Cast, gold: Plan) -> None:
    for role in Role.values:
        client = browser(make.member(in_acme.acme, None, role))
        assert client.get("/t/acme/").status_code == client.get("/t/acme/apis/orders/").status_code == 200
        may = 200 if role in {"admin", "developer"} else 403
        assert client.get("/t/acme/apis/orders/subscribe/").status_code == may
        assert ("Subscribe" in text(client.get("/t/acme/apis/orders/?tab=plans"))) is (may == 200)
    for path in ("", "apis/orders/", "apis/orders/v1/openapi.json", "apis/orders/subscribe/"):
        assert browser(in_acme.eve).get(f"/t/acme/{path}").status_code == 404


# Asking


def test_an_automatic_plan_is_active_at_once_with_its_receipt(carl: Client, open_plan: Plan, checkout: Application) -> None:
    response = ask(carl, checkout, open_plan)
    assert (response.status_code, response["Location"]) == (302, f"/t/acme/apps/{checkout.pk}/?tab=subscriptions")
    assert Subscription.objects.get().status == "active"
    event = Event.objects.get(kind="subscription.approved")
    page = carl.get(response["Location"])
    assert "Checkout is subscribed to Orders." in text(page)
    assert f"/t/acme/receipts/{event.number}/" in page.content.decode()


def test_a_request_names_who_can_decide_it(carl: Client, in_acme: Cast, gold: Plan, checkout: Application) -> None:
    response = ask(carl, checkout, gold, "To sell\r\nmugs.")
    found = Subscription.objects.get()
    assert (found.status, found.purpose, found.requested_by) == ("pending", "To sell\nmugs.", in_acme.carl)
    assert "Checkout asks for Orders, and its request is pending. Ada can decide." in text(carl.get(response["Location"]))
    for name in ("Bert", "Cora"):
        make.member(in_acme.acme, f"{name.lower()}@acme.example", Role.APPROVER)
    assert "Ada and 2 others can decide." in text(carl.get(ask(carl, make.application(in_acme.carl), gold)["Location"]))


def test_ada_never_decides_her_own(in_acme: Cast, gold: Plan) -> None:
    ada = browser(in_acme.ada)
    response = ask(ada, make.application(in_acme.ada), gold)
    assert "Nobody else here can decide yet; tell an administrator." in text(ada.get(response["Location"]))


def test_sent_twice_it_is_asked_once(carl: Client, gold: Plan, checkout: Application) -> None:
    once = re.search(r'name="once" value="(\w+)"', carl.get("/t/acme/apis/orders/subscribe/").content.decode())
    assert once
    assert ask(carl, checkout, gold, once=once[1]).status_code == 302
    second = ask(carl, checkout, gold, once=once[1])
    assert second.status_code == 409
    assert "This was sent twice, and done once." in text(second)
    assert Subscription.objects.count() == 1


def test_an_application_with_a_subscription_is_told_so_and_nothing_is_lost(carl: Client, gold: Plan, checkout: Application) -> None:
    make.subscription(status="pending", of=checkout, to=gold)
    response = ask(carl, checkout, gold, "Typed with care")
    assert response.status_code == 409
    assert "Checkout has a subscription to" in text(response)
    assert "Typed with care" in response.content.decode()
    assert re.search(rf'<option value="{checkout.pk}" selected>', response.content.decode())
    assert Subscription.objects.count() == 1


def test_a_plan_that_went_meanwhile_is_refused_with_a_sentence(carl: Client, gold: Plan, checkout: Application) -> None:
    Plan.objects.filter(pk=gold.pk).update(status="staging")
    make.plan(gold.api, name="other")
    response = ask(carl, checkout, gold, "Typed with care")
    assert response.status_code == 422
    assert "This plan is not offered any more. Choose another." in text(response)
    assert "Typed with care" in response.content.decode()
    assert not Subscription.objects.exists()


def test_a_plan_of_another_api_is_no_plan_here(carl: Client, gold: Plan, checkout: Application) -> None:
    assert ask(carl, checkout, make.plan(make.api("stock"))).status_code == 422
    assert not Subscription.objects.exists()


def test_an_api_that_is_not_published_any_more_is_gone(carl: Client, gold: Plan, checkout: Application) -> None:
    ApiVersion.objects.update(status="created")
    assert ask(carl, checkout, gold).status_code == 404
    assert not Subscription.objects.exists()


def test_what_the_rule_finds_in_the_last_moment_is_told(
    carl: Client, gold: Plan, checkout: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan ends between the form's look and the action's."""
    asked = subscriptions.request

    def late(*args: Any, **named: Any) -> Any:
        Plan.objects.filter(pk=gold.pk).update(status="closed")
        return asked(*args, **named)

    monkeypatch.setattr(subscriptions, "request", late)
    response = ask(carl, checkout, gold, "Typed with care")
    assert response.status_code == 409
    assert "The plan gold of Orders is closed, so nothing new can subscribe under it." in text(response)
    assert "Typed with care" in response.content.decode()


@pytest.mark.parametrize(
    "field,value,said",
    [
        ("application", "", "Fill this in."),
        ("application", "x", "Choose one of your own applications."),
        ("application", "'; --", "Choose one of your own applications."),
        ("application", "\x00", "Choose one of your own applications."),
        ("application", "0197f1f0-0000-7000-8000-000000000000", "Choose one of your own applications."),
        ("plan", "", "Fill this in."),
        ("plan", "x" * 5000, "This plan is not offered any more."),
        ("purpose", "", "Fill this in."),
        ("purpose", "  \n ", "Fill this in."),
        ("purpose", "p" * 501, "This has 501 characters; 500 are the most."),
        ("purpose", "bell\x07", "Control characters can't be used here."),
    ],
)
def test_each_wrong_field_has_its_sentence_and_keeps_the_rest(
    carl: Client, gold: Plan, checkout: Application, field: str, value: str, said: str
) -> None:
    make.application(checkout.owner, name="Storefront")
    data = {"application": str(checkout.pk), "plan": str(gold.pk), "purpose": HOSTILE, field: value}
    response = carl.post("/t/acme/apis/orders/subscribe/", data)
    assert response.status_code == 422
    assert said in text(response)
    if field != "purpose":
        assert HOSTILE in unescape(response.content.decode())
        assert HOSTILE not in response.content.decode()
    elif value.strip():
        assert value.rstrip("\x07") in response.content.decode()
    if field != "application":
        assert f'<option value="{checkout.pk}" selected>' in response.content.decode()
    assert not Subscription.objects.exists()


def test_nobody_elses_application_can_be_named(carl: Client, in_acme: Cast, gold: Plan, checkout: Application) -> None:
    response = ask(carl, make.application(in_acme.ada, name="Adas own"), gold)
    assert response.status_code == 422
    assert "Choose one of your own applications." in text(response)
    assert "Adas own" not in text(response)
    assert not Subscription.objects.exists()


def test_who_was_rejected_reads_why_and_may_ask_again(carl: Client, in_acme: Cast, gold: Plan, checkout: Application) -> None:
    refused, _ = subscriptions.request(checkout, api=gold.api, plan=gold, purpose="A test.", by=in_acme.carl)
    subscriptions.reject(refused, reason="Say what for.", by=in_acme.ada)
    fresh = make.application(in_acme.carl, name="Fresh")
    page = "/t/acme/apis/orders/subscribe/"
    assert "Checkout was rejected before: “Say what for.”" in text(carl.get(page))
    assert "Say what for." in text(carl.get(f"{page}?application={checkout.pk}"))
    assert "Say what for." not in text(carl.get(f"{page}?application={fresh.pk}"))
    assert "Ada can decide" in text(carl.get(ask(carl, checkout, gold)["Location"]))
    assert {each.status for each in Subscription.objects.filter(application=checkout)} == {"rejected", "pending"}
    assert "Checkout" not in text(carl.get(page))


def test_without_an_application_one_is_registered_first(carl: Client, gold: Plan) -> None:
    response = carl.get("/t/acme/apis/orders/subscribe/")
    assert "An application first" in text(response)
    assert 'href="/t/acme/apps/new/?next=%2Ft%2Facme%2Fapis%2Forders%2Fsubscribe%2F"' in response.content.decode()
    assert ask(carl, uuid4(), gold).status_code == 422


def test_when_all_are_subscribed_a_further_one_is_offered(carl: Client, gold: Plan, checkout: Application) -> None:
    make.subscription(of=checkout, to=gold)
    assert "Each of your applications is subscribed, has asked or is suspended" in text(carl.get("/t/acme/apis/orders/subscribe/"))


def test_what_was_chosen_before_is_chosen_here(carl: Client, gold: Plan, open_plan: Plan, checkout: Application) -> None:
    make.application(checkout.owner)
    body = carl.get(f"/t/acme/apis/orders/subscribe/?plan={open_plan.pk}&application={checkout.pk}").content.decode()
    assert f'<option value="{checkout.pk}" selected>' in body
    assert re.search(rf'<input type="radio" name="plan" value="{open_plan.pk}"[^>]* checked', body)
    assert carl.get(f"/t/acme/apis/orders/subscribe/?plan={quote(HOSTILE)}&application={quote(HOSTILE)}").status_code == 200


def test_a_lost_session_loses_nothing(in_acme: Cast, gold: Plan, checkout: Application) -> None:
    nobody = Client()
    make.application(checkout.owner)
    response = ask(nobody, checkout, gold, "Typed with care")
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/")
    nobody.force_login(in_acme.carl)
    body = nobody.get("/t/acme/apis/orders/subscribe/").content.decode()
    assert "Typed with care" in body
    assert f'<option value="{checkout.pk}" selected>' in body
    assert not Subscription.objects.exists()


def test_asking_makes_the_same_queries_however_many_applications(carl: Client, in_acme: Cast, gold: Plan) -> None:
    for _ in range(4):
        make.application(in_acme.carl)
        make.subscription(status="rejected", of=make.application(in_acme.carl), to=gold)
    with queries("page:catalogue-subscribe"):
        assert carl.get("/t/acme/apis/orders/subscribe/").status_code == 200
