"""Where a request came from: for the events it causes, and for what is counted per address."""

import ipaddress
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Origin:
    ip: str = ""
    user_agent: str = ""
    request_id: str = ""

    @property
    def place(self) -> str:
        """What counts as one address: of IPv6 the /64 that a line or a machine is given, or each try could come from another."""
        address = _address(self.ip)
        if address is None:
            return self.ip
        return str(ipaddress.IPv6Address(int(address) >> 64 << 64) if isinstance(address, ipaddress.IPv6Address) else address)


# A job or a command has no address; it stands as the empty origin.
NOWHERE = Origin()
origin: ContextVar[Origin] = ContextVar("origin", default=NOWHERE)


def client_address(peer: str, forwarded: str, trusted: Sequence[Network]) -> str:
    """Who asks: the connection's other end, or, where that is a proxy we trust, whom the proxies say they ask for.

    `forwarded` is X-Forwarded-For. Each proxy adds at its right end, so it is read from there, and only as long as those
    who wrote are trusted: whatever stands further left was sent by the caller and may be a lie.
    """
    found = peer
    for text in reversed(forwarded.split(",")):
        address = _address(found)
        if address is None or not any(address.version == network.version and address in network for network in trusted):
            break
        before = _address(text.strip())
        if before is None:
            break
        found = str(before)
    return found


def _address(text: str) -> IPAddress | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # 10.0.0.1 as a socket for both families tells it.
    return getattr(address, "ipv4_mapped", None) or address
