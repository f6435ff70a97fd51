"""TLS between gateways and Portico's processes: certificates that are read anew when their files change, and whose they are.

Knows no framework: what stands beside an Envoy uses it, too.
"""

import ipaddress
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import serialization

log = logging.getLogger(__name__)

# Of what gRPC knows of a peer (https://grpc.github.io/grpc/core/group__grpc__auth.html).
_COMMON_NAME, _ALTERNATIVE_NAME = "x509_common_name", "x509_subject_alternative_name"


class WrongCertificate(Exception):  # noqa: N818  (reads as the sentence it is)
    """Files that are no certificate with its key; says which and why."""


@dataclass(slots=True)
class Certificate:
    """A server's certificate in files that somebody renews: `cert_file` with its chain, `key_file`, both PEM.

    :param client_ca_file: the authorities whose certificates callers have to show; "" for nobody's.
    :raises WrongCertificate: what is in the files now can't be used. Later the last that could be used goes on.
    """

    cert_file: str
    key_file: str
    client_ca_file: str = ""
    _seen: tuple[object, ...] = field(init=False)
    _current: grpc.ServerCertificateConfiguration = field(init=False)

    def __post_init__(self) -> None:
        self._seen = self._stamp()
        self._current = self._read()

    def credentials(self) -> grpc.ServerCredentials:
        """TLS 1.2 or later. Each new connection gets what the files hold by then."""
        # It may well say that nothing is new.
        renewed: Any = self.renewed
        return grpc.dynamic_ssl_server_credentials(self._current, renewed, require_client_authentication=bool(self.client_ca_file))

    def renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """The certificate if the files are others than before; None where nothing is new, or half of it."""
        stamp = self._stamp()
        if stamp == self._seen:
            return None
        try:
            self._current = self._read()
        except WrongCertificate as wrong:
            log.warning("%s The certificate from before goes on.", wrong)
            self._seen = stamp
            return None
        self._seen = stamp
        log.info("The certificate in %s was renewed.", self.cert_file)
        return self._current

    def _stamp(self) -> tuple[object, ...]:
        return tuple(_stamp_of(name) for name in (self.cert_file, self.key_file, self.client_ca_file) if name)

    def _read(self) -> grpc.ServerCertificateConfiguration:
        chain, key = _bytes(self.cert_file), _bytes(self.key_file)
        check_pair(chain, key, self.cert_file, self.key_file)
        authorities = None
        if self.client_ca_file:
            authorities = _bytes(self.client_ca_file)
            _certificates(authorities, self.client_ca_file)
        return grpc.ssl_server_certificate_configuration([(key, chain)], root_certificates=authorities)


def check_pair(chain: bytes, key: bytes, cert_file: str, key_file: str) -> None:
    """
    :raises WrongCertificate: the key is not the certificate's, or one of them is none.
    """
    first = _certificates(chain, cert_file)[0]
    try:
        private = serialization.load_pem_private_key(key, password=None)
    except (ValueError, TypeError) as error:
        raise WrongCertificate(f"{key_file} holds no private key that can be read ({error}).") from None
    if private.public_key() != first.public_key():
        raise WrongCertificate(f"The key in {key_file} is not the one of the certificate in {cert_file}.")


def channel(address: str, ca_file: str, cert_file: str = "", key_file: str = "", *, name: str = "") -> grpc.aio.Channel:
    """To a server whose certificate one of `ca_file`'s authorities signed; with `cert_file`, as whom that certificate names.

    The files are read now: a caller whose certificate is renewed makes another channel.

    :param name: the one in the server's certificate, where it is not the address's.
    :raises WrongCertificate: what is in the files can't be used.
    """
    authorities = _bytes(ca_file)
    _certificates(authorities, ca_file)
    chain, key = (_bytes(cert_file), _bytes(key_file)) if cert_file else (None, None)
    if chain is not None and key is not None:
        check_pair(chain, key, cert_file, key_file)
    credentials = grpc.ssl_channel_credentials(authorities, key, chain)
    options = [("grpc.ssl_target_name_override", name)] if name else []
    return grpc.aio.secure_channel(address, credentials, options=options)


def names_in(peer: Mapping[str, Iterable[bytes]]) -> frozenset[str] | None:
    """Those of the certificate that a caller showed, as gRPC tells of the peer; None where it showed none."""
    told = [*peer.get(_ALTERNATIVE_NAME, ()), *peer.get(_COMMON_NAME, ())]
    return frozenset(each.decode("utf-8", "replace") for each in told) if told else None


def refusal(peer: Mapping[str, Iterable[bytes]], name: str) -> str:
    """Why a caller that showed a certificate is not the gateway `name`; "" where it is, or showed none."""
    names = names_in(peer)
    if names is None or name in names:
        return ""
    # It travels in a header, where other quotation marks would be escaped.
    return f"The certificate is for {', '.join(sorted(names))[:200]}, and not for the gateway {name}."


def is_here(address: str) -> bool:
    """Whether nobody but this machine can reach it: a unix socket, or a loopback address."""
    if address.startswith("unix:"):
        return True
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _stamp_of(name: str) -> object:
    try:
        found = Path(name).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _bytes(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise WrongCertificate(f"{name} can't be read ({error.strerror}).") from None


def _certificates(pem: bytes, name: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise WrongCertificate(f"{name} holds no certificate that can be read ({error}).") from None
