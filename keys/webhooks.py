"""Webhooks: what is sent, signed as the Standard Webhooks specification 1.0.0 says, when again, and what can stand in the way.

Pure: time and the secret come from outside.
"""

import base64
import json
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any
from urllib.parse import SplitResult, urlsplit

from standardwebhooks import Webhook

from tenants import addresses
from tenants.event_kinds import HOOK_FAMILIES, HOOKED, UNDOABLE

PREFIX = "whsec_"
SECRET_BYTES = 32
MAX_URL = 500
# What a button sends, of no event.
TEST = "webhook.test"
FAMILIES = tuple(f"{family}.*" for family in HOOK_FAMILIES)
# How long to wait after the first try, the second, and so on; after the last nothing more is tried.
SCHEDULE = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
# However long an address asks to be left alone.
LONGEST_REST = timedelta(hours=24)
# What has taken nothing for so long, of what was tried, is told nothing more.
PATIENCE = timedelta(days=5)
# How long a secret that was rolled signs beside the new one.
GRACE = timedelta(hours=24)
GONE = 410

Entropy = Callable[[int], bytes]


def _(sentence: str) -> str:
    """Marks a sentence for translation; whoever shows it translates it, this module knows no framework."""
    return sentence


class Trouble(StrEnum):
    """Why a try failed, as it is kept. The first five are those of keys.fetching.Why."""

    FORBIDDEN = "forbidden"
    SLOW = "slow"
    LARGE = "large"
    UNTRUSTED = "untrusted"
    SILENT = "silent"
    REDIRECT = "redirect"
    GONE = "gone"
    STATUS = "status"


SENTENCES = {
    Trouble.FORBIDDEN: _("%(host)s has no address that may be called."),
    Trouble.SLOW: _("%(host)s did not answer within %(seconds)s seconds."),
    Trouble.LARGE: _("%(host)s answered more than is read."),
    Trouble.UNTRUSTED: _("%(host)s could not be trusted: its certificate is not valid for it."),
    Trouble.SILENT: _("%(host)s did not answer, or not as a web server does."),
    Trouble.REDIRECT: _("%(host)s answered %(status)s and leads on to another address, which is not followed."),
    Trouble.GONE: _("%(host)s answered 410: it wants nothing more."),
    Trouble.STATUS: _("%(host)s answered %(status)s."),
}


class AddressRefused(ValueError):  # noqa: N818  (reads as the sentence it is)
    """No address that is told of anything. `named` fills the placeholders of `sentence`, in whatever language that is."""

    def __init__(self, sentence: str, **named: object) -> None:
        super().__init__(sentence % named)
        self.sentence, self.named = sentence, named


# --- kinds -----------------------------------------------------------------------------------------------------------


def wants(chosen: Collection[str], kind: str) -> bool:
    """Whether what was chosen, kinds and families, has this kind among it."""
    return kind in HOOKED and (kind in chosen or f"{kind.partition('.')[0]}.*" in chosen)


def kinds_of(chosen: Iterable[str]) -> list[str]:
    """All single kinds that were chosen, by name or with their family."""
    picked = set(chosen)
    return sorted(kind for kind in HOOKED if wants(picked, kind))


def whole(chosen: Iterable[str]) -> list[str]:
    """What was chosen, each once: families before kinds, and none of a family that is there."""
    picked = set(chosen)
    families = [each for each in FAMILIES if each in picked]
    return families + sorted(each for each in picked if each not in FAMILIES and f"{each.partition('.')[0]}.*" not in picked)


def can_be_undone(kind: str, *, by_a_person: bool) -> bool:
    """Whether an event waits until nobody can take it back any more."""
    return kind in UNDOABLE and by_a_person


# --- addresses -------------------------------------------------------------------------------------------------------


def check_url(url: str) -> SplitResult:
    """
    :raises AddressRefused: no address that could be called, by its shape alone.
    """
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise AddressRefused(_("Write an address such as https://hooks.example.com/portico, in ASCII without spaces."))
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressRefused(_("Write an address such as https://hooks.example.com/portico.")) from None
    if parts.scheme not in {"https", "http"} or addresses.host(parts.hostname or "") is None or port == 0:
        raise AddressRefused(_("The address begins with https:// and a host name."))
    if parts.username is not None or parts.password is not None or "#" in url:
        raise AddressRefused(_("Leave user, password and what follows a # out of the address."))
    return parts


