"""Numbers of usage in words: counts, times, sizes and shares, as people read them."""

from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import cache

from babel import Locale
from babel.dates import format_datetime
from babel.numbers import format_compact_decimal
from django.template.defaultfilters import filesizeformat
from django.utils import timezone, translation
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from gateway.usage_ranges import DAY, HOUR, Range

# Where nothing is known.
NONE = "\u2013"


def count(many: float) -> str:
    return number_format(int(many), force_grouping=True)


def short(many: float) -> str:
    """For a scale: “5M”."""
    return str(format_compact_decimal(many, locale=_locale(), fraction_digits=1))


def took(ms: float | None) -> str:
    """“8.4 ms”, “84 ms”, “1.2 s”."""
    if ms is None:
        return NONE
    if ms < 999.5:
        places = 1 if 0 < ms < 9.95 else 0
        return _("%(number)s ms") % {"number": number_format(_rounded(ms, places), decimal_pos=places)}
    return _("%(number)s s") % {"number": number_format(_rounded(ms / 1_000, 1), decimal_pos=1)}


def all_took(times: Sequence[float | None]) -> str:
    """“12 · 84 · 210 ms”; each with its own unit where one took a second or more."""
    known = [each for each in times if each is not None]
    if not known:
        return NONE
    if max(known) < 999.5:
        numbers = [number_format(_rounded(each, 0), decimal_pos=0) for each in known]
        return _("%(number)s ms") % {"number": " · ".join(numbers)}
    return " · ".join(map(took, known))


def size(many: int) -> str:
    return str(filesizeformat(many))


def share(of: float | None) -> str:
    """“0.03 %”; what is more than nothing is never told as nothing, and what is less than all never as all."""
    if of is None:
        return NONE
    if not of or of == 1:
        return _("%(number)s %%") % {"number": number_format(of * 100, decimal_pos=0)}
    return _("%(number)s %%") % {"number": number_format(_rounded(min(max(of * 100, 0.01), 99.99), 2), decimal_pos=2)}


def change(now: float, before: float) -> str:
    """“+4.2 %”; "" where there was nothing before."""
    if not before:
        return ""
    percent = (now - before) / before * 100
    sign = "+" if percent > 0 else "\u2212" if percent < 0 else "±"
    return f"{sign}{number_format(_rounded(abs(percent), 1), decimal_pos=1)} %"


def label(start: datetime, span: Range) -> str:
    """A step's begin, short: below a chart."""
    if span.by_days:
        return _at(start, pgettext("date pattern", "d MMM"))
    if span.until - span.since > 2 * DAY:
        return _at(start, pgettext("date pattern", "EEE HH:mm"))
    return _at(start, pgettext("date pattern", "HH:mm"))


def begin(start: datetime, span: Range) -> str:
    """A step's begin, whole: in a table."""
    return _at(start, pgettext("date pattern", "EEE d MMM y") if span.by_days else pgettext("date pattern", "EEE d MMM, HH:mm"))


def _rounded(number: float, places: int) -> Decimal:
    # Django's format cuts, and a float's own rounding goes by its binary digits.
    return Decimal(repr(float(number))).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def _locale() -> Locale:
    return _read(translation.to_locale(translation.get_language() or "en"))


@cache
def _read(name: str) -> Locale:
    return Locale.parse(name)


def _at(moment: datetime, pattern: str) -> str:
    return str(format_datetime(timezone.localtime(moment), pattern, locale=_locale()))


def per_step(span: Range) -> str:
    """The heading of a chart of calls."""
    if span.by_days:
        return _("Calls per day")
    if span.step == HOUR:
        return _("Calls per hour")
    minutes = int(span.step.total_seconds() // 60)
    return _("Calls per minute") if minutes == 1 else _("Calls per %(n)s minutes") % {"n": minutes}
