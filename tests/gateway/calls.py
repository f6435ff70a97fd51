"""Calls at one gateway, one after the other, from a process of its own: `python -m tests.gateway.calls PORT PAUSE_MS`.

The first line of standard input is JSON: a list of paths, each with its token. It calls them by turns until standard input ends, and
prints a line per call: when it began and ended by this machine's clock, which of them it was, and the status. A call that was not
answered has the status 0.
"""

import http.client
import json
import sys
import threading
import time

HOST = "127.0.0.1"


def main(port: int, pause: float) -> None:
    called = json.loads(sys.stdin.readline())
    ended = threading.Event()
    threading.Thread(target=_until_told, args=[ended], daemon=True).start()
    connection = http.client.HTTPConnection(HOST, port, timeout=20)
    while not ended.is_set():
        for which, (path, token) in enumerate(called):
            began = time.time()
            try:
                connection.request("GET", path, headers={"authorization": f"Bearer {token}"})
                response = connection.getresponse()
                response.read()
                status = response.status
            except (OSError, http.client.HTTPException):
                connection.close()
                status = 0
            print(f"{began:.6f} {time.time():.6f} {which} {status}")
            time.sleep(pause)


def _until_told(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]) / 1000)
