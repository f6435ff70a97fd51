from gateway.models.node import ALIVE, ControlProcess, GatewayNode, JoinToken, NodeCredential
from gateway.models.receipt import Deployment, Loaded, Nack, Receipt
from gateway.models.refusal import KEPT, Refusal

__all__ = [
    "ALIVE",
    "KEPT",
    "ControlProcess",
    "Deployment",
    "GatewayNode",
    "JoinToken",
    "Loaded",
    "Nack",
    "NodeCredential",
    "Receipt",
    "Refusal",
]
