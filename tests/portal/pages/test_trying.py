"""Carl tries an API in the browser: he gets a token for a minute, as his own application and nobody else's."""

import json
import re
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from joserfc import jwe, jws
from joserfc.jwk import ECKey

from apis.actions import publishing, resources, subscriptions, trying
from apis.models import Api, Operation, Plan, Subscription
from apis.origins import of_address
from keys import encryption
from keys.models import Application, ProtectedResource, SigningKey
from portal.pages import trying as page_of_trying
from tenants.errors import NotAllowed
from tenants.models import Event, Membership, Role, TeamMember, Tenant, TenantSettings, User
from tests import make
from tests.conftest import Cast
from tests.portal.pages.test_catalogue import DOCUMENT, browser, text

TRY, PAGE = "/t/acme/apis/orders/v1/try/", "/t/acme/apis/orders/?tab=reference&operation="
FROM_SCRIPT = {"Accept": "application/json, text/html;q=0.1"}


@pytest.fixture
def orders(in_acme: Cast) -> Api:
    return make.api("orders", content=DOCUMENT)


@pytest.fixture
def gold(orders: Api) -> Plan:
    return make.plan(orders, name="gold")


@pytest.fixture
def checkout(in_acme: Cast, gold: Plan) -> Application:
    found = make.application(in_acme.carl, name="Checkout")
    make.subscription(of=found, to=gold)
    return found


@pytest.fixture
def carl(in_acme: Cast, checkout: Application) -> Client:
    return browser(in_acme.carl)


def ask(client: Client, application: Any, operation: str = "listOrders", **headers: str) -> Any:
    return client.post(TRY, {"application": str(application), "operation": operation}, headers={**FROM_SCRIPT, **headers})


