from gateway.models.domain import Domain
from gateway.models.group import DEFAULT, DEFAULT_NAME, MOST_GROUPS, ApiGroup, GatewayGroup, GroupedNode, GroupTenant, GroupUse, serving
from gateway.models.node import ALIVE, ControlProcess, GatewayNode
from gateway.models.receipt import Deployment, Loaded, Receipt
from gateway.models.refusal import KEPT, Refusal

__all__ = [
    "ALIVE", "DEFAULT", "DEFAULT_NAME", "KEPT", "MOST_GROUPS", "ApiGroup", "ControlProcess", "Deployment", "Domain", "GatewayGroup",
    "GatewayNode", "GroupTenant", "GroupUse", "GroupedNode", "Loaded", "Receipt", "Refusal", "serving",
]  # fmt: skip
