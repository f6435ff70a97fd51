"""How a gateway becomes a node of Portico, and stops being one: join tokens, credentials, draining, and what is forgotten.

Shared tables alone. What control has to know at once it hears of by NOTIFY, as it does of decisions.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from gateway import placing
from gateway.models import GatewayNode, GroupedNode, JoinToken, Loaded, NodeCredential
from tenants import events
from tenants.errors import Invalid, NotAllowed
from tenants.events import CHANNEL
from tenants.models import User

NODE_PREFIX, JOIN_PREFIX = "ptc_node_", "ptc_join_"
# What a NOTIFY about a gateway begins with; one about a tenant begins with its id.
NOTICE = "node"
# How long a join token lets somebody in, in minutes.
USUAL_MINUTES, LEAST_MINUTES, MOST_MINUTES = 60, 5, 7 * 24 * 60
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
# Compared with where there is no such token, so that both take the same steps.
NOBODYS = "0" * 64


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def new_secret(prefix: str) -> str:
    """256 random bits, which need no slow hash."""
    return prefix + secrets.token_urlsafe(32)


def lock() -> datetime:
    """The platform's chain, before any other row, as events.lock() is a tenant's, until the transaction ends. Returns what time it is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp() FROM tenants_platformcounter FOR UPDATE")
        now: datetime = cursor.fetchone()[0]
    return now


def _tell_control(node: GatewayNode) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, f"{NOTICE} {node.pk}"])


# Join tokens


@transaction.atomic
def issue_join_token(
    name: str, *, address: str = "", minutes: int = USUAL_MINUTES, groups: Collection[UUID] = (), by: User | None
) -> tuple[JoinToken, str]:
    """A token with which one machine may become the gateway `name`, once; one that was issued before for that name ends.

    :param groups: where it is put on joining, by their ids; none: where it was, which is the default group for a new gateway.

    :raises Invalid: by field.
    """
    problems = {"name": _problem_of_name(name), "address": _problem_of_address(address), "minutes": _problem_of_minutes(minutes)}
    if any(problems.values()):
        raise Invalid({field: [problem] for field, problem in problems.items() if problem})
    now = lock()
    wanted = placing.locked(groups)
    if len(wanted) != len(set(groups)):
        raise Invalid({"groups": [_("One of these groups is not there any more.")]})
    JoinToken.objects.filter(name=name, used_at=None, revoked_at=None).update(revoked_at=now)
    secret = new_secret(JOIN_PREFIX)
    found = JoinToken.objects.create(
        name=name,
        address=address.rstrip("/"),
        groups=[each.pk for each in wanted],
        sha256=digest(secret),
        last_four=secret[-4:],
        expires_at=now + timedelta(minutes=minutes),
        created_by=by,
    )
    told = {"expires_at": found.expires_at.isoformat(), "address": found.address, "groups": sorted(each.name for each in wanted)}
    events.record_platform("gateway.join_token_issued", found, by=by, **told)
    return found, secret


def _problem_of_name(name: str) -> str:
    if NAME.fullmatch(name) or GatewayNode.objects.standing().filter(name=name).exists():
        return ""
    return _("A name has letters, digits, dots, hyphens and underscores, begins with a letter or a digit, and has 80 characters at most.")


def _problem_of_address(address: str) -> str:
    if not address or _is_origin(address):
        return ""
    return _("Give an address such as http://10.0.0.7:8080, without a path, or leave it empty.")


def _is_origin(address: str) -> bool:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return False
    plain = len(address) <= 200 and address.isascii() and address.isprintable() and " " not in address
    rest = [parts.username, parts.query, parts.fragment, "" if parts.path == "/" else parts.path]
    return plain and parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0 and not any(rest)


def _problem_of_minutes(minutes: int) -> str:
    if LEAST_MINUTES <= minutes <= MOST_MINUTES:
        return ""
    return _("A join token works for %(least)s minutes at least and 7 days (%(most)s minutes) at most.") % {
        "least": LEAST_MINUTES,
        "most": MOST_MINUTES,
    }


@transaction.atomic
def revoke_join_token(token: JoinToken, *, by: User | None) -> None:
    """
    :raises NotAllowed: it was used, was revoked, or is over.
    """
    now = lock()
    found = JoinToken.objects.get(pk=token.pk)
    if (state := state_of(found, now=now)) != "waiting":
        said = {
            "used": _("A machine has joined with this token. Revoke the gateway to end that."),
            "revoked": _("This join token is revoked already."),
            "expired": _("This join token is over already."),
        }
        raise NotAllowed(said[state])
    JoinToken.objects.filter(pk=found.pk).update(revoked_at=now)
    events.record_platform("gateway.join_token_revoked", found, by=by)


