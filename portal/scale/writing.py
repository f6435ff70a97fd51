"""Rows in bulk, into the tables of the product, as the role that serves.

PostgreSQL refuses COPY into a table with row security, to the tables' owner as well; so each batch is one INSERT from a JSON text, which
every policy looks at, row by row.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from typing import Any

from django.db import connection
from django.db.models import AutoField, Model

from keys import audit_proof
from tenants.models import Event, EventFields, PlatformCounter, PlatformEvent

Row = dict[str, Any]
# So many rows of a table are in memory.
BATCH = 2000


class Rows:
    """Rows that are on their way, by table. What refers to each other may come in any order: PostgreSQL looks when it is committed."""

    def __init__(self) -> None:
        self._waiting: dict[type[Model], list[Row]] = defaultdict(list)

    def add(self, model: type[Model], row: Row) -> None:
        """:param row: by column; what is left out is as the model has it."""
        waiting = self._waiting[model]
        waiting.append({**_usual(model), **row})
        if len(waiting) == BATCH:
            _insert({model: waiting})
            waiting.clear()

    def finish(self) -> None:
        _insert(self._waiting)
        self._waiting.clear()


class Chain:
    """Events one after the other, each with the digest of the one before in its own."""

    def __init__(self, name: str, rows: Rows, *, number: int, digest: str, **common: Any) -> None:
        self.name, self.number, self.digest = name, number, digest
        self._rows, self._common = rows, common
        self._model: type[EventFields] = PlatformEvent if name == audit_proof.PLATFORM else Event

    def add(self, facts: Mapping[str, Any]) -> None:
        """:param facts: all of an event's, but its place."""
        event = {**facts, "number": self.number + 1, "previous": self.digest}
        event["digest"] = audit_proof.digest_of(event, chain=self.name)
        self._rows.add(self._model, {**event, **self._common})
        self.number, self.digest = event["number"], event["digest"]


def platform_chain(rows: Rows) -> Chain:
    """Locked until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT number, digest FROM tenants_platformcounter FOR UPDATE")
        number, digest = cursor.fetchone()
    return Chain(audit_proof.PLATFORM, rows, number=number, digest=digest)


def close(chain: Chain) -> None:
    """The platform's chain ends here now."""
    PlatformCounter.objects.update(number=chain.number, digest=chain.digest)


@cache
def _usual(model: type[Model]) -> Row:
    """What columns hold where nobody says anything."""
    fields = [field for field in model._meta.concrete_fields if not isinstance(field, AutoField) and field.has_default()]  # noqa: SLF001
    usual = {str(field.column): field.get_default() for field in fields if not field.primary_key and field.name != "tenant"}
    blank = {str(field.column): "" for field in _left(model, usual) if field.empty_strings_allowed and not field.null}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in {**blank, **usual}.items()}


def _left(model: type[Model], usual: Row) -> list[Any]:
    return [field for field in model._meta.concrete_fields if field.column not in usual and field.blank and not field.generated]  # noqa: SLF001


def _insert(waiting: Mapping[type[Model], list[Row]]) -> None:
    """All of it at once: a small tenant has few rows in each of many tables, and would wait for every table by itself."""
    statements, texts = [], []
    for model, rows in waiting.items():
        if rows:
            statements.append(_statement(model, rows))
            texts.append(json.dumps(rows, default=str))
    with connection.cursor() as cursor:
        cursor.execute(";\n".join(statements), texts)


def _statement(model: type[Model], rows: list[Row]) -> str:
    table, columns = model._meta.db_table, sorted(rows[0])  # noqa: SLF001  (Django's documented model API)
    unlike = next((row for row in rows if row.keys() != rows[0].keys()), None)
    assert unlike is None, f"{table}: {unlike}"
    named = ", ".join(f'"{column}"' for column in columns)
    return f'INSERT INTO "{table}" ({named}) SELECT {named} FROM json_populate_recordset(NULL::"{table}", %s)'  # nosec B608  (names of ours)
