"""How many of a plan's calls come at once, and how many calls an API takes of all callers: who says so, and what is refused."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from apis.actions import drafts, plans
from apis.actions.policies import change_policies
from apis.models import Plan
from gateway import desired
from portal import words
from tenants.errors import Invalid
from tenants.models import Event
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast, Rest, base

AT_ONCE = "The plan allows 60 calls in all, so no more can come at once."


def changes() -> list[dict[str, Any]]:
    return list(Event.objects.filter(kind="plan.changed").order_by("number").values_list("data", flat=True))


def test_all_calls_may_come_at_once_unless_somebody_says_otherwise(in_acme: Cast) -> None:
    plan = make.plan(make.api("orders"), name="gold", calls=60, seconds=60)
    make.subscription(status="active", to=plan)
    assert plan.burst is None
    assert plan.terms == "60 calls a minute"
    assert [each.burst for each in desired._access().grants] == [0]
    plans.change_terms(plan, burst=10, by=in_acme.pam)
    assert plan.terms == "60 calls a minute, at most 10 at once"
    assert [each.burst for each in desired._access().grants] == [10]
    assert plans.change_terms(plan, burst=10, by=in_acme.pam) is None
    plans.change_terms(plan, burst=0, by=in_acme.pam)
    plan.refresh_from_db()
    assert plan.burst is None


def test_the_audit_tells_the_limit_with_its_burst(in_acme: Cast) -> None:
    plan = make.plan(make.api("orders"), name="gold", calls=60, seconds=60)
    plans.change_terms(plan, burst=10, by=in_acme.pam)
    plans.change_terms(plan, calls=120, by=in_acme.pam)
    assert [(words.limit(each["was"]), words.limit(each["now"])) for each in changes()] == [
        ("60 calls a minute", "60 calls a minute, at most 10 at once"),
        ("60 calls a minute, at most 10 at once", "120 calls a minute, at most 10 at once"),
    ]


def test_no_more_come_at_once_than_in_all(in_acme: Cast) -> None:
    api = make.api("orders")
    with pytest.raises(Invalid) as refused:
        plans.create(api, name="gold", calls=60, seconds=60, burst=61, approval="manual", by=None)
    assert refused.value.problems == {"burst": [AT_ONCE]}
    plan = plans.create(api, name="gold", calls=60, seconds=60, burst=60, approval="manual", by=None)
    assert plan.terms == "60 calls a minute"
    wrong: list[dict[str, Any]] = [{"burst": 61}, {"calls": 59}]
    for given in wrong:
        with pytest.raises(Invalid):
            plans.change_terms(plan, **given, by=None)
    plan.refresh_from_db()
    assert (plan.calls, plan.burst) == (60, 60)
    with pytest.raises(IntegrityError), transaction.atomic():
        Plan.objects.filter(pk=plan.pk).update(burst=61)


def test_a_first_plan_has_it_as_well() -> None:
    assert drafts.Terms(name="gold", calls=60, seconds=60, approval="manual", burst=5).burst == 5


def test_over_rest(cast: Cast, rest: Rest) -> None:
    with tenant_scope(cast.acme.pk):
        make.api("orders")
    at = f"{base(cast.acme)}/apis/orders/plans/"
    pam = rest(cast.pam)
    told = {"name": "gold", "calls": 60, "seconds": 60, "burst": 10}
    assert pam.post(at, told).json()["burst"] == 10
    assert pam.patch(f"{at}gold/", {"seconds": 30}).json()["burst"] == 10
    for wrong in (0, -1, 10**7, "many", 1.5, True):
        assert pam.patch(f"{at}gold/", {"burst": wrong}).status_code == 422, wrong
    refused = pam.patch(f"{at}gold/", {"burst": 61})
    assert (refused.status_code, refused.json()["errors"]) == (422, {"burst": [AT_ONCE]})
    assert pam.patch(f"{at}gold/", {"burst": None}).json()["burst"] is None
    assert rest(cast.eve).patch(f"{at}gold/", {"burst": 5}).status_code == 404
    assert rest(cast.carl).patch(f"{at}gold/", {"burst": 5}).status_code == 403


# --- an API's ceiling ------------------------------------------------------------------------------------------------


def test_routes_that_are_held_take_no_more_than_todays_ceiling(in_acme: Cast) -> None:
    """A gateway that refuses what is new goes on with routes that it took, within what Pam says today."""
    api = make.api("orders")
    before = desired.live()
    change_policies(api, given={"max_calls": 5, "max_calls_seconds": 60}, by=in_acme.pam)
    for ref in (before, desired.live()):
        held = [each.policies for each in desired._routes(ref)]
        assert [(each.max_calls, each.max_calls_seconds) for each in held] == [(5, 60)]
