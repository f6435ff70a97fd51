"""What the OAuth endpoints write down: tokens given back, assertions used, an issuer's new keys; and when those records go."""

import hashlib
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from keys import tokens
from keys.models import Credential, RevokedToken, UsedAssertion
from tenants import due, events
from tenants.models import Event
from tenants.models.base import new_id
from tenants.scope import current_tenant_id

PRUNE_JOB = "prune_token_records"
# After its end a token is refused anyway: by the gateway once its clock, and the difference that it allows, are past it.
KEPT = timedelta(seconds=60 + tokens.CLOCK_SKEW)


@transaction.atomic
def revoke_token(credential: Credential, *, jti: str, expires_at: datetime) -> Event | None:
    """End one access token before its time; None if it was ended already. Its client did it, which is no person."""
    events.lock()
    token, new = RevokedToken.objects.get_or_create(jti=jti, defaults={"credential": credential, "expires_at": expires_at})
    if not new:
        return None
    due.expect(PRUNE_JOB, expires_at + KEPT)
    return events.record(
        "token.revoked",
        token,
        by=None,
        application=credential.application.name,
        credential=str(credential.pk),
        until=expires_at.isoformat(),
    )


def use_assertion(credential_id: UUID, *, jti: str, expires_at: datetime) -> bool:
    """Whether this is the first time. Each instance makes its own, so this takes no lock: the constraint decides."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO keys_usedassertion (id, tenant_id, credential_id, jti_sha256, expires_at) VALUES (%s, %s, %s, %s, %s)
               ON CONFLICT (tenant_id, credential_id, jti_sha256) DO NOTHING""",
            [new_id(), current_tenant_id(), credential_id, hashlib.sha256(jti.encode()).hexdigest(), expires_at],
        )
        first: bool = cursor.rowcount == 1
    if first and not due.is_expected(PRUNE_JOB):
        # Only where none is: its row would be the one that all requests of the tenant wait for.
        due.expect(PRUNE_JOB, expires_at + KEPT)
    return first


@transaction.atomic
def keep_jwks(credential_id: UUID, jwks: dict[str, Any]) -> None:
    """What a trusted issuer publishes now."""
    lock = events.lock()
    Credential.objects.filter(pk=credential_id).update(jwks=jwks, jwks_fetched_at=lock.now)


def prune_token_records() -> datetime | None:
    """Forget what has ended; returns when there is more to forget. Runs under the lock, see tenants.due."""
    ended = events.now() - KEPT
    left: list[datetime] = []
    for model in (RevokedToken, UsedAssertion):
        model.objects.filter(expires_at__lte=ended).delete()
        left += model.objects.order_by("expires_at").values_list("expires_at", flat=True)[:1]
    return min(left) + KEPT if left else None
