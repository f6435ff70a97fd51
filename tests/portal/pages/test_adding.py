"""Ada gives an application a subscription that nobody asked for."""

import pytest
from django.test import Client

from apis.models import Api, Plan, Subscription
from keys.models import Application
from tests import make
from tests.conftest import Cast, queries
from tests.portal.pages.test_requests import signed_in, text

HERE = "/t/acme/console/subscriptions/add/"


@pytest.fixture
def gold(in_acme: Cast) -> Plan:
    return make.plan(make.api("orders"), name="gold")


@pytest.fixture
def checkout(in_acme: Cast) -> Application:
    return make.application(in_acme.carl, name="Checkout")


@pytest.fixture
def ada(cast: Cast) -> Client:
    return signed_in(cast.ada)


def test_from_the_list_to_a_subscription(in_acme: Cast, checkout: Application, gold: Plan, ada: Client) -> None:
    assert HERE in ada.get("/t/acme/console/subscriptions/").content.decode()
    first = ada.get(HERE)
    assert "Checkout" in text(first)
    assert f"?application={checkout.pk}" in first.content.decode()
    second = ada.get(f"{HERE}?application={checkout.pk}")
    assert f"?application={checkout.pk}&amp;api=orders" in second.content.decode()
    there = f"{HERE}?application={checkout.pk}&api=orders"
    assert ada.get(there).status_code == 200
    refused = ada.post(there, {"plan": str(gold.pk), "reason": ""})
    assert (refused.status_code, "Fill this in." in text(refused)) == (422, True)
    typed = {"plan": str(gold.pk), "reason": "Our partner.", "once": "a"}
    done = text(ada.post(there, typed, follow=True))
    assert "Checkout is subscribed to Orders." in done
    assert "Ada added a subscription that nobody had asked for: Checkout to Orders" in done
    assert "Added without a request" in done
    made = Subscription.objects.get()
    assert (made.status, made.purpose) == ("active", "Our partner.")
    carls = text(signed_in(in_acme.carl).get(f"/t/acme/apps/{checkout.pk}/?tab=subscriptions"))
    assert "Our partner." in carls
    assert ada.post(there, {**typed, "once": "b"}).status_code == 409


def test_from_the_api_and_from_the_application(in_acme: Cast, checkout: Application, gold: Plan, ada: Client) -> None:
    assert f"{HERE}?api=orders" in ada.get("/t/acme/console/apis/orders/").content.decode()
    assert f"?api=orders&amp;application={checkout.pk}" in ada.get(f"{HERE}?api=orders").content.decode()
    assert f"{HERE}?application={checkout.pk}" in ada.get(f"/t/acme/console/applications/{checkout.pk}/").content.decode()
    own = make.application(in_acme.ada)
    assert HERE not in ada.get(f"/t/acme/console/applications/{own.pk}/").content.decode()
    there = f"{HERE}?application={own.pk}&api=orders"
    assert "This application is your own." in text(ada.get(there))
    refused = ada.post(there, {"plan": str(gold.pk), "reason": "Mine."})
    assert refused.status_code == 409
    assert "You can't add a subscription for an application of your own" in text(refused)
    assert "Mine." in refused.content.decode()


def test_searching_and_what_there_is_not(in_acme: Cast, checkout: Application, gold: Plan, ada: Client) -> None:
    make.application(in_acme.carl, name="Billing")
    found = ada.get(f"{HERE}?q=check").content.decode()
    assert "Checkout" in found
    assert "Billing" not in found
    assert "Nothing is called so" in text(ada.get(f"{HERE}?q=zzz"))
    make.subscription(of=checkout, to=gold)
    assert "There is no API that it could get" in text(ada.get(f"{HERE}?application={checkout.pk}"))
    for odd in ("?application=x", f"?application={gold.pk}", "?api=no", f"?application={checkout.pk}&api=no"):
        assert ada.get(f"{HERE}{odd}").status_code == 200, odd


def test_who_gets_in(in_acme: Cast, checkout: Application, gold: Plan) -> None:
    for person in (in_acme.carl, in_acme.pam):
        assert signed_in(person).get(HERE).status_code == signed_in(person).post(HERE).status_code == 403
        assert HERE not in signed_in(person).get("/t/acme/apps/", follow=True).content.decode()
    there = f"{HERE}?application={checkout.pk}&api=orders"
    assert signed_in(in_acme.eve).get(there).status_code == 404
    eves = signed_in(in_acme.eve).get(there.replace("/acme/", "/globex/"))
    assert "Checkout" not in text(eves)
    Api.objects.filter(slug="orders").update(visibility="teams")
    alan = signed_in(make.member(in_acme.acme, "alan@acme.example", "approver"))
    assert "Orders" not in text(alan.get(f"{HERE}?application={checkout.pk}")), "he does not see it in the catalogue, either"


def test_as_many_queries_for_many(in_acme: Cast, checkout: Application, gold: Plan, ada: Client) -> None:
    ada.get(HERE)
    for more in (3, 0):
        with queries("page:console-subscription-add"):
            ada.get(HERE)
        for _ in range(more):
            make.application(in_acme.carl)
