"""Seeing with our own eyes: a call without a token, to the path that each tenant keeps for it, must be refused."""

from collections.abc import Awaitable, Callable

import httpx
from django.conf import settings

from gateway.envoy.names import canary_path

SECONDS = 1.0

# Calls a gateway's canary of a tenant; returns the status it answered, None when it could not be reached.
Probe = Callable[[str, str], Awaitable[int | None]]


class Canary:
    def __init__(self) -> None:
        # One for the process: making a client reads every authority there is, which takes longer than the call.
        self._client = httpx.AsyncClient(timeout=SECONDS, trust_env=False, headers={"host": settings.GATEWAY_HOSTS[0]})

    async def __call__(self, address: str, slug: str) -> int | None:
        try:
            return (await self._client.get(f"{address}{canary_path(slug)}")).status_code
        except httpx.HTTPError:
            return None


def stands_open(status: int | None) -> bool:
    """401 proves that the chain is there, 503 lets nothing through either, and silence says nothing."""
    return status not in {None, 401, 503}
