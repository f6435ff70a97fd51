"""The demo's third part: a version says goodbye in the standard way, and is gone once its callers know."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from portal.demo import ECHO
from portal.demo.call import Call, StepFailed, expect

# A short promise, so that the demo can keep it.
ANSWERS_FOR = timedelta(seconds=4)
SETTLE_SECONDS = 10.0


@dataclass(slots=True)
class Goodbye:
    """:param api: the API's address over REST. :param get: calls the gateway. :param application: the id of the one that calls."""

    pam: httpx.Client
    carl: httpx.Client
    api: str
    upstream: str
    application: str
    call: Call
    get: Callable[[Call], httpx.Response]
    say: Callable[[str], None]
    sunset: datetime = field(init=False)

    def deprecate(self) -> None:
        """v2 is published, and v1's answers say that it is going, until when, and what comes after it."""
        expect(self.pam.post(f"{self.api}versions/", json={"name": "v2"}), 201)
        revision = {"document": ECHO.read_text(), "upstream": {"url": self.upstream}}
        expect(self.pam.post(f"{self.api}versions/v2/revisions/", json=revision), 201)
        expect(self.pam.post(f"{self.api}versions/v2/revisions/1/live/"), 200)
        expect(self.pam.post(f"{self.api}versions/v2/publish/"), 200)
        self.sunset = datetime.now(UTC) + ANSWERS_FOR
        told = {"reason": "v2 is there.", "successor": "v2", "sunset_at": self.sunset.isoformat()}
        expect(self.pam.post(f"{self.api}versions/v1/deprecate/", json=told), 200)
        answer = self._settles(200, "", "deprecation")
        for name in ("Deprecation", "Sunset", "Link"):
            self.say(f"               {name}: {answer.headers[name]}")

    def retire(self) -> None:
        """Refused while an application calls of which nobody knows; answered 410 once they do."""
        time.sleep(max(0.0, (self.sunset - datetime.now(UTC)).total_seconds()))
        refused = self._until_counted()
        self.say(f"               Not yet: {refused}")
        expect(self.carl.post(f"{self.api}versions/v1/acknowledge/", json={"application": self.application}), 200)
        expect(self.pam.post(f"{self.api}versions/v1/retire/", json={}), 200)
        self._settles(410, "API_RETIRED", "link")
        # What was called meanwhile has left nothing in the plan's bucket.
        time.sleep(1)
        after = Call(self.call.url.replace("/v1/", "/v2/"), self.call.token)
        if (status := self.get(after).status_code) != 200:
            raise StepFailed(f"v2 is answered {status}.")

    def _until_counted(self) -> str:
        """What the refusal says; gateways tell of calls within a second or two."""
        callers: dict[str, Any] = {"results": []}
        deadline = time.monotonic() + SETTLE_SECONDS
        while not any(each["calls"] for each in callers["results"]):
            if time.monotonic() > deadline:
                raise StepFailed("The application's calls are not counted.")
            callers = expect(self.pam.get(f"{self.api}versions/v1/callers/"), 200)
            time.sleep(0.1)
        return str(expect(self.pam.post(f"{self.api}versions/v1/retire/", json={}), 409)["detail"])

    def _settles(self, status: int, code: str, header: str) -> httpx.Response:
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            answer = self.get(self.call)
            if (answer.status_code, answer.headers.get("x-portico-refusal", "")) == (status, code) and header in answer.headers:
                return answer
            if time.monotonic() > deadline:
                raise StepFailed(f"The gateway answers {answer.status_code} {answer.text[:300]}, not {status} {code}.")
            time.sleep(0.02)
