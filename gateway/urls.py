"""REST inside a tenant, below /api/v1/tenants/<tenant>/."""

from django.urls import path

from gateway import rest, rest_configuration, rest_keys, rest_usage, rest_usage_alerts

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
    path("applications/<uuid:pk>/refusals/", rest.Refusals.as_view(), name="refusals"),
    path("usage/", rest_usage.TenantUsage.as_view(), name="usage"),
    path("usage-alerts/", rest_usage_alerts.UsageAlerts.as_view(), name="rest-usage-alerts"),
    path("usage-alerts/<uuid:pk>/", rest_usage_alerts.UsageAlertDetail.as_view(), name="rest-usage-alert"),
    path("usage.csv", rest_usage.TenantUsageFile.as_view(), name="usage-file"),
    path("apis/<str:api>/usage/", rest_usage.ApiUsage.as_view(), name="api-usage"),
    path("apis/<str:api>/usage.csv", rest_usage.ApiUsageFile.as_view(), name="api-usage-file"),
    path("applications/<uuid:pk>/usage/", rest_usage.ApplicationUsage.as_view(), name="application-usage"),
    path("applications/<uuid:pk>/usage.csv", rest_usage.ApplicationUsageFile.as_view(), name="application-usage-file"),
    path("signing-keys/", rest_keys.SigningKeys.as_view(), name="signing-keys"),
    path("signing-keys/rehearse/", rest_keys.Rehearse.as_view(), name="signing-keys-rehearse"),
    path("signing-keys/rotate/", rest_keys.Rotate.as_view(), name="signing-keys-rotate"),
    path("signing-keys/<uuid:pk>/", rest_keys.SigningKeyDetail.as_view(), name="signing-key"),
    path("signing-keys/<uuid:pk>/compromise/", rest_keys.Compromise.as_view(), name="signing-key-compromise"),
]
