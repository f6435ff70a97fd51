"""Carl asks for several APIs at once."""

import pytest
from django.test import Client

from apis.actions import request_forms
from apis.models import Api, FormQuestion, Plan, Subscription
from keys.actions import application_life
from keys.models import Application
from tests import make
from tests.conftest import Cast, queries
from tests.portal.pages.test_requests import signed_in, text


@pytest.fixture
def plans(in_acme: Cast) -> list[Plan]:
    """Of Orders, approved at once, and of Prices, which people decide."""
    return [make.plan(make.api("orders"), name="free", approval="automatic"), make.plan(make.api("prices"), name="gold")]


@pytest.fixture
def checkout(in_acme: Cast) -> Application:
    return make.application(in_acme.carl, name="Checkout")


@pytest.fixture
def carl(cast: Cast) -> Client:
    return signed_in(cast.carl)


def here(application: Application) -> str:
    return f"/t/acme/apps/{application.pk}/subscribe/"


def test_from_the_application_to_its_subscriptions(in_acme: Cast, checkout: Application, plans: list[Plan], carl: Client) -> None:
    request_forms.set_form(plans[1].api, [FormQuestion("why", "Why?")], by=in_acme.pam)
    silver = make.plan(plans[1].api, name="silver")
    at = here(checkout)
    assert at in carl.get(f"/t/acme/apps/{checkout.pk}/").content.decode()
    assert at in carl.get(f"/t/acme/apps/{checkout.pk}/?tab=subscriptions").content.decode()
    listed = carl.get(at)
    assert [each.slug for each in listed.context["rows"]] == ["orders", "prices"]
    searched = carl.get(f"{at}?api=orders&q=pric")
    assert ([each.slug for each in searched.context["chosen"]], [each.slug for each in searched.context["rows"]]) == (
        ["orders"],
        ["prices"],
    )
    there = f"{at}plans/?api=orders&api=prices"
    page = carl.get(there)
    assert "Why?" in text(page)
    form = page.context["form"]
    assert (form["orders.plan"].value(), form["prices.plan"].value()) == (str(plans[0].pk), None)
    typed = {
        "orders.plan": str(plans[0].pk),
        "purpose": "To sell.",
        "prices.answers.why": "For us.",
        "prices.asked": form["prices.asked"].value(),
    }
    refused = carl.post(there, typed)
    assert (refused.status_code, text(refused).count("Fill this in.")) == (422, 1)
    assert 'value="For us."' in refused.content.decode()
    typed |= {"prices.plan": str(silver.pk), "once": "a"}
    done = text(carl.post(there, typed, follow=True))
    assert "Checkout asked for 2 APIs: Orders (active), Prices (pending)." in done
    assert "To sell." in done
    assert [(each.api.slug, each.plan.name, each.status) for each in Subscription.objects.order_by("pk")] == [
        ("orders", "free", "active"),
        ("prices", "silver", "pending"),
    ]
    assert [each["answer"] for each in Subscription.objects.get(api__slug="prices").answers] == ["For us."]
    assert "It has or awaits every API that offers a plan." in text(carl.get(at))


def test_all_or_nothing(in_acme: Cast, checkout: Application, plans: list[Plan], carl: Client) -> None:
    there = f"{here(checkout)}plans/?api=orders&api=prices"
    typed = {"orders.plan": str(plans[0].pk), "prices.plan": str(plans[1].pk), "purpose": "To sell."}
    Api.objects.filter(slug="prices").update(request_form=[FormQuestion("why", "Why?").as_stored()])
    refused = carl.post(there, {**typed, "prices.answers.why": "So."})
    assert refused.status_code == 409
    assert "What Prices asks has changed." in text(refused)
    assert "To sell." in refused.content.decode()
    Api.objects.filter(slug="prices").update(request_form=[])
    make.subscription(of=checkout, to=plans[1])
    refused = carl.post(there, typed)
    assert refused.status_code == 409
    assert "Not to be asked for any more: prices." in text(refused)
    assert Subscription.objects.count() == 1


def test_a_limit_speaks_at_its_api(
    in_acme: Cast, checkout: Application, plans: list[Plan], carl: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenants.limits.OPEN_SUBSCRIPTIONS_PER_APPLICATION", 1)
    typed = {"orders.plan": str(plans[0].pk), "prices.plan": str(plans[1].pk), "purpose": "To sell."}
    refused = carl.post(f"{here(checkout)}plans/?api=orders&api=prices", typed)
    assert refused.status_code == 422
    assert "which is as many as an application may have" in str(refused.context["form"].errors["prices.plan"])
    assert not Subscription.objects.exists()


def test_what_is_not_chosen(in_acme: Cast, checkout: Application, plans: list[Plan], carl: Client) -> None:
    at = here(checkout)
    assert "Choose from 1 to 20 APIs." in text(carl.get(f"{at}plans/", follow=True))
    many = "&".join(f"api=a{number}" for number in range(21))
    assert "Choose from 1 to 20 APIs." in text(carl.get(f"{at}plans/?{many}", follow=True))
    assert carl.get(f"{at}?api=no&api=no&q=x").status_code == 200
    assert carl.get(f"{at}plans/?api=no").status_code == 200
    assert carl.post(f"{at}plans/?api=no", {"purpose": "x"}).status_code == 409
    application_life.suspend(checkout, reason="x", by=in_acme.carl)
    assert "Continue" not in text(carl.get(at))


def test_who_gets_in(in_acme: Cast, checkout: Application, plans: list[Plan]) -> None:
    for address in (here(checkout), f"{here(checkout)}plans/?api=orders"):
        assert signed_in(in_acme.ada).get(address).status_code == 404, "it is not hers"
        assert signed_in(in_acme.pam).get(address).status_code == 403
        assert signed_in(in_acme.eve).get(address).status_code == 404
        assert signed_in(in_acme.eve).get(address.replace("acme", "globex")).status_code == 404
    Api.objects.filter(slug="prices").update(visibility="teams")
    assert [each.slug for each in signed_in(in_acme.carl).get(here(checkout)).context["rows"]] == ["orders"]


def test_as_many_queries_for_many(in_acme: Cast, checkout: Application, plans: list[Plan], carl: Client) -> None:
    carl.get(here(checkout))
    for more in (3, 0):
        with queries("page:app-subscribe"):
            carl.get(here(checkout))
        for _ in range(more):
            make.plan(make.api())
