"""Factories: functions with sensible silence, through the product's own actions. `make.subscription(status="active")` builds the rest."""

import json
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from apis import lint, openapi
from apis.actions import (
    ai_apis,
    aliases,
    content_logging,
    dates,
    drafts,
    plans,
    provider_keys,
    providers,
    publishing,
    subscriptions,
    versions,
)
from apis.ai.offer import Offer
from apis.models import Api, ApiVersion, Draft, ModelAlias, Plan, Provider, ProviderKey, Subscription
from gateway import contents, domains
from gateway import log_shipping as shipping
from gateway.latency import BUCKETS, LATENCY_BOUNDS_MS
from gateway.models import Domain, LoggedContent, LogShipping, TokenHour, TokenMinute, UsageHour, UsageMinute, UsageOpenHour
from keys import tokens
from keys.actions import applications, credentials, service_accounts, signing, webhooks
from keys.models import Application, Credential, Webhook
from keys.webhooks import FAMILIES
from tenants import events
from tenants.actions import add_member
from tenants.models import CustomRole, Invitation, Membership, Role, ServiceAccount, Team, TeamMember, Tenant, User
from tenants.models.base import new_id
from tenants.scope import current_tenant_id, tenant_scope

_numbers = count(1)

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Orders", "version": "1"},
    "paths": {
        "/orders": {
            "get": {"operationId": "listOrders", "responses": {"200": {"description": "Orders"}}},
            "post": {"operationId": "createOrder", "responses": {"201": {"description": "Made"}}},
        },
        "/orders/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {"operationId": "getOrder", "responses": {"200": {"description": "An order"}}},
        },
    },
}

# The same, of which a token needs scopes.
SCOPED: dict[str, Any] = {
    **DOCUMENT,
    "components": {
        "securitySchemes": {
            "login": {
                "type": "oauth2",
                "flows": {
                    "clientCredentials": {
                        "tokenUrl": "https://login.example/token",
                        "scopes": {"orders:read": "Read orders", "orders:write": "Create orders"},
                    }
                },
            }
        }
    },
    "security": [{"login": ["orders:read"]}],
    "paths": {
        **DOCUMENT["paths"],
        "/orders": {
            "get": DOCUMENT["paths"]["/orders"]["get"],
            "post": {**DOCUMENT["paths"]["/orders"]["post"], "security": [{"login": ["orders:write"]}]},
        },
    },
}


def tenant(slug: str | None = None, name: str = "") -> Tenant:
    slug = slug or f"tenant-{next(_numbers)}"
    return signing.create_tenant(slug=slug, name=name or slug.title(), by=None)


def user(email: str | None = None, **fields: Any) -> User:
    email = email or f"person-{next(_numbers)}@example.com"
    return User.objects.create_user(email, **{"name": email.partition("@")[0].title(), **fields})


def member(at: Tenant, email: str | None = None, *roles: str) -> User:
    found = user(email)
    with tenant_scope(at.pk):
        add_member(found, roles=roles or [Role.DEVELOPER], by=None)
    return found


def somebody(role: str = Role.DEVELOPER) -> User:
    """A member with this role of the tenant in scope."""
    for membership in Membership.objects.select_related("user"):
        if role in membership.roles:
            return membership.user
    return member(Tenant.objects.get(pk=current_tenant_id()), None, role)


def document(content: dict[str, Any] | None = None) -> openapi.Document:
    return lint.parse(json.dumps(content or DOCUMENT))


def target(url: str = "http://127.0.0.1:9", **more: Any) -> publishing.Target:
    return publishing.check_target(url, **more)


def api(
    slug: str | None = None,
    *,
    published: bool = True,
    upstream: str = "http://127.0.0.1:9",
    content: dict[str, Any] | None = None,
) -> Api:
    """An API with version v1, whose revision 1 is live."""
    slug = slug or f"api-{next(_numbers)}"
    found = publishing.create_api(slug=slug, name=slug.title(), description="", by=None)
    version(found, name="v1", status="published" if published else "created", upstream=upstream, content=content)
    return found


