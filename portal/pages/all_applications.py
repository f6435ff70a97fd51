from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path

from tenants.access import TenantRequest, tenant_view


@tenant_view("applications.see_all")
def console_applications(request: TenantRequest, **_: object) -> HttpResponse:
    return render(request, "base.html")


urlpatterns = [
    path("t/<str:tenant>/console/applications/", console_applications, name="console-applications"),
]
