from tenants.models.account_mail import AccountMail
from tenants.models.attempt import Attempt
from tenants.models.base import CurrentTenant, Steps, TenantManager, TenantModel, new_id
from tenants.models.delegation import Delegation
from tenants.models.due import Due
from tenants.models.erased_tenant import ErasedTenant
from tenants.models.event import Event, EventCounter, EventFields, PlatformCounter, PlatformEvent
from tenants.models.host_name import HostName
from tenants.models.invitation import Invitation
from tenants.models.job_run import JobRun
from tenants.models.membership import CustomRole, Membership, Role
from tenants.models.notification import Notification, NotificationPreference
from tenants.models.sent_once import SentOnce
from tenants.models.service_account import ServiceAccount
from tenants.models.settings import PlatformSettings, SignUp, TenantSettings
from tenants.models.team import Team, TeamMember, teams_of
from tenants.models.tenant import MAX_SLUG, OWN_SLUG, RESERVED_SLUGS, SLUG, Accent, Tenant
from tenants.models.tenant_size import TenantSize
from tenants.models.user import Theme, User, UserManager

__all__ = [
    "MAX_SLUG",
    "OWN_SLUG",
    "RESERVED_SLUGS",
    "SLUG",
    "Accent",
    "AccountMail",
    "Attempt",
    "CurrentTenant",
    "CustomRole",
    "Delegation",
    "Due",
    "ErasedTenant",
    "Event",
    "EventCounter",
    "EventFields",
    "HostName",
    "Invitation",
    "JobRun",
    "Membership",
    "Notification",
    "NotificationPreference",
    "PlatformCounter",
    "PlatformEvent",
    "PlatformSettings",
    "Role",
    "SentOnce",
    "ServiceAccount",
    "SignUp",
    "Steps",
    "Team",
    "TeamMember",
    "Tenant",
    "TenantManager",
    "TenantModel",
    "TenantSettings",
    "TenantSize",
    "Theme",
    "User",
    "UserManager",
    "new_id",
    "teams_of",
]
