"""Seeing with our own eyes: a call without a token, to the path that each tenant keeps for it, must be refused.

What refuses it says by which routes, so it is also seen whether a gateway serves what it acknowledged.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import httpx

from gateway import measures
from gateway.envoy.names import CANARY_STATUS, CONFIGURATION_HEADER, canary_path

SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Answered:
    """`serves` is the digest of the routes that answered, "" where that is not said."""

    status: int
    serves: str = ""


# Calls a gateway's canary of a tenant; None when it could not be reached.
Probe = Callable[[str, str], Coroutine[Any, Any, Answered | None]]


class Canary:
    def __init__(self) -> None:
        # One for the process: making a client reads every authority there is, which takes longer than the call.
        self._client = httpx.AsyncClient(timeout=SECONDS, trust_env=False)

    async def __call__(self, address: str, slug: str) -> Answered | None:
        try:
            found = await self._client.get(f"{address}{canary_path(slug)}")
        except (httpx.HTTPError, httpx.InvalidURL):
            measures.CANARIES.labels("unreachable").inc()
            return None
        answered = Answered(found.status_code, found.headers.get(CONFIGURATION_HEADER, ""))
        measures.CANARIES.labels("open" if stands_open(answered) else "refused").inc()
        return answered


def stands_open(answered: Answered | None) -> bool:
    """Only the canary's own answer proves that nothing stood before it: 401 is the chain, and anything else came from elsewhere."""
    return answered is not None and answered.status == CANARY_STATUS
