"""50 tenants' keys rotate 1,000 times under calls, then 20 are compromised: `python -m bench.rotation`. Needs `wrk`.

Goals: of at least 200,000 calls none fails; what a compromised key signed is refused within 2 s. Verifiers may keep these tenants' JWKS
for 5 s, so that a rotation takes 15 s and not a quarter of an hour.
"""

import os
import subprocess
import sys

from bench.stage import STACK, stack


def main() -> int:
    with stack(PORTICO_TOKEN_RATE="100000000") as running:
        command = [sys.executable, "-m", "bench.turning", running.portal_url, running.gateway_url, running.upstream_url, *sys.argv[1:]]
        return subprocess.run(command, env={**os.environ, "PORTICO_VAR": str(STACK)}, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
