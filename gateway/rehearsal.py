"""Rehearsing a rotation: announce the next key, sign with it once, and let every gateway say what it thinks of that."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import httpx
from django.conf import settings
from django.utils.translation import gettext as _

from gateway import rotation
from gateway.envoy.names import REFUSAL_HEADER, canary_path
from gateway.models import GatewayNode, serving
from gateway.rotation import BlastRadius
from keys import keyring, tokens
from keys.actions import signing
from keys.models import SigningKey, TokenPolicy
from tenants import events
from tenants.models import Event, Tenant, User
from tenants.scope import tenant_scope

# Nobody: no application has this client id, and no row this credential.
NOBODY = "portico_rehearsal"
SECONDS = 1.0
# What a gateway answers once the signature holds, and nothing else does.
_VERIFIED = {SigningKey.Use.ACCESS_TOKEN: "SUBSCRIPTION_REQUIRED", SigningKey.Use.API_KEY: "KEY_UNKNOWN"}


@dataclass(frozen=True, slots=True)
class Tried:
    """One gateway. `said`: its refusal's code, "" where it could not be called; `ms` of the call."""

    gateway: str
    ok: bool
    said: str
    ms: int | None


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """`reasons` against it, in sentences; `ready_at`: from when on the key may sign; `behind`: what the key that signs now carries."""

    key: SigningKey
    gateways: Sequence[Tried]
    not_connected: Sequence[str]
    reasons: Sequence[str]
    ready_at: datetime
    behind: BlastRadius
    event: Event

    @property
    def go(self) -> bool:
        return not self.reasons


def rehearse(tenant_id: UUID, purpose: str, *, by: User | None) -> Rehearsal:
    """Announce the next key if none is, and call every gateway with something that it signed. Nothing signs with it yet."""
    key = _candidate(tenant_id, purpose, by=by)
    rotation.wait_for(tenant_id, key)
    with tenant_scope(tenant_id):
        slug = Tenant.objects.values_list("slug", flat=True).get(pk=tenant_id)
        connected = list(GatewayNode.objects.connected().filter(serving()).order_by("name"))
        away = GatewayNode.objects.filter(serving(), revoked_at=None).exclude(pk__in=[node.pk for node in connected])
        names = list(away.order_by("name").values_list("name", flat=True))
    sample = _sample(tenant_id, slug, key)
    tried = _try(connected, slug, sample, wanted=_VERIFIED[SigningKey.Use(purpose)])
    with tenant_scope(tenant_id):
        events.lock()
        key.refresh_from_db()
        reasons = _reasons(key, tried)
        told = events.record("signing_key.rehearsed", key, by=by, go=not reasons, gateways=[each.gateway for each in tried])
        current = signing.active(purpose)
        assert current is not None
        ready = signing.may_sign_at(key, first=False)
        return Rehearsal(key, tried, names, reasons, ready, rotation.blast_radius(current), told)


def _candidate(tenant_id: UUID, purpose: str, *, by: User | None) -> SigningKey:
    new = rotation.spare_if_needed(tenant_id, purpose)
    with tenant_scope(tenant_id):
        events.lock()
        key = signing.published(purpose)
        if key is None:
            assert new is not None
            key = signing.announce(new, planned_for=signing.planned(purpose), by=by)
        return key


def _sample(tenant_id: UUID, slug: str, key: SigningKey) -> str:
    """Something signed with the candidate, for nobody: a token of a minute, or an API key that no table knows."""
    private = keyring.unsealed(key)
    now = int(time.time())
    if key.purpose == SigningKey.Use.API_KEY:
        return tokens.api_key(client_id=NOBODY, credential_id=str(key.pk), expires=now + 60, environment="test", key=private)
    with tenant_scope(tenant_id):
        lifetime = min(60, TokenPolicy.objects.values_list("token_lifetime", flat=True).get())
    claims = tokens.claims(
        issuer=tokens.issuer(settings.PORTAL_URL, slug),
        audience=tokens.audience(settings.GATEWAY_URL, slug),
        client_id=NOBODY,
        credential_id=NOBODY,
        token_id=str(key.pk),
        now=now,
        lifetime=lifetime,
    )
    return tokens.sign(claims, private)


def _try(nodes: Sequence[GatewayNode], slug: str, sample: str, *, wanted: str) -> list[Tried]:
    """Every gateway at once."""
    if not nodes:
        return []
    with httpx.Client(timeout=SECONDS, trust_env=False) as client, ThreadPoolExecutor(max_workers=min(16, len(nodes))) as threads:
        return list(threads.map(lambda node: _call(client, node, slug, sample, wanted), nodes))


def _call(client: httpx.Client, node: GatewayNode, slug: str, sample: str, wanted: str) -> Tried:
    if not node.address:
        return Tried(node.name, ok=True, said="", ms=None)
    started = time.perf_counter()
    try:
        answer = client.get(f"{node.address}{canary_path(slug)}", headers={"Authorization": f"Bearer {sample}"})
    except httpx.HTTPError:
        return Tried(node.name, ok=False, said="", ms=None)
    said = answer.headers.get(REFUSAL_HEADER, str(answer.status_code))
    return Tried(node.name, ok=said == wanted, said=said, ms=round((time.perf_counter() - started) * 1000))


def _reasons(key: SigningKey, tried: Sequence[Tried]) -> list[str]:
    found = [_("%(gateway)s has not acknowledged the key.") % {"gateway": name} for name in rotation.waiting_for(key)]
    for each in tried:
        if not each.ok and not each.said:
            found.append(_("%(gateway)s could not be called.") % {"gateway": each.gateway})
        elif not each.ok:
            found.append(_("%(gateway)s does not verify what the key signed (%(said)s).") % {"gateway": each.gateway, "said": each.said})
    if key.status != SigningKey.Status.PUBLISHED:
        found.append(_("The key is not the next one any more; rehearse again."))
    return found
