"""What happens to credentials."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from keys import keyring, tokens
from keys.actions import expiries, signing
from keys.actions.applications import check_active
from keys.models import Application, Credential, SigningKey, TokenPolicy
from keys.secrets import fingerprint, new_secret, pepper_id
from tenants import due, events
from tenants.errors import Invalid, NotAllowed
from tenants.lifecycle import NOTHING, Data, move
from tenants.models import Event, User

GRACES = {"0": timedelta(), "1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7)}
MAX_CREDENTIALS = 10
EXPIRE_JOB = "expire_credentials"
# A replacement lives as long as what it replaces: both ends have to be dates.
BEFORE_YEAR = 3000

Kind, Status = Credential.Kind, Credential.Status
# What Portico made, it can make again; of the others it knows only the public half.
ROLLABLE = frozenset({Kind.CLIENT_SECRET, Kind.API_KEY})
# These say nothing about who asks: all that an issuer signs for us has them alike, or they change each time.
_NOBODYS_CLAIMS = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti"})


@transaction.atomic
def create_credential(
    application: Application, *, by: User | None, label: str = "", expires_at: datetime | None = None
) -> tuple[Credential, str]:
    """A new client secret. The second value is the secret itself: show it once, it is stored nowhere."""
    events.lock()
    _check_end(expires_at)
    _room_for_another(application)
    return _add_secret(application, by=by, label=label, expires_at=expires_at)


@transaction.atomic
def create_api_key(
    application: Application, *, by: User | None, label: str = "", expires_at: datetime | None = None
) -> tuple[Credential, str]:
    """A new API key, for as long as the tenant's policy allows if no end is given. The second value is the key itself: show it once."""
    signer = _signer()
    events.lock()
    days = _most_days()
    latest = events.now() + timedelta(days=days)
    _check_end(expires_at)
    if expires_at is not None and expires_at > latest:
        said = _("API keys work for at most %(days)s days here; choose an earlier time.")
        raise Invalid({"expires_at": [said % {"days": days}]})
    _room_for_another(application)
    return _add_api_key(application, _signer(signer), by=by, label=label, expires_at=expires_at or latest)


@transaction.atomic
def add_key_pair(
    application: Application, *, by: User | None, jwks: dict[str, Any], label: str = "", expires_at: datetime | None = None
) -> Credential:
    """The application signs its own proof (RFC 7523) with a private key that only it has.

    :param jwks: the public halves, as `keys.jwks.read_public` returns them.
    """
    events.lock()
    _check_end(expires_at)
    _room_for_another(application)
    pair = Credential(
        application=application, kind=Kind.KEY_PAIR, label=label, jwks=jwks, last_four=_key_ids(jwks)[0][-4:], expires_at=expires_at
    )
    return _added(pair, by=by)


@transaction.atomic
def trust_issuer(
    application: Application,
    *,
    by: User | None,
    issuer: str,
    claim: str,
    claim_value: str,
    jwks: dict[str, Any],
    jwks_url: str = "",
    label: str = "",
) -> Credential:
    """The application proves itself by JWTs of its own identity provider, whose `claim` has this value (RFC 7523 §3).

    :param jwks: the provider's public keys, as `keys.jwks.read_public` returns them.
    :param jwks_url: where they were fetched from, "" if they were given.
    """
    lock = events.lock()
    host = _host_of_issuer(issuer)
    _check_claim(claim, claim_value)
    _room_for_another(application)
    trusted = Credential(
        application=application,
        kind=Kind.ISSUER,
        label=label or host[:80],
        issuer=issuer,
        claim=claim,
        claim_value=claim_value,
        jwks=jwks,
        jwks_url=jwks_url,
        jwks_fetched_at=lock.now if jwks_url else None,
    )
    return _added(trusted, by=by)


@transaction.atomic
def roll(credential: Credential, *, grace: str, by: User | None) -> tuple[Credential, str]:
    """Replace a client secret or an API key by one that lives as long.

    The old one works on for `grace` (0, 1h, 24h or 7d), then both it and its tokens end.
    """
    if grace not in GRACES:
        raise Invalid({"grace": [_("Choose from %(graces)s.") % {"graces": ", ".join(GRACES)}]})
    if credential.kind not in ROLLABLE:
        raise NotAllowed(_("Only secrets and API keys can be rolled. Add another credential, then revoke this one."))
    signer = _signer() if credential.kind == Kind.API_KEY else None
    lock = events.lock()
    if credential.status == Status.EXPIRING:
        raise NotAllowed(_("This credential was rolled already, and has its replacement."))
    # Before its own end is moved to that of its grace.
    expires_at = lock.now + _life_of(credential) if credential.expires_at else None
    until = min(lock.now + GRACES[grace], credential.expires_at or lock.now + GRACES[grace])
    if GRACES[grace]:
        _room_for_another(credential.application)
        move(credential, Status.EXPIRING, by=by, expires_at=until)
        due.expect(EXPIRE_JOB, until)
        expiries.expect(credential)
    else:
        check_active(credential.application)
        # Written down in English whoever does it, see portal/words.py.
        move(credential, Status.REVOKED, by=by, why="Rolled without grace.", ended_at=lock.now)
    if signer is None:
        return _add_secret(credential.application, by=by, label=credential.label, expires_at=expires_at, replaces=credential)
    assert expires_at is not None
    expires_at = min(expires_at, lock.now + timedelta(days=_most_days()))
    return _add_api_key(credential.application, _signer(signer), by=by, label=credential.label, expires_at=expires_at, replaces=credential)