def version(
    of: Api,
    *,
    name: str = "v2",
    status: str = "published",
    upstream: str = "http://127.0.0.1:9",
    content: dict[str, Any] | None = None,
    by: User | None = None,
) -> ApiVersion:
    """One that went the way to its status step by step; its revision 1 is live.

    :param by: who blocks, deprecates or retires it.
    """
    found = publishing.add_version(of, name=name, by=None)
    publishing.make_live(publishing.add_revision(found, document=document(content), target=target(upstream), by=None), by=None)
    found.refresh_from_db()
    by = by or somebody(Role.PUBLISHER) if status in {"blocked", "deprecated", "retired"} else None
    if status == "prerelease":
        publishing.prerelease(found, by=None)
    elif status != "created":
        publishing.publish(found, by=None)
    if by and status == "blocked":
        versions.block(found, reason="A test.", by=by)
    if by and status in {"deprecated", "retired"}:
        versions.deprecate(found, reason="A test.", by=by)
    if by and status == "retired":
        versions.retire(found, by=by)
    assert found.status == status
    return found


def draft(owner: User | None = None, *, slug: str = "orders", upstream: str = "http://127.0.0.1:9", secret: str = "") -> Draft:
    """One that waits for its last step."""
    owner = owner or somebody(Role.PUBLISHER)
    found = drafts.write(document=json.dumps(DOCUMENT), read=document(), by=owner)
    drafts.describe(found, name=slug.title(), slug=slug, description="")
    aimed = publishing.check_target(upstream, header="x-key" if secret else "", secret=secret)
    drafts.aim(found, url=upstream, target=aimed)
    found.refresh_from_db()
    return found


def plan(
    of: Api | None = None, *, name: str | None = None, calls: int = 1000, seconds: int = 1, approval: str = "manual", **quota: Any
) -> Plan:
    of = of or api()
    found = plans.create(of, name=name or f"plan-{next(_numbers)}", calls=calls, seconds=seconds, approval=approval, by=None, **quota)
    plans.publish(found, by=None)
    return found


def application(owner: User | None = None, **fields: Any) -> Application:
    fields = {"name": f"Application {next(_numbers)}", "purpose": "A test.", "environment": "live", **fields}
    return applications.register_application(by=owner or somebody(), **fields)


def credential(of: Application | None = None, **fields: Any) -> tuple[Credential, str]:
    return credentials.create_credential(of or application(), by=None, **fields)


def api_key(of: Application | None = None, **fields: Any) -> tuple[Credential, str]:
    return credentials.create_api_key(of or application(), by=None, **fields)


def jwks() -> dict[str, Any]:
    """Public keys of somebody else's."""
    return {"keys": [tokens.public_jwk(tokens.generate())]}


def key_pair(of: Application | None = None, **fields: Any) -> Credential:
    return credentials.add_key_pair(of or application(), by=None, **{"jwks": jwks(), **fields})


def issuer(of: Application | None = None, **fields: Any) -> Credential:
    fields = {"issuer": "https://id.example/acme", "claim": "sub", "claim_value": "shop", "jwks": jwks(), **fields}
    return credentials.trust_issuer(of or application(), by=None, **fields)


def subscription(*, status: str = "active", of: Application | None = None, to: Plan | None = None) -> Subscription:
    """One that went the way to its status step by step."""
    of, to = of or application(), to or plan()
    found, _ = subscriptions.request(of, api=to.api, plan=to, purpose="A test.", by=of.owner)
    ada = somebody(Role.APPROVER)
    if status in {"active", "suspended", "expired"}:
        subscriptions.approve(found, by=ada)
    if status == "suspended":
        subscriptions.suspend(found, reason="A test.", by=ada)
    if status == "rejected":
        subscriptions.reject(found, reason="A test.", by=ada)
    if status == "cancelled":
        subscriptions.cancel(found, by=ada)
    if status == "expired":
        Subscription.objects.filter(pk=found.pk).update(ends_at=Now() - timedelta(seconds=1))
        events.lock()
        dates.turn_subscriptions()
        found.refresh_from_db()
    assert found.status == status
    return found


