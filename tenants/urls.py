"""REST inside a tenant, below /api/v1/tenants/<tenant>/."""

from django.urls import path

from tenants import rest

urlpatterns = [
    path("", rest.TenantDetail.as_view(), name="tenant"),
    path("members/", rest.Members.as_view(), name="members"),
    path("events/", rest.Events.as_view(), name="events"),
]
