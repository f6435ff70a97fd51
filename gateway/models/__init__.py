from gateway.models.content import CONTENTS_KEPT, LoggedContent
from gateway.models.domain import Domain
from gateway.models.drift import Drift, Orphan
from gateway.models.group import DEFAULT, DEFAULT_NAME, MOST_GROUPS, ApiGroup, GatewayGroup, GroupedNode, GroupTenant, GroupUse, serving
from gateway.models.log_shipping import LogShipping, LogShippingState, ShippingTenant
from gateway.models.node import ALIVE, COUNTED, ControlProcess, GatewayNode, JoinToken, NodeCredential
from gateway.models.receipt import Deployment, Loaded, Nack, Receipt
from gateway.models.refusal import KEPT, Refusal
from gateway.models.tokens import TokenDay, TokenHour, TokenMinute
from gateway.models.usage import OTHER_OPERATIONS, UsageDay, UsageFreshness, UsageHour, UsageMinute, UsageOpenHour
from gateway.models.usage_alert import UsageAlert

__all__ = [
    "ALIVE", "CONTENTS_KEPT", "COUNTED", "DEFAULT", "DEFAULT_NAME", "KEPT", "MOST_GROUPS", "OTHER_OPERATIONS", "ApiGroup",
    "ControlProcess", "Deployment", "Domain", "Drift", "GatewayGroup", "GatewayNode", "GroupTenant", "GroupUse", "GroupedNode",
    "JoinToken", "Loaded", "LogShipping", "LogShippingState", "LoggedContent", "Nack", "NodeCredential", "Orphan", "Receipt", "Refusal",
    "ShippingTenant", "TokenDay", "TokenHour", "TokenMinute", "UsageAlert", "UsageDay", "UsageFreshness", "UsageHour", "UsageMinute",
    "UsageOpenHour", "serving",
]  # fmt: skip
