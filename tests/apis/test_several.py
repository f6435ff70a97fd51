"""Carl asks for several APIs at once."""

import pytest

from apis.actions import request_forms, several, subscriptions
from apis.actions.several import Wanted
from apis.models import Api, FormQuestion, Plan, Subscription
from keys.models import Application
from tenants import limits
from tenants.errors import Invalid
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base


@pytest.fixture
def plans(in_acme: Cast) -> list[Plan]:
    """Of Orders, approved at once, and of Prices, which people decide."""
    return [make.plan(make.api("orders"), name="free", approval="automatic"), make.plan(make.api("prices"), name="gold")]


@pytest.fixture
def checkout(in_acme: Cast) -> Application:
    return make.application(in_acme.carl, name="Checkout")


def wanted(plans: list[Plan]) -> list[Wanted]:
    return [Wanted(each.api, each) for each in plans]


def test_each_is_decided_on_its_own(in_acme: Cast, checkout: Application, plans: list[Plan]) -> None:
    made = several.request_all(checkout, wanted(plans), purpose="To sell.", by=in_acme.carl)
    assert [(each.api.slug, each.status, each.purpose) for each, _ in made] == [
        ("orders", "active", "To sell."),
        ("prices", "pending", "To sell."),
    ]
    assert [event.kind for _, event in made] == ["subscription.approved", "subscription.requested"]
    subscriptions.reject(made[1][0], reason="No.", by=in_acme.ada)
    assert Subscription.objects.get(api__slug="orders").status == "active"


def test_all_or_nothing(in_acme: Cast, checkout: Application, plans: list[Plan]) -> None:
    request_forms.set_form(plans[1].api, [FormQuestion("why", "Why?")], by=in_acme.pam)
    closed = make.plan(make.api("closed"), name="old")
    Plan.objects.filter(pk=closed.pk).update(status="closed")
    before = Event.objects.count()
    with pytest.raises(Invalid) as refused:
        several.request_all(checkout, wanted([*plans, closed]), purpose="x", by=in_acme.carl)
    assert refused.value.problems == {
        "prices.answers.why": ["Answer this."],
        "closed": ["The plan old of Closed is closed, so nothing new can subscribe under it. Choose another."],
    }
    assert (Subscription.objects.count(), Event.objects.count()) == (0, before)


def test_what_one_may_not_have_is_not_asked_for(in_acme: Cast, checkout: Application, plans: list[Plan]) -> None:
    several.request_all(checkout, wanted(plans[:1]), purpose="x", by=in_acme.carl)
    with pytest.raises(Invalid, match="Checkout has a subscription to Orders already; it is active"):
        several.request_all(checkout, wanted(plans), purpose="x", by=in_acme.carl)
    with pytest.raises(Invalid, match="has a subscription to Prices already"):
        several.request_all(checkout, wanted([plans[1], plans[1]]), purpose="x", by=in_acme.carl)
    Api.objects.filter(slug="prices").update(visibility="teams")
    with pytest.raises(Invalid, match="Prices is not open to you"):
        several.request_all(checkout, wanted(plans[1:]), purpose="x", by=in_acme.carl)


def test_so_many_at_once(in_acme: Cast, checkout: Application, plans: list[Plan], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Invalid, match="Choose at least one API"):
        several.request_all(checkout, [], purpose="x", by=in_acme.carl)
    monkeypatch.setattr(limits, "REQUESTS_AT_ONCE", 1)
    with pytest.raises(Invalid, match="Ask for at most 1 APIs at once"):
        several.request_all(checkout, wanted(plans), purpose="x", by=in_acme.carl)


def test_as_many_as_an_application_may_have(
    in_acme: Cast, checkout: Application, plans: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "OPEN_SUBSCRIPTIONS_PER_APPLICATION", 1)
    with pytest.raises(Invalid, match="which is as many as an application may have"):
        several.request_all(checkout, wanted(plans), purpose="x", by=in_acme.carl)
    assert not Subscription.objects.exists()


def test_over_rest(in_acme: Cast, checkout: Application, plans: list[Plan], rest: Rest) -> None:
    at = f"{base(in_acme.acme)}/subscriptions/requests/"
    orders, prices = {"api": "orders", "plan": "free"}, {"api": "prices", "plan": "gold", "answers": {"why": "To sell."}}
    request_forms.set_form(plans[1].api, [FormQuestion("why", "Why?")], by=in_acme.pam)
    body = {"application": str(checkout.pk), "purpose": "To sell.", "requests": [orders, prices]}
    for wrong, field in (
        ({"requests": []}, "requests"),
        ({"requests": [orders] * 21}, "requests"),
        ({"requests": [orders, orders]}, "orders"),
        ({"requests": [orders, {"api": "no", "plan": "no"}]}, "no"),
        ({"requests": [{"api": "orders", "plan": "no"}]}, "orders"),
        ({"requests": [orders, {**prices, "answers": {}}]}, "prices.answers.why"),
        ({"requests": [{**orders, "more": 1}]}, "requests.0.more"),
        ({"application": str(plans[0].pk)}, "application"),
        ({"purpose": "x" * 501}, "purpose"),
        ({"purpose": "\x00"}, "purpose"),
    ):
        refused = rest(in_acme.carl).post(at, {**body, **wrong}, format="json")
        assert (refused.status_code, list(refused.json()["errors"])) == (422, [field]), refused.json()
    assert not Subscription.objects.exists()
    made = rest(in_acme.carl).post(at, body, format="json")
    assert made.status_code == 201, made.json()
    assert [(each["api"], each["status"]) for each in made.json()["results"]] == [("orders", "active"), ("prices", "pending")]
    assert made.json()["results"][1]["answers"][0]["answer"] == "To sell."
    assert rest(in_acme.pam).post(at, body, format="json").status_code == 403
    assert rest(in_acme.eve).post(at, body, format="json").status_code == 404
    ada = rest(in_acme.ada).post(at, body, format="json")
    assert list(ada.json()["errors"]) == ["application"], "it is not hers"
    with tenant_scope(in_acme.globex.pk):
        eves = make.application(in_acme.eve)
    assert list(rest(in_acme.carl).post(at, {**body, "application": str(eves.pk)}, format="json").json()["errors"]) == ["application"]
