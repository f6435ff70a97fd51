"""The door “the browser”: every page, by the list of addresses itself, against people who are in and mean harm."""

import itertools
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.contrib.sessions.models import Session
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_started
from django.db import close_old_connections, connection
from django.db.models import Q
from django.test import Client
from django.urls import URLPattern, reverse

import portal.pages.urls
from apis.actions import drafts, mcp_servers, request_forms, subscriptions
from apis.ai.offer import Message, Prompt, Rails, Variable
from apis.models import Api, ApprovalRule, BrownOut, ChangeRequest, FormQuestion, Plan, Review, Revision, Subscription
from gateway.models import Deployment, GatewayNode, Refusal, UsageAlert
from keys.actions.identity_providers import change_provider
from keys.models import Application, Identity, IdentityProvider, SigningKey, WebhookAttempt, WebhookDelivery
from portal import kept
from portal.middleware import Utf8Request
from tenants.event_kinds import GATEWAY_KINDS, KINDS
from tenants.models import CustomRole, Delegation, Event, Membership, Notification, Role, Team, TeamMember, Tenant, User
from tenants.origin import Origin, origin
from tenants.people.invitations import token_of
from tenants.people.settings import set_logo
from tenants.roles import permissions_of
from tenants.scope import tenant_scope
from tests import make, turns
from tests.conftest import Cast, Rest, base

