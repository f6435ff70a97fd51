"""REST inside a tenant, below /api/v1/tenants/<tenant>/."""

from django.urls import path

from gateway import (
    rest,
    rest_configuration,
    rest_domains,
    rest_groups,
    rest_keys,
    rest_log_shipping,
    rest_refusals,
    rest_usage,
    rest_usage_alerts,
)  # fmt: skip

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
    path("applications/<uuid:pk>/refusals/", rest_refusals.Refusals.as_view(), name="refusals"),
    path("refusals/<str:request_id>/", rest_refusals.Explained.as_view(), name="refusal"),
    path("domains/", rest_domains.Domains.as_view(), name="domains"),
    path("domains/<uuid:pk>/", rest_domains.DomainDetail.as_view(), name="domain"),
    path("domains/<uuid:pk>/check/", rest_domains.DomainCheck.as_view(), name="domain-check"),
    path("domains/<uuid:pk>/certificate/", rest_domains.DomainCertificate.as_view(), name="domain-certificate"),
    path("usage/", rest_usage.TenantUsage.as_view(), name="usage"),
    path("usage-alerts/", rest_usage_alerts.UsageAlerts.as_view(), name="rest-usage-alerts"),
    path("usage-alerts/<uuid:pk>/", rest_usage_alerts.UsageAlertDetail.as_view(), name="rest-usage-alert"),
    path("usage.csv", rest_usage.TenantUsageFile.as_view(), name="usage-file"),
    path("apis/<str:api>/log-shipping/", rest_log_shipping.LogShippingView.as_view(), name="log-shipping"),
    path("apis/<str:api>/log-shipping/test/", rest_log_shipping.LogShippingTest.as_view(), name="log-shipping-test"),
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
