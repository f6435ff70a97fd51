"""REST inside a tenant, below /api/v1/tenants/<tenant>/; and OAuth, below /t/<tenant>/."""

from django.urls import path

from keys import oauth, rest

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
]
oauth_urlpatterns = [
    path("t/<str:tenant>/oauth/token", oauth.token, name="token"),
    path("t/<str:tenant>/.well-known/jwks.json", oauth.jwks, name="jwks"),
    path(".well-known/oauth-authorization-server/t/<str:tenant>", oauth.metadata, name="metadata"),
]
