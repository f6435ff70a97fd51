"""Calls told to a destination outside, through a real gateway and a usage process: what is there, what is masked, and what hangs."""

import json
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
def folder(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the usage process writes files, and the portal knows that it does."""
    found = settings.RUN / "calls"
    monkeypatch.setattr(settings, "LOG_SHIPPING_FOLDER", str(found))
    return found


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


def test_a_share_of_all_calls_is_told_the_same_wherever_it_is_asked(gateway: Gateway, upstream: Upstream, receiver: Receiver) -> None:
    shop = live.shop(upstream)
    carl = shop.client()
    ships(shop, url=receiver.url)
    told(gateway, shop, receiver, carl.token())
    ships(shop, url=receiver.url, percent=0)
    calls(gateway, shop, carl.token())
    eventually(lambda: stays_silent(receiver))
    ships(shop, url=receiver.url, percent=100, form="array")

    def all_of_them() -> bool:
        receiver.got.clear()
        wanted = calls(gateway, shop, carl.token())
        eventually(lambda: len(arrays(receiver.got)) >= len(wanted), within=3)
        assert {each["request_id"] for each in arrays(receiver.got)} == wanted
        return True

    eventually(all_of_them)
    assert {each.headers["content-type"] for each in receiver.got} == {"application/json"}


def calls(gateway: Gateway, shop: Shop, token: str, many: int = 20) -> set[str]:
    return {gateway.call(shop.path(), token).headers["x-request-id"] for _ in range(many)}


def arrays(got: list[Received]) -> list[dict[str, Any]]:
    return [each for one in got for each in json.loads(one.body)]


def stays_silent(receiver: Receiver) -> bool:
    """Though it is called, for longer than a batch waits."""
    receiver.got.clear()
    stays(lambda: not receiver.got, seconds=2)
    return True


def test_a_destination_that_hangs_holds_up_neither_counting_nor_another_tenants(
    gateway: Gateway, upstream: Upstream, receiver: Receiver
) -> None:
    with receiving(slow=60) as hanging:
        slow, quick = live.shop(upstream), live.shop(upstream)
        slows, quicks = slow.client(), quick.client()
        ships(slow, url=hanging.url)
        ships(quick, url=receiver.url)
        told(gateway, slow, hanging, slows.token())
        told(gateway, quick, receiver, quicks.token())
        before = eventually(lambda: counted(slow))
        gateway_calls = 300
        for _ in range(gateway_calls):
            assert gateway.call(slow.path(), slows.token()).status == 200
        wanted = calls(gateway, quick, quicks.token())
        eventually(lambda: wanted <= {each["request_id"] for each in lines(receiver.got)}, within=5)
        assert {each["path"].split("/")[1] for each in lines(receiver.got)} == {quick.slug}
        # What was told before may have been counted meanwhile.
        eventually(lambda: counted(slow) >= before + gateway_calls, within=5)
        stays(lambda: counted(slow) <= before + gateway_calls + 20, seconds=1)

        def says_so() -> bool:
            found = standing(slow)
            assert found.trouble == "slow", found
            assert found.failing_since is not None
            return True

        eventually(says_so)


def test_files_are_written_for_the_usage_process_alone(gateway: Gateway, upstream: Upstream, folder: Path) -> None:
    shop = live.shop(upstream)
    carl = shop.client()
    gateway.settles(200, "", shop.path(), carl.token())
    ships(shop, destination="file", fields=["time", "request_id", "path", "status"])
    file = folder / shop.slug / "orders.jsonl"

    def there() -> bool:
        gateway.call(shop.path(), carl.token())
        return file.exists() and file.stat().st_size > 0

    eventually(there)
    (first, *_) = [json.loads(line) for line in file.read_text().splitlines()]
    assert list(first) == ["time", "request_id", "path", "status"]
    assert (first["path"], first["status"]) == (shop.path(), 200)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_otlp_is_what_collectors_read(gateway: Gateway, upstream: Upstream, receiver: Receiver) -> None:
    shop = live.shop(upstream)
    carl = shop.client()
    ships(shop, destination="otlp", url=receiver.url, request_headers=["x-customer"], authorization=SECRET)
    told(gateway, shop, receiver, carl.token())
    answer = gateway.call(shop.path(), "nonsense", headers=[("x-customer", "Anna")])

    def there() -> Any:
        for each in receiver.got:
            for resource in logs_service_pb2.ExportLogsServiceRequest.FromString(each.body).resource_logs:
                for record in resource.scope_logs[0].log_records:
                    found = {attribute.key: attribute.value for attribute in record.attributes}
                    if found["request_id"].string_value == answer.headers["x-request-id"]:
                        return resource, record, found
        return None

    resource, record, found = eventually(there)
    of = {attribute.key: attribute.value.string_value for attribute in resource.resource.attributes}
    assert of == {"service.name": "portico-gateway", "portico.tenant": shop.slug, "portico.api": "orders"}
    assert (record.severity_text, record.body.string_value) == ("WARN", f"GET {shop.path()} 401 TOKEN_INVALID")
    assert (found["status"].int_value, found["code"].string_value) == (401, "TOKEN_INVALID")
    (header,) = found["request_headers"].kvlist_value.values
    assert (header.key, header.value.string_value) == ("x-customer", "Anna")
    assert abs(record.time_unix_nano - record.observed_time_unix_nano) < 30_000_000_000
    assert receiver.got[-1].headers["content-type"] == "application/x-protobuf"


def test_a_test_tells_what_came_back_and_shows_no_secret(gateway: Gateway, upstream: Upstream, receiver: Receiver) -> None:
    shop = live.shop(upstream)
    receiver.statuses, receiver.answer = [403], f"no such key: {SECRET}".encode()
    ships(shop, enabled=False, url=receiver.url, authorization=SECRET)
    shop.does(log_shipping.ask_test, shop.apis["orders"])
    eventually(lambda: standing(shop).tested_at)
    found = standing(shop)
    assert (found.test_trouble, found.test_answered) == ("status", 403)
    assert found.test_answer == "no such key: (hidden)"
    (record,) = lines(receiver.got)
    assert (record["test"], record["api"]) == (True, "orders")
    shop.does(log_shipping.ask_test, shop.apis["orders"])
    eventually(lambda: not standing(shop).test_trouble)
    assert (standing(shop).test_asked_at, standing(shop).sent) == (None, 0)


def test_what_is_switched_off_is_told_to_nobody(gateway: Gateway, upstream: Upstream, receiver: Receiver) -> None:
    shop = live.shop(upstream)
    carl = shop.client()
    ships(shop, url=receiver.url)
    told(gateway, shop, receiver, carl.token())
    ships(shop, url=receiver.url, enabled=False)

    def silent() -> bool:
        gateway.call(shop.path(), carl.token())
        return stays_silent(receiver)

    eventually(silent)
    removed = shop.does(log_shipping.remove, shop.apis["orders"], by=shop.person("publisher"))
    assert removed is not None
    shop.enforced(removed)
    # A step of the chain that nobody needs is gone, and calls go on.
    assert gateway.call(shop.path(), carl.token()).status == 200
