"""The demo's second part: a signing key changes while calls go on, and a key that was given away is refused."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from portal.demo.call import Call, StepFailed, expect

# The demo's tenants let verifiers keep a JWKS for five seconds; the job looks every five.
ROTATION_SECONDS = 30.0
COMPROMISE_SECONDS = 2.0
# Below what the demo's plan allows, so that limits don't answer.
PAUSE_SECONDS = 0.1


@dataclass(slots=True)
class Rotation:
    """:param token: asks the token endpoint for a token."""

    ada: httpx.Client
    tenant: str
    url: str
    token: Callable[[], str]
    status: Callable[[Call], int]
    say: Callable[[str], None]
    seconds: dict[str, float] = field(default_factory=dict)

    def rotate(self) -> None:
        """The next key is announced, known everywhere, and signs; each call brings a token that was issued just before."""
        before, started = kid(self.token()), time.monotonic()
        with self._calling() as found:
            expect(self.ada.post(f"{self.tenant}/signing-keys/rotate/", json={"purpose": "access_token"}), 200)
            while kid(self.token()) == before:
                if time.monotonic() - started > ROTATION_SECONDS:
                    raise StepFailed(f"No new key signs after {ROTATION_SECONDS:.0f} s.")
                time.sleep(PAUSE_SECONDS)
            self.seconds["rotation"] = round(time.monotonic() - started, 1)
            # Some calls with the new key, too.
            time.sleep(10 * PAUSE_SECONDS)
        if set(found) != {200}:
            raise StepFailed(f"Of {len(found)} calls {len(found) - found.count(200)} failed: {sorted(set(found))}.")
        self.say(f"               Another key signs after {self.seconds['rotation']} s; of {len(found)} calls meanwhile none failed.")

    def compromise(self) -> None:
        """What the key signed is refused within two seconds, and what its successor signs passes."""
        old = self.token()
        rows = expect(self.ada.get(f"{self.tenant}/signing-keys/?limit=200"), 200)["results"]
        key = next(row for row in rows if row["kid"] == kid(old))
        started = time.monotonic()
        told = expect(self.ada.post(f"{self.tenant}/signing-keys/{key['id']}/compromise/", json={"reason": "The demo lost it."}), 200)
        while (status := self.status(Call(self.url, old))) != 401:
            if time.monotonic() - started > COMPROMISE_SECONDS:
                raise StepFailed(f"The old token is still answered {status} after {COMPROMISE_SECONDS:.0f} s.")
        self.seconds["compromise"] = round(time.monotonic() - started, 3)
        if (status := self.status(Call(self.url, self.token()))) != 200:
            raise StepFailed(f"A token of the key that took its place is answered {status}.")
        receipt = expect(self.ada.get(told["receipt"]), 200)
        ms = round(self.seconds["compromise"] * 1000)
        self.say(f"               {receipt['sentence']} The old token is refused after {ms} ms.")

    @contextmanager
    def _calling(self) -> Iterator[list[int]]:
        found: list[int] = []
        stop = threading.Event()

        def call() -> None:
            while not stop.wait(PAUSE_SECONDS):
                found.append(self.status(Call(self.url, self.token())))

        caller = threading.Thread(target=call)
        caller.start()
        try:
            yield found
        finally:
            stop.set()
            caller.join()


def kid(token: str) -> str:
    """Which key signed a token."""
    header = token.partition(".")[0]
    read: dict[str, Any] = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    return str(read["kid"])
