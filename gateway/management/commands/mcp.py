from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from gateway.mcp.process import run
from gateway.serving import serve


class Command(BaseCommand):
    help = "Serve APIs as tools for agents (MCP), behind gateways."
    requires_system_checks = []

    def handle(self, *_: Any, **__: Any) -> None:
        serve(run, settings.MCP_LISTEN)
