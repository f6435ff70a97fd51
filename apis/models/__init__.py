from apis.models.acknowledgement import Acknowledgement
from apis.models.api import LARGE, LIVE_LARGE, Api, ApiVersion, Operation, Plan, Revision
from apis.models.brown_out import BrownOut
from apis.models.document_import import DocumentImport
from apis.models.draft import Draft
from apis.models.lint_rule import LintRule
from apis.models.operation_use import OperationUse
from apis.models.subscription import REMEMBERED, UNDO, Subscription
from apis.models.upstream import Upstream

__all__ = [
    "LARGE",
    "LIVE_LARGE",
    "REMEMBERED",
    "UNDO",
    "Acknowledgement",
    "Api",
    "ApiVersion",
    "BrownOut",
    "DocumentImport",
    "Draft",
    "LintRule",
    "Operation",
    "OperationUse",
    "Plan",
    "Revision",
    "Subscription",
    "Upstream",
]
