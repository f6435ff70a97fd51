from apis.models.api import Api, ApiVersion, Operation, Plan, Revision
from apis.models.draft import Draft
from apis.models.subscription import REMEMBERED, UNDO, Subscription
from apis.models.upstream import Upstream

__all__ = ["REMEMBERED", "UNDO", "Api", "ApiVersion", "Draft", "Operation", "Plan", "Revision", "Subscription", "Upstream"]