@transaction.atomic
def revoke(credential: Credential, *, by: User | None, reason: str = "", data: Data = NOTHING) -> Event:
    """End a credential now; every token it earned dies at the gateways with it.

    :param data: what the event says besides.
    """
    lock = events.lock()
    return move(credential, Status.REVOKED, by=by, why=reason, data=data, ended_at=lock.now)


def expire_credentials() -> datetime | None:
    """Expire the tenant's credentials whose time has come; returns when the next one's comes. Runs under the lock, see tenants.due."""
    now = events.now()
    for credential in Credential.objects.ending():
        assert credential.expires_at is not None
        if credential.expires_at > now:
            return credential.expires_at
        move(credential, Status.EXPIRED, by=None, ended_at=now)
    return None


@dataclass(frozen=True, slots=True)
class _Signer:
    row: SigningKey
    key: tokens.Key


def _signer(held: _Signer | None = None) -> _Signer:
    """What signs API keys now. Asked for before the lock, since unsealing may mean asking a key service, and once more under it."""
    row = SigningKey.objects.get(purpose=SigningKey.Use.API_KEY, status=SigningKey.Status.ACTIVE)
    if held is not None and held.row.pk == row.pk:
        return held
    return _Signer(row, keyring.unsealed(row))


def _add_secret(
    application: Application, *, by: User | None, label: str, expires_at: datetime | None, replaces: Credential | None = None
) -> tuple[Credential, str]:
    secret = new_secret()
    credential = Credential(
        application=application,
        kind=Kind.CLIENT_SECRET,
        label=label,
        secret_hmac=fingerprint(secret, settings.PEPPER),
        pepper_id=pepper_id(settings.PEPPER),
        last_four=secret[-4:],
        expires_at=expires_at,
        replaces=replaces,
    )
    return _added(credential, by=by), secret


def _add_api_key(
    application: Application, signer: _Signer, *, by: User | None, label: str, expires_at: datetime, replaces: Credential | None = None
) -> tuple[Credential, str]:
    until = datetime.fromtimestamp(int(expires_at.timestamp()), UTC)
    credential = Credential(
        application=application,
        kind=Kind.API_KEY,
        label=label,
        signing_key=signer.row,
        signed_until=until,
        expires_at=until,
        replaces=replaces,
    )
    key = tokens.api_key(
        client_id=application.client_id,
        credential_id=str(credential.pk),
        expires=int(until.timestamp()),
        environment=application.environment,
        key=signer.key,
    )
    credential.last_four = key[-4:]
    signing.carry(signer.row, until=until)
    return _added(credential, by=by), key


def _added(credential: Credential, *, by: User | None) -> Credential:
    credential.created_by = by
    credential.save(force_insert=True)
    if credential.expires_at is not None:
        due.expect(EXPIRE_JOB, credential.expires_at)
        expiries.expect(credential)
    more: dict[str, Any] = {"replaces": str(credential.replaces_id)} if credential.replaces_id else {}
    application = credential.application.name
    events.record("credential.created", credential, by=by, application=application, kind=str(credential.kind), **more)
    return credential


def _life_of(credential: Credential) -> timedelta:
    assert credential.expires_at is not None
    return credential.expires_at - credential.created_at


def _most_days() -> int:
    """How long an API key may work here."""
    return TokenPolicy.objects.values_list("api_key_days", flat=True).get()


def _room_for_another(application: Application) -> None:
    """
    :raises NotAllowed: it is suspended or deleted, or has as many as it may.
    """
    check_active(application)
    if application.credentials.usable().count() >= MAX_CREDENTIALS:
        said = _("%(application)s has %(most)s working credentials; revoke one that is not used.")
        raise NotAllowed(said % {"application": application, "most": MAX_CREDENTIALS})


def _check_end(expires_at: datetime | None) -> None:
    if expires_at is None:
        return
    if int(expires_at.timestamp()) <= events.now().timestamp():
        raise Invalid({"expires_at": [_("This time has passed; choose a later one.")]})
    if expires_at.year >= BEFORE_YEAR:
        raise Invalid({"expires_at": [_("Choose a year before %(year)s, or leave this empty.") % {"year": BEFORE_YEAR}]})


def _key_ids(jwks: dict[str, Any]) -> list[str]:
    return [str(key["kid"]) for key in jwks["keys"]]


def _host_of_issuer(issuer: str) -> str:
    """Of an issuer as RFC 8414 §2 has it: https, without query and fragment."""
    try:
        if not issuer.isascii() or not issuer.isprintable() or " " in issuer:
            raise ValueError
        parts = urlsplit(issuer)
        unfit = parts.username is not None or parts.port == 0 or "?" in issuer or "#" in issuer
        if parts.scheme != "https" or not parts.hostname or unfit:
            raise ValueError
    except ValueError:
        said = _("Write the issuer as it stands in the claim iss, such as https://id.example.com/tenant: https, without ? and #.")
        raise Invalid({"issuer": [said]}) from None
    return parts.hostname


def _check_claim(claim: str, value: str) -> None:
    problems: dict[str, list[str]] = {}
    if claim in _NOBODYS_CLAIMS:
        said = _("%(claim)s does not say who asks; name the claim that is this application's alone, such as sub or azp.")
        problems["claim"] = [said % {"claim": claim}]
    for name, text in (("claim", claim), ("claim_value", value)):
        if not text:
            problems[name] = [_("Fill this in.")]
    if problems:
        raise Invalid(problems)
