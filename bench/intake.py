"""How fast a usage process takes access logs: `python -m bench.intake`. Goal: 20,000 calls a second, which is 50 µs of a core for each.

First they are read and counted alone; then streamed to the stack's usage process as fast as it takes them, until every one of them stands
in the tables (bench/taking.py). And from a decision to its being enforced while usage hears of 10,000 refused calls a second.
"""

import os
import subprocess
import sys
import time
from typing import Any

from bench.enforcement import arrange, measure
from bench.stage import STACK, job, report, stack


def main() -> int:
    with stack() as running:
        environment = {**os.environ, "PORTICO_VAR": str(STACK)}
        failed = subprocess.run([sys.executable, "-m", "bench.taking"], env=environment, check=False).returncode
        client = job(running)
        people = client.sign_in_all()
        url, token, subscription = arrange(client, people)
        headers = {"Authorization": f"Bearer {token}"}
        figures: dict[str, Any] = measure("idle", people["ada"], subscription, url, headers)
        flood = subprocess.Popen([sys.executable, "-m", "bench.taking", "flood"], env=environment)
        try:
            time.sleep(2)
            figures |= measure("10,000 refused calls a second", people["ada"], subscription, url, headers)
        finally:
            flood.terminate()
            flood.wait()
    report("intake-flood", figures)
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
