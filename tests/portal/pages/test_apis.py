"""APIs as their publishers see them: the list, one API, its versions, and what may be changed."""

import json
from html import unescape
from typing import Any

import pytest
from django.test import Client
from joserfc.jwk import ECKey

from apis.actions import publishing
from apis.models import Api, ApiVersion
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, queries

LIST = "/t/acme/console/apis/"
ORDERS = f"{LIST}orders/"
EDIT, ADD_VERSION, PUBLISH = f"{ORDERS}edit/", f"{ORDERS}add-version/", f"{ORDERS}v1/publish/"
DIALOG = {"HX-Request": "true", "HX-Target": "dialog"}


def text(answer: Any) -> str:
    return str(answer.content.decode())


def test_without_any_api_the_list_leads_to_a_new_one(pam: Client) -> None:
    page = text(pam.get(LIST))
    assert "No API yet" in page
    assert 'href="/t/acme/console/new-api/"' in page


def test_the_list_tells_versions_plans_and_subscriptions(cast: Cast, pam: Client, orders: Api) -> None:
    with tenant_scope(cast.acme.pk):
        plan = make.plan(orders, name="gold")
        make.subscription(to=plan)
        make.subscription(to=plan, status="pending")
        make.subscription(to=plan, status="cancelled")
        make.api("invoices", published=False)
    page = text(pam.get(LIST))
    assert page.index("Invoices") < page.index("Orders"), "the newest first"
    for said in ("gold", "1 active", "1 pending", "revision 1 is live", "Published", "Draft", "2 in all"):
        assert said in page
    found = text(pam.get(f"{LIST}?q=invo"))
    assert "Invoices" in found
    assert "Orders" not in found
    assert "No API has this in its name or slug" in text(pam.get(f"{LIST}?q=%25"))


def test_the_list_makes_the_same_queries_for_one_as_for_thirty_and_turns_pages(cast: Cast, pam: Client, orders: Api) -> None:
    pam.get(LIST)
    with queries("page:apis"):
        pam.get(LIST)
    with tenant_scope(cast.acme.pk):
        for _ in range(26):
            make.plan()
    pam.get(LIST)
    with queries("page:apis"):
        page = text(pam.get(LIST))
    assert "27 in all" in page
    assert "Orders" not in page
    assert 'rel="next"' in page


def test_one_api_tells_what_is_live(cast: Cast, pam: Client, orders: Api) -> None:
    with tenant_scope(cast.acme.pk):
        publishing.change_api(
            orders, description="Takes **orders**. <script>x</script>", cors_origins=["https://shop.example"], by=cast.pam
        )
        make.subscription(to=make.plan(orders, name="gold", calls=60, seconds=60))
    page = text(pam.get(ORDERS))
    for said in (
        "/acme/orders/v1", "/orders/{id}", "Revision 1", "127.0.0.1", "60 calls a minute", "1 active subscription", "by Portico",
        "<strong>orders</strong>", "https://shop.example", "5000 ms to connect", 'href="/t/acme/apis/orders/"',
    ):  # fmt: skip
        assert said in page, said
    assert "<script>x" not in page
    # Pam decides about no subscription, so no link leads her there.
    assert "console/subscriptions" not in page
    pam.force_login(cast.ada)
    assert "/t/acme/console/subscriptions/?q=orders" in text(pam.get(ORDERS))


def test_one_api_makes_the_same_queries_whatever_it_has(cast: Cast, pam: Client, orders: Api) -> None:
    with tenant_scope(cast.acme.pk):
        make.plan(orders)
    pam.get(ORDERS)
    with queries("page:api"):
        pam.get(ORDERS)
    with tenant_scope(cast.acme.pk):
        version = ApiVersion.objects.get()
        publishing.add_version(orders, name="v2", by=cast.pam)
        for number in range(12):
            publishing.add_revision(version, document=make.document(), target=make.target(), by=cast.pam)
            make.plan(orders, name=f"further-{number}")
    pam.get(ORDERS)
    with queries("page:api"):
        page = text(pam.get(ORDERS))
    assert "13 in all" in page


def test_a_version_without_anything_says_what_to_do_next(cast: Cast, pam: Client, orders: Api) -> None:
    with tenant_scope(cast.acme.pk):
        publishing.add_version(orders, name="v2", by=cast.pam)
    assert "GET" in text(pam.get(ORDERS)), "what callers reach comes first"
    page = text(pam.get(f"{ORDERS}?version=v2"))
    assert "Nothing is live" in page
    assert "/t/acme/console/apis/orders/v2/revisions/new/" in page
    assert text(pam.get(f"{ORDERS}?version=nonsense")).count("Nothing is live") == 0