def state_of(token: JoinToken, *, now: datetime) -> str:
    """One of waiting, used, revoked and expired."""
    if token.used_at is not None:
        return "used"
    if token.revoked_at is not None and token.revoked_at <= token.expires_at:
        return "revoked"
    return "waiting" if token.expires_at > now else "expired"


@dataclass(frozen=True, slots=True)
class Joined:
    node: GatewayNode
    credential: str


@transaction.atomic
def join(join_token: str) -> Joined | None:
    """The gateway that the token names, with a credential that ends the one before. None where the token lets nobody in (any more).

    Of two machines with one token the first gets it: both wait for the lock, and the second finds it used.
    """
    wanted = digest(join_token)
    now = lock()
    token = JoinToken.objects.filter(sha256=wanted).first()
    known = hmac.compare_digest(token.sha256 if token else NOBODYS, wanted)
    if token is None or not known:
        return None
    if (state := state_of(token, now=now)) != "waiting":
        _told_once(token, state)
        return None
    node, made = GatewayNode.objects.get_or_create(name=token.name)
    if made:
        events.record_platform("gateway.registered", node, by=None)
    GatewayNode.objects.filter(pk=node.pk).update(
        revoked_at=None, forgotten_at=None, draining_at=None, drained_at=None, refused_version="", refused_at=None, address=token.address
    )
    node.address = token.address
    JoinToken.objects.filter(pk=token.pk).update(used_at=now, node=node)
    ended = _end_credentials(node, at=now)
    secret = _new_credential(node)[1]
    events.record_platform("gateway.joined", node, by=None, ended=ended)
    if token.groups:
        placing.put(node, placing.locked(token.groups), by=token.created_by)
    _tell_control(node)
    return Joined(node, secret)


def _told_once(token: JoinToken, state: str) -> None:
    """The row counts how often; one event is enough to look."""
    JoinToken.objects.filter(pk=token.pk).update(refused=F("refused") + 1)
    if not token.refused:
        events.record_platform("gateway.join_refused", token, by=None, why=state)


# Credentials


def _new_credential(node: GatewayNode) -> tuple[NodeCredential, str]:
    secret = new_secret(NODE_PREFIX)
    return NodeCredential.objects.create(node=node, sha256=digest(secret), last_four=secret[-4:]), secret


def _end_credentials(node: GatewayNode, *, at: datetime) -> int:
    """Returns how many there were."""
    working = NodeCredential.objects.filter(node=node).filter(Q(ends_at=None) | Q(ends_at__gt=at))
    return working.update(ends_at=at, revoked_at=at)


@transaction.atomic
def issue_credential(name: str, *, address: str) -> str:
    """A credential of the gateway `name` at once, for who has a shell on Portico's own machine; those before end."""
    now = lock()
    node, created = GatewayNode.objects.update_or_create(name=name, defaults={"address": address, "revoked_at": None, "forgotten_at": None})
    if created:
        events.record_platform("gateway.registered", node, by=None)
    _end_credentials(node, at=now)
    secret = _new_credential(node)[1]
    events.record_platform("gateway.token_issued", node, by=None)
    _tell_control(node)
    return secret


@dataclass(frozen=True, slots=True)
class Rolled:
    node: GatewayNode
    credential: str
    # When the one before ends.
    former_until: datetime


@dataclass(frozen=True, slots=True)
class NotThisOne:
    """The credential was rolled, and its successor is in use: whoever shows it now is somebody else, or has forgotten."""

    sentence: str


@transaction.atomic
def roll(credential: str) -> Rolled | NotThisOne | None:
    """A new credential for the node that shows this one, which goes on for a while, so that nothing is cut. None where it does not work.

    Rolled again by the same one, because the answer was lost, the new one that nobody used ends in favour of another; what was used stays.
    """
    wanted = digest(credential)
    now = lock()
    found = NodeCredential.objects.working().select_related("node", "successor").filter(sha256=wanted, node__revoked_at=None).first()
    known = hmac.compare_digest(found.sha256 if found else NOBODYS, wanted)
    if found is None or not known:
        return None
    after = found.successor
    if after is not None:
        if after.last_used_at is not None or after.rolled_at is not None:
            events.record_platform("gateway.roll_refused", found.node, by=None, credential=found.last_four)
            return NotThisOne(_("This credential was rolled, and its successor is in use. Roll by that one, or join again."))
        NodeCredential.objects.filter(pk=after.pk).update(ends_at=now, revoked_at=now)
    new, secret = _new_credential(found.node)
    until = found.ends_at or now + settings.NODE_OVERLAP
    NodeCredential.objects.filter(pk=found.pk).update(rolled_at=now, successor=new, ends_at=until, last_used_at=now)
    events.record_platform("gateway.credential_rolled", found.node, by=None, until=until.isoformat())
    return Rolled(found.node, secret, until)


