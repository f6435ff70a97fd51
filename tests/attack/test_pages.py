"""The door “the browser”: every page, by the list of addresses itself, against people who are in and mean harm."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.urls import URLPattern, reverse

import portal.pages.urls
from apis.actions import drafts, subscriptions
from apis.models import Subscription
from gateway.models import Deployment, GatewayNode, Refusal
from keys.models import Application
from tenants.models import Event, Role, Tenant, User
from tenants.origin import Origin, origin
from tenants.roles import permissions_of
from tenants.scope import tenant_scope
from tests import make
from tests.conftest import Cast

# It ends whatever text, attribute or element it stands in.
EVIL = "'\"></code></textarea></title></script><evil on=1>{{7*7}}\u202e"
# What each page needs, written down by hand; "" is any signed-in person, None anybody.
NEEDS: dict[str, str | None] = {
    "home": "", "tenants-page": "", "profile": "", "profile-theme": "", "account_change_password": "", "refusal-page": None,
    "catalogue": "apis.see_published", "catalogue-api": "apis.see_published", "catalogue-openapi": "apis.see_published",
    "catalogue-subscribe": "applications.own", "apps": "applications.own", "app": "applications.own", "app-new": "applications.own",
    "app-subscription-cancel": "applications.own", "app-credential-new": "applications.own",
    "app-credential-roll": "applications.own", "app-credential-revoke": "applications.own",
    "console-requests": "subscriptions.see_all", "console-request": "subscriptions.see_all",
    "console-request-approve": "subscriptions.decide", "console-request-reject": "subscriptions.decide",
    "console-request-undo": "subscriptions.decide",
    "console-subscriptions": "subscriptions.see_all", "console-subscription": "subscriptions.see_all",
    "console-subscription-suspend": "subscriptions.decide", "console-subscription-resume": "subscriptions.decide",
    "console-subscription-cancel": "subscriptions.decide",
    "console-apis": "apis.see_all", "console-api": "apis.see_all", "console-api-edit": "apis.publish",
    "console-api-version-new": "apis.publish", "console-api-version-publish": "apis.publish",
    "console-api-revision": "apis.see_all", "console-api-revision-new": "apis.publish", "console-api-revision-live": "apis.publish",
    "console-api-new": "apis.publish", "console-api-new-check": "apis.publish", "console-api-new-upstream": "apis.publish",
    "console-api-new-plan": "apis.publish", "console-api-new-discard": "apis.publish",
    "console-plans": "apis.see_all", "console-plan-new": "apis.publish", "console-plan-publish": "apis.publish",
    "console-applications": "applications.see_all", "console-application": "applications.see_all",
    "console-gateways": "gateways.see", "console-gateway": "gateways.see", "console-members": "members.see",
    "console-events": "audit.read", "console-event": "audit.read", "search": "tenant.see", "receipt-page": "tenant.see",
}  # fmt: skip
# Every parameter that a page reads from its query, with a value that leads further in.
QUERIES = (
    "", "tab=subscriptions", "tab=refusals", "tab=activity", "tab=reference", "tab=plans", "show=decided", "show=all", "part=1&step=1",
    f"q={EVIL}", f"version={EVIL}", f"operation={EVIL}&as={EVIL}", f"tab={EVIL}&status={EVIL}&show={EVIL}&role={EVIL}&environment={EVIL}",
    f"before={EVIL}&after={EVIL}&against={EVIL}&step={EVIL}&next={EVIL}", f"application={EVIL}&plan={EVIL}&api={EVIL}&request_id={EVIL}",
    f"kind={EVIL}&who={EVIL}&subject={EVIL}&since={EVIL}&until={EVIL}&ip={EVIL}",
)  # fmt: skip
DIALOG = {"HX-Request": "true", "HX-Target": "dialog"}


def pages() -> list[URLPattern]:
    return [each for each in portal.pages.urls.urlpatterns if each.name != "gallery"]


@dataclass(frozen=True)
class World:
    cast: Cast
    ids: dict[str, Any]
    secret: str

    def at(self, name: str, tenant: str = "acme") -> str:
        pattern = next(each for each in pages() if each.name == name)
        kinds = {"console-request": "subscription", "console-subscription": "subscription", "app-subscription": "subscription"}
        kind = next((kind for start, kind in {**kinds, "console-plan": "plan"}.items() if name.startswith(start)), "application")
        known = {**self.ids, "tenant": tenant, "pk": self.ids[kind], "code": "SUBSCRIPTION_PENDING"}
        return reverse(name, kwargs={each: known[each] for each in pattern.pattern.converters})


def client_of(user: User | None, **more: Any) -> Client:
    client = Client(raise_request_exception=False, **more)
    if user is not None:
        client.force_login(user)
    return client


def hostile_document() -> dict[str, Any]:
    parameter = {"name": EVIL, "in": "query", "required": True, "description": EVIL, "schema": {"type": "string", "example": EVIL, "enum": [EVIL]}}
    body = {"description": EVIL, "content": {"application/json": {"schema": {"type": "object", "properties": {EVIL: {"type": "string", "description": EVIL, "default": EVIL}}}, "example": {EVIL: EVIL}}}}
    answers = {"200": {"description": EVIL, "content": {"text/plain": {"example": EVIL}}}}
    link = "[a](javascript:evil) <javascript:evil> [b](  JaVaScRiPt:evil) [c](data:text/html,evil) ![d](javascript:evil) [e]: javascript:evil"
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
        read = make.document(hostile_document())
        draft = drafts.write(document=json.dumps(hostile_document(), indent=1), read=read, by=cast.pam)
        drafts.describe(draft, name=EVIL, slug="later", description=EVIL)
        aimed = make.target(header="x-key", secret="upstream-hunter2")  # noqa: S106
        drafts.aim(draft, url="http://127.0.0.1:9", target=aimed)
        gateway = GatewayNode.objects.create(name=EVIL[:40], token_sha256="0" * 64, connected_at=event.at)
        Deployment.objects.create(node=gateway)
        Refusal.objects.create(
            application=application, at=event.at, code="TOKEN_EXPIRED", status=401, request_id=EVIL[:30], method="GET", path="/" + EVIL,
            gateway=EVIL[:40],
        )  # fmt: skip
    origin.reset(told)
    ids = {
        "api": "orders", "version": "v1", "number": event.number, "credential": credential.pk, "gateway": gateway.name,
        "application": application.pk, "subscription": subscription.pk, "plan": plan.pk,
    }  # fmt: skip
    return World(cast, {**ids, "number": 1}, secret)
