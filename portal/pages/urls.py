"""Every page. Programs' addresses stand in portal/urls.py."""

from portal.pages import (
    all_applications,
    apis,
    applications,
    audit,
    catalogue,
    credentials,
    expiries,
    gallery,
    gateways,
    key_policy,
    keys,
    members,
    plans,
    profile,
    receipts,
    refusals,
    requests,
    revisions,
    search,
    start,
    subscribing,
    subscriptions,
    wizard,
)

MODULES = (
    start, profile, gallery, catalogue, subscribing, applications, credentials, expiries, requests, subscriptions, apis, wizard,
    revisions, plans, all_applications, gateways, keys, key_policy, members, audit, search, receipts, refusals,
)  # fmt: skip
urlpatterns = [pattern for module in MODULES for pattern in module.urlpatterns]
