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
# Of an answer nobody reads more.
MOST_BYTES = 64 * 1024


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
            async with self._client.stream("GET", f"{address}{canary_path(slug)}") as found:
                answered = Answered(found.status_code, found.headers.get(CONFIGURATION_HEADER, ""))
                await read_some(found)
        except (httpx.HTTPError, httpx.InvalidURL):
            measures.CANARIES.labels("unreachable").inc()
            return None
        measures.CANARIES.labels("open" if stands_open(answered) else "refused").inc()
        return answered


async def read_some(answer: httpx.Response) -> None:
    """So that its connection can be used again; but where a gateway is none, it could send without end."""
    read = 0
    async for piece in answer.aiter_raw():
        read += len(piece)
        if read > MOST_BYTES:
            return


def stands_open(answered: Answered | None) -> bool:
    """Only the canary's own answer proves that nothing stood before it: 401 is the chain, and anything else came from elsewhere."""
    return answered is not None and answered.status == CANARY_STATUS