T = TypeVar("T")
# Those that stand beside the pages, and that nobody needs to be signed in for.
ACCOUNTS = (
    "/accounts/login/", "/accounts/logout/", "/accounts/signup/", "/accounts/confirm-email/ended/", "/accounts/password/reset/",
    "/accounts/password/reset/key/ended/", "/accounts/2fa/authenticate/", "/accounts/2fa/passkeys/sign-in/",
    "/accounts/provider/", "/t/acme/sign-in/", "/t/acme/sign-in/start/", "/t/acme/sign-in/callback/",
)  # fmt: skip
# It ends whatever text, attribute or element it stands in.
EVIL = "'\"></code></textarea></title></script><evil on=1>{{7*7}}\u202e"
# What each page needs, written down by hand; "" is any signed-in person, None anybody.
NEEDS: dict[str, str | None] = {
    "home": "", "tenants-page": "", "profile": "", "profile-theme": "", "account_change_password": "",
    "mfa_index": "", "mfa_needed": "", "mfa_activate_totp": "", "mfa_deactivate_totp": "", "mfa_add_webauthn": "", "mfa_edit_webauthn": "",
    "mfa_remove_webauthn": "", "mfa_view_recovery_codes": "", "mfa_generate_recovery_codes": "",
    "account_reauthenticate": "", "mfa_reauthenticate": "", "mfa_reauthenticate_webauthn": "",
    "sessions": "", "session-end": "", "sessions-end-others": "", "refusal-page": None, "refused-occurrence": "",
    "refused": "tenant.see", "refused-call": "tenant.see",
    "catalogue": "apis.see_published", "catalogue-api": "apis.see_published", "catalogue-document-json": "apis.see_published",
    "catalogue-document-yaml": "apis.see_published",
    "catalogue-feed": "apis.see_published",
    "catalogue-try": "applications.own",
    "app-subscribe": "applications.own", "app-subscribe-plans": "applications.own",
    "catalogue-subscribe": "applications.own", "apps": "applications.own", "app": "applications.own", "app-new": "applications.own",
    "expiries": "applications.own", "expiries-calendar": "tenant.see", "expiries-calendar-end": "tenant.see",
    "app-subscription-cancel": "applications.own", "app-subscription-answer": "applications.own", "app-credential-new": "applications.own",
    "app-credential-roll": "applications.own", "app-credential-revoke": "applications.own",
    "inbox": "tenant.see", "inbox-open": "tenant.see", "inbox-read": "tenant.see", "inbox-preferences": "tenant.see",
    "console-requests": "subscriptions.see_all", "console-request": "subscriptions.see_all",
    "console-request-approve": "subscriptions.decide", "console-request-reject": "subscriptions.decide",
    "console-request-undo": "subscriptions.decide", "console-request-ask": "subscriptions.decide",
    "console-request-list": "subscriptions.see_all", "console-request-decide": "subscriptions.decide",
    "console-request-clock": "settings.manage", "console-request-delegations": "tenant.see",
    "console-request-delegation-new": "subscriptions.decide", "console-request-delegation-end": "tenant.see",
    "console-request-rules": "subscriptions.see_all", "console-request-rule": "subscriptions.see_all",
    "console-request-rule-new": "settings.manage", "console-request-rule-edit": "settings.manage",
    "console-request-rule-switch": "settings.manage", "console-request-rule-delete": "settings.manage",
    "console-request-applications": "subscriptions.see_all", "console-request-application-approve": "subscriptions.decide",
    "console-request-application-reject": "subscriptions.decide", "console-subscription-add": "subscriptions.decide",
    "console-subscriptions": "subscriptions.see_all", "console-subscription": "subscriptions.see_all",
    "console-subscription-suspend": "subscriptions.decide", "console-subscription-resume": "subscriptions.decide",
    "console-subscription-cancel": "subscriptions.decide", "console-subscription-dates": "subscriptions.decide",
    "console-subscription-top-up": "subscriptions.decide", "quota": "tenant.see",
    "console-subscription-budget-top-up": "subscriptions.decide", "console-plan-budget": "apis.publish",
    "console-provider-budget": "providers.see",
    "app-subscription-plan": "applications.own", "app-subscription-renew": "applications.own",
    "app-subscription-withdraw": "applications.own",
    "console-request-change-approve": "subscriptions.decide", "console-request-change-reject": "subscriptions.decide",
    "console-apis": "apis.see_all", "console-api": "apis.see_all", "console-api-edit": "apis.publish",
    "console-api-questions": "apis.see_all", "console-api-question-new": "apis.publish", "console-api-question-edit": "apis.publish",
    "console-api-question-remove": "apis.publish", "console-api-question-move": "apis.publish",
    "console-api-policies": "apis.publish", "console-api-logs": "apis.publish",
    "console-api-logs-test": "apis.publish", "console-api-logs-remove": "apis.publish",
    "console-api-contents": "apis.publish", "console-api-content": "apis.publish", "console-api-contents-erase": "apis.publish",
    "app-subscription-logging-agree": "applications.own", "app-subscription-logging-withdraw": "applications.own",
    "console-api-import": "apis.publish", "console-api-source": "apis.publish",
    "console-api-source-look": "apis.publish", "console-api-source-remove": "apis.publish", "console-api-lint": "apis.publish",
    "console-settings-lint": "settings.manage", "console-api-review": "settings.manage",
    "console-api-revision-review": "apis.publish", "console-api-revision-approve": "apis.publish",
    "console-api-revision-reject": "apis.publish", "console-api-revision-withdraw": "apis.publish",
    "console-api-version-tools": "apis.publish",
    "console-api-version-new": "apis.publish", "console-api-version-publish": "apis.publish",
    "console-api-version-life": "apis.see_all", "console-api-version-prerelease": "apis.publish",
    "console-api-version-block": "apis.publish", "console-api-version-unblock": "apis.publish",
    "console-api-version-deprecate": "apis.publish", "console-api-version-sunset": "apis.publish",
    "console-api-version-reinstate": "apis.publish", "console-api-version-retire": "apis.publish",
    "console-api-version-brown-out": "apis.publish", "console-api-version-brown-out-cancel": "apis.publish",
    "app-acknowledge": "applications.own", "app-edit": "applications.own",
    "app-suspend": "tenant.see", "app-resume": "tenant.see", "app-delete": "tenant.see",
    "console-api-revision": "apis.see_all", "console-api-revision-new": "apis.publish", "console-api-revision-live": "apis.publish",
    "console-api-revision-test": "apis.publish", "console-api-revision-test-close": "apis.publish",
    "console-api-new": "apis.publish", "console-api-new-check": "apis.publish", "console-api-new-upstream": "apis.publish",
    "console-api-new-plan": "apis.publish", "console-api-new-begin": "apis.publish", "console-api-new-discard": "apis.publish",
    "console-plans": "apis.see_all", "console-plan-new": "apis.publish", "console-plan-publish": "apis.publish",
    "console-plan-change": "apis.publish", "console-plan-deprecate": "apis.publish", "console-plan-reinstate": "apis.publish",
    "console-plan-close": "apis.publish", "console-plan-audience": "apis.publish",
    "console-applications": "applications.see_all", "console-application": "applications.see_all",
    "console-expiries": "applications.see_all",
    "console-keys": "keys.see", "console-key": "keys.see", "console-keys-policy": "keys.manage", "console-keys-rehearse": "keys.manage",
    "console-keys-rotate": "keys.manage", "console-key-compromise": "keys.manage",
    "console-gateways": "gateways.see", "console-gateway": "gateways.see",
    "console-gateway-configuration": "apis.see_all", "console-gateway-configuration-version": "apis.see_all",
    "console-gateway-configuration-file": "apis.see_all", "console-members": "members.see",
    "console-member-edit": "members.manage", "console-member-remove": "members.manage", "member-leave": "tenant.see",
    "console-member-invitations": "members.manage", "console-member-invite": "members.manage",
    "console-member-invitation-resend": "members.manage", "console-member-invitation-revoke": "members.manage",
    "invitation": None, "join": "",
    "console-member-roles": "members.see", "console-member-role": "members.manage", "console-member-role-new": "members.manage",
    "console-member-role-delete": "members.manage", "app-transfer": "tenant.see",
    "teams": "tenant.see", "team": "tenant.see", "team-new": "members.manage", "team-edit": "members.manage",
    "team-delete": "members.manage", "team-add": "members.manage", "team-lead": "members.manage", "team-remove": "members.manage",
    "console-services": "service_accounts.manage", "console-service": "service_accounts.manage",
    "console-service-new": "service_accounts.manage", "console-service-edit": "service_accounts.manage",
    "console-service-roll": "service_accounts.manage", "console-service-revoke": "service_accounts.manage",
    "console-webhooks": "webhooks.manage", "console-webhook": "webhooks.manage", "console-webhook-new": "webhooks.manage",
    "console-webhook-edit": "webhooks.manage", "console-webhook-roll": "webhooks.manage", "console-webhook-enable": "webhooks.manage",
    "console-webhook-disable": "webhooks.manage", "console-webhook-delete": "webhooks.manage", "console-webhook-test": "webhooks.manage",
    "console-webhook-redeliver-failed": "webhooks.manage", "console-webhook-delivery": "webhooks.manage",
    "console-webhook-delivery-redeliver": "webhooks.manage", "console-webhook-delivery-give-up": "webhooks.manage",
    "console-providers": "providers.see", "console-provider": "providers.see", "console-provider-connect": "providers.manage",
    "console-provider-edit": "providers.manage", "console-provider-remove": "providers.manage",
    "console-provider-key-new": "providers.manage", "console-provider-key-edit": "providers.manage",
    "console-provider-key-on": "providers.manage", "console-provider-key-off": "providers.manage",
    "console-provider-key-remove": "providers.manage", "console-provider-key-test": "providers.manage",
    "console-provider-model-new": "providers.manage", "console-provider-model-edit": "providers.manage",
    "console-provider-model-remove": "providers.manage",
    "console-provider-aliases": "providers.see", "console-provider-alias-new": "providers.manage",
    "console-provider-alias-edit": "providers.manage", "console-provider-alias-delete": "providers.manage",
    "console-api-ai-new": "apis.publish", "console-api-models": "apis.publish", "console-api-rails": "apis.publish",
    "console-api-prompts": "apis.see_all", "console-api-prompt": "apis.see_all", "console-api-prompt-new": "apis.publish",
    "console-api-prompt-edit": "apis.publish", "console-api-prompt-remove": "apis.publish",
    "console-settings": "settings.manage", "console-settings-categories": "settings.manage",
    "console-api-gateways": "apis.publish",
    "console-api-placing": "apis.publish", "console-settings-logo": "settings.manage", "console-settings-export": "settings.manage",
    "console-settings-domains": "settings.manage", "console-settings-domain": "settings.manage",
    "console-settings-domain-new": "settings.manage", "console-settings-domain-certificate": "settings.manage",
    "console-settings-domain-check": "settings.manage", "console-settings-domain-remove": "settings.manage",
    "console-settings-sign-in": "settings.manage", "console-settings-sign-in-remove": "settings.manage",
    "console-settings-sign-in-test": "settings.manage", "console-settings-sign-in-linked": "settings.manage",
    "console-settings-sign-in-undo": "settings.manage",
    "console-settings-close": "settings.manage", "console-settings-reopen": "settings.manage", "tenant-logo": "apis.see_published",
    "console-event-chain": "audit.read", "console-event-export": "audit.read", "console-event-time": "audit.read",
    "console-usage": "usage.see", "console-api-usage": "apis.see_all", "console-application-usage": "applications.see_all",
    "app-usage": "applications.own", "usage-alerts": "tenant.see", "usage-alert-new": "tenant.see", "usage-alert-edit": "tenant.see",
    "usage-alert-mute": "tenant.see", "usage-alert-delete": "tenant.see",
    "console-events": "audit.read", "console-event": "audit.read", "search": "tenant.see", "receipt-page": "tenant.see",
}  # fmt: skip
# What leads further into a page, and every parameter that any page reads.
LEADS = (
    "", "tab=subscriptions", "tab=refusals", "tab=activity", "tab=reference", "tab=plans", "show=decided", "show=all", "part=1&step=1",
)  # fmt: skip
PARAMETERS = (
    "q", "tab", "at", "status", "show", "role", "environment", "kind", "who", "subject", "since", "until", "ip", "before", "after",
    "against", "application", "plan", "api", "request_id", "version", "operation", "as", "part", "step", "next", "theme", "owner",
    "category", "tag", "sort", "document", "state", "waits", "what", "id", "range",
)  # fmt: skip
SUBSCRIPTION_KINDS = [kind for kind in KINDS if kind.startswith("subscription.")]
FIELDS = (
    "name", "purpose", "environment", "label", "last_day", "grace", "reason", "description", "cors_origins", "slug", "calls", "period",
    "seconds", "approval", "api", "application", "plan", "document", "upstream", "mock", "header", "secret", "note",
    "theme", "time_zone", "language", "next", "instead_of", "seen", "once", "connect_timeout_ms", "timeout_ms", "old_password", "password",
    "password_again", "login", "algorithm", "rotation", "rotation_unit", "token_lifetime", "overlap", "jwks_max_age", "api_key_days",
    "emails", "roles", "applications_to", "days", "permissions", "code", "credential", "passwordless", "to", "team", "email", "lead",
    "issuer", "client_id", "client_secret", "joins_as", "enabled", "category", "tags", "new", "visibility", "teams", "ip_allow", "ip_deny",
    "max_calls", "max_calls_seconds", "burst",
    "max_body_kib", "retries", "retry_percent", "streaming", "hours", "client_certificate", "client_key", "further_targets", "weight",
    "health_path", "health_status", "health_interval", "health_timeout_ms", "health_failures", "health_successes", "contact",
    "help", "kind", "options", "required", "answers.why", "asked", "orders.plan", "orders.answers.why", "orders.asked", "up", "down",
    "applications_need_approval", "usage_minutes_days", "usage_days",
    "text", "starts_at", "ends_at", "trial_days", "outcome", "most_per_minute", "reads_only", "own_team", "url", "kinds", "meanwhile",
    "since",
    "quota", "quota_period", "quota_time_zone", "even_over", "tokens", "amount", "soft_percent",
    "answer_hours", "what", "id", "delegate", "first_day", "threshold", "minutes", "fewest_calls", "cooldown_minutes",
    "destination", "form", "percent", "fields_told", "request_headers", "response_headers", "masked_headers", "masked_paths",
    "certificate", "key", "set_request_headers", "remove_request_headers", "set_response_headers", "remove_response_headers",
    # Of the tool that is made of the operation “list”.
    "on_a330395cc0a5", "name_a330395cc0a5", "says_a330395cc0a5",
    "priority", "context", "input", "output", "cached", "currency", "first_byte", "silence", "openai_speaks", "openai_prefix",
    "openai_header", "openai_value", "openai_include_usage", "anthropic_speaks", "anthropic_prefix", "anthropic_header", "anthropic_value",
    "models", "targets", "masks", "patterns", "blocked", "body_kib", "seen", "variables", "temperature", "max_tokens", "tokens_per_minute",
    "role_0", "text_0", "role_1", "text_1", "model", "plan", "visibility",
    "requests", "answers", "consent", "logging_agreed", "logging_version", "orders.logging_agreed", "orders.logging_version",
)  # fmt: skip
# Whoever has nothing to hand on is out with the POST, and every page after it is 404.
LEAVING = "member-leave"
# A POST to one of these ends what it is about.
ENDS = (
    "invitation", "console-member", "team", "console-settings-sign-in-undo", "app-delete", "app-transfer", "console-request-rule",
    "console-webhook", "console-api-question", "console-settings-domain", "usage-alert",
    "console-provider", "console-api-content",
)  # fmt: skip
# By GET they lead elsewhere, or give a file.
LEADS_ON = {
    "console-settings-sign-in-test",
    "home", "profile-theme", "catalogue-document-json", "catalogue-document-yaml", "catalogue-feed", "catalogue-try", "tenant-logo",
    "inbox-open", "quota", "refused-occurrence",
    "inbox-read", "console-request-approve", "console-request-reject", "console-request-undo",
    "console-request-ask", "console-api-question-move", "app-subscribe-plans",
}  # fmt: skip
# Pages of AI APIs; other APIs have none.
OF_AI = {
    "console-api-models", "console-api-rails", "console-api-prompts", "console-api-prompt", "console-api-prompt-new",
    "console-api-prompt-edit", "console-api-prompt-remove",
    "console-api-contents", "console-api-content", "console-api-contents-erase",
}  # fmt: skip
DIALOG = {"HX-Request": "true", "HX-Target": "dialog"}


