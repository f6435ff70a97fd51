"""10,000 tenants whose keys are due, rotated by a worker per core: `python -m bench.due`. Goal: < 120 s, with memory that does not grow."""

import os
import signal
import subprocess
import sys

from bench.stage import STACK, stack


def main() -> int:
    # No worker of the stack's own may take tenants away from those that are measured.
    with stack() as running:
        running.send("worker", signal.SIGSTOP)
        command = [sys.executable, "-m", "bench.many", *sys.argv[1:]]
        try:
            return subprocess.run(command, env={**os.environ, "PORTICO_VAR": str(STACK)}, check=False).returncode
        finally:
            running.send("worker", signal.SIGCONT)


if __name__ == "__main__":
    raise SystemExit(main())
