"""The life of a plan in the browser: whom a step concerns stands before it, and subscribers see what becomes of theirs."""

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from apis.actions import operation_uses, plans
from apis.models import Api, Plan, Subscription
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, queries
from tests.plan_life import gold

LIST = "/t/acme/console/plans/"
PLANS = "/t/acme/apis/orders/?tab=plans"
TERMS = {"calls": "60", "period": "60", "seconds": "", "approval": "manual"}


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", unescape(answer.content.decode()))


@pytest.fixture
def plan(cast: Cast, orders: Api) -> Plan:
    """Published: 60 calls a minute, and an approver decides."""
    with tenant_scope(cast.acme.pk):
        return gold(orders, "published")


@pytest.fixture
def carl(cast: Cast) -> Client:
    found = Client()
    found.force_login(cast.carl)
    return found


def subscribe(cast: Cast, plan: Plan, name: str, status: str = "active") -> Subscription:
    with tenant_scope(cast.acme.pk):
        return make.subscription(of=make.application(cast.carl, name=name), to=plan, status=status)


def stands(cast: Cast, row: Any) -> Any:
    with tenant_scope(cast.acme.pk):
        row.refresh_from_db()
    return row


# --- change ----------------------------------------------------------------------------------------------------------


def test_pam_reads_whom_another_limit_concerns_and_sees_its_receipt(cast: Cast, pam: Client, plan: Plan) -> None:
    shop = subscribe(cast, plan, "Shop")
    with tenant_scope(cast.acme.pk):
        operation_uses.store(cast.acme.pk, {(shop.application.client_id, "orders", "v1", "listOrders"): 3})
    at = f"{LIST}{plan.pk}/change/"
    asked = text(pam.get(at))
    assert "1 application has it; another limit holds for it at once." in asked
    for said in ("It allows 60 calls a minute now.", "Shop", "Carl", "last call"):
        assert said in asked
    assert 'value="60"' in asked
    answer = pam.post(at, {**TERMS, "calls": "5", "approval": "automatic"}, follow=True)
    assert "The plan gold of Orders is changed." in text(answer)
    found = stands(cast, plan)
    assert (found.calls, found.seconds, found.approval) == (5, 60, "automatic")
    with tenant_scope(cast.acme.pk):
        event = Event.objects.latest("number")
    assert event.kind == "plan.changed"
    assert f"/receipts/{event.number}/" in text(answer)


def test_what_is_in_no_list_of_periods_is_shown_as_it_is(cast: Cast, pam: Client, plan: Plan) -> None:
    with tenant_scope(cast.acme.pk):
        plans.change_terms(plan, seconds=90, by=cast.pam)
    asked = text(pam.get(f"{LIST}{plan.pk}/change/"))
    assert '<option value="own" selected>' in asked
    assert 'name="seconds" value="90"' in asked


def test_nothing_differs_and_nothing_happens(cast: Cast, pam: Client, plan: Plan) -> None:
    with tenant_scope(cast.acme.pk):
        before = Event.objects.count()
    assert "The plan gold of Orders stays as it was." in text(pam.post(f"{LIST}{plan.pk}/change/", TERMS, follow=True))
    with tenant_scope(cast.acme.pk):
        assert Event.objects.count() == before


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"calls": "0"}, "Give a number from 1 to 1,000,000."),
        ({"calls": "-1"}, "Give a number from 1 to 1,000,000."),
        ({"calls": "99999999999999999999"}, "Give a number from 1 to 1,000,000."),
        ({"calls": "<b>"}, "Give a whole number."),
        ({"period": "own"}, "Give the time in seconds, or choose one from the list."),
        ({"approval": "maybe"}, "Select a valid choice."),
    ],
)
def test_terms_that_can_not_be_come_back(cast: Cast, pam: Client, plan: Plan, given: dict[str, str], said: str) -> None:
    answer = pam.post(f"{LIST}{plan.pk}/change/", {**TERMS, **given})
    assert answer.status_code == 422
    assert said in text(answer)
    assert stands(cast, plan).calls == 60


# --- deprecate -------------------------------------------------------------------------------------------------------


def test_a_deprecated_plan_is_seen_by_who_has_it_and_offered_to_nobody(cast: Cast, pam: Client, carl: Client, plan: Plan) -> None:
    shop = subscribe(cast, plan, "Shop")
    page = f"{LIST}{plan.pk}/deprecate/"
    assert "1 application has it, goes on as before, and its people hear of this." in text(pam.get(page))
    pam.post(page, {"reason": "Silver is better."})
    for page in (PLANS, f"/t/acme/apps/{shop.application_id}/?tab=subscriptions"):
        seen = text(carl.get(page))
        assert "The plan is deprecated; what there is goes on." in seen
    offered = text(carl.get(PLANS))
    for said in ("Nothing new can subscribe under it.", "“Silver is better.”"):
        assert said in offered
    assert f"?plan={plan.pk}" not in offered
    dora = Client()
    dora.force_login(make.member(cast.acme, "dora@acme.example"))
    assert "Silver is better." not in text(dora.get(PLANS))
    assert "No plan yet" in text(dora.get(PLANS))


def test_who_chose_it_on_a_page_that_grew_old_is_told(cast: Cast, carl: Client, plan: Plan) -> None:
    with tenant_scope(cast.acme.pk):
        application = make.application(cast.carl)
        make.plan(plan.api, name="silver")
        plans.deprecate(plan, by=cast.pam)
    answer = carl.post("/t/acme/apis/orders/subscribe/", {"application": str(application.pk), "plan": str(plan.pk), "purpose": "Sells."})
    assert answer.status_code == 422
    assert "This plan is not offered any more. Choose another." in text(answer)
    assert "Sells." in text(answer), "what was typed is still there"


