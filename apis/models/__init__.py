from apis.models.acknowledgement import Acknowledgement
from apis.models.api import LARGE, LIVE_LARGE, MOST_TAGS, Api, ApiQuerySet, ApiTeam, ApiVersion, Operation, Plan, PlanTeam, Revision
from apis.models.approval_rule import ApprovalRule
from apis.models.brown_out import BrownOut
from apis.models.budget import BUDGETS_KEPT, BudgetUse, TenantBudget
from apis.models.category import Category
from apis.models.change_request import ChangeRequest
from apis.models.comparison import Comparison
from apis.models.content_logging import MOST_CONSENT, MOST_DAYS, ContentConsent, ContentLogging
from apis.models.document_import import DocumentImport
from apis.models.document_source import DocumentSource
from apis.models.draft import Draft
from apis.models.lint_rule import LintRule
from apis.models.logged_change import LoggedChange
from apis.models.mcp_server import McpServer
from apis.models.operation_use import OperationUse
from apis.models.part import Part
from apis.models.provider import FormerPrice, ModelAlias, Provider, ProviderKey, ProviderModel
from apis.models.published_document import PublishedDocument
from apis.models.quota_use import PERIODS_KEPT, QuotaUse
from apis.models.request_form import FormQuestion, questions_of
from apis.models.request_policy import MOST_HOURS, RequestPolicy
from apis.models.review import Review
from apis.models.subscription import REMEMBERED, Subscription
from apis.models.upstream import Upstream
from apis.models.version_day import DAYS_KEPT, VersionDay

__all__ = [
    "BUDGETS_KEPT",
    "DAYS_KEPT",
    "LARGE",
    "LIVE_LARGE",
    "MOST_CONSENT",
    "MOST_DAYS",
    "MOST_HOURS",
    "MOST_TAGS",
    "PERIODS_KEPT",
    "REMEMBERED",
    "Acknowledgement",
    "Api",
    "ApiQuerySet",
    "ApiTeam",
    "ApiVersion",
    "ApprovalRule",
    "BrownOut",
    "BudgetUse",
    "Category",
    "ChangeRequest",
    "Comparison",
    "ContentConsent",
    "ContentLogging",
    "DocumentImport",
    "DocumentSource",
    "Draft",
    "FormQuestion",
    "FormerPrice",
    "LintRule",
    "LoggedChange",
    "McpServer",
    "ModelAlias",
    "Operation",
    "OperationUse",
    "Part",
    "Plan",
    "PlanTeam",
    "Provider",
    "ProviderKey",
    "ProviderModel",
    "PublishedDocument",
    "QuotaUse",
    "RequestPolicy",
    "Review",
    "Revision",
    "Subscription",
    "TenantBudget",
    "Upstream",
    "VersionDay",
    "questions_of",
]
