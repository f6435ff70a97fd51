"""Calls told to a destination outside, through a real gateway and a usage process: what is there, what is masked, and what hangs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db.models import Sum
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2

from gateway import log_shipping
from gateway.logged import USUAL
from gateway.models import LogShippingState, UsageMinute
from tests import live
from tests.keys.hook_server import Received, Receiver, receiver, receiving
from tests.live import Gateway, Shop, Upstream, eventually, stays

__all__ = ["receiver"]

CANARY = "canary-7f3d-never-told"
SECRET = "Bearer destination-5b1c-secret"


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the usage process writes files, and the portal knows that it does."""
    found = settings.RUN / "calls"
    monkeypatch.setattr(settings, "LOG_SHIPPING_FOLDER", str(found))
    yield found


def ships(shop: Shop, *, api: str = "orders", enabled: bool = True, authorization: str | None = None, **rules: Any) -> None:
    """Switched on, enforced by the gateway, and known to the usage process."""
    pam = shop.person("publisher")
    with shop.scope():
        event = log_shipping.put(shop.apis[api], enabled=enabled, rules=rules, authorization=authorization, by=pam)
    if event is not None:
        shop.enforced(event)


def lines(got: list[Received]) -> list[dict[str, Any]]:
    return [json.loads(line) for each in got for line in each.body.splitlines()]


def standing(shop: Shop) -> LogShippingState:
    with shop.scope():
        return LogShippingState.objects.get()


def counted(shop: Shop) -> int:
    with shop.scope():
        return UsageMinute.objects.aggregate(calls=Sum("calls"))["calls"] or 0


def told(gateway: Gateway, shop: Shop, receiver: Receiver, token: str) -> None:
    """Until the usage process knows what was chosen, calls are told to nobody."""

    def check() -> bool:
        gateway.call(shop.path("/orders/first"), token)
        return bool(receiver.got)

    eventually(check)


def test_a_call_is_told_as_it_was_chosen_and_no_secret_is(gateway: Gateway, upstream: Upstream, receiver: Receiver) -> None:
    shop = live.shop(upstream)
    carl = shop.client(plan=shop.plan(name="gold"))
    upstream.headers = {"x-answer": "yes", "set-cookie": CANARY, "x-hidden": CANARY}
    ships(
        shop,
        url=receiver.url,
        authorization=SECRET,
        fields=[*USUAL, "query", "claims", "host"],
        request_headers=["x-customer", "x-shown", "user-agent"],
        response_headers=["x-answer", "x-hidden"],
        masked_headers=["x-customer", "x-hidden"],
        masked_paths=["$.query.email", "$.claims.sub"],
    )
    try:
        told(gateway, shop, receiver, carl.token())
        token = carl.token()
        headers = [
            ("x-customer", CANARY),
            ("x-shown", f"Bearer {CANARY}, visible"),
            ("cookie", CANARY),
            ("user-agent", "Tests/1"),
            ("x-never-named", CANARY),
        ]
        path = shop.path(f"/orders/7?email={CANARY}&access_token={CANARY}&api_key={CANARY}&page=2")
        answer = gateway.call(path, token, headers=headers)
        assert answer.status == 200
        refused = gateway.call(shop.path(f"/orders/8?access_token={CANARY}"), f"ey{CANARY}")

        def of(request_id: str) -> dict[str, Any]:
            (found,) = [each for each in lines(receiver.got) if each["request_id"] == request_id] or [{}]
            assert found
            return found

        record = eventually(lambda: of(answer.headers["x-request-id"]))
        assert (record["method"], record["path"], record["status"], record["code"]) == ("GET", f"/{shop.slug}/orders/v1/orders/7", 200, "")
        assert (record["operation"], record["plan"], record["application"]) == ("getOrder", "gold", carl.client_id)
        assert (record["address"], record["user_agent"]) == ("127.0.0.1", "Tests/1")
        assert record["subscription"] == str(carl.subscription and carl.subscription.pk)
        assert record["duration_ms"] >= record["upstream_ms"] > 0
        assert record["query"] == {"email": "(masked)", "access_token": "(masked)", "api_key": "(masked)", "page": "2"}
        assert record["request_headers"] == {"x-customer": "(masked)", "x-shown": "(masked), visible", "user-agent": "Tests/1"}
        assert record["response_headers"] == {"x-answer": "yes", "x-hidden": "(masked)"}
        assert (record["claims"]["sub"], record["claims"]["cid"]) == ("(masked)", str(carl.credential.pk))
        of_nobody = eventually(lambda: of(refused.headers["x-request-id"]))
        assert (of_nobody["status"], of_nobody["code"], of_nobody["application"]) == (401, "TOKEN_INVALID", "")
        everything = b"".join(each.body for each in receiver.got)
        assert CANARY.encode() not in everything
        assert token.encode() not in everything
        assert {each.headers["authorization"] for each in receiver.got} == {SECRET}
        assert {each.headers["content-type"] for each in receiver.got} == {"application/x-ndjson"}

        def state() -> bool:
            found = standing(shop)
            assert (found.sent, found.dropped, found.trouble) == (len(lines(receiver.got)), 0, "")
            return found.sent_at is not None

        eventually(state)
    finally:
        upstream.headers = {}
