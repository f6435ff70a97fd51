"""Every page, by the name of its address, with somebody who may see it. axe, the clicks and the pictures go by this list."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from tests.e2e.world import PATIENCE, TENANT, World

ADA, PAM, CARL, UGO = "ada@acme.example", "pam@acme.example", "carl@acme.example", "ugo@acme.example"
OLGA = "olga@portico.example"
PROVIDER = "https://login.acme.example/realms/acme"
# Addresses that show no page of their own: they do something and lead on, or give a file, or exist in development alone.
NO_PAGES = {
    "join": "a question like others, where the settings let people join by themselves",
    "home": "it leads to a tenant, or to the choice",
    "refused-occurrence": "it leads to the call, in whichever tenant it was",
    "profile-theme": "it leads back",
    "gallery": "in development alone",
    "catalogue-feed": "a file",
    "catalogue-document-json": "a file",
    "console-gateway-configuration-file": "a file",
    "catalogue-try": "a token for static/try.js; with GET it leads to the reference",
    "catalogue-document-yaml": "a file",
    "quota": "it leads to the page of a subscription that its reader may see",
    "inbox-open": "it leads to what a notification is about",
    "inbox-read": "it leads to the inbox",
    "console-api-import": "it leads on within seconds; the tests of the page look at it",
    "platform-mail": "a mail's text, with a name that only the list knows",
    "console-request-approve": "it leads to the request",
    "console-request-reject": "it leads to the request",
    "console-request-undo": "it leads to the request",
    "console-request-ask": "it leads to the request",
    "usage-alert-edit": "a form like that of a new one, of an alert that only the list names",
    "usage-alert-mute": "a question like others, of an alert that only the list names",
    "usage-alert-delete": "likewise",
    "console-api-logs-test": "a question like others, of an API whose calls are logged",
    "console-api-logs-remove": "likewise",
    "console-api-content": "a call of a model, of which only the list knows; tests/portal/pages/test_contents.py looks at it",
    "console-api-contents-erase": "a question like others, where something is kept",
    "console-webhook-delivery-give-up": "a question like others, of a delivery that waits",
    "console-api-question-move": "it leads to the questions",
    "console-subscription-budget-top-up": "a question like others, of a subscription whose plan has a budget",
    "console-request-delegation-end": "a question like others, of what somebody has handed on",
    "account_logout": "a question of allauth's",
    **dict.fromkeys(
        (
            "mfa_activate_totp",
            "mfa_deactivate_totp",
            "mfa_add_webauthn",
            "mfa_edit_webauthn",
            "mfa_remove_webauthn",
            "mfa_view_recovery_codes",
            "mfa_generate_recovery_codes",
            "mfa_reauthenticate",
            "mfa_reauthenticate_webauthn",
            "session-end",
        ),
        "it takes more than being signed in; tests/e2e/test_passkeys.py looks at it",
    ),
    **dict.fromkeys(
        ("console-api-revision-review", "console-api-revision-approve", "console-api-revision-reject", "console-api-revision-withdraw"),
        "a question like others, of an API whose revisions are reviewed",
    ),
    "console-api-version-brown-out-cancel": "a question like others, of a brown-out that only the page names",
    "console-api-source-look": "a question like others, of a version whose document stands elsewhere",
    "console-api-source-remove": "likewise",
    "console-settings-logo": "it leads to the settings",
    "tenant-logo": "a picture",
    "console-settings-sign-in-test": "it leads back, unless it was asked to test",
    "console-settings-sign-in-undo": "a question like others, of a member whom a provider signed in",
    "console-settings-reopen": "a question like others, of a tenant that is closing",
    "platform-tenants-certificate": "a file",
    "platform-tenants-resume": "a question like others, of a tenant that is suspended",
    "platform-person-close": "a question like others, of a person whom only the page names",
    "platform-person-open": "likewise",
    "platform-gateway-group-delete": "a question like others, of a group that somebody made",
    "platform-gateway-place": "a form like the one of an API's groups, of a gateway that only the page names",
    "platform-gateway-undrain": "a question like others, of a gateway that drains",
    "platform-gateway-forget": "a question like others, of a gateway that is gone",
    "platform-gateway-join-token-revoke": "a question like others, of a join token that only the list knows",
}


@dataclass(frozen=True, slots=True)
class Place:
    """`name` is the address's name, and after a colon which of its faces."""

    name: str
    path: str
    email: str


