from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path

from tenants.access import TenantRequest, tenant_view


@tenant_view("subscriptions.see_all")
def console_requests(request: TenantRequest, **_: object) -> HttpResponse:
    return render(request, "base.html")


@tenant_view("subscriptions.see_all")
def console_request(request: TenantRequest, **_: object) -> HttpResponse:
    return render(request, "base.html")


urlpatterns = [
    path("t/<str:tenant>/console/requests/", console_requests, name="console-requests"),
    path("t/<str:tenant>/console/requests/<uuid:pk>/", console_request, name="console-request"),
]
