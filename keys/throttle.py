"""How often a client may ask for tokens: counted in this process, so that the token endpoint depends on nothing but PostgreSQL."""

import threading
import time
from typing import TypeVar

K = TypeVar("K", str, tuple[str, str])

_WINDOW = 60.0
_MOST = 50_000
# One address may ask for so many clients: the ids are the caller's choice, so that counting by them alone stops nobody.
_CLIENTS_PER_ADDRESS = 10
_WRONG_SERVICE_KEYS = 30
# Oldest windows first.
_clients: dict[tuple[str, str], tuple[float, int]] = {}
_addresses: dict[str, tuple[float, int]] = {}
_wrong: dict[str, tuple[float, int]] = {}
_lock = threading.Lock()


def seconds_to_wait(client_id: str, address: str, limit: int) -> int:
    """Count one request of this client from this address; 0, or how long it should wait.

    :param limit: per minute for one client from one address; ten times as many for all clients from it.
    """
    with _lock:
        return _count(_addresses, address, limit * _CLIENTS_PER_ADDRESS) or _count(_clients, (client_id, address), limit)


def after_a_wrong_service_key(address: str) -> int:
    """Count one service key that is none; 0, or how long this address should wait. In memory: a refused request rolls its rows back."""
    with _lock:
        return _count(_wrong, address, _WRONG_SERVICE_KEYS)


def _count(counts: dict[K, tuple[float, int]], who: K, limit: int) -> int:
    now = time.monotonic()
    until, count = counts.get(who, (0.0, 0))
    if until <= now:
        counts.pop(who, None)
        while len(counts) >= _MOST:
            del counts[next(iter(counts))]
        until, count = now + _WINDOW, 0
    counts[who] = (until, count + 1)
    return 0 if count < limit else max(1, round(until - now))
