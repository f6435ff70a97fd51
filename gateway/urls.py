"""REST inside a tenant, below /api/v1/tenants/<tenant>/; and pages."""

from django.urls import path

from gateway import rest, views

urlpatterns = [
    path("receipts/<int:number>/", rest.Receipt.as_view(), name="receipt"),
    path("gateways/", rest.Gateways.as_view(), name="gateways"),
    path("applications/<uuid:pk>/refusals/", rest.Refusals.as_view(), name="refusals"),
]
page_urlpatterns = [
    path("refusals/<str:code>/", views.refusal, name="refusal-page"),
    path("t/<str:tenant>/receipts/<int:number>/", views.receipt, name="receipt-page"),
]
