"""Why a call was refused, as people read it: by its request id, from its application, and from the gateway's own answer."""

import re
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone

from apis.actions import subscriptions
from apis.models import Subscription
from gateway.models import Refusal
from keys.models import Application
from tenants.models import Membership, Role, User
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries

MINE, NOBODYS = "0b7f5c1e-1111-4a5b-9c3d-000000000001", "0b7f5c1e-2222-4a5b-9c3d-000000000002"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text(html: bytes) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html.decode()))).strip()


def refused(of: Application | None, request_id: str, code: str = "SUBSCRIPTION_SUSPENDED", status: int = 403) -> Refusal:
    return Refusal.objects.create(
        application=of,
        at=timezone.now(),
        request_id=request_id,
        code=code,
        status=status,
        method="GET",
        path="/acme/orders/v1/orders",
        gateway="edge",
        details=f"rbac_access_denied_matched_policy[{code}]",
    )


@pytest.fixture
def suspended(cast: Cast) -> Subscription:
    """Carl's Checkout may not call orders, and has tried."""
    with tenant_scope(cast.acme.pk):
        found = make.subscription(of=make.application(cast.carl, name="Checkout"), to=make.plan(make.api("orders")))
        subscriptions.suspend(found, reason="It calls too often.", by=cast.ada)
        refused(found.application, MINE)
        refused(None, NOBODYS, "TOKEN_MISSING", 401)
    return found


def test_rule_fact_who_when_and_what_to_do(cast: Cast, suspended: Subscription) -> None:
    client = signed_in(cast.carl)
    with queries("page:refused-call"):
        answer = client.get(f"/t/acme/refused/{MINE}/")
    said = text(answer.content)
    for each in (
        "Your application's subscription is suspended.",
        "While a subscription is suspended, no call passes by it.",
        "Ada suspended Checkout to Orders",
        "“It calls too often.”",
        "Read the reason at the subscription and ask the tenant's approvers.",
        "GET /acme/orders/v1/orders",
        "rbac_access_denied_matched_policy[SUBSCRIPTION_SUSPENDED]",
        MINE,
    ):
        assert each in said, each
    assert "Since then" not in said
    assert f'href="/t/acme/apps/{suspended.application_id}/?tab=refusals"' in answer.content.decode()


def test_what_was_decided_since_then(cast: Cast, suspended: Subscription) -> None:
    with tenant_scope(cast.acme.pk):
        subscriptions.resume(suspended, by=cast.ada)
    said = text(signed_in(cast.carl).get(f"/t/acme/refused/{MINE}/").content)
    assert "Since then Ada resumed Checkout to Orders" in said
    assert "No gateway is connected" in said


def test_others_don_t_see_it(cast: Cast, suspended: Subscription) -> None:
    """Pam sees nobody's applications; Ada everybody's; Eve is elsewhere."""
    address = f"/t/acme/refused/{MINE}/"
    assert signed_in(cast.ada).get(address).status_code == 200
    assert signed_in(cast.pam).get(address).status_code == 404
    eve = signed_in(cast.eve)
    assert eve.get(address).status_code == 404
    assert "No refused call" in text(eve.get(f"/t/globex/refused/{MINE}/?tried=5").content)
    assert Client().get(address).status_code == 302


def test_what_is_nobodys_is_for_who_knows_its_id(cast: Cast, suspended: Subscription) -> None:
    said = text(signed_in(cast.pam).get(f"/t/acme/refused/{NOBODYS}/").content)
    assert "Every call brings an access token or an API key." in said
    assert "Nobody's: nothing that came with the call was verified." in said
    assert signed_in(cast.eve).get(f"/t/acme/refused/{NOBODYS}/").status_code == 404


def test_an_operation_of_a_hidden_api_is_not_named(cast: Cast, suspended: Subscription, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("secret-plans", published=False)
        Refusal.objects.filter(request_id=NOBODYS).update(path="/acme/secret-plans/v1/x", operation="buyGlobex")
    assert "buyGlobex" not in signed_in(cast.carl).get(f"/t/acme/refused/{NOBODYS}/").content.decode()
    assert rest(cast.carl).get(f"{base(cast.acme)}/refusals/{NOBODYS}/").json()["operation"] == ""
    assert "buyGlobex" in signed_in(cast.ada).get(f"/t/acme/refused/{NOBODYS}/").content.decode()


def test_a_call_that_no_gateway_has_told_of_yet_is_looked_for_a_while(cast: Cast) -> None:
    client = signed_in(cast.carl)
    tried = 0
    for _ in range(10):
        answer = client.get(f"/t/acme/refused/later/?tried={tried}")
        assert answer.status_code == 404
        again = re.search(r'hx-get="/t/acme/refused/later/\?tried=(\d+)"', answer.content.decode())
        if again is None:
            break
        tried = int(again[1])
    assert tried == 5
    assert "No refused call has this request id" in text(answer.content)


@pytest.mark.parametrize("typed,leads", [(f" {MINE} ", MINE), ("a/b c", "abc"), ("x" * 500, "x" * 64)])
def test_what_is_typed_leads_there(cast: Cast, typed: str, leads: str) -> None:
    client = signed_in(cast.carl)
    assert "Why was this call refused?" in text(client.get("/t/acme/refused/").content)
    assert client.get("/t/acme/refused/", {"request_id": typed}).headers["location"] == f"/t/acme/refused/{leads}/"


def test_the_answers_own_link_finds_the_tenant(cast: Cast, suspended: Subscription) -> None:
    """`instance` of the problem document names no tenant."""
    assert Client().get(f"/refused/{MINE}/").status_code == 302
    carl = signed_in(cast.carl)
    assert carl.get(f"/refused/{MINE}/").headers["location"] == f"/t/acme/refused/{MINE}/"
    with tenant_scope(cast.globex.pk):
        Membership.objects.create(user=cast.carl, roles=[Role.DEVELOPER])
    assert carl.get(f"/refused/{MINE}/").headers["location"] == f"/t/acme/refused/{MINE}/"
    said = carl.get("/refused/later/")
    assert "Which tenant was called?" in text(said.content)
    assert 'href="/t/globex/refused/later/"' in said.content.decode()
    assert carl.get(f"/refused/{'x' * 65}/").status_code == 404


def test_the_same_over_rest(cast: Cast, suspended: Subscription, rest: Rest) -> None:
    with queries("refusals/<id>/"):
        answer = rest(cast.carl).get(f"{base(cast.acme)}/refusals/{MINE}/")
    told = answer.json()
    assert told["decision"] | {"event": 0, "at": ""} == {
        "event": 0,
        "kind": "subscription.suspended",
        "at": "",
        "by": "Ada",
        "reason": "It calls too often.",
    }
    assert (told["application"]["name"], told["since"], told["enforced"]) == ("Checkout", None, None)
    for who, at in ((cast.pam, cast.acme), (cast.eve, cast.acme), (cast.eve, cast.globex)):
        assert rest(who).get(f"{base(at)}/refusals/{MINE}/").status_code == 404
    assert rest(cast.pam).get(f"{base(cast.acme)}/refusals/{NOBODYS}/").json()["application"] is None
    assert rest(cast.carl).get(f"{base(cast.acme)}/refusals/unknown/").status_code == 404