def team(lead: User | None = None, name: str = "") -> Team:
    """A team of the tenant in scope, led by this member."""
    membership = Membership.objects.get(user=lead) if lead else Membership.objects.order_by("pk")[0]
    made = Team.objects.create(name=name or f"Team {next(_numbers)}", lead=membership)
    TeamMember.objects.create(team=made, membership=membership)
    return made


def custom_role(name: str, permissions: list[str]) -> CustomRole:
    return CustomRole.objects.create(name=name, permissions=permissions)


def invitation(email: str = "", *, by: User | None = None, **fields: Any) -> Invitation:
    who = by or Membership.objects.select_related("user").order_by("pk")[0].user
    given = {"roles": ["developer"], "expires_at": timezone.now() + timedelta(days=7), "nonce": "n", **fields}
    return Invitation.objects.create(email=email or f"guest{next(_numbers)}@example.com", invited_by=who, **given)


def service_account(*permissions: str, by: User | None = None, **fields: Any) -> tuple[ServiceAccount, str]:
    """One that may all this, made by an admin if nobody else is named; and its secret."""
    fields = {"name": f"Service {next(_numbers)}", **fields}
    return service_accounts.create(permissions=permissions, by=by or somebody(Role.ADMIN), **fields)


def domain(name: str = "api.acme.example", *, verified: bool = True, by: User | None = None) -> Domain:
    found = domains.add(name=name, by=by)
    if verified:
        domains.confirm(found, by=by)
        found.refresh_from_db()
    return found


def webhook(url: str = "http://127.0.0.1:9/hooks", *, by: User | None = None, **fields: Any) -> tuple[Webhook, str]:
    """One of every kind there is; and its secret."""
    fields = {"name": f"Webhook {next(_numbers)}", "kinds": FAMILIES, **fields}
    return webhooks.create(url=url, by=by or somebody(Role.ADMIN), **fields)


def log_shipping(
    api: Api,
    url: str = "http://127.0.0.1:9/logs",
    *,
    enabled: bool = True,
    authorization: str | None = None,
    by: User | None = None,
    **rules: Any,
) -> LogShipping:
    """Told by HTTP, all of its calls."""
    shipping.put(api, enabled=enabled, rules={"url": url, **rules}, authorization=authorization, by=by or somebody(Role.PUBLISHER))
    found = shipping.of(api)
    assert found is not None
    return found


def provider(
    slug: str = "openai", *, kind: str = "openai", url: str = "http://127.0.0.1:9", by: User | None = None, **fields: Any
) -> Provider:
    """One without a key."""
    return providers.connect(kind=kind, slug=slug, url=url, by=by or somebody(Role.PUBLISHER), **fields)


def provider_key(of: Provider, *, key: str = "", by: User | None = None, **fields: Any) -> ProviderKey:
    """One of its own, unlike any other."""
    fields = {"label": f"Key {next(_numbers)}", **fields}
    return provider_keys.add(of, key=key or f"sk-{uuid4().hex}", by=by or somebody(Role.PUBLISHER), **fields)


def alias(name: str = "fast", *targets: str, by: User | None = None) -> ModelAlias:
    """:param targets: each as “openai/gpt-5”."""
    told = [dict(zip(("provider", "model"), each.split("/", 1), strict=True)) for each in targets or ("openai/gpt-5",)]
    return aliases.create(name=name, targets=told, by=by or somebody(Role.PUBLISHER))


