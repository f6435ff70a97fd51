"""Asking a server whether it answers, over TCP or a unix socket, with the bare socket.

An HTTP client library would stay in the supervisor's memory for as long as the stack runs.
"""

import socket
from pathlib import Path

Address = Path | tuple[str, int]
TIMEOUT = 2.0


def accepts(address: Address) -> bool:
    """Whether something accepts connections there."""
    return _first_line(address, b"") is not None


def answers_ping(address: Path) -> bool:
    """Whether Valkey there answers PING."""
    return _first_line(address, b"PING\r\n") == "+PONG"


def answers_ok(address: Address, path: str) -> bool:
    """Whether an HTTP server answers 200 to a GET of `path`."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    line = _first_line(address, request.encode())
    return line is not None and line.split()[1:2] == ["200"]


def _first_line(address: Address, question: bytes) -> str | None:
    """The first line of the answer (empty when nothing was asked), or None when nobody answers."""
    family = socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET
    with socket.socket(family) as connection:
        connection.settimeout(TIMEOUT)
        try:
            connection.connect(str(address) if isinstance(address, Path) else address)
            if not question:
                return ""
            connection.sendall(question)
            return connection.recv(4096).decode(errors="replace").partition("\r\n")[0]
        except OSError:
            return None
