"""What answers of models cost: as access logs tell it, in memory, in the tables by the price that was in force, and added to budgets."""

from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError
from django.utils import timezone
from envoy.service.accesslog.v3 import als_pb2
from google.protobuf import wrappers_pb2

from apis.actions import provider_models
from apis.models import BudgetUse, FormerPrice, ModelAlias, ProviderKey, ProviderModel, Subscription
from gateway.envoy.names import MODEL, RBAC, USED
from gateway.models import TokenDay, TokenHour, TokenMinute, UsageMinute
from gateway.usage import bounded, rolling, tokens
from gateway.usage.calls import read
from gateway.usage.process import Usage
from gateway.usage.spent import MOST_TOKENS, key_of
from gateway.usage.tokens import Kind, Price, Tokens
from tenants import due
from tenants.models import TenantSettings
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast
from tests.gateway.test_usage import a_call

AT = datetime(2026, 8, 6, tzinfo=UTC)
KEY = UUID(int=77)
SAID: dict[str, float] = {"input": 100, "output": 20}


def answered(
    said: dict[str, float] | None = SAID,
    *,
    model: str = "openai/gpt-4o-mini",
    key: object = KEY,
    grant: str = "",
    spoken: str = "openai",
    **call: Any,
) -> Any:
    """A call that a provider's key answered, and what it said of tokens."""
    found = a_call(route="op/chatCompletions", **call)
    common = found.common_properties
    common.upstream_cluster = f"acme/ai/{key}/{spoken}/0123456789abcdef"
    common.filter_state_objects[MODEL].Pack(wrappers_pb2.StringValue(value=model))
    if said is not None:
        common.metadata.filter_metadata[USED].update(said)
    if grant:
        common.metadata.filter_metadata[RBAC].update(
            {"grant_enforced_effective_policy_id": grant, "plan_enforced_effective_policy_id": "gold"}
        )
    return found


def taken(*entries: Any) -> Usage:
    process, message = Usage(), als_pb2.StreamAccessLogsMessage()
    message.http_logs.log_entry.extend(entries)
    process.take(message, "gateway-1")
    return process


def kind(minute: int, **told: Any) -> Kind:
    of = {"slug": "acme", "api": "ai", "client_id": "", "grant": "", "plan": "", "asked": "openai/gpt-4o-mini", "key": ""}
    return Kind(minute, **{**of, **told})


# --- what an entry says ----------------------------------------------------------------------------------------------


def test_an_answer_says_what_it_took() -> None:
    spent = read(answered({"input": 100, "output": 20, "cached": 60, "reasoning": 5, "seen": 1})).spent
    assert spent is not None
    assert spent == ("openai/gpt-4o-mini", str(KEY), 100, 20, 60, 5, True)


def test_what_anthropic_remembers_is_part_of_what_came_in() -> None:
    spent = read(answered({"input": 10, "output": 3, "cache_read": 900, "cache_write": 90}, spoken="anthropic")).spent
    assert spent is not None
    assert (spent.input, spent.cached, spent.output) == (1_000, 900, 3)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (None, (0, 0, 0, 0, False)),
        ({"seen": 1}, (0, 0, 0, 0, False)),
        ({"input": -5, "output": float("nan")}, (0, 0, 0, 0, True)),
        ({"input": 1e300, "output": float("inf"), "cached": 1e301}, (MOST_TOKENS, MOST_TOKENS, MOST_TOKENS, 0, True)),
        ({"input": 5, "output": 2, "cached": 50, "reasoning": 9}, (5, 2, 5, 2, True)),
        ({"input": 2.9, "output": 0}, (2, 0, 0, 0, True)),
    ],
)
def test_no_number_of_a_providers_is_believed_further_than_it_can_be(said: Any, told: tuple[Any, ...]) -> None:
    spent = read(answered(said)).spent
    assert spent is not None
    assert (spent.input, spent.output, spent.cached, spent.reasoning, spent.told) == told


@pytest.mark.parametrize("status", [0, 400, 401, 429, 500])
def test_what_a_provider_refused_costs_nothing(status: int) -> None:
    assert read(answered(status=status)).spent is None


