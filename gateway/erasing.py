"""Tenants whose time is over are erased. What is left is the slug, which is never given again, and a certificate of what was erased."""

import json
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from keys import audit_proof
from keys.actions import audit_keys
from tenants import due, events
from tenants.models import AccountMail, ErasedTenant, Event, Membership, Role, ServiceAccount, Tenant, User
from tenants.people.tenants import ERASE_JOB
from tenants.scope import current_tenant_id

# The `typ` of a certificate.
CERTIFICATE = "portico-erasure+jwt"
# The kind of the mail that brings it.
ERASED = "tenant_erased"


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
    _tell(tenant)
    # People keep their accounts; automation was nobody elsewhere.
    services = list(ServiceAccount.objects.values_list("user_id", flat=True))
    with connection.cursor() as cursor:
        cursor.execute("SELECT tenants_erase(%s)", [tenant.pk])
    User.objects.filter(pk__in=services, is_service=True).delete()
    events.record_platform("tenant.erased", tenant, by=None)
    return None


def _tell(tenant: Tenant) -> None:
    """The admins get the certificate by mail, once it is signed, and so does who closed the tenant, if that was another."""
    closing = Event.objects.filter(kind="tenant.closing").order_by("-number").first()
    admins = Membership.objects.filter(roles__contains=[Role.ADMIN]).values_list("user", flat=True)
    told = {*admins, *([closing.actor_id] if closing and closing.actor_id else [])}
    people = User.objects.filter(pk__in=told, is_active=True, is_service=False)
    AccountMail.objects.bulk_create(
        AccountMail(kind=ERASED, email=email, data={"tenant": tenant.name, "slug": tenant.slug}, at=events.now() + timedelta(days=2))
        for email in people.order_by("email").values_list("email", flat=True)
    )


def sign() -> None:
    """What was erased is written down with the erasure, and signed after it: whoever keeps the keys may be away."""
    for erased in ErasedTenant.objects.filter(certificate__startswith="{"):
        facts = json.loads(erased.certificate)
        erased.certificate = audit_proof.sign(facts, audit_keys.signer(), kind=CERTIFICATE)
        erased.save(update_fields=["certificate"])
        AccountMail.objects.filter(kind=ERASED, data__slug=erased.slug).update(at=timezone.now())
