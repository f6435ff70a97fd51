"""The tables that counts are written to: minutes, and the hours and days that they are added up to. All are written in the same way."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from django.db import connection

from gateway.models import TokenDay, TokenHour, TokenMinute, UsageDay, UsageHour, UsageMinute
from gateway.models.tokens import Tokens
from gateway.models.usage import Usage
from tenants.models.base import new_id
from tenants.scope import current_tenant_id

# The values of a row's key, as its table names them; and its sums.
Row: TypeAlias = tuple[Any, ...]
Rows: TypeAlias = dict[Row, list[Any]]
_HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Table:
    """`key`: the columns beside tenant and `at`, with their types; `sums`: what is added up, the calls first."""

    minute: type[Usage | Tokens]
    hour: type[Usage | Tokens]
    day: type[Usage | Tokens]
    key: tuple[tuple[str, str], ...]
    sums: tuple[str, ...]

    @cached_property
    def names(self) -> str:
        return ", ".join(name for name, _ in self.key)

    @cached_property
    def _insert(self) -> str:
        """One statement, in one order, so that two processes never wait for each other in a circle."""
        sums = ", ".join(self.sums)
        given = ", ".join(f"new.{name}::bigint[]" if name == _HISTOGRAM else f"new.{name}" for name in self.sums)
        types = ["timestamptz", *(kind for _, kind in self.key), *("text" if name == _HISTOGRAM else "bigint" for name in self.sums)]
        added = ", ".join(
            f"{name} = gateway_usage_added(kept.{name}, EXCLUDED.{name})"
            if name == _HISTOGRAM
            else f"{name} = kept.{name} + EXCLUDED.{name}"
            for name in self.sums
        )
        named = ", ".join(f"new.{name}" for name, _ in self.key)
        return f"""INSERT INTO {_name(self.minute)} AS kept (id, tenant_id, at, {self.names}, {sums})
            SELECT new.id, %s, new.at, {named}, {given}
            FROM unnest(%s::uuid[], {", ".join(f"%s::{each}[]" for each in types)}) AS new (id, at, {self.names}, {sums})
            ON CONFLICT (tenant_id, at, {self.names}) DO UPDATE SET {added}"""  # nosec B608  (names of ours)

    def write(self, rows: Rows) -> None:
        """Add to the minutes of the tenant in scope."""
        ordered = sorted(rows.items(), key=lambda each: tuple(map(str, each[0])))
        columns: list[list[Any]] = [[key[place] for key, _ in ordered] for place in range(len(self.key) + 1)]
        for place, name in enumerate(self.sums):
            of = [sums[place] for _, sums in ordered]
            columns.append([f"{{{','.join(map(str, each))}}}" for each in of] if name == _HISTOGRAM else of)
        with connection.cursor() as cursor:
            cursor.execute(self._insert, [current_tenant_id(), [new_id() for _ in ordered], *columns])

    def add_up(self, source: type[Usage | Tokens], target: type[Usage | Tokens], span: dict[str, Any]) -> None:
        """Anew from all that there is. Counts only grow: where there is less, some of it was deleted in its time, and what stands is right.

        :param span: `at` and `end`.
        """
        added = ", ".join(f"gateway_usage_sum({name})" if name == _HISTOGRAM else f"sum({name})" for name in self.sums)
        with connection.cursor() as cursor:
            cursor.execute(
                f"""INSERT INTO {_name(target)} AS kept (id, tenant_id, at, {self.names}, {", ".join(self.sums)})
                       SELECT gen_random_uuid(), %(tenant)s, %(at)s, {self.names}, {added}
                       FROM {_name(source)} WHERE tenant_id = %(tenant)s AND at >= %(at)s AND at < %(end)s
                       GROUP BY {self.names}
                   ON CONFLICT (tenant_id, at, {self.names}) DO UPDATE SET
                       {", ".join(f"{name} = EXCLUDED.{name}" for name in self.sums)}
                   WHERE EXCLUDED.calls > kept.calls""",  # nosec B608  (names of ours)
                {"tenant": current_tenant_id(), **span},
            )


def _name(model: type[Usage | Tokens]) -> str:
    return model._meta.db_table  # noqa: SLF001  (Django's documented model API)


CALLS = Table(
    UsageMinute,
    UsageHour,
    UsageDay,
    (
        ("api", "uuid"),
        ("version", "text"),
        ("operation", "text"),
        ("application", "uuid"),
        ("subscription", "uuid"),
        ("plan", "text"),
        ("status_class", "int"),
        ("code", "text"),
    ),
    ("calls", "bytes_in", "bytes_out", "duration_ms_sum", _HISTOGRAM),
)
TOKENS = Table(
    TokenMinute,
    TokenHour,
    TokenDay,
    (
        ("api", "uuid"),
        ("application", "uuid"),
        ("subscription", "uuid"),
        ("plan", "text"),
        ("asked", "text"),
        ("provider", "text"),
        ("model", "text"),
        ("currency", "text"),
    ),
    ("calls", "input", "output", "cached", "reasoning", "amount", "missing", "unpriced"),
)
ALL = (CALLS, TOKENS)