def test_pam_changes_name_description_and_origins(cast: Cast, pam: Client, orders: Api) -> None:
    told = {"name": "Our orders", "description": "New", "cors_origins": "https://b.example\r\n\r\nhttps://A.example:443", "once": "a" * 32}
    assert pam.post(EDIT, told)["Location"] == ORDERS
    with tenant_scope(cast.acme.pk):
        orders.refresh_from_db()
        assert (orders.name, orders.description) == ("Our orders", "New")
        assert orders.cors_origins == ["https://a.example", "https://b.example"]
        event = Event.objects.latest("number")
        assert (event.kind, event.actor_id) == ("api.cors_changed", cast.pam.pk)
        before = event.number
    assert f"/receipts/{event.number}/" in text(pam.get(ORDERS))
    assert "https://a.example\nhttps://b.example" in text(pam.get(EDIT))
    again = pam.post(EDIT, told)
    assert again.status_code == 409
    assert "This was sent twice, and done once." in text(again)
    pam.post(EDIT, {**told, "once": "b" * 32})
    assert "Nothing was changed." in text(pam.get(ORDERS))
    with tenant_scope(cast.acme.pk):
        assert Event.objects.latest("number").number == before


@pytest.mark.parametrize(
    "field,value,sentence",
    [
        ("name", "", "Fill this in."),
        ("name", "n" * 81, "This has 81 characters; 80 are the most."),
        ("description", "d" * 5001, "This has 5001 characters; 5000 are the most."),
        ("description", "a\x1bb", "Control characters can&#x27;t be used here."),
        ("cors_origins", "https://a.example\n\nhttps://b.example/path\nnull", "Line 3: https://b.example/path has a path"),
        ("cors_origins", "https://a.example\n\nhttps://b.example/path\nnull", "Line 4: null is what browsers send"),
        ("cors_origins", "*\nhttps://a.example", "* is every origin already; write it alone, or leave it out."),
        ("cors_origins", "\n".join(f"https://a{n}.example" for n in range(21)), "These are 21 origins; an API may have 20."),
        ("cors_origins", "<b>x</b>", "does not begin with https:// or http://."),
        ("cors_origins", "x" * 10_001, "This has 10001 characters; 10000 are the most."),
    ],
)
def test_what_cannot_be_comes_back_with_all_that_was_typed(
    cast: Cast, pam: Client, orders: Api, field: str, value: str, sentence: str
) -> None:
    told = {"name": "A fine name", "description": "Typed words", "cors_origins": "https://typed.example", field: value}
    answer = pam.post(EDIT, told)
    assert answer.status_code == 422
    assert sentence in text(answer)
    assert "<b>x" not in text(answer)
    for typed in told.values():
        assert typed[:60].replace("<", "&lt;").replace(">", "&gt;").split("\n")[-1] in text(answer)
    with tenant_scope(cast.acme.pk):
        orders.refresh_from_db()
        assert (orders.name, orders.cors_origins) == ("Orders", [])


JWK = ECKey.generate_key("P-256", private=True)
TOLD = {"name": "Orders", "description": "", "cors_origins": ""}


def test_pam_sets_the_encryption_key_and_takes_it_away(cast: Cast, pam: Client, orders: Api) -> None:
    assert "none: its tokens bear no confidential claims" in text(pam.get(ORDERS))
    given = json.dumps(JWK.as_dict(private=False))
    assert pam.post(EDIT, {**TOLD, "encryption_jwk": given, "once": "a" * 32}).status_code == 302
    with tenant_scope(cast.acme.pk):
        assert Event.objects.latest("number").kind == "api.encryption_key_changed"
    landed = text(pam.get(ORDERS))
    assert "Orders is changed." in landed
    assert JWK.thumbprint() in landed
    page = text(pam.get(EDIT))
    assert "ECDH-ES+A256KW" in page
    shown = unescape(page.partition('id="id_encryption_jwk"')[2].partition(">")[2].partition("</textarea>")[0])
    # What stands there, sent again, changes nothing.
    pam.post(EDIT, {**TOLD, "encryption_jwk": shown, "once": "b" * 32})
    assert "Nothing was changed." in text(pam.get(ORDERS))
    pam.post(EDIT, {**TOLD, "encryption_jwk": "", "once": "c" * 32})
    assert "none: its tokens bear no confidential claims" in text(pam.get(ORDERS))