def pages() -> list[URLPattern]:
    """Those of tenants and of people. Operators' have tests of their own, tests/portal/pages/test_platform.py and test_new_tenant.py."""
    found = portal.pages.urls.urlpatterns
    return [each for each in found if each.name not in {"gallery", "tenant-new"} and not str(each.name).startswith("platform-")]


@dataclass(frozen=True)
class World:
    """`roles` has one member of Acme for each role, who has no other."""

    cast: Cast
    roles: dict[str, User]
    ids: dict[str, Any]
    secret: str

    def at(self, name: str, tenant: str = "acme") -> str:
        pattern = next(each for each in pages() if each.name == name)
        kinds = {
            "console-request-rule": "approval_rule", "console-request-application": "application",
            "app-subscription-withdraw": "change", "console-request-change": "change",
            "app-subscription-logging": "ai_subscription",
            "console-request-delegation": "delegation",
            "console-request": "subscription", "console-subscription": "subscription", "app-subscription": "subscription",
            "quota": "subscription",
            "console-member-invitation": "invitation", "console-member": "leaver", "inbox": "notification",
            "console-key": "signing_key", "console-service": "service", "console-settings-sign-in": "identity",
            "mfa_": "number", "session-": "number", "console-api-version-brown-out": "brown_out",
            "console-webhook": "webhook", "console-settings-domain": "domain", "usage-alert": "alert",
        }  # fmt: skip
        kind = next((kind for start, kind in {**kinds, "console-plan": "plan"}.items() if name.startswith(start)), "application")
        known: dict[str, Any] = {**self.ids, "tenant": tenant, "pk": self.ids[kind], "code": "SUBSCRIPTION_PENDING"}
        if name in OF_AI:
            known["api"] = "models"
        if "revision" in name:
            known["number"] = self.ids.get("revision", 1)
        return reverse(name, kwargs={each: known[each] for each in pattern.pattern.converters})


def client_of(user: User | None, **more: Any) -> Client:
    client = Client(raise_request_exception=False, **more)
    if user is not None:
        client.force_login(user)
    return client


def hostile_document() -> dict[str, Any]:
    parameter = {
        "name": EVIL,
        "in": "query",
        "required": True,
        "description": EVIL,
        "schema": {"type": "string", "example": EVIL, "enum": [EVIL]},
    }
    body = {
        "description": EVIL,
        "content": {
            "application/json": {
                "schema": {"type": "object", "properties": {EVIL: {"type": "string", "description": EVIL, "default": EVIL}}},
                "example": {EVIL: EVIL},
            }
        },
    }
    answers = {"200": {"description": EVIL, "content": {"text/plain": {"example": EVIL}}}}
    link = (
        "[a](javascript:evil) <javascript:evil> [b](  JaVaScRiPt:evil) [c](data:text/html,evil) ![d](javascript:evil) [e]: javascript:evil"
    )
    common = {"tags": [EVIL], "summary": EVIL, "description": f"{EVIL}\n\n{link}\n\n```{EVIL}\n{EVIL}\n```", "responses": answers}
    contact = {"name": EVIL, "url": "javascript:evil", "email": EVIL}
    return {
        "openapi": "3.1.0",
        "info": {"title": EVIL, "version": EVIL, "description": f"{EVIL} {link}", "contact": contact, "termsOfService": "javascript:evil"},
        "externalDocs": {"url": "javascript:evil", "description": EVIL},
        "tags": [{"name": EVIL, "description": EVIL, "externalDocs": {"url": "javascript:evil"}}],
        "paths": {
            "/orders": {
                "get": {**common, "operationId": "list", "parameters": [parameter]},
                "post": {**common, "operationId": EVIL, "requestBody": body, "externalDocs": {"url": "javascript:evil"}},
            }
        },
    }


def tried(cases: Iterable[T]) -> list[T]:
    """All of them with `make test-long`; else every thirteenth, which is another one for each page."""
    return turns.every(list(cases), 13)


