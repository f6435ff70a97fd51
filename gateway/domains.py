"""What happens to a tenant's own host names at the gateway: added, proven, given a certificate, removed."""

import re
import secrets
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from apis.certificates import CertificateRefused
from gateway import host_certificates
from gateway.host_certificates import KeyRefused
from gateway.models import Domain, GatewayGroup
from keys import tokens
from keys.actions.expiries import next_at, reached
from keys.envelope import seal
from keys.kek import kek
from tenants import due, events, limits
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event, HostName, User
from tenants.scope import current_tenant_id

CHECK_JOB = "check_domains"
WARN_JOB = "warn_domains"
# Until the proof is there it is looked for often at first; once it was there, each day whether it still is.
SOON, LATER, DAILY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
EAGER = timedelta(hours=2)
# A domain whose proof is gone for so long is free for whoever proves it.
PATIENCE = timedelta(days=14)

MOST = 253
_NAME = re.compile(r"(?:(?!-)[a-z0-9-]{1,63}(?<!-)\.)+(?!-)[a-z0-9-]{1,63}(?<!-)")


def host_of(text: str) -> str:
    """The one spelling of a host name, as handshakes have it.

    :raises Invalid: under `name`: it is none, or not one that a tenant can have.
    """
    name = text.strip().lower().removesuffix(".")
    if not name.isascii():
        raise _refused(_("Write the name as DNS has it, in ASCII: what is not begins with xn-- there."))
    if len(name) > MOST or not _NAME.fullmatch(name) or name.rpartition(".")[2].isdigit():
        raise _refused(_("This is no host name. Write it without https:// and without a port, such as api.example.com."))
    for ours in _ours():
        if name == ours or name.endswith(f".{ours}"):
            raise _refused(_("%(name)s belongs to Portico itself.") % {"name": ours})
    return name


def _ours() -> list[str]:
    """What leads to the portal, or to every tenant; `localhost` among them."""
    names = {*settings.GATEWAY_HOSTS, *settings.ALLOWED_HOSTS, urlsplit(settings.PORTAL_URL).hostname or "", "localhost"}
    return sorted(name.lower().lstrip(".") for name in names if name and name != "*")


def _of_groups() -> set[str]:
    """What leads to every tenant at some gateways: a tenant's routes there could not have the name twice."""
    return {urlsplit(url).hostname or "" for url in GatewayGroup.objects.exclude(url="").values_list("url", flat=True)}


def own_address() -> str:
    """Where callers reach the tenant in scope under the first domain of its own that is served; "" where none is."""
    if not settings.GATEWAY_TLS_PORT:
        return ""
    served = Domain.objects.filter(verified_at__isnull=False).exclude(certificate="")
    name = served.order_by("name").values_list("name", flat=True).first()
    return tokens.own_audience(name, settings.GATEWAY_TLS_PUBLIC_PORT) if name else ""


@transaction.atomic
def add(*, name: str, by: User | None) -> Domain:
    """
    :raises Invalid: under `name`.
    """
    name = host_of(name)
    if name in _of_groups():
        raise _refused(_("%(name)s belongs to Portico itself.") % {"name": name})
    lock = events.lock()
    if Domain.objects.filter(name=name).exists():
        raise _refused(_("This domain is there already."))
    if Domain.objects.count() >= limits.DOMAINS:
        raise NotAllowed(
            _("There are %(most)s domains, which is as many as a tenant may have. Remove one first.") % {"most": limits.DOMAINS}
        )
    domain = Domain.begun(name=name, proof=secrets.token_hex(16), tenant_id=current_tenant_id(), at=lock.now)
    domain.save(force_insert=True)
    due.expect(CHECK_JOB, lock.now)
    events.record("domain.added", domain, by=by, domain=name)
    return domain


@transaction.atomic
def look_again(domain: Domain) -> None:
    """The job looks for the proof as soon as it can."""
    lock = events.lock()
    Domain.objects.filter(pk=domain.pk).update(next_at=lock.now)
    due.expect(CHECK_JOB, lock.now)


@transaction.atomic
def confirm(domain: Domain, *, by: User | None) -> Event:
    """The operator's word, in place of the proof.

    :raises NotAllowed: it is another tenant's.
    """
    lock = events.lock()
    domain = Domain.objects.get(pk=domain.pk)
    if domain.verified_at is not None:
        raise NotAllowed(_("This domain is confirmed already."))
    if not _take(domain, lock.now, by=by):
        raise NotAllowed(_("This domain is another tenant's."))
    return Event.objects.filter(subject_id=domain.pk, kind="domain.verified").latest("number")


