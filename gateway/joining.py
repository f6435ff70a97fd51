"""How a machine becomes a gateway, seen from there: it changes its join token for a credential, and rolls that later.

    python -m gateway.joining https://portal.example --join-token-file token --credential-file /var/lib/envoy/credential.json
    python -m gateway.joining https://portal.example --credential-file /var/lib/envoy/credential.json

The file is what Envoy reads (gateway_bootstrap --credential-file), as SDS has it. No framework: Envoy's machine has none.
"""

import argparse
import ipaddress
import json
import os
import ssl
import sys
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SECONDS = 30.0
MOST_BYTES = 64 * 1024
# As gateway.envoy.names has it, which this machine need not have.
SECRET = "portico-node"  # nosec B105  (a name)
BEARER = "Bearer "


class NotJoined(Exception):  # noqa: N818  (reads as the sentence it is)
    """The portal said no, or said nothing.

    `answered` is the HTTP status, 0 where it was not reached; trying again helps from 500 on, and then.
    """

    def __init__(self, sentence: str, *, answered: int = 0) -> None:
        super().__init__(sentence)
        self.answered = answered


@dataclass(frozen=True, slots=True)
class Credential:
    """`gateway` is the name to say to control; `former_until` when the one before ends, "" where there was none."""

    gateway: str
    credential: str
    address: str = ""
    former_until: str = ""

    def __repr__(self) -> str:
        """Without what must stand in no log."""
        return f"Credential(gateway={self.gateway!r})"


def join(portal_url: str, join_token: str, *, context: ssl.SSLContext | None = None) -> Credential:
    """
    :param context: authorities other than the system's.
    :raises NotJoined: with the portal's words.
    """
    return _credential(_post(portal_url, "join", {"join_token": join_token}, context=context))


def roll(portal_url: str, credential: str, *, context: ssl.SSLContext | None = None) -> Credential:
    """Another credential. The one before goes on for a while, see `former_until`.

    Where the answer is lost, roll again by the same one.

    :raises NotJoined: with the portal's words.
    """
    return _credential(_post(portal_url, "roll", {}, bearer=credential, context=context))


def _credential(found: dict[str, Any]) -> Credential:
    try:
        return Credential(*(str(found.get(name, "") or "") for name in ("gateway", "credential", "address", "former_until")))
    except AttributeError:
        raise NotJoined("The portal's answer can't be understood.") from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A secret goes to the address that was named, and nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _post(portal_url: str, verb: str, body: dict[str, str], *, bearer: str = "", context: ssl.SSLContext | None) -> dict[str, Any]:
    if not _is_safe(portal_url):
        raise NotJoined(f"{portal_url} is no https address; secrets go nowhere else.")
    headers = {"Content-Type": "application/json", **({"Authorization": f"{BEARER}{bearer}"} if bearer else {})}
    address = f"{portal_url.rstrip('/')}/api/v1/gateways/{verb}/"
    request = urllib.request.Request(address, json.dumps(body).encode(), headers, method="POST")
    opener = urllib.request.build_opener(_NoRedirect(), urllib.request.HTTPSHandler(context=context), urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=SECONDS) as answer:
            found: dict[str, Any] = json.loads(answer.read(MOST_BYTES))
            return found
    except urllib.error.HTTPError as error:
        raise NotJoined(_said(error), answered=error.code) from None
    except (OSError, ValueError) as error:
        raise NotJoined(f"The portal was not reached, or not understood ({type(error).__name__}).") from None


def _is_safe(url: str) -> bool:
    """https, or this very machine."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    try:
        return parts.scheme == "http" and (parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname or "").is_loopback)
    except ValueError:
        return False


def _said(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read(MOST_BYTES))["detail"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"The portal answered {error.code}."


# The file that Envoy reads


def write(path: Path, credential: str) -> None:
    """For this user alone, and moved into its place whole: Envoy watches the folder for just that."""
    secret = {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        "name": SECRET,
        "generic_secret": {"secret": {"inline_string": f"{BEARER}{credential}"}},
    }
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
        json.dump({"resources": [secret]}, file)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)


def read(path: Path) -> str:
    """
    :raises NotJoined: it holds no credential.
    """
    try:
        held = json.loads(path.read_text())["resources"][0]["generic_secret"]["secret"]["inline_string"]
        return str(held).removeprefix(BEARER)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise NotJoined(f"{path} holds no credential ({type(error).__name__}).") from None


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m gateway.joining", description="Join Portico as a gateway, or roll its credential.")
    parser.add_argument("portal", help="the portal's address, https://…")
    parser.add_argument("--join-token-file", type=Path, help="a file with the join token; without it the credential is rolled")
    parser.add_argument("--credential-file", type=Path, required=True, help="where Envoy reads the credential")
    parser.add_argument("--ca-file", help="the authorities to trust, in place of the system's")
    given = parser.parse_args(argv)
    context = ssl.create_default_context(cafile=given.ca_file) if given.ca_file else None
    try:
        if given.join_token_file:
            got = join(given.portal, given.join_token_file.read_text().strip(), context=context)
        else:
            got = roll(given.portal, read(given.credential_file), context=context)
        write(given.credential_file, got.credential)
    except (NotJoined, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{got.gateway}: the credential stands in {given.credential_file}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
