"""Every step in the life of a plan, and every one that there is none, by actions and over REST."""

import re
from typing import Any

import pytest

from apis.actions import plans
from apis.models import Plan
from portal.settings import BASE_DIR
from tenants import events, lifecycle
from tenants.errors import NotAllowed
from tenants.models import Event, Role
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base
from tests.plan_life import CHANGING, REFUSED, STEPS, WAYS, WHO, gold
from tests.steps import Step, named

Status = Plan.Status
PAIRS = [(was, now) for was in Status.values for now in Status.values if (was, now) not in Plan.STEPS]


def now(plan: Plan) -> str:
    return Plan.objects.values_list("status", flat=True).get(pk=plan.pk)


# --- the table -------------------------------------------------------------------------------------------------------


def test_the_table_is_the_diagram_of_the_code() -> None:
    assert {(step.was, step.now): step.verb for step in STEPS} == dict(Plan.STEPS)
    assert len(STEPS) == len(Plan.STEPS)


def test_the_table_is_what_the_documentation_says() -> None:
    text = (BASE_DIR / "docs/plans.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \|.*\| (.*?) \|$", text, re.MULTILINE)
    assert {was: set(re.findall(r"`(\w+)`", leads)) for was, leads in rows} == {
        state: {step.now for step in STEPS if step.was == state} for state in Status.values
    }


# --- actions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", STEPS, ids=named)
def test_pam_takes_each_step(in_acme: Cast, step: Step) -> None:
    plan = gold(make.api("orders"), step.was)
    event = WAYS[step.way].act(plan, in_acme.pam)
    assert (event.kind, event.data["was"], event.actor_id) == (f"plan.{step.verb}", step.was, in_acme.pam.pk)
    assert plan.status == now(plan) == step.now


@pytest.mark.parametrize(("way", "state"), REFUSED)
def test_no_action_goes_another_way(in_acme: Cast, way: str, state: str) -> None:
    plan = gold(make.api("orders"), state)
    before = Event.objects.count()
    with pytest.raises(NotAllowed):
        WAYS[way].act(plan, in_acme.pam)
    assert (now(plan), Event.objects.count()) == (state, before)


@pytest.mark.parametrize(("was", "to"), PAIRS)
def test_no_two_other_states_are_joined(in_acme: Cast, was: str, to: str) -> None:
    """Whatever an action may try: the states that it asks for are compared with the diagram once more."""
    plan = gold(make.api("orders"), was)
    events.lock()
    with pytest.raises(NotAllowed, match="so it can't become"):
        lifecycle.move(plan, to, by=in_acme.pam)
    assert now(plan) == was


@pytest.mark.parametrize("state", Status.values)
def test_what_it_allows_is_changed_until_it_is_closed(in_acme: Cast, state: str) -> None:
    plan = gold(make.api("orders"), state)
    before = Event.objects.count()
    if state in CHANGING:
        event = plans.change_terms(plan, calls=5, by=in_acme.pam)
        assert event is not None
        assert (event.kind, event.data["was"], event.data["now"]) == (
            "plan.changed",
            {"calls": 60, "seconds": 60},
            {"calls": 5, "seconds": 60},
        )
    else:
        with pytest.raises(NotAllowed, match="The plan gold is closed, so what it allows can't be changed."):
            plans.change_terms(plan, calls=5, by=in_acme.pam)
        assert Event.objects.count() == before
    plan.refresh_from_db()
    assert (plan.calls, plan.status) == (5 if state in CHANGING else 60, state)


@pytest.mark.parametrize("state", Status.values)
def test_a_name_is_given_once_whatever_became_of_it(in_acme: Cast, state: str) -> None:
    of = make.api("orders")
    gold(of, state)
    with pytest.raises(NotAllowed, match="Orders has a plan “gold” already."):
        plans.create(of, name="gold", calls=1, seconds=1, approval="manual", by=in_acme.pam)


# --- REST ------------------------------------------------------------------------------------------------------------

GOLD = "apis/orders/plans/gold/"


def at(cast: Cast, way: str = "") -> str:
    return f"{base(cast.acme)}/{GOLD}{way and f'{way}/'}"


def orders_gold(cast: Cast, state: str) -> Plan:
    with tenant_scope(cast.acme.pk):
        return gold(make.api("orders"), state)


@pytest.mark.parametrize("step", STEPS, ids=named)
def test_pam_takes_each_step_over_rest(cast: Cast, rest: Rest, step: Step) -> None:
    orders_gold(cast, step.was)
    answer = rest(cast.pam).post(at(cast, step.way), WAYS[step.way].given, format="json")
    assert answer.status_code == 200, answer.content
    assert (answer.json()["status"], bool(answer.json()["receipt"])) == (step.now, True)
    with tenant_scope(cast.acme.pk):
        assert Event.objects.order_by("-number")[0].kind == f"plan.{step.verb}"


