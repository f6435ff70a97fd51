"""What templates need to draw the components: icons, states, times, receipts, samples."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from babel import Locale
from babel.dates import format_datetime, format_timedelta
from django import template
from django.contrib.staticfiles import finders
from django.template import Context
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from heroicons.templatetags.heroicons import heroicon_mini, heroicon_outline
from pygments import highlight
from pygments.formatter import Formatter
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name

from apis.models import ApiVersion
from gateway.receipts import Receipt
from portal.words import duration

register = template.Library()

# Each state's word, and how it stands: ok, wait, bad, info, or "" for what is over or has not begun.
STATES: dict[str, tuple[str | Promise, str]] = {
    "active": (_("Active"), "ok"),
    "in_use": (_("In use"), "ok"),
    "unused": (_("Unused"), ""),
    "replaced": (_("Replaced"), "info"),
    "published": (_("Published"), "ok"),
    "live": (_("Live"), "ok"),
    "subscribed": (_("Subscribed"), "ok"),
    "enforced": (_("Enforced"), "ok"),
    "in_step": (_("In step"), "ok"),
    "pending": (_("Pending"), "wait"),
    "scheduled": (_("Not started"), "info"),
    "announced": (_("Announced"), "info"),
    "waiting": (_("Waiting"), "wait"),
    "delivered": (_("Delivered"), "ok"),
    "failed": (_("Failed"), "bad"),
    "expiring": (_("In grace"), "wait"),
    "held": (_("Older routes"), "wait"),
    "suspended": (_("Suspended"), "bad"),
    "rejected": (_("Rejected"), "bad"),
    "refused": (_("Refused"), "bad"),
    "closed": (_("Closed"), "bad"),
    "open": (_("Open"), "info"),
    "needs_approval": (_("Needs approval"), ""),
    "cancelled": (_("Cancelled"), ""),
    "deleted": (_("Deleted"), ""),
    "created": (_("Draft"), ""),
    "staging": (_("Staging"), ""),
    "expired": (_("Expired"), ""),
    "revoked": (_("Revoked"), ""),
    "accepted": (_("Accepted"), "ok"),
    "retired": (_("Retired"), ""),
    "prerelease": (_("Prerelease"), "info"),
    "blocked": (_("Blocked"), "bad"),
    "deprecated": (_("Deprecated"), "wait"),
    "planned": (_("Planned"), "info"),
    "running": (_("Running"), "bad"),
    "over": (_("Over"), ""),
    "removed": (_("Removed"), ""),
    "compromised": (_("Compromised"), "bad"),
    "not_loaded": (_("Not loaded yet"), ""),
    "connected": (_("Connected"), "ok"),
    "gone": (_("Not connected"), ""),
    "draining": (_("Draining"), "wait"),
    "drained": (_("Drained"), "info"),
    "used": (pgettext_lazy("join token", "Used"), "ok"),
    "error": (_("Error"), "bad"),
    "warning": (_("Warning"), "wait"),
    "hint": (_("Hint"), "info"),
    "blocks": (_("Blocks publishing"), "bad"),
    "breaking": (_("Breaking"), "bad"),
    "risky": (_("Risky"), "wait"),
    "tested": (pgettext_lazy("revision", "In test"), "info"),
    "mock": (pgettext_lazy("version", "Mock"), "info"),
    "on": (pgettext_lazy("a provider's key", "On"), "ok"),
    "off": (pgettext_lazy("a provider's key", "Off"), ""),
    "exhausted": (pgettext_lazy("a provider's key", "Used up"), "wait"),
    "failing": (pgettext_lazy("a provider's key", "Failing"), "bad"),
}


@register.simple_tag
@cache
def icon(name: str, size: int = 16) -> SafeString:
    """An icon of heroicons; decoration, so hidden from screen readers. Drawn once: a page has twenty, and templates name them all."""
    draw = heroicon_mini if size == 20 else heroicon_outline
    drawn = draw(name, size=size, aria_hidden="true", stroke_width="1.7") if draw is heroicon_outline else draw(name, size=size)
    return mark_safe(drawn)  # nosec B308 B703  (heroicons' own, by a name in a template)


@register.simple_tag
def state(name: str, word: str = "") -> SafeString:
    """A state as a badge; `word` in place of its own."""
    label, tone = STATES[name]
    return format_html('<span class="badge {}">{}</span>', tone, word or label)


@register.simple_tag
def version_state(version: ApiVersion) -> SafeString:
    """A version's state; a key retires in another sense, and has the word from the table."""
    return state(version.status, str(ApiVersion.Status.RETIRED.label) if version.status == ApiVersion.Status.RETIRED else "")


