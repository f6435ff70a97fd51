from keys.models.application import Application, owned_by
from keys.models.audit_key import AuditKey, ChainHead, PlatformHead
from keys.models.calendar_feed import CalendarFeed
from keys.models.credential import Credential
from keys.models.credential_use import CredentialUse
from keys.models.identity_provider import Identity, IdentityProvider
from keys.models.protected_resource import ProtectedResource
from keys.models.revoked_token import RevokedToken, UsedAssertion
from keys.models.signing_key import SigningKey
from keys.models.token_policy import TokenPolicy
from keys.models.webhook import Webhook, WebhookAttempt, WebhookDelivery

__all__ = [
    "Application",
    "AuditKey",
    "CalendarFeed",
    "ChainHead",
    "Credential",
    "CredentialUse",
    "Identity",
    "IdentityProvider",
    "PlatformHead",
    "ProtectedResource",
    "RevokedToken",
    "SigningKey",
    "TokenPolicy",
    "UsedAssertion",
    "Webhook",
    "WebhookAttempt",
    "WebhookDelivery",
    "owned_by",
]
