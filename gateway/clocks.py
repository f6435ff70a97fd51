"""How far a gateway's clock is from control's: tokens live by the gateway's clock, and it allows five seconds of difference."""

import time
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx

from gateway.canary import read_some
from gateway.envoy.names import READY_PATH

SECONDS = 2.0
# From here on operators are warned: it is what the chain allows (clock_skew_seconds).
MOST_MS = 5_000


class Clocks:
    def __init__(self) -> None:
        # One for the process: making a client reads every authority there is, which takes longer than the call.
        self._client = httpx.AsyncClient(timeout=SECONDS, trust_env=False)

    async def __call__(self, address: str) -> int | None:
        """By how many milliseconds the clock behind `address` is ahead, by the `Date` of its answer; None where it tells none.

        That header counts whole seconds, and Envoy writes it anew twice in one: what it says is up to a second off.
        """
        began = time.time()
        try:
            async with self._client.stream("GET", f"{address}{READY_PATH}") as answer:
                date = answer.headers.get("date", "")
                await read_some(answer)
        except (httpx.HTTPError, httpx.InvalidURL):
            return None
        return ahead(date, between=(began, time.time()))


def ahead(date: str, *, between: tuple[float, float]) -> int | None:
    """In milliseconds, from an answer's `Date` (RFC 9110 §6.6.1), and from when and until when it was asked for."""
    try:
        told = parsedate_to_datetime(date).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        return None
    return round((told + 0.5 - sum(between) / 2) * 1000)
