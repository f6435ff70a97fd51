"""Tenants whose time is over are erased. What is left is the slug, which is never given again, and a certificate of what was erased."""

import json
from datetime import datetime

from django.db import connection

from keys import audit_proof
from keys.actions import audit_keys
from tenants import due, events
from tenants.models import ErasedTenant, ServiceAccount, Tenant, User
from tenants.people.tenants import ERASE_JOB
from tenants.scope import current_tenant_id

# The `typ` of a certificate.
CERTIFICATE = "portico-erasure+jwt"


def erase_all() -> int:
    """Erase what is due, and sign what was erased. Returns how many tenants it came to."""
    served = due.run(ERASE_JOB, erase)
    sign()
    return served


def erase() -> datetime | None:
    """The tenant in scope, under its lock; when it is due, if that is later."""
    tenant = Tenant.objects.get(pk=current_tenant_id())
    if tenant.status != Tenant.Status.CLOSING or tenant.erase_at is None:
        return None
    if tenant.erase_at > events.now():
        return tenant.erase_at
    # People keep their accounts; automation was nobody elsewhere.
    services = list(ServiceAccount.objects.values_list("user_id", flat=True))
    with connection.cursor() as cursor:
        cursor.execute("SELECT tenants_erase(%s)", [tenant.pk])
    User.objects.filter(pk__in=services, is_service=True).delete()
    events.record_platform("tenant.erased", tenant, by=None)
    return None


def sign() -> None:
    """What was erased is written down with the erasure, and signed after it: whoever keeps the keys may be away."""
    for erased in ErasedTenant.objects.filter(certificate__startswith="{"):
        facts = json.loads(erased.certificate)
        erased.certificate = audit_proof.sign(facts, audit_keys.signer(), kind=CERTIFICATE)
        erased.save(update_fields=["certificate"])
