import json
import ssl
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import certifi
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from gateway.agent.sealing import write_whole
from gateway.envoy.bootstrap import bootstrap
from gateway.register import authenticate, issue_node_token


class Command(BaseCommand):
    help = (
        "Print what an Envoy starts with to become a gateway. It holds a new token of that gateway, and the one before ends; with --agent "
        "it holds none."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--node", default="gateway-1", help="the gateway's name")
        parser.add_argument("--address", default=own_address(), help="where control may call it; '' = not at all")
        parser.add_argument("--admin", default=str(settings.RUN / "envoy-admin.sock"), help="unix socket of Envoy's admin")
        parser.add_argument("--agent", default="", help="unix:/path of the agent beside this Envoy; then the bootstrap holds no token")
        parser.add_argument("--agent-credential-file", type=Path, help="where the agent's token goes; one there that is right stays")
        parser.add_argument("--ca-file", default=settings.GATEWAY_CA_FILE or default_ca_file(), help="authorities for https upstreams")

    def handle(
        self, *_: Any, node: str, address: str, admin: str, ca_file: str, agent: str, agent_credential_file: Path | None, **__: Any
    ) -> None:
        if agent_credential_file is not None and not agent:
            raise CommandError("--agent-credential-file is for an agent: name its socket with --agent.")
        if agent_credential_file is not None and not _is_token_of(node, agent_credential_file):
            write_whole(agent_credential_file, issue_node_token(node, address=address).encode())
        # Elsewhere usage asks for the token, too, which the agent has.
        usage = agent if agent and not settings.USAGE_ADDRESS.startswith("unix:") else settings.USAGE_ADDRESS
        whole = bootstrap(
            node=node,
            token="" if agent else issue_node_token(node, address=address),
            control=agent or settings.CONTROL_ADDRESS,
            usage=usage,
            admin=admin,
            ca_file=ca_file,
            connections=settings.GATEWAY_CONNECTIONS,
            heap_mb=settings.GATEWAY_HEAP_MB,
            address=address,
        )
        self.stdout.write(json.dumps(whole, indent=2))


def _is_token_of(node: str, file: Path) -> bool:
    """Another one would end it, and with it the snapshot that is sealed under it."""
    return file.exists() and authenticate(f"Bearer {file.read_text().strip()}", node) is not None


def own_address() -> str:
    """The gateway of this machine; a public name may lead to any gateway, or to what stands before them."""
    return settings.GATEWAY_URL if urlsplit(settings.GATEWAY_URL).hostname in {"127.0.0.1", "localhost", "::1"} else ""


def default_ca_file() -> str:
    """The system's own authorities where there are any, else those that certifi ships."""
    return ssl.get_default_verify_paths().cafile or certifi.where()
