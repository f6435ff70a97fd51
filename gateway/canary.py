"""Seeing with our own eyes: a call without a token, to the path that each tenant keeps for it, must be refused."""

from collections.abc import Callable, Coroutine
from typing import Any

import httpx

from gateway import measures
from gateway.envoy.names import CANARY_STATUS, canary_path

SECONDS = 1.0

# Calls a gateway's canary of a tenant; returns the status it answered, None when it could not be reached.
Probe = Callable[[str, str], Coroutine[Any, Any, int | None]]


class Canary:
    def __init__(self) -> None:
        # One for the process: making a client reads every authority there is, which takes longer than the call.
        self._client = httpx.AsyncClient(timeout=SECONDS, trust_env=False)

    async def __call__(self, address: str, slug: str) -> int | None:
        try:
            status = (await self._client.get(f"{address}{canary_path(slug)}")).status_code
        except httpx.HTTPError:
            status = None
        measures.CANARIES.labels("unreachable" if status is None else "open" if stands_open(status) else "refused").inc()
        return status


def stands_open(status: int | None) -> bool:
    """Only the canary's own answer proves that nothing stood before it: 401 is the chain, and anything else came from elsewhere."""
    return status == CANARY_STATUS
