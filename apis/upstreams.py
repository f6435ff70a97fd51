"""Addresses of upstreams: one parser, one resolver, one rule about which networks a call may go to. Pure but for the look-up."""

import ipaddress
import queue
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
# Name and port to addresses as text; `look_up` in life, a table in tests.
Resolver = Callable[[str, int], Sequence[str]]

MAX_ADDRESSES = 16
LOOK_UPS = 4
LOOK_UP_SECONDS = 2.0
_look_ups = threading.BoundedSemaphore(LOOK_UPS)
_BRACKETED = re.compile(r"\[[0-9A-Za-z:.%]*:[0-9A-Za-z:.%]*\](?::[0-9]*)?")
_LABEL = re.compile(r"^(?!-)[a-z0-9-]{1,63}(?<!-)$")
_HEADER = re.compile(r"^[A-Za-z0-9!#$%&'*+.^`|~-]{1,80}$")
# Set by the gateway, by HTTP itself, or ours: a tenant must not forge them.
_RESERVED_HEADERS = {
    "host", "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "keep-alive", "expect",
    "proxy-authorization", "proxy-connection", "x-request-id", "x-forwarded-for", "x-forwarded-proto", "forwarded", "via",
}  # fmt: skip
# Forms that carry an IPv4 address inside an IPv6 one, or are translated to one on the way.
_TRANSLATED = [ipaddress.ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")]

# RFC 4291 §2.4. Site-local, IPv4-translated and other special forms outside it pass for global in Python's tables.
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")


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


def _host(host: str) -> str:
    if "%" in host:
        raise UpstreamRefused(f"“{host}” names a network interface; leave the zone out.")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    name = host.removesuffix(".")
    labels = name.split(".")
    # 0x7f.1, 127.1 and 2130706433 are addresses to some resolvers and names to others.
    if not all(_LABEL.match(label) for label in labels) or len(name) > 253 or re.fullmatch(r"0x[0-9a-f]*|[0-9]+", labels[-1]):
        raise UpstreamRefused(f"“{host}” is neither a host name nor an IP address.")
    return name


def is_name(host: str) -> bool:
    """Whether there is anything to look up."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False


def look_up(host: str, port: int) -> list[str]:
    """All addresses of a host name, by the system's resolver, within `LOOK_UP_SECONDS`.

    The resolver knows no deadline, so it is asked in a thread that is left behind when it takes longer; as long as
    `LOOK_UPS` of them are on their way, nothing more is asked.

    :raises OSError: it has none. :raises UpstreamRefused: the resolver takes too long.
    """
    if not is_name(host):
        return [host]
    deadline = time.monotonic() + LOOK_UP_SECONDS
    late = UpstreamRefused(f"“{host}” could not be looked up in time. Try again in a moment.")
    if not _look_ups.acquire(timeout=LOOK_UP_SECONDS):
        raise late
    answers: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()
    try:
        threading.Thread(target=_ask, args=[host, port, answers], name="look-up", daemon=True).start()
    except RuntimeError:
        # No thread to be had.
        _look_ups.release()
        raise late from None
    try:
        answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
    except queue.Empty:
        raise late from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _ask(host: str, port: int, answers: "queue.SimpleQueue[list[str] | Exception]") -> None:
    try:
        answers.put([str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)])
    except Exception as error:  # noqa: BLE001 - raised by who waits for it
        answers.put(error)
    finally:
        _look_ups.release()


def resolve(address: Address, *, allowed: Sequence[str], resolver: Resolver = look_up) -> tuple[str, ...]:
    """The addresses to pin, sorted.

    :param allowed: networks in CIDR notation that the operator allows although they are not public.
    :raises UpstreamRefused: it resolves to nothing, or to an address that calls must not reach.
    """
    try:
        found = sorted(set(resolver(address.host, address.port)))
    except (OSError, UnicodeError):
        raise UpstreamRefused(f"“{address.host}” does not resolve to an address. Check the name, then try again.") from None
    networks = [ipaddress.ip_network(network) for network in allowed]
    for text in found:
        if not _public(ipaddress.ip_address(text), networks):
            raise UpstreamRefused(
                f"“{address.host}” resolves to {text}, which is not a public address. The operator can allow its network "
                "with PORTICO_UPSTREAM_NETWORKS."
            )
    if not found:
        raise UpstreamRefused(f"“{address.host}” does not resolve to an address. Check the name, then try again.")
    return tuple(found[:MAX_ADDRESSES])


def reachable(addresses: Iterable[str], *, allowed: Sequence[str]) -> list[str]:
    """Those of the addresses that calls may go to, by today's rule."""
    networks = [ipaddress.ip_network(network) for network in allowed]
    return [text for text in addresses if _public(ipaddress.ip_address(text), networks)]


def _public(address: IPAddress, allowed: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return _public(address.ipv4_mapped, allowed)
        if any(address in network for network in _TRANSLATED) and not any(address in network for network in allowed):
            return False
    if any(address.version == network.version and address in network for network in allowed):
        return True
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not address.is_multicast


def check_header(name: str, value: str) -> None:
    """
    :raises UpstreamRefused: a header that can't be injected.
    """
    if not _HEADER.fullmatch(name):
        raise UpstreamRefused(f"“{name}” is not a header name.")
    if name.lower() in _RESERVED_HEADERS or name.lower().startswith(("x-portico-", "x-envoy-", "sec-", ":")):
        raise UpstreamRefused(f"The header {name} belongs to HTTP or to the gateway; choose another.")
    if not value or len(value) > 4000 or not value.isascii() or not value.isprintable() or value != value.strip():
        raise UpstreamRefused("The header's secret is 1 to 4,000 printable ASCII characters without spaces around.")
