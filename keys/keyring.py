"""The active signing keys, unsealed, in this process."""

from uuid import UUID

from keys import tokens
from keys.envelope import unseal
from keys.kek import kek
from keys.models import SigningKey
from tenants.scope import tenant_scope

# Of access tokens alone: API keys are made seldom.
_unsealed: dict[UUID, tuple[UUID, tokens.Key]] = {}
_MOST = 10_000


class Gone(Exception):  # noqa: N818  (reads as the sentence it is)
    """The key may sign no more: its private half went while it was asked for."""


def signing_key(tenant_id: UUID, key_id: UUID) -> tokens.Key:
    """The key with this id. At most one per tenant is kept: a key that is no longer the active one is dropped with the next call.

    :raises Gone: it has retired since its id was read; read which is active again.
    """
    held = _unsealed.get(tenant_id)
    if held is not None and held[0] == key_id:
        return held[1]
    with tenant_scope(tenant_id):
        row = SigningKey.objects.get(pk=key_id)
    key = unsealed(row)
    if row.purpose == SigningKey.Use.ACCESS_TOKEN:
        if len(_unsealed) >= _MOST:
            _unsealed.clear()
        _unsealed[tenant_id] = (key_id, key)
    return key


def unsealed(row: SigningKey) -> tokens.Key:
    """The private half of a key that signs, or is about to.

    :raises Gone: it has none any more.
    """
    if row.sealed is None:
        raise Gone
    return tokens.load(unseal(row.sealed, row.sealed_for, kek()), row.kid, row.alg)
