"""The demo's second part on APIs: a change that breaks names whom it breaks before it goes live, and is taken back with one request."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import yaml

from portal.demo import ECHO
from portal.demo.call import Call, StepFailed, expect

SETTLE_SECONDS = 10.0


@dataclass(slots=True)
class Change:
    """:param version: the version's address over REST. :param name: of the application that calls. :param settles: waits for an answer."""

    pam: httpx.Client
    version: str
    upstream: str
    name: str
    call: Call
    settles: Callable[[Call, int, str], None]
    say: Callable[[str], None]

    def breaks(self) -> None:
        """A revision without the operation that the application calls is not made live unless Pam answers for it."""
        document = yaml.safe_load(ECHO.read_text())
        del document["paths"]["/get"]
        revision = {"document": document, "upstream": {"url": self.upstream}, "note": "Without GET /get"}
        made = expect(self.pam.post(f"{self.version}revisions/", json=revision), 201)
        at = f"{self.version}revisions/{made['number']}/"
        changes = expect(self.pam.get(f"{at}differences/"), 200)
        self.say(f"               {changes['breaking']} breaking: {next(each['text'] for each in changes['changes'])}")
        self._until_named(f"{at}callers/")
        refused = expect(self.pam.post(f"{at}live/", json={}), 409)["detail"]
        if self.name not in refused:
            raise StepFailed(f"The refusal does not name the application: {refused}")
        self.say(f"               Refused: {refused}")
        expect(self.pam.post(f"{at}live/", json={"override": True, "reason": "The demo wants to see it."}), 200)
        self.settles(self.call, 404, "NO_SUCH_ROUTE")

    def goes_back(self) -> None:
        expect(self.pam.post(f"{self.version}revisions/1/live/"), 200)
        self.settles(self.call, 200, "")

    def _until_named(self, address: str) -> None:
        """Gateways tell of calls within a second or two."""
        deadline = time.monotonic() + SETTLE_SECONDS
        found: dict[str, Any] = {"results": []}
        while not any(each["name"] == self.name and each["level"] == "breaking" for each in found["results"]):
            if time.monotonic() > deadline:
                raise StepFailed(f"The application is not named: {found}")
            found = expect(self.pam.get(address), 200)
            time.sleep(0.1)