@pytest.mark.parametrize(
    ("cluster", "key"),
    [
        ("acme/ai/k/openai/d", "k"), ("acme/ai/k", "k"), ("acme/ai/", ""), ("acme/0123/ai/k", ""), ("acme/0123", ""), ("", ""),
        (f"acme/ai/{'k' * 90}/openai", "k" * 40),
    ],
)  # fmt: skip
def test_only_a_providers_cluster_names_a_key(cluster: str, key: str) -> None:
    assert key_of(cluster) == key
    entry = answered()
    entry.common_properties.upstream_cluster = cluster
    assert (read(entry).spent is not None) == bool(key)


def test_a_call_of_an_ordinary_api_spends_nothing_whatever_it_says() -> None:
    entry = answered()
    entry.common_properties.upstream_cluster = "acme/0123456789abcdef"
    process = taken(entry)
    assert (process._tokens.kinds, len(process._minutes.kinds)) == ({}, 1)


# --- in memory -------------------------------------------------------------------------------------------------------


def test_answers_of_one_kind_are_one_count() -> None:
    process = taken(answered(), answered(), answered(None), answered(model="fast"))
    counts = {each.asked: many for each, many in process._tokens.kinds.items()}
    assert counts == {"openai/gpt-4o-mini": [3, 1, 200, 40, 0, 0], "fast": [1, 0, 100, 20, 0, 0]}
    # And each is a call as any other.
    assert sum(many[0] for many in process._minutes.kinds.values()) == 4


def test_too_many_models_are_counted_together_and_their_budget_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "MOST_OF_A_TENANT", 2)
    kinds = taken(*(answered(model=f"m{number}", grant=str(UUID(int=1))) for number in range(6)))._tokens.kinds
    assert Counter(each.asked for each in kinds) == {"m0": 1, "m1": 1, "*": 1}
    assert [(each.grant, many[0]) for each, many in kinds.items() if each.asked == "*"] == [(str(UUID(int=1)), 4)]


# --- what it costs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prices", "tokens_", "cost"),
    [
        ((Decimal("0.15"), Decimal("0.6"), None), (1_000_000, 1_000_000, 0), 750_000),
        ((Decimal("0.15"), Decimal("0.6"), Decimal("0.075")), (1_000, 0, 400), 120),
        # Where nothing is known of what is remembered, it costs as the rest.
        ((Decimal("0.15"), Decimal("0.6"), None), (1_000, 0, 400), 150),
        ((Decimal(0), Decimal(0), None), (10**9, 10**9, 0), 0),
        # An embedding has no output, so no price of it is needed.
        ((Decimal("0.02"), None, None), (1_000, 0, 0), 20),
        ((Decimal("0.02"), None, None), (1_000, 1, 0), None),
        ((None, None, None), (1, 0, 0), None),
        ((None, None, None), (0, 0, 0), 0),
        ((Decimal(100_000), Decimal(100_000), None), (MOST_TOKENS, MOST_TOKENS, 0), 2 * 10**14),
    ],
)
def test_what_tokens_cost(prices: Any, tokens_: tuple[int, int, int], cost: int | None) -> None:
    given, made, cached = prices
    assert Price(AT, given, made, cached, "USD").of(*tokens_) == cost


