"""REST inside a tenant, below /api/v1/tenants/<tenant>/; and OAuth, below /t/<tenant>/."""

from django.urls import path

from keys import rest, rest_audit, rest_expiries, rest_members, rest_ownership, rest_policy, rest_provider, rest_services, rest_webhooks
from keys.oauth import documents, introspection, revocation, token

urlpatterns = [
    path("applications/", rest.Applications.as_view(), name="applications"),
    path("applications/<uuid:pk>/credentials/", rest.Credentials.as_view(), name="credentials"),
    path(
        "applications/<uuid:pk>/credentials/<uuid:credential>/roll/",
        rest.CredentialRoll.as_view(),
        name="credential-roll",
    ),
    path(
        "applications/<uuid:pk>/credentials/<uuid:credential>/revoke/",
        rest.CredentialRevoke.as_view(),
        name="credential-revoke",
    ),
    path("applications/<uuid:pk>/transfer/", rest_ownership.ApplicationTransfer.as_view(), name="application-transfer"),
    path("teams/<uuid:team>/lead/", rest_ownership.TeamLead.as_view(), name="rest-team-lead"),
    path("expiries/", rest_expiries.Expiries.as_view(), name="rest-expiries"),
    path("calendar-feed/", rest_expiries.Feed.as_view(), name="rest-calendar-feed"),
    path("service-accounts/", rest_services.ServiceAccounts.as_view(), name="service-accounts"),
    path("service-accounts/<uuid:pk>/", rest_services.ServiceAccountDetail.as_view(), name="service-account"),
    path("service-accounts/<uuid:pk>/roll/", rest_services.ServiceAccountRoll.as_view(), name="service-account-roll"),
    path("service-accounts/<uuid:pk>/revoke/", rest_services.ServiceAccountRevoke.as_view(), name="service-account-revoke"),
    path("webhooks/", rest_webhooks.Webhooks.as_view(), name="rest-webhooks"),
    path("webhooks/<uuid:pk>/", rest_webhooks.WebhookDetail.as_view(), name="rest-webhook"),
    path("webhooks/<uuid:pk>/roll/", rest_webhooks.WebhookRoll.as_view(), name="rest-webhook-roll"),
    path("webhooks/<uuid:pk>/test/", rest_webhooks.WebhookTest.as_view(), name="rest-webhook-test"),
    path("webhooks/<uuid:pk>/redeliver/", rest_webhooks.WebhookRedeliver.as_view(), name="rest-webhook-redeliver"),
    path("webhooks/<uuid:pk>/deliveries/", rest_webhooks.WebhookDeliveries.as_view(), name="rest-webhook-deliveries"),
    path("webhooks/<uuid:pk>/deliveries/<uuid:delivery>/", rest_webhooks.WebhookDeliveryDetail.as_view(), name="rest-webhook-delivery"),
    path(
        "webhooks/<uuid:pk>/deliveries/<uuid:delivery>/redeliver/",
        rest_webhooks.WebhookDeliveryRedeliver.as_view(),
        name="rest-webhook-delivery-redeliver",
    ),
    path(
        "webhooks/<uuid:pk>/deliveries/<uuid:delivery>/give-up/",
        rest_webhooks.WebhookDeliveryGiveUp.as_view(),
        name="rest-webhook-delivery-give-up",
    ),
    path("members/<uuid:pk>/", rest_members.MemberDetail.as_view(), name="member"),
    path("leave/", rest_members.Leave.as_view(), name="leave"),
    path("events/export/", rest_audit.Export.as_view(), name="rest-audit-export"),
    path("settings/identity-provider/", rest_provider.Provider.as_view(), name="identity-provider"),
    path("token-policy/", rest_policy.Policy.as_view(), name="token-policy"),
]
# What clients POST to, by its name below /t/<tenant>/oauth/. They are answered before any other middleware: portal/middleware.py.
FOR_CLIENTS = {"token": token.token, "revoke": revocation.revoke, "introspect": introspection.introspect}
oauth_urlpatterns = [
    path("t/<str:tenant>/oauth/token", token.token, name="token"),
    path("t/<str:tenant>/oauth/authorize", documents.authorize, name="authorize"),
    path("t/<str:tenant>/.well-known/jwks.json", documents.jwks, name="jwks"),
    path("t/<str:tenant>/oauth/revoke", revocation.revoke, name="revoke"),
    path("t/<str:tenant>/oauth/introspect", introspection.introspect, name="introspect"),
    path(".well-known/portico-audit-keys", documents.audit_keys, name="audit-keys"),
    path(".well-known/oauth-authorization-server/t/<str:tenant>", documents.metadata, name="metadata"),
    path(".well-known/oauth-protected-resource/t/<str:tenant>/<str:api>", documents.resource_metadata, name="resource-metadata"),
    path(".well-known/oauth-protected-resource/mcp/<str:tenant>", documents.tools_metadata, name="all-tools-metadata"),
    path(".well-known/oauth-protected-resource/mcp/<str:tenant>/<str:api>/<str:version>", documents.tools_metadata, name="tools-metadata"),
]
