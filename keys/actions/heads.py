"""Signed heads: each night, where every chain of events stands, signed, so that nobody can write its past anew."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import connection
from joserfc.jwk import ECKey

from keys import audit_proof
from keys.actions import audit_keys
from keys.models import ChainHead, PlatformHead
from keys.tokens import Key
from tenants import due, events
from tenants.models import Event, EventCounter, PlatformCounter
from tenants.scope import current_tenant_id

SIGN_JOB = "sign_heads"
DAY = timedelta(days=1)
# So many events are recomputed while a person waits: about a second.
CHECKED = 10_000


def sign_heads() -> int:
    """Whatever chains are due, the platform's first; returns how many tenants were served. Safe to run twice."""
    # Unsealed before any lock is taken: what keeps the key-encryption key may be far away.
    key = audit_keys.signer()
    _sign_platform(key)
    _expect_everybody()
    return due.run(SIGN_JOB, partial(sign_head, key))


def sign_head(key: Key) -> datetime:
    """The head of the tenant in scope, under its lock, if anything happened since the last; returns when it is due next."""
    held = events.require_lock()
    last = ChainHead.objects.order_by("-number").values_list("number", flat=True).first()
    if held.number > (last or 0):
        jws = _signed(key, str(current_tenant_id()), held.number, held.digest, held.now)
        ChainHead.objects.create(number=held.number, digest=held.digest, signed_at=held.now, jws=jws)
    return held.now + DAY


def _sign_platform(key: Key) -> None:
    now = due.now()
    last = PlatformHead.objects.order_by("-number").first()
    if last is not None and last.signed_at > now - DAY:
        return
    head = PlatformCounter.objects.get()
    if head.number > (last.number if last else 0):
        PlatformHead.objects.get_or_create(
            number=head.number,
            defaults={
                "digest": head.digest,
                "signed_at": now,
                "jws": _signed(key, audit_proof.PLATFORM, head.number, head.digest, now),
            },
        )


def _signed(key: Key, chain: str, number: int, digest: str, at: datetime) -> str:
    claims = {"chain": chain, "number": number, "digest": digest, "at": at.isoformat(timespec="microseconds")}
    return audit_proof.sign(claims, key, kind=audit_proof.HEAD)


def _expect_everybody() -> None:
    """A tenant that was never due is due now; who is, stays as it is."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO tenants_due (tenant_id, job, at) SELECT id, %s, now() FROM tenants_tenant
               ON CONFLICT (tenant_id, job) DO NOTHING""",
            [SIGN_JOB],
        )


@dataclass(frozen=True, slots=True)
class Checked:
    """The newest events, recomputed: which, how many signed heads among them fit, and the first that doesn't hold, None where all do."""

    first: int
    last: int
    heads: int
    wrong: int | None

    @property
    def count(self) -> int:
        return self.last - self.first + 1


def check_newest(most: int = CHECKED) -> Checked:
    """Recompute the end of the chain of the tenant in scope, up to its counter; a file of all of it is for `verify_audit`."""
    counter, chain = EventCounter.objects.get(), str(current_tenant_id())
    first = max(1, counter.number - most + 1)
    signed = {head.number: head for head in ChainHead.objects.filter(number__gte=first)}
    keys = audit_proof.read_keys(json.dumps({"keys": audit_keys.public()}))
    wanted, digest, wrong = first, "", None
    for event in Event.objects.filter(number__gte=first, number__lte=counter.number).order_by("number").values(*audit_proof.FIELDS):
        follows = event["number"] == wanted and digest in {"", event["previous"]}
        whole = event["digest"] == audit_proof.digest_of(event, chain=chain)
        if not follows or not whole or not _fits(signed.get(wanted), event["digest"], keys):
            wrong = wanted
            break
        wanted, digest = wanted + 1, event["digest"]
    # A chain may not be shorter than its counter, or than what was signed.
    whole_chain = (wanted, digest) == (counter.number + 1, counter.digest) and max(signed, default=0) <= counter.number
    if wrong is None and not whole_chain:
        wrong = wanted
    return Checked(first, counter.number, len(signed), wrong)


def _fits(head: ChainHead | None, digest: str, keys: Mapping[str, ECKey]) -> bool:
    if head is None:
        return True
    try:
        claims = audit_proof.opened(head.jws, keys, kind=audit_proof.HEAD)
    except audit_proof.Forged:
        return False
    return (claims["chain"], claims["number"], claims["digest"]) == (str(head.tenant_id), head.number, digest)
