"""REST inside a tenant, below /api/v1/tenants/<tenant>/."""

from django.urls import path

from gateway import rest, rest_configuration, rest_groups, rest_keys

urlpatterns = [
    path("receipts/<int:number>/", rest.Receipt.as_view(), name="receipt"),
    path("gateways/", rest.Gateways.as_view(), name="gateways"),
    path("gateways/<path:gateway>/configuration/", rest_configuration.Configuration.as_view(), name="gateway-configuration"),
    path(
        "gateways/<path:gateway>/configuration/versions/",
        rest_configuration.ConfiguredVersions.as_view(),
        name="gateway-configuration-versions",
    ),
    path(
        "gateways/<path:gateway>/configuration/versions/<str:api>/<str:version>/",
        rest_configuration.ConfiguredDetail.as_view(),
        name="gateway-configuration-version",
    ),
    path(
        "gateways/<path:gateway>/configuration/versions/<str:api>/<str:version>/operations/",
        rest_configuration.ConfiguredOperations.as_view(),
        name="gateway-configuration-operations",
    ),
    *rest_groups.urlpatterns,
    path("applications/<uuid:pk>/refusals/", rest.Refusals.as_view(), name="refusals"),
    path("signing-keys/", rest_keys.SigningKeys.as_view(), name="signing-keys"),
    path("signing-keys/rehearse/", rest_keys.Rehearse.as_view(), name="signing-keys-rehearse"),
    path("signing-keys/rotate/", rest_keys.Rotate.as_view(), name="signing-keys-rotate"),
    path("signing-keys/<uuid:pk>/", rest_keys.SigningKeyDetail.as_view(), name="signing-key"),
    path("signing-keys/<uuid:pk>/compromise/", rest_keys.Compromise.as_view(), name="signing-key-compromise"),
]
