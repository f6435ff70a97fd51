"""What bench.intake measures at the usage process, in a process of its own: Django reads the running stack's settings when it is loaded."""

import os
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import django
import grpc
import psutil
from envoy.service.accesslog.v3 import als_pb2, als_pb2_grpc

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()

# Models can be imported only once Django is set up.
from django.conf import settings  # noqa: E402
from django.db.models import Sum  # noqa: E402

from bench.entries import message, mixed, refused  # noqa: E402
from bench.stage import report, until  # noqa: E402
from gateway.models import UsageMinute  # noqa: E402
from gateway.usage.process import Usage  # noqa: E402
from tenants.models import Tenant  # noqa: E402
from tenants.scope import tenant_scope  # noqa: E402

CALLS, GOAL_US, FLOOD = 300_000, 50.0, 10_000


def take() -> int:
    calls = mixed()
    messages = [message(calls) for _ in range(40)]
    raw, many = [each.SerializeToString() for each in messages], sum(len(each.http_logs.log_entry) for each in messages)
    process, began = Usage(), time.process_time()
    for _ in range(10):
        for each in raw:
            process.take(als_pb2.StreamAccessLogsMessage.FromString(each), "bench")
    reading = (time.process_time() - began) / 10 / many * 1e6
    figures: dict[str, Any] = {"reading and counting, µs of a core a call": reading, **streamed(messages)}
    figures["goal, µs of a core a call"] = GOAL_US
    report("intake", figures)
    return int(figures["the process, µs of a core a call"] > GOAL_US or figures["calls"] != figures["counted"])


def streamed(messages: list[als_pb2.StreamAccessLogsMessage]) -> dict[str, Any]:
    acme = Tenant.objects.get(slug="acme").pk

    def counted() -> int:
        with tenant_scope(acme):
            return UsageMinute.objects.aggregate(calls=Sum("calls"))["calls"] or 0

    parent = psutil.Process(os.getppid())
    (usage,) = (each for each in parent.children(recursive=True) if each.cmdline()[-2:] == ["manage.py", "usage"])
    sent, before, at_first = 0, counted(), usage.cpu_times()

    def told() -> Iterator[als_pb2.StreamAccessLogsMessage]:
        nonlocal sent
        for each in cycle(messages):
            if sent >= CALLS:
                return
            # Of a tenant that there is not nothing is written.
            sent += sum(not entry.request.path.startswith("/nobody/") for entry in each.http_logs.log_entry)
            yield each

    began = time.monotonic()
    with grpc.insecure_channel(settings.USAGE_ADDRESS) as channel:
        als_pb2_grpc.AccessLogServiceStub(channel).StreamAccessLogs(told())
        taken = time.monotonic() - began
        until(lambda: counted() - before == sent, seconds=60)
    written, now = time.monotonic() - began, usage.cpu_times()
    spent = now.user + now.system - at_first.user - at_first.system
    return {
        "calls": sent,
        "counted": counted() - before,
        "calls a second, taken": sent / taken,
        "the last in the tables after, s": written - taken,
        "the process, µs of a core a call": spent / sent * 1e6,
        "memory of the process, MB": usage.memory_info().rss / 2**20,
    }


def flood() -> int:
    calls = refused()
    messages = [message(calls) for _ in range(10)]

    def told() -> Iterator[als_pb2.StreamAccessLogsMessage]:
        sent, began = 0, time.monotonic()
        for each in cycle(messages):
            yield each
            sent += len(each.http_logs.log_entry)
            time.sleep(max(0.0, began + sent / FLOOD - time.monotonic()))

    with grpc.insecure_channel(settings.USAGE_ADDRESS) as channel:
        als_pb2_grpc.AccessLogServiceStub(channel).StreamAccessLogs(told())
    return 0


if __name__ == "__main__":
    raise SystemExit(flood() if sys.argv[1:] == ["flood"] else take())
