"""Every page. Programs' addresses stand in portal/urls.py."""

from portal.pages import (
    all_applications,
    apis,
    applications,
    audit,
    catalogue,
    gallery,
    gateways,
    members,
    plans,
    profile,
    requests,
    search,
    start,
    subscriptions,
)

MODULES = (
    start, profile, gallery, catalogue, applications, requests, subscriptions, apis, plans, all_applications, gateways,
    members, audit, search,
)  # fmt: skip
urlpatterns = [pattern for module in MODULES for pattern in module.urlpatterns]
