from gateway.models.domain import Domain
from gateway.models.node import ALIVE, ControlProcess, GatewayNode
from gateway.models.receipt import Deployment, Loaded, Receipt
from gateway.models.refusal import KEPT, Refusal

__all__ = ["ALIVE", "KEPT", "ControlProcess", "Deployment", "Domain", "GatewayNode", "Loaded", "Receipt", "Refusal"]