@pytest.fixture
def world(cast: Cast) -> World:
    """Acme, in which everything that has a name of its own has an evil one."""
    Tenant.objects.filter(pk=cast.acme.pk).update(name=EVIL)
    User.objects.exclude(pk=cast.eve.pk).update(name=EVIL)
    for user in (cast.pam, cast.ada, cast.carl):
        user.refresh_from_db()
    told = origin.set(Origin("192.0.2.1", EVIL, "r"))
    with tenant_scope(cast.acme.pk):
        api = make.api("orders", content=hostile_document())
        type(api).objects.filter(pk=api.pk).update(name=EVIL, description=hostile_document()["info"]["description"])
        api.refresh_from_db()
        version = api.versions.get()
        revision = version.live_revision
        assert revision is not None
        type(revision).objects.filter(pk=revision.pk).update(note=EVIL)
        type(version).objects.filter(pk=version.pk).update(reason=EVIL)
        mcp_servers.put(version, enabled=True, chosen=[{"operation": "list", "description": EVIL}], by=cast.pam)
        brown_out = BrownOut.objects.create(
            version=version, starts_at=version.created_at, ends_at=version.created_at + timedelta(minutes=1)
        )
        plan = make.plan(api, name="gold")
        application = make.application(cast.carl, name=EVIL, purpose=EVIL)
        credential, secret = make.credential(application, label=EVIL)
        ended = []
        for status in ("rejected", "cancelled", "suspended", "active"):
            other = make.application(cast.carl, name=f"{status} {EVIL}", purpose=EVIL)
            found, _ = subscriptions.request(other, api=api, plan=plan, purpose=EVIL, by=cast.carl)
            if status == "rejected":
                subscriptions.reject(found, reason=EVIL, by=cast.ada)
            elif status != "cancelled":
                subscriptions.approve(found, by=cast.ada)
            if status == "suspended":
                subscriptions.suspend(found, reason=EVIL, by=cast.ada)
            if status == "cancelled":
                subscriptions.cancel(found, reason=EVIL, by=cast.ada)
            ended.append(found)
        subscription, event = subscriptions.request(application, api=api, plan=plan, purpose=EVIL, by=cast.carl)
        request_forms.set_form(api, [FormQuestion("why", EVIL, EVIL, "choice", (EVIL, "x"), required=False)], by=cast.pam)
        Subscription.objects.update(answers=[{"key": "why", "question": EVIL, "kind": "choice", "answer": EVIL}])
        change = ChangeRequest.objects.create(
            subscription=ended[-1], kind="renewal", ends_at=event.at + timedelta(days=2), was_ends_at=event.at + timedelta(days=1),
            purpose=EVIL, requested_by=cast.carl, requested_at=event.at,
        )  # fmt: skip
        Review.objects.create(revision=revision, requested_by=cast.pam, requested_at=event.at, note=EVIL)
        read = make.document(hostile_document())
        draft = drafts.write(document=json.dumps(hostile_document(), indent=1), read=read, by=cast.pam)
        drafts.describe(draft, name=EVIL, slug="later", description=EVIL)
        aimed = make.target(header="x-key", secret="upstream-hunter2")
        drafts.aim(draft, url="http://127.0.0.1:9", target=aimed)
        gateway = GatewayNode.objects.create(name=EVIL[:40], connected=True, seen_at=event.at)
        Deployment.objects.create(node=gateway)
        alert = UsageAlert.objects.create(
            name=EVIL[:80], kind="p95", threshold=5, minutes=5, api=api, application=application, created_by=cast.ada
        )
        make.usage(3, api=api.pk, version=EVIL[:20], operation=EVIL, application=application.pk, plan=EVIL[:80])
        make.usage(3, api=api.pk, application=application.pk, status_class=4, code=EVIL[:40])
        make.answers(3, api=api.pk, application=application.pk, plan=EVIL[:80], asked=EVIL[:200], provider=EVIL[:40], model=EVIL[:120])
        signing_key = SigningKey.objects.get(purpose="access_token")
        approval_rule = ApprovalRule.objects.create(name=EVIL, outcome="automatic", environment="test")
        # It gives nothing yet.
        begins = event.at + timedelta(days=300)
        delegation = Delegation.objects.create(delegator=cast.ada, delegate=cast.carl, starts_at=begins, ends_at=begins + timedelta(days=1))
        notification = Notification.objects.create(user=cast.ada, event=event)
        service, _ = make.service_account(by=cast.ada, name=EVIL[:60], description=EVIL)
        make.log_shipping(api, url="http://127.0.0.1:9/logs", authorization="Bearer logs-hunter2", by=cast.ada)
        webhook, _ = make.webhook("http://127.0.0.1:9/hook-hunter2", by=cast.ada, name=EVIL[:80])
        provider = make.provider(by=cast.pam, name=EVIL[:80])
        provider_key = make.provider_key(provider, by=cast.pam, label=EVIL[:80], key="sk-models-hunter2")
        provider_model = provider.models.order_by("name")[0]
        type(provider_model).objects.filter(pk=provider_model.pk).update(name=EVIL[:120])
        make.provider("behind", by=cast.pam, name=EVIL[:80])
        make.alias("fast", "behind/gpt-5", by=cast.pam)
        told_of = Prompt("sum-up", "Sum up", "fast", (Variable("text"),), (Message("user", "{{text}}"),), {})
        make.ai_api("models", "fast", by=cast.pam, prompts=(told_of,), rails=Rails(blocked=("secret",)))
        # What no action would take.
        (offers,) = Revision.objects.filter(ai__isnull=False)
        assert offers.ai is not None
        offers.ai["prompts"][0] |= {"title": EVIL, "messages": [{"role": EVIL, "text": EVIL + "{{text}}"}]}
        offers.ai["rails"] |= {"blocked": [EVIL], "patterns": [{"name": EVIL, "regex": EVIL}]}
        offers.save(update_fields=["ai"])
        Api.objects.filter(slug="models").update(name=EVIL[:80], description=EVIL)
        ai = Api.objects.get(slug="models")
        make.kept(ai, consent=EVIL, by=cast.pam)
        ai_plan = Plan.objects.get(api=ai)
        asks, _ = subscriptions.request(application, api=ai, plan=ai_plan, purpose=EVIL, logging_agreed=1, by=cast.carl)
        said = json.dumps({"messages": [{"role": EVIL, "content": EVIL}], "input": [{"type": EVIL}]})
        content = make.content(asks, said, json.dumps({"text": EVIL}), request_id=EVIL[:30], operation=EVIL, asked=EVIL[:200])
        domain = make.domain("api.orders.example", verified=False, by=cast.ada)
        delivery = WebhookDelivery.objects.create(
            webhook=webhook, event=event, number=event.number, kind=event.kind, next_at=event.at, created_at=event.at
        )
        WebhookAttempt.objects.create(delivery=delivery, at=event.at, took_ms=1, answered=500, trouble="status", answer=EVIL)
        team = make.team(cast.carl, name=EVIL[:80])
        Team.objects.update(description=EVIL)
        member = Membership.objects.get(user=cast.pam)
        TeamMember.objects.create(team=team, membership=member)
        make.application(cast.carl, name=f"The team's {EVIL}", purpose=EVIL, team=team)
        invitation = make.invitation("bo@acme.example", by=cast.ada, team=team)
        leaver = Membership.objects.get(user=cast.carl)
        named = {"issuer": "https://login.example.com", "client_id": "portico", "client_secret": "provider-hunter2", "enabled": True}
        change_provider(named, by=cast.ada)
        # No address: whoever tests it calls nobody.
        IdentityProvider.objects.update(issuer=EVIL, client_id=EVIL)
        identity = Identity.objects.create(issuer=EVIL, subject=EVIL, user=cast.carl)
        set_logo(b"a picture", by=cast.ada)
        digest = Tenant.objects.get(pk=cast.acme.pk).logo_digest
        role = CustomRole.objects.create(name=EVIL[:40], description=EVIL, permissions=["apis.see_published"])
        Refusal.objects.create(
            application=application, at=event.at, code="SUBSCRIPTION_SUSPENDED", status=403, request_id=EVIL[:30], details=EVIL,
            operation=EVIL, method="GET", path="/" + EVIL,
            gateway=EVIL[:40],
        )  # fmt: skip
    origin.reset(told)
    ids = {
        "api": "orders", "version": "v1", "number": event.number, "credential": credential.pk, "gateway": gateway.name,
        "application": application.pk, "subscription": subscription.pk, "plan": plan.pk, "change": change.pk,
        "notification": notification.pk, "signing_key": signing_key.pk, "service": service.pk, "purpose": "access_token",
        "team": team.pk, "role": role.pk, "member": member.pk, "identity": identity.pk,
        "brown_out": brown_out.pk, "approval_rule": approval_rule.pk, "webhook": webhook.pk, "domain": domain.pk, "delivery": delivery.pk,
        "alias": "fast", "prompt": "sum-up", "ai_subscription": asks.pk, "content": content.pk,
        "provider": provider.slug, "provider_key": provider_key.pk, "provider_model": provider_model.pk,
        "question": "why", "request_id": EVIL[:30],
        "delegation": delegation.pk, "alert": alert.pk,
        "invitation": invitation.pk, "token": token_of(invitation), "leaver": leaver.pk, "digest": digest,
    }  # fmt: skip
    roles = {role: make.member(cast.acme, f"{role}@acme.example", role) for role in Role.values}
    return World(cast, roles, ids, secret)


# --- what is stored or sent is only text ------------------------------------------------------------------------------


