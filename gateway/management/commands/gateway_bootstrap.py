import json
import ssl
from argparse import ArgumentParser
from typing import Any
from urllib.parse import urlsplit

import certifi
from django.conf import settings
from django.core.management.base import BaseCommand

from gateway.envoy.bootstrap import bootstrap
from gateway.nodes import issue_credential


class Command(BaseCommand):
    help = (
        "Print what an Envoy starts with to become a gateway. It holds a new credential of that gateway, and those before end; "
        "with --credential-file none is made, and the gateway reads the one that it joined with from there."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--node", default="gateway-1", help="the gateway's name")
        parser.add_argument("--address", default=own_address(), help="where control may call it; '' = not at all")
        parser.add_argument("--admin", default=str(settings.RUN / "envoy-admin.sock"), help="unix socket of Envoy's admin")
        parser.add_argument("--credential-file", default="", help="the file at the gateway that “python -m gateway.joining” wrote")
        parser.add_argument("--ca-file", default=settings.GATEWAY_CA_FILE or default_ca_file(), help="authorities for https upstreams")

    def handle(self, *_: Any, node: str, address: str, admin: str, credential_file: str, ca_file: str, **__: Any) -> None:
        whole = bootstrap(
            node=node,
            credential="" if credential_file else issue_credential(node, address=address),
            credential_file=credential_file,
            control=settings.CONTROL_ADDRESS,
            usage=settings.USAGE_ADDRESS,
            admin=admin,
            ca_file=ca_file,
            connections=settings.GATEWAY_CONNECTIONS,
            heap_mb=settings.GATEWAY_HEAP_MB,
            address=address,
        )
        self.stdout.write(json.dumps(whole, indent=2))


def own_address() -> str:
    """The gateway of this machine; a public name may lead to any gateway, or to what stands before them."""
    return settings.GATEWAY_URL if urlsplit(settings.GATEWAY_URL).hostname in {"127.0.0.1", "localhost", "::1"} else ""


def default_ca_file() -> str:
    """The system's own authorities where there are any, else those that certifi ships."""
    return ssl.get_default_verify_paths().cafile or certifi.where()
