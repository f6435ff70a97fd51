"""Money and tokens in the words of pages and mails."""

from decimal import Decimal
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apis import budgets
from portal.usage_words import NONE


def money(amount: int, currency: str) -> str:
    """“USD 12.50”, “USD 0.004200”: of little, more digits."""
    return _money(budgets.units(amount), currency)


def money_of(plain: str | None, currency: str) -> str:
    """The same of what an event or an answer has."""
    return _money(Decimal(plain or 0), currency)


def _money(units: Decimal, currency: str) -> str:
    digits = 2 if units >= 1 or not units else 4 if units >= Decimal("0.01") else 6
    return _("%(currency)s %(amount)s") % {"currency": currency, "amount": number_format(units, digits, force_grouping=True)}


def tokens(many: int) -> str:
    return ngettext("%(many)s token", "%(many)s tokens", many) % {"many": number_format(many, force_grouping=True)}


def cost(figures: Any) -> str:
    """Of a report's figures: “USD 12.50”, “EUR 3.00 · USD 12.50”; a dash where nothing has a price."""
    return " · ".join(money(amount, currency) for currency, amount in figures.amounts.items()) or NONE
