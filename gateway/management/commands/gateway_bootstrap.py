import json
import ssl
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import certifi
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from gateway.envoy.bootstrap import CLIENT_SECRET, CONTROL_CA_SECRET, Transport, WrongAddresses, bootstrap
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

        tls = parser.add_argument_group("TLS to control and usage; all files lie on the gateway's machine")
        tls.add_argument("--control-ca-file", default="", help="authorities of their certificates; with it TLS is used")
        tls.add_argument("--control-name", default="", help="the name in their certificates, where it is not the addresses'")
        tls.add_argument("--cert-file", default="", help="the gateway's own certificate, which names it")
        tls.add_argument("--key-file", default="", help="and its key")
        tls.add_argument("--sds-dir", default="", help="where --sds-file's output lies; then certificates are renewed without a restart")
        tls.add_argument("--sds-file", choices=[CLIENT_SECRET, CONTROL_CA_SECRET], help="print this file of --sds-dir, and no bootstrap")

    def handle(
        self, *_: Any, node: str, address: str, admin: str, credential_file: str, ca_file: str, sds_file: str | None, **given: Any
    ) -> None:
        transport = _transport(given)
        if sds_file:
            if transport is None or (sds_file == CLIENT_SECRET and not transport.cert_file):
                raise CommandError("Name the files that it leads to, with --control-ca-file, --cert-file and --key-file.")
            self.stdout.write(json.dumps(transport.sds_file(sds_file), indent=2))
            return
        told = {"node": node, "address": address, "admin": admin, "ca_file": ca_file, "transport": transport}
        try:
            # Before a credential is issued: those from before would end for nothing.
            whole = self._bootstrap(credential_file=credential_file, **told)
        except WrongAddresses as wrong:
            raise CommandError(str(wrong)) from None
        if not credential_file:
            whole = self._bootstrap(credential=issue_credential(node, address=address), **told)
        self.stdout.write(json.dumps(whole, indent=2))

    def _bootstrap(self, **given: Any) -> dict[str, Any]:
        return bootstrap(
            control=settings.CONTROL_ADDRESS,
            usage=settings.USAGE_ADDRESS,
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


def own_address() -> str:
    """The gateway of this machine; a public name may lead to any gateway, or to what stands before them."""
    return settings.GATEWAY_URL if urlsplit(settings.GATEWAY_URL).hostname in {"127.0.0.1", "localhost", "::1"} else ""


def default_ca_file() -> str:
    """The system's own authorities where there are any, else those that certifi ships."""
    return ssl.get_default_verify_paths().cafile or certifi.where()
