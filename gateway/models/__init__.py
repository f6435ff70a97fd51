from gateway.models.node import ALIVE, COUNTED, ControlProcess, GatewayNode
from gateway.models.receipt import Deployment, Loaded, Receipt
from gateway.models.refusal import KEPT, Refusal

__all__ = ["ALIVE", "COUNTED", "KEPT", "ControlProcess", "Deployment", "GatewayNode", "Loaded", "Receipt", "Refusal"]