def every(client: httpx.Client, path: str) -> Iterator[dict[str, Any]]:
    """All rows of a list, page after page: in bench.crowded the demo's people are the oldest among thousands."""
    while path:
        page = client.get(path).raise_for_status().json()
        yield from page["results"]
        path = page["next"]


AI_API = {
    "slug": "models",
    "name": "Models",
    "models": ["fast", "openai/gpt-5"],
    "prompts": [
        {
            "name": "sum-up",
            "title": "Sum a text up",
            "model": "fast",
            "variables": [{"name": "text"}, {"name": "words", "kind": "integer", "required": False, "default": 50}],
            "messages": [
                {"role": "system", "text": "You sum texts up for people in a hurry."},
                {"role": "user", "text": "In {{words}} words at most: {{text}}"},
            ],
            "parameters": {"temperature": 0.2},
        }
    ],
    "rails": {"masks": ["email"], "blocked": ["secret"]},
    "plans": [{"name": "standard", "calls": 60, "seconds": 60, "approval": "automatic", "tokens_per_minute": 20_000}],
}


NIGHTLY = "Storefront, nightly tests"
KEPT = {"enabled": True, "days": 14, "consent": "To find out why answers are wrong.\nThe team that looks after the models reads them."}


def asked(client: httpx.Client, application: str) -> str:
    """A subscription to the AI API, agreed to."""
    version = client.get("apis/models/content-logging/").raise_for_status().json()["version"]
    wish = {"application": application, "api": "models", "plan": "standard", "purpose": "Answer customers.", "logging_agreed": version}
    return str(client.post("subscriptions/", json=wish).raise_for_status().json()["id"])


