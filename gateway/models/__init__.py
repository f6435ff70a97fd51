from gateway.models.node import ALIVE, ControlProcess, GatewayNode
from gateway.models.receipt import Deployment, Loaded, Receipt
from gateway.models.refusal import KEPT, Refusal
from gateway.models.usage import OTHER_OPERATIONS, UsageDay, UsageFreshness, UsageHour, UsageMinute, UsageOpenHour
from gateway.models.usage_alert import UsageAlert

__all__ = [
    "ALIVE",
    "KEPT",
    "OTHER_OPERATIONS",
    "ControlProcess",
    "Deployment",
    "GatewayNode",
    "Loaded",
    "Receipt",
    "Refusal",
    "UsageAlert",
    "UsageDay",
    "UsageFreshness",
    "UsageHour",
    "UsageMinute",
    "UsageOpenHour",
]