@transaction.atomic
def revoke(node: GatewayNode, *, by: User | None) -> None:
    """It may not connect any more, and its stream ends at once; so does a join token of its name. What it holds, it goes on enforcing.

    :raises NotAllowed: it is revoked.
    """
    now = lock()
    found = GatewayNode.objects.select_for_update().get(pk=node.pk)
    if found.revoked_at is not None:
        raise NotAllowed(_("This gateway is revoked already."))
    _end_credentials(found, at=now)
    JoinToken.objects.filter(name=found.name, used_at=None, revoked_at=None).update(revoked_at=now)
    GatewayNode.objects.filter(pk=found.pk).update(revoked_at=now, connected=False, stream=None)
    events.record_platform("gateway.revoked", found, by=by)
    _tell_control(found)


@transaction.atomic
def forget(node: GatewayNode, *, by: User | None) -> None:
    """It stands in no list any more. What it acknowledged stays; under its name another may join.

    :raises NotAllowed: it is connected.
    """
    now = lock()
    found = GatewayNode.objects.select_for_update().get(pk=node.pk)
    if found.forgotten_at is not None:
        raise NotAllowed(_("This gateway is forgotten already."))
    if GatewayNode.objects.connected().filter(pk=found.pk).exists():
        raise NotAllowed(_("This gateway is connected. Revoke it first, and stop it."))
    _end_credentials(found, at=now)
    JoinToken.objects.filter(name=found.name, used_at=None, revoked_at=None).update(revoked_at=now)
    Loaded.objects.filter(node=found).delete()
    # Else nobody could move it out of its groups any more, and another of its name would be in them.
    GroupedNode.objects.filter(node=found).delete()
    GatewayNode.objects.filter(pk=found.pk).update(
        forgotten_at=now, revoked_at=found.revoked_at or now, connected=False, stream=None, draining_at=None, drained_at=None
    )
    events.record_platform("gateway.forgotten", found, by=by)
    _tell_control(found)


# Draining


@transaction.atomic
def drain(node: GatewayNode, *, by: User | None) -> None:
    """Load balancers are told at once, and after a while it takes no more connections; calls under way end as they would.

    :raises NotAllowed: it drains already, or may not connect.
    """
    now = lock()
    found = GatewayNode.objects.select_for_update().get(pk=node.pk)
    _insist_not_revoked(found)
    if found.draining_at is not None:
        raise NotAllowed(_("This gateway drains already."))
    GatewayNode.objects.filter(pk=found.pk).update(draining_at=now, drained_at=None)
    events.record_platform("gateway.drain_began", found, by=by)
    _tell_control(found)


@transaction.atomic
def undrain(node: GatewayNode, *, by: User | None) -> None:
    """It takes calls again.

    :raises NotAllowed: it does not drain.
    """
    lock()
    found = GatewayNode.objects.select_for_update().get(pk=node.pk)
    _insist_not_revoked(found)
    if found.draining_at is None:
        raise NotAllowed(_("This gateway takes calls already."))
    GatewayNode.objects.filter(pk=found.pk).update(draining_at=None, drained_at=None)
    events.record_platform("gateway.drain_ended", found, by=by)
    _tell_control(found)


def _insist_not_revoked(node: GatewayNode) -> None:
    if node.revoked_at is not None:
        raise NotAllowed(_("This gateway is revoked. Let it join again first."))


# What control asks


def authenticate(token: str, name: str) -> tuple[UUID, UUID] | None:
    """The node and the credential that this token is, if it bears that name."""
    wanted = digest(token)
    found = NodeCredential.objects.working().filter(sha256=wanted, node__name=name, node__revoked_at=None).first()
    known = hmac.compare_digest(found.sha256 if found else NOBODYS, wanted)
    if found is None or not known:
        return None
    NodeCredential.objects.filter(pk=found.pk).update(last_used_at=Now())
    return found.node_id, found.pk
