from apis.models.api import Api, ApiVersion, Operation, Plan, Revision
from apis.models.subscription import REMEMBERED, Subscription
from apis.models.upstream import Upstream

__all__ = ["REMEMBERED", "Api", "ApiVersion", "Operation", "Plan", "Revision", "Subscription", "Upstream"]
