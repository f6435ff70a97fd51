"""How much each tenant holds: counted inside it once a day, shown to operators as numbers."""

from datetime import datetime, timedelta

from apis.models import Api, Subscription
from keys.models import Application
from tenants import due, events
from tenants.models import Membership, TenantSize
from tenants.scope import current_tenant_id

AGAIN = timedelta(days=1)


def measure_tenants() -> int:
    """Whatever is due. Returns how many tenants it served."""
    return due.run(due.MEASURE_JOB, measure)


def measure() -> datetime:
    """The tenant in scope, under its lock. Returns when to count again."""
    now = events.now()
    TenantSize.objects.update_or_create(
        tenant_id=current_tenant_id(),
        defaults={
            "members": Membership.objects.count(),
            "apis": Api.objects.count(),
            "applications": Application.objects.standing().count(),
            "subscriptions": Subscription.objects.filter(status=Subscription.Status.ACTIVE).count(),
            "events": events.require_lock().number,
            "measured_at": now,
        },
    )
    return now + AGAIN
