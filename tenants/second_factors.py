"""Second factors: who has one, and whether a code is right. Pages make them and take them away, see portal/pages/second_factors.py."""

import re
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from allauth.account.authentication import get_authentication_records
from allauth.mfa.models import Authenticator
from django.db.models import F, QuerySet
from django.http import HttpRequest

from tenants import events, throttle
from tenants.models import User
from tenants.origin import origin

# What proves somebody beside a password. Recovery codes alone are none: they stand in for one that was lost.
KINDS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
# Wrong codes, of somebody who knows the password: a code has six digits.
CODES_PER_ACCOUNT_AND_ADDRESS, WINDOW = 10, 300
CODES_PER_ACCOUNT, LONG_WINDOW = 30, 3600
# A code of an app is right for a minute and a half, and is taken once.
CODE_SECONDS = 120

# Whose authenticator is being opened: what is sealed for one person opens for no other.
whose: ContextVar[UUID] = ContextVar("whose")


def held_by(person: UUID | F) -> QuerySet[Authenticator]:
    found: QuerySet[Authenticator] = Authenticator.objects.filter(user_id=person, type__in=KINDS)
    return found


def has_second_factor(user: User) -> bool:
    return held_by(user.pk).exists()


def shown(request: HttpRequest) -> bool:
    """Whether who asks has shown a second factor since they signed in. A REST token tells it, else the browser's session."""
    token: Any = getattr(request, "auth", None)
    if token is not None:
        return bool(getattr(token, "payload", {}).get("mfa"))
    if not hasattr(request, "session"):
        return False
    return any(record.get("method") == "mfa" for record in get_authentication_records(request, request.user))


def confirm(user: User, code: str) -> Authenticator | None:
    """What this code is of, the person's app or their recovery codes; counted, and each code is taken once.

    :raises TooMany: tried too often.
    """
    pair, account = f"code {user.pk} {origin.get().place}", f"code {user.pk}"
    throttle.attempt(pair, limit=CODES_PER_ACCOUNT_AND_ADDRESS, seconds=WINDOW)
    throttle.attempt(account, limit=CODES_PER_ACCOUNT, seconds=LONG_WINDOW)
    found = _matching(user, re.sub(r"[\s-]", "", code))
    if found is None:
        return None
    throttle.forget(pair)
    throttle.forgive(account)
    if found.type == Authenticator.Type.RECOVERY_CODES:
        events.record_platform("mfa.recovery_code_used", user, by=user)
    return found


def _matching(user: User, code: str) -> Authenticator | None:
    if not re.fullmatch(r"[0-9]{6,8}", code):
        return None
    token = whose.set(user.pk)
    try:
        for each in Authenticator.objects.filter(user=user).exclude(type=Authenticator.Type.WEBAUTHN):
            if each.wrap().validate_code(code) and first_time(each, code):
                return each
    finally:
        whose.reset(token)
    return None


def first_time(authenticator: Authenticator, code: str) -> bool:
    """Whether this code was not taken before. Recovery codes know it by themselves; allauth remembers an app's in one process alone."""
    if authenticator.type != Authenticator.Type.TOTP:
        return True
    try:
        throttle.attempt(f"code {authenticator.pk} {code}", limit=1, seconds=CODE_SECONDS)
    except throttle.TooMany:
        return False
    return True
