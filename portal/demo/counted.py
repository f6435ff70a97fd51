"""The demo's part on usage: what the application called stands on its usage page, to the call, a moment later."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from portal.demo.call import Call, StepFailed, expect

CALLS = 25
SECONDS = 5.0
# What was called before is told within so long.
SETTLES = 2.5


@dataclass(slots=True)
class Counted:
    """:param usage: the address of the application's usage over REST. :param status: makes one call."""

    carl: httpx.Client
    usage: str
    call: Call
    status: Callable[[Call], int]
    say: Callable[[str], None]

    def seen(self) -> None:
        before = self._settled()
        for _ in range(CALLS):
            self.status(self.call)
        started = time.monotonic()
        while (found := self._total()) != before + CALLS:
            if time.monotonic() - started > SECONDS:
                raise StepFailed(f"{found - before} of {CALLS} calls stand there after {SECONDS:.0f} s.")
            time.sleep(0.1)
        self.say(f"               {CALLS} calls counted, and seen after {time.monotonic() - started:.1f} s")

    def _total(self) -> int:
        body: dict[str, Any] = expect(self.carl.get(self.usage, params={"range": "1h"}), 200)
        return int(body["total"]["calls"])

    def _settled(self) -> int:
        found, since = self._total(), time.monotonic()
        while time.monotonic() - since < SETTLES:
            time.sleep(0.2)
            if (now := self._total()) != found:
                found, since = now, time.monotonic()
        return found
