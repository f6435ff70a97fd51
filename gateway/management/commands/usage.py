import asyncio
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from gateway.serving import serve
from gateway.shipping.process import Shipper
from gateway.usage.process import Usage


class Command(BaseCommand):
    help = "Take the gateways' access logs (gRPC ALS), count calls, and tell of them where APIs say so."
    requires_system_checks = []

    def handle(self, *_: Any, **__: Any) -> None:
        serve(_run, settings.USAGE_LISTEN)


async def _run(address: str, stopping: asyncio.Event) -> None:
    shipper = Shipper()
    shipper.start()
    try:
        await Usage(shipper.take).run(address, stopping)
    finally:
        await asyncio.to_thread(shipper.stop)
