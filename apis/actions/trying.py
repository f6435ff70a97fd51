"""A token with which a person tries an operation in the browser, as their own application: for a minute, one API, and one call's scopes."""

from contextlib import suppress
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from uuid_utils.compat import uuid7

from apis.models import ApiVersion, Operation, Subscription
from keys import encryption, keyring, tokens
from keys.models import Application, ProtectedResource, SigningKey
from tenants import events
from tenants.errors import NotAllowed
from tenants.models import Tenant, User

# As long as it takes to send one call, in seconds, and the least that a tenant's policy lets tokens live.
LIFETIME = 60


@dataclass(frozen=True, slots=True)
class Issued:
    """`lifetime` in seconds; `scope` as RFC 6749 §3.3 writes them, "" for none."""

    token: str
    lifetime: int
    scope: str


@transaction.atomic
def issue_to_try(operation: Operation, *, subscription: Subscription, by: User) -> Issued:
    """A token for a call of `operation`, as the subscription's application, and for nothing but this API (RFC 8707).

    No credential earned it, so it bears its own id in the place of one: it can be ended alone, and is no credential's use.

    :raises NotAllowed: the application is not theirs, the subscription does not stand, or callers do not reach the operation.
    """
    # Unsealing may mean asking a key service, so the key is at hand before the lock; under it nobody retires one.
    with suppress(keyring.Gone):
        _signing_key(subscription)
    lock = events.lock()
    found = (
        Subscription.objects.owned_by(by)
        .filter(pk=subscription.pk, status=Subscription.Status.ACTIVE, application__status=Application.Status.ACTIVE)
        .filter(api__versions__live_revision=operation.revision_id, api__versions__status__in=ApiVersion.OFFERED)
        .select_related("application__owner", "api")
        .first()
    )
    if found is None:
        raise NotAllowed(_("Try an API as one of your own applications, with a subscription that is active."))
    slug, token_id = Tenant.objects.values_list("slug", flat=True).get(pk=found.owning_tenant), str(uuid7())
    # The first alternative is as good as any.
    scope = " ".join(operation.scopes[0]) if operation.scopes else ""
    claims = tokens.claims(
        issuer=tokens.issuer(settings.PORTAL_URL, slug),
        audience=f"{tokens.audience(settings.GATEWAY_URL, slug)}/{found.api.slug}",
        client_id=found.application.client_id,
        credential_id=token_id,
        token_id=token_id,
        now=int(lock.now.timestamp()),
        lifetime=LIFETIME,
        scope=scope,
        confidential=_confidential(found),
    )
    signed = tokens.sign(claims, _signing_key(found))
    events.record(
        "application.tried", found.application, by=by, api=found.api.slug, operation=operation.operation_id, scope=scope, token=token_id
    )
    return Issued(signed, LIFETIME, scope)


def _signing_key(subscription: Subscription) -> tokens.Key:
    active = SigningKey.objects.get(purpose=SigningKey.Use.ACCESS_TOKEN, status=SigningKey.Status.ACTIVE)
    return keyring.signing_key(subscription.owning_tenant, active.pk)


def _confidential(subscription: Subscription) -> str:
    """What the API is told of the application with every token that is for it alone; "" where it asks for nothing."""
    public = ProtectedResource.objects.values_list("encryption_jwk", flat=True).get(name=subscription.api.slug)
    if public is None:
        return ""
    try:
        return encryption.encrypted(subscription.application.told_to_apis(), public)
    except encryption.KeyRefused as refused:
        raise NotAllowed(_(refused.sentence) % refused.named) from refused
