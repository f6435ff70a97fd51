"""REST inside a tenant, below /api/v1/tenants/<tenant>/."""

from django.urls import path

from gateway import rest

urlpatterns = [
    path("receipts/<int:number>/", rest.Receipt.as_view(), name="receipt"),
    path("gateways/", rest.Gateways.as_view(), name="gateways"),
    path("applications/<uuid:pk>/refusals/", rest.Refusals.as_view(), name="refusals"),
]
