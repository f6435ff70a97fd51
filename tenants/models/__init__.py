from tenants.models.attempt import Attempt
from tenants.models.base import CurrentTenant, Steps, TenantManager, TenantModel, new_id
from tenants.models.due import Due
from tenants.models.event import Event, EventCounter, EventFields, PlatformCounter, PlatformEvent
from tenants.models.membership import Membership, Role
from tenants.models.tenant import MAX_SLUG, RESERVED_SLUGS, SLUG, Tenant
from tenants.models.user import Theme, User, UserManager

__all__ = [
    "MAX_SLUG",
    "RESERVED_SLUGS",
    "SLUG",
    "Attempt",
    "CurrentTenant",
    "Due",
    "Event",
    "EventCounter",
    "EventFields",
    "Membership",
    "PlatformCounter",
    "PlatformEvent",
    "Role",
    "Steps",
    "Tenant",
    "TenantManager",
    "TenantModel",
    "Theme",
    "User",
    "UserManager",
    "new_id",
]
