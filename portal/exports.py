"""All of a tenant's data as JSON lines: a header, each row of each of its tables, and a last line that counts them.

Secrets stay here: what is left out stands in the header with its reason. Rows are read in one snapshot, on a connection of its own:
the server sends an answer piece by piece, in whatever thread, outside the request's transaction.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import transaction
from django.db.models import Model
from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from psycopg import sql
from psycopg.rows import TupleRow

from tenants import events
from tenants.checks import tenant_models
from tenants.errors import NotAllowed
from tenants.models import Event, Tenant, User
from tenants.scope import TENANT_SETTING, current_tenant_id

VERSION = 1
TYPE = "application/jsonl"
# Documents are up to 3 MB each.
ROWS_AT_ONCE = 20
# A reader that stands still keeps a snapshot open for so long.
PATIENCE_SECONDS = 60

_MAC = "What a secret is recognised by. The secret itself is kept nowhere."
_PEPPER = "Names the key of the digest beside it."
_ENCRYPTED = "Encrypted with a key that stays here: what callers asked and models answered."
_SEALED = "A secret, sealed for this Portico alone."
_ONCE = "Makes an invitation's link, which would open the tenant to whoever reads this."
_SESSIONS = "Tells which sessions still count, and nothing else."
_USED = "Of use to whoever would replay it, and to nobody else."
LEFT_OUT = {
    "apis_contentlogging.sealed": _SEALED,
    "apis_documentimport.sealed": _SEALED,
    "apis_documentimport.sealed_key": _SEALED,
    "apis_draft.sealed": _SEALED,
    "apis_draft.sealed_key": _SEALED,
    "apis_providerkey.sealed": _SEALED,
    "apis_upstream.sealed": _SEALED,
    "apis_upstream.sealed_key": _SEALED,
    "gateway_domain.sealed_key": _SEALED,
    "gateway_loggedcontent.answer": _ENCRYPTED,
    "gateway_loggedcontent.request": _ENCRYPTED,
    "gateway_logshipping.sealed": _SEALED,
    "keys_calendarfeed.pepper_id": _PEPPER,
    "keys_calendarfeed.secret_hmac": _MAC,
    "keys_credential.pepper_id": _PEPPER,
    "keys_credential.secret_hmac": _MAC,
    "keys_identityprovider.era": _SESSIONS,
    "keys_identityprovider.sealed": _SEALED,
    "keys_revokedtoken.jti": _USED,
    "keys_signingkey.sealed": _SEALED,
    "keys_usedassertion.jti_sha256": _USED,
    "keys_webhook.former_sealed": _SEALED,
    "keys_webhook.sealed": _SEALED,
    "tenants_invitation.nonce": _ONCE,
    "tenants_serviceaccount.former_hmac": _MAC,
    "tenants_serviceaccount.pepper_id": _PEPPER,
    "tenants_serviceaccount.secret_hmac": _MAC,
}
# Of people, who are no tenant's: what their fellow members see.
PEOPLE = """
    SELECT u.id, u.email, u.name FROM tenants_user u JOIN tenants_membership m ON m.user_id = u.id WHERE m.tenant_id = %s ORDER BY u.id
"""


def columns(model: type[Model]) -> list[str]:
    """What is exported of a table."""
    # What PostgreSQL makes of other columns can be made again.
    found = [str(field.column) for field in model._meta.concrete_fields if not field.generated]  # noqa: SLF001  (Django's documented model API)
    return [column for column in found if f"{model._meta.db_table}.{column}" not in LEFT_OUT]  # noqa: SLF001


@transaction.atomic
def write_down(*, by: User) -> Event:
    """Before the first line leaves: whoever breaks off half-way has read half of it."""
    events.lock()
    return events.record("tenant.exported", Tenant.objects.get(pk=current_tenant_id()), by=by)


def lines(tenant: Tenant) -> Iterator[bytes]:
    """The export, some rows at a time. Outside every scope.

    :raises NotAllowed: another one of this tenant is running.
    """
    found = _lines(tenant)
    # Now, so that a refusal comes before the answer has begun, and whoever closes it closes the connection.
    next(found)
    return found


def _begin(connection: psycopg.Connection[TupleRow], tenant_id: UUID) -> datetime:
    """Scope, snapshot, and the one export that a tenant may have at a time: all three end with the transaction."""
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT now(), pg_try_advisory_xact_lock(hashtext('export'), hashtext(%s)), set_config(%s, %s, true),"
            " set_config('idle_in_transaction_session_timeout', %s, true), set_config('TimeZone', 'UTC', true)",
            [str(tenant_id), TENANT_SETTING, str(tenant_id), f"{PATIENCE_SECONDS}s"],
        )
        row = cursor.fetchone()
    assert row is not None
    if not row[1]:
        raise NotAllowed(_("This tenant's data is being exported already. Wait until that has ended."))
    at: datetime = row[0]
    return at


def _lines(tenant: Tenant) -> Iterator[bytes]:
    counts: dict[str, int] = {}
    with psycopg.connect(settings.DATABASE_URL) as connection:
        at = _begin(connection, tenant.pk)
        yield b""
        yield _line(
            {
                "portico_export": VERSION,
                "tenant": {"id": str(tenant.pk), "slug": tenant.slug, "name": tenant.name, "status": tenant.status},
                "at": at.isoformat(),
                "left_out": LEFT_OUT,
            }
        )
        queries = {"tenants_user": sql.SQL(PEOPLE)} | {model._meta.db_table: _rows_of(model) for model in tenant_models()}  # noqa: SLF001
        for table in sorted(queries):
            counts[table] = 0
            for rows in _some_at_a_time(connection, queries[table], tenant.pk):
                counts[table] += len(rows)
                yield "".join(f'{{"table":"{table}","row":{row}}}\n' for row in rows).encode()
        yield _line({"end": True, "rows": counts})


def _rows_of(model: type[Model]) -> sql.Composed:
    """Ordered by id, which is by the time they were made. The filter is for the index: row security sees to the rest."""
    return sql.SQL("SELECT {} FROM {} WHERE tenant_id = %s ORDER BY id").format(
        sql.SQL(", ").join(map(sql.Identifier, columns(model))),
        sql.Identifier(model._meta.db_table),  # noqa: SLF001
    )


def _some_at_a_time(connection: psycopg.Connection[TupleRow], query: sql.Composable, tenant_id: UUID) -> Iterator[list[str]]:
    as_json = sql.SQL("SELECT row_to_json(found)::text FROM ({}) AS found").format(query)
    with connection.cursor(name="export") as cursor:
        cursor.execute(as_json, [tenant_id])
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            yield [text for (text,) in rows]


def _line(content: dict[str, object]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def answer(tenant: Tenant, found: Iterator[bytes]) -> StreamingHttpResponse:
    name = f"{tenant.slug}-{timezone.now():%Y-%m-%d}.jsonl"
    return StreamingHttpResponse(
        found,
        content_type=TYPE,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"},
    )
