"""Certificates for tests: an authority of a test's own, and what it signs."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import NameOID

Private: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
NOW, DAY = dt.datetime.now(dt.UTC), dt.timedelta(days=1)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem(key: Private) -> str:
    """In PKCS #8."""
    kept = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, kept, serialization.NoEncryption()).decode()


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both in PEM."""

    certificate: str
    key: str

    @property
    def fingerprint(self) -> str:
        return x509.load_pem_x509_certificate(self.certificate.encode()).fingerprint(hashes.SHA256()).hex()


@dataclass(frozen=True, slots=True)
class Authority:
    name: str = "Authority of a test"
    key: ec.EllipticCurvePrivateKey = field(default_factory=new_key, repr=False)

    @property
    def certificate(self) -> str:
        """By itself."""
        return self.issue(self.name, key=self.key, extensions=(x509.BasicConstraints(ca=True, path_length=None),)).certificate

    def issue(
        self,
        name: str,
        *,
        key: Private | None = None,
        since: dt.datetime = NOW - DAY,
        until: dt.datetime = NOW + 90 * DAY,
        extensions: Sequence[x509.ExtensionType] = (),
    ) -> Pair:
        key = key or new_key()
        by, of = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (self.name, name))
        built = x509.CertificateBuilder(by, of, key.public_key(), x509.random_serial_number(), since, until)
        for each in extensions:
            built = built.add_extension(each, critical=False)
        made = built.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
        return Pair(made, pem(key))
