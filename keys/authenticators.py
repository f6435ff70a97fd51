"""What proves people beside their passwords, sealed: the secrets of authenticator apps, and what recovery codes are made of."""

from collections.abc import Callable, Iterator
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.db import connection, transaction

from keys.envelope import Kek, Purpose, Unreadable, seal, unseal
from keys.rewrapping import BATCH, Unread

# The member of allauth's JSON that is sealed.
SEALED = {Authenticator.Type.TOTP: "secret", Authenticator.Type.RECOVERY_CODES: "seed"}


def sealed_for(person: UUID) -> Purpose:
    # A person's: of no tenant.
    return Purpose(person, person, "second_factor", "")


def rewrap(kek: Kek, *, current_id: str, unread: Callable[[Unread], None]) -> Iterator[int]:
    """Re-seal what is under other keys than `current_id`, as keys.rewrapping does; says after each batch how many it was.

    :raises Unavailable: where a key-encryption key can't be asked; what was done before stays done.
    """
    after = 0
    while rows := list(Authenticator.objects.filter(pk__gt=after, type__in=SEALED).order_by("pk")[:BATCH]):
        after = rows[-1].pk
        yield sum(_replace(row, kek, unread) for row in rows if not _text(row).startswith(f"v1.{current_id}."))


def _text(row: Authenticator) -> str:
    return str(row.data[SEALED[row.type]])


def _replace(row: Authenticator, kek: Kek, unread: Callable[[Unread], None]) -> int:
    before, purpose = _text(row), sealed_for(row.user_id)
    try:
        fresh = seal(unseal(before, purpose, kek), purpose, kek)
    except Unreadable as error:
        unread(Unread(None, Authenticator._meta.db_table, row.user_id, str(error)))  # noqa: SLF001
        return 0
    name = SEALED[row.type]
    with transaction.atomic(), connection.cursor() as cursor:
        # This member alone: a recovery code may have been used meanwhile.
        cursor.execute(
            "UPDATE mfa_authenticator SET data = jsonb_set(data, ARRAY[%s], to_jsonb(%s::text)) WHERE id = %s AND data ->> %s = %s",
            [name, fresh, row.pk, name, before],
        )
        changed: int = cursor.rowcount
    return changed
