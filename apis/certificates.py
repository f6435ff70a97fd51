"""Certificates in PEM (RFC 7468), as people paste them. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

MOST = 10
MOST_CHARACTERS = 40_000
_PRIVATE = re.compile(r"-----BEGIN (?:\w+ )*PRIVATE KEY-----.*?(?:-----END (?:\w+ )*PRIVATE KEY-----\s*|\Z)", re.DOTALL)


def _(sentence: str) -> str:
    """Marks a sentence for translation; whoever catches the refusal translates it, this module knows no framework."""
    return sentence


class CertificateRefused(ValueError):  # noqa: N818  (reads as the sentence it is)
    """`named` fills the placeholders of `sentence`."""

    def __init__(self, sentence: str, **named: object) -> None:
        super().__init__(sentence % named)
        self.sentence, self.named = sentence, named


@dataclass(frozen=True, slots=True)
class Certificate:
    """`name`: what it says of whom it is for; `until`: in UTC; `fingerprint`: the SHA-256 of its DER, in hexadecimal."""

    name: str
    until: datetime
    fingerprint: str


def authorities(text: str, *, now: datetime) -> str:
    """Each once, in the order given, without what stands around them.

    :raises CertificateRefused: what is none, no authority's, or not in force.
    """
    if holds_private_key(text):
        raise CertificateRefused(_("There is a private key among the certificates; it does not belong here."))
    found = in_force(text, now=now)
    for each in found:
        if not _is_authority(each):
            raise CertificateRefused(
                _("“%(name)s” is not an authority's certificate; paste the one that it is signed with."), name=name_of(each)
            )
    return written(found)


def shown(kept: str) -> tuple[Certificate, ...]:
    """Those of a text that was taken before."""
    found = parsed(kept) if kept else []
    return tuple(Certificate(name_of(each), each.not_valid_after_utc, each.fingerprint(SHA256()).hex()) for each in found)


def holds_private_key(text: str) -> bool:
    return "PRIVATE KEY" in text


def without_private_keys(text: str) -> str:
    """What of it may be shown again to whoever pasted one where it does not belong."""
    left = _PRIVATE.sub("", text)
    return "" if holds_private_key(left) else left


def in_force(text: str, *, now: datetime) -> list[x509.Certificate]:
    """Each once, in the order given; at least one.

    :raises CertificateRefused: what is none, not in force, or too much.
    """
    hold_to_length(text, MOST_CHARACTERS)
    found = list(dict.fromkeys(parsed(text)))
    if len(found) > MOST:
        raise CertificateRefused(_("These are %(count)s certificates; at most %(most)s may be."), count=len(found), most=MOST)
    for each in found:
        _hold_in_force(each, now)
    return found


def written(found: Iterable[x509.Certificate]) -> str:
    """:raises CertificateRefused: in lines of PEM's own length it may be longer than it was."""
    text = "".join(each.public_bytes(Encoding.PEM).decode() for each in found)
    hold_to_length(text, MOST_CHARACTERS)
    return text


def hold_to_length(text: str, most: int) -> None:
    if len(text) > most:
        raise CertificateRefused(_("This has more than %(most)s characters."), most=most)


def parsed(text: str) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(text.encode())
        # Extensions are read late, and may be what is broken.
        for each in found:
            each.extensions  # noqa: B018
    except (ValueError, x509.DuplicateExtension):
        said = _("This is not a certificate in PEM, which begins with -----BEGIN CERTIFICATE----- and ends with -----END CERTIFICATE-----.")
        raise CertificateRefused(said) from None
    return found


def _hold_in_force(each: x509.Certificate, now: datetime) -> None:
    if each.not_valid_after_utc <= now:
        said = _("“%(name)s” ended on %(day)s; paste one that is in force.")
        raise CertificateRefused(said, name=name_of(each), day=each.not_valid_after_utc.date().isoformat())
    if each.not_valid_before_utc > now:
        said = _("“%(name)s” is in force from %(day)s on, and not before.")
        raise CertificateRefused(said, name=name_of(each), day=each.not_valid_before_utc.date().isoformat())


def _is_authority(each: x509.Certificate) -> bool:
    """It says so, or has signed itself."""
    try:
        return each.extensions.get_extension_for_class(x509.BasicConstraints).value.ca or each.issuer == each.subject
    except x509.ExtensionNotFound:
        return each.issuer == each.subject


def name_of(each: x509.Certificate) -> str:
    for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        for attribute in each.subject.get_attributes_for_oid(oid):
            return str(attribute.value)[:80]
    return each.subject.rfc4514_string()[:80] or f"{each.serial_number:x}"[:80]
