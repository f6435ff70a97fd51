"""The active signing keys, unsealed, in this process."""

from uuid import UUID

from keys import tokens
from keys.envelope import unseal
from keys.kek import kek
from keys.models import SigningKey
from tenants.scope import tenant_scope

_unsealed: dict[UUID, tuple[UUID, tokens.Key]] = {}
_MOST = 10_000


def signing_key(tenant_id: UUID, key_id: UUID) -> tokens.Key:
    """The key with this id. At most one per tenant is kept: a key that is no longer the active one is dropped with the next call."""
    held = _unsealed.get(tenant_id)
    if held is None or held[0] != key_id:
        with tenant_scope(tenant_id):
            row = SigningKey.objects.get(pk=key_id)
        assert row.sealed is not None
        held = (key_id, tokens.load(unseal(row.sealed, row.sealed_for, kek()), row.kid))
        if len(_unsealed) >= _MOST:
            _unsealed.clear()
        _unsealed[tenant_id] = held
    return held[1]
