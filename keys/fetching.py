"""Calling an address that a developer or a tenant named: https alone, to public addresses alone, in bounded time and size.

The name is looked up once, and the address that was checked is the one that is called (no second look-up could lead elsewhere).
Never under a lock: it takes up to five seconds.
"""

import asyncio
import ipaddress
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
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


class Why(StrEnum):
    """What stood in the way of a call."""

    FORBIDDEN = "forbidden"
    SLOW = "slow"
    LARGE = "large"
    UNTRUSTED = "untrusted"
    SILENT = "silent"


class Unreachable(Exception):  # noqa: N818  (reads as the sentence it is)
    """`host` may not be called, or did not answer in time as it should; no more is told of networks behind us."""

    def __init__(self, host: str, why: Why) -> None:
        super().__init__(host)
        self.host, self.why = host, why

    @property
    def allowed(self) -> bool:
        return self.why != Why.FORBIDDEN


class _TooLarge(ValueError):  # noqa: N818  (likewise)
    """More than was asked for at most."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


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
    try:
        answer = call("GET", parts, accept="application/jwk-set+json, application/json", seconds=SECONDS, resolver=resolver)
        body = answer.body.decode() if answer.status == 200 else None
    except Unreachable as error:
        if not error.allowed:
            raise JwksRefused(_("%(host)s has no public address that keys could be fetched from."), host=error.host) from None
        body = None
    except UnicodeDecodeError:
        body = None
    if body is None:
        host = addresses.host(parts.hostname or "")
        raise JwksRefused(_("%(host)s did not answer with keys within %(seconds)s s."), host=host, seconds=round(SECONDS))
    return read_public(body)


def call(
    method: str,
    parts: SplitResult,
    *,
    accept: str = "application/json",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    seconds: float = SECONDS,
    most_bytes: int = MAX_BYTES,
    cut: bool = False,
    plain: bool = False,
    resolver: addresses.Resolver = addresses.look_up,
) -> Answer:
    """
    :param parts: what was checked; without TLS loopback alone is called, where the operator allows that.
    :param seconds: for all of the answer.
    :param most_bytes: of the body, as it comes: nothing is unpacked.
    :param cut: what is longer is not waited for, and is no trouble.
    :param plain: without TLS every network is called that the operator allows, not loopback alone.
    :raises Unreachable: it can't be, or may not be.
    """
    sending = reached(
        method, parts, accept=accept, headers=headers, body=body, seconds=seconds, most_bytes=most_bytes, cut=cut, plain=plain,
        found=found_at(parts, resolver=resolver),
    )  # fmt: skip
    return asyncio.run(sending)


def found_at(parts: SplitResult, *, resolver: addresses.Resolver = addresses.look_up) -> list[str]:
    """Where an address leads to now; [] where nobody can say. It may take as long as the resolver does."""
    try:
        return list(resolver(addresses.host(parts.hostname or "") or "", _port(parts)))
    except (OSError, ValueError):
        return []


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


async def reached(
    method: str,
    parts: SplitResult,
    *,
    found: Sequence[str],
    accept: str = "application/json",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    seconds: float = SECONDS,
    most_bytes: int = MAX_BYTES,
    cut: bool = False,
    plain: bool = False,
) -> Answer:
    """The same as `call`, for who waits for many at once.

    :param found: what `found_at` said just now.
    """
    host, port = addresses.host(parts.hostname or "") or "", _port(parts)
    try:
        callable_ones = [each for each in found if _may_be_called(each, parts.scheme, plain=plain)]
    except ValueError:
        callable_ones = []
    if not found or len(callable_ones) != len(found):
        raise Unreachable(host, Why.FORBIDDEN)
    sent = {**(headers or {}), "Host": parts.netloc, "Accept": accept, "Accept-Encoding": "identity"}
    try:
        at = f"{_shown(callable_ones[0])}:{port}"
        return await _fetch(method, parts, host=host, at=at, headers=sent, body=body, seconds=seconds, most_bytes=most_bytes, cut=cut)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise Unreachable(host, _why(error)) from None


def _why(error: Exception) -> Why:
    if isinstance(error, _TooLarge):
        return Why.LARGE
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return Why.SLOW
    # httpx tells of a failed handshake by what caused it alone.
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return Why.UNTRUSTED
        cause = cause.__cause__ or cause.__context__
    return Why.SILENT


def _may_be_called(address: str, scheme: str, *, plain: bool) -> bool:
    if not addresses.may_be_called(address, allowed=settings.UPSTREAM_NETWORKS):
        return False
    if scheme == "https" or ipaddress.ip_address(address).is_loopback:
        return True
    return plain and addresses.is_allowed(address, allowed=settings.UPSTREAM_NETWORKS)


def _shown(address: str) -> str:
    return f"[{address}]" if ":" in address else address


async def _fetch(
    method: str,
    parts: SplitResult,
    *,
    host: str,
    at: str,
    headers: Mapping[str, str],
    body: bytes,
    seconds: float,
    most_bytes: int,
    cut: bool,
) -> Answer:
    """The deadline holds for all of it: a server that sends a byte now and then is not waited for."""
    target = parts._replace(netloc=at, fragment="").geturl()
    async with (
        asyncio.timeout(seconds),
        httpx.AsyncClient(verify=_trust(), trust_env=False, follow_redirects=False, timeout=seconds) as client,
        client.stream(method, target, headers=dict(headers), content=body or None, extensions={"sni_hostname": host}) as answer,
    ):
        return Answer(answer.status_code, dict(answer.headers), await _body(answer, most_bytes, cut=cut))


async def _body(answer: httpx.Response, most_bytes: int, *, cut: bool) -> bytes:
    body = bytearray()
    async for part in answer.aiter_raw():
        body += part
        if len(body) > most_bytes:
            if cut:
                return bytes(body[:most_bytes])
            raise _TooLarge
    return bytes(body)


@cache
def _trust() -> ssl.SSLContext:
    """Made once: reading every authority there is takes longer than the call."""
    return ssl.create_default_context(cafile=settings.GATEWAY_CA_FILE or None)
