"""How long control has been away, also over restarts, and although a clock may be set back."""

import time
from dataclasses import dataclass
from pathlib import Path

# Machines set their clocks right now and then.
SLACK_SECONDS = 60.0
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class ClockError(Exception):
    """The clock stands before what has happened already."""


@dataclass(frozen=True, slots=True)
class Moment:
    """`up` counts from the machine's start, sleep included, and is never set; `boot` tells one start from another."""

    wall: float
    boot: str
    up: float


@dataclass(frozen=True, slots=True)
class Away:
    """At this moment the last contact with control was `seconds` ago. 0 while there is contact."""

    at: Moment
    seconds: float = 0.0

    def until(self, now: Moment) -> "Away":
        """:raises ClockError: the clock was set back across a restart, so nobody knows how long it was."""
        if self.at.boot and self.at.boot == now.boot:
            return Away(now, self.seconds + max(0.0, now.up - self.at.up))
        passed = now.wall - self.at.wall
        if passed < -SLACK_SECONDS:
            raise ClockError("The clock stands before the last contact with control, so its age is not known.")
        return Away(now, self.seconds + max(0.0, passed))


def this_moment() -> Moment:
    try:
        boot = _BOOT.read_text().strip()
    except OSError:
        boot = ""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return Moment(time.time(), boot, time.clock_gettime(clock))
