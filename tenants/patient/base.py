"""Where Django looks for a database backend."""

from typing import Any, TypeVar

import psycopg
from django.db.backends.postgresql import base
from psycopg import IsolationLevel
from psycopg.abc import PQGen

from tenants.patient import Patience, UnknownOutcomeError

T = TypeVar("T")


class Connection(psycopg.Connection[Any]):
    def wait(self, gen: PQGen[T], *args: Any, **named: Any) -> T:
        """All waiting for an answer is here. What was not answered in time may be answered later, so the connection ends."""
        if Patience.seconds is None or args or "timeout" in named:
            return super().wait(gen, *args, **named)
        try:
            return super().wait(gen, timeout=Patience.seconds, **named)
        except psycopg.errors._WaitTimeout:  # noqa: SLF001 - there is no public name for it
            self.close()
            raise psycopg.OperationalError(f"PostgreSQL did not answer within {Patience.seconds:g} seconds.") from None

    def commit(self) -> None:
        try:
            super().commit()
        except psycopg.OperationalError as error:
            if self.closed:
                raise UnknownOutcomeError(str(error)) from error
            raise


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection:
        """As Django does it, for our kind of connection."""
        self.isolation_level = IsolationLevel.READ_COMMITTED
        return Connection.connect(**conn_params)
