"""The TCP ports the stack listens on, all of them on loopback."""

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from portal.stack.errors import StackError

HOST = "127.0.0.1"


class Ports(NamedTuple):
    """Port numbers; 0 lets the system choose a free one."""

    web: int = 8000
    gateway: int = 8080
    upstream: int = 8090
    provider: int = 8091


PURPOSES = {"web": "the portal", "gateway": "the gateway", "upstream": "the demo upstream", "provider": "the demo's provider of AI models"}
NAMES = {
    "web": "PORTICO_PORT",
    "gateway": "PORTICO_GATEWAY_PORT",
    "upstream": "PORTICO_UPSTREAM_PORT",
    "provider": "PORTICO_PROVIDER_PORT",
}


def from_environment(environment: Mapping[str, str]) -> Ports:
    """The ports the environment asks for. Raises StackError for what is not a port number."""
    return Ports(**{part: _number(name, environment[name]) for part, name in NAMES.items() if environment.get(name)})


def choose(wanted: Ports, *, needed: set[str]) -> Ports:
    """The same ports with zeros replaced by free ones. Raises StackError when a needed one is taken or wanted twice."""
    chosen = wanted._asdict()
    for part, number in chosen.items():
        if part in needed and number and _is_taken(number):
            raise StackError(
                f"Port {number} is taken, and {PURPOSES[part]} wants it. "
                f"Stop what listens there, or choose another port with {NAMES[part]} (0 finds a free one)."
            )
    for part, number in chosen.items():
        chosen[part] = number or _free(set(chosen.values()))
    _refuse_doubles({part: chosen[part] for part in sorted(needed)})
    return Ports(**chosen)


def remember(ports: Ports, file: Path) -> None:
    """Write down which they are, for `again`."""
    file.write_text(json.dumps(ports._asdict()) + "\n")


def again(file: Path) -> Ports:
    """Those that were remembered there, as far as they are free; 0 for the others. What a stack published of itself stands at them."""
    try:
        told = Ports(**json.loads(file.read_text()))
        return Ports(*(0 if _is_taken(number) else number for number in told))
    except (OSError, OverflowError, TypeError, ValueError):
        return Ports(0, 0, 0, 0)


def _number(name: str, text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > 65535:
        raise StackError(f"{name} is “{text}”, and should be a port number from 0 to 65535.")
    return int(text)


def _refuse_doubles(chosen: Mapping[str, int]) -> None:
    seen: dict[int, str] = {}
    for part, number in chosen.items():
        if number in seen:
            raise StackError(
                f"{PURPOSES[part].capitalize()} and {PURPOSES[seen[number]]} both want port {number}. "
                f"Change {NAMES[part]} or {NAMES[seen[number]]}."
            )
        seen[number] = part


def _is_taken(number: int) -> bool:
    with socket.socket() as probe:
        # Without it a port counts as taken for a minute after its last connection closed.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, number))
        except PermissionError as error:
            raise StackError(f"Port {number} may not be opened by this user. Choose one above 1023.") from error
        except OSError:
            return True
        return False


def _free(others: set[int]) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            number = int(probe.getsockname()[1])
        if number not in others:
            return number