def check_address(url: str, *, allowed: Sequence[str], resolver: addresses.Resolver) -> None:
    """It is called later, and looked up anew each time; this tells who writes it down at once.

    :param allowed: networks that the operator allows although they are not public; without TLS no others are called.
    :raises AddressRefused: it may not be called, or nobody knows its host.
    """
    parts = check_url(url)
    host = addresses.host(parts.hostname or "") or ""
    try:
        found = resolver(host, parts.port or (443 if parts.scheme == "https" else 80))
    except TimeoutError:
        raise AddressRefused(_("%(host)s could not be looked up in time. Try again in a moment."), host=host) from None
    except (OSError, ValueError):
        found = []
    if not found:
        raise AddressRefused(_("%(host)s does not resolve to an address. Check the name, then try again."), host=host)
    if not all(addresses.may_be_called(each, allowed=allowed) for each in found):
        raise AddressRefused(_("%(host)s has no public address, and webhooks are sent to public addresses alone."), host=host)
    if parts.scheme == "http" and not all(addresses.is_allowed(each, allowed=allowed) for each in found):
        raise AddressRefused(_("The address begins with https://. Without TLS only networks are called that the operator allows."))


# --- what is sent ----------------------------------------------------------------------------------------------------


def new_secret(entropy: Entropy = secrets.token_bytes) -> str:
    """256 random bits, as the specification writes a symmetric secret."""
    return PREFIX + base64.b64encode(entropy(SECRET_BYTES)).decode()


@dataclass(frozen=True, slots=True)
class Told:
    """What a message says. Of an event it never changes, so that each try sends the same bytes."""

    kind: str
    at: datetime
    id: str
    number: int
    subject: Mapping[str, str] | None
    actor: str
    data: Mapping[str, Any]
    tenant: str

    def body(self) -> bytes:
        told = {
            "id": self.id,
            "number": self.number,
            "kind": self.kind,
            "subject": self.subject,
            "actor": self.actor,
            "data": self.data,
            "tenant": self.tenant,
        }
        payload = {"type": self.kind, "timestamp": self.at.astimezone(UTC).isoformat().replace("+00:00", "Z"), "data": told}
        return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def headers(message: str, body: bytes, *, at: datetime, signed_by: Sequence[str]) -> dict[str, str]:
    """
    :param signed_by: secrets; each makes a signature, and one that the receiver knows is enough.
    """
    at = at.astimezone(UTC).replace(microsecond=0)
    text = body.decode()
    return {
        "Content-Type": "application/json",
        "User-Agent": "Portico-Webhooks",
        "webhook-id": message,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(each).sign(message, at, text) for each in signed_by),
    }


# --- what comes of it ------------------------------------------------------------------------------------------------


def trouble_of(status: int) -> Trouble | None:
    """None where it was taken: any 2xx."""
    if 200 <= status < 300:
        return None
    if status == GONE:
        return Trouble.GONE
    return Trouble.REDIRECT if 300 <= status < 400 else Trouble.STATUS


def rest_asked(header: str, *, now: datetime) -> timedelta:
    """What `Retry-After` says (RFC 9110 §10.2.3), in seconds or as a date: never less than nothing, nor more than a day."""
    try:
        if header.strip().isascii() and header.strip().isdigit():
            asked = timedelta(seconds=min(int(header.strip()[:9]), int(LONGEST_REST.total_seconds())))
        else:
            day = parsedate_to_datetime(header)
            asked = (day if day.tzinfo else day.replace(tzinfo=UTC)) - now
    except (ValueError, TypeError, OverflowError):
        return timedelta()
    return min(max(asked, timedelta()), LONGEST_REST)


def wait_after(tries: int, *, asked: timedelta) -> timedelta | None:
    """How long to wait after so many tries that failed; None: nothing more is tried."""
    return max(SCHEDULE[tries - 1], asked) if tries <= len(SCHEDULE) else None
