"""How often a client may ask for tokens: counted in this process, so that the token endpoint depends on nothing but PostgreSQL."""

import threading
import time

_WINDOW = 60.0
_MOST = 50_000
_counts: dict[tuple[str, str], tuple[float, int]] = {}
_lock = threading.Lock()


def seconds_to_wait(client_id: str, address: str, limit: int) -> int:
    """Count one request of this client from this address; 0, or how long it should wait."""
    now = time.monotonic()
    with _lock:
        until, count = _counts.get((client_id, address), (0.0, 0))
        if until <= now:
            until, count = now + _WINDOW, 0
            if len(_counts) >= _MOST:
                _counts.clear()
        _counts[client_id, address] = (until, count + 1)
    return 0 if count < limit else max(1, round(until - now))
