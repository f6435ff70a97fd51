"""Mails, written down: one event's, or a digest of several, in their reader's language and time zone. Nothing here sends."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.dateformat import format as date_format
from django.utils.formats import date_format as localised
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.news import GROUP_OF, INVITED, REMOVED, About
from portal.news_words import Said, said
from tenants.models import Event, Tenant, User

# Characters that turn a line round (Unicode Standard Annex 9), so that it reads as something else.
TURNS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
ISOLATE, END_ISOLATE, NOTHING = "\u2068", "\u2069", "\u200b"
# Where mail programs see an address to click on.
LINKISH = re.compile(r"://|@|\.(?=[^\W\d_]{2})")
# A digest shows so many; the inbox has the rest.
MOST_IN_DIGEST = 50
_STOPS = signing.Signer(salt="portico.stop-mails")


@dataclass(frozen=True, slots=True)
class Written:
    """What somebody hears of one event, ready to be shown: other people's words are tame, and no links."""

    subject: str
    heading: str
    sentence: str
    rows: Sequence[tuple[str, str]]
    quote: Sequence[str]
    said: Said
    link: str


def compose(event: Event, about: About, *, tenant: Tenant, to: User) -> EmailMultiAlternatives:
    """One event's mail to one person."""
    with _as_they_read(to):
        written = _written(event, about, tenant)
        context = {
            "mail": written,
            "why": written.said.why % {"tenant": unlinked(tame(tenant.name))},
            # Who is no member can't open them.
            **({} if event.kind in {REMOVED, *INVITED} else _ways_out(tenant)),
        }
        message = _message("news", written.subject, context, to=to, ident=f"{event.pk}.{to.pk}")
        stops = _stop_headers(tenant, to, GROUP_OF[event.kind]) if event.kind in GROUP_OF else {}
        message.extra_headers |= {"X-Portico-Event": str(event.number), **stops}
    return message


def digest(news: Sequence[tuple[Event, About]], *, tenant: Tenant, to: User) -> EmailMultiAlternatives:
    """One mail with all that has waited, in order."""
    with _as_they_read(to):
        name = tame(tenant.name)
        many = ngettext("%(tenant)s: %(many)s notification", "%(tenant)s: %(many)s notifications", len(news))
        context = {
            "heading": many % {"tenant": unlinked(name), "many": len(news)},
            "mails": [_written(event, about, tenant) for event, about in news[:MOST_IN_DIGEST]],
            "more": max(0, len(news) - MOST_IN_DIGEST),
            "inbox": settings.PORTAL_URL + reverse("inbox", args=[tenant.slug]),
            "why": _("You get this because you asked for a daily digest, at %(tenant)s.") % {"tenant": unlinked(name)},
            **_ways_out(tenant),
        }
        message = _message("digest", many % {"tenant": name, "many": len(news)}, context, to=to, ident=f"{news[-1][0].pk}.digest.{to.pk}")
        message.extra_headers |= _stop_headers(tenant, to, "")
    return message


@contextmanager
def _as_they_read(person: User) -> Iterator[None]:
    with translation.override(person.language_or("en")), timezone.override(person.time_zone):
        yield


def _written(event: Event, about: About, tenant: Tenant) -> Written:
    found = said(event, about, tenant)
    names = {name: tame(str(thing)) for name, thing in found.things.items()}
    shown = {name: unlinked(text) for name, text in names.items()}
    return Written(
        found.subject % names,
        found.subject % shown,
        found.sentence % shown,
        [(label, _time(value) if isinstance(value, datetime) else unlinked(tame(str(value)))) for label, value in found.rows],
        [unlinked(tame(line)) for line in found.quote.splitlines()],
        found,
        settings.PORTAL_URL + found.path,
    )


def _time(at: datetime) -> str:
    local = timezone.localtime(at)
    return f"{localised(local, 'DATETIME_FORMAT')} {date_format(local, 'e')}"


def _message(template: str, subject: str, context: Mapping[str, Any], *, to: User, ident: str) -> EmailMultiAlternatives:
    full = {**context, "language": translation.get_language(), "subject": unlinked(subject)}
    message = EmailMultiAlternatives(
        subject=subject,
        body=render_to_string(f"mails/{template}.txt", full),
        to=[to.email],
        headers={
            # The same at each try, so that a mail program can show once what was sent twice.
            "Message-ID": f"<{ident}@{urlsplit(settings.PORTAL_URL).hostname}>",
            "Auto-Submitted": "auto-generated",
        },
    )
    message.attach_alternative(render_to_string(f"mails/{template}.html", full), "text/html")
    return message


def _ways_out(tenant: Tenant) -> dict[str, str]:
    return {"preferences": settings.PORTAL_URL + reverse("inbox-preferences", args=[tenant.slug])}


# --- stopping them without a sign-in ---------------------------------------------------------------------------------


def _stop_headers(tenant: Tenant, to: User, group: str) -> dict[str, str]:
    """For the mail program's own button (RFC 8058)."""
    address = settings.PORTAL_URL + reverse("stop-mails", args=[tenant.slug, stop_token(tenant, to, group)])
    return {"List-Unsubscribe": f"<{address}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def stop_token(tenant: Tenant, person: User, group: str) -> str:
    """Lets who holds it stop one group's mails to one person at one tenant, and nothing else. It has no end: mails are kept for long."""
    return _STOPS.sign_object([str(tenant.pk), str(person.pk), group])


def read_stop_token(token: str) -> tuple[UUID, UUID, str] | None:
    """Tenant, person and group; None where Portico has not signed it."""
    try:
        tenant, person, group = _STOPS.unsign_object(token)
    except signing.BadSignature:
        return None
    return UUID(tenant), UUID(person), group


# --- other people's words --------------------------------------------------------------------------------------------


def tame(text: str) -> str:
    """Other people's words on one line that reads as it is written; what runs from right to left is kept to itself."""
    text = "".join(" " if unicodedata.category(each) in {"Cc", "Zl", "Zp"} else each for each in TURNS.sub("", text))
    text = " ".join(text.split())
    turns = any(unicodedata.bidirectional(each) in {"R", "AL"} for each in text)
    return f"{ISOLATE}{text}{END_ISOLATE}" if turns else text


def unlinked(text: str) -> str:
    """The same to read, but nothing that a mail program makes a link of: the only links in a mail are ours."""
    return LINKISH.sub(rf"\g<0>{NOTHING}", text)