def ai_api(
    slug: str = "models", *models: str, by: User | None = None, terms: Any = ({"name": "free", "approval": "automatic"},), **offered: Any
) -> Api:
    """An AI API, published; with one plan that approves at once, if nothing else is said."""
    plans_of = [{"calls": 1_000, "seconds": 1, "approval": "manual", **each} for each in terms]
    offer = Offer(models or ("openai/gpt-5",), **offered)
    by = by or somebody(Role.PUBLISHER)
    return ai_apis.publish(slug=slug, name=slug.title(), offer=offer, terms=plans_of, by=by)[0]


def kept(api: Api, *, by: User | None = None, **more: Any) -> None:
    """Prompts and answers of an AI API are kept, of those who agree."""
    given = {"enabled": True, "requests": True, "answers": True, "days": 30, "consent": "To find out why answers are wrong.", **more}
    content_logging.put(api, by=by or somebody(Role.PUBLISHER), **given)


def content(of: Subscription, request: str | None = "{}", answer: str | None = "{}", **fields: Any) -> LoggedContent:
    """A call of which was kept what it asked and was answered."""
    logging = content_logging.of(of.api)
    assert logging is not None
    pk, key = new_id(), contents.key_of(logging)
    texts = {
        name: None if text is None else contents.encrypted(current_tenant_id(), pk, name, text.encode(), key)
        for name, text in (("request", request), ("answer", answer))
    }
    whose = {"api": of.api, "application": of.application, "subscription": of.pk}
    known = {"at": timezone.now(), "request_id": uuid4().hex, "operation": "chatCompletions", "asked": "openai/gpt-5", "status": 200}
    told: dict[str, Any] = {**whose, **known, "us": 812_500, **fields, **texts}
    found: LoggedContent = LoggedContent.objects.create(pk=pk, **told)
    return found


def usage(calls: int = 1, *, at: datetime | None = None, ms: int = 40, of: Any = UsageMinute, **key: Any) -> Any:
    """Calls that were answered within as many milliseconds each; what else tells them apart is named as the model's fields are.

    :param at: in the minute, hour or day, now by default. :param of: UsageMinute, UsageHour or UsageDay.
    """
    start = (at or timezone.now()).astimezone(UTC).replace(second=0, microsecond=0)
    if of is not UsageMinute:
        start = start.replace(minute=0) if of is UsageHour else start.replace(hour=0, minute=0)
    elif timezone.now() - start < timedelta(hours=1):
        # As the process that counts leaves it, also where an hour has just ended.
        UsageOpenHour.objects.get_or_create(at=start.replace(minute=0))
    histogram = [0] * BUCKETS
    histogram[sum(bound <= ms for bound in LATENCY_BOUNDS_MS)] = calls
    with connection.cursor() as cursor:
        cursor.execute("SELECT gateway_usage_day(%s)", [start.date()])
    measured = {"calls": calls, "bytes_in": 100 * calls, "bytes_out": 1_000 * calls, "duration_ms_sum": ms * calls, "histogram": histogram}
    return of.objects.create(at=start, **{"status_class": 2, **measured, **key})


def answers(calls: int = 1, *, at: datetime | None = None, of: Any = TokenMinute, **key: Any) -> Any:
    """Answers of 100 tokens in and 20 out each, for 150 millionths; what else tells them apart is named as the model's fields are."""
    start = (at or timezone.now()).astimezone(UTC).replace(second=0, microsecond=0)
    if of is not TokenMinute:
        start = start.replace(minute=0) if of is TokenHour else start.replace(hour=0, minute=0)
    elif timezone.now() - start < timedelta(hours=1):
        UsageOpenHour.objects.get_or_create(at=start.replace(minute=0))
    with connection.cursor() as cursor:
        cursor.execute("SELECT gateway_usage_day(%s)", [start.date()])
    sums = {"calls": calls, "input": 100 * calls, "output": 20 * calls, "amount": 150 * calls}
    rest = {"cached": 0, "reasoning": 0, "missing": 0, "unpriced": 0, "currency": "USD"}
    return of.objects.create(at=start, **{**sums, **rest, **key})
