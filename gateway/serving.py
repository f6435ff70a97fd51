"""How the gateway services run as processes."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from django.conf import settings

from gateway.database import answers
from tenants import monitoring, patient
from tenants.checks import insist_on_row_security


def serve(run: Callable[[str, asyncio.Event], Awaitable[None]], address: str) -> None:
    """Serve at `address` (`unix:/path` or `host:port`) until SIGTERM or SIGINT."""
    patient.wait_at_most(settings.DATABASE_SECONDS)
    insist_on_row_security()
    with monitoring.serving(settings.METRICS_ADDRESS, _ready):
        asyncio.run(_serve(run, address))


def _ready() -> Mapping[str, bool]:
    return {"database": answers()}


async def _serve(run: Callable[[str, asyncio.Event], Awaitable[None]], address: str) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    if address.startswith("unix:"):
        # The socket of a process that was killed would refuse the next one. Only this user may connect.
        Path(address.removeprefix("unix:")).unlink(missing_ok=True)
        os.umask(0o077)
    await run(address, stopping)
