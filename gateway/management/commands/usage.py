from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from gateway.serving import serve
from gateway.usage.process import Usage


class Command(BaseCommand):
    help = "Take the gateways' access logs (gRPC ALS)."
    requires_system_checks = []

    def handle(self, *_: Any, **__: Any) -> None:
        serve(lambda address, stopping: Usage().run(address, stopping), settings.USAGE_ADDRESS)
