from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from gateway.control import Control
from gateway.serving import serve


class Command(BaseCommand):
    help = "Serve gateways their configuration (delta ADS)."
    requires_system_checks = []

    def handle(self, *_: Any, **__: Any) -> None:
        serve(lambda address, stopping: Control().run(address, stopping), settings.CONTROL_LISTEN)
