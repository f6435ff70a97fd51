"""Tokens per second that one web worker issues: `python -m bench.tokens`. Goal: at least 1,000. Needs `wrk`."""

import statistics
from urllib.parse import urlencode

from bench.stage import job, report, stack, wrk

GOAL = 1_000
RUNS = 5


def main() -> int:
    # The limit per client is a policy; here one client stands for many.
    with stack(PORTICO_TOKEN_RATE="100000000") as running:
        carl = job(running).sign_in_all()["carl"]
        mine = job(running).register(carl, "/api/v1/tenants/acme", "tokens")
        form = urlencode({"grant_type": "client_credentials", "client_id": mine["client_id"], "client_secret": mine["client_secret"]})
        script = f"""
            wrk.method = "POST"
            wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
            wrk.body = "{form}"
        """
        wrk(mine["token_endpoint"], seconds=2, script=script)
        rates = [wrk(mine["token_endpoint"], script=script) for _ in range(RUNS)]
    best = statistics.median(rates)
    report("tokens", {"tokens per second, median": best, "of runs": RUNS, "least": min(rates), "most": max(rates), "goal": GOAL})
    return best < GOAL


if __name__ == "__main__":
    raise SystemExit(main())
