from dataclasses import dataclass
from typing import Any

from rest_framework import serializers

from apis import tools
from apis.actions.mcp_servers import Tool, in_the_way, of, operations_of, tools_of
from apis.models import ApiVersion
from tenants.serializers import Body, Text


class ToolIn(Body):
    """`operation`: its operationId. Without a `name` the tool is called so, too; without a `description` it has the document's."""

    operation = Text(max_length=200)
    name = Text(max_length=200, required=False, allow_blank=True)
    description = Text(max_length=2 * tools.MOST_DESCRIPTION, required=False, allow_blank=True)


class ToolsIn(Body):
    """`tools` are all from then on, in the order in which agents get them."""

    enabled = serializers.BooleanField()
    tools = ToolIn(many=True)


class ToolOut(serializers.Serializer[Tool]):
    """`method` and `path` are "" where the live revision has the operation no more: nobody gets the tool then."""

    operation = serializers.CharField(source="operation_id")
    name = serializers.CharField()
    description = serializers.CharField()
    method = serializers.SerializerMethodField()
    path = serializers.SerializerMethodField()

    def get_method(self, tool: Tool) -> str:
        return tool.operation.method if tool.operation else ""

    def get_path(self, tool: Tool) -> str:
        return tool.operation.path if tool.operation else ""


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of a version's tools to somebody who may or may not see those that are not served."""

    enabled: bool
    served: bool
    why_not: str
    url: str
    tools: list[Tool]


class ToolsOut(serializers.Serializer[Told]):
    """`served`: agents reach them at `url` with a subscription; where they are `enabled` and not served, `why_not` says why."""

    enabled = serializers.BooleanField()
    served = serializers.BooleanField()
    why_not = serializers.CharField()
    url = serializers.CharField()
    tools = ToolOut(many=True)


class ToolsDecidedOut(ToolsOut):
    event = serializers.IntegerField()
    receipt = serializers.CharField()


def told(version: ApiVersion, *, gateway: str, all_of_it: bool) -> dict[str, Any]:
    """
    :param gateway: the tenant's address there. :param all_of_it: also what is switched off.
    """
    server, operations = of(version), operations_of(version)
    enabled = server is not None and server.enabled
    chosen = tools_of(server, operations) if enabled or all_of_it else []
    why = in_the_way(version, operations) if enabled else ""
    served = enabled and not why and version.status in ApiVersion.OFFERED and any(each.operation for each in chosen)
    url = f"{gateway}/{version.api.slug}/{version.name}{tools.PATH}"
    return dict(ToolsOut(Told(enabled, served, why, url, chosen)).data)
