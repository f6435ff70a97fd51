"""Fetching a JWKS from an address that a developer named: https alone, to public addresses alone, in bounded time and size.

The name is looked up once, and the address that was checked is the one that is called (no second look-up could lead elsewhere).
Never under a lock: it takes up to five seconds.
"""

import asyncio
import ssl
from functools import cache
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx
from django.conf import settings

from keys.jwks import JwksRefused, read_public
from tenants import addresses

SECONDS = 3.0
MAX_BYTES = 64 * 1024
MAX_URL = 500


def _(sentence: str) -> str:
    """Marks a sentence for translation; whoever catches the refusal translates it."""
    return sentence


def check_url(url: str) -> SplitResult:
    """
    :raises JwksRefused: no address that a JWKS is fetched from.
    """
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise JwksRefused(_("Write an address such as https://login.example.com/jwks, in ASCII without spaces."))
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise JwksRefused(_("Write an address such as https://login.example.com/jwks.")) from None
    if parts.scheme != "https" or addresses.host(parts.hostname or "") is None or port == 0:
        raise JwksRefused(_("The address of a JWKS begins with https:// and a host name."))
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise JwksRefused(_("Leave user, password and fragment out of the address."))
    return parts


def fetch_jwks(url: str, *, resolver: addresses.Resolver = addresses.look_up) -> dict[str, Any]:
    """The public keys at this address.

    :raises JwksRefused: whatever stands in the way, in a sentence that tells nothing of networks behind us.
    """
    parts = check_url(url)
    host = addresses.host(parts.hostname or "") or ""
    port = parts.port or 443
    try:
        found = resolver(host, port)
        callable_ones = [each for each in found if addresses.may_be_called(each, allowed=settings.UPSTREAM_NETWORKS)]
    except (OSError, ValueError):
        found = callable_ones = []
    if not found or len(callable_ones) != len(found):
        raise JwksRefused(_("%(host)s has no public address that keys could be fetched from."), host=host)
    try:
        body = asyncio.run(_fetch(parts, host, port, callable_ones[0]))
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):
        # OSError covers TimeoutError; ValueError what isn't UTF-8.
        raise JwksRefused(_("%(host)s did not answer with keys within %(seconds)s s."), host=host, seconds=round(SECONDS)) from None
    return read_public(body)


async def _fetch(parts: SplitResult, host: str, port: int, address: str) -> str:
    """The body. The deadline holds for all of it: a server that sends a byte now and then is not waited for."""
    shown = f"[{address}]" if ":" in address else address
    target = parts._replace(netloc=f"{shown}:{port}", fragment="").geturl()
    headers = {"Host": parts.netloc, "Accept": "application/jwk-set+json, application/json", "Accept-Encoding": "identity"}
    async with (
        asyncio.timeout(SECONDS),
        httpx.AsyncClient(verify=_trust(), trust_env=False, follow_redirects=False, timeout=SECONDS) as client,
        client.stream("GET", target, headers=headers, extensions={"sni_hostname": host}) as answer,
    ):
        if answer.status_code != 200:
            raise ValueError("no 200")
        return (await _body(answer)).decode()


async def _body(answer: httpx.Response) -> bytes:
    body = b""
    async for part in answer.aiter_raw():
        body += part
        if len(body) > MAX_BYTES:
            raise ValueError("too large")
    return body


@cache
def _trust() -> ssl.SSLContext:
    """Made once: reading every authority there is takes longer than the call."""
    return ssl.create_default_context(cafile=settings.GATEWAY_CA_FILE or None)
