"""How the calls of a version went in the last 90 days, for readers of the catalogue: shares, and never how many calls there were."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from math import floor

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from apis.models import DAYS_KEPT, ApiVersion, VersionDay

DAYS = DAYS_KEPT.days
# Of the drawing: a day's bar, and the room until the next.
WIDTH, STEP, HEIGHT = 4, 5, 32
# A day without calls is drawn so high, and what little failed at least. Between what failed and what did not there is a gap, and a day
# on which nothing was answered stands on nothing: who sees no colours sees that.
LEAST, GAP = 5, 2


@dataclass(frozen=True, slots=True)
class Bar:
    """One day. `state` is "ok", "bad" where any call failed, or "none" without calls.

    From `y` on it is `height` high, 0 where nothing was answered; above stands what failed, `failed` high.
    """

    day: date
    state: str
    says: str
    x: int
    y: int
    height: int
    failed: int


@dataclass(frozen=True, slots=True)
class Failing:
    """A day on which calls failed: the share that was answered, and why the others were not."""

    day: str
    answered: str
    because: str


@dataclass(frozen=True, slots=True)
class Uptime:
    """`says` and `today` are sentences; `picture` is what the drawing says. `failing` has the newest day first."""

    says: str
    today: str
    picture: str
    bars: tuple[Bar, ...]
    failing: tuple[Failing, ...]
    width: int = DAYS * STEP - (STEP - WIDTH)
    height: int = HEIGHT


def of(version: ApiVersion) -> Uptime:
    """In one query."""
    today = timezone.now().astimezone(UTC).date()
    first = today - timedelta(days=DAYS - 1)
    found = {each.day: each for each in VersionDay.objects.filter(version=version, day__gte=first, day__lte=today)}
    bars = tuple(_bar(number, first + timedelta(days=number), found) for number in range(DAYS))
    failing = tuple(_failing(each) for each in sorted(found.values(), key=lambda each: each.day, reverse=True) if _failed(each))
    return Uptime(_says(found.values()), _today(found.get(today)), _picture(bars), bars, failing)


def percent(answered: int, failed: int) -> str:
    """With two decimals, in the reader's language; 100 only if nothing failed."""
    if not failed:
        return "100"
    return number_format(floor(Fraction(answered * 10_000, answered + failed)) / 100, decimal_pos=2)


def _failed(day: VersionDay) -> int:
    return day.failed_upstream + day.failed_gateway


def _says(days: Iterable[VersionDay]) -> str:
    answered, failed = sum(each.answered for each in days), sum(map(_failed, days))
    if not answered + failed:
        return _("No calls in the last %(days)s days.") % {"days": DAYS}
    return _("Answered %(percent)s %% of calls in %(days)s days.") % {"percent": percent(answered, failed), "days": DAYS}


def _today(day: VersionDay | None) -> str:
    if day is None or not day.answered + _failed(day):
        return _("No calls today yet.")
    if not _failed(day):
        return _("Today every call was answered.")
    return _("Today %(percent)s %% of calls were answered.") % {"percent": percent(day.answered, _failed(day))}


def _bar(number: int, day: date, found: Mapping[date, VersionDay]) -> Bar:
    row, named = found.get(day), _named(day)
    x = number * STEP
    if row is None or not row.answered + _failed(row):
        says = _("%(day)s: no calls") % {"day": named}
        return Bar(day, "none", says, x, HEIGHT - LEAST, LEAST, 0)
    says = _("%(day)s: %(percent)s %% answered") % {"day": named, "percent": percent(row.answered, _failed(row))}
    if not _failed(row):
        return Bar(day, "ok", says, x, 0, HEIGHT, 0)
    share = _failed(row) / (row.answered + _failed(row))
    failed = min(max(LEAST, round(share * HEIGHT)), HEIGHT - GAP - LEAST)
    below = HEIGHT - failed - GAP if row.answered else 0
    return Bar(day, "bad", says, x, failed + GAP, below, failed)


def _picture(bars: Iterable[Bar]) -> str:
    states = [each.state for each in bars]
    ok, bad, none = (states.count(each) for each in ("ok", "bad", "none"))
    parts = [
        ngettext("%(n)s day on which every call was answered", "%(n)s days on which every call was answered", ok) % {"n": ok},
        ngettext("%(n)s on which some failed", "%(n)s on which some failed", bad) % {"n": bad},
        ngettext("%(n)s without calls", "%(n)s without calls", none) % {"n": none},
    ]
    return _("The last %(days)s days: %(parts)s") % {"days": DAYS, "parts": "; ".join(parts)}


def _failing(day: VersionDay) -> Failing:
    if day.failed_upstream and day.failed_gateway:
        because = _("What is behind the gateway, and the gateway")
    else:
        because = _("What is behind the gateway") if day.failed_upstream else _("The gateway")
    return Failing(_named(day.day), percent(day.answered, _failed(day)), because)


def _named(day: date) -> str:
    return _in_language(day, get_language())


# A page names ninety of them, the same for every reader of a language.
@lru_cache(maxsize=1_000)
def _in_language(day: date, _language: str | None) -> str:
    return date_format(datetime(day.year, day.month, day.day, tzinfo=UTC), "DATE_FORMAT")