def claims(token: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(jws.extract_compact(token.encode()).payload)
    return found


def form(response: Any) -> str:
    """What stands in the block, on one line."""
    found = re.search(r'<section class="stack only-js" id="try".*?</section>', response.content.decode(), re.DOTALL)
    assert found
    return " ".join(found[0].split())


def tried() -> int:
    return Event.objects.filter(kind="application.tried").count()


# The form


def test_it_is_filled_from_the_document(carl: Client, checkout: Application) -> None:
    made = form(carl.get(f"{PAGE}createOrder"))
    assert f'action="{TRY}"' in made
    assert re.search(rf'<option value="{checkout.pk}" data-refusals="/t/acme/apps/{checkout.pk}/[^"]+" selected>Checkout</option>', made)
    assert 'data-body="application/json" required> { &quot;sku&quot;: &quot;mug-01&quot; }</textarea>' in made
    listed = form(carl.get(f"{PAGE}listOrders"))
    assert 'data-where="header" data-name="X-Shop" value="berlin" required' in listed
    assert 'data-where="query" data-name="limit" value="" >' in listed
    assert 'data-name="id" value="o 7" pattern=' in form(carl.get(f"{PAGE}getOrder"))


def test_what_may_change_something_is_asked_about_each_time(carl: Client) -> None:
    assert "Really send this POST: it may change or delete data." in form(carl.get(f"{PAGE}createOrder"))
    assert "data-sure required" in form(carl.get(f"{PAGE}createOrder"))
    assert "data-sure" not in form(carl.get(f"{PAGE}listOrders"))


def test_what_no_page_can_send_is_said(carl: Client, orders: Api) -> None:
    content = json.loads(json.dumps(DOCUMENT))
    sent = [("cookie", "theme"), ("header", "Origin"), ("header", "Sec-Fetch-Site"), ("header", "Shop number"), ("header", "X-Own")]
    content["paths"]["/orders"]["get"]["parameters"] = [
        {"name": name, "in": where, "schema": {"type": "string"}} for where, name in [*sent, ("header", "Authorization")]
    ]
    version = orders.versions.get()
    again = publishing.add_revision(version, document=make.document(content), target=make.target(), by=None)
    publishing.make_live(again, by=None)
    made = form(carl.get(f"{PAGE}listOrders"))
    assert (made.count("can't send this one"), 'data-name="X-Own"' in made, "Authorization" in made) == (4, True, False)
    # Where the API names origins, its own list says which headers pages send.
    publishing.change_api(orders, cors_origins=["https://shop.example"], by=None)
    made = form(carl.get(f"{PAGE}listOrders"))
    assert (made.count("can't send this one"), "X-Own" in made, 'data-name="X-Own"' in made) == (5, True, False)


def test_only_this_page_may_reach_the_gateway_and_only_for_who_can_try(carl: Client, in_acme: Cast) -> None:
    gateway = of_address(settings.GATEWAY_URL)
    assert f"connect-src 'self' {gateway};" in carl.get(PAGE)["Content-Security-Policy"] + ";"
    for page in ("/t/acme/apis/orders/", "/t/acme/apis/orders/?tab=plans", "/t/acme/"):
        assert gateway not in carl.get(page)["Content-Security-Policy"], page
    pam = browser(in_acme.pam).get(PAGE)
    assert gateway not in pam["Content-Security-Policy"]
    assert "try.js" not in pam.content.decode()
    assert "try.js" in carl.get(PAGE).content.decode()


# What is missing is said


@pytest.mark.parametrize(
    "status,said,way",
    [
        ("pending", "as Checkout, once its subscription is approved. The subscription", "/?tab=subscriptions"),
        ("suspended", "as Checkout, once its subscription is resumed. The subscription", "/?tab=subscriptions"),
        ("rejected", "once that is subscribed. Subscribe one", "orders/subscribe/"),
    ],
)
def test_without_an_active_subscription_there_is_a_way_to_one_and_no_token(
    in_acme: Cast, gold: Plan, status: str, said: str, way: str
) -> None:
    application = make.application(in_acme.carl, name="Checkout")
    make.subscription(status=status, of=application, to=gold)
    carl = browser(in_acme.carl)
    page = carl.get(PAGE)
    assert said in text(page)
    assert re.search(rf'href="/t/acme/[^"]*{re.escape(way)}"', form(page))
    assert "data-try" not in form(page)
    refused = ask(carl, application.pk)
    assert (refused.status_code, "with a subscription that is active" in refused.json()["detail"], tried()) == (409, True, 0)


def test_who_has_no_application_is_led_to_the_subscription_where_one_is_made(in_acme: Cast, gold: Plan) -> None:
    assert 'href="/t/acme/apis/orders/subscribe/">Subscribe one' in form(browser(in_acme.carl).get(PAGE))


def test_where_nothing_can_subscribe_it_is_said(in_acme: Cast, orders: Api) -> None:
    assert "nothing can subscribe now" in form(browser(in_acme.carl).get(PAGE))


def test_who_has_no_applications_of_their_own_is_told(in_acme: Cast, checkout: Application) -> None:
    assert "which your roles here don't include" in form(browser(in_acme.pam).get(PAGE))


def test_a_visitor_of_a_public_catalogue_is_asked_to_sign_in(in_acme: Cast, checkout: Application) -> None:
    TenantSettings.objects.update(catalogue="public")
    page = Client().get(f"{PAGE}listOrders")
    assert 'href="/accounts/login/?next=/t/acme/apis/orders/%3Ftab%3Dreference%26operation%3DlistOrders">Sign in' in form(page)
    assert ask(Client(), checkout.pk).status_code == 401
    # Eve is a visitor like everybody.
    eve = browser(in_acme.eve)
    assert "data-try" not in form(eve.get(PAGE))
    assert ask(eve, checkout.pk).status_code == 404


# The token


def test_it_is_for_a_minute_and_one_api_and_is_written_down(carl: Client, in_acme: Cast, checkout: Application) -> None:
    answer = ask(carl, checkout.pk)
    assert (answer.status_code, answer["Cache-Control"]) == (200, "private, no-store")
    told = claims(answer.json()["access_token"])
    assert (told["client_id"], told["sub"]) == (checkout.client_id, checkout.client_id)
    assert (told["exp"] - told["iat"], told["cid"], "scope" in told, "enc" in told) == (60, told["jti"], False, False)
    assert told["aud"] == f"{settings.GATEWAY_URL}/acme/orders"
    event = Event.objects.get(kind="application.tried")
    assert (event.actor_id, event.subject_id) == (in_acme.carl.pk, checkout.pk)
    assert event.data == {"api": "orders", "operation": "listOrders", "scope": "", "token": told["jti"]}
    assert "Carl tried listOrders of orders in the browser as Checkout" in text(carl.get(f"/t/acme/apps/{checkout.pk}/?tab=activity"))
    assert not checkout.credentials.exists()


def test_it_has_the_scopes_of_the_one_operation(in_acme: Cast) -> None:
    plan = make.plan(make.api("orders", content=make.SCOPED))
    checkout = make.application(in_acme.carl)
    make.subscription(of=checkout, to=plan)
    answer = ask(browser(in_acme.carl), checkout.pk, "createOrder").json()
    operation = Operation.objects.get(operation_id="createOrder")
    assert operation.scopes
    assert answer["scope"].split() == operation.scopes[0] == claims(answer["access_token"])["scope"].split()


def test_the_api_reads_from_it_who_calls(carl: Client, in_acme: Cast, orders: Api, checkout: Application) -> None:
    key = ECKey.generate_key("P-256", private=True)
    resources.change_encryption_key(orders, key.as_dict(private=False), by=in_acme.pam)
    told = claims(ask(carl, checkout.pk).json()["access_token"])["enc"]
    read = json.loads(jwe.decrypt_compact(told, key, algorithms=[encryption.ALG, encryption.ENC]).plaintext or b"")
    assert (read["application"], read["owner"]) == ("Checkout", in_acme.carl.email)
    ProtectedResource.objects.update(encryption_jwk={"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "broken"})
    broken = ask(carl, checkout.pk)
    assert (broken.status_code, "Its publisher has to replace it" in broken.json()["detail"], tried()) == (409, True, 1)


def test_nobody_tries_as_somebody_elses_application(in_acme: Cast, checkout: Application) -> None:
    other = make.member(in_acme.acme, None, Role.DEVELOPER)
    for person, status in ((in_acme.eve, 404), (other, 404), (in_acme.ada, 404), (in_acme.olga, 404), (in_acme.pam, 403)):
        assert ask(browser(person), checkout.pk).status_code == status, person
    assert ask(Client(), checkout.pk).status_code == 401
    assert tried() == 0


def test_an_application_without_a_subscription_gets_none(carl: Client, in_acme: Cast) -> None:
    assert ask(carl, make.application(in_acme.carl).pk).status_code == 404


def test_a_team_tries_as_its_own(in_acme: Cast, checkout: Application) -> None:
    team = make.team(in_acme.carl)
    Application.objects.filter(pk=checkout.pk).update(team=team)
    mate = make.member(in_acme.acme, None, Role.DEVELOPER)
    assert ask(browser(mate), checkout.pk).status_code == 404
    TeamMember.objects.create(team=team, membership=Membership.objects.get(user=mate))
    assert ask(browser(mate), checkout.pk).status_code == 200


@pytest.mark.parametrize("application", ["x", "\x00", "01a225e5-b539-73e9-a000-000000000000"])
def test_what_is_no_application_gets_nothing(carl: Client, application: str) -> None:
    assert ask(carl, application).status_code == 404


@pytest.mark.parametrize("operation", ["nothing", "\x00"])
def test_what_is_no_operation_gets_nothing(carl: Client, checkout: Application, operation: str) -> None:
    assert ask(carl, checkout.pk, operation).status_code == 404


def test_an_api_that_carl_may_not_see_any_more_is_not_tried(carl: Client, in_acme: Cast, orders: Api, checkout: Application) -> None:
    Api.objects.filter(pk=orders.pk).update(visibility="teams")
    assert ask(carl, checkout.pk).status_code == 404


def test_what_is_missing_is_said(carl: Client, checkout: Application) -> None:
    for answer in (ask(carl, ""), ask(carl, checkout.pk, "")):
        assert (answer.status_code, "Fill this in." in answer.json()["detail"]) == (422, True)


def test_another_site_gets_none(in_acme: Cast, checkout: Application) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(in_acme.carl)
    assert (ask(strict, checkout.pk, Origin="https://evil.example").status_code, tried()) == (403, 0)


def test_too_many_tries_wait_and_are_refused_in_carls_language(
    carl: Client, in_acme: Cast, checkout: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    User.objects.filter(pk=in_acme.carl.pk).update(language="de")
    monkeypatch.setattr(page_of_trying, "RATE", 1)
    assert ask(carl, checkout.pk).status_code == 200
    refused = ask(carl, checkout.pk)
    assert (refused.status_code, refused["Content-Type"], refused["Content-Language"]) == (429, "application/problem+json", "de")
    assert tried() == 1


def test_a_tenant_that_stands_still_gives_none(carl: Client, in_acme: Cast, checkout: Application) -> None:
    Tenant.objects.filter(pk=in_acme.acme.pk).update(status="suspended", status_why="Not paid")
    assert (ask(carl, checkout.pk).status_code, tried()) == (409, 0)


def test_asked_with_get_it_leads_to_the_reference_and_gives_nothing(carl: Client) -> None:
    assert carl.get(TRY)["Location"] == "/t/acme/apis/orders/?tab=reference&version=v1"
    assert tried() == 0


# What the action holds to by itself


def test_the_action_takes_no_bodys_word_for_it(in_acme: Cast, orders: Api, checkout: Application) -> None:
    operation = Operation.objects.get(operation_id="listOrders")
    standing = checkout.subscriptions.get()
    other = make.subscription(of=make.application(in_acme.carl))
    elsewhere = Operation.objects.get(revision__version__api=other.api, operation_id="listOrders")
    for what, subscription, by in (
        (operation, standing, in_acme.ada),
        (operation, other, in_acme.carl),
        (elsewhere, standing, in_acme.carl),
    ):
        with pytest.raises(NotAllowed, match="as one of your own applications"):
            trying.issue_to_try(what, subscription=subscription, by=by)
    subscriptions.suspend(Subscription.objects.get(pk=standing.pk), reason="A test.", by=in_acme.ada)
    with pytest.raises(NotAllowed, match="a subscription that is active"):
        trying.issue_to_try(operation, subscription=standing, by=in_acme.carl)
    assert tried() == 0


def test_the_tenants_newest_key_signs(carl: Client, checkout: Application) -> None:
    signed = jws.extract_compact(ask(carl, checkout.pk).json()["access_token"].encode()).headers()
    active = SigningKey.objects.get(purpose="access_token", status="active")
    assert (signed["kid"], signed["alg"], signed["typ"]) == (active.kid, "ES256", "at+jwt")
