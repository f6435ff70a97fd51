"""The large tenant of bench.scale, in a process of its own: Django reads the running stack's settings when it is loaded."""

import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

import django
import httpx
import psutil

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()

# Models can be imported only once Django is set up.
from django.conf import settings  # noqa: E402

from apis import openapi  # noqa: E402
from apis.actions import plans, publishing, subscriptions  # noqa: E402
from apis.models import Plan, Subscription  # noqa: E402
from bench.stage import report, until, wrk  # noqa: E402
from gateway import desired  # noqa: E402
from gateway.envoy.resources import compile_tenant  # noqa: E402
from gateway.models import Receipt  # noqa: E402
from keys import tokens  # noqa: E402
from keys.actions.signing import create_tenant  # noqa: E402
from keys.keyring import signing_key  # noqa: E402
from keys.models import Application, SigningKey  # noqa: E402
from keys.secrets import new_client_id  # noqa: E402
from portal.demo.job import TLS  # noqa: E402
from tenants.models import User, new_id  # noqa: E402
from tenants.scope import tenant_scope  # noqa: E402

OPERATIONS, SUBSCRIPTIONS, PAIRS, DECISIONS = 1_000, 5_000, 7, 11
GOAL_MS, GOAL_RATIO = 1_000.0, 0.95


def document() -> str:
    """Half of the operations begin literally, half stand under one `/{a}/{b}/`."""
    answer = {"responses": {"200": {"description": "Something"}}}
    paths: dict[str, Any] = {}
    for number in range(OPERATIONS // 2):
        one = [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]
        two = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in "ab"]
        paths[f"/anything/thing{number:03}/{{id}}"] = {"parameters": one, "get": {"operationId": f"thing{number:03}", **answer}}
        paths[f"/anything/{{a}}/{{b}}/item{number:03}"] = {"parameters": two, "get": {"operationId": f"item{number:03}", **answer}}
    return json.dumps({"openapi": "3.1.0", "info": {"title": "Large", "version": "1"}, "paths": paths})


def main(upstream: str, gateway: str, envoy: str) -> int:
    tenant = Large(upstream)
    figures = tenant.compile_times()
    url, token = f"{gateway}/{tenant.slug}/large/v1/anything", tenant.token()
    headers = {"Authorization": f"Bearer {token}"}
    started = time.perf_counter()
    wait_for_200(f"{url}/thing000/x", headers)
    figures["first call, loading the tenant, ms"] = (time.perf_counter() - started) * 1000
    figures |= tenant.decide()
    ratios, costs = [], []
    process = psutil.Process(int(envoy))
    for _ in range(PAIRS):
        first, first_cost = measured(process, f"{url}/thing000/x", headers)
        last, last_cost = measured(process, f"{url}/x/y/item{OPERATIONS // 2 - 1:03}", headers)
        ratios.append(last / first)
        costs.append(first_cost / last_cost)
    figures["last operation / first, calls per second, median"] = statistics.median(ratios)
    figures["of pairs"] = ", ".join(f"{ratio:.3f}" for ratio in ratios)
    # What others do on this machine moves the rate more than the route does; the gateway's own time is steadier.
    figures["first operation / last, CPU of Envoy per call, median"] = statistics.median(costs)
    figures["of the same pairs"] = ", ".join(f"{ratio:.3f}" for ratio in costs)
    report("scale", figures)
    return figures["decision to acknowledgement, most ms"] >= GOAL_MS or statistics.median(ratios) < GOAL_RATIO


def measured(envoy: psutil.Process, url: str, headers: dict[str, str]) -> tuple[float, float]:
    """Calls per second, and Envoy's CPU seconds per call."""
    before = sum(envoy.cpu_times()[:2])
    rate = wrk(url, seconds=2, headers=headers)
    return rate, (sum(envoy.cpu_times()[:2]) - before) / (rate * 2)


def wait_for_200(url: str, headers: dict[str, str]) -> None:
    with httpx.Client(trust_env=False, verify=TLS) as caller:
        until(lambda: caller.get(url, headers=headers).status_code == 200)


