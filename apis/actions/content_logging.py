"""Writing down what callers ask models and what these answer: switching it on for an API, and agreeing to it for an application.

Nothing of a subscription is written down unless somebody who answers for its application agreed to the text as it is now.
"""

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from apis.models import MOST_CONSENT, MOST_DAYS, Api, ContentConsent, ContentLogging, Subscription
from keys.envelope import KEY_BYTES, seal
from keys.kek import kek
from tenants import events
from tenants.errors import Invalid, NotAllowed
from tenants.lifecycle import in_words
from tenants.models import Event, User
from tenants.scope import Lock

SWITCHED_ON, CHANGED, SWITCHED_OFF = "content_logging.switched_on", "content_logging.changed", "content_logging.switched_off"
AGREED, WITHDRAWN = "content_logging.agreed", "content_logging.withdrawn"
DAYS = 30


def of(api: Api) -> ContentLogging | None:
    found: ContentLogging | None = ContentLogging.objects.select_related("api").filter(api=api).first()
    return found


def in_force(api: Api) -> ContentLogging | None:
    """None where nothing of it is written down."""
    found = of(api) if api.is_ai else None
    return found if found is not None and found.enabled else None


def of_all(apis: Iterable[Api]) -> Mapping[UUID, ContentLogging]:
    """By API what is in force, in one query however many there are."""
    some = [each.pk for each in apis if each.is_ai]
    return {row.api_id: row for row in ContentLogging.objects.filter(enabled=True, api__in=some)} if some else {}


def facts(row: ContentLogging) -> dict[str, Any]:
    """For the audit. Of the text only which it is: events are kept for ever, and the page has it."""
    return {"enabled": row.enabled, "requests": row.requests, "answers": row.answers, "days": row.days, "version": row.version}


def stamp(row: ContentLogging | None) -> str:
    """Another one after each change."""
    return hashlib.sha256(repr((facts(row), row.consent)).encode()).hexdigest()[:16] if row else "none"


@transaction.atomic
def put(
    api: Api, *, enabled: bool, requests: bool, answers: bool, days: int, consent: str, by: User, seen: str | None = None
) -> Event | None:
    """As it is to be from now on; None where nothing differs.

    :param seen: the `stamp` of what was there when somebody decided; None where nobody looked.
    :raises Invalid: by field. :raises NotAllowed: the API is none of models, or somebody changed this meanwhile.
    """
    text = consent.strip()
    _check(api, enabled=enabled, some=requests or answers, days=days, text=text)
    kept = of(api)
    # A keeper of keys may take its time, and the lock is for deciding.
    fresh = ContentLogging(api=api, enabled=False, consent="")
    fresh.sealed = new_key(fresh) if kept is None else ""
    events.lock()
    again = of(api)
    if (again and again.pk) != (kept and kept.pk) or (seen is not None and seen != stamp(again)):
        raise NotAllowed(_("Somebody changed this meanwhile. Load it again, then decide anew."))
    row = again or fresh
    was, text_before = facts(row), row.consent
    asks_more = (requests and not row.requests) or (answers and not row.answers) or days > row.days
    row.enabled, row.requests, row.answers, row.days, row.consent = enabled, requests, answers, days, text
    if again is not None and (asks_more or text != text_before):
        row.version += 1
    now = facts(row)
    if again is not None and (was, text_before) == (now, text):
        return None
    row.save(force_insert=again is None)
    if enabled and not was["enabled"]:
        return events.record(SWITCHED_ON, api, by=by, now=now)
    differs = [name for name in now if was[name] != now[name]]
    kind = SWITCHED_OFF if was["enabled"] and not enabled else CHANGED
    before, after = ({name: each[name] for name in differs} for each in (was, now))
    return events.record(kind, api, by=by, was=before, now=after)


def _check(api: Api, *, enabled: bool, some: bool, days: int, text: str) -> None:
    if not api.is_ai:
        raise NotAllowed(_("%(api)s answers with no models. Its calls can be logged, see Logs.") % {"api": api})
    problems: dict[str, list[str]] = {}
    if not some:
        problems["requests"] = [_("Choose what is logged: what callers ask, what models answer, or both.")]
    if not 1 <= days <= MOST_DAYS:
        problems["days"] = [_("Choose from 1 to %(most)s days.") % {"most": MOST_DAYS}]
    if len(text) > MOST_CONSENT:
        problems["consent"] = [_("The text has at most %(most)s characters.") % {"most": MOST_CONSENT}]
    elif enabled and not text:
        problems["consent"] = [_("Write what people agree to: what the texts are for, and who reads them.")]
    if problems:
        raise Invalid(problems)