def test_a_key_that_cannot_be_used_comes_back_with_the_reason_and_a_private_one_does_not(cast: Cast, pam: Client, orders: Api) -> None:
    answer = pam.post(EDIT, {**TOLD, "name": "Typed", "encryption_jwk": '{"kty": "RSA"}'})
    assert answer.status_code == 422
    for said in ("RSA keys are not used here.", "{&quot;kty&quot;: &quot;RSA&quot;}", 'value="Typed"'):
        assert said in text(answer)
    private = JWK.as_dict(private=True)
    answer = pam.post(EDIT, {**TOLD, "name": "Typed", "encryption_jwk": json.dumps(private)})
    assert answer.status_code == 422
    assert "This is a private key. Whoever sees it can read the claims" in text(answer)
    assert 'value="Typed"' in text(answer)
    assert str(private["d"]) not in text(answer)
    with tenant_scope(cast.acme.pk):
        assert Api.objects.get().name == "Orders"


def test_one_api_tells_the_scopes_of_what_is_live(cast: Cast, pam: Client) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("orders", content=make.SCOPED)
    page = text(pam.get(ORDERS))
    assert page.count("Scopes a token needs:") == 3
    for said in ("orders:read", "Read orders", "orders:write", "Create orders", "API keys need none."):
        assert said in page


def test_pam_adds_a_version(cast: Cast, pam: Client, orders: Api) -> None:
    asked = text(pam.get(ADD_VERSION, headers=DIALOG))
    assert "<html" not in asked
    assert 'value="v2"' in asked
    for wrong, sentence in (("2", "Name a version v1, v2 or v1.1."), ("v1", "Orders has a version “v1” already."), ("", "Fill this in.")):
        answer = pam.post(ADD_VERSION, {"name": wrong})
        assert answer.status_code in {409, 422}
        assert sentence in text(answer)
    assert pam.post(ADD_VERSION, {"name": "v2"})["Location"] == ORDERS
    with tenant_scope(cast.acme.pk):
        assert Event.objects.latest("number").kind == "version.created"


def test_pam_publishes_a_version_after_reading_what_will_happen(cast: Cast, pam: Client) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("orders", published=False)
    assert f'href="{PUBLISH}"' in text(pam.get(ORDERS))
    asked = text(pam.get(PUBLISH, headers=DIALOG))
    assert "It stands in the catalogue from now on. No gateway is connected; each answers at http://127.0.0.1:" in asked
    assert "/acme/orders/v1 once it is." in asked
    assert pam.post(PUBLISH, {"once": "a" * 32})["Location"] == f"{ORDERS}?version=v1"
    with tenant_scope(cast.acme.pk):
        assert ApiVersion.objects.get().status == "published"
        assert Event.objects.latest("number").kind == "version.published"
    # Somebody else was first.
    stale = pam.post(PUBLISH, {"once": "b" * 32})
    assert stale.status_code == 409
    assert f'href="{PUBLISH}"' not in text(pam.get(ORDERS))


def test_a_version_without_a_live_revision_is_not_published(cast: Cast, pam: Client, orders: Api) -> None:
    with tenant_scope(cast.acme.pk):
        publishing.add_version(orders, name="v2", by=cast.pam)
    answer = pam.post(f"{ORDERS}v2/publish/")
    assert answer.status_code == 409
    assert "Orders v2 has no live revision; import its OpenAPI document first." in text(answer)


@pytest.mark.parametrize("at", [LIST, ORDERS, EDIT, ADD_VERSION, PUBLISH])
def test_carl_may_not_and_eve_sees_nothing(cast: Cast, client: Client, orders: Api, at: str) -> None:
    for who, status in ((cast.carl, 403), (cast.eve, 404), (cast.olga, 404)):
        client.force_login(who)
        assert client.get(at).status_code == status
        assert client.post(at, {"name": "v9"}).status_code in {status, 405}
    client.force_login(cast.eve)
    assert client.get(at.replace("acme", "globex")).status_code == (200 if at == LIST else 404)
    with tenant_scope(cast.acme.pk):
        assert ApiVersion.objects.count() == 1
        assert "v9" not in json.dumps(list(Event.objects.values_list("data", flat=True)))