def test_an_approver_sees_that_the_plan_is_going(cast: Cast, plan: Plan) -> None:
    waits = subscribe(cast, plan, "Shop", "pending")
    with tenant_scope(cast.acme.pk):
        plans.deprecate(plan, by=cast.pam)
    ada = Client()
    ada.force_login(cast.ada)
    for page in (f"/t/acme/console/requests/{waits.pk}/", f"/t/acme/console/subscriptions/{waits.pk}/"):
        assert "Deprecated" in text(ada.get(page))


# --- close -----------------------------------------------------------------------------------------------------------


def test_closing_names_who_loses_access_and_asks_for_the_plans_name(cast: Cast, pam: Client, plan: Plan) -> None:
    held = [subscribe(cast, plan, f"Shop {number}") for number in range(1, 8)]
    held += [subscribe(cast, plan, "Asks", "pending"), subscribe(cast, plan, "Waits", "suspended")]
    at = f"{LIST}{plan.pk}/close/"
    asked = text(pam.get(at))
    assert "7 applications lose access. 1 request is cancelled. 1 suspended subscription ends." in asked
    first, rest = asked.split('<details class="fold">', 1)
    assert [name for name in ("Shop 1", "Shop 5", "Shop 6", "Asks") if name in first] == ["Shop 1", "Shop 5"]
    assert all(name in rest for name in ("Shop 6", "Shop 7", "Asks", "Waits"))
    for given, said in (
        ({"name": "gold", "reason": ""}, "Fill this in."),
        ({"name": "silver", "reason": "Enough of <b>."}, "The plan is called gold."),
        ({"name": "", "reason": "Enough of <b>."}, "Fill this in."),
    ):
        answer = pam.post(at, given)
        assert answer.status_code == 422
        assert said in text(answer)
        assert given["reason"] in text(answer)
    assert stands(cast, plan).status == "published"
    done = pam.post(at, {"name": "gold", "reason": "Enough."}, follow=True)
    with tenant_scope(cast.acme.pk):
        event = Event.objects.latest("number")
    assert (event.kind, event.data["ended"]) == ("plan.closed", 9)
    assert f"/receipts/{event.number}/" in text(done)
    assert {stands(cast, each).status for each in held} == {"cancelled"}
    page = text(pam.get(LIST))
    assert "Closed" in page
    assert "“Enough.”" in page


def test_who_subscribed_since_the_question_was_asked_is_named_before_it_is_done(cast: Cast, pam: Client, plan: Plan) -> None:
    at = f"{LIST}{plan.pk}/close/"
    assert 'name="name"' not in text(pam.get(at)), "nobody loses anything"
    held = subscribe(cast, plan, "Shop")
    answer = pam.post(at, {"reason": ""})
    assert answer.status_code == 422
    assert "1 application loses access." in text(answer)
    assert stands(cast, held).status == "active"


def test_a_plan_that_nobody_has_is_closed_without_a_word(cast: Cast, pam: Client, plan: Plan) -> None:
    pam.post(f"{LIST}{plan.pk}/close/", {})
    assert stands(cast, plan).status == "closed"
    assert "No plan yet" in text(pam.get(PLANS))
    assert "gold" not in text(pam.get("/t/acme/console/apis/")), "the list of APIs has those that are in use"


@pytest.mark.parametrize("way", ["change", "deprecate", "close"])
def test_the_question_asks_for_as_much_for_thirty_as_for_one(cast: Cast, pam: Client, plan: Plan, way: str) -> None:
    subscribe(cast, plan, "Shop")
    at, asked = f"{LIST}{plan.pk}/{way}/", "page:plan-change" if way == "change" else "page:plan-step"
    pam.get(at)
    with queries(asked):
        pam.get(at)
    for number in range(29):
        subscribe(cast, plan, f"Other {number}")
    with queries(asked):
        pam.get(at)


def test_it_stands_in_a_dialog_too(pam: Client, plan: Plan) -> None:
    for way in ("change", "deprecate", "reinstate", "close"):
        asked = text(pam.get(f"{LIST}{plan.pk}/{way}/", headers={"HX-Request": "true", "HX-Target": "dialog"}))
        assert "<html" not in asked
        assert 'id="dialog-title"' in asked


def test_the_list_is_filtered_by_every_state(cast: Cast, pam: Client, orders: Api) -> None:
    with tenant_scope(cast.acme.pk):
        for state in Plan.Status.values:
            made = plans.create(orders, name=f"is-{state}", calls=1, seconds=1, approval="manual", by=None)
            if state in {"published", "deprecated"}:
                plans.publish(made, by=None)
            if state == "deprecated":
                plans.deprecate(made, by=None)
            if state == "closed":
                plans.close(made, by=None)
    for state in Plan.Status.values:
        page = text(pam.get(f"{LIST}?status={state}"))
        assert re.findall(r"is-(\w+)</strong>", page) == [state]
        assert f'?status={state}" aria-current="page"' in page


def test_carl_may_not_and_eve_finds_nothing(cast: Cast, carl: Client, plan: Plan) -> None:
    eve = Client()
    eve.force_login(cast.eve)
    for way in ("change", "deprecate", "reinstate", "close"):
        at = f"{LIST}{plan.pk}/{way}/"
        assert (carl.get(at).status_code, carl.post(at, TERMS).status_code) == (403, 403)
        for there in (at, at.replace("acme", "globex")):
            assert (eve.get(there).status_code, eve.post(there, TERMS).status_code) == (404, 404)
    found = stands(cast, plan)
    assert (found.status, found.calls) == ("published", 60)
