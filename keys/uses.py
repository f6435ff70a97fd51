"""How much each credential is used: counted in memory and written in batches, so that neither a token nor a call waits for it.

What is counted but not written when a process ends is lost: it tells people what can go, and decides nothing.
"""

import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from uuid import UUID

from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections, connection
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from keys.models import Credential, CredentialUse
from tenants import events
from tenants.models import ServiceAccount
from tenants.models.base import new_id
from tenants.scope import current_tenant_id, tenant_scope

log = logging.getLogger(__name__)

FLUSH_SECONDS = 2.0
_AWAY = (OperationalError, InterfaceError)

_tokens: Counter[tuple[UUID, UUID]] = Counter()
# Service accounts, each with its tenant.
_services: dict[UUID, UUID] = {}
_counting = threading.Lock()


def note_token(tenant_id: UUID, credential_id: UUID) -> None:
    """A token was issued for this credential."""
    with _counting:
        _tokens[tenant_id, credential_id] += 1


def note_service(tenant_id: UUID, account_id: UUID) -> None:
    """A service account asked for something."""
    with _counting:
        _services[account_id] = tenant_id


def keep_writing() -> None:
    """Write what this process counts, every two seconds, in a thread of its own."""
    threading.Thread(target=_write_for_ever, name="uses", daemon=True).start()


def _write_for_ever() -> None:
    while True:
        time.sleep(FLUSH_SECONDS)
        close_old_connections()
        try:
            flush()
            flush_services()
        except Exception:
            # Nothing ends the counting.
            log.exception("Uses of credentials were not written.")
        close_old_connections()


def flush() -> None:
    """Write what was counted. What PostgreSQL is away for waits; what it refuses is dropped: it would refuse it again, for ever."""
    with _counting:
        taken = dict(_tokens)
        _tokens.clear()
    counts: dict[UUID, dict[UUID, int]] = defaultdict(dict)
    for (tenant_id, credential_id), many in taken.items():
        counts[tenant_id][credential_id] = many
    for tenant_id in sorted(counts):
        try:
            store(tenant_id, tokens=counts[tenant_id])
        except _AWAY:
            with _counting:
                _tokens.update({(tenant_id, credential_id): many for credential_id, many in counts[tenant_id].items()})
        except DatabaseError:
            log.exception("Uses of credentials of tenant %s are lost.", tenant_id)


def flush_services() -> None:
    """Write when each was last used; what is lost here is written after its next use."""
    with _counting:
        taken = dict(_services)
        _services.clear()
    for account_id, tenant_id in taken.items():
        # One row at a time: whoever has one and waits for another may meet a job that has them the other way round.
        with tenant_scope(tenant_id):
            ServiceAccount.objects.filter(pk=account_id).update(last_used_at=Now())


def store(tenant_id: UUID, *, tokens: Mapping[UUID, int] | None = None, calls: Mapping[UUID, int] | None = None) -> None:
    """Add to what these credentials of a tenant did today; the first time is an event. Unknown ones are nobody's."""
    tokens, calls = tokens or {}, calls or {}
    used = sorted({*tokens, *calls})
    with tenant_scope(tenant_id):
        new = _never_used(used)
        if new:
            events.lock()
            # Another process may have been quicker.
            new = _never_used(used)
        _add(used, tokens, calls)
        for credential in new:
            events.record("credential.first_used", credential, by=None, application=credential.application.name)


def _never_used(ids: Iterable[UUID]) -> list[Credential]:
    uses = CredentialUse.objects.filter(credential=OuterRef("pk"))
    return list(Credential.objects.filter(~Exists(uses), pk__in=ids).select_related("application").order_by("pk"))


def _add(used: list[UUID], tokens: Mapping[UUID, int], calls: Mapping[UUID, int]) -> None:
    """One statement, in the order of their ids, so that two processes never wait for each other in a circle."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO keys_credentialuse AS kept (id, tenant_id, credential_id, day, tokens, calls, first_at, last_at)
                   SELECT new.id, known.tenant_id, known.id, (now() AT TIME ZONE 'UTC')::date, new.tokens, new.calls, now(), now()
                   FROM unnest(%s::uuid[], %s::uuid[], %s::bigint[], %s::bigint[]) AS new (id, credential_id, tokens, calls)
                   JOIN keys_credential known ON known.tenant_id = %s AND known.id = new.credential_id
                   ORDER BY known.id
               ON CONFLICT (tenant_id, credential_id, day) DO UPDATE SET
                   tokens = kept.tokens + EXCLUDED.tokens, calls = kept.calls + EXCLUDED.calls,
                   first_at = LEAST(kept.first_at, EXCLUDED.first_at), last_at = GREATEST(kept.last_at, EXCLUDED.last_at)""",
            [
                [new_id() for _ in used],
                used,
                [tokens.get(each, 0) for each in used],
                [calls.get(each, 0) for each in used],
                current_tenant_id(),
            ],
        )
