"""The browsers that people are signed in with: noted now and then, listed, and ended."""

import ipaddress
import re
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from tenants import events
from tenants.actions import end_refresh_tokens
from tenants.models import User
from tenants.origin import origin

# So often each is noted, by each process.
NOTED_EVERY = 300.0
# The address where none is known: nobody's (RFC 6890).
NOWHERE = "0.0.0.0"  # nosec B104  (nothing listens there)
_MOST = 10_000
_noted: dict[str, float] = {}
_lock = threading.Lock()

# The first that is there: most browsers name others, too.
PROGRAMS = {
    "Edg(?:A|iOS)?": "Edge", "OPR": "Opera", "SamsungBrowser": "Samsung Internet", "Firefox": "Firefox", "FxiOS": "Firefox",
    "CriOS": "Chrome", "Chrome": "Chrome", "Safari": "Safari",
}  # fmt: skip
SYSTEMS = {"iPhone": "iPhone", "iPad": "iPad", "Android": "Android", "Windows": "Windows", "CrOS": "ChromeOS", "Mac OS X": "macOS",
           "Linux": "Linux"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Browser:
    """`here` is the one that asks."""

    pk: int
    device: str
    ip: str
    since: datetime
    seen: datetime
    here: bool


def note(request: HttpRequest) -> None:
    """That this browser of somebody signed in was here: one statement, and that only now and then."""
    key, now = request.session.session_key, time.monotonic()
    if key is None or _noted.get(key, 0.0) > now:
        return
    with _lock:
        if len(_noted) >= _MOST:
            _noted.clear()
        _noted[key] = now + NOTED_EVERY
    where = origin.get()
    seen = UserSession(user=request.user, session_key=key, ip=_address(where.ip), user_agent=where.user_agent, last_seen_at=timezone.now())
    kept = ["user", "ip", "user_agent", "last_seen_at"]
    UserSession.objects.bulk_create([seen], update_conflicts=True, unique_fields=["session_key"], update_fields=kept)


def _address(text: str) -> str:
    """NOWHERE where a proxy told none."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return NOWHERE


def signed_in(user: User, *, here: str | None) -> list[Browser]:
    """The person's, last seen first; without those whose session has ended, by itself or with another password."""
    rows = {row.session_key: row for row in UserSession.objects.filter(user=user).order_by("-last_seen_at")}
    live = Session.objects.filter(session_key__in=rows, expire_date__gt=timezone.now())
    keys = {session.session_key for session in live if _is_of(session, user)}
    return [
        Browser(row.pk, device(row.user_agent), "" if row.ip == NOWHERE else row.ip, row.created_at, row.last_seen_at, key == here)
        for key, row in rows.items()
        if key in keys
    ]


def _is_of(session: Session, user: User) -> bool:
    return constant_time_compare(session.get_decoded().get(HASH_SESSION_KEY, ""), user.get_session_auth_hash())


def programs(user: User) -> int:
    """How many sign-ins over REST go on."""
    return OutstandingToken.objects.filter(user=user, expires_at__gt=timezone.now(), blacklistedtoken=None).count()


@transaction.atomic
def end(user: User, pk: int) -> None:
    """Sign one of the person's browsers out."""
    for found in UserSession.objects.filter(user=user, pk=pk):
        _end([found])
        events.record_platform("login.signed_out", user, by=user, user_agent=found.user_agent, ip=found.ip)


@transaction.atomic
def end_others(user: User, *, here: str | None) -> None:
    """Sign out everywhere else: other browsers, and programs at the REST API."""
    _end(list(UserSession.objects.filter(user=user).exclude(session_key=here or "")))
    end_refresh_tokens(user)
    events.record_platform("login.signed_out", user, by=user, everywhere=True)


def _end(found: list[UserSession]) -> None:
    Session.objects.filter(session_key__in=[each.session_key for each in found]).delete()
    UserSession.objects.filter(pk__in=[each.pk for each in found]).delete()


def prune() -> int:
    """Forget those whose session can't go on. Returns how many."""
    ended = timezone.now() - timedelta(seconds=settings.SESSION_COOKIE_AGE)
    deleted: int = UserSession.objects.filter(last_seen_at__lt=ended).delete()[0]
    return deleted


def device(user_agent: str) -> str:
    """A browser in words, as far as it tells."""
    program = next((word for name, word in PROGRAMS.items() if re.search(f"{name}/", user_agent)), "")
    system = next((word for name, word in SYSTEMS.items() if name in user_agent), "")
    if program and system:
        return _("%(program)s on %(system)s") % {"program": program, "system": system}
    return program or system or _("Unknown browser")
