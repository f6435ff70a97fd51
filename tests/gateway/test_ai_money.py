"""Tokens, money and keys' states, as a real gateway tells of them: counted within seconds, refused when spent, and back again."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from apis.actions import budgets, key_states, plans, provider_models
from apis.models import BudgetUse, Plan, ProviderKey, Subscription
from gateway import explaining
from gateway.models import Refusal, TokenMinute, UsageMinute
from tenants import due, events
from tenants.roles import permissions_of
from tests import live, make
from tests.gateway.ai import CHAT, MESSAGES, Provider, stream
from tests.live import Answer, Client, Gateway, Shop, Upstream, eventually

pytestmark = pytest.mark.usefixtures("gateway")
ASKED: dict[str, Any] = {"model": "fast", "messages": [{"role": "user", "content": "hello"}]}
_State = ProviderKey.State


@dataclass
class World:
    """“fast” is answered by the first, and if it does not by the second."""

    gateway: Gateway
    shop: Shop
    first: Provider
    second: Provider
    plan: Plan
    client: Client

    def call(self, path: str = CHAT, **body: Any) -> Answer:
        return self.gateway.call(self.at(path), self.client.token(), **_sent(body))

    def at(self, path: str = CHAT) -> str:
        return self.shop.path(path, api="llm")

    def refuses(self) -> None:
        self.gateway.settles(429, "BUDGET_EXCEEDED", self.at(), self.client.token(), **_sent({}))

    @property
    def held(self) -> Subscription:
        assert self.client.subscription is not None
        return self.client.subscription

    def key(self, slug: str) -> ProviderKey:
        with self.shop.scope():
            return ProviderKey.objects.select_related("provider").get(provider__slug=slug)

    def rows(self) -> dict[tuple[str, str], tuple[int, ...]]:
        """By who answered and as what: answers, tokens in and out and of them cached, what it cost, and what was missing."""
        names = ("calls", "input", "output", "cached", "amount", "missing")
        with self.shop.scope():
            found = TokenMinute.objects.values_list("provider", "model", *names)
            sums: dict[tuple[str, str], tuple[int, ...]] = {}
            for provider, model, *many in found:
                held = sums.get((provider, model), (0,) * len(names))
                sums[provider, model] = tuple(one + other for one, other in zip(held, many, strict=True))
        return sums

    def standing(self) -> budgets.Standing:
        with self.shop.scope():
            found = budgets.standing(Subscription.objects.for_list().get(pk=self.held.pk))
        assert found is not None
        return found


def _sent(body: dict[str, Any]) -> dict[str, Any]:
    content = json.dumps({**ASKED, **body}).encode()
    headers = (("content-type", "application/json"),)
    return {"method": "POST", "body": content, "headers": headers}


@pytest.fixture
def providers() -> Iterator[tuple[Provider, Provider]]:
    both = Provider("first"), Provider("second")
    yield both
    for each in both:
        each.stop()


@pytest.fixture
def world(gateway: Gateway, upstream: Upstream, providers: tuple[Provider, Provider]) -> World:
    shop, (first, second) = live.shop(upstream, api=False), providers
    with shop.scope():
        pam = make.somebody("publisher")
        for slug, server in (("first", first), ("second", second)):
            made = make.provider(slug, kind="litellm", url=f"http://127.0.0.1:{server.port}", by=pam)
            make.provider_key(made, by=pam)
            given = {"name": "gpt-4o", "input": Decimal(1), "output": Decimal(4), "cached": Decimal("0.5"), "currency": "USD"}
            provider_models.add(made, given=given, by=pam)
        make.alias("fast", "first/gpt-4o", "second/gpt-4o", by=pam)
        api = make.ai_api("llm", "fast", by=pam)
        shop.apis["llm"] = api
        plan = make.plan(api, name="gold", calls=100_000, seconds=600)
    client = shop.client(plan=plan)
    shop.enforced_newest()
    gateway.loads(shop.slug)
    return World(gateway, shop, first, second, plan, client)


def test_tokens_and_cost_stand_in_the_tables_within_five_seconds(world: World) -> None:
    for _ in range(3):
        assert world.call().status == 200
    began = time.monotonic()
    # Of each 25 in, of them 10 cached, and 7 out: 15 + 5 + 28 millionths.
    eventually(lambda: _same(world.rows(), {("first", "gpt-4o"): (3, 75, 21, 30, 3 * 48, 0)}))
    assert time.monotonic() - began < 5
    with world.shop.scope():
        row = TokenMinute.objects.all()[0]
        assert (row.asked, row.plan, row.subscription, row.application) == ("fast", "gold", world.held.pk, world.client.application.pk)
    eventually(lambda: _same(_calls(world), 3))


def _calls(world: World) -> int:
    with world.shop.scope():
        return sum(UsageMinute.objects.filter(operation="chatCompletions").values_list("calls", flat=True))


def _same(found: Any, wanted: Any) -> bool:
    assert found == wanted
    return True


def test_streams_and_anthropics_answers_are_counted_once_each(world: World) -> None:
    told = stream(world.gateway.port, world.at(), {**ASKED, "stream": True}, world.client.token())
    assert b"[DONE]" in told.whole
    assert world.call(MESSAGES, max_tokens=50).status == 200
    # 25 + 10 read + 3 written of Anthropic, of which 10 are cached.
    eventually(lambda: _same(world.rows(), {("first", "gpt-4o"): (2, 63, 14, 20, 48 + 28 + 5 + 28, 0)}))


def test_what_the_second_answered_is_the_seconds(world: World) -> None:
    world.first.does = "500"
    assert world.call().status == 200
    eventually(lambda: _same(world.rows(), {("second", "gpt-4o"): (1, 25, 7, 10, 48, 0)}))


def test_a_spent_budget_refuses_until_it_begins_anew(world: World) -> None:
    shop = world.shop
    shop.does(plans.change_terms, world.plan, budget_tokens=100, budget_period="day", by=None)
    shop.enforced_newest()
    passed = 0
    for _ in range(300):
        answer = world.call()
        if answer.status != 200:
            break
        passed += 1
        time.sleep(0.05)
    assert (answer.status, answer.code, answer.json["error"]["code"]) == (429, "BUDGET_EXCEEDED", "BUDGET_EXCEEDED")
    assert passed >= 4
    eventually(lambda: _same(world.standing().tokens, passed * 32))
    found = world.standing()
    assert found.is_passed
    assert parsedate_to_datetime(answer.headers["retry-after"]) == found.resets_at
    assert answer.headers["x-should-retry"] == "false"
    with shop.scope():
        refusals = Refusal.objects.filter(code="BUDGET_EXCEEDED").order_by("pk")
        eventually(refusals.exists)
        found_why = explaining.explain(refusals[0], user=make.somebody("admin"), permissions=permissions_of(["admin"]))
    assert "The plan gold lets 100 tokens be spent until" in found_why.fact
    assert f"that was spent: {passed * 32} tokens by now." in found_why.fact
    assert found_why.event is not None
    assert found_why.event.kind == "budget.passed"
    before = len(world.first.seen)
    assert world.call().status == 429
    assert len(world.first.seen) == before
    # An approver lets more be spent; then the clock moves on.
    with shop.scope():
        ada = make.somebody("approver")
    shop.enforced(shop.does(budgets.top_up, world.held, tokens=10_000, reason="A test.", by=ada))
    assert world.call().status == 200
    shop.does(plans.change_terms, world.plan, budget_tokens=10, by=None)
    shop.enforced_newest()
    with shop.scope():
        BudgetUse.objects.update(more_tokens=0)
    shop.does(_turn)
    world.refuses()
    # Counted later, what passed would be of the period that begins.
    eventually(lambda: _same(world.standing().tokens, 32 * len(world.first.seen)))
    with shop.scope():
        BudgetUse.objects.update(starts=F("starts") - timedelta(days=3), ends=F("ends") - timedelta(days=3))
        due.expect(budgets.JOB, timezone.now() - timedelta(seconds=1))
    assert due.run(budgets.JOB, budgets.turn) >= 1
    (reset,) = shop.events("budget.reset")
    shop.enforced(reset)
    assert world.call().status == 200


def _turn() -> None:
    events.lock()
    budgets.turn()


def test_a_budget_that_is_spent_in_the_middle_of_a_stream_lets_it_end(world: World) -> None:
    shop = world.shop
    shop.does(plans.change_terms, world.plan, budget_tokens=32, budget_period="day", by=None)
    shop.enforced_newest()
    world.first.pause, world.first.words = 0.5, 12
    ended: list[bytes] = []

    # A thread of its own would have a connection of its own.
    token = world.client.token()

    def stay() -> None:
        ended.append(stream(world.gateway.port, world.at(), {**ASKED, "stream": True}, token).whole)

    thread = threading.Thread(target=stay)
    thread.start()
    time.sleep(0.5)
    assert world.call().status == 200
    world.refuses()
    assert not ended
    thread.join(20)
    assert b"[DONE]" in ended[0]
    # What it took counts as well: one more than what was answered meanwhile.
    eventually(lambda: _same(world.standing().tokens, 32 * len(world.first.seen)))


def test_the_tenants_budget_refuses_all_its_ai_apis(world: World) -> None:
    shop = world.shop
    with shop.scope():
        admin = make.somebody("admin")
    assert world.call().status == 200
    eventually(lambda: _same(len(world.rows()), 1))
    shop.does(budgets.set_tenants, given={"tokens": 32}, by=admin)
    shop.enforced_newest()
    assert world.call().code == "BUDGET_EXCEEDED"
    shop.does(budgets.set_tenants, given={"tokens": None}, by=admin)
    shop.enforced_newest()
    assert world.call().status == 200


def test_a_refused_key_is_out_and_nobodys_call_fails(world: World) -> None:
    _past(world, "first")
    world.first.does = "401"
    assert [world.call().status for _ in range(3)] == [200] * 3
    eventually(lambda: _same(world.key("first").state, _State.REFUSED))
    assert world.key("first").answered == 401
    world.shop.enforced_newest()
    before = len(world.first.seen)
    assert [world.call().status for _ in range(3)] == [200] * 3
    assert len(world.first.seen) == before


def test_a_key_that_is_used_up_rests_as_its_provider_says_and_comes_back(world: World) -> None:
    _past(world, "first")
    world.first.does = "429"
    assert world.call().status == 200
    eventually(lambda: _same(world.key("first").state, _State.EXHAUSTED))
    key = world.key("first")
    # The provider said 7 seconds.
    assert key.state_until is not None
    assert (key.state_until - key.state_since).total_seconds() == 30
    world.first.does = "ok"
    with world.shop.scope():
        ProviderKey.objects.filter(pk=key.pk).update(state_until=timezone.now() - timedelta(seconds=1))
        due.expect(key_states.JOB, timezone.now() - timedelta(seconds=1))
    assert due.run(key_states.JOB, key_states.turn) >= 1
    world.shop.enforced_newest()
    before = len(world.first.seen)
    assert world.call().status == 200
    assert len(world.first.seen) == before + 1


def test_five_failures_take_a_key_out_of_the_order(world: World) -> None:
    _past(world, "first")
    world.first.does = "503"
    assert [world.call().status for _ in range(5)] == [200] * 5
    eventually(lambda: _same(world.key("first").state, _State.FAILING))
    assert (world.key("first").answered, world.key("second").state) == (503, _State.ON)


def test_web_pages_take_a_key_out_as_well_and_nobodys_call_fails(world: World) -> None:
    """They come with status 200, and callers get the second one's answer."""
    _past(world, "first")
    world.first.does = "html"
    assert [world.call().status for _ in range(5)] == [200] * 5
    eventually(lambda: _same(world.key("first").state, _State.FAILING))
    key = world.key("first")
    assert (key.state_reason, key.answered, world.key("second").state) == ("html", None, _State.ON)
    world.shop.enforced_newest()
    before = len(world.first.seen)
    assert world.call().status == 200
    assert len(world.first.seen) == before


def _past(world: World, slug: str) -> None:
    """It was made a while ago: a key changes once in ten seconds at most."""
    with world.shop.scope():
        ProviderKey.objects.filter(provider__slug=slug).update(state_since=timezone.now() - timedelta(hours=1))