def looked(domain: Domain, *, found: bool | None) -> None:
    """What came of a look for the proof: None where DNS did not answer. In scope and under the lock."""
    now = events.now()
    domain.checked_at = now
    domain.next_at = now + (DAILY if domain.verified_at else SOON if now - domain.created_at < EAGER else LATER)
    if found and domain.verified_at is None:
        if not _take(domain, now, by=None):
            domain.next_at = now + LATER
    elif found:
        domain.missing_since = None
    elif found is False and domain.verified_at is not None:
        if domain.missing_since is None:
            domain.missing_since = now
            events.record("domain.proof_missing", domain, by=None, domain=domain.name, until=(now + PATIENCE).isoformat())
        elif now - domain.missing_since >= PATIENCE:
            _remove(domain, by=None)
            return
    domain.save(update_fields=["checked_at", "next_at", "missing_since", "verified_at"])


def _take(domain: Domain, now: datetime, *, by: User | None) -> bool:
    """False where another tenant has it: whoever proved it first keeps it, until it lets go."""
    try:
        with transaction.atomic():
            HostName.objects.create(name=domain.name, tenant_id=domain.owning_tenant)
    except IntegrityError:
        return False
    domain.verified_at, domain.missing_since, domain.next_at = now, None, now + DAILY
    domain.save(update_fields=["verified_at", "missing_since", "next_at"])
    due.expect(CHECK_JOB, domain.next_at)
    events.record("domain.verified", domain, by=by, domain=domain.name)
    return True


@transaction.atomic
def put_certificate(domain: Domain, *, certificate: str, key: str, by: User | None) -> Event:
    """From now on gateways serve this one, in place of the one before.

    :raises Invalid: under `certificate` or `key`; nothing of the key is said.
    """
    lock = events.lock()
    domain = Domain.objects.select_for_update().get(pk=domain.pk)
    try:
        found = host_certificates.pair(certificate, key, host=domain.name, now=lock.now)
    except CertificateRefused as refused:
        field = "key" if isinstance(refused, KeyRefused) else "certificate"
        raise Invalid({field: [_(refused.sentence) % refused.named]}) from None
    domain.certificate, domain.ends_at = found.chain, found.until
    domain.sealed_key = seal(found.key.encode(), domain.sealed_key_for, kek())
    # Whoever puts it there can read when it ends: the warnings that it comes too late for are not caught up on.
    domain.warned = reached(found.until, lock.now)
    domain.save(update_fields=["certificate", "sealed_key", "ends_at", "warned"])
    if at := next_at(found.until, domain.warned):
        due.expect(WARN_JOB, at)
    return events.record("domain.certificate_changed", domain, by=by, domain=domain.name, until=found.until.isoformat())


@transaction.atomic
def remove(domain: Domain, *, by: User | None) -> Event:
    """Nothing is served under it any more, and whoever proves it can have it."""
    events.lock()
    return _remove(Domain.objects.get(pk=domain.pk), by=by)


def _remove(domain: Domain, *, by: User | None) -> Event:
    HostName.objects.filter(name=domain.name, tenant_id=domain.owning_tenant).delete()
    event = events.record("domain.removed", domain, by=by, domain=domain.name)
    Domain.objects.filter(pk=domain.pk).delete()
    return event


def warn() -> datetime | None:
    """Tell of certificates of the tenant in scope that end soon; returns when the next telling is due. Runs under the lock."""
    now, ahead = events.now(), []
    for domain in Domain.objects.filter(ends_at__gt=now).order_by("id"):
        assert domain.ends_at is not None
        days = reached(domain.ends_at, now)
        if days is not None and (domain.warned is None or days < domain.warned):
            domain.warned = days
            domain.save(update_fields=["warned"])
            left = -(-(domain.ends_at - now) // timedelta(days=1))
            events.record("domain.ends_soon", domain, by=None, domain=domain.name, days=left, until=domain.ends_at.isoformat())
        if at := next_at(domain.ends_at, domain.warned):
            ahead.append(at)
    return min(ahead, default=None)


def _refused(sentence: str) -> Invalid:
    return Invalid({"name": [sentence]})
