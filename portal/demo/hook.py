"""The demo hears of itself: a little server of its own gets Acme's events, and the outside library verifies them."""

import http.server
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from portal.demo.call import StepFailed, expect

# An approval waits the ten seconds in which it can be undone.
ARRIVES_SECONDS = 30.0


@dataclass(slots=True)
class Hook:
    """:param tenant: its address over REST. :param say: gets a line about what came."""

    ada: httpx.Client
    tenant: str
    say: Callable[[str], None]
    _got: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)
    _secret: str = ""
    _one: str = ""
    _server: http.server.ThreadingHTTPServer | None = None

    def listen(self) -> None:
        """Ada makes a webhook that leads to this process."""
        got = self._got

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                got.append((self.rfile.read(int(self.headers["Content-Length"])), dict(self.headers.items())))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{self._server.server_address[1]}/portico"
        body = {"name": f"Demo {time.time_ns()}", "url": url, "kinds": ["subscription.approved"]}
        made = expect(self.ada.post(f"{self.tenant}/webhooks/", json=body), 201)
        self._secret, self._one = made["secret"], f"{self.tenant}/webhooks/{made['id']}/"

    def hears(self, subscription: str) -> None:
        """That this one was approved, by Ada, in a message that the library verifies, and another secret does not open."""
        found = self._until(subscription)
        if found is None:
            raise StepFailed(f"No webhook told of the approval within {ARRIVES_SECONDS:.0f} s.")
        body, headers = found
        try:
            Webhook("whsec_" + "A" * 43 + "=").verify(body, headers)
        except WebhookVerificationError:
            pass
        else:
            raise StepFailed("A secret that nobody has verifies the message.")
        told = Webhook(self._secret).verify(body, headers)
        if (told["type"], told["data"]["actor"], told["data"]["tenant"]) != ("subscription.approved", "Ada", "acme"):
            raise StepFailed(f"The webhook tells {told}.")
        self.say(f"               {told['data']['actor']} approved {told['data']['subject']['name']}: event {told['data']['number']}.")

    def _until(self, subscription: str) -> tuple[bytes, dict[str, str]] | None:
        deadline = time.monotonic() + ARRIVES_SECONDS
        while time.monotonic() < deadline:
            for body, headers in list(self._got):
                if subscription.encode() in body:
                    return body, headers
            time.sleep(0.1)
        return None

    def close(self) -> None:
        """Delete it, so that the demo leaves nothing that leads nowhere."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        if self._one:
            # What went wrong before is what counts.
            with suppress(httpx.HTTPError):
                self.ada.delete(self._one)
