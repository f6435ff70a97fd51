"""What mails say, when, and to whom: chosen from events and rows. Nothing here sends; see portal/post.py."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apis.models import UNDO, Subscription
from keys.models import Credential
from portal import words
from tenants.models import Event, Membership, Tenant, User
from tenants.roles import permissions_held

REQUESTED, UNDONE, ENDS_SOON = "subscription.requested", "subscription.decision_undone", "credential.ends_soon"
# What a mail is about.
About = Subscription | Credential
# Subject and first sentence of each kind of event about a subscription that is worth a mail.
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
KINDS = frozenset(WORDS) | {UNDONE, ENDS_SOON}

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


def applicants(about: About) -> set[UUID]:
    """Those who asked, and who answers for the application."""
    if isinstance(about, Credential):
        return {about.application.owner_id}
    return {about.requested_by_id, about.application.owner_id}


def recipients(event: Event, about: About, members: Iterable[Membership]) -> list[User]:
    """Whom an event concerns, each once; nobody hears what they did themselves, or what was answered while they looked."""
    if event.kind == REQUESTED:
        # Four eyes: applicants can't decide their own.
        deciders = {each.user_id for each in members if "subscriptions.decide" in permissions_held(each)}
        wanted = deciders - applicants(about)
    elif event.kind == "subscription.approved" and event.actor_id is None and isinstance(about, Subscription):
        wanted = applicants(about) - {about.requested_by_id}
    else:
        wanted = applicants(about) - {event.actor_id}
    return [each.user for each in members if each.user_id in wanted and each.user.is_active]


@dataclass(frozen=True, slots=True)
class Words:
    """What one mail says, in its reader's language: `things` are other people's words that subject and sentence name."""

    template: str
    subject: str
    sentence: str
    things: dict[str, object]
    more: dict[str, Any]


def compose(event: Event, about: About, *, tenant: Tenant, link: str, to: User) -> EmailMultiAlternatives:
    """One event's mail to one person, in their language and time zone."""
    language = to.language_or("en")
    with translation.override(language), timezone.override(to.time_zone):
        said = _of_credential(event, about) if isinstance(about, Credential) else _of_subscription(event, about)
        names = {name: tame(str(thing)) for name, thing in said.things.items()}
        shown = {name: unlinked(text) for name, text in names.items()}
        context: dict[str, Any] = {
            **shown,
            **said.more,
            "language": language,
            "subject": said.subject % shown,
            "sentence": said.sentence % shown,
            "tenant": unlinked(tame(tenant.name)),
            "link": link,
        }
        host = urlsplit(settings.PORTAL_URL).hostname
        message = EmailMultiAlternatives(
            subject=said.subject % names,
            body=render_to_string(f"mails/{said.template}.txt", context),
            to=[to.email],
            headers={
                # The same at each try, so that a mail program can show once what was sent twice.
                "Message-ID": f"<{event.pk}.{to.pk}@{host}>",
                "Auto-Submitted": "auto-generated",
                "X-Portico-Event": str(event.number),
            },
        )
        message.attach_alternative(render_to_string(f"mails/{said.template}.html", context), "text/html")
    return message


def _of_subscription(event: Event, subscription: Subscription) -> Words:
    subject, sentence = WORDS[event.kind]
    asked = event.kind == REQUESTED
    return Words(
        "subscription",
        str(subject),
        str(sentence),
        {"application": subscription.application, "api": subscription.api, "plan": subscription.plan, "person": event.actor_name},
        {
            "at": event.at,
            "asked": asked,
            "quote": [unlinked(tame(line)) for line in event.data.get("purpose" if asked else "reason", "").splitlines()],
        },
    )


def _of_credential(event: Event, credential: Credential) -> Words:
    days = event.data["days"]
    subject = ngettext(
        "%(application)s: %(credential)s ends in %(days)s day", "%(application)s: %(credential)s ends in %(days)s days", days
    )
    return Words(
        "expiry",
        subject,
        _("After that, calls of %(application)s with it are refused."),
        {
            "application": credential.application,
            "credential": words.credential(credential),
            "days": days,
        },
        {"kind": credential.get_kind_display(), "ends": credential.expires_at, "advice": _advice(credential)},
    )


def _advice(credential: Credential) -> str:
    """What keeps calls going on."""
    if credential.status == Credential.Status.EXPIRING:
        return _("It was rolled, but nothing has used its replacement yet. Put that in place before this one ends.")
    if credential.kind in {Credential.Kind.CLIENT_SECRET, Credential.Kind.API_KEY}:
        return _("Roll it: you get a new one, and this one works on for as long as you choose, up to its end. Put the new one in place.")
    return _("Add another credential to the application and put it in place; both work until this one ends.")


def link(event: Event, about: About, tenant: Tenant) -> str:
    """Where a mail leads: approvers to the request, applicants to their application."""
    if event.kind == REQUESTED:
        return settings.PORTAL_URL + reverse("console-request", args=[tenant.slug, about.pk])
    tab = "credentials" if isinstance(about, Credential) else "subscriptions"
    return settings.PORTAL_URL + reverse("app", args=[tenant.slug, about.application_id]) + f"?tab={tab}"


def tame(text: str) -> str:
    """Other people's words on one line that reads as it is written; what runs from right to left is kept to itself."""
    text = "".join(" " if unicodedata.category(each) in {"Cc", "Zl", "Zp"} else each for each in TURNS.sub("", text))
    text = " ".join(text.split())
    turns = any(unicodedata.bidirectional(each) in {"R", "AL"} for each in text)
    return f"{ISOLATE}{text}{END_ISOLATE}" if turns else text


def unlinked(text: str) -> str:
    """The same to read, but nothing that a mail program makes a link of: the only link in a mail is ours."""
    return LINKISH.sub(rf"\g<0>{NOTHING}", text)
