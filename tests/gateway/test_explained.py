"""Each refused call is explained: the gateway's code, Envoy's own words in its access log, and the decision behind it agree.

One call of each code at a real Envoy; what it left is then read as its owner reads it, over REST.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from apis.actions import dates, plans, subscriptions, versions
from apis.models import Subscription
from gateway.envoy.refusals import CODES
from gateway.explaining import RULES
from gateway.models import Refusal
from keys import tokens
from keys.actions import credentials
from keys.models import SigningKey
from tenants.models import Event, Tenant
from tenants.people import tenants
from tests import live, make
from tests.conftest import Rest
from tests.gateway import test_ended_access as ending
from tests.gateway.test_ended_access import Caller, caller
from tests.live import Answer, Gateway, Shop, Upstream

Call = Callable[[Gateway, Caller], Answer]


@dataclass(frozen=True, slots=True)
class Way:
    """How a code is earned. `words`: what Envoy's access log has to say; `kind`: of the decision behind it, "" where there is none.

    `fact`: what the explanation has to name. `whose`: whether the call is known to be the application's.
    """

    call: Call
    words: str
    kind: str = ""
    fact: str = ""
    whose: bool = True


def plain(gateway: Gateway, carl: Caller) -> Answer:
    return gateway.call(carl.shop.path(), carl.earned[0])


def by_key(gateway: Gateway, carl: Caller) -> Answer:
    return gateway.call(carl.shop.path(), carl.api_key)


def after(does: Callable[[Caller], Event], call: Call = plain) -> Call:
    """A decision that gateways enforce, then the call."""

    def calls(gateway: Gateway, carl: Caller) -> Answer:
        carl.shop.enforced(carl.shop.does(does, carl))
        return call(gateway, carl)

    return calls


def with_token(make_token: Callable[[Caller], str], rest: str = "/orders/1", method: str = "GET", **more: Any) -> Call:
    return lambda gateway, carl: gateway.call(carl.shop.path(rest), make_token(carl), method=method, **more)


def client(carl: Caller) -> live.Client:
    return live.Client(carl.shop, carl.held.application, carl.secret)


def signed(carl: Caller, **claims: Any) -> str:
    return tokens.sign(client(carl).claims(**claims), carl.shop.key)


def of_another_kind(carl: Caller) -> str:
    return tokens._signed(client(carl).claims(), carl.shop.key, "JWT")


def unknown_key(carl: Caller) -> str:
    key = carl.shop.active_key(SigningKey.Use.API_KEY)
    ends = int(time.time()) + 600
    return tokens.api_key(client_id=carl.held.application.client_id, credential_id=str(uuid4()), expires=ends, environment="live", key=key)


def unknown_signer(carl: Caller) -> str:
    header, body, signature = signed(carl).split(".")
    return f"{header}.{body}.{'A' * len(signature)}"


def nothing(_carl: Caller) -> str:
    return ""


def given_up(carl: Caller) -> Event:
    """Long ago, so that gateways remember nothing of it."""
    event = subscriptions.cancel(carl.held, by=carl.owner)
    Subscription.objects.filter(pk=carl.held.pk).update(ended_at=timezone.now() - timedelta(days=60))
    return event


def to_start(carl: Caller) -> Event:
    ending.undone(carl)
    held = Subscription.objects.get(pk=carl.held.pk)
    dates.change_dates(held, starts_at=timezone.now() + timedelta(days=2), by=ending.ada(carl))
    return subscriptions.approve(held, by=ending.ada(carl))


def terms(**given: Any) -> Callable[[Caller], Event]:
    def changed(carl: Caller) -> Event:
        event = plans.change_terms(carl.held.plan, by=ending.pam(carl), **given)
        assert event is not None
        return event

    return changed


def scoped(carl: Caller) -> Event:
    ending.scope_needed(carl)
    return terms(scopes=["orders:write"])(carl)


def until_refused(gateway: Gateway, carl: Caller) -> Answer:
    for _ in range(300):
        answer = plain(gateway, carl)
        if answer.status != 200:
            return answer
        time.sleep(0.05)
    raise AssertionError("never refused")


def chunked(gateway: Gateway, carl: Caller) -> Answer:
    head = f"POST {carl.shop.path('/orders')} HTTP/1.1\r\nHost: {live.HOST}:{gateway.port}\r\n"
    auth = f"Authorization: Bearer {carl.earned[0]}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"
    return gateway.raw((head + auth).encode())


def chunked_get(gateway: Gateway, carl: Caller) -> Answer:
    head = f"GET {carl.shop.path()} HTTP/1.1\r\nHost: {live.HOST}:{gateway.port}\r\n"
    body = f"800\r\n{'x' * 2048}\r\n0\r\n\r\n"
    auth = f"Authorization: Bearer {carl.earned[0]}\r\nTransfer-Encoding: chunked\r\n\r\n{body}"
    return gateway.raw((head + auth).encode())


def suspended_tenant(gateway: Gateway, carl: Caller) -> Answer:
    carl.shop.enforced(ending.tenant_suspended(carl))
    return plain(gateway, carl)


def limited_tenant(gateway: Gateway, carl: Caller) -> Answer:
    event = tenants.change_ceiling(Tenant.objects.get(pk=carl.shop.pk), max_calls=1, by=make.user(is_staff=True))
    assert event is not None
    carl.shop.enforced(event)
    return until_refused(gateway, carl)


def slow(gateway: Gateway, carl: Caller) -> Answer:
    return at_another(gateway, carl, "slow", "/slow?ms=1500", timeout_ms=300)


def down(gateway: Gateway, carl: Caller) -> Answer:
    return at_another(gateway, carl, "down", "/orders/1", url="http://127.0.0.1:9")


def at_another(gateway: Gateway, carl: Caller, api: str, rest: str, **target: Any) -> Answer:
    carl.shop.add_api(api, **target)
    carl.shop.subscribe(client(carl), carl.shop.plan(api))
    carl.shop.enforced_newest()
    return gateway.call(carl.shop.path(rest, api=api), carl.earned[0])


def stops(gateway: Gateway, carl: Caller) -> Answer:
    carl.shop.add_api("short", timeout_ms=300)
    carl.shop.subscribe(client(carl), carl.shop.plan("short"))
    carl.shop.enforced_newest()
    return gateway.trickle(carl.shop.path("/orders", api="short"), carl.earned[0], [b"x"] * 2, pause=4)


UPGRADE = [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13"), ("sec-websocket-key", "AAAA")]


def denied(code: str) -> str:
    return f"[{code}]"


WAYS: dict[str, Way] = {
    "TENANT_SUSPENDED": Way(suspended_tenant, "direct_response", "tenant.suspended", whose=False),
    "TOKEN_WRONG_KIND": Way(with_token(of_another_kind), denied("TOKEN_WRONG_KIND")),
    "TOKEN_WRONG_AUDIENCE": Way(
        with_token(lambda carl: signed(carl, aud="https://elsewhere.example")), denied("TOKEN_WRONG_AUDIENCE"), fact="elsewhere.example"
    ),
    "TOKEN_REVOKED": Way(after(lambda carl: credentials.revoke(carl.secret, by=carl.owner)), denied("TOKEN_REVOKED"), "credential.revoked"),
    "KEY_UNKNOWN": Way(with_token(unknown_key), denied("KEY_UNKNOWN")),
    "KEY_REVOKED": Way(
        after(lambda carl: credentials.revoke(carl.key, by=carl.owner), by_key), denied("KEY_REVOKED"), "credential.revoked"
    ),
    "KEY_EXPIRED": Way(after(lambda carl: ending.time_over(carl.key), by_key), denied("KEY_EXPIRED"), "credential.expired"),
    "IP_DENIED": Way(
        after(lambda carl: ending.ruled(carl, ip_deny=[live.HOST])), denied("IP_DENIED"), "api.policies_changed", fact="address"
    ),
    "APPLICATION_SUSPENDED": Way(
        after(lambda carl: ending.halted(carl, carl.owner)), denied("APPLICATION_SUSPENDED"), "application.suspended"
    ),
    "SUBSCRIPTION_PENDING": Way(after(ending.undone), denied("SUBSCRIPTION_PENDING"), "subscription.decision_undone"),
    "SUBSCRIPTION_SUSPENDED": Way(
        after(lambda carl: subscriptions.suspend(carl.held, reason="Too many calls.", by=ending.ada(carl))),
        denied("SUBSCRIPTION_SUSPENDED"),
        "subscription.suspended",
    ),
    "SUBSCRIPTION_REJECTED": Way(after(ending.undone_and_rejected), denied("SUBSCRIPTION_REJECTED"), "subscription.rejected"),
    "SUBSCRIPTION_CANCELLED": Way(
        after(lambda carl: subscriptions.cancel(carl.held, by=carl.owner)), denied("SUBSCRIPTION_CANCELLED"), "subscription.cancelled"
    ),
    "SUBSCRIPTION_EXPIRED": Way(after(ending.over), denied("SUBSCRIPTION_EXPIRED"), "subscription.expired", fact="It ended"),
    "SUBSCRIPTION_NOT_STARTED": Way(after(to_start), denied("SUBSCRIPTION_NOT_STARTED"), "subscription.approved", fact="It starts"),
    "SUBSCRIPTION_REQUIRED": Way(after(given_up), denied("SUBSCRIPTION_REQUIRED"), "subscription.cancelled", fact="Orders"),
    "SCOPE_NOT_IN_PLAN": Way(
        after(scoped, with_token(lambda carl: signed(carl, scope="orders:read"), "/orders")),
        denied("SCOPE_NOT_IN_PLAN"),
        "plan.changed",
        fact="needs orders:read; the plan",
    ),
    "SCOPE_MISSING": Way(
        after(ending.scope_needed, with_token(lambda carl: signed(carl, scope="orders:write"), "/orders")),
        denied("SCOPE_MISSING"),
        fact="needs orders:read; the token bears orders:write",
    ),
    "QUOTA_EXCEEDED": Way(
        after(terms(quota=2, quota_period="day"), until_refused), denied("QUOTA_EXCEEDED"), "quota.passed", fact="lets 2 calls pass"
    ),
    "TOKEN_EXPIRED": Way(
        with_token(lambda carl: signed(carl, iat=int(time.time()) - 900, exp=int(time.time()) - 300)),
        "Jwt_is_expired",
        fact="10 minutes",
        whose=False,
    ),
    "TOKEN_MISSING": Way(with_token(nothing), "Jwt_is_missing", whose=False),
    "TOKEN_INVALID": Way(with_token(unknown_signer), "Jwt_verification_fails", fact="signature", whose=False),
    "REQUEST_TOO_LARGE": Way(
        after(
            lambda carl: ending.ruled(carl, max_body_kib=1),
            lambda gateway, carl: gateway.call(carl.shop.path("/orders"), carl.earned[0], method="POST", body=b"x" * 2048),
        ),
        denied("REQUEST_TOO_LARGE"),
        "api.policies_changed",
        fact="1 KiB",
    ),
    "LENGTH_REQUIRED": Way(
        after(lambda carl: ending.ruled(carl, max_body_kib=1), chunked), denied("LENGTH_REQUIRED"), "api.policies_changed", fact="1 KiB"
    ),
    "BODY_TOO_LARGE": Way(after(lambda carl: ending.ruled(carl, max_body_kib=1), chunked_get), "request_payload_too_large"),
    "RATE_LIMITED": Way(after(terms(calls=1, seconds=600), until_refused), "local_rate_limited", "plan.changed", fact="1 call"),
    "API_LIMITED": Way(
        after(lambda carl: ending.ruled(carl, max_calls=1, max_calls_seconds=60), until_refused),
        "local_rate_limited",
        "api.policies_changed",
        fact="1 calls in 60 seconds",
    ),
    "TENANT_LIMITED": Way(limited_tenant, "local_rate_limited", "tenant.ceiling_changed"),
    "API_RETIRED": Way(after(ending.retired), "direct_response", "version.retired", whose=False),
    "API_BLOCKED": Way(
        after(lambda carl: versions.block(carl.version(), reason="A leak.", by=ending.pam(carl))), "cluster_not_found", "version.blocked"
    ),
    "BROWN_OUT": Way(after(ending.browned_out), "cluster_not_found", "brown_out.began", fact="It lasted"),
    "METHOD_NOT_ALLOWED": Way(
        with_token(lambda carl: carl.earned[0], method="DELETE"), "cluster_not_found", "revision.live", fact="GET", whose=False
    ),
    "NO_SUCH_ROUTE": Way(with_token(lambda carl: carl.earned[0], "/nowhere"), "direct_response", "revision.live", whose=False),
    "HOST_UNKNOWN": Way(with_token(lambda carl: carl.earned[0], host="evil.example"), "direct_response", whose=False),
    "UPGRADE_NOT_SUPPORTED": Way(with_token(lambda carl: carl.earned[0], headers=UPGRADE), "upgrade_failed", whose=False),
    "REQUEST_TIMEOUT": Way(stops, "stream_idle_timeout"),
    "UPSTREAM_TIMEOUT": Way(slow, "response_timeout", fact="300 ms"),
    "UPSTREAM_UNAVAILABLE": Way(down, "upstream_reset_before_response_started"),
}

# What no list can have, with why.
NOT_TOLD = {
    "ADDRESS_LIMITED": "it is refused before the gateway looks whose it is: tests/gateway/test_limits.py",
    "DRAINING": "load balancers are told so at an address of the gateway's own, which is no tenant's: tests/gateway/test_fleet.py",
    "NOT_READY": "the gateway does not know the tenant",
    "HEADERS_TOO_LARGE": "the gateway did not read as far as the path, so nobody knows which tenant was called",
    "REQUEST_INVALID": "the gateway refuses it before it gives it a request id",
    "OVERLOADED": "the gateway keeps nothing of a call that it has no memory for",
    "GATEWAY_ERROR": "what nobody has thought of: tests/gateway/test_refusals.py",
}


# What only APIs of AI models say, each at a real Envoy in tests/gateway/test_ai_calls.py and test_ai_texts.py.
OF_AI = {
    "BODY_NOT_JSON",
    "BUDGET_EXCEEDED",
    "GATEWAY_TOO_OLD",
    "MODEL_NOT_IN_PLAN",
    "MODEL_UNKNOWN",
    "PROVIDER_UNAVAILABLE",
    "TEXT_BLOCKED",
    "TOKENS_LIMITED",
    "TOO_MANY_TOKENS",
    "VARIABLE_INVALID",
}


def test_every_code_is_walked_and_has_a_rule() -> None:
    assert set(WAYS) | set(NOT_TOLD) | OF_AI == set(CODES)
    assert not set(WAYS) & (set(NOT_TOLD) | OF_AI)
    assert set(RULES) == set(CODES)


@pytest.fixture
def shop(gateway: Gateway, upstream: Upstream) -> Shop:
    return live.shop(upstream)


@pytest.fixture
def carl(gateway: Gateway, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Caller:
    monkeypatch.setattr(subscriptions, "UNDO", timedelta(minutes=10))
    found = caller(shop)
    gateway.settles(200, "", shop.path(), found.token())
    gateway.settles(200, "", shop.path(), found.api_key)
    return found


@pytest.mark.parametrize("code", WAYS)
def test_a_refused_call_is_explained(gateway: Gateway, shop: Shop, carl: Caller, rest: Rest, code: str) -> None:
    way = WAYS[code]
    answer = way.call(gateway, carl)
    assert answer.code == code, str(answer)
    request_id = answer.headers["x-request-id"]
    assert answer.json["instance"].endswith(f"/refused/{request_id}/")

    def told() -> Refusal | None:
        with shop.scope():
            return Refusal.objects.filter(request_id=request_id).first()

    row = live.eventually(told)
    assert row is not None
    # The gateway's answer, and what Envoy's access log says of it.
    assert (row.code, row.status, row.application_id) == (code, answer.status, carl.held.application_id if way.whose else None)
    assert way.words in row.details
    found = rest(carl.owner).get(reverse("refusal", args=[shop.slug, request_id]))
    assert found.status_code == 200, found.content
    explained = found.json()
    assert (explained["code"], explained["status"], explained["details"]) == (code, answer.status, row.details)
    assert explained["rule"] == RULES[code]
    assert explained["fix"]
    assert explained["meaning"] == answer.json["title"]
    assert (explained["decision"] or {}).get("kind", "") == way.kind
    assert way.fact in explained["fact"]
    if way.kind:
        with shop.scope():
            event = Event.objects.get(number=explained["decision"]["event"])
        assert event.at <= row.at + timedelta(seconds=1)
        assert explained["decision"]["by"] == event.actor_name


def test_what_was_decided_since_is_told_with_its_receipt(gateway: Gateway, shop: Shop, carl: Caller, rest: Rest) -> None:
    ada = ending.ada(carl)
    shop.enforced(shop.does(subscriptions.suspend, carl.held, reason="Too many calls.", by=ada))
    answer = plain(gateway, carl)
    shop.enforced(shop.does(subscriptions.resume, carl.held, by=ada))
    address = reverse("refusal", args=[shop.slug, answer.headers["x-request-id"]])
    live.eventually(lambda: rest(carl.owner).get(address).status_code == 200)
    explained = rest(carl.owner).get(address).json()
    assert (explained["decision"]["reason"], explained["since"]["kind"]) == ("Too many calls.", "subscription.resumed")
    assert explained["enforced"].startswith("Enforced on 1/1 gateways")
    assert plain(gateway, carl).status == 200


def test_of_nobodys_calls_as_many_are_kept_as_of_an_application(gateway: Gateway, shop: Shop, carl: Caller) -> None:
    """And a flood of them takes no place of an application's own."""
    shop.enforced(shop.does(subscriptions.suspend, carl.held, reason="x", by=ending.ada(carl)))
    mine = plain(gateway, carl).headers["x-request-id"]
    last = [gateway.call(shop.path()).headers["x-request-id"] for _ in range(230)][-1]

    def kept() -> list[str]:
        with shop.scope():
            return list(Refusal.objects.filter(application=None).values_list("request_id", flat=True))

    live.eventually(lambda: last in kept() and len(kept()) == 200)
    with shop.scope():
        assert Refusal.objects.filter(application=carl.held.application, request_id=mine).exists()
