"""A flood of refused calls: decisions are enforced as ever, and what is kept of it stays small."""

import time
from collections.abc import Iterator
from itertools import cycle
from statistics import median
from threading import Event, Thread

import grpc
from django.conf import settings
from django.db.models import Sum
from envoy.service.accesslog.v3 import als_pb2, als_pb2_grpc
from google.protobuf import wrappers_pb2

from apis.actions import subscriptions
from bench.entries import entries, message
from gateway.envoy.names import CALLED, CLAIMS, JWT
from gateway.models import KEPT, Refusal, UsageMinute
from tests import live
from tests.live import Client, Gateway, Upstream, eventually

# Of a second: what one gateway refuses at most on a machine of two cores.
FLOOD = 10_000


def flood_of(client: Client) -> als_pb2.StreamAccessLogsMessage:
    """What a gateway tells of this client's calls beyond its limit, in a message of its size."""
    (limited,) = (each for each in entries() if each.response.response_headers["x-portico-refusal"] == "RATE_LIMITED")
    common = limited.common_properties
    common.metadata.filter_metadata[JWT].fields[CLAIMS].struct_value.fields["sub"].string_value = client.client_id
    common.filter_state_objects[CALLED].Pack(wrappers_pb2.StringValue(value=client.shop.path()))
    found = message(cycle([limited]))
    found.identifier.node.id = "gateway-2"
    return found


def test_a_flood_of_refused_calls_delays_no_revocation(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    carl, loud = shop.client(), shop.client()
    shop.enforced_newest()
    gateway.settles(200, "", shop.path(), carl.token())

    def milliseconds() -> int:
        """From the decision to the gateway's receipt."""
        assert carl.subscription is not None
        receipt = shop.enforced(shop.does(subscriptions.suspend, carl.subscription, reason="A test.", by=shop.person("approver")))
        assert gateway.call(shop.path(), carl.token()).code == "SUBSCRIPTION_SUSPENDED"
        shop.enforced(shop.does(subscriptions.resume, carl.subscription, by=shop.person("approver")))
        return receipt.ms or 0

    before = median(milliseconds() for _ in range(3))
    told = flood_of(loud)
    each, ended, sent = len(told.http_logs.log_entry), Event(), 0

    def flood() -> Iterator[als_pb2.StreamAccessLogsMessage]:
        nonlocal sent
        began = time.monotonic()
        while not ended.is_set():
            yield told
            sent += each
            time.sleep(max(0.0, began + sent / FLOOD - time.monotonic()))

    def stream() -> None:
        with grpc.insecure_channel(settings.USAGE_ADDRESS) as channel:
            als_pb2_grpc.AccessLogServiceStub(channel).StreamAccessLogs(flood())

    thread = Thread(target=stream)
    thread.start()
    try:
        eventually(lambda: sent > FLOOD)
        # A machine that is busy with other things is slow both times.
        assert median(milliseconds() for _ in range(3)) < max(500, 5 * before)
    finally:
        ended.set()
        thread.join(20)

    def counted() -> bool:
        with shop.scope():
            many = UsageMinute.objects.filter(application=loud.application.pk, code="RATE_LIMITED").aggregate(many=Sum("calls"))["many"]
            return bool(many == sent)

    eventually(counted)
    with shop.scope():
        # A row per minute that it lasted.
        assert UsageMinute.objects.filter(application=loud.application.pk).count() <= 3
    eventually(lambda: kept(shop, loud) == KEPT)


def kept(shop: live.Shop, client: Client) -> int:
    with shop.scope():
        return Refusal.objects.filter(application=client.application).count()
