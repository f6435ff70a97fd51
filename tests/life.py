"""The life of a version as docs/versions.md tells it, in one table, which is walked by actions, on pages, over REST and at a gateway."""

from dataclasses import dataclass, replace

from apis.actions import publishing, versions
from apis.models import ApiVersion
from tests import steps
from tests.steps import Way

Status = ApiVersion.Status


_WAYS: tuple[Way[ApiVersion], ...] = (
    Way("prerelease", lambda version, by: publishing.prerelease(version, by=by)),
    Way("publish", lambda version, by: publishing.publish(version, by=by)),
    Way("block", lambda version, by: versions.block(version, reason="It leaks.", by=by), {"reason": "It leaks."}),
    Way("unblock", lambda version, by: versions.unblock(version, by=by)),
    Way("deprecate", lambda version, by: versions.deprecate(version, reason="Old.", by=by), {"reason": "Old."}),
    Way("reinstate", lambda version, by: versions.reinstate(version, by=by)),
    Way("retire", lambda version, by: versions.retire(version, by=by)),
)
WAYS = {way.name: way for way in _WAYS}


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


class Step(steps.Step):
    """Of a version, with what a gateway says of it."""

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
REFUSED = steps.refused(WAYS, Status.values, STEPS)


# Whoever decides over the life of a version; everybody else of the tenant may not.
WHO = {"admin", "publisher"}
