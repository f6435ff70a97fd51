"""Budgets: how many tokens, or how much money, may be spent on models in a period. Money is counted in whole millionths."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

MILLION = 1_000_000
MOST_TOKENS = 10**15
# A thousand millions of a currency.
MOST_AMOUNT = 10**9 * MILLION
CURRENCY = "USD"
SOFT_PERCENT = 80
SOFT_PERCENTS = (1, 99)
DIGITS = 6


@dataclass(frozen=True, slots=True)
class Budget:
    """None for no end. Of what is spent in another currency nobody knows what it comes to: it counts by its tokens alone."""

    tokens: int | None
    amount: int | None
    currency: str
    period: str
    time_zone: str
    soft_percent: int = SOFT_PERCENT

    @property
    def is_set(self) -> bool:
        return self.tokens is not None or self.amount is not None

    @property
    def key(self) -> tuple[str, str, str]:
        """What is counted together."""
        return self.period, self.time_zone, self.currency

    def more(self, tokens: int, amount: int) -> "Budget":
        """With so much more of each that it bounds."""
        return Budget(
            None if self.tokens is None else self.tokens + tokens,
            None if self.amount is None else self.amount + amount,
            self.currency,
            self.period,
            self.time_zone,
            self.soft_percent,
        )

    def is_spent(self, tokens: int, amount: int) -> bool:
        return (self.tokens is not None and tokens >= self.tokens) or (self.amount is not None and amount >= self.amount)

    def percent(self, tokens: int, amount: int) -> int:
        """Of whichever is used up further; rounded down, and at most 100."""
        shares = [used * 100 // limit for used, limit in ((tokens, self.tokens), (amount, self.amount)) if limit]
        return min(max(shares, default=0), 100)


def millionths(units: Decimal) -> int:
    return int(units * MILLION)


def units(amount: int) -> Decimal:
    return Decimal(amount) / MILLION


def plain(amount: int | None) -> str | None:
    """As programs read it: 12500000 is 12.5."""
    return None if amount is None else f"{units(amount).normalize():f}"


def read(text: str) -> int | None:
    """None where it is no amount of at least a millionth and within bounds."""
    try:
        given = Decimal(text)
    except InvalidOperation:
        return None
    if not given.is_finite() or -given.as_tuple().exponent > DIGITS or not 0 < given <= MOST_AMOUNT // MILLION:  # type: ignore[operator]
        return None
    return millionths(given)
