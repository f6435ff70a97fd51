"""`python -m gateway.agent`: the helper beside one Envoy. Knows neither Django nor the database."""

import argparse
import asyncio
import ipaddress
import logging
import signal
import sys
from pathlib import Path

from gateway.agent.relay import Agent, Place, Tls

log = logging.getLogger("gateway.agent")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m gateway.agent", description="Relay control to one Envoy, and keep what it acknowledged."
    )
    parser.add_argument("--node", default="gateway-1", help="the gateway's name, as in Envoy's bootstrap")
    parser.add_argument("--listen", required=True, help="unix:/path for its Envoy")
    parser.add_argument("--control", required=True, help="unix:/path or host:port, several separated by spaces")
    parser.add_argument("--usage", default="", help="where access logs go on to, if Envoy sends them here; host:port")
    parser.add_argument("--credential-file", required=True, type=Path, help="the gateway's token; read anew for each connection")
    parser.add_argument("--snapshot", required=True, type=Path, help="the folder of the last-known-good snapshot")
    parser.add_argument("--max-stale-hours", type=_hours, default=24.0, help="without control for so long it serves nobody")
    parser.add_argument("--tls-ca", default="", help="the authorities of control's certificate; with it, control is spoken to over TLS")
    parser.add_argument("--tls-certificate", default="", help="the gateway's own certificate")
    parser.add_argument("--tls-key", default="", help="and its key")
    parser.add_argument("--tls-name", default="", help="the name in control's certificate, where it is not that of --control")
    given = parser.parse_args(arguments)
    if not given.listen.startswith("unix:"):
        # Whoever connects there is the gateway, and gets every tenant's secrets.
        parser.error("--listen is a socket of this machine, unix:/path")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    if not given.tls_ca and (others := [each for each in f"{given.control} {given.usage}".split() if not _is_here(each)]):
        log.warning(
            "Without --tls-ca this gateway's credential and tenants' secrets pass in plain text to %s: who is on that network reads them.",
            ", ".join(others),
        )
    place = Place(
        node=given.node,
        listen=given.listen,
        control=given.control,
        credential_file=given.credential_file,
        snapshot=given.snapshot,
        max_stale=given.max_stale_hours * 3600,
        usage=given.usage,
        tls=Tls(given.tls_ca, given.tls_certificate, given.tls_key, given.tls_name) if given.tls_ca else None,
    )
    try:
        agent = Agent(place)
    except OSError as error:
        print(f"The credential can't be read: {error}", file=sys.stderr)
        return 1
    asyncio.run(_serve(agent))
    return 0


def _is_here(address: str) -> bool:
    """Whether it is this very machine: a unix socket, or a loopback address."""
    if address.startswith("unix:"):
        return True
    host = address.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _hours(text: str) -> float:
    hours = float(text)
    if not 0 < hours <= 24 * 365:
        raise argparse.ArgumentTypeError("is more than 0 and at most a year")
    return hours


async def _serve(agent: Agent) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await agent.run(stopping)


if __name__ == "__main__":
    sys.exit(main())