@pytest.fixture
def now() -> int:
    """This minute, in which days have partitions."""
    return int(datetime.now(UTC).timestamp() // 60)


@pytest.fixture
def held(in_acme: Cast) -> Subscription:
    return make.subscription(of=make.application(in_acme.carl, name="Shop"), to=make.plan(make.api("ai"), name="gold"))


@pytest.fixture
def key(held: Subscription, in_acme: Cast) -> ProviderKey:
    """Of a provider whose gpt-4o-mini costs 1 USD a million tokens in, and 4 out."""
    provider = make.provider()
    model = provider.models.get(name="gpt-4o-mini")
    provider_models.change(
        model, given={"input": Decimal(1), "output": Decimal(4), "cached": Decimal("0.5"), "currency": "USD"}, by=in_acme.pam
    )
    # It has been in force for long.
    ProviderModel.objects.update(prices_since=timezone.now() - timedelta(days=5))
    FormerPrice.objects.all().delete()
    return make.provider_key(provider)


def test_names_become_ids_and_tokens_money(held: Subscription, key: ProviderKey, now: int) -> None:
    told = {"client_id": held.application.client_id, "grant": str(held.pk), "plan": "gold", "key": str(key.pk)}
    found = tokens.write({kind(now, **told): [3, 1, 2_000, 500, 1_000, 7], kind(now, **told, api="gone"): [1, 0, 1, 1, 0, 0]})
    assert (found.waiting, found.lost) == ({}, 0)
    row = TokenMinute.objects.get(api=held.api_id)
    assert (row.application, row.subscription, row.plan) == (held.application_id, held.pk, "gold")
    assert (row.asked, row.provider, row.model, row.currency) == ("openai/gpt-4o-mini", "openai", "gpt-4o-mini", "USD")
    assert (row.calls, row.missing, row.unpriced, row.input, row.output, row.cached, row.reasoning) == (3, 1, 0, 2_000, 500, 1_000, 7)
    # 1,000 at 1, 1,000 remembered at 0.5, 500 at 4.
    assert row.amount == 1_000 + 500 + 2_000
    assert TokenMinute.objects.get(api=None).calls == 1


def test_what_is_written_twice_adds_up(held: Subscription, key: ProviderKey, now: int) -> None:
    for _ in range(2):
        tokens.write({kind(now, key=str(key.pk)): [1, 0, 10, 5, 0, 0]})
    row = TokenMinute.objects.get()
    assert (row.calls, row.input, row.output, row.amount) == (2, 20, 10, 60)


def test_each_minute_has_the_price_that_was_in_force(held: Subscription, key: ProviderKey, now: int, in_acme: Cast) -> None:
    provider_models.change(key.provider.models.get(name="gpt-4o-mini"), given={"input": Decimal(3)}, by=in_acme.pam)
    for at in (now - 1, now + 1):
        tokens.write({kind(at, key=str(key.pk)): [1, 0, 1_000, 0, 0, 0]})
    assert list(TokenMinute.objects.order_by("at").values_list("amount", flat=True)) == [1_000, 3_000]


def test_what_has_no_price_is_said_and_costs_nothing(held: Subscription, key: ProviderKey, now: int) -> None:
    ProviderModel.objects.update(output=None)
    tokens.write({kind(now, key=str(key.pk)): [3, 1, 10, 5, 0, 0], kind(now, key=str(uuid4())): [2, 0, 10, 5, 0, 0]})
    rows = TokenMinute.objects.order_by("-provider").values_list("provider", "model", "currency", "amount", "missing", "unpriced")
    assert list(rows) == [("openai", "gpt-4o-mini", "", 0, 1, 2), ("", "", "", 0, 0, 2)]


def test_an_alias_is_what_the_provider_that_answered_calls_it(held: Subscription, key: ProviderKey, now: int) -> None:
    ModelAlias.objects.create(
        name="fast", targets=[{"provider": "other", "model": "large"}, {"provider": "openai", "model": "gpt-4o-mini"}]
    )
    tokens.write({kind(now, asked="fast", key=str(key.pk)): [1, 0, 1_000, 0, 0, 0]})
    row = TokenMinute.objects.get()
    assert (row.asked, row.provider, row.model, row.amount) == ("fast", "openai", "gpt-4o-mini", 1_000)


def test_another_tenants_key_is_nobodys(held: Subscription, now: int, cast: Cast) -> None:
    with tenant_scope(cast.globex.pk):
        theirs = make.provider_key(make.provider("theirs"))
    tokens.write({kind(now, key=str(theirs.pk)): [1, 0, 10, 5, 0, 0]})
    assert TokenMinute.objects.get().provider == ""
    with tenant_scope(cast.globex.pk):
        assert not TokenMinute.objects.exists()


# --- from the log into tables and budgets ----------------------------------------------------------------------------


def entries_of(held: Subscription, key: ProviderKey, many: int, *, path: str = "/acme/ai/v1/chat/completions") -> list[Any]:
    found = [answered(key=key.pk, grant=str(held.pk)) for _ in range(many)]
    for each in found:
        each.common_properties.filter_state_objects["portico.path"].Pack(wrappers_pb2.StringValue(value=path))
    return found


@pytest.fixture
def in_this_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process's own has a connection of its own, which sees nothing of the test's."""

    async def asked(_self: Usage, work: Any, given: Any) -> Any:
        return work(given)

    monkeypatch.setattr(Usage, "_ask", asked)


def flush(process: Usage) -> None:
    """It waits for nothing, so it needs no loop: a loop's connection is another."""
    with suppress(StopIteration):
        process.flush().send(None)


@pytest.mark.usefixtures("in_this_thread")
def test_what_a_gateway_tells_stands_in_tables_and_budgets(held: Subscription, key: ProviderKey) -> None:
    process = taken(*entries_of(held, key, 4))
    flush(process)
    row = TokenMinute.objects.get()
    assert (row.api, row.subscription, row.calls, row.input, row.output, row.amount) == (held.api_id, held.pk, 4, 400, 80, 720)
    assert UsageMinute.objects.get().calls == 4
    used = {each.application_id: (each.tokens, each.amount, each.unpriced) for each in BudgetUse.objects.all()}
    assert used == {held.application_id: (480, 720, 0), None: (480, 720, 0)}


@pytest.mark.usefixtures("in_this_thread")
def test_while_postgresql_is_away_tokens_wait_and_count_once(held: Subscription, key: ProviderKey, monkeypatch: pytest.MonkeyPatch) -> None:
    process = taken(*entries_of(held, key, 2))
    with monkeypatch.context() as away:
        away.setattr("gateway.usage.writing.tenants_of", lambda _slugs: (_ for _ in ()).throw(OperationalError("gone")))
        flush(process)
    assert (process._tokens.held_back, process._tokens.waiting) == (True, 2)
    flush(process)
    flush(process)
    assert TokenMinute.objects.get().calls == 2
    assert BudgetUse.objects.get(application=None).tokens == 240


def test_what_budgets_would_not_have_is_not_in_the_tables_either(
    held: Subscription, key: ProviderKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_spent: Any) -> list[UUID]:
        raise ValueError("no")

    monkeypatch.setattr("gateway.usage.tokens.budgets.add", broken)
    found = tokens.write(taken(*entries_of(held, key, 2))._tokens.take())
    assert (found.lost, TokenMinute.objects.count()) == (2, 0)


# --- minutes, hours, days --------------------------------------------------------------------------------------------

NOON = (timezone.now().astimezone(UTC) - timedelta(days=3)).replace(hour=12, minute=0, second=0, microsecond=0)


def spent(at: datetime, many: int = 10, **key: Any) -> None:
    with tenant_scope(key.pop("tenant")):
        make.answers(many, at=at, **key)
        hour = at.replace(minute=0)
        rolling.open_hours([hour])
        due.expect(rolling.JOB, hour + rolling.AFTER)


def test_tokens_become_hours_and_days_beside_calls(cast: Cast) -> None:
    for at in (NOON, NOON + timedelta(minutes=59), NOON + timedelta(hours=1)):
        spent(at, tenant=cast.acme.pk, asked="fast")
    spent(NOON, 7, tenant=cast.globex.pk)
    assert rolling.roll_up_all() == 3
    assert rolling.roll_up_all() == 0
    with tenant_scope(cast.acme.pk):
        assert sorted(TokenHour.objects.values_list("calls", "asked")) == [(10, "fast"), (20, "fast")]
        day = TokenDay.objects.get()
        assert (day.calls, day.input, day.output, day.amount) == (30, 3_000, 600, 4_500)
    with tenant_scope(cast.globex.pk):
        assert TokenDay.objects.get().calls == 7


def test_what_a_tenant_keeps_no_longer_is_deleted(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        TenantSettings.objects.update(usage_minutes_days=2, usage_days=10)
        for of, back in ((TokenMinute, 3), (TokenMinute, 1), (TokenHour, 11), (TokenHour, 3), (TokenDay, 11), (TokenDay, 3)):
            make.answers(of=of, at=timezone.now() - timedelta(days=back))
        due.expect(rolling.PRUNE_JOB, NOON)
    assert rolling.prune_all() == 3
    with tenant_scope(cast.acme.pk):
        assert [of.objects.count() for of in (TokenMinute, TokenHour, TokenDay)] == [1, 1, 1]


def test_tokens_are_of_one_tenant(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        make.answers()
    with tenant_scope(cast.globex.pk):
        assert not TokenMinute.objects.exists()


def test_kinds_wait_within_bounds() -> None:
    found = Tokens()
    found.add(read(answered()), 1)
    waiting = found.take()
    found.add(read(answered()), 1)
    found.give_back(waiting)
    assert (found.waiting, found.held_back) == (2, True)
