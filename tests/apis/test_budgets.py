"""What is spent of a budget for models, who hears of it when, what gateways get, and what people make of it."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db.models import F
from django.utils import timezone

from apis import budgets as pure
from apis.actions import budgets, plans, subscriptions
from apis.budgets import MILLION, MOST_AMOUNT, MOST_TOKENS, Budget
from apis.models import BUDGETS_KEPT, Api, BudgetUse, Subscription, TenantBudget
from apis.quotas import span
from gateway import desired
from gateway.envoy.state import Grant
from tenants import due, events
from tenants.errors import Invalid, NotAllowed
from tenants.models import Due, Event, Role
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast

_days = count(40)
WHY = "Their sale begins today."
ALL = (budgets.WARNED, budgets.PASSED, budgets.RESET, budgets.TOPPED_UP)
TENANTS = (budgets.ALL_WARNED, budgets.ALL_PASSED, budgets.ALL_RESET, budgets.ALL_CHANGED)
# A thousand tokens, or half a dollar a day.
TERMS: dict[str, Any] = {"budget_tokens": 1_000, "budget_amount": MILLION // 2, "budget_period": "day"}


@pytest.fixture
def held(in_acme: Cast) -> Subscription:
    return make.subscription(of=make.application(in_acme.carl, name="Shop"), to=make.plan(ai("ai"), name="gold", **TERMS))


def ai(slug: str) -> Api:
    """What it offers is of no matter here."""
    made = make.api(slug)
    Api.objects.filter(pk=made.pk).update(kind=Api.Kind.AI)
    made.refresh_from_db()
    return made


def spent(
    held: Subscription, tokens: int = 0, amount: int = 0, *, at: datetime | None = None, currency: str = "USD", unpriced: int = 0
) -> None:
    found = budgets.Spent(held.pk, at or timezone.now(), currency, tokens, amount, 1 if amount else 0, unpriced)
    if crossing := budgets.add([found]):
        budgets.tell(held.owning_tenant, crossing)


def grant(held: Subscription) -> Grant:
    (found,) = [each for each in desired._access().grants if each.subscription == str(held.pk)]
    return found


def standing(held: Subscription) -> budgets.Standing:
    found = budgets.standing(Subscription.objects.for_list().get(pk=held.pk))
    assert found is not None
    return found


def told(*kinds: str) -> list[str]:
    return list(Event.objects.filter(kind__in=kinds or ALL).order_by("number").values_list("kind", flat=True))


def period_ends() -> None:
    """The clock moved: the periods that now are have ended."""
    back = timedelta(days=next(_days))
    BudgetUse.objects.at(timezone.now()).update(starts=F("starts") - back, ends=F("ends") - back)


def turned() -> datetime | None:
    events.lock()
    return budgets.turn()


# --- what is pure ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("12.5", 12_500_000),
        ("0.000001", 1),
        ("1e3", 1_000 * MILLION),
        ("1000000000", MOST_AMOUNT),
        ("0", None),
        ("-1", None),
        ("0.0000001", None),
        ("1000000000.000001", None),
        ("1e30", None),
        ("nan", None),
        ("inf", None),
        ("", None),
        ("USD 5", None),
        ("5\0", None),
    ],
)
def test_amounts_are_read_in_whole_millionths(text: str, amount: int | None) -> None:
    assert pure.read(text) == amount
    if amount:
        assert pure.read(pure.plain(amount) or "") == amount


@pytest.mark.parametrize(
    ("tokens", "amount", "used", "spent_", "percent"),
    [
        (100, None, (99, 10**9), False, 99),
        (100, None, (100, 0), True, 100),
        (None, 100, (10**9, 99), False, 99),
        (None, 100, (0, 101), True, 100),
        (100, 100, (50, 100), True, 100),
        (100, 100, (79, 80), False, 80),
        (None, None, (10**9, 10**9), False, 0),
    ],
)
def test_a_budget_is_spent_by_whichever_end_comes_first(
    tokens: int | None, amount: int | None, used: tuple[int, int], spent_: bool, percent: int
) -> None:
    budget = Budget(tokens, amount, "USD", "day", "UTC")
    assert (budget.is_spent(*used), budget.percent(*used)) == (spent_, percent)


@pytest.mark.parametrize(
    ("at", "period", "zone", "ends"),
    [
        ("2026-01-31T22:59", "month", "Europe/Berlin", "2026-01-31T23:00"),
        ("2026-01-31T23:00", "month", "Europe/Berlin", "2026-02-28T23:00"),
        # A leap year's February, and one that is none.
        ("2028-02-10T00:00", "month", "UTC", "2028-03-01T00:00"),
        ("2028-02-28T12:00", "day", "UTC", "2028-02-29T00:00"),
        ("2028-02-29T12:00", "day", "UTC", "2028-03-01T00:00"),
        ("2100-02-28T12:00", "day", "UTC", "2100-03-01T00:00"),
        ("2026-12-31T23:59", "month", "UTC", "2027-01-01T00:00"),
        # Days of 23 and of 25 hours, and the months that have them.
        ("2026-03-28T23:00", "day", "Europe/Berlin", "2026-03-29T22:00"),
        ("2026-10-24T22:00", "day", "Europe/Berlin", "2026-10-25T23:00"),
        ("2026-10-25T22:59", "day", "Europe/Berlin", "2026-10-25T23:00"),
        ("2026-03-15T00:00", "month", "America/New_York", "2026-04-01T04:00"),
        ("2026-11-15T00:00", "month", "America/New_York", "2026-12-01T05:00"),
        # A midnight that clocks skip: the day begins at one.
        ("2026-09-05T12:00", "day", "America/Santiago", "2026-09-06T04:00"),
    ],
)
def test_a_period_ends_at_midnight_there(held: Subscription, at: str, period: str, zone: str, ends: str) -> None:
    plans.change_terms(held.plan, budget_period=period, budget_time_zone=zone, by=None)
    moment, end = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (at, ends))
    spent(held, 7, at=moment)
    # The last minute of it, and the first of the next.
    spent(held, 11, at=end - timedelta(minutes=1))
    spent(held, 13, at=end)
    uses = BudgetUse.objects.filter(application=held.application_id).order_by("starts")
    assert [(each.tokens, each.ends == end, each.starts == end) for each in uses] == [(18, True, False), (13, False, True)]
    assert (uses[0].ends - uses[0].starts).days <= 31
    assert end.astimezone(ZoneInfo(zone)).hour in {0, 1}


# --- counting --------------------------------------------------------------------------------------------------------


def test_what_is_spent_adds_up_by_period_for_the_subscription_and_the_tenant(held: Subscription) -> None:
    now = timezone.now()
    spent(held, 300, 100_000)
    spent(held, 200, 50_000, unpriced=1)
    spent(held, 900, 0, at=now - timedelta(days=2))
    found = standing(held)
    assert (found.tokens, found.amount, found.unpriced, found.percent, found.is_passed) == (500, 150_000, 1, 50, False)
    assert found.resets_at == span(now, "day", "UTC")[1]
    # The tenant's are months.
    assert budgets.tenants_standing().tokens in {500, 1_400}


def test_what_costs_in_another_currency_counts_by_its_tokens_alone(held: Subscription) -> None:
    spent(held, 100, 400_000, currency="EUR")
    found = standing(held)
    assert (found.tokens, found.amount, found.unpriced) == (100, 0, 1)


def test_without_a_budget_it_is_counted_and_bounds_nothing(in_acme: Cast) -> None:
    held = make.subscription(to=make.plan(ai("ai")))
    spent(held, 10**9, 10**9)
    assert budgets.standing(held) is None
    assert (grant(held).refusal, told()) == ("", [])
    plans.change_terms(held.plan, budget_tokens=10**9, by=None)
    assert (grant(held).refusal, told()) == ("BUDGET_EXCEEDED", [budgets.PASSED])


def test_who_asks_again_goes_on_with_the_same_count(held: Subscription, in_acme: Cast) -> None:
    spent(held, 1_000)
    subscriptions.cancel(held, by=in_acme.carl)
    again = make.subscription(of=held.application, to=held.plan)
    assert grant(again).refusal == "BUDGET_EXCEEDED"


# --- what follows ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tokens", "amount"), [(1_000, 0), (0, MILLION // 2), (5_000, 10 * MILLION)])
def test_a_budget_that_is_spent_is_refused_until_it_begins_anew(held: Subscription, tokens: int, amount: int) -> None:
    spent(held, tokens or 1, amount)
    found = grant(held)
    assert (found.refusal, found.until) == ("BUDGET_EXCEEDED", int(standing(held).resets_at.timestamp()))
    assert (told(), standing(held).is_passed) == ([budgets.PASSED], True)
    # More of the same says nothing more.
    spent(held, 10, 10)
    assert told() == [budgets.PASSED]
    event = Event.objects.get(kind=budgets.PASSED)
    assert (event.data["budget_tokens"], event.data["budget_amount"], event.data["api"]) == (1_000, "0.5", "ai")
    period_ends()
    assert turned() is not None
    assert (grant(held).refusal, told()) == ("", [budgets.PASSED, budgets.RESET])
    assert (turned() is not None, told()) == (True, [budgets.PASSED, budgets.RESET])


def test_most_of_it_is_said_once_and_refuses_nothing(held: Subscription) -> None:
    spent(held, 799)
    assert told() == []
    spent(held, 1)
    spent(held, 1)
    assert (told(), grant(held).refusal) == ([budgets.WARNED], "")
    assert Event.objects.get(kind=budgets.WARNED).data["percent"] == 80


def test_how_much_is_most_of_it_is_the_plans_to_say(held: Subscription) -> None:
    plans.change_terms(held.plan, budget_soft_percent=50, by=None)
    spent(held, 500)
    assert (told(), Event.objects.get(kind=budgets.WARNED).data["percent"]) == ([budgets.WARNED], 50)


def test_the_job_says_what_a_process_had_no_time_to_say(held: Subscription) -> None:
    assert budgets.add([budgets.Spent(held.pk, timezone.now(), "USD", 1_000, 0, 0, 0)])
    assert (told(), grant(held).refusal) == ([], "")
    assert due.is_expected(budgets.JOB)
    turned()
    assert (told(), grant(held).refusal) == ([budgets.PASSED], "BUDGET_EXCEEDED")


def test_the_job_serves_two_tenants_and_twice_is_once(cast: Cast) -> None:
    for tenant in (cast.acme, cast.globex):
        with tenant_scope(tenant.pk):
            owner = make.member(tenant, f"dora@{tenant.slug}.example")
            held = make.subscription(of=make.application(owner), to=make.plan(ai("ai"), **TERMS))
            budgets.add([budgets.Spent(held.pk, timezone.now(), "USD", 1_000, 0, 0, 0)])
            Due.objects.filter(job=budgets.JOB).update(at=timezone.now() - timedelta(days=1))
    assert due.run(budgets.JOB, budgets.turn) == 2
    assert due.run(budgets.JOB, budgets.turn) == 0
    for tenant in (cast.acme, cast.globex):
        with tenant_scope(tenant.pk):
            assert told() == [budgets.PASSED]


def test_periods_long_past_are_forgotten(held: Subscription) -> None:
    spent(held, 1, at=timezone.now() - BUDGETS_KEPT - timedelta(days=40))
    spent(held, 1)
    turned()
    assert BudgetUse.objects.filter(application=held.application_id).count() == 1


# --- what people make of it ------------------------------------------------------------------------------------------


def test_another_budget_holds_at_once(held: Subscription) -> None:
    spent(held, 500)
    plans.change_terms(held.plan, budget_tokens=500, by=None)
    assert grant(held).refusal == "BUDGET_EXCEEDED"
    plans.change_terms(held.plan, budget_tokens=501, by=None)
    assert grant(held).refusal == ""
    plans.change_terms(held.plan, budget_tokens=400, by=None)
    assert grant(held).refusal == "BUDGET_EXCEEDED"
    plans.change_terms(held.plan, budget_tokens=None, by=None)
    assert grant(held).refusal == ""
    # The other end of it still is one.
    assert standing(held).budget.amount == MILLION // 2


def test_what_a_plan_says_of_its_budget_is_written_down(in_acme: Cast) -> None:
    plan = make.plan(ai("ai"), **TERMS)
    assert Event.objects.filter(kind="plan.created").order_by("-number")[0].data["budget_amount"] == "0.5"
    event = plans.change_terms(plan, budget_amount=2 * MILLION, by=in_acme.pam)
    assert event is not None
    assert (event.data["was"]["budget_amount"], event.data["now"]["budget_amount"]) == ("0.5", "2")
    assert "calls" not in event.data["now"]
    assert plans.change_terms(plan, budget_amount=2 * MILLION, by=in_acme.pam) is None


def test_of_a_plan_without_a_budget_nothing_of_one_is_changed(in_acme: Cast) -> None:
    plan = make.plan()
    assert plans.change_terms(plan, budget_period="day", budget_currency="EUR", by=in_acme.pam) is None


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"budget_tokens": 0}, "budget_tokens"),
        ({"budget_tokens": -5}, "budget_tokens"),
        ({"budget_tokens": MOST_TOKENS + 1}, "budget_tokens"),
        ({"budget_amount": 0}, "budget_amount"),
        ({"budget_amount": MOST_AMOUNT + 1}, "budget_amount"),
        ({"budget_tokens": 5, "budget_currency": "usd"}, "budget_currency"),
        ({"budget_tokens": 5, "budget_currency": ""}, "budget_currency"),
        ({"budget_tokens": 5, "budget_period": "week"}, "budget_period"),
        ({"budget_tokens": 5, "budget_time_zone": "Mars/Base"}, "budget_time_zone"),
        ({"budget_tokens": 5, "budget_soft_percent": 0}, "budget_soft_percent"),
        ({"budget_tokens": 5, "budget_soft_percent": 100}, "budget_soft_percent"),
    ],
)
def test_what_is_no_budget_is_refused(in_acme: Cast, given: dict[str, Any], field: str) -> None:
    plan = make.plan(ai("ai"), **TERMS)
    for act in (lambda: make.plan(plan.api, **given), lambda: plans.change_terms(plan, **given, by=None)):
        with pytest.raises(Invalid) as refused:
            act()
        assert list(refused.value.problems) == [field]


def test_an_approver_adds_for_this_period_alone(held: Subscription, in_acme: Cast) -> None:
    spent(held, 1_000)
    event = budgets.top_up(held, tokens=500, reason=WHY, by=in_acme.ada)
    assert (event.data["tokens"], event.data["budget_tokens"], event.data["reason"]) == (500, 1_500, WHY)
    assert grant(held).refusal == ""
    spent(held, 500)
    assert (grant(held).refusal, told()) == ("BUDGET_EXCEEDED", [budgets.PASSED, budgets.TOPPED_UP, budgets.PASSED])
    period_ends()
    turned()
    assert standing(held).budget.tokens == 1_000


def test_nobody_adds_to_their_own_nor_where_there_is_no_end(held: Subscription, in_acme: Cast) -> None:
    with pytest.raises(NotAllowed):
        budgets.top_up(held, tokens=5, reason=WHY, by=in_acme.carl)
    for given, field in (({}, "tokens"), ({"tokens": -1}, "tokens"), ({"tokens": MOST_TOKENS + 1}, "tokens"), ({"amount": -1}, "amount")):
        with pytest.raises(Invalid) as refused:
            budgets.top_up(held, **given, reason=WHY, by=in_acme.ada)
        assert list(refused.value.problems) == [field]
    plans.change_terms(held.plan, budget_amount=None, by=None)
    with pytest.raises(Invalid) as refused:
        budgets.top_up(held, amount=5, reason=WHY, by=in_acme.ada)
    assert list(refused.value.problems) == ["amount"]
    with pytest.raises(NotAllowed, match="than a budget may be"):
        budgets.top_up(held, tokens=MOST_TOKENS, reason=WHY, by=in_acme.ada)
    with pytest.raises(NotAllowed, match="has no budget"):
        budgets.top_up(make.subscription(), tokens=5, reason=WHY, by=in_acme.ada)


# --- the tenant's own ------------------------------------------------------------------------------------------------


def test_the_tenants_budget_stops_all_its_ai_apis_and_no_other(held: Subscription, in_acme: Cast) -> None:
    other = make.subscription(of=held.application, to=make.plan(ai("second-ai")))
    rest = make.subscription(of=held.application)
    budgets.set_tenants(given={"tokens": 600}, by=in_acme.ada)
    spent(other, 500)
    assert told(*TENANTS) == [budgets.ALL_CHANGED, budgets.ALL_WARNED]
    spent(held, 100)
    assert told(*TENANTS) == [budgets.ALL_CHANGED, budgets.ALL_WARNED, budgets.ALL_PASSED]
    assert [grant(each).refusal for each in (held, other, rest)] == ["BUDGET_EXCEEDED", "BUDGET_EXCEEDED", ""]
    assert grant(held).until == int(budgets.tenants_standing().resets_at.timestamp())
    budgets.set_tenants(given={"tokens": 700}, by=in_acme.ada)
    assert grant(held).refusal == ""
    spent(held, 100)
    assert grant(held).refusal == "BUDGET_EXCEEDED"
    period_ends()
    turned()
    assert (grant(held).refusal, told(*TENANTS)[-1]) == ("", budgets.ALL_RESET)


def test_who_tries_a_revision_spends_of_the_tenants(held: Subscription, in_acme: Cast) -> None:
    budgets.set_tenants(given={"amount": 100}, by=in_acme.ada)
    assert budgets.add([budgets.Spent(None, timezone.now(), "USD", 10, 100, 1, 0)])
    turned()
    assert budgets.tenants_standing().is_passed


def test_the_tenants_budget_changes_at_once_and_says_what_it_was(held: Subscription, in_acme: Cast) -> None:
    spent(held, 300)
    event = budgets.set_tenants(given={"tokens": 300, "amount": 5 * MILLION, "soft_percent": 90}, by=in_acme.ada)
    assert event is not None
    assert (event.data["now"]["tokens"], event.data["now"]["amount"], event.data["was"]["tokens"]) == (300, "5", None)
    assert grant(held).refusal == "BUDGET_EXCEEDED"
    assert budgets.set_tenants(given={"tokens": 300}, by=in_acme.ada) is None
    budgets.set_tenants(given={"tokens": None, "amount": None}, by=in_acme.ada)
    assert grant(held).refusal == ""
    assert budgets.set_tenants(given={"period": "day"}, by=in_acme.ada) is None
    assert TenantBudget.objects.count() == 1


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"tokens": 0}, "tokens"),
        ({"amount": 0}, "amount"),
        ({"tokens": MOST_TOKENS + 1}, "tokens"),
        ({"currency": "US"}, "currency"),
        ({"period": "year"}, "period"),
        ({"time_zone": "Nowhere"}, "time_zone"),
        ({"soft_percent": 100}, "soft_percent"),
    ],
)
def test_what_is_no_budget_of_a_tenant_is_refused(in_acme: Cast, given: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        budgets.set_tenants(given={"tokens": 5, **given}, by=in_acme.ada)
    assert list(refused.value.problems) == [field]


def test_a_plan_of_calls_has_no_budget(in_acme: Cast) -> None:
    plan = make.plan()
    for act in (lambda: make.plan(plan.api, budget_tokens=5), lambda: plans.change_terms(plan, budget_tokens=5, by=None)):
        with pytest.raises(Invalid, match="no AI API") as refused:
            act()
        assert list(refused.value.problems) == ["budget_tokens"]


def test_what_a_tenant_spends_is_its_own(held: Subscription, in_acme: Cast) -> None:
    budgets.set_tenants(given={"tokens": 5}, by=in_acme.ada)
    spent(held, 5)
    with tenant_scope(in_acme.globex.pk):
        assert (budgets.tenants_standing().tokens, BudgetUse.objects.count(), TenantBudget.objects.count()) == (0, 0, 0)
        assert make.somebody(Role.ADMIN)
