"""Which operations agents may use as tools: switching them on for a version, choosing and naming them, and switching them off."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from apis import tools
from apis.models import ApiVersion, McpServer, Operation
from apis.policies import Policies
from tenants import events
from tenants.errors import Invalid, NotAllowed
from tenants.models import Event, User


@dataclass(frozen=True, slots=True)
class Tool:
    """`operation`: None where the live revision has it no more, and so nobody can use it."""

    operation_id: str
    name: str
    description: str
    operation: Operation | None


def of(version: ApiVersion) -> McpServer | None:
    found: McpServer | None = McpServer.objects.filter(version=version).first()
    return found


def operations_of(version: ApiVersion) -> list[Operation]:
    """What can be chosen."""
    return list(Operation.objects.filter(revision=version.live_revision_id).order_by("path", "method")) if version.live_revision_id else []


def tools_of(server: McpServer | None, operations: Iterable[Operation]) -> list[Tool]:
    """Those that were chosen, in their order."""
    known = {each.operation_id: each for each in operations}
    rows = server.tools if server else []
    return [Tool(each["operation"], each["name"], each["description"], known.get(each["operation"])) for each in rows]


def stamp(server: McpServer | None) -> str:
    """Another one after each change."""
    return hashlib.sha256(repr((server.enabled, server.tools)).encode()).hexdigest()[:16] if server else "none"


def in_the_way(version: ApiVersion, operations: Iterable[Operation]) -> str:
    """Why gateways don't serve tools of it whatever is switched on, in a sentence; "" where nothing is in the way."""
    policies = Policies.of(version.api.policies)
    if policies.ip_allow or policies.ip_deny:
        return _("%(api)s may be called from some addresses only. A tool's call comes from Portico itself, so such an API has none.") % {
            "api": version.api
        }
    own = next((each for each in operations if tools.stands_in_the_way(each.path)), None)
    if own is not None:
        return _("%(operation)s answers at %(path)s itself, where the tools would be.") % {"operation": own, "path": tools.PATH}
    return ""


@transaction.atomic
def put(version: ApiVersion, *, enabled: bool, chosen: Sequence[Mapping[str, str]], by: User, seen: str | None = None) -> Event | None:
    """As it is to be from now on; None where nothing differs.

    :param chosen: {"operation", "name", "description"}; a name of "" is made of the operation's.
    :param seen: the `stamp` of what was there when somebody decided; None where nobody looked.
    :raises Invalid: by field. :raises NotAllowed: something is in the way of switching them on.
    """
    events.lock()
    server = of(version)
    if seen is not None and seen != stamp(server):
        raise NotAllowed(_("Somebody changed this meanwhile. Load it again, then decide anew."))
    # It may have gone another way since it was read.
    version.refresh_from_db(fields=["status", "live_revision"])
    operations = operations_of(version)
    was_on, was = (server.enabled, server.tools) if server else (False, [])
    if enabled and not was_on:
        _may_begin(version, operations)
    wanted = _checked(chosen, {each.operation_id for each in operations} | {each["operation"] for each in was})
    if enabled and not wanted:
        raise Invalid({"tools": [_("Choose at least one operation.")]})
    if (enabled, wanted) == (was_on, was):
        return None
    server = server or McpServer(version=version)
    server.enabled, server.tools = enabled, wanted
    server.save()
    names = [each["name"] for each in wanted]
    if enabled and not was_on:
        return events.record("mcp.switched_on", version, by=by, tools=names)
    if was_on and not enabled:
        return events.record("mcp.switched_off", version, by=by)
    return events.record("mcp.changed", version, by=by, was=[each["name"] for each in was], now=names)


def _may_begin(version: ApiVersion, operations: Sequence[Operation]) -> None:
    if version.status == ApiVersion.Status.RETIRED:
        raise NotAllowed(_("%(version)s is retired, and answers no calls.") % {"version": version})
    if not operations:
        raise NotAllowed(_("No revision of %(version)s is live, so it has no operations yet.") % {"version": version})
    if why := in_the_way(version, operations):
        raise NotAllowed(why)


def wrong_name(name: str, taken: Iterable[str]) -> str:
    """What speaks against it as a tool's name, in a sentence; "" if nothing does."""
    if not tools.NAME.fullmatch(name):
        said = _("The name “%(name)s” of a tool takes letters, digits, - and _, and at most %(most)s of them.")
        return said % {"name": name[:80], "most": tools.MOST_NAME}
    return _("Two tools have the name “%(name)s”.") % {"name": name} if name in taken else ""


def _checked(chosen: Sequence[Mapping[str, str]], known: set[str]) -> list[dict[str, str]]:
    problems: list[str] = []
    found: list[dict[str, str]] = []
    if len(chosen) > tools.MOST:
        raise Invalid({"tools": [_("%(most)s tools are the most that a version has.") % {"most": tools.MOST}]})
    for each in chosen:
        operation, told = each["operation"], each.get("description", "").strip()
        name = each.get("name", "").strip() or tools.name_of(operation)
        if operation not in known:
            problems.append(_("The live revision has no operation “%(operation)s”.") % {"operation": operation[:80]})
        elif wrong := wrong_name(name, [other["name"] for other in found]):
            problems.append(wrong)
        elif any(operation == other["operation"] for other in found):
            problems.append(_("The operation “%(operation)s” is chosen twice.") % {"operation": operation})
        elif len(told) > tools.MOST_DESCRIPTION:
            said = _("The description of “%(name)s” has at most %(most)s characters.")
            problems.append(said % {"name": name, "most": tools.MOST_DESCRIPTION})
        found.append({"operation": operation, "name": name, "description": told})
    if problems:
        raise Invalid({"tools": problems})
    return found