def places(world: World) -> list[Place]:
    """Every page with ids of the demo's data."""
    carl, ada = world.rest(CARL), world.rest(ADA)
    with carl, ada:
        applications = {row["name"]: row["id"] for row in carl.get("applications/").raise_for_status().json()["results"]}
        app = applications["Storefront"]
        credentials = carl.get(f"applications/{app}/credentials/").raise_for_status().json()["results"]
        credential = next(row["id"] for row in credentials if row["status"] == "active")
        # Nobody's: it brings no token.
        refused = httpx.get(f"{world.stack.gateway_url}/{TENANT}/orders/v1/orders", timeout=PATIENCE).headers["x-request-id"]
        subscriptions = ada.get("subscriptions/?limit=200").raise_for_status().json()["results"]
        events = ada.get("events/?limit=200").raise_for_status().json()["results"]
        plans = {api["slug"]: api for api in ada.get("apis/?limit=200").raise_for_status().json()["results"]}
        carls = next(row["id"] for row in every(ada, "members/?limit=200") if row["email"] == CARL)
        invited = ada.get("invitations/?status=pending").raise_for_status().json()["results"][0]["id"]
        teams = {row["name"]: row["id"] for row in ada.get("teams/").raise_for_status().json()["results"]}
        roles = {row["name"]: row["id"] for row in ada.get("roles/").raise_for_status().json()["results"]}
        people = {row["email"]: row["id"] for row in ada.get(f"teams/{teams['Web shop']}/members/").raise_for_status().json()["results"]}
        services = {row["name"]: row["id"] for row in ada.get("service-accounts/").raise_for_status().json()["results"]}
        # Off, so nothing is sent; but a test is, and nobody is there.
        made = {"name": "Billing", "url": "http://127.0.0.1:9/portico", "kinds": ["subscription.*", "credential.revoked"]}
        hooks = {row["name"]: row["id"] for row in ada.get("webhooks/").raise_for_status().json()["results"]}
        hook = hooks.get(made["name"]) or ada.post("webhooks/", json=made).raise_for_status().json()["id"]
        ada.patch(f"webhooks/{hook}/", json={"enabled": False}).raise_for_status()
        sent = ada.get(f"webhooks/{hook}/deliveries/").raise_for_status().json()["results"]
        delivery = (sent or [ada.post(f"webhooks/{hook}/test/").raise_for_status().json()])[0]["id"]
        # Nobody is there: a test of the key says so.
        ai = {"kind": "openai", "slug": "openai", "url": "http://127.0.0.1:9", "key": "sk-none-of-anybodys"}
        if not ada.get("providers/").raise_for_status().json()["results"]:
            ada.post("providers/", json=ai).raise_for_status()
        ai_key = ada.get("providers/openai/keys/").raise_for_status().json()["results"][0]["id"]
        if not ada.get("model-aliases/").raise_for_status().json()["results"]:
            fast = [{"provider": "openai", "model": "gpt-5-mini"}]
            ada.post("model-aliases/", json={"name": "fast", "targets": fast}).raise_for_status()
            ada.post("ai-apis/", json=AI_API).raise_for_status()
        ada.put("apis/models/content-logging/", json=KEPT).raise_for_status()
        # One that agreed, and one that does not any more.
        keeps = {row["application"]: row["id"] for row in subscriptions if row["api"] == "models"}
        agreed, withdrawn = (keeps.get(applications[name]) or asked(carl, applications[name]) for name in ("Checkout", NIGHTLY))
        carl.delete(f"subscriptions/{withdrawn}/logging-consent/").raise_for_status()
        of_models = ada.get("apis/models/").raise_for_status().json()["plans"][0]["id"]
        ai_model = ada.get("providers/openai/models/").raise_for_status().json()["results"][0]["id"]
        named = "api.acme-shop.example"
        owned = {row["name"]: row["id"] for row in ada.get("domains/").raise_for_status().json()["results"]}
        domain = owned.get(named) or ada.post("domains/", json={"name": named}).raise_for_status().json()["id"]
        change = ada.get("change-requests/?status=pending").raise_for_status().json()["results"][0]
        rule = ada.get("approval-rules/").raise_for_status().json()["results"][0]["id"]
        # Nobody is there: who goes on to it is told so.
        provider = {"issuer": PROVIDER, "client_id": "portico", "client_secret": "as good as any", "enabled": True}
        ada.put("settings/identity-provider/", json=provider).raise_for_status()
        keys = {(row["purpose"], row["status"]): row["id"] for row in ada.get("signing-keys/").raise_for_status().json()["results"]}
    with world.rest(OLGA) as olga:
        gateway = olga.get(f"{world.stack.portal_url}/api/v1/platform/gateways/").raise_for_status().json()[0]["id"]
    of = {row["status"]: row["id"] for row in subscriptions}
    active = next(row["id"] for row in subscriptions if row["status"] == "active" and row["application"] == app)
    orders = next(row["id"] for row in subscriptions if row["status"] == "active" and row["api"] == "orders")
    counted = next(row["id"] for row in subscriptions if row["status"] == "active" and row["quota"])
    decision = next(row["number"] for row in events if row["kind"] == "subscription.suspended")
    gold = plans["orders"]["plans"][0]["id"]
    t = f"/t/{TENANT}"
    c = f"{t}/console"
    return [
        Place("account_login", "/accounts/login/", ""),
        Place("account_provider", "/accounts/provider/", ""),
        Place("sign-in", f"{t}/sign-in/", ""),
        Place("sign-in:signed-in", f"{t}/sign-in/", CARL),
        Place("sign-in-callback:refused", f"{t}/sign-in/callback/?code=none&state=none", ""),
        Place("account_signup:closed", "/accounts/signup/", ""),
        Place("account_email_verification_sent", "/accounts/confirm-email/", ""),
        Place("account_confirm_email:ended", "/accounts/confirm-email/ended/", ""),
        Place("account_inactive", "/accounts/inactive/", ""),
        Place("account_reset_password", "/accounts/password/reset/", ""),
        Place("account_reset_password_done", "/accounts/password/reset/done/", ""),
        Place("account_reset_password_from_key:ended", "/accounts/password/reset/key/ended/", ""),
        Place("refusal-page", "/refusals/SUBSCRIPTION_PENDING/", ""),
        Place("not-found", f"{t}/apis/nothing/", CARL),
        Place("tenants-page", "/tenants/", ADA),
        Place("profile", "/profile/", CARL),
        Place("account_change_password", "/accounts/password/change/", CARL),
        Place("account_reauthenticate", "/accounts/confirm/", CARL),
        Place("mfa_index", "/accounts/2fa/", CARL),
        Place("mfa_needed", "/accounts/2fa/needed/", CARL),
        Place("sessions", "/accounts/sessions/", CARL),
        Place("sessions-end-others", "/accounts/sessions/end-others/", CARL),
        Place("catalogue", f"{t}/", CARL),
        Place("catalogue:nothing", f"{t}/?q=nothing+of+the+kind", CARL),
        Place("catalogue:search", f"{t}/?q=orders", CARL),
        Place("catalogue-api", f"{t}/apis/orders/", CARL),
        Place("catalogue-api:reference", f"{t}/apis/orders/?tab=reference", CARL),
        Place("catalogue-api:plans", f"{t}/apis/orders/?tab=plans", CARL),
        Place("catalogue-api:changes", f"{t}/apis/orders/?tab=changes", CARL),
        Place("catalogue-subscribe", f"{t}/apis/payments/subscribe/", CARL),
        Place("catalogue-subscribe:kept", f"{t}/apis/models/subscribe/", CARL),
        Place("apps", f"{t}/apps/", CARL),
        Place("app-new", f"{t}/apps/new/", CARL),
        Place("app", f"{t}/apps/{app}/", CARL),
        Place("app:subscriptions", f"{t}/apps/{app}/?tab=subscriptions", CARL),
        Place("app:refusals", f"{t}/apps/{app}/?tab=refusals", CARL),
        Place("refused", f"{t}/refused/", CARL),
        Place("refused-call", f"{t}/refused/{refused}/", CARL),
        Place("refused-call:unknown", f"{t}/refused/unknown/?tried=5", CARL),
        Place("app:activity", f"{t}/apps/{app}/?tab=activity", CARL),
        Place("app-usage", f"{t}/apps/{app}/usage/?range=1h", CARL),
        Place("expiries", f"{t}/expiries/", CARL),
        Place("expiries-calendar", f"{t}/expiries/calendar/", CARL),
        Place("expiries-calendar-end", f"{t}/expiries/calendar/end/", CARL),
        Place("inbox", f"{t}/inbox/", ADA),
        Place("inbox:nothing", f"{t}/inbox/", PAM),
        Place("inbox-preferences", f"{t}/inbox/preferences/", ADA),
        Place("app-subscribe", f"{t}/apps/{app}/subscribe/?api=payments", CARL),
        Place("app-subscribe-plans", f"{t}/apps/{app}/subscribe/plans/?api=payments", CARL),
        Place("app-subscribe-plans:kept", f"{t}/apps/{app}/subscribe/plans/?api=models", CARL),
        Place("app:subscriptions-kept", f"{t}/apps/{applications['Checkout']}/?tab=subscriptions", CARL),
        Place("app:subscriptions-not-kept", f"{t}/apps/{applications[NIGHTLY]}/?tab=subscriptions", CARL),
        Place("app-subscription-logging-agree", f"{t}/apps/subscriptions/{withdrawn}/logging/agree/", CARL),
        Place("app-subscription-logging-withdraw", f"{t}/apps/subscriptions/{agreed}/logging/withdraw/", CARL),
        Place("app-subscription-cancel", f"{t}/apps/subscriptions/{active}/cancel/", CARL),
        Place("app-subscription-answer", f"{t}/apps/subscriptions/{of['pending']}/answer/", CARL),
        Place("app-subscription-plan", f"{t}/apps/subscriptions/{orders}/plan/", CARL),
        Place("app-subscription-renew", f"{t}/apps/subscriptions/{change['subscription']}/renew/", CARL),
        Place("app-subscription-withdraw", f"{t}/apps/change-requests/{change['id']}/withdraw/", CARL),
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
        Place("console-request-list", f"{c}/requests/list/", ADA),
        Place("console-request-decide", f"{c}/requests/decide/?what=reject&id={of['pending']}", ADA),
        Place("console-request-delegations", f"{c}/request-delegations/", ADA),
        Place("console-request-delegation-new", f"{c}/request-delegations/new/", ADA),
        Place("console-request-clock", f"{c}/request-clock/", ADA),
        Place("console-request-rules", f"{c}/request-rules/", ADA),
        Place("console-request-rule-new", f"{c}/request-rules/new/", ADA),
        Place("console-request-rule", f"{c}/request-rules/{rule}/", ADA),
        Place("console-request-rule-edit", f"{c}/request-rules/{rule}/edit/", ADA),
        Place("console-request-rule-switch", f"{c}/request-rules/{rule}/switch/", ADA),
        Place("console-request-rule-delete", f"{c}/request-rules/{rule}/delete/", ADA),
        Place("console-request-applications", f"{c}/request-applications/", ADA),
        Place("console-request-application-approve", f"{c}/request-applications/{app}/approve/", ADA),
        Place("console-request-application-reject", f"{c}/request-applications/{app}/reject/", ADA),
        Place("console-subscription-add", f"{c}/subscriptions/add/", ADA),
        Place("console-subscription-add:an-api", f"{c}/subscriptions/add/?application={app}", ADA),
        Place("console-subscription-add:a-plan", f"{c}/subscriptions/add/?application={app}&api=payments", ADA),
        Place("console-subscriptions", f"{c}/subscriptions/", ADA),
        Place("console-subscription", f"{c}/subscriptions/{active}/", ADA),
        Place("console-subscription-suspend", f"{c}/subscriptions/{active}/suspend/", ADA),
        Place("console-subscription-resume", f"{c}/subscriptions/{of['suspended']}/resume/", ADA),
        Place("console-subscription-top-up", f"{c}/subscriptions/{counted}/top-up/", ADA),
        Place("console-plan-budget", f"{c}/plans/{of_models}/budget/", PAM),
        Place("console-provider-budget", f"{c}/ai-budget/", ADA),
        Place("console-subscription-cancel", f"{c}/subscriptions/{active}/cancel/", ADA),
        Place("console-subscription-dates", f"{c}/subscriptions/{active}/dates/", ADA),
        Place("console-request-change-approve", f"{c}/change-requests/{change['id']}/approve/", ADA),
        Place("console-request-change-reject", f"{c}/change-requests/{change['id']}/reject/", ADA),
        Place("console-apis", f"{c}/apis/", PAM),
        Place("console-api", f"{c}/apis/orders/", PAM),
        Place("console-api-usage", f"{c}/apis/orders/usage/?range=1h", PAM),
        Place("console-api-edit", f"{c}/apis/orders/edit/", PAM),
        Place("console-api-questions", f"{c}/apis/payments/questions/", PAM),
        Place("console-api-questions:none", f"{c}/apis/orders/questions/", PAM),
        Place("console-api-question-new", f"{c}/apis/payments/questions/new/", PAM),
        Place("console-api-question-edit", f"{c}/apis/payments/questions/cards/edit/", PAM),
        Place("console-api-question-remove", f"{c}/apis/payments/questions/cards/remove/", PAM),
        Place("console-api-gateways", f"{c}/apis/orders/gateways/", PAM),
        Place("console-api-policies", f"{c}/apis/orders/policies/", PAM),
        Place("console-api-logs", f"{c}/apis/orders/logs/", PAM),
        Place("console-api-version-tools", f"{c}/apis/orders/versions/v1/tools/", PAM),
        Place("console-api-version-new", f"{c}/apis/orders/add-version/", PAM),
        Place("console-api-version-publish", f"{c}/apis/customers/v1/publish/", PAM),
        Place("console-api-source", f"{c}/apis/orders/v1/source/", PAM),
        Place("console-api-version-life", f"{c}/apis/orders/v1/life/", PAM),
        Place("console-api-version-prerelease", f"{c}/apis/customers/v1/prerelease/", PAM),
        *(
            Place(f"console-api-version-{step}", f"{c}/apis/orders/v1/{step}/", PAM)
            for step in ("block", "unblock", "deprecate", "sunset", "reinstate", "retire", "brown-out")
        ),
        Place("console-api-revision", f"{c}/apis/orders/v1/revisions/2/", PAM),
        Place("console-api-revision-new", f"{c}/apis/orders/v1/revisions/new/", PAM),
        Place("console-api-revision-live", f"{c}/apis/orders/v1/revisions/2/live/", PAM),
        Place("console-api-revision-test", f"{c}/apis/orders/v1/revisions/2/test/", PAM),
        Place("console-api-revision-test-close", f"{c}/apis/orders/v1/revisions/2/test/close/", PAM),
        Place("console-api-new", f"{c}/new-api/", PAM),
        Place("console-api-new-begin", f"{c}/new-api/begin/", PAM),
        Place("console-api-new-check", f"{c}/new-api/check/", PAM),
        Place("console-api-new-upstream", f"{c}/new-api/upstream/", PAM),
        Place("console-api-new-plan", f"{c}/new-api/plan/", PAM),
        Place("console-api-new-discard", f"{c}/new-api/discard/", PAM),
        Place("console-api-review", f"{c}/apis/orders/review/", ADA),
        Place("console-api-placing", f"{c}/apis/orders/catalogue/", PAM),
        Place("console-api-lint", f"{c}/api-rules/", PAM),
        Place("console-plans", f"{c}/plans/", PAM),
        Place("console-plan-new", f"{c}/plans/new/", PAM),
        *(
            Place(f"console-plan-{step}", f"{c}/plans/{gold}/{step}/", PAM)
            for step in ("publish", "change", "audience", "deprecate", "reinstate", "close")
        ),
        Place("console-applications", f"{c}/applications/", ADA),
        Place("console-application", f"{c}/applications/{app}/", ADA),
        Place("console-expiries", f"{c}/expiries/", ADA),
        Place("console-application-usage", f"{c}/applications/{app}/usage/?range=1h", ADA),
        Place("usage-alerts", f"{t}/usage-alerts/", ADA),
        Place("usage-alert-new", f"{t}/usage-alerts/new/", ADA),
        Place("console-usage", f"{c}/usage/?range=1h", ADA),
        Place("console-members", f"{c}/members/", ADA),
        Place("console-member-roles", f"{c}/members/roles/", ADA),
        Place("console-member-role-new", f"{c}/members/roles/new/?from=approver", ADA),
        Place("console-member-role", f"{c}/members/roles/{roles['On call']}/", ADA),
        Place("console-member-role-delete", f"{c}/members/roles/{roles['On call']}/delete/", ADA),
        Place("teams", f"{t}/teams/", CARL),
        Place("team", f"{t}/teams/{teams['Web shop']}/", CARL),
        Place("team:managed", f"{t}/teams/{teams['Web shop']}/", ADA),
        Place("team-new", f"{t}/teams/new/", ADA),
        Place("team-edit", f"{t}/teams/{teams['Web shop']}/edit/", ADA),
        Place("team-delete", f"{t}/teams/{teams['Web shop']}/delete/", ADA),
        Place("team-add", f"{t}/teams/{teams['Web shop']}/add/", ADA),
        Place("team-lead", f"{t}/teams/{teams['Web shop']}/lead/", ADA),
        Place("team-remove", f"{t}/teams/{teams['Web shop']}/members/{people['dora@acme.example']}/remove/", ADA),
        Place("app-acknowledge", f"{t}/apps/{app}/acknowledge/orders/v1/", CARL),
        Place("app-transfer", f"{t}/apps/{app}/transfer/", CARL),
        Place("app-edit", f"{t}/apps/{app}/edit/", CARL),
        Place("app-suspend", f"{t}/apps/{app}/suspend/", CARL),
        Place("app-resume", f"{t}/apps/{app}/resume/", CARL),
        Place("app-delete", f"{t}/apps/{app}/delete/", CARL),
        Place("console-member-edit", f"{c}/members/{carls}/roles/", ADA),
        Place("console-member-remove", f"{c}/members/{carls}/remove/", ADA),
        Place("member-leave", f"{t}/leave/", CARL),
        Place("console-member-invitations", f"{c}/members/invitations/", ADA),
        Place("console-member-invite", f"{c}/members/invite/", ADA),
        Place("console-member-invitation-resend", f"{c}/members/invitations/{invited}/resend/", ADA),
        Place("console-member-invitation-revoke", f"{c}/members/invitations/{invited}/revoke/", ADA),
        Place("invitation:nowhere", f"{t}/invitations/nothing/", ""),
        Place("console-webhooks", f"{c}/webhooks/", ADA),
        Place("console-webhook-new", f"{c}/webhooks/new/", ADA),
        Place("console-webhook", f"{c}/webhooks/{hook}/", ADA),
        Place("console-webhook:nothing", f"{c}/webhooks/{hook}/?state=delivered", ADA),
        *(
            Place(f"console-webhook-{step}", f"{c}/webhooks/{hook}/{step}/", ADA)
            for step in ("edit", "roll", "enable", "disable", "delete", "test")
        ),
        Place("console-webhook-redeliver-failed", f"{c}/webhooks/{hook}/redeliver/", ADA),
        Place("console-webhook-delivery", f"{c}/webhooks/{hook}/deliveries/{delivery}/", ADA),
        Place("console-webhook-delivery-redeliver", f"{c}/webhooks/{hook}/deliveries/{delivery}/redeliver/", ADA),
        Place("console-providers", f"{c}/ai-providers/", ADA),
        Place("console-provider-aliases", f"{c}/ai-aliases/", ADA),
        Place("console-provider-alias-new", f"{c}/new-ai-alias/", ADA),
        Place("console-provider-alias-edit", f"{c}/ai-aliases/fast/edit/", ADA),
        Place("console-provider-alias-delete", f"{c}/ai-aliases/fast/delete/", ADA),
        Place("console-api-ai-new", f"{c}/publish-ai-api/?provider=openai", PAM),
        Place("console-api:ai", f"{c}/apis/models/", PAM),
        Place("console-api-models", f"{c}/apis/models/models/", PAM),
        Place("console-api-contents", f"{c}/apis/models/contents/", PAM),
        Place("console-api-rails", f"{c}/apis/models/rails/", PAM),
        Place("console-api-prompts", f"{c}/apis/models/prompts/", PAM),
        Place("console-api-prompt-new", f"{c}/apis/models/add-prompt/", PAM),
        *(
            Place(f"console-api-prompt{step}", f"{c}/apis/models/prompts/sum-up/{page}", PAM)
            for step, page in (("", ""), ("-edit", "edit/"), ("-remove", "remove/"))
        ),
        Place("catalogue-api:ai", f"{t}/apis/models/", CARL),
        Place("console-provider-connect", f"{c}/connect-ai-provider/", ADA),
        Place("console-provider", f"{c}/ai-providers/openai/", ADA),
        *(
            Place(f"console-provider-{step}", f"{c}/ai-providers/openai/{page}/", ADA)
            for step, page in (("edit", "edit"), ("remove", "remove"), ("key-new", "add-key"), ("model-new", "add-model"))
        ),
        *(
            Place(f"console-provider-key-{step}", f"{c}/ai-providers/openai/keys/{ai_key}/{step}/", ADA)
            for step in ("edit", "on", "off", "remove", "test")
        ),
        *(
            Place(f"console-provider-model-{step}", f"{c}/ai-providers/openai/models/{ai_model}/{step}/", ADA)
            for step in ("edit", "remove")
        ),
        Place("console-services", f"{c}/service-accounts/", ADA),
        Place("console-service", f"{c}/service-accounts/{services['Terraform']}/", ADA),
        Place("console-service-new", f"{c}/service-accounts/new/", ADA),
        Place("console-service-edit", f"{c}/service-accounts/{services['Terraform']}/edit/", ADA),
        Place("console-service-roll", f"{c}/service-accounts/{services['Terraform']}/roll/", ADA),
        Place("console-service-revoke", f"{c}/service-accounts/{services['Terraform']}/revoke/", ADA),
        Place("console-events", f"{c}/audit/", UGO),
        Place("console-event", f"{c}/audit/{decision}/", UGO),
        Place("console-event-chain", f"{c}/audit/chain/", UGO),
        Place("console-event-export", f"{c}/audit/export/", UGO),
        Place("console-event-time", f"{c}/audit/time/?application={app}", UGO),
        Place("console-keys", f"{c}/keys/", ADA),
        Place("console-key", f"{c}/keys/{keys['access_token', 'active']}/", ADA),
        Place("console-keys-rehearse", f"{c}/keys/rehearse/access_token/", ADA),
        Place("console-keys-rotate", f"{c}/keys/rotate/access_token/", ADA),
        Place("console-key-compromise", f"{c}/keys/{keys['access_token', 'active']}/compromise/", ADA),
        Place("console-keys-policy", f"{c}/keys/policy/", ADA),
        Place("console-gateways", f"{c}/gateways/", ADA),
        Place("console-settings", f"{c}/settings/", ADA),
        Place("console-settings-sign-in", f"{c}/settings/sign-in/", ADA),
        Place("console-settings-sign-in-linked", f"{c}/settings/sign-in/linked/", ADA),
        Place("console-settings-sign-in-remove", f"{c}/settings/sign-in/remove/", ADA),
        Place("console-settings-domains", f"{c}/settings/domains/", ADA),
        Place("console-settings-domain-new", f"{c}/settings/domains/new/", ADA),
        Place("console-settings-domain", f"{c}/settings/domains/{domain}/", ADA),
        *(
            Place(f"console-settings-domain-{step}", f"{c}/settings/domains/{domain}/{step}/", ADA)
            for step in ("certificate", "check", "remove")
        ),
        Place("console-settings-categories", f"{c}/settings/categories/", ADA),
        Place("console-settings-lint", f"{c}/settings/api-rules/", ADA),
        Place("console-settings-export", f"{c}/settings/export/", ADA),
        Place("console-settings-close", f"{c}/settings/close/", ADA),
        Place("tenant-new", "/tenants/new/", OLGA),
        Place("platform-tenants", "/platform/", OLGA),
        Place("platform-tenants-suspend", f"/platform/tenants/{TENANT}/suspend/", OLGA),
        Place("platform-tenants-ceiling", f"/platform/tenants/{TENANT}/ceiling/", OLGA),
        Place("platform-tenants-erased", "/platform/erased/", OLGA),
        Place("platform-people", "/platform/people/", OLGA),
        Place("platform-gateways", "/platform/gateways/", OLGA),
        Place("platform-gateway-groups", "/platform/gateway-groups/", OLGA),
        Place("platform-gateway-group-new", "/platform/gateway-groups/new/", OLGA),
        Place("platform-gateway-group-edit", "/platform/gateway-groups/00000000-0000-0000-0000-000000000001/", OLGA),
        Place("platform-gateway", f"/platform/gateways/{gateway}/", OLGA),
        Place("platform-gateway-drain", f"/platform/gateways/{gateway}/drain/", OLGA),
        Place("platform-gateway-revoke", f"/platform/gateways/{gateway}/revoke/", OLGA),
        Place("platform-gateway-join-tokens", "/platform/gateways/join-tokens/", OLGA),
        Place("platform-gateway-join-token-new", "/platform/gateways/join-tokens/new/", OLGA),
        Place("platform-mails", "/platform/mails/", OLGA),
        Place("platform-health", "/platform/health/", OLGA),
        Place("platform-jobs", "/platform/jobs/", OLGA),
        Place("platform-events", "/platform/events/", OLGA),
        Place("platform-settings", "/platform/settings/", OLGA),
        Place("console-gateway", f"{c}/gateways/gateway-1/", ADA),
        Place("console-gateway-configuration", f"{c}/gateways/gateway-1/configuration/", PAM),
        Place("console-gateway-configuration-version", f"{c}/gateways/gateway-1/configuration/orders/v1/?operation=listOrders", PAM),
    ]
