"""What mails say, when, and to whom: chosen from events and rows. Nothing here sends; see portal/post.py."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from apis.models import UNDO, Subscription
from tenants.models import Event, Membership, Tenant, User
from tenants.roles import permissions_of

REQUESTED, UNDONE = "subscription.requested", "subscription.decision_undone"
# Subject and first sentence of each kind of event that is worth a mail.
WORDS: dict[str, tuple[Promise, Promise]] = {
    REQUESTED: (
        gettext_lazy("%(application)s asks for %(api)s: %(plan)s"),
        gettext_lazy("%(person)s asks for a subscription of %(application)s to %(api)s, plan %(plan)s."),
    ),
    "subscription.approved": (
        gettext_lazy("%(api)s: %(application)s's subscription is active"),
        gettext_lazy("%(person)s approved it. Calls pass from now on."),
    ),
    "subscription.rejected": (
        gettext_lazy("%(api)s: %(application)s's subscription was rejected"),
        gettext_lazy("%(person)s rejected it. You may ask again."),
    ),
    "subscription.suspended": (
        gettext_lazy("%(api)s: %(application)s's subscription is suspended"),
        gettext_lazy("%(person)s suspended it. Calls are refused until it is resumed."),
    ),
    "subscription.resumed": (
        gettext_lazy("%(api)s: %(application)s's subscription is active again"),
        gettext_lazy("%(person)s resumed it. Calls pass again."),
    ),
    "subscription.cancelled": (
        gettext_lazy("%(api)s: %(application)s's subscription was cancelled"),
        gettext_lazy("%(person)s cancelled it. Calls are refused; you may ask for a new subscription."),
    ),
}
# What tells one event's fate from those after it.
KINDS = frozenset(WORDS) | {UNDONE}

# Characters that turn a line round (Unicode Standard Annex 9), so that it reads as something else.
TURNS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
ISOLATE, END_ISOLATE, NOTHING = "\u2068", "\u2069", "\u200b"
# Where mail programs see an address to click on.
LINKISH = re.compile(r"://|@|\.(?=[^\W\d_]{2})")


def ready_at(event: Event, later: Sequence[Event], *, now: datetime) -> datetime | None:
    """After what moment the mails of an event may go; None: never, because what it says was taken back or answered.

    :param later: what happened to the same subscription after it, in order.
    """
    if event.kind == UNDONE or _undone(later):
        return None
    if event.kind != REQUESTED:
        return _final_at(event)
    answers = (each for index, each in enumerate(later) if each.kind != UNDONE and not _undone(later[index + 1 :]))
    answer = next(answers, None)
    if answer is None:
        return event.at
    # Approvers hear of it after all if the answer is undone.
    return _final_at(answer) if _final_at(answer) >= now else None


def _undone(later: Sequence[Event]) -> bool:
    return bool(later) and later[0].kind == UNDONE


def _final_at(event: Event) -> datetime:
    """Until when a decision can be undone; what a plan decides never can."""
    by_a_person = event.kind in {"subscription.approved", "subscription.rejected"} and event.actor_id is not None
    return event.at + UNDO if by_a_person else event.at


def applicants(subscription: Subscription) -> set[UUID]:
    return {subscription.requested_by_id, subscription.application.owner_id}


def recipients(event: Event, subscription: Subscription, members: Iterable[Membership]) -> list[User]:
    """Whom an event concerns, each once; nobody hears what they did themselves, or what was answered while they looked."""
    if event.kind == REQUESTED:
        # Four eyes: applicants can't decide their own.
        deciders = {each.user_id for each in members if "subscriptions.decide" in permissions_of(each.roles)}
        wanted = deciders - applicants(subscription)
    elif event.kind == "subscription.approved" and event.actor_id is None:
        wanted = applicants(subscription) - {subscription.requested_by_id}
    else:
        wanted = applicants(subscription) - {event.actor_id}
    return [each.user for each in members if each.user_id in wanted and each.user.is_active]


def compose(event: Event, subscription: Subscription, *, tenant: Tenant, link: str, to: User) -> EmailMultiAlternatives:
    """One event's mail to one person, in their language and time zone."""
    subject, sentence = WORDS[event.kind]
    things = {"application": subscription.application, "api": subscription.api, "plan": subscription.plan, "person": event.actor_name}
    names = {name: tame(str(thing)) for name, thing in things.items()}
    asked = event.kind == REQUESTED
    language = to.language_or("en")
    with translation.override(language), timezone.override(to.time_zone):
        shown = {name: unlinked(text) for name, text in names.items()}
        context: dict[str, Any] = {
            **shown,
            "language": language,
            "subject": str(subject) % shown,
            "sentence": str(sentence) % shown,
            "tenant": unlinked(tame(tenant.name)),
            "at": event.at,
            "asked": asked,
            "quote": [unlinked(tame(line)) for line in event.data.get("purpose" if asked else "reason", "").splitlines()],
            "link": link,
        }
        host = urlsplit(settings.PORTAL_URL).hostname
        message = EmailMultiAlternatives(
            subject=str(subject) % names,
            body=render_to_string("mails/subscription.txt", context),
            to=[to.email],
            headers={
                # The same at each try, so that a mail program can show once what was sent twice.
                "Message-ID": f"<{event.pk}.{to.pk}@{host}>",
                "Auto-Submitted": "auto-generated",
                "X-Portico-Event": str(event.number),
            },
        )
        message.attach_alternative(render_to_string("mails/subscription.html", context), "text/html")
    return message


def link(event: Event, subscription: Subscription, tenant: Tenant) -> str:
    """Where a mail leads: approvers to the request, applicants to their application."""
    if event.kind == REQUESTED:
        return settings.PORTAL_URL + reverse("console-request", args=[tenant.slug, subscription.pk])
    return settings.PORTAL_URL + reverse("app", args=[tenant.slug, subscription.application_id]) + "?tab=subscriptions"


def tame(text: str) -> str:
    """Other people's words on one line that reads as it is written; what runs from right to left is kept to itself."""
    text = "".join(" " if unicodedata.category(each) in {"Cc", "Zl", "Zp"} else each for each in TURNS.sub("", text))
    text = " ".join(text.split())
    turns = any(unicodedata.bidirectional(each) in {"R", "AL"} for each in text)
    return f"{ISOLATE}{text}{END_ISOLATE}" if turns else text


def unlinked(text: str) -> str:
    """The same to read, but nothing that a mail program makes a link of: the only link in a mail is ours."""
    return LINKISH.sub(rf"\g<0>{NOTHING}", text)
