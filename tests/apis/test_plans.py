"""What becomes of subscriptions when their plan changes, is deprecated, or is closed."""

from collections import Counter
from typing import Any

import pytest

from apis.actions import operation_uses, plans, subscriptions
from apis.models import Plan, Subscription
from gateway import desired
from gateway.envoy.state import Grant
from tenants import lifecycle
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base, queries
from tests.plan_life import gold

Status = Subscription.Status
WHY = "Silver takes its place."


def grants() -> dict[str, Grant]:
    """What gateways get, by client id."""
    return {each.client_id: each for each in desired._access().grants}


# --- whom it concerns ------------------------------------------------------------------------------------------------


def test_whoever_has_it_is_named_with_the_last_call(in_acme: Cast) -> None:
    plan = make.plan(make.api("orders"), name="gold")
    other = make.plan(plan.api, name="silver")
    for name, status in (("Zoo", "active"), ("Shop", "active"), ("Asks", "pending"), ("Waits", "suspended"), ("Gone", "cancelled")):
        make.subscription(of=make.application(in_acme.carl, name=name), to=plan, status=status)
    make.subscription(of=make.application(name="Elsewhere"), to=other)
    shop = Subscription.objects.get(application__name="Shop").application
    operation_uses.store(in_acme.acme.pk, {(shop.client_id, "orders", "v1", "listOrders"): 3})
    found = plans.concerned(plan)
    assert (found.many, found.active, found.pending, found.suspended, found.others) == (4, 2, 1, 1, 0)
    assert [(each.subscription.application.name, each.last_at is not None) for each in found.named] == [
        ("Shop", True),
        ("Zoo", False),
        ("Asks", False),
        ("Waits", False),
    ]


