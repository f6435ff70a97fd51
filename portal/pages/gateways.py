from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path

from tenants.access import TenantRequest, tenant_view


@tenant_view("gateways.see")
def console_gateways(request: TenantRequest, **_: object) -> HttpResponse:
    return render(request, "base.html")


urlpatterns = [
    path("t/<str:tenant>/console/gateways/", console_gateways, name="console-gateways"),
]
