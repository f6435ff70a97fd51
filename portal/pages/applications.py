from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path

from tenants.access import TenantRequest, tenant_view


@tenant_view("applications.own")
def apps(request: TenantRequest, **_: object) -> HttpResponse:
    return render(request, "base.html")


@tenant_view("applications.own")
def app(request: TenantRequest, **_: object) -> HttpResponse:
    return render(request, "base.html")


urlpatterns = [
    path("t/<str:tenant>/apps/", apps, name="apps"),
    path("t/<str:tenant>/apps/<uuid:pk>/", app, name="app"),
]
