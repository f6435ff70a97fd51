"""The kinds of providers: where each is reached, what it speaks, and what its models cost. providers.json beside this, as dataclasses."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from apis import headers

FORMATS = ("openai", "anthropic")
# What a header's value has in the place of the key.
KEY = "{key}"
MOST_PREFIX = 200
MOST_VALUE = 80
MOST_CONTEXT = 100_000_000
# Per million tokens, and so many digits behind the point.
MOST_PRICE = Decimal(100_000)
PRICE_DIGITS = 6
CURRENCY = re.compile(r"[A-Z]{3}")
MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,119}")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")


def _(sentence: str) -> str:
    """Marks a sentence for translation; whoever catches the refusal translates it."""
    return sentence


class CatalogueRefused(ValueError):  # noqa: N818  (reads as the sentence it is)
    """Something that no provider could be reached by, or no model be priced by, in a sentence."""

    def __init__(self, sentence: str, **named: object) -> None:
        super().__init__(sentence % named)
        self.sentence, self.named = sentence, named


@dataclass(frozen=True, slots=True)
class Dialect:
    """One format that a provider speaks: below `prefix`, with the key in `header`.

    `include_usage`: whether streams of chat are asked for their usage, which a few servers refuse; without it their tokens are not counted.
    """

    format: str
    prefix: str
    header: str
    value: str
    include_usage: bool = True

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Dialect":
        return cls(told["format"], told["prefix"], told["header"], told["value"], told.get("include_usage", True))

    @property
    def told(self) -> dict[str, Any]:
        plain = {"format": self.format, "prefix": self.prefix, "header": self.header, "value": self.value}
        return {**plain, "include_usage": self.include_usage}

    def headers(self, key: str) -> dict[str, str]:
        """What each call needs to be let in."""
        own = {"anthropic-version": "2023-06-01"} if self.format == "anthropic" else {}
        return {**own, self.header: self.value.replace(KEY, key)}


@dataclass(frozen=True, slots=True)
class Model:
    """`input`, `output` and `cached`: what a million of such tokens cost; None where that is not known."""

    name: str
    context: int | None
    input: Decimal | None
    output: Decimal | None
    cached: Decimal | None


@dataclass(frozen=True, slots=True)
class Kind:
    """`url` is "" where every customer has another. `source`: whose page says all this."""

    key: str
    name: str
    url: str
    source: str
    dialects: tuple[Dialect, ...]
    models: tuple[Model, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """`as_of`: when prices were written down."""

    as_of: date
    currency: str
    kinds: tuple[Kind, ...]

    def kind(self, key: str) -> Kind | None:
        return next((each for each in self.kinds if each.key == key), None)


@cache
def catalogue() -> Catalogue:
    return read(Path(__file__).with_name("providers.json").read_text())


def read(text: str) -> Catalogue:
    """
    :raises CatalogueRefused, KeyError, ValueError: what can't be used in it.
    """
    told = json.loads(text)
    kinds = tuple(_kind(each) for each in told["kinds"])
    _once(each.key for each in kinds)
    if not CURRENCY.fullmatch(told["currency"]):
        raise CatalogueRefused(_("A currency has three capital letters, such as USD."))
    return Catalogue(date.fromisoformat(told["as_of"]), told["currency"], kinds)


def _kind(told: Mapping[str, Any]) -> Kind:
    models = tuple(_model(each) for each in told["models"])
    _once(each.name for each in models)
    for url in filter(None, (told["url"], told["source"])):
        if urlsplit(url).scheme != "https" or not urlsplit(url).hostname:
            raise CatalogueRefused("%(url)s is no address.", url=url)
    return Kind(told["key"], told["name"], told["url"], told["source"], check_dialects(told["dialects"]), models)


def _model(told: Mapping[str, Any]) -> Model:
    check_model(told["name"])
    return Model(told["name"], told["context"], *(_price(told[each]) for each in ("input", "output", "cached")))


def _price(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        price = Decimal(text)
    except InvalidOperation:
        raise CatalogueRefused("“%(text)s” is no price.", text=text) from None
    check_price(price)
    return price


def _once(names: Iterable[str]) -> None:
    found = list(names)
    if len(set(found)) != len(found):
        raise CatalogueRefused("Something is there twice among %(found)s.", found=", ".join(found))


# --- what people give, too --------------------------------------------------------------------------------------------


def check_dialects(told: Iterable[Mapping[str, Any]]) -> tuple[Dialect, ...]:
    """
    :raises CatalogueRefused: none, one twice, or one that no call could go by.
    """
    found = tuple(Dialect.of(each) for each in told)
    if not found:
        raise CatalogueRefused(_("A provider speaks at least one format."))
    if len({each.format for each in found}) != len(found):
        raise CatalogueRefused(_("Name each format once."))
    for each in found:
        _check_dialect(each)
    return found


def _check_dialect(dialect: Dialect) -> None:
    if dialect.format not in FORMATS:
        raise CatalogueRefused(_("“%(format)s” is no format that is known here."), format=dialect.format[:40])
    if len(dialect.prefix) > MOST_PREFIX or not _PREFIX.fullmatch(dialect.prefix) or {".", ".."} & set(dialect.prefix.split("/")):
        raise CatalogueRefused(_("A prefix is a path such as /v1, without a slash at its end; letters, digits, dots and hyphens."))
    if not headers.NAME.fullmatch(dialect.header) or headers.is_reserved_in_requests(dialect.header):
        raise CatalogueRefused(_("“%(header)s” is no header that a key could be sent in."), header=dialect.header[:80])
    if len(dialect.value) > MOST_VALUE or dialect.value.count(KEY) != 1 or not headers.is_value(dialect.value):
        raise CatalogueRefused(_("The value of the header has {key} in it once, in the place of the key, as in “Bearer {key}”."))


def check_model(name: str) -> None:
    """
    :raises CatalogueRefused: no name that a call could carry.
    """
    if not MODEL.fullmatch(name):
        raise CatalogueRefused(_("Write the model as the provider does, such as gpt-4o-mini: up to 120 letters, digits and ._:/@+-."))


def check_price(price: Decimal) -> None:
    """
    :raises CatalogueRefused: no price of a million tokens.
    """
    if not price.is_finite() or not 0 <= price <= MOST_PRICE:
        raise CatalogueRefused(_("A price per million tokens is between 0 and 100,000."))
    if price != round(price, PRICE_DIGITS):
        raise CatalogueRefused(_("A price has six digits behind the point at most."))
