"""What differs between a tenant as it is and as somebody describes it, and who can't call any more afterwards.

Pure: both are what REST carries, JSON. What a description leaves out is left alone; what a list that is there no longer names goes only
where that is asked for (`prune`). docs/cli.md explains it to who writes descriptions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

# What a description may have, in the order in which it is read.
PARTS = ("tenant", "members", "teams", "aliases", "apis", "applications", "subscriptions")
Entry: TypeAlias = dict[str, Any]
Description: TypeAlias = dict[str, Any]
# An application is told by its name and by whose it is, since two people may give the same name.
Key: TypeAlias = tuple[str, str]
# The one version of an AI API.
AI_VERSION = "v1"
EMPTY_API: Entry = {
    "kind": "rest", "category": "", "tags": [], "visibility": "public", "teams": [], "team": "", "cors_origins": [], "needs_review": False,
    "policies": {}, "offer": {}, "plans": [], "versions": [],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that would be done. `sign`: + for what comes, ~ for what changes, - for what goes, ! for what only waits for somebody.

    `needs`: the permission that it takes. `verb` and `at` tell apis.actions.applying what to do to what. `blocked`: why it can't be
    done, in a sentence.
    """

    sign: str
    what: str
    text: str
    needs: str
    verb: str
    at: tuple[Any, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict)
    order: int = 0
    blocked: str = ""

    @property
    def waits(self) -> bool:
        return self.sign == "!"

    def __str__(self) -> str:
        return f"{self.sign} {self.what}" + (f": {self.text}" if self.text else "")


def key_of(entry: Mapping[str, Any], name: str = "name") -> Key:
    return entry[name], f"team {entry['team']}" if entry.get("team") else entry.get("owner") or ""


def whose(key: Key) -> dict[str, str]:
    """As entries say it."""
    return {"team": key[1].removeprefix("team ")} if key[1].startswith("team ") else {"owner": key[1]}


def block(found: Difference, why: str) -> Difference:
    return found if found.blocked else replace(found, blocked=why)
