"""Service accounts at the REST API: `Authorization: Bearer ptc_svc_…`. Nothing else takes a service key."""

import hmac
from datetime import timedelta

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from keys import throttle, uses
from keys.secrets import SERVICE_PREFIX, fingerprint, pepper_id, tenant_of_service_key
from tenants.models import ServiceAccount, User
from tenants.origin import origin
from tenants.scope import current_tenant_id, in_scope, tenant_scope
from tenants.throttle import TooMany

# How often it is written down that an account is used.
NOTED_EVERY = timedelta(minutes=1)


class ServiceKeys(BaseAuthentication):
    """A program is its service account's user, wherever it knocks; `Allowed` answers it in other tenants as it does any stranger."""

    def authenticate(self, request: Request) -> tuple[User, ServiceAccount] | None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.startswith(SERVICE_PREFIX):
            return None
        account = _account(key)
        if account is None:
            # Only wrong keys are counted, and the right one is never refused for them.
            if wait := throttle.after_a_wrong_service_key(origin.get().place):
                raise TooMany(wait)
            raise AuthenticationFailed("This service key is not known here, or has ended.")
        if account.last_used_at is None or account.last_used_at < timezone.now() - NOTED_EVERY:
            uses.note_service(account.owning_tenant, account.pk)
        return account.user, account


def _account(key: str) -> ServiceAccount | None:
    tenant_id = tenant_of_service_key(key)
    if tenant_id is None:
        return None
    if in_scope() and current_tenant_id() == tenant_id:
        return _known(key)
    with tenant_scope(tenant_id):
        return _known(key)


def _known(key: str) -> ServiceAccount | None:
    # An index is searched for what the pepper made of the key, so how long it takes tells nothing of the key.
    mine = fingerprint(key, settings.PEPPER)
    still = Q(former_hmac=mine, former_until__gt=Now())
    rows = ServiceAccount.objects.working().filter(Q(secret_hmac=mine) | still, pepper_id=pepper_id(settings.PEPPER), user__is_active=True)
    found = rows.select_related("user").first()
    if found is None or not any(hmac.compare_digest(mine, each) for each in (found.secret_hmac, found.former_hmac)):
        return None
    return found
