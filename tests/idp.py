"""A real identity provider on this machine: people at it, and the way through its pages."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.test import Client

from keys.actions.identity_providers import change_provider
from tenants.models import Tenant, User
from tenants.scope import tenant_scope

# As browsers tell of a click on our own page.
CLICK = {"sec-fetch-site": "same-origin"}


@dataclass(frozen=True)
class Idp:
    """`url` is its issuer."""

    url: str

    def knows(self, subject: str, **claims: Any) -> None:
        httpx.put(f"{self.url}/users/{subject}", json=claims).raise_for_status()

    def registers(self, slug: str) -> dict[str, str]:
        """A client with an id and secret of its own."""
        given = {"redirect_uris": [f"{settings.PORTAL_URL}/t/{slug}/sign-in/callback/"]}
        made: dict[str, str] = httpx.post(f"{self.url}/oauth2/clients", json=given).raise_for_status().json()
        return made

    def says(self, address: str, subject: str) -> str:
        """Where it sends the browser of who signs in as `subject`: a path of ours."""
        return self._answers(address, {"sub": subject})

    def denies(self, address: str) -> str:
        return self._answers(address, {"action": "deny"})

    def _answers(self, address: str, form: dict[str, str]) -> str:
        assert address.startswith(f"{self.url}/oauth2/authorize?"), address
        assert httpx.get(address).status_code == 200
        back = httpx.post(address, data=form).headers["location"]
        assert back.startswith(f"{settings.PORTAL_URL}/t/"), back
        parts = urlsplit(back)
        return f"{parts.path}?{parts.query}"


@contextmanager
def running() -> Iterator[Idp]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Its own warnings are none of ours.
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=environment, **quiet) as process:  # type: ignore[call-overload]
        try:
            _wait(f"http://127.0.0.1:{port}/jwks")
            yield Idp(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()


def _wait(url: str) -> None:
    for _ in range(200):
        try:
            httpx.get(url).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"{url} does not answer.")


def names(tenant: Tenant, idp: Idp, *, by: User, **more: Any) -> dict[str, str]:
    """The tenant's people sign in by it from now on. Returns the client that was registered."""
    client = idp.registers(tenant.slug)
    given = {"issuer": idp.url, "client_id": client["client_id"], "client_secret": client["client_secret"], "enabled": True, **more}
    with tenant_scope(tenant.pk):
        change_provider(given, by=by)
    return client


def sent_to(client: Client, slug: str, *, onward: str = "") -> str:
    """The address at the provider that a click leads to."""
    answer = client.get(f"/t/{slug}/sign-in/start/", {"next": onward} if onward else {}, headers=CLICK)
    assert answer.status_code == 302, answer.content
    return str(answer["Location"])


def sign_in(client: Client, slug: str, idp: Idp, subject: str, *, onward: str = "") -> Any:
    """All of the way; the answer to the callback."""
    return client.get(idp.says(sent_to(client, slug, onward=onward), subject))
