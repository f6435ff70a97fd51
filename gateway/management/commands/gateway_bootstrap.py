import json
import ssl
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import certifi
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from gateway import nodes
from gateway.agent.relay import credential_in
from gateway.agent.sealing import write_whole
from gateway.envoy.bootstrap import CLIENT_SECRET, CONTROL_CA_SECRET, Transport, WrongAddresses, bootstrap


class Command(BaseCommand):
    help = (
        "Print what an Envoy starts with to become a gateway. It holds a new credential of that gateway, and those before end; "
        "with --credential-file none is made, and the gateway reads the one that it joined with from there; with --agent it holds none."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--node", default="gateway-1", help="the gateway's name")
        parser.add_argument("--address", default=own_address(), help="where control may call it; '' = not at all")
        parser.add_argument("--admin", default=str(settings.RUN / "envoy-admin.sock"), help="unix socket of Envoy's admin")
        parser.add_argument("--credential-file", default="", help="the file at the gateway that “python -m gateway.joining” wrote")
        parser.add_argument("--agent", default="", help="unix:/path of the agent beside this Envoy; then the bootstrap holds no credential")
        parser.add_argument("--agent-credential-file", type=Path, help="where the agent's credential goes; one there that is right stays")
        parser.add_argument("--ca-file", default=settings.GATEWAY_CA_FILE or default_ca_file(), help="authorities for https upstreams")

        tls = parser.add_argument_group("TLS to control and usage; all files lie on the gateway's machine")
        tls.add_argument("--control-ca-file", default="", help="authorities of their certificates; with it TLS is used")
        tls.add_argument("--control-name", default="", help="the name in their certificates, where it is not the addresses'")
        tls.add_argument("--cert-file", default="", help="the gateway's own certificate, which names it")
        tls.add_argument("--key-file", default="", help="and its key")
        tls.add_argument("--sds-dir", default="", help="where --sds-file's output lies; then certificates are renewed without a restart")
        tls.add_argument("--sds-file", choices=[CLIENT_SECRET, CONTROL_CA_SECRET], help="print this file of --sds-dir, and no bootstrap")

    def handle(self, *_: Any, sds_file: str | None, agent: str, agent_credential_file: Path | None, **given: Any) -> None:
        transport = _transport(given)
        if sds_file:
            if transport is None or (sds_file == CLIENT_SECRET and not transport.cert_file):
                raise CommandError("Name the files that it leads to, with --control-ca-file, --cert-file and --key-file.")
            self.stdout.write(json.dumps(transport.sds_file(sds_file), indent=2))
            return
        if agent_credential_file is not None and not agent:
            raise CommandError("--agent-credential-file is for an agent: name its socket with --agent.")
        if agent and (transport is not None or given["credential_file"]):
            raise CommandError("Beside an agent this is the agent's: give it the credential and the certificates.")
        told = {name: given[name] for name in ("node", "address", "admin", "ca_file")} | {"transport": transport, "agent": agent}
        try:
            # Before a credential is issued: those from before would end for nothing.
            whole = self._bootstrap(credential_file=given["credential_file"], **told)
        except WrongAddresses as wrong:
            raise CommandError(str(wrong)) from None
        if agent_credential_file is not None and not _is_credential_of(given["node"], agent_credential_file):
            write_whole(agent_credential_file, nodes.issue_credential(given["node"], address=given["address"]).encode())
        if not agent and not given["credential_file"]:
            whole = self._bootstrap(credential=nodes.issue_credential(given["node"], address=given["address"]), **told)
        self.stdout.write(json.dumps(whole, indent=2))

    def _bootstrap(self, *, agent: str, **given: Any) -> dict[str, Any]:
        # Elsewhere usage asks for the credential, too, which the agent has.
        usage = agent if agent and not settings.USAGE_ADDRESS.startswith("unix:") else settings.USAGE_ADDRESS
        return bootstrap(
            control=agent or settings.CONTROL_ADDRESS,
            usage=usage,
            connections=settings.GATEWAY_CONNECTIONS,
            heap_mb=settings.GATEWAY_HEAP_MB,
            **given,
        )


def _transport(given: Mapping[str, str]) -> Transport | None:
    names = ("cert_file", "key_file", "sds_dir")
    if not given["control_ca_file"]:
        if any(given[name] for name in (*names, "control_name")):
            raise CommandError("TLS begins with --control-ca-file: without it nobody knows whom the gateway talks to.")
        return None
    if bool(given["cert_file"]) != bool(given["key_file"]):
        raise CommandError("A certificate and its key go together: name both --cert-file and --key-file.")
    return Transport(ca_file=given["control_ca_file"], name=given["control_name"], **{name: given[name] for name in names})


def _is_credential_of(node: str, file: Path) -> bool:
    """Another one would end it, and with it the snapshot that is sealed under it."""
    if not file.exists():
        return False
    try:
        return nodes.authenticate(credential_in(file.read_text()), node) is not None
    except OSError:
        return False


def own_address() -> str:
    """The gateway of this machine; a public name may lead to any gateway, or to what stands before them."""
    return settings.GATEWAY_URL if urlsplit(settings.GATEWAY_URL).hostname in {"127.0.0.1", "localhost", "::1"} else ""


def default_ca_file() -> str:
    """The system's own authorities where there are any, else those that certifi ships."""
    return ssl.get_default_verify_paths().cafile or certifi.where()
