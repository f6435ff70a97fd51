from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path

from tenants.access import TenantRequest, tenant_view


@tenant_view("apis.see_published")
def catalogue(request: TenantRequest, **_: object) -> HttpResponse:
    return render(request, "base.html")


@tenant_view("apis.see_published")
def catalogue_api(request: TenantRequest, **_: object) -> HttpResponse:
    return render(request, "base.html")


urlpatterns = [
    path("t/<str:tenant>/", catalogue, name="catalogue"),
    path("t/<str:tenant>/apis/<str:api>/", catalogue_api, name="catalogue-api"),
]