def test_so_many_are_named_and_the_others_counted(in_acme: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make.plan(make.api("orders"))
    for _ in range(3):
        make.subscription(to=plan, of=make.application())
    monkeypatch.setattr(plans, "MOST_NAMED", 2)
    found = plans.concerned(plan)
    assert (found.many, len(found.named), found.others) == (3, 2, 1)


def test_who_has_it_is_told_over_rest_in_as_many_queries_for_five(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        plan = make.plan(make.api("orders"), name="gold")
        make.subscription(to=plan, of=make.application(cast.carl, name="Shop"))
    at = f"{base(cast.acme)}/apis/orders/plans/gold/holders/"
    pam = rest(cast.pam)
    pam.get(at)
    with queries("apis/orders/plans/gold/holders/"):
        found = pam.get(at).json()
    assert (found["active"], [(row["name"], row["status"], row["last_at"]) for row in found["results"]]) == (1, [("Shop", "active", None)])
    with tenant_scope(cast.acme.pk):
        for _ in range(4):
            make.subscription(to=plan, of=make.application())
    with queries("apis/orders/plans/gold/holders/"):
        assert pam.get(at).json()["active"] == 5
    assert (rest(cast.carl).get(at).status_code, rest(cast.eve).get(at).status_code) == (403, 404)


# --- change ----------------------------------------------------------------------------------------------------------


def test_another_limit_holds_at_once_for_all_who_have_it(in_acme: Cast) -> None:
    plan = gold(make.api("orders"), "published")
    client = make.subscription(to=plan).application.client_id
    other = make.subscription(to=make.plan(plan.api, name="silver", calls=7)).application.client_id
    plans.change_terms(plan, calls=5, seconds=3_600, by=in_acme.pam)
    found = grants()
    assert (found[client].calls, found[client].seconds, found[other].calls) == (5, 3_600, 7)


def test_what_it_was_is_told_as_it_was_then_whatever_was_read_before(in_acme: Cast) -> None:
    plan = gold(make.api("orders"), "published")
    stale = Plan.objects.select_related("api").get(pk=plan.pk)
    plans.change_terms(plan, calls=5, by=in_acme.pam)
    event = plans.change_terms(stale, calls=7, by=in_acme.pam)
    assert event is not None
    assert (event.data["was"]["calls"], event.data["now"]["calls"]) == (5, 7)
    plans.close(plan, by=in_acme.pam)
    with pytest.raises(NotAllowed, match="is closed"):
        plans.change_terms(stale, calls=9, by=in_acme.pam)


def test_who_decides_is_changed_for_requests_to_come(in_acme: Cast) -> None:
    plan = gold(make.api("orders"), "published")
    waits = make.subscription(to=plan, status="pending")
    event = plans.change_terms(plan, approval="automatic", by=in_acme.pam)
    assert event is not None
    assert (event.data["was"], event.data["now"]) == ({"approval": "manual"}, {"approval": "automatic"})
    waits.refresh_from_db()
    assert waits.status == "pending", "it was asked for before"
    stale = Plan.objects.get(pk=plan.pk)
    stale.approval = "manual"
    asked, _ = subscriptions.request(make.application(), api=plan.api, plan=stale, purpose="x", by=in_acme.carl)
    assert asked.status == "active", "as the plan stands, whatever a page that grew old has read"


def test_nothing_is_recorded_where_nothing_differs(in_acme: Cast) -> None:
    plan = gold(make.api("orders"), "published")
    before = Event.objects.count()
    assert plans.change_terms(plan, calls=60, seconds=60, approval="manual", by=in_acme.pam) is None
    assert plans.change_terms(plan, by=in_acme.pam) is None
    assert Event.objects.count() == before


# --- deprecated ------------------------------------------------------------------------------------------------------


def test_nobody_new_subscribes_under_a_deprecated_plan_and_who_has_it_goes_on(in_acme: Cast) -> None:
    plan = gold(make.api("orders"), "published")
    has, asked = make.subscription(to=plan), make.subscription(to=plan, status="pending", of=make.application())
    plans.deprecate(plan, reason=WHY, by=in_acme.pam)
    stale = Plan.objects.get(pk=plan.pk)
    stale.status = "published"
    for read in (plan, stale):
        with pytest.raises(NotAllowed, match="The plan gold of Orders is deprecated, so nothing new can subscribe under it."):
            subscriptions.request(make.application(), api=plan.api, plan=read, purpose="x", by=in_acme.carl)
    subscriptions.approve(asked, by=in_acme.ada)
    found = grants()
    assert [found[each.application.client_id].refusal for each in (has, asked)] == ["", ""]


@pytest.mark.parametrize(
    ("state", "status", "said"),
    [
        ("staging", 422, "Orders offers no plan “gold”."),
        ("deprecated", 409, "The plan gold of Orders is deprecated, so nothing new can subscribe under it. Choose another."),
        ("closed", 409, "The plan gold of Orders is closed, so nothing new can subscribe under it. Choose another."),
    ],
)
def test_a_request_over_rest_is_told_why(cast: Cast, rest: Rest, state: str, status: int, said: str) -> None:
    with tenant_scope(cast.acme.pk):
        gold(make.api("orders"), state)
        application = make.application(cast.carl)
    given = {"application": str(application.pk), "api": "orders", "plan": "gold", "purpose": "x"}
    answer = rest(cast.carl).post(f"{base(cast.acme)}/subscriptions/", given, format="json")
    assert answer.status_code == status
    assert said in (answer.json()["detail"] if status == 409 else answer.json()["errors"]["plan"])
    with tenant_scope(cast.acme.pk):
        assert not Subscription.objects.exists()


# --- closed ----------------------------------------------------------------------------------------------------------


def test_closing_ends_what_is_open_with_the_reason_and_nothing_else(in_acme: Cast) -> None:
    plan = gold(make.api("orders"), "published")
    states = {status: make.subscription(to=plan, of=make.application(), status=status) for status in Status.values}
    other = make.subscription(to=make.plan(plan.api), of=make.application())
    before = Event.objects.count()
    event = plans.close(plan, reason=WHY, by=in_acme.pam)
    now = {was: Subscription.objects.get(pk=each.pk) for was, each in states.items()}
    assert {str(was): each.status for was, each in now.items()} == {
        "pending": "cancelled",
        "active": "cancelled",
        "suspended": "cancelled",
        "rejected": "rejected",
        "cancelled": "cancelled",
        "expired": "expired",
    }
    for was in Subscription.OPEN:
        assert (now[was].reason, now[was].ended_at is not None, now[was].undo_until) == (WHY, True, None)
    told = list(Event.objects.filter(number__gt=before).order_by("number"))
    assert Counter(each.kind for each in told) == {"subscription.cancelled": 3, "plan.closed": 1}
    assert told[-1] == event
    assert {each.data["was"]: (each.data["reason"], each.data["closed_plan"]) for each in told[:-1]} == {
        was.value: (WHY, "gold") for was in Subscription.OPEN
    }
    assert (event.data["ended"], event.data["reason"], event.data["api"]) == (3, WHY, "orders")
    other.refresh_from_db()
    assert other.status == "active"
    found = grants()
    assert {found[states[was].application.client_id].refusal for was in Subscription.OPEN} == {"SUBSCRIPTION_CANCELLED"}
    assert found[other.application.client_id].refusal == ""


def test_what_is_open_does_not_end_without_a_reason(in_acme: Cast) -> None:
    plan = gold(make.api("orders"), "published")
    held = make.subscription(to=plan)
    before = Event.objects.count()
    with pytest.raises(Invalid) as refused:
        plans.close(plan, by=in_acme.pam)
    assert refused.value.problems == {"reason": ["Say why: those whose subscriptions end read it."]}
    held.refresh_from_db()
    plan.refresh_from_db()
    assert (held.status, plan.status, Event.objects.count()) == ("active", "published", before)


def test_all_of_it_ends_or_nothing(in_acme: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = gold(make.api("orders"), "published")
    held = [make.subscription(to=plan, of=make.application()) for _ in range(3)]
    taken = iter((lifecycle.step, lifecycle.step))

    def fails(*args: Any, **named: Any) -> Event:
        return next(taken)(*args, **named)

    monkeypatch.setattr(plans, "step", fails)
    monkeypatch.setattr(plans, "BATCH", 1)
    with pytest.raises(StopIteration):
        plans.close(plan, reason=WHY, by=in_acme.pam)
    assert {Subscription.objects.get(pk=each.pk).status for each in held} == {"active"}
    assert Plan.objects.get(pk=plan.pk).status == "published"


def test_a_decision_about_a_closed_plan_is_not_undone(in_acme: Cast) -> None:
    plan = gold(make.api("orders"), "published")
    rejected = make.subscription(to=plan, status="rejected")
    plans.close(Plan.objects.get(pk=plan.pk), by=in_acme.pam)
    with pytest.raises(NotAllowed, match="The plan gold was closed meanwhile, so this decision stands."):
        subscriptions.undo(rejected, by=in_acme.ada)
    assert not Subscription.objects.open().exists()


def test_what_waited_under_a_closed_plan_is_not_approved_any_more(in_acme: Cast) -> None:
    plan = gold(make.api("orders"), "published")
    waits = make.subscription(to=plan, status="pending")
    stale = Subscription.objects.get(pk=waits.pk)
    plans.close(plan, reason=WHY, by=in_acme.pam)
    with pytest.raises(NotAllowed, match="Someone else has just changed this subscription."):
        subscriptions.approve(stale, by=in_acme.ada)
    waits.refresh_from_db()
    with pytest.raises(NotAllowed, match="This subscription is cancelled"):
        subscriptions.approve(waits, by=in_acme.ada)


def test_who_had_it_asks_again_under_another(in_acme: Cast) -> None:
    plan = gold(make.api("orders"), "published")
    held = make.subscription(to=plan, of=make.application(in_acme.carl))
    plans.close(plan, reason=WHY, by=in_acme.pam)
    silver = make.plan(plan.api, name="silver")
    again, _ = subscriptions.request(held.application, api=plan.api, plan=silver, purpose="x", by=in_acme.carl)
    assert again.status == "pending"


def test_closing_over_rest_asks_for_a_reason_where_something_is_open(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        held = make.subscription(to=gold(make.api("orders"), "published"))
    at = f"{base(cast.acme)}/apis/orders/plans/gold/close/"
    answer = rest(cast.pam).post(at, {}, format="json")
    assert (answer.status_code, answer.json()["errors"]) == (422, {"reason": ["Say why: those whose subscriptions end read it."]})
    assert rest(cast.pam).post(at, {"reason": WHY}, format="json").json()["status"] == "closed"
    with tenant_scope(cast.acme.pk):
        held.refresh_from_db()
        assert (held.status, held.reason) == ("cancelled", WHY)


def test_a_plan_includes_what_the_api_has_of_scopes_and_nothing_else(in_acme: Cast, rest: Rest) -> None:
    api = make.api("orders", content=make.SCOPED)
    with pytest.raises(Invalid) as refused:
        plans.create(api, name="gold", calls=1, seconds=1, approval="manual", scopes=["orders:delete"], by=in_acme.pam)
    assert refused.value.problems == {"scopes": ["No operation of Orders needs the scope “orders:delete”."]}
    plan = plans.create(
        api, name="gold", calls=1, seconds=1, approval="manual", scopes=["orders:write", "orders:read", "orders:read"], by=in_acme.pam
    )
    assert plan.scopes == ["orders:read", "orders:write"]
    assert plan.terms.endswith("; scopes: orders:read, orders:write")
    assert plans.change_terms(plan, scopes=["orders:write", "orders:read"], by=in_acme.pam) is None
    event = plans.change_terms(plan, scopes=["orders:read"], by=in_acme.pam)
    assert event is not None
    assert (event.data["was"], event.data["now"]) == ({"scopes": ["orders:read", "orders:write"]}, {"scopes": ["orders:read"]})
    at = f"{base(in_acme.acme)}/apis/orders/plans/gold/"
    pam = rest(in_acme.pam)
    assert pam.get(at).json()["scopes"] == ["orders:read"]
    wrong = pam.patch(at, {"scopes": ["nothing"]}, format="json")
    assert (wrong.status_code, list(wrong.json()["errors"])) == (422, ["scopes"])
    assert pam.patch(at, {"scopes": []}, format="json").json()["scopes"] == []