class Found(HTMLParser):
    """What a browser would do for whoever wrote the text: elements, handlers, styles and addresses that are not ours."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.seen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in {"evil", "style", "iframe", "object", "embed", "base", "math"} or (tag == "script" and not given.get("nonce")):
            self.wrong.append(self.get_starttag_text() or tag)
        for name, value in given.items():
            if name.startswith(("on", "hx-on")) or name in {"style", "srcdoc"}:
                self.wrong.append(f"{tag} {name}={value}")
            if name in {"href", "src", "action", "formaction", "hx-get", "hx-post"} and urlsplit(value.strip()).scheme not in {
                "",
                "http",
                "https",
                "mailto",
                # What an authenticator app on the same device opens (Key URI Format).
                "otpauth",
            }:
                self.wrong.append(f"{tag} {name}={value}")
            if name in {"hx-vals", "hx-headers"}:
                json.loads(value)
            self.seen += "<evil on=1>" in value

    handle_startendtag = handle_starttag

    def handle_data(self, data: str) -> None:
        self.seen += "<evil on=1>" in data


def looked_at(page: str) -> Found:
    found = Found()
    found.feed(page)
    found.close()
    return found


def test_the_look_finds_what_it_looks_for() -> None:
    for bad in ("<evil on=1>", '<a href=" javascript:x">', '<p onclick="x">', "<script>x</script>", '<p style="x">', "<svg/onload=x>"):
        assert looked_at(bad).wrong, bad
    assert looked_at('<p title="&lt;evil on=1&gt;">&lt;evil on=1&gt;</p>').seen == 2


def test_nothing_that_is_stored_or_asked_for_is_markup_on_any_page(world: World) -> None:
    """Every page, as each of the roles, with each of its parameters: 200 or a refusal, and never more than text."""
    shown: dict[str, int] = {}
    people = {"pam": world.cast.pam, "ada": world.cast.ada, "carl": world.cast.carl, "auditor": world.roles["auditor"], "nobody": None}
    # Asked for a version that there is none of, a page is 404.
    asked = [name for name in PARAMETERS if name != "version"]
    queries = (*LEADS, "&".join(f"{name}={EVIL}" for name in asked), f"q={EVIL}", f"version={EVIL}", f"tab=reference&q={EVIL}")
    for who, user in people.items():
        client = client_of(user)
        for page, query in tried(itertools.product(pages(), queries)):
            name, headers = str(page.name), DIALOG if len(query) % 2 else {}
            answer = client.get(f"{world.at(name)}?{query}", headers=headers)
            assert answer.status_code < 500, f"{who} {name} {query}"
            if "html" in answer.get("Content-Type", ""):
                found = looked_at(answer.getvalue().decode())
                assert found.wrong == [], f"{who} {name} {query}"
                shown[name] = shown.get(name, 0) + found.seen
    never = {name for name in shown if not shown[name]}
    leads_on = {"refusal-page"} | {name for name in shown if name in LEADS_ON}
    # With some of the cases some pages show nothing of it.
    assert never == leads_on if turns.whole() else len(never - leads_on) < len(shown) / 3, never


def test_what_is_refused_comes_back_as_text(world: World, settings: Any) -> None:
    """Every form, with an evil value in every field; and the note of what was done, wherever it is read."""
    settings.WRITE_RATE = 1000
    body = dict.fromkeys(FIELDS, EVIL)
    refused, noted = set(), 0
    for user in (world.cast.ada, world.cast.pam, world.cast.carl):
        client = client_of(user)
        turn = [(page, headers) for page in pages() for headers in turns.some(({}, DIALOG), f"{user.email} {page.name}")]
        for page, headers in turn:
            answer = client.post(world.at(str(page.name)), body, headers=headers)
            assert answer.status_code < 500, page.name
            if "html" not in answer.get("Content-Type", ""):
                continue
            found = looked_at(answer.getvalue().decode())
            assert found.wrong == [], page.name
            # An export asks for nothing that could be shown again, and trying is asked for by a script, whose form stays.
            if answer.status_code in {409, 422} and page.name not in {"console-settings-export", "catalogue-try"}:
                refused.add(page.name)
                assert found.seen, page.name
            told = looked_at(client.get("/tenants/").content.decode())
            assert told.wrong == [], page.name
            noted += told.seen
    assert len(refused) >= 15
    assert noted > 20


def test_nothing_that_is_stored_or_asked_for_is_markup_before_anybody_has_signed_in(world: World) -> None:
    """What a tenant calls itself stands on the page by which its people sign in."""
    seen, query = 0, f"?next={quote(EVIL)}&error={quote(EVIL)}&iss={quote(EVIL)}&state={quote(EVIL)}&code={quote(EVIL)}"
    doors = [address for address in ACCOUNTS if "/sign-in/" in address or "provider" in address]
    for address, user in itertools.product(doors, (None, world.cast.carl)):
        answer = client_of(user).get(address + query)
        assert answer.status_code < 500, address
        found = looked_at(answer.getvalue().decode())
        assert found.wrong == [], address
        seen += found.seen
    assert seen


# --- who may what -----------------------------------------------------------------------------------------------------


def test_every_page_has_its_permission_written_down() -> None:
    assert {page.name for page in pages()} == set(NEEDS)


def own_of(world: World, role: str) -> set[str]:
    """Pages of one thing that are 404 for a member who may do such things, but not with this one."""
    personal = {
        name
        for name, need in NEEDS.items()
        if need == "applications.own" and name not in {"apps", "app-new", "catalogue-subscribe", "catalogue-try", "expiries"}
    }
    mine = personal if role in {"admin", "developer"} else set()
    if role == "admin":
        mine = mine - {"app-credential-revoke"}
    if role != "admin":
        mine = mine | {"team", "app-transfer", "console-request-delegation-end"}
    if role not in {"admin", "approver"}:
        mine = mine | {"app-suspend", "app-resume", "app-delete"}
    of_one = {"inbox-open", "session-end", "console-api-import", "console-api-source-look", "console-api-source-remove"}
    # Who neither has the application nor sees subscriptions or plans has no page of it.
    quota = {"quota"} if role in {"developer", "auditor"} else set()
    refused = set() if "applications.see_all" in permissions_of([role]) else {"refused-call"}
    # One of an API, which who publishes it may change as well as who manages the tenant.
    looks_after = permissions_of([role]) & {"settings.manage", "apis.publish"}
    alerts = set() if looks_after else {f"usage-alert-{verb}" for verb in ("edit", "mute", "delete")}
    return mine | of_one | quota | refused | alerts | ({"receipt-page"} if role == "developer" else set())


@pytest.mark.parametrize("role", Role.values)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_each_role_enters_what_its_permissions_say(world: World, role: str, method: str, settings: Any) -> None:
    """Also by htmx, whose headers change nothing. Other people's applications are as unknown as none."""
    settings.WRITE_RATE = 10**6
    client, held = client_of(world.roles[role]), permissions_of([role])
    with tenant_scope(world.cast.acme.pk):
        before = Event.objects.count()
    boosted = {**DIALOG, "HX-Boosted": "true", "HX-Current-URL": "http://testserver/t/acme/"}
    for name, need in NEEDS.items():
        turn = f"{role} {method} {name}"
        if (method, name) == ("POST", LEAVING) or (method == "HEAD" and not turns.has_turn(turn, 3)):
            continue
        for headers in turns.some(({}, boosted), turn):
            status = client.generic(method, world.at(name), headers=headers).status_code
            if (need and need not in held) or (role == "approver" and name in {"app-transfer", "app-delete"}):
                assert status == 403, f"{method} {name}: {status}"
            elif name.startswith(("mfa_", "account_re")):
                # Nobody here has a password or a second factor: tests/portal/pages/test_second_factors.py.
                assert status < 500, f"{method} {name}: {status}"
            elif name in own_of(world, role):
                assert status in {404, 405} if method == "POST" else status == 404, f"{method} {name}: {status}"
            else:
                # What a POST before has ended, an invitation, a role or a team, is gone.
                gone = {404, 410} if method == "POST" and name.startswith(ENDS) else set[int]()
                assert status < 401 or status in {405, 409, 422} | gone, f"{method} {name}: {status}"
    if method != "POST":
        with tenant_scope(world.cast.acme.pk):
            assert Event.objects.count() == before, "looking changes nothing"


@pytest.mark.parametrize("who", ["eve", "olga"])
def test_strangers_and_operators_find_nothing(world: World, who: str) -> None:
    client = client_of(getattr(world.cast, who))
    for name, need in NEEDS.items():
        if need:
            for method, headers in turns.some(itertools.product(("GET", "POST"), ({}, DIALOG)), f"{who} {name}", 2):
                answer = client.generic(method, world.at(name), headers=headers)
                assert answer.status_code == 404, f"{method} {name}"
                assert "evil" not in answer.content.decode()


def test_who_is_no_longer_active_or_a_member_is_out_with_the_next_click(world: World) -> None:
    carl, ada = client_of(world.cast.carl), client_of(world.cast.ada)
    assert carl.get(world.at("app")).status_code == ada.get(world.at("console-events")).status_code == 200
    User.objects.filter(pk=world.cast.carl.pk).update(is_active=False)
    with tenant_scope(world.cast.acme.pk):
        Membership.objects.filter(user=world.cast.ada).delete()
    for (name, need), method in itertools.product(NEEDS.items(), ("GET", "POST")):
        if need is not None:
            answer = carl.generic(method, world.at(name))
            # What programs fetch tells them so where they asked.
            out = (401, "") if name.startswith("catalogue-document-") else (302, "/accounts/login/?next=")
            assert (answer.status_code, answer.get("Location", "")[:22]) == out, name
        if need:
            assert ada.generic(method, world.at(name)).status_code == 404, name


def test_an_auditor_changes_nothing_and_a_publisher_reads_no_secret(world: World) -> None:
    # But for the address of their own calendar.
    of_others = ~Q(kind__startswith="calendar_feed.")
    with tenant_scope(world.cast.acme.pk):
        before = Event.objects.filter(of_others).count()
    for role in ("auditor", "publisher"):
        client = client_of(world.roles[role])
        for name, need in NEEDS.items():
            # Who publishes APIs looks after alerts about them, too, and after providers of models.
            publishes = role == "publisher" and (need in {"apis.publish", "providers.manage"} or name.startswith("usage-alert-"))
            if need and not publishes and name != LEAVING:
                client.post(world.at(name), {"reason": "x", "name": "x", "purpose": "x"})
    with tenant_scope(world.cast.acme.pk):
        assert Event.objects.filter(of_others).count() == before


