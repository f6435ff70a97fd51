"""The platform's own key for the audit: made when it is first needed, a new one each year; public halves stay for ever."""

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from keys import tokens
from keys.envelope import seal, unseal
from keys.kek import kek
from keys.models import AuditKey

ALGORITHM = "ES256"
YEAR = timedelta(days=365)
# The one that signs, unsealed, in this process.
_unsealed: dict[UUID, tokens.Key] = {}


def current() -> AuditKey:
    """The key that signs now. Sealing may take its time, so never under a tenant's lock."""
    young = AuditKey.objects.filter(created_at__gt=Now() - YEAR).exclude(sealed="")
    return young.order_by("-created_at", "-pk").first() or rotate()


@transaction.atomic
def rotate() -> AuditKey:
    """A new key signs from now on; of the ones before only the public halves stay.

    Where two processes are first at once there are two, and the later one signs: what the other has signed holds as well.
    """
    key = tokens.generate(ALGORITHM)
    row = AuditKey(kid=key.kid, alg=key.alg, public_jwk=tokens.public_jwk(key))
    row.sealed = seal(tokens.dump(key), row.sealed_for, kek())
    row.save(force_insert=True)
    AuditKey.objects.exclude(pk=row.pk).update(sealed="")
    return row


def signer() -> tokens.Key:
    """The key that signs now, ready to: for `audit_proof.sign`."""
    row = current()
    if (held := _unsealed.get(row.pk)) is not None:
        return held
    key = tokens.load(unseal(row.sealed, row.sealed_for, kek()), row.kid, row.alg)
    _unsealed.clear()
    _unsealed[row.pk] = key
    return key


def public() -> list[dict[str, str]]:
    """The public halves of all there ever were, the newest first, as JWKs."""
    return list(AuditKey.objects.order_by("-created_at", "-pk").values_list("public_jwk", flat=True))
