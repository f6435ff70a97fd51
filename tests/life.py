"""The life of a version as docs/versions.md tells it, in one table, which is walked by actions, on pages, over REST and at a gateway."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from apis.actions import publishing, versions
from apis.models import ApiVersion
from tenants.models import Event, User

Status = ApiVersion.Status


@dataclass(frozen=True, slots=True)
class Way:
    """What somebody does with a version: its name in the addresses of pages and of REST, and what is given with it."""

    name: str
    act: Callable[[ApiVersion, User], Event]
    given: dict[str, str] = field(default_factory=dict)


WAYS = {
    way.name: way
    for way in (
        Way("prerelease", lambda version, by: publishing.prerelease(version, by=by)),
        Way("publish", lambda version, by: publishing.publish(version, by=by)),
        Way("block", lambda version, by: versions.block(version, reason="It leaks.", by=by), {"reason": "It leaks."}),
        Way("unblock", lambda version, by: versions.unblock(version, by=by)),
        Way("deprecate", lambda version, by: versions.deprecate(version, reason="Old.", by=by), {"reason": "Old."}),
        Way("reinstate", lambda version, by: versions.reinstate(version, by=by)),
        Way("retire", lambda version, by: versions.retire(version, by=by)),
    )
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a gateway answers whoever may call. `nobody`: what it says to a call without a token; `going`: that the version is going."""

    status: int
    code: str = ""
    nobody: str = "TOKEN_MISSING"
    going: bool = False


AT_THE_GATEWAY = {
    "created": Answer(404, "NO_SUCH_ROUTE", nobody="NO_SUCH_ROUTE"),
    "prerelease": Answer(200),
    "published": Answer(200),
    "blocked": Answer(503, "API_BLOCKED"),
    "deprecated": Answer(200, going=True),
    "retired": Answer(410, "API_RETIRED", nobody="API_RETIRED"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """`way` leads from `was` to `now`, which the event `version.<verb>` tells; `said` is what the page says then."""

    was: str
    way: str
    now: str
    verb: str
    said: str

    @property
    def answer(self) -> Answer:
        """What a gateway answers once it is taken."""
        if self.verb == "discarded":
            return AT_THE_GATEWAY["created"]  # It was never there.
        return replace(AT_THE_GATEWAY[self.now], going="deprecated" in {self.now, self.was} and self.now != "published")


STEPS = (
    Step("created", "prerelease", "prerelease", "prereleased", "is open as a prerelease."),
    Step("created", "publish", "published", "published", "is published."),
    Step("created", "retire", "retired", "discarded", "is thrown away."),
    Step("prerelease", "publish", "published", "published", "is published."),
    Step("prerelease", "retire", "retired", "retired", "is retired."),
    Step("published", "block", "blocked", "blocked", "is blocked."),
    Step("published", "deprecate", "deprecated", "deprecated", "is deprecated."),
    Step("blocked", "unblock", "published", "unblocked", "answers again."),
    Step("deprecated", "reinstate", "published", "reinstated", "is published again."),
    Step("deprecated", "retire", "retired", "retired", "is retired."),
)
# Which ways lead nowhere from which states: all others.
REFUSED = [(way, state) for way in WAYS for state in Status.values if (state, way) not in {(step.was, step.way) for step in STEPS}]


# Whoever decides over the life of a version; everybody else of the tenant may not.
WHO = {"admin", "publisher"}


def named(case: Any) -> str:
    """How a test's case is called."""
    return f"{case.was}-{case.way}-{case.now}" if isinstance(case, Step) else str(case)
