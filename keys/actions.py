"""What happens to applications, their credentials, and a tenant's keys."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from keys import tokens
from keys.envelope import seal
from keys.kek import kek
from keys.models import Application, Credential, SigningKey
from keys.secrets import fingerprint, new_client_id, new_secret, pepper_id
from tenants import due, events, limits
from tenants.actions import add_tenant
from tenants.errors import Invalid, NotAllowed
from tenants.lifecycle import move
from tenants.models import Event, Tenant, User
from tenants.scope import tenant_scope

GRACES = {"0": timedelta(), "1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7)}
MAX_CREDENTIALS = 10
EXPIRE_JOB = "expire_credentials"


@transaction.atomic
def create_tenant(*, slug: str, name: str, by: User | None) -> Tenant:
    """A tenant that can issue tokens: its first signing key is active before anyone can ask."""
    key = tokens.generate()
    tenant = add_tenant(slug=slug, name=name, by=by)
    with tenant_scope(tenant.pk):
        events.lock()
        row = SigningKey(
            alg=tokens.ALG,
            kid=key.kid,
            public_jwk=tokens.public_jwk(key),
            status=SigningKey.Status.ACTIVE,
            activated_at=events.now(),
        )
        row.sealed = seal(tokens.dump(key), row.sealed_for, kek())
        row.save(force_insert=True)
        events.record("signing_key.activated", row, by=by, alg=row.alg)
    return tenant


@transaction.atomic
def register_application(*, name: str, purpose: str, environment: str, by: User) -> Application:
    events.lock()
    if Application.objects.filter(owner=by, name=name).exists():
        raise NotAllowed(_("You have an application called “%(name)s” already.") % {"name": name})
    if Application.objects.filter(owner=by).count() >= limits.APPLICATIONS_PER_PERSON:
        said = _("You have %(most)s applications here, which is as many as one person may have.")
        raise NotAllowed(said % {"most": number_format(limits.APPLICATIONS_PER_PERSON, force_grouping=True)})
    application = Application.objects.create(name=name, purpose=purpose, environment=environment, owner=by, client_id=new_client_id())
    events.record("application.created", application, by=by, purpose=purpose, environment=environment)
    return application


@transaction.atomic
def create_credential(
    application: Application, *, by: User | None, label: str = "", expires_at: datetime | None = None
) -> tuple[Credential, str]:
    """A new client secret. The second value is the secret itself: show it once, it is stored nowhere."""
    events.lock()
    if expires_at is not None and expires_at <= events.now():
        raise Invalid({"expires_at": [_("This time has passed; choose a later one.")]})
    _room_for_another(application)
    return _add_credential(application, kind="credential.created", by=by, label=label, expires_at=expires_at)


@transaction.atomic
def roll(credential: Credential, *, grace: str, by: User | None) -> tuple[Credential, str]:
    """Replace a credential; the old one works on for `grace` (0, 1h, 24h or 7d), then both it and its tokens end."""
    if grace not in GRACES:
        raise Invalid({"grace": [_("Choose from %(graces)s.") % {"graces": ", ".join(GRACES)}]})
    lock = events.lock()
    until = lock.now + GRACES[grace]
    if credential.expires_at is not None:
        until = min(until, credential.expires_at)
    if GRACES[grace]:
        _room_for_another(credential.application)
        move(credential, Credential.Status.EXPIRING, by=by, expires_at=until)
        due.expect(EXPIRE_JOB, until)
    else:
        # Written down in English whoever does it, see portal/words.py.
        move(credential, Credential.Status.REVOKED, by=by, why="Rolled without grace.", ended_at=lock.now)
    return _add_credential(credential.application, kind="credential.created", by=by, label=credential.label, replaces=credential)


@transaction.atomic
def revoke(credential: Credential, *, by: User | None, reason: str = "") -> Event:
    """End a credential now; every token it earned dies at the gateways with it."""
    lock = events.lock()
    return move(credential, Credential.Status.REVOKED, by=by, why=reason, ended_at=lock.now)


def expire_credentials() -> datetime | None:
    """Expire the tenant's credentials whose time has come; returns when the next one's comes. Runs under the lock, see tenants.due."""
    now = events.now()
    for credential in Credential.objects.ending():
        assert credential.expires_at is not None
        if credential.expires_at > now:
            return credential.expires_at
        move(credential, Credential.Status.EXPIRED, by=None, ended_at=now)
    return None


def _room_for_another(application: Application) -> None:
    if application.credentials.usable().count() >= MAX_CREDENTIALS:
        said = _("%(application)s has %(most)s working credentials; revoke one that is not used.")
        raise NotAllowed(said % {"application": application, "most": MAX_CREDENTIALS})


def _add_credential(
    application: Application,
    *,
    kind: str,
    by: User | None,
    label: str,
    expires_at: datetime | None = None,
    replaces: Credential | None = None,
) -> tuple[Credential, str]:
    secret = new_secret()
    credential = Credential.objects.create(
        application=application,
        label=label,
        secret_hmac=fingerprint(secret, settings.PEPPER),
        pepper_id=pepper_id(settings.PEPPER),
        last_four=secret[-4:],
        expires_at=expires_at,
        created_by=by,
    )
    if expires_at is not None:
        due.expect(EXPIRE_JOB, expires_at)
    more: dict[str, Any] = {"replaces": str(replaces.pk)} if replaces else {}
    events.record(kind, credential, by=by, application=application.name, **more)
    return credential, secret
