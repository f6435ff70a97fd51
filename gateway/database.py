"""The database, asked from asyncio: in threads, and through outages."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, close_old_connections, connection

log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")

RETRY_SECONDS = 1.0
AWAY = (OperationalError, InterfaceError)


def fresh_connection(work: Callable[P, R]) -> Callable[P, R]:
    """For threads outside a request: a connection that broke is dropped before and after, so that an outage heals by itself."""

    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        close_old_connections()
        try:
            return work(*args, **kwargs)
        finally:
            close_old_connections()

    return wrapped


def answers() -> bool:
    """Whether PostgreSQL does."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except AWAY:
        return False
    return True


class Database:
    def __init__(self, threads: int = 4) -> None:
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="database")

    async def ask(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        call = partial(fresh_connection(work), *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def insist(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Through an outage: gateways go on with what they have meanwhile. Any other error is the caller's."""
        while True:
            try:
                return await self.ask(work, *args, **kwargs)
            except AWAY as error:
                log.warning("PostgreSQL does not answer (%s); trying again.", first_line(error))
                await asyncio.sleep(RETRY_SECONDS)

    def close(self) -> None:
        self._threads.shutdown(wait=False)


def first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


async def forever(work: Callable[[], Awaitable[None]], *, every: float = RETRY_SECONDS) -> None:
    """Do `work` again and again. Nothing that it raises ends it: a plane that silently stopped listening would be worse."""
    while True:
        try:
            await work()
        except AWAY as error:
            log.warning("PostgreSQL does not answer (%s); trying again.", first_line(error))
        except Exception:
            log.exception("Something failed; trying again.")
        await asyncio.sleep(every)
