"""REST inside a tenant, below /api/v1/tenants/<tenant>/; and OAuth, below /t/<tenant>/."""

from django.urls import path

from keys import rest, rest_expiries, rest_policy
from keys.oauth import documents, introspection, revocation, token

urlpatterns = [
    path("applications/", rest.Applications.as_view(), name="applications"),
    path("applications/<uuid:pk>/", rest.ApplicationDetail.as_view(), name="application"),
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
    path("expiries/", rest_expiries.Expiries.as_view(), name="rest-expiries"),
    path("calendar-feed/", rest_expiries.Feed.as_view(), name="rest-calendar-feed"),
    path("token-policy/", rest_policy.Policy.as_view(), name="token-policy"),
]
# What clients POST to, by its name below /t/<tenant>/oauth/. They are answered before any other middleware: portal/middleware.py.
FOR_CLIENTS = {"token": token.token, "revoke": revocation.revoke, "introspect": introspection.introspect}
oauth_urlpatterns = [
    path("t/<str:tenant>/oauth/token", token.token, name="token"),
    path("t/<str:tenant>/.well-known/jwks.json", documents.jwks, name="jwks"),
    path("t/<str:tenant>/oauth/revoke", revocation.revoke, name="revoke"),
    path("t/<str:tenant>/oauth/introspect", introspection.introspect, name="introspect"),
    path(".well-known/oauth-authorization-server/t/<str:tenant>", documents.metadata, name="metadata"),
    path(".well-known/oauth-protected-resource/t/<str:tenant>/<str:api>", documents.resource_metadata, name="resource-metadata"),
]