def new_key(row: ContentLogging) -> str:
    """Sealed, for `ContentLogging.sealed`."""
    return seal(secrets.token_bytes(KEY_BYTES), row.sealed_for, kek())


# --- agreeing --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """What is written down of an API, as far as anything is, and what was agreed for a subscription of it."""

    logging: ContentLogging | None
    consent: ContentConsent | None

    @property
    def agreed(self) -> bool:
        """Whether it is written down now."""
        given = self.consent
        return self.logging is not None and given is not None and given.withdrawn_at is None and given.version == self.logging.version

    @property
    def asked(self) -> bool:
        """Whether somebody may agree, and has not."""
        return self.logging is not None and not self.agreed


def standing(subscription: Subscription) -> Standing:
    return standings([subscription])[subscription.pk]


def standings(subscriptions: Iterable[Subscription]) -> Mapping[UUID, Standing]:
    """By subscription, in two queries however many there are."""
    some = [each for each in subscriptions if each.api.is_ai]
    rows = {row.api_id: row for row in ContentLogging.objects.filter(enabled=True, api__in={each.api_id for each in some})} if some else {}
    mine = [each for each in some if each.api_id in rows]
    given = {row.subscription_id: row for row in ContentConsent.objects.filter(subscription__in=mine).select_related("by")} if mine else {}
    nothing = Standing(None, None)
    found = {each.pk: nothing for each in subscriptions}
    return found | {each.pk: Standing(rows.get(each.api_id), given.get(each.pk)) for each in some}


def counts(api: Api) -> tuple[int, int]:
    """How many of its open subscriptions agreed to what is written down now, and how many there are."""
    row = in_force(api)
    there = Subscription.objects.open().filter(api=api)
    agreed = ContentConsent.objects.filter(subscription__in=there, withdrawn_at=None, version=row.version).count() if row else 0
    return agreed, there.count()


def has_to_agree(api: Api, agreed: int | None) -> ContentLogging | None:
    """What is agreed to with a request; None where nothing is.

    :raises Invalid: `agreed` is not the version of what is written down now.
    """
    row = in_force(api)
    if row is None or agreed == row.version:
        return row
    if agreed is None:
        said = _("%(api)s keeps what is asked and answered. Read its text, and agree to it.")
    else:
        said = _("What %(api)s keeps of calls was changed meanwhile. Read its text again, and agree to it.")
    raise Invalid({"logging_agreed": [said % {"api": api}]})


@transaction.atomic
def agree(subscription: Subscription, *, version: int, by: User) -> Event | None:
    """None where it was agreed to before.

    :param version: of the text that was read.
    :raises NotAllowed: nothing is written down, or something else by now; or the subscription is over.
    """
    lock = events.lock()
    subscription.refresh_from_db(fields=["status"])
    if subscription.status not in Subscription.OPEN:
        said = _("This subscription is %(state)s, so there is nothing to agree to.")
        raise NotAllowed(said % {"state": in_words(subscription, subscription.status)})
    row = in_force(subscription.api)
    if row is None:
        raise NotAllowed(_("%(api)s keeps nothing of what is asked and answered.") % {"api": subscription.api})
    if version != row.version:
        raise NotAllowed(_("What %(api)s keeps of calls was changed meanwhile. Read its text again.") % {"api": subscription.api})
    if standing(subscription).agreed:
        return None
    return _agree(subscription, row, lock, by=by)


def agree_with_request(subscription: Subscription, row: ContentLogging | None, lock: Lock, *, by: User) -> None:
    """What `has_to_agree` returned, once the request stands."""
    if row is not None:
        _agree(subscription, row, lock, by=by)


def _agree(subscription: Subscription, row: ContentLogging, lock: Lock, *, by: User) -> Event:
    given = {"version": row.version, "by": by, "at": lock.now, "withdrawn_at": None}
    ContentConsent.objects.update_or_create(subscription=subscription, defaults=given)
    return events.record(AGREED, subscription, by=by, version=row.version)


@transaction.atomic
def withdraw(subscription: Subscription, *, by: User) -> Event | None:
    """From now on nothing of it is written down; None where nothing was. What was written down stays until its day."""
    lock = events.lock()
    changed = ContentConsent.objects.filter(subscription=subscription, withdrawn_at=None).update(withdrawn_at=lock.now)
    return events.record(WITHDRAWN, subscription, by=by) if changed else None