def test_a_receipt_tells_no_more_than_its_readers_other_pages(world: World) -> None:
    """Numbers count up, so anybody can ask for all of them: who sees gateways alone reads neither the audit nor what people wrote."""
    with tenant_scope(world.cast.acme.pk):
        kinds = dict(Event.objects.values_list("number", "kind"))
    assert {"member.added", "application.created", "subscription.requested"} <= set(kinds.values())
    for role, seen in (("publisher", set(GATEWAY_KINDS)), ("approver", {*GATEWAY_KINDS, *SUBSCRIPTION_KINDS}), ("developer", set())):
        client = client_of(world.roles[role])
        for number, kind in kinds.items():
            answer = client.get(f"/t/acme/receipts/{number}/")
            assert answer.status_code == (200 if kind in seen else 404), f"{role} {kind}"
            words = "<blockquote" in answer.content.decode()
            assert not words or role == "approver", f"{role} {kind}"
    assert "<blockquote" in client_of(world.cast.carl).get(world.at("receipt-page")).content.decode(), "it is about his application"


def test_nobody_decides_their_own_request_by_any_page(world: World) -> None:
    with tenant_scope(world.cast.acme.pk):
        application = make.application(world.cast.ada, name="Ada's")
        plan = Subscription.objects.get(pk=world.ids["subscription"]).plan
        own, _ = subscriptions.request(application, api=plan.api, plan=plan, purpose="x", by=world.cast.ada)
    mine = World(world.cast, world.roles, {**world.ids, "subscription": own.pk}, "")
    client = client_of(world.cast.ada)
    for name in ("console-request-approve", "console-request-reject", "console-subscription-resume", "console-request-undo"):
        assert client.post(mine.at(name), {"reason": "x"}).status_code == 409, name
        with tenant_scope(world.cast.acme.pk):
            assert Subscription.objects.get(pk=own.pk).status == "pending"


# --- from elsewhere ---------------------------------------------------------------------------------------------------

ELSEWHERE: tuple[dict[str, str], ...] = (
    {}, {"origin": "null"}, {"origin": "https://evil.example"}, {"origin": "https://testserver"}, {"origin": "http://testserver.evil.example"},
    {"origin": "http://testserver:81"}, {"origin": "http://["}, {"referer": "https://evil.example/"}, {"referer": "http://["},
    {"origin": "null", "hx-request": "true"}, {"x-csrftoken": "x" * 32}, {"x-csrftoken": "é"}, {"x-forwarded-host": "evil.example"},
)  # fmt: skip


@pytest.mark.parametrize("headers", ELSEWHERE, ids=ascii)
def test_no_form_of_another_site_does_or_keeps_anything(world: World, headers: dict[str, str]) -> None:
    client = client_of(world.cast.ada, enforce_csrf_checks=True)
    rows = Session.objects.count()
    with tenant_scope(world.cast.acme.pk):
        before = Event.objects.count()
    names = [name for name in NEEDS if turns.has_turn(f"{headers} {name}", 4)]
    for address in [*map(world.at, names), *(each for each in ACCOUNTS if turns.has_turn(f"{headers} {each}", 4))]:
        answer = client.post(address, {"name": "kept-of-elsewhere", "reason": "x"}, headers=headers)
        assert answer.status_code == 403, address
        nobody = Client(enforce_csrf_checks=True).post(address, {"name": "kept-of-elsewhere"}, headers=headers)
        assert nobody.status_code == 403, address
        assert "sessionid" not in nobody.cookies, address
    assert client.get("/tenants/").status_code == 200, "nobody was signed out"
    assert Session.objects.count() == rows
    assert all("kept_form" not in each.get_decoded() for each in Session.objects.all())
    with tenant_scope(world.cast.acme.pk):
        assert Event.objects.count() == before


def test_an_old_form_of_ours_only_comes_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """`send_again` does nothing by itself: it shows the form, at the same address, which is always this portal's."""
    monkeypatch.setattr(kept, "MOST_PER_ADDRESS", 1000)
    client = client_of(world.cast.ada, enforce_csrf_checks=True)
    with tenant_scope(world.cast.acme.pk):
        before = Event.objects.count()
    for name in NEEDS:
        answer = client.post(world.at(name) + "?x=//evil.example", {"reason": "x"}, headers={"origin": "http://testserver"})
        assert answer.status_code == 302, name
        assert answer["Location"] == world.at(name) + "?x=//evil.example", name
    for path in ("//evil.example/", "/\\evil.example/", "///evil.example", "/%2F/evil.example", "/%5Cevil.example"):
        answer = client.post(path, {"reason": "x"}, headers={"origin": "http://testserver"})
        assert leads_here(answer.get("Location", "/")), path
    with tenant_scope(world.cast.acme.pk):
        assert Event.objects.count() == before


ADDRESSES = (
    "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "https:evil.example", "https:/evil.example",
    "http:///evil.example", "https://evil.example", "http://testserver@evil.example/", "http://testserver.evil.example/", "javascript:evil",
    "data:text/html,evil",
    "/\t/evil.example", "\t//evil.example", "/%09/evil.example", "%2F%2Fevil.example", "//evil.example\\@testserver/", "http://[",
    "http://[::1",
    "\x00//evil.example", "/t/acme/../../..//evil.example", "evil", "evil.example", "home", ".//evil.example",
    "/;@evil.example", "\U0001f600//evil.example",
    "x" * 5000, "//" * 2000, " //evil.example", "\u2028//evil.example", "/．．/evil.example", "?//evil.example", "#//evil.example",
)  # fmt: skip


def leads_here(address: str) -> bool:
    """As a browser reads it: no scheme or host of its own, with backslashes for slashes and without tabs and line ends."""
    seen = address.translate({ord("\\"): "/", 9: None, 10: None, 13: None}).strip()
    return not seen.startswith("//") and (not urlsplit(seen).scheme or seen.startswith("http://testserver/"))


def test_the_look_at_addresses_finds_those_that_lead_away() -> None:
    assert not any(map(leads_here, ("//e", "/\\e", "https:e", "/\t/e", "javascript:x", "http://testserver.e/")))
    assert all(map(leads_here, ("/", "/t/acme/?x=//e", "http://testserver/t")))


def test_no_next_leads_away_or_breaks(world: World, settings: Any) -> None:
    settings.WRITE_RATE = 10_000
    world.cast.carl.set_password("correct horse battery")
    world.cast.carl.save()
    carl = client_of(world.cast.carl)
    who = {"login": "carl@acme.example", "password": "correct horse battery"}
    wrong: list[tuple[Any, ...]] = []
    onward = {"/"}
    for number, to in enumerate(tried(ADDRESSES)):
        new = {"purpose": "x", "environment": "live", "next": to}
        answers = [
            carl.post("/profile/theme/", {"theme": "dark", "next": to}),
            carl.post("/t/acme/apps/new/", {**new, "name": f"new {number}"}),
            carl.post("/t/acme/apps/new/", {**new, "name": f"htmx {number}"}, headers=DIALOG),
            client_of(None).post("/accounts/login/", {**who, "next": to}),
            client_of(None).post("/accounts/login/", who, query_params={"next": to}),
            carl.get("/accounts/login/", query_params={"next": to}),
            client_of(None).get("/t/acme/sign-in/start/", query_params={"next": to}),
            client_of(None).post("/accounts/provider/", {"slug": "acme"}, query_params={"next": to}),
            client_of(world.cast.carl).post("/accounts/logout/", {"next": to}),
            *(client_of(None).get("/t/acme/", headers=each) for each in on_a_page_at(to)),
        ]
        for step, answer in enumerate(answers):
            for header in ("Location", "HX-Redirect", "HX-Location"):
                given = answer.get(header, "/")
                given = json.loads(given)["path"] if given.startswith("{") else given
                onward |= {parse_qs(urlsplit(given).query).get("next", ["/"])[0]}
                if answer.status_code >= 500 or not leads_here(given):
                    wrong.append((to[:40], step, answer.status_code, given))
    for to in onward:
        answer = client_of(None).post("/accounts/login/", who, query_params={"next": to})
        if answer.status_code != 302 or not leads_here(answer["Location"]):
            wrong.append((to[:40], "after the sign-in", answer.status_code, answer.get("Location", "")))
    assert wrong == []


