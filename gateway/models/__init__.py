from gateway.models.drift import Drift, Orphan
from gateway.models.node import ALIVE, ControlProcess, GatewayNode
from gateway.models.receipt import Deployment, Loaded, Receipt
from gateway.models.refusal import KEPT, Refusal

__all__ = ["ALIVE", "KEPT", "ControlProcess", "Deployment", "Drift", "GatewayNode", "Loaded", "Orphan", "Receipt", "Refusal"]