@register.simple_tag
def asset(name: str) -> str:
    """A static file's address, with a digest of what it holds: it may be kept for long, and is asked for anew when it changes."""
    return f"{static(name)}?v={_digest(name)}"


@cache
def _digest(name: str) -> str:
    found = finders.find(name)
    assert isinstance(found, str), name
    with open(found, "rb") as file:  # noqa: PTH123
        return hashlib.file_digest(file, "sha256").hexdigest()[:10]


def _locale() -> Locale:
    return _read(translation.to_locale(translation.get_language() or "en"))


# A page has up to a hundred times in it, and Babel looks for the name of each one's locale in its list of all.
@cache
def _read(name: str) -> Locale:
    return Locale.parse(name)


@register.simple_tag
def exact(at: datetime) -> str:
    """The time in the reader's zone, to the second."""
    return str(format_datetime(timezone.localtime(at), translation.pgettext("date pattern", "d MMM y, HH:mm:ss z"), locale=_locale()))


@register.simple_tag
def when(at: datetime | None) -> SafeString | str:
    """How long ago or ahead; the exact time is its tooltip."""
    if at is None:
        return ""
    away = at - timezone.now()
    days = abs(away.days)
    text = (
        format_timedelta(away, add_direction=True, locale=_locale(), threshold=1.2)
        if days < 30
        else format_datetime(timezone.localtime(at), translation.pgettext("date pattern", "d MMM y"), locale=_locale())
    )
    if abs(away.total_seconds()) < 5:
        text = translation.gettext("just now")
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), exact(at), text)


@register.filter
def grouped(many: int) -> str:
    """“5,000”."""
    return number_format(many, force_grouping=True)


@register.simple_tag
def clock(since: datetime, within: timedelta | None) -> SafeString | str:
    """How much time is left to answer, as a badge; "" where no clock runs."""
    if within is None:
        return ""
    left = since + within - timezone.now()
    if left.total_seconds() < 0:
        return format_html('<span class="badge bad">{}</span>', translation.gettext("Overdue by %(time)s") % {"time": duration(-left)})
    tone = "wait" if left < within / 4 else "info"
    return format_html('<span class="badge {}">{}</span>', tone, translation.gettext("%(time)s left") % {"time": duration(left)})


@register.simple_tag
def code(lang: str, text: str) -> SafeString:
    """Source with its words marked by class, never by style."""
    marked: str = highlight(text, *_highlighting(lang))
    return mark_safe(marked.rstrip("\n"))  # nosec B308 B703  (Pygments escapes)


# A page with samples asks for four, and making one takes longer than using it.
@cache
def _highlighting(lang: str) -> tuple[Lexer, Formatter[str]]:
    return get_lexer_by_name(lang), HtmlFormatter(nowrap=True)


# A receipt that is under way is asked for again after so many milliseconds, then every two seconds: for five minutes, or for
# fifteen seconds where a gateway refused, whose words want to be read in peace.
DELAYS, EVERY = (150, 300, 600), 2000
MOST_STEPS, MOST_STEPS_REFUSED = 150, 10


@dataclass(frozen=True, slots=True)
class Again:
    """After how many milliseconds to ask for a receipt again, and as which time."""

    delay: int
    step: int


@register.simple_tag
def again(receipt: Receipt, step: int | str) -> Again | None:
    """When to look again at a receipt that was looked at `step` times; None once it is complete, or has taken too long."""
    step = int(step or 0)
    if receipt.complete or step >= (MOST_STEPS_REFUSED if receipt.refused else MOST_STEPS):
        return None
    return Again(DELAYS[step] if step < len(DELAYS) else EVERY, step + 1)


@register.simple_tag(takes_context=True)
def receipt_of_tag(context: Context, tag: str) -> str:
    """The receipt that a message names as `event-<number>`: loaded as soon as the page stands."""
    number = tag.removeprefix("event-")
    if not number.isdigit() or "tenant" not in context:
        return ""
    address = reverse("receipt-page", args=[context["tenant"].slug, number])
    return render_to_string("components/receipt_soon.html", {"address": address, "number": number})