def on_a_page_at(to: str) -> list[dict[str, str]]:
    """What htmx would say if the page with a fragment stood there."""
    at = {"hx-request": "true", "hx-current-url": quote(to)}
    return [at, {**at, "hx-current-url-uri-autoencoded": "true"}, {**at, "hx-current-url": f"http://testserver{quote(to)}"}]


# --- secrets ----------------------------------------------------------------------------------------------------------


def everything_kept() -> str:
    """Each row of each table that the serving role reads, in every tenant, as text; and each session unpacked."""
    kept = []
    for tenant in Tenant.objects.all():
        with tenant_scope(tenant.pk), connection.cursor() as cursor:
            for table in connection.introspection.table_names(cursor):
                cursor.execute(f"SELECT t::text FROM {table} t")
                kept += [row for (row,) in cursor.fetchall()]
    return "\n".join([*kept, *(str(each.get_decoded()) for each in Session.objects.all())])


def test_secrets_stand_in_one_answer_and_nowhere_else(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    carl, pam = client_of(world.cast.carl), client_of(world.cast.pam)
    once = {"label": "CI", "once": "one-token"}
    made = carl.post(world.at("app-credential-new") + "?kind=client_secret", once)
    rolled = carl.post(world.at("app-credential-roll"), {"grace": "24h"})
    secrets = [world.secret, "upstream-hunter2", "upstream-hunter3", "provider-hunter2", "sk-models-hunter2"]
    for answer in (made, rolled):
        found = re.search(r"ptc_secret_\w{20,}", answer.content.decode())
        assert answer.status_code == 200
        assert found is not None
        secrets.append(found[0])
        assert "no-store" in answer["Cache-Control"]
        assert "messages" not in answer.cookies
    again = carl.post(world.at("app-credential-new") + "?kind=client_secret", once)
    assert again.status_code == 409
    told = {
        "upstream": "http://127.0.0.1:9",
        "header": "x-key",
        "secret": "upstream-hunter3",
        "connect_timeout_ms": "5000",
        "timeout_ms": "9",
    }
    refused = pam.post(world.at("console-api-new-upstream"), told)
    assert refused.status_code == 422
    lost = client_of(None)
    lost.post(world.at("console-api-new-upstream"), told)
    taken = pam.post(world.at("console-api-new-upstream"), {**told, "timeout_ms": "9000"})
    assert taken.status_code == 302
    changed = pam.post(world.at("console-api-revision-new"), {**told, "timeout_ms": "9000", "document": json.dumps(make.DOCUMENT)})
    assert changed.status_code == 302, changed.content
    seen = [again, refused, taken, changed]
    for number, client in enumerate((carl, pam, client_of(world.cast.ada), client_of(world.roles["auditor"]))):
        for page in pages():
            turn = f"{number} {page.name}"
            seen += [client.get(f"{world.at(str(page.name))}?{query}") for query in turns.some(("", "tab=activity"), turn)]
    kept = everything_kept()
    assert "CI" in kept
    for secret in secrets:
        assert all(secret not in answer.getvalue().decode() for answer in seen), secret
        assert all(secret not in str(answer.headers) + answer.cookies.output() for answer in [*seen, made, rolled]), secret
        assert secret not in kept
        assert secret not in caplog.text


# --- what every answer carries ----------------------------------------------------------------------------------------


KEPT = {"catalogue-document-json", "catalogue-document-yaml", "catalogue-feed"}


def test_every_answer_is_private_stored_nowhere_and_under_the_policy(world: World) -> None:
    clients = {"ada": client_of(world.cast.ada), "eve": client_of(world.cast.eve), "nobody": client_of(None)}
    for (who, client), page, headers in tried(itertools.product(clients.items(), pages(), ({}, DIALOG, {"HX-Request": "true"}))):
        for answer in (client.get(world.at(str(page.name)), headers=headers), client.post(world.at(str(page.name)), headers=headers)):
            about = f"{who} {page.name} {answer.status_code}"
            said = set(answer["Cache-Control"].replace(" ", "").split(","))
            # A logo's address changes with it; who keeps the others asks each time whether they have changed.
            stored = "immutable" if answer["Content-Type"] == "image/png" else "no-store"
            assert "private" in said, about
            assert stored in said or (page.name in KEPT and "no-cache" in said), about
            policy = answer["Content-Security-Policy"]
            assert "default-src 'none'" in policy, about
            assert "unsafe" not in policy, about
            assert re.search(r"script-src(;|$| 'nonce-[^ ]+'(;|$))", policy), about
            assert answer["X-Frame-Options"] == "DENY", about
            assert answer["X-Content-Type-Options"] == "nosniff", about
            assert "Cookie" in answer["Vary"] or who == "nobody", about


def test_the_weaker_policy_is_that_of_the_rest_documentation_alone(db: None) -> None:
    client = client_of(None)
    weak = client.get("/api/docs/")["Content-Security-Policy"]
    assert "style-src 'self' 'unsafe-inline'" in weak
    assert "script-src 'self';" in f"{weak};"
    assert "default-src 'none'" in weak
    for answer in (client.get("/api/docs"), client.post("/api/docs/"), client.get("/api/docs/x"), client.get("/accounts/login/")):
        if answer.status_code != 405:
            assert "unsafe" not in answer["Content-Security-Policy"]


# --- too much, and nonsense -------------------------------------------------------------------------------------------

# %ED%A0%80 is half of a surrogate pair in UTF-8, which it can't be.
NONSENSE = (
    "a\x00b", "%ED%A0%80", "%00", "\ufdd0", "9" * 4000, "9" * 5000, "-1", "1e999", "0" * 40, "\u0661\u0662", "NaN",
    "x" * 20_000, "[]", "{}", "'\"",
    "01900000-0000-7000-8000-000000000000", "{01900000-0000-7000-8000-000000000000}", "%", "\\", "..", "\u202e\u2066",
    "é" * 3000, " ", "_%_%",
    "2027-02-30", "0001-01-01", "9999-12-31", "99999-01-01", "١٩٩٩-01-01", "fe80::1%eth0", "::ffff:1.2.3.4", "1.2.3.4/8", "\u0000",
)  # fmt: skip


def who_may(world: World, name: str) -> User:
    """Who gets furthest into a page: it is theirs."""
    people = {"app": world.cast.carl, "cat": world.cast.carl, "console-api-new": world.cast.pam}
    return next((user for start, user in people.items() if name.startswith(start)), world.cast.ada)


def test_no_parameter_breaks_a_page(world: World) -> None:
    wrong, clients = [], {user.pk: client_of(user) for user in (world.cast.ada, world.cast.pam, world.cast.carl)}
    for page, text in tried(itertools.product(pages(), NONSENSE)):
        name = str(page.name)
        client, given = clients[who_may(world, name).pk], text if text.startswith("%") else quote(text)
        queries = ["&".join(f"{each}={given}" for each in PARAMETERS if each not in {"version", "tab", "show"})]
        if name in {"catalogue-api", "console-api"}:
            queries += [f"version={given}", f"tab=reference&{queries[0]}"]
        answers = [client.get(world.at(name), QUERY_STRING=query) for query in queries]
        wrong += [(name, ascii(text[:40])) for answer in answers if answer.status_code >= 500]
    assert wrong == []


def test_no_cursor_or_number_breaks_a_page(world: World) -> None:
    ada = client_of(world.cast.ada)
    for number in (0, 2**31, 2**63 - 1, 2**63, 2**64, 10**30, 10**4000):
        for name in ("receipt-page", "console-event", "console-api-revision", "console-api-revision-live"):
            huge = World(world.cast, world.roles, {**world.ids, "number": number, "revision": number}, "")
            for method in ("GET", "POST"):
                assert ada.generic(method, huge.at(name)).status_code in {404, 405}, f"{name} {str(number)[:9]}"
    for step in ("9" * 5000, "-1", "\u0663", "1.5", "1" * 6):
        answer = ada.get(world.at("receipt-page"), {"part": "1", "step": step, "against": step})
        assert answer.status_code == 200


def test_no_field_breaks_a_form(world: World, settings: Any) -> None:
    settings.WRITE_RATE = 10**6
    wrong, clients = [], {user.pk: client_of(user) for user in (world.cast.ada, world.cast.pam, world.cast.carl)}
    for name, text in tried(itertools.product([*(str(page.name) for page in pages()), *ACCOUNTS], NONSENSE)):
        client = client_of(None) if name in ACCOUNTS else clients[who_may(world, name).pk]
        address = name if name in ACCOUNTS else world.at(name)
        raw = "&".join(f"{field}={text if text.startswith('%') else quote(text)}" for field in (*PARAMETERS, *FIELDS))
        answer = client.post(address, raw, content_type="application/x-www-form-urlencoded")
        wrong += [(name, ascii(text[:40]))] if answer.status_code >= 500 else []
    assert wrong == []


# One of each way that a page reads what was sent.
FEW = (
    "home", "tenants-page", "profile", "profile-theme", "catalogue", "app-new", "app-credential-new", "catalogue-subscribe",
    "console-plans", "console-events", "console-request-approve", "console-subscription-suspend", "console-api-edit", "console-api-new",
    "console-api-new-begin", "console-api-new-upstream", "console-api-revision-new", "search",
)  # fmt: skip
MANY_FILES = b"--x\r\nContent-Disposition: form-data; name=f; filename=a\r\n\r\na\r\n" * 200 + b"--x--"
BODIES: tuple[tuple[str, bytes, str], ...] = (
    ("many fields", "&".join(f"f{n}=1" for n in range(10_000)).encode(), "application/x-www-form-urlencoded"),
    ("three megabytes", b"name=" + b"x" * 3_200_000, "application/x-www-form-urlencoded"),
    ("deep JSON", b"document=" + b"[" * 500_000, "application/x-www-form-urlencoded"),
    ("no boundary", b"--x", "multipart/form-data"),
    ("a broken boundary", b"--x", "multipart/form-data; boundary=\xff"),
    ("a part without end", b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nabc', "multipart/form-data; boundary=x"),
    ("many files", MANY_FILES, "multipart/form-data; boundary=x"),
    ("latin-1", b"name=\xe9", "application/x-www-form-urlencoded"),
    ("JSON", b"[" * 100_000, "application/json"),
    ("nothing known", b"\xff\xfe", "\xff/\xff"),
)  # fmt: skip


def test_no_body_breaks_a_page(world: World, settings: Any) -> None:
    settings.WRITE_RATE = 10**6
    ada, pam, nobody = client_of(world.cast.ada), client_of(world.cast.pam), client_of(None, enforce_csrf_checks=True)
    wrong = []
    addresses = [*map(world.at, FEW), *ACCOUNTS]
    for address, (about, body, kind) in tried(itertools.product(addresses, BODIES)):
        for client in (pam if "new-api" in address else ada, nobody):
            answers = client.generic("POST", f"{address}?q=x&next=x", body, kind), client.generic("GET", f"{address}?q=x", b"", kind)
            wrong += [(address, about) for answer in answers if answer.status_code >= 500]
    assert wrong == []


CODECS = ("hex", "zlib", "unicode_escape", "utf-7", "idna", "punycode", "undefined", "rot13", "base64", "utf-16", "no-such", "utf-8")


@pytest.fixture
def kept_connection(db: None) -> Iterator[None]:
    """The server's own signal would give up the connection that this test's transaction lies on; Django's test client does the same."""
    request_started.disconnect(close_old_connections)
    yield
    request_started.connect(close_old_connections)


@pytest.mark.parametrize("codec", [*CODECS, "utf-8''hex"])
def test_no_codec_of_pythons_is_asked_for(kept_connection: None, codec: str) -> None:
    """Django reads the header before there is anything that answers for an error, so this asks as the server does."""
    kind = f"multipart/form-data; boundary=x; charset{'*' if chr(39) in codec else ''}={codec}"
    body = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n\\ud800+2AA-\r\n--x--'
    served = WSGIHandler()
    served.request_class = Utf8Request
    assert "application.request_class = Utf8Request" in Path("portal/wsgi.py").read_text()
    many = "&".join(f"f{number}=1" for number in range(2_000))
    for method, path, query in itertools.product(
        ("GET", "POST"), ("/accounts/login/", "/refusals/TOKEN_EXPIRED/", "/api/v1/session/"), ("q=x", many)
    ):
        about = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, "SERVER_NAME": "testserver", "SERVER_PORT": "80"}
        sent = {**about, "wsgi.input": BytesIO(body), "wsgi.url_scheme": "http", "CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(body))}
        answer = served(sent, lambda _status, _headers, _error=None: lambda _body: None)
        assert b"".join(answer), path
        assert answer.status_code < 500, f"{method} {path}"


HEADERS: tuple[dict[str, str], ...] = (
    {"cookie": 'sessionid="abcdefghij\\000"'}, {"cookie": 'csrftoken="abc\\000"; messages="x\\000"; sessionid="\\377\\376"'},
    {"cookie": ';;=;a="' * 500},
    {"cookie": f"sessionid={'x' * 4000}"}, {"accept": ";;;,/,*"}, {"accept": "text/html;q=x"}, {"accept-language": "x" * 5000},
    {"accept-language": "de;q=9999999999999,\xff"}, {"hx-request": "true", "hx-current-url": "http://["},
    {"hx-request": "true", "hx-current-url": "http://testserver:99999999/%ff"}, {"hx-request": "true", "hx-target": "dialog' onload=x"},
    {"x-forwarded-for": "\x00, []"}, {"user-agent": "\x00\xff" * 300}, {"x-request-id": "a\nb"}, {"host": "["}, {"host": "testserver:x"},
    {"referer": "http://["}, {"origin": "http://["}, {"if-modified-since": "\xff"}, {"range": "bytes=9-1"}, {"accept-encoding": "gzip;q=x"},
)  # fmt: skip


def test_no_header_breaks_a_page(world: World, settings: Any) -> None:
    settings.WRITE_RATE = 10**6
    wrong = []
    addresses = [*map(world.at, FEW), *ACCOUNTS, "/nowhere/", "/t/nowhere/"]
    for headers, user, address in tried(itertools.product(HEADERS, (world.cast.ada, None), addresses)):
        client = client_of(user)
        answers = client.get(address, headers=headers), client.post(address, {"name": "x"}, headers=headers)
        wrong += [(address, ascii(headers)[:80]) for answer in answers if answer.status_code >= 500]
    assert wrong == []


# --- how often --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_changes_by_page_and_by_rest_are_counted_together(cast: Cast, rest: Rest, settings: Any) -> None:
    settings.WRITE_RATE = 3
    carl, address = client_of(cast.carl), "/t/acme/apps/new/"
    for number in range(2):
        assert carl.post(address, {"name": str(number), "purpose": "x", "environment": "live"}).status_code == 302
    assert rest(cast.carl).post(f"{base(cast.acme)}/applications/", {"name": "rest", "purpose": "x"}).status_code == 201
    answer = carl.post(address, {"name": "one more", "purpose": "A <b>long</b> story.", "environment": "live"})
    page = answer.content.decode()
    assert answer.status_code == 429
    assert 1 <= int(answer["Retry-After"]) <= 60
    assert "Too many changes. Wait " in page
    assert 'value="A &lt;b&gt;long&lt;/b&gt; story."' in page, "what was typed is there to be sent again"
    by_htmx = carl.post(address, {"name": "x"}, headers={"HX-Request": "true", "HX-Target": "app"})
    assert (by_htmx.status_code, by_htmx["HX-Retarget"]) == (429, "#toasts"), "the page stays as it is"
    assert rest(cast.carl).post(f"{base(cast.acme)}/applications/", {"name": "x", "purpose": "x"}).status_code == 429
    assert carl.get(address).status_code == 200, "reading is no change"
    assert client_of(cast.ada).post(address, {"name": "Ada's", "purpose": "x", "environment": "live"}).status_code == 302
    with tenant_scope(cast.acme.pk):
        assert Application.objects.count() == 4


@pytest.mark.django_db(transaction=True)
def test_no_page_is_sent_anything_uncounted(world: World, settings: Any) -> None:
    settings.WRITE_RATE = 0
    for name in NEEDS:
        client = client_of(who_may(world, name))
        sent, asked = client.post(world.at(name), {"reason": "x"}), client.put(world.at(name))
        # A page that only shows counts, too: it is asked for its permission first, and refuses then.
        wanted = {"refusal-page": (405, 405), "invitation": (429, 405)}.get(name, (429, 429))
        assert (sent.status_code, asked.status_code) == wanted, name
