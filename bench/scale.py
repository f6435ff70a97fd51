"""A tenant with 1,000 operations and 5,000 subscriptions: `python -m bench.scale`. Needs `wrk`.

Goals: one decision read, compiled, pushed and acknowledged in < 1 s; calls per second to its last operation / its first >= 0.95 through
the whole chain, median of 7 paired runs.
"""

import os
import subprocess
import sys

from bench.stage import STACK, stack


def main() -> int:
    with stack() as running:
        command = [sys.executable, "-m", "bench.large", running.upstream_url, running.gateway_url, str(running.pids()["envoy"])]
        return subprocess.run(command, env={**os.environ, "PORTICO_VAR": str(STACK)}, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
