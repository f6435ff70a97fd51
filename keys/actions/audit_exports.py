"""The audit as a file: JSON lines that prove themselves, or CSV for a spreadsheet.

A file is written while it is sent, a few events at a time, each few in a transaction of their own: events up to a number never change,
so that is one picture, and a reader who is slow holds up nobody.
"""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from keys import audit_proof
from keys.models import ChainHead
from keys.tokens import Key
from tenants import events
from tenants.errors import Invalid
from tenants.models import Event, Tenant, User
from tenants.scope import tenant_scope

JSON_LINES, CSV = "jsonl", "csv"
TYPES = {JSON_LINES: "application/jsonl", CSV: "text/csv; charset=utf-8"}
# So many events are in memory.
BATCH = 1000
# What a spreadsheet takes for a formula when a cell begins with it, also in its full width.
FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


class Incomplete(RuntimeError):  # noqa: N818  (reads as the sentence it is)
    """Events that were there when the export began are not there any more: the tenant is being erased."""


@dataclass(frozen=True, slots=True)
class Span:
    """Which events go into a file, both ends with it; who took it, when."""

    tenant: Tenant
    first: int
    last: int
    at: datetime
    by: str

    def file(self, form: str) -> str:
        return f"{self.tenant.slug}-audit-{self.first}-{self.last}.{form}"


@transaction.atomic
def export(tenant: Tenant, *, form: str, by: User, first: int | None = None, last: int | None = None, **narrowed: Any) -> Span:
    """On the record; the file itself is written by `json_lines` or `csv_rows`, after this is committed.

    :param narrowed: by what else, for the event.
    :raises Invalid: there are no such events.
    """
    held = events.lock()
    span = Span(tenant, first or 1, last or held.number, held.now, str(by))
    if not 1 <= span.last <= held.number:
        raise Invalid({"last": [_("Choose a number from 1 to %(last)s, that of the last event.") % {"last": held.number}]})
    if not 1 <= span.first <= span.last:
        raise Invalid({"first": [_("Choose a number from 1 to %(last)s, the last that is wanted.") % {"last": span.last}]})
    events.record("audit.exported", tenant, by=by, format=form, first=span.first, last=span.last, **narrowed)
    return span


def json_lines(span: Span, key: Key) -> Iterator[str]:
    """The header, the events with the signed heads among them, and the end."""
    chain = str(span.tenant.pk)
    header = audit_proof.canonical(
        {
            "format": audit_proof.FORMAT, "chain": chain, "tenant": span.tenant.slug, "name": span.tenant.name,
            "first": span.first, "last": span.last, "at": span.at, "by": span.by,
        }
    )  # fmt: skip
    yield f"{header}\n"
    count, heads, previous, digest = 0, [], "", ""
    for rows, signed in _batches(span, Event.objects.all, with_heads=True):
        lines = []
        for row in rows:
            lines.append(audit_proof.canonical(row))
            if (jws := signed.get(row["number"])) is not None:
                lines.append(audit_proof.canonical({"head": jws}))
                heads.append(row["number"])
        previous = previous or rows[0]["previous"]
        count, digest = count + len(rows), rows[-1]["digest"]
        yield "".join(f"{line}\n" for line in lines)
    if count != span.last - span.first + 1:
        raise Incomplete
    end = {
        "chain": chain, "first": span.first, "last": span.last, "count": count, "previous": previous, "digest": digest,
        "heads": heads, "header": audit_proof.sha256(header), "at": span.at,
    }  # fmt: skip
    yield audit_proof.canonical({"end": audit_proof.sign(end, key, kind=audit_proof.END)}) + "\n"


def csv_rows(span: Span, rows: Callable[[], QuerySet[Event]]) -> Iterator[str]:
    """A row of names, then one per event of those that `rows` leaves."""
    yield _csv([audit_proof.FIELDS])
    for batch, _heads in _batches(span, rows, with_heads=False):
        yield _csv([[cell(row[name]) for name in audit_proof.FIELDS] for row in batch])


def cell(value: Any) -> str:
    """As text that a spreadsheet doesn't run (OWASP, “CSV Injection”)."""
    text = "" if value is None else audit_proof.canonical(value) if isinstance(value, dict) else _plain(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _plain(value: Any) -> str:
    return value.isoformat(timespec="microseconds") if isinstance(value, datetime) else str(value)


def _csv(rows: Any) -> str:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue()


def _batches(span: Span, rows: Callable[[], QuerySet[Event]], *, with_heads: bool) -> Iterator[tuple[list[dict[str, Any]], dict[int, str]]]:
    """A few events after the other, by number; the scope is open only while they are read: what streams runs outside the request's."""
    after = span.first - 1
    while after < span.last:
        with tenant_scope(span.tenant.pk):
            wanted = rows().filter(number__gt=after, number__lte=span.last).order_by("number")
            found = list(wanted.values(*audit_proof.FIELDS)[:BATCH])
            signed = _heads(after, found[-1]["number"]) if found and with_heads else {}
        if not found:
            return
        yield found, signed
        after = found[-1]["number"]


def _heads(after: int, until: int) -> dict[int, str]:
    return dict(ChainHead.objects.filter(number__gt=after, number__lte=until).values_list("number", "jws"))
