from apis.models.acknowledgement import Acknowledgement
from apis.models.api import Api, ApiVersion, Operation, Plan, Revision
from apis.models.brown_out import BrownOut
from apis.models.draft import Draft
from apis.models.operation_use import OperationUse
from apis.models.subscription import REMEMBERED, UNDO, Subscription
from apis.models.upstream import Upstream

__all__ = [
    "REMEMBERED",
    "UNDO",
    "Acknowledgement",
    "Api",
    "ApiVersion",
    "BrownOut",
    "Draft",
    "Operation",
    "OperationUse",
    "Plan",
    "Revision",
    "Subscription",
    "Upstream",
]
