"""Where our own calls and those of gateways may go: names looked up in bounded time, and one rule about networks."""

import ipaddress
import queue
import re
import socket
import threading
import time
from collections.abc import Callable, Sequence

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
# Name and port to addresses as text; `look_up` in life, a table in tests.
Resolver = Callable[[str, int], Sequence[str]]

LOOK_UPS = 2
LOOK_UP_SECONDS = 2.0
_look_ups = threading.BoundedSemaphore(LOOK_UPS)
_LABEL = re.compile(r"^(?!-)[a-z0-9-]{1,63}(?<!-)$")
# Forms that carry an IPv4 address inside an IPv6 one, or are translated to one on the way.
_TRANSLATED = [ipaddress.ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")]

# RFC 4291 §2.4. Site-local, IPv4-translated and other special forms outside it pass for global in Python's tables.
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")


def host(text: str) -> str | None:
    """A host name or an IP address in its one spelling; None if it is neither, or names a network interface."""
    if "%" in text:
        return None
    if not is_name(text):
        return str(ipaddress.ip_address(text))
    name = text.removesuffix(".")
    labels = name.split(".")
    # 0x7f.1, 127.1 and 2130706433 are addresses to some resolvers and names to others.
    if not all(_LABEL.match(label) for label in labels) or len(name) > 253 or re.fullmatch(r"0x[0-9a-f]*|[0-9]+", labels[-1]):
        return None
    return name


def is_name(text: str) -> bool:
    """Whether there is anything to look up."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return True
    return False


def look_up(host: str, port: int, *, slots: threading.Semaphore = _look_ups) -> list[str]:
    """All addresses of a host name, by the system's resolver, within `LOOK_UP_SECONDS`.

    The resolver knows no deadline, so it is asked in a thread that is left behind when it takes longer; as long as
    `LOOK_UPS` of them are on their way, nothing more is asked.

    :param slots: how many may be on their way for what asks; others then don't wait for these.
    :raises TimeoutError: the resolver takes too long. :raises OSError: there is none.
    """
    if not is_name(host):
        return [host]
    deadline = time.monotonic() + LOOK_UP_SECONDS
    if not slots.acquire(timeout=LOOK_UP_SECONDS):
        raise TimeoutError
    answers: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()
    try:
        threading.Thread(target=_ask, args=[host, port, answers, slots], name="look-up", daemon=True).start()
    except RuntimeError:
        # No thread to be had.
        slots.release()
        raise TimeoutError from None
    try:
        answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _ask(host: str, port: int, answers: "queue.SimpleQueue[list[str] | Exception]", slots: threading.Semaphore) -> None:
    try:
        answers.put([str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)])
    except Exception as error:  # noqa: BLE001 - raised by who waits for it
        answers.put(error)
    finally:
        slots.release()


def may_be_called(text: str, *, allowed: Sequence[str]) -> bool:
    """Whether calls may go to this IP address: a public one, or one in a network that the operator allows.

    :param allowed: networks in CIDR notation that the operator allows although they are not public.
    """
    return _public(ipaddress.ip_address(text), [ipaddress.ip_network(network) for network in allowed])


def is_allowed(text: str, *, allowed: Sequence[str]) -> bool:
    """Whether the address lies in a network that the operator allows although it is not public."""
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    found = mapped or address
    return any(found.version == network.version and found in network for network in map(ipaddress.ip_network, allowed))


def _public(address: IPAddress, allowed: Sequence[IPNetwork]) -> bool:
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
