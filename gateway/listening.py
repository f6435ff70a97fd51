"""Where control and usage listen: with TLS as the settings say, and never in plain text for a network by oversight."""

import grpc
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from gateway import tls


def listen(server: grpc.aio.Server, address: str) -> None:
    """
    :raises ImproperlyConfigured: several addresses, files that can't be used, or plain text where others could read it.
    """
    if len(address.split()) != 1:
        raise ImproperlyConfigured(
            f"A process listens at one address, and these are “{address}”. Gateways may know several: name this process's own in "
            "PORTICO_CONTROL_LISTEN or PORTICO_USAGE_LISTEN."
        )
    credentials = _credentials()
    if credentials is not None:
        server.add_secure_port(address, credentials)
    elif tls.is_here(address) or settings.CONTROL_PLAINTEXT:
        server.add_insecure_port(address)
    else:
        raise ImproperlyConfigured(
            f"At {address} tokens, upstreams' secrets and access logs would pass in plain text. Set PORTICO_CONTROL_CERT_FILE and "
            "PORTICO_CONTROL_KEY_FILE, or PORTICO_CONTROL_PLAINTEXT=1 where nobody else is on that network."
        )


def _credentials() -> grpc.ServerCredentials | None:
    files = settings.CONTROL_CERT_FILE, settings.CONTROL_KEY_FILE, settings.CONTROL_CLIENT_CA_FILE
    if not any(files):
        return None
    if not all(files[:2]):
        raise ImproperlyConfigured("TLS for gateways needs both PORTICO_CONTROL_CERT_FILE and PORTICO_CONTROL_KEY_FILE.")
    try:
        return tls.Certificate(*files).credentials()
    except tls.WrongCertificate as wrong:
        raise ImproperlyConfigured(str(wrong)) from None
