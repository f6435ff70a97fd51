"""Addresses of upstreams: one parser, and what each resolves to. Pure but for the look-up."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from apis import headers
from tenants import addresses

MAX_ADDRESSES = 16
_BRACKETED = re.compile(r"\[[0-9A-Za-z:.%]*:[0-9A-Za-z:.%]*\](?::[0-9]*)?")


class UpstreamRefused(ValueError):  # noqa: N818  (reads as the sentence it is)
    """An address that calls can't or mustn't go to, in a sentence."""


@dataclass(frozen=True, slots=True)
class Address:
    scheme: str
    host: str
    port: int
    path: str


def parse(url: str) -> Address:
    """`https://host[:port][/base]` in its parts.

    :raises UpstreamRefused: anything else, with the reason.
    """
    if len(url) > 800 or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise UpstreamRefused("Write the upstream as an address such as https://orders.example.com/base, in ASCII without spaces.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UpstreamRefused(f"“{url}” is not an address; write for example https://orders.example.com/base.") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UpstreamRefused("An upstream starts with http:// or https:// and a host name.")
    if "[" in parts.netloc and not _BRACKETED.fullmatch(parts.netloc.rpartition("@")[2]):
        raise UpstreamRefused("In brackets stands an IPv6 address and nothing else, as in http://[2001:db8::1]:8080.")
    if parts.username is not None or parts.password is not None:
        raise UpstreamRefused("Leave user and password out of the address; set the secret header instead.")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise UpstreamRefused("An upstream's address has no query and no fragment.")
    if port == 0:
        raise UpstreamRefused("Port 0 is no port.")
    segments = parts.path.split("/")
    if {".", ".."} & set(segments) or "//" in parts.path or "%" in parts.path:
        raise UpstreamRefused("The path of an upstream has no “.”, “..”, empty or percent-encoded parts.")
    return Address(parts.scheme, _host(parts.hostname), port or (443 if parts.scheme == "https" else 80), parts.path.rstrip("/"))


def _host(text: str) -> str:
    if "%" in text:
        raise UpstreamRefused(f"“{text}” names a network interface; leave the zone out.")
    if (found := addresses.host(text)) is None:
        raise UpstreamRefused(f"“{text}” is neither a host name nor an IP address.")
    return found


def resolve(address: Address, *, allowed: Sequence[str], resolver: addresses.Resolver = addresses.look_up) -> tuple[str, ...]:
    """The addresses to pin, sorted.

    :param allowed: networks in CIDR notation that the operator allows although they are not public.
    :raises UpstreamRefused: it resolves to nothing, or to an address that calls must not reach.
    """
    try:
        found = sorted(set(resolver(address.host, address.port)))
    except TimeoutError:
        raise UpstreamRefused(f"“{address.host}” could not be looked up in time. Try again in a moment.") from None
    except (OSError, UnicodeError):
        raise UpstreamRefused(f"“{address.host}” does not resolve to an address. Check the name, then try again.") from None
    for text in found:
        if not addresses.may_be_called(text, allowed=allowed):
            raise UpstreamRefused(
                f"“{address.host}” resolves to {text}, which is not a public address. The operator can allow its network "
                "with PORTICO_UPSTREAM_NETWORKS."
            )
    if not found:
        raise UpstreamRefused(f"“{address.host}” does not resolve to an address. Check the name, then try again.")
    return tuple(found[:MAX_ADDRESSES])


def reachable(pinned: Iterable[str], *, allowed: Sequence[str]) -> list[str]:
    """Those of the addresses that calls may go to, by today's rule."""
    return [text for text in pinned if addresses.may_be_called(text, allowed=allowed)]


def check_header(name: str, value: str) -> None:
    """
    :raises UpstreamRefused: a header that can't be injected.
    """
    if not headers.NAME.fullmatch(name):
        raise UpstreamRefused(f"“{name}” is not a header name.")
    if headers.is_reserved_in_requests(name):
        raise UpstreamRefused(f"The header {name} belongs to HTTP or to the gateway; choose another.")
    if len(value) > 4000 or not headers.is_value(value):
        raise UpstreamRefused("The header's secret is 1 to 4,000 printable ASCII characters without spaces around.")