@pytest.mark.parametrize(("way", "state"), REFUSED)
def test_rest_goes_no_other_way(cast: Cast, rest: Rest, way: str, state: str) -> None:
    plan = orders_gold(cast, state)
    answer = rest(cast.pam).post(at(cast, way), WAYS[way].given, format="json")
    assert (answer.status_code, bool(answer.json()["detail"])) == (409, True)
    with tenant_scope(cast.acme.pk):
        assert now(plan) == state


@pytest.mark.parametrize("state", Status.values)
def test_what_it_allows_is_changed_over_rest(cast: Cast, rest: Rest, state: str) -> None:
    plan = orders_gold(cast, state)
    answer = rest(cast.pam).patch(at(cast), {"calls": 5, "approval": "automatic"}, format="json")
    assert answer.status_code == (200 if state in CHANGING else 409), answer.content
    if state in CHANGING:
        found = answer.json()
        assert (found["calls"], found["seconds"], found["approval"], found["status"]) == (5, 60, "automatic", state)
        assert found["receipt"].endswith(f"/receipts/{found['event']}/")
        again = rest(cast.pam).patch(at(cast), {"calls": 5}, format="json")
        assert (again.status_code, "event" in again.json()) == (200, False), "nothing differs"
    with tenant_scope(cast.acme.pk):
        assert Event.objects.filter(kind="plan.changed", subject_id=plan.pk).count() == (state in CHANGING)


@pytest.mark.parametrize("step", STEPS, ids=named)
def test_only_who_publishes_takes_a_step_over_rest(cast: Cast, rest: Rest, step: Step) -> None:
    plan, given = orders_gold(cast, step.was), WAYS[step.way].given
    for role in set(Role.values) - WHO:
        answer = rest(make.member(cast.acme, None, role)).post(at(cast, step.way), given, format="json")
        assert answer.status_code == 403, role
    assert rest(cast.eve).post(at(cast, step.way), given, format="json").status_code == 404
    with tenant_scope(cast.acme.pk):
        assert now(plan) == step.was
    assert rest(cast.ada).post(at(cast, step.way), given, format="json").status_code == 200


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"calls": 0}, "calls"), ({"calls": -1}, "calls"), ({"calls": 10**12}, "calls"), ({"calls": None}, "calls"),
        ({"seconds": 86_401}, "seconds"), ({"approval": "maybe"}, "approval"), ({"name": "silver"}, "name"),
        ({"status": "closed"}, "status"),
    ],
)  # fmt: skip
def test_what_can_not_be_is_said_at_its_field_and_changes_nothing(cast: Cast, rest: Rest, given: dict[str, Any], field: str) -> None:
    plan = orders_gold(cast, "published")
    answer = rest(cast.pam).patch(at(cast), given, format="json")
    assert (answer.status_code, [*answer.json()["errors"]]) == (422, [field]), answer.content
    with tenant_scope(cast.acme.pk):
        plan.refresh_from_db()
        assert (plan.calls, plan.seconds, plan.approval, plan.status) == (60, 60, "manual", "published")


def test_carl_changes_no_plan_and_eve_finds_none(cast: Cast, rest: Rest) -> None:
    plan = orders_gold(cast, "published")
    assert rest(cast.carl).patch(at(cast), {"calls": 1}, format="json").status_code == 403
    for method in ("get", "patch"):
        assert getattr(rest(cast.eve), method)(at(cast), {"calls": 1}, format="json").status_code == 404
    with tenant_scope(cast.acme.pk):
        plan.refresh_from_db()
        assert plan.calls == 60


def test_the_list_of_plans_says_how_they_stand_and_carl_sees_what_is_his(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        orders = make.api("orders")
        plans.create(orders, name="draft", calls=1, seconds=1, approval="manual", by=None)
        make.plan(orders, name="open")
        for name in ("his", "foreign"):
            going = make.plan(orders, name=name)
            make.subscription(of=make.application(cast.carl if name == "his" else make.member(cast.acme)), to=going)
            plans.deprecate(going, reason="A test.", by=cast.pam)
        plans.close(make.plan(orders, name="over"), by=cast.pam)
    listed = f"{base(cast.acme)}/apis/orders/plans/"

    def seen(who: Any, query: str = "") -> dict[str, str]:
        return {row["name"]: row["status"] for row in rest(who).get(f"{listed}{query}").json()["results"]}

    assert seen(cast.pam) == {"draft": "staging", "open": "published", "his": "deprecated", "foreign": "deprecated", "over": "closed"}
    assert seen(cast.carl) == {"open": "published", "his": "deprecated"}
    assert seen(cast.pam, "?status=deprecated") == {"his": "deprecated", "foreign": "deprecated"}
    assert rest(cast.pam).get(f"{listed}?status=nonsense").status_code == 422
    assert rest(cast.carl).get(f"{listed}foreign/").status_code == 404
    assert rest(cast.carl).get(f"{listed}his/").json()["reason"] == "A test."
    assert rest(cast.eve).get(listed).status_code == 404
