"""Every page, by the name of its address, with somebody who may see it. axe, the clicks and the pictures go by this list."""

from dataclasses import dataclass

from tests.e2e.world import TENANT, World

ADA, PAM, CARL, UGO = "ada@acme.example", "pam@acme.example", "carl@acme.example", "ugo@acme.example"
# Addresses that show no page of their own: they do something and lead on, or give a file, or exist in development alone.
NO_PAGES = {
    "home": "it leads to a tenant, or to the choice",
    "profile-theme": "it leads back",
    "gallery": "in development alone",
    "catalogue-openapi": "a file",
    "console-request-approve": "it leads to the request",
    "console-request-reject": "it leads to the request",
    "console-request-undo": "it leads to the request",
    "account_logout": "a question of allauth's",
}


@dataclass(frozen=True, slots=True)
class Place:
    """`name` is the address's name, and after a colon which of its faces."""

    name: str
    path: str
    email: str


def places(world: World) -> list[Place]:
    """Every page with ids of the demo's data."""
    carl, ada = world.rest(CARL), world.rest(ADA)
    with carl, ada:
        applications = {row["name"]: row["id"] for row in carl.get("applications/").raise_for_status().json()["results"]}
        app = applications["Storefront"]
        credentials = carl.get(f"applications/{app}/credentials/").raise_for_status().json()["results"]
        credential = next(row["id"] for row in credentials if row["status"] == "active")
        subscriptions = ada.get("subscriptions/?limit=200").raise_for_status().json()["results"]
        events = ada.get("events/?limit=200").raise_for_status().json()["results"]
        plans = {api["slug"]: api for api in ada.get("apis/?limit=200").raise_for_status().json()["results"]}
        keys = {(row["purpose"], row["status"]): row["id"] for row in ada.get("signing-keys/").raise_for_status().json()["results"]}
    of = {row["status"]: row["id"] for row in subscriptions}
    active = next(row["id"] for row in subscriptions if row["status"] == "active" and row["application"] == app)
    decision = next(row["number"] for row in events if row["kind"] == "subscription.suspended")
    gold = plans["orders"]["plans"][0]["id"]
    t = f"/t/{TENANT}"
    c = f"{t}/console"
    return [
        Place("account_login", "/accounts/login/", ""),
        Place("refusal-page", "/refusals/SUBSCRIPTION_PENDING/", ""),
        Place("not-found", f"{t}/apis/nothing/", CARL),
        Place("tenants-page", "/tenants/", ADA),
        Place("profile", "/profile/", CARL),
        Place("account_change_password", "/accounts/password/change/", CARL),
        Place("catalogue", f"{t}/", CARL),
        Place("catalogue:nothing", f"{t}/?q=nothing+of+the+kind", CARL),
        Place("catalogue-api", f"{t}/apis/orders/", CARL),
        Place("catalogue-api:reference", f"{t}/apis/orders/?tab=reference", CARL),
        Place("catalogue-api:plans", f"{t}/apis/orders/?tab=plans", CARL),
        Place("catalogue-subscribe", f"{t}/apis/payments/subscribe/", CARL),
        Place("apps", f"{t}/apps/", CARL),
        Place("app-new", f"{t}/apps/new/", CARL),
        Place("app", f"{t}/apps/{app}/", CARL),
        Place("app:subscriptions", f"{t}/apps/{app}/?tab=subscriptions", CARL),
        Place("app:refusals", f"{t}/apps/{app}/?tab=refusals", CARL),
        Place("app:activity", f"{t}/apps/{app}/?tab=activity", CARL),
        Place("expiries", f"{t}/expiries/", CARL),
        Place("expiries-calendar", f"{t}/expiries/calendar/", CARL),
        Place("expiries-calendar-end", f"{t}/expiries/calendar/end/", CARL),
        Place("app-subscription-cancel", f"{t}/apps/subscriptions/{active}/cancel/", CARL),
        Place("app-credential-new", f"{t}/apps/{app}/credentials/new/", CARL),
        Place("app-credential-new:client-secret", f"{t}/apps/{app}/credentials/new/?kind=client_secret", CARL),
        Place("app-credential-new:api-key", f"{t}/apps/{app}/credentials/new/?kind=api_key", CARL),
        Place("app-credential-new:key-pair", f"{t}/apps/{app}/credentials/new/?kind=key_pair", CARL),
        Place("app-credential-new:issuer", f"{t}/apps/{app}/credentials/new/?kind=issuer", CARL),
        Place("app-credential-roll", f"{t}/apps/{app}/credentials/{credential}/roll/", CARL),
        Place("app-credential-revoke", f"{t}/apps/{app}/credentials/{credential}/revoke/", CARL),
        Place("search", f"{t}/search/?q=or", ADA),
        Place("receipt-page", f"{t}/receipts/{decision}/", ADA),
        Place("console-requests", f"{c}/requests/", ADA),
        Place("console-requests:decided", f"{c}/requests/?show=decided", ADA),
        Place("console-request", f"{c}/requests/{of['pending']}/", ADA),
        Place("console-subscriptions", f"{c}/subscriptions/", ADA),
        Place("console-subscription", f"{c}/subscriptions/{active}/", ADA),
        Place("console-subscription-suspend", f"{c}/subscriptions/{active}/suspend/", ADA),
        Place("console-subscription-resume", f"{c}/subscriptions/{of['suspended']}/resume/", ADA),
        Place("console-subscription-cancel", f"{c}/subscriptions/{active}/cancel/", ADA),
        Place("console-apis", f"{c}/apis/", PAM),
        Place("console-api", f"{c}/apis/orders/", PAM),
        Place("console-api-edit", f"{c}/apis/orders/edit/", PAM),
        Place("console-api-version-new", f"{c}/apis/orders/add-version/", PAM),
        Place("console-api-version-publish", f"{c}/apis/customers/v1/publish/", PAM),
        Place("console-api-revision", f"{c}/apis/orders/v1/revisions/2/", PAM),
        Place("console-api-revision-new", f"{c}/apis/orders/v1/revisions/new/", PAM),
        Place("console-api-revision-live", f"{c}/apis/orders/v1/revisions/2/live/", PAM),
        Place("console-api-new", f"{c}/new-api/", PAM),
        Place("console-api-new-check", f"{c}/new-api/check/", PAM),
        Place("console-api-new-upstream", f"{c}/new-api/upstream/", PAM),
        Place("console-api-new-plan", f"{c}/new-api/plan/", PAM),
        Place("console-api-new-discard", f"{c}/new-api/discard/", PAM),
        Place("console-plans", f"{c}/plans/", PAM),
        Place("console-plan-new", f"{c}/plans/new/", PAM),
        Place("console-plan-publish", f"{c}/plans/{gold}/publish/", PAM),
        Place("console-applications", f"{c}/applications/", ADA),
        Place("console-application", f"{c}/applications/{app}/", ADA),
        Place("console-expiries", f"{c}/expiries/", ADA),
        Place("console-members", f"{c}/members/", ADA),
        Place("console-events", f"{c}/audit/", UGO),
        Place("console-event", f"{c}/audit/{decision}/", UGO),
        Place("console-keys", f"{c}/keys/", ADA),
        Place("console-key", f"{c}/keys/{keys['access_token', 'active']}/", ADA),
        Place("console-keys-rehearse", f"{c}/keys/rehearse/access_token/", ADA),
        Place("console-keys-rotate", f"{c}/keys/rotate/access_token/", ADA),
        Place("console-key-compromise", f"{c}/keys/{keys['access_token', 'active']}/compromise/", ADA),
        Place("console-keys-policy", f"{c}/keys/policy/", ADA),
        Place("console-gateways", f"{c}/gateways/", ADA),
        Place("console-gateway", f"{c}/gateways/gateway-1/", ADA),
    ]
