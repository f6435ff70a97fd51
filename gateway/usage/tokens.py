"""The tokens of answers: counted in memory by minutes, and written with what they cost by the price that was in force then."""

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from apis.actions import budgets
from apis.models import Api, FormerPrice, ModelAlias, ProviderKey, ProviderModel
from gateway.models import OTHER_OPERATIONS
from gateway.usage import tables
from gateway.usage.bounded import Bounded, Counts
from gateway.usage.calls import Call, uuid_of
from gateway.usage.tables import Row, Rows
from gateway.usage.writing import Way, Written, plan_of, start, write_by
from keys.models import Application


class Kind(NamedTuple):
    """What answers have in common, as gateways tell it. `minute`: since 1970. `key`: the id of the provider's key."""

    minute: int
    slug: str
    api: str
    client_id: str
    grant: str
    plan: str
    asked: str
    key: str


# Of a kind: calls, those of which nothing was told, and the tokens.
CALLS, MISSING, INPUT, OUTPUT, CACHED, REASONING = range(6)


class Tokens(Bounded[Kind]):
    width = 6

    def add(self, call: Call, minute: int) -> None:
        if call.spent is None:
            return
        model, key, given, made, cached, reasoning, told = call.spent
        kind = Kind(minute, call.slug, call.api, call.client_id, call.grant, call.plan, model, key)
        counts = self.kinds.get(kind)
        if counts is None:
            counts = self.begun(kind)
        counts[CALLS] += 1
        counts[MISSING] += not told
        counts[INPUT] += given
        counts[OUTPUT] += made
        counts[CACHED] += cached
        counts[REASONING] += reasoning

    def other(self, kind: Kind) -> Kind:
        """One of its subscription and key: budgets and providers still know of it."""
        return kind._replace(asked=OTHER_OPERATIONS)


def write(kinds: dict[Kind, Counts]) -> Written[Kind]:
    return write_by(SPENT, kinds)


def _rows_of(kinds: dict[Kind, Counts]) -> tuple[Rows, set[tuple[str, str, str]]]:
    apis = dict(Api.objects.filter(slug__in={kind.api for kind in kinds}).values_list("slug", "pk"))
    clients = {kind.client_id for kind in kinds if kind.client_id}
    applications = dict(Application.objects.filter(client_id__in=clients).values_list("client_id", "pk"))
    keys = {pk for kind in kinds if (pk := uuid_of(kind.key))}
    providers = {str(pk): slug for pk, slug in ProviderKey.objects.filter(pk__in=keys).values_list("pk", "provider__slug")}
    names = _names({kind.asked for kind in kinds})
    prices = Prices(providers.values())
    rows: Rows = {}
    for kind, counts in kinds.items():
        at, provider = start(kind), providers.get(kind.key, "")
        model = names(kind.asked, provider)
        price = prices.at(provider, model, at)
        amount = price.of(counts[INPUT], counts[OUTPUT], counts[CACHED]) if price else None
        told = counts[CALLS] - counts[MISSING]
        row: Row = (
            at,
            apis.get(kind.api),
            applications.get(kind.client_id),
            uuid_of(kind.grant),
            plan_of(kind.plan),
            kind.asked,
            provider,
            model,
            price.currency if price and amount is not None else "",
        )
        tokens = (counts[INPUT], counts[OUTPUT], counts[CACHED], counts[REASONING])
        sums = [counts[CALLS], *tokens, amount or 0, counts[MISSING], 0 if amount is not None else told]
        held = rows.get(row)
        rows[row] = sums if held is None else [one + other for one, other in zip(held, sums, strict=True)]
    return rows, set()


def _names(asked: Iterable[str]) -> Callable[[str, str], str]:
    """What the model that was asked for is called at the provider that answered; "" where that is not known."""
    told = ModelAlias.objects.filter(name__in=sorted(set(asked))).values_list("name", "targets")
    aliases = {alias: {each["provider"]: each["model"] for each in targets} for alias, targets in told}

    def name(asked: str, provider: str) -> str:
        if asked in aliases:
            return aliases[asked].get(provider, "")[:120]
        first, _, rest = asked.partition("/")
        return rest[:120] if rest and first == provider else ""

    return name


class Price(NamedTuple):
    """Of a million tokens; None where it is not known."""

    since: datetime
    input: Decimal | None
    output: Decimal | None
    cached: Decimal | None
    currency: str

    def of(self, given: int, made: int, cached: int) -> int | None:
        """What so many tokens cost, in millionths; None where a price is missing that is needed."""
        for_cached = self.cached if self.cached is not None else self.input
        parts = ((given - cached, self.input), (cached, for_cached), (made, self.output))
        if any(many and price is None for many, price in parts):
            return None
        return round(sum((many * price for many, price in parts if price is not None), Decimal()))


class Prices:
    """Of the models of some providers of the tenant in scope, as they were and as they are. In two queries."""

    def __init__(self, providers: Iterable[str]) -> None:
        told = ("input", "output", "cached", "currency")
        of = sorted(set(providers))
        rows: list[Any] = []
        if of:
            former = FormerPrice.objects.filter(model__provider__slug__in=of)
            rows += former.values_list("model__provider__slug", "model__name", "since", *told)
            rows += ProviderModel.objects.filter(provider__slug__in=of).values_list("provider__slug", "name", "prices_since", *told)
        self._of: dict[tuple[str, str], list[Price]] = {}
        for provider, model, *price in rows:
            self._of.setdefault((provider, model), []).append(Price(*price))
        for prices in self._of.values():
            prices.sort(key=lambda each: each.since)

    def at(self, provider: str, model: str, when: datetime) -> Price | None:
        """The price that was in force; of a minute before the first one, that."""
        prices = self._of.get((provider, model), [])
        return next((each for each in reversed(prices) if each.since <= when), prices[0] if prices else None)


def _beside(tenant_id: UUID, rows: Rows) -> Callable[[], None]:
    """What was spent is added to budgets where it is written, so that both say the same."""
    spent = []
    for row, (calls, given, made, _cached, _reasoning, amount, missing, unpriced) in rows.items():
        priced = calls - missing - unpriced
        spent.append(budgets.Spent(row[3], row[0], row[8], given + made, amount, priced, unpriced))
    crossing = budgets.add(spent)
    return lambda: budgets.tell(tenant_id, crossing) if crossing else None


SPENT: Way[Kind] = Way(tables.TOKENS, _rows_of, _beside)
