"""Every read of the REST API, from its own description, with ids of what its lists hold."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from tests.e2e.world import TENANT

# What no list names.
GIVEN = {"tenant": TENANT, "version": "v1"}
# The most that a list gives at once.
MOST = 200
# How long a file of everything takes says how much that is.
FILES = {"/api/v1/tenants/{tenant}/events/export/"}
_LAST = re.compile(r"\{(\w+)\}\Z")


def reads(schema: dict[str, Any], get: Callable[[str], Any]) -> Iterator[str]:
    """Their addresses; each list also as long as it can be, and narrowed by each of its states.

    :param get: asks for one, and returns what is answered, or None.
    """
    known: dict[str, str] = {}
    for path, methods in sorted(schema["paths"].items()):
        if "get" not in methods or path in FILES:
            continue
        address = _filled(path, known, get)
        queries = {each["name"]: each for each in methods["get"].get("parameters", []) if each["in"] == "query"}
        yield f"{address}?at={datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}" if "at" in queries else address
        if "limit" in queries:
            yield f"{address}?limit={MOST}"
            for name, each in queries.items():
                yield from (f"{address}?limit={MOST}&{name}={value}" for value in each["schema"].get("enum", []))


def _filled(path: str, known: dict[str, str], get: Callable[[str], Any]) -> str:
    """With what its lists begin with in place of names; where there is no such list, with the first that ever was."""
    while (found := re.search(r"^.*?\{(\w+)\}", path)) is not None:
        upto, name = found[0], found[1]
        if upto not in known:
            listed = None if name in GIVEN else get(_LAST.sub("", upto))
            # Short lists are given whole, and some of what stands above is no list.
            rows = listed.get("results") if isinstance(listed, dict) else listed
            first = rows[0] if rows else {}
            named = next((first[each] for each in (name, "slug", "id", "name") if first.get(each)), GIVEN.get(name, 1))
            known[upto] = _LAST.sub(str(named), upto)
        path = known[upto] + path[len(upto) :]
    return path