def subscribers(plan: Plan, many: int, *, owner: User) -> list[Subscription]:
    """Active ones, each of an application of its own."""
    applications = Application.objects.bulk_create(
        Application(name=f"Application {number}", purpose="Scale.", owner=owner, client_id=new_client_id()) for number in range(many)
    )
    return Subscription.objects.bulk_create(
        Subscription(application=each, api=plan.api, plan=plan, purpose="Scale.", status="active", requested_by=owner)
        for each in applications
    )


class Large:
    """A tenant, made in bulk: five thousand requests through the actions would only measure the actions."""

    def __init__(self, upstream: str, text: str = "", many: int = SUBSCRIPTIONS) -> None:
        """:param text: the API's document, "" for the large one. :param many: subscriptions, each of an application of its own."""
        self.slug = f"large-{time.time_ns()}"
        self.tenant = create_tenant(slug=self.slug, name="Large", by=None)
        self.approver = User.objects.create_user(f"{self.slug}@example.com", None)
        owner = User.objects.create_user(f"owner-{self.slug}@example.com", None)
        with tenant_scope(self.tenant.pk):
            api = publishing.create_api(slug="large", name="Large", description="", by=None)
            version = publishing.add_version(api, name="v1", by=None)
            target = publishing.check_target(upstream)
            publishing.make_live(
                publishing.add_revision(version, document=openapi.parse(text or document()), target=target, by=None), by=None
            )
            version.refresh_from_db()
            publishing.publish(version, by=None)
            plan = plans.create(api, name="wide", calls=1_000_000, seconds=1, approval="manual", by=None)
            plans.publish(plan, by=None)
            rows = subscribers(plan, many, owner=owner)
            self.caller, self.other = rows[0].application, rows[-1]

    def token(self) -> str:
        return next(self.tokens(1))

    def tokens(self, many: int) -> Iterator[str]:
        """Of one application, each different."""
        with tenant_scope(self.tenant.pk):
            key_id = SigningKey.objects.values_list("pk", flat=True).get(purpose="access_token")
        key, now = signing_key(self.tenant.pk, key_id), int(time.time())
        for _ in range(many):
            claims = tokens.claims(
                issuer=tokens.issuer(settings.PORTAL_URL, self.slug),
                audience=tokens.audience(settings.GATEWAY_URL, self.slug),
                client_id=self.caller.client_id,
                credential_id=str(new_id()),
                token_id=str(new_id()),
                now=now,
                lifetime=600,
            )
            yield tokens.sign(claims, key)

    def compile_times(self) -> dict[str, Any]:
        """Milliseconds to read the tenant and to compile it, and the bytes of its routes."""
        reads, compiles, size = [], [], 0
        for _ in range(5):
            started = time.perf_counter()
            wanted = desired.read(self.tenant.pk)
            read = time.perf_counter()
            size = len(compile_tenant(wanted.tenant).routes.body.value)
            reads.append((read - started) * 1000)
            compiles.append((time.perf_counter() - read) * 1000)
        return {
            "read, median ms": statistics.median(reads),
            "compile, median ms": statistics.median(compiles),
            "routes, bytes": size,
        }

    def decide(self) -> dict[str, float]:
        """Suspend and resume one of the five thousand: milliseconds from the event to the gateway's acknowledgement."""
        times = []
        for number in range(DECISIONS):
            with tenant_scope(self.tenant.pk):
                if number % 2:
                    event = subscriptions.resume(self.other, by=self.approver)
                else:
                    event = subscriptions.suspend(self.other, reason="Scale.", by=self.approver)
            receipts = Receipt.objects.filter(tenant=self.tenant, access__gte=event.number).order_by("id")
            until(receipts.exists)
            times.append((receipts[0].at - event.at).total_seconds() * 1000)
        return {
            "decision to acknowledgement, median ms": statistics.median(times),
            "decision to acknowledgement, most ms": max(times),
        }


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
