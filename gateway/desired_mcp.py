"""What gateways should know of MCP: where the service is, and who reaches the tools of all APIs together."""

from dataclasses import replace

from django.conf import settings

from gateway.envoy import mcp, state
from gateway.envoy.names import MCP_API

# Messages of one application to where all tools are listed; what a tool calls is within the limits of its own API.
CALLS, SECONDS = 600, 60
# In place of a subscription and of a plan.
_OF_ALL = "mcp"
_SUSPENDED = "APPLICATION_SUSPENDED"


def with_tools(tenant: state.Tenant) -> state.Tenant:
    """The tenant with the service, where some version has tools that gateways serve."""
    served = replace(tenant, mcp=state.Mcp(settings.MCP_ADDRESS, settings.MCP_SECRET.encode()))
    if not mcp.is_served(served):
        return tenant
    return replace(served, access=replace(tenant.access, grants=tuple(sorted((*tenant.access.grants, *_of_all(tenant)), key=_place))))


def _of_all(tenant: state.Tenant) -> list[state.Grant]:
    """A grant for each application that some API is open to, and for suspended ones, which hear so; quotas are those of single APIs."""
    open_to = {grant.client_id for grant in tenant.access.grants if grant.refusal in {"", "QUOTA_EXCEEDED", "BUDGET_EXCEEDED"}}
    refused = {grant.client_id: _SUSPENDED for grant in tenant.access.grants if grant.refusal == _SUSPENDED}
    whole = refused | dict.fromkeys(open_to, "")
    return [state.Grant(MCP_API, client_id, _OF_ALL, refusal, _OF_ALL, CALLS, SECONDS) for client_id, refusal in whole.items()]


def _place(grant: state.Grant) -> tuple[str, str]:
    return grant.api, grant.client_id
