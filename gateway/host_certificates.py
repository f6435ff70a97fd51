"""What gateways prove themselves with under a tenant's own host: a certificate that names it, those that lead to its authority, the key.

Pure. What Envoy would refuse is refused here.
"""

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from apis import certificates
from apis.certificates import CertificateRefused
from apis.client_certificates import hold_to_algorithm, hold_to_signer, private

_ANY = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}


def _(sentence: str) -> str:
    """Marks a sentence for translation; whoever catches the refusal translates it, this module knows no framework."""
    return sentence


class KeyRefused(CertificateRefused):
    """It is about the private key."""


@dataclass(frozen=True, slots=True)
class Pair:
    """`chain` and `key` in PEM; `until`: the end of the first that ends."""

    chain: str
    key: str
    until: datetime


def pair(chain: str, key: str, *, host: str, now: datetime) -> Pair:
    """
    :raises CertificateRefused: what no caller, or no gateway, could take. :raises KeyRefused: where it is the key.
    """
    if certificates.holds_private_key(chain):
        raise CertificateRefused(_("There is a private key among the certificates; it has a field of its own."))
    found = certificates.in_force(chain, now=now)
    for each, signer in pairwise(found):
        hold_to_signer(each, signer)
    _hold_to_servers(found[0])
    _hold_to_host(found[0], host)
    hold_to_algorithm(found[0])
    written = certificates.written(found)
    try:
        kept = private(key, written)
    except CertificateRefused as refused:
        raise KeyRefused(refused.sentence, **refused.named) from None
    return Pair(written, kept, min(each.not_valid_after_utc for each in found))


def _hold_to_servers(own: x509.Certificate) -> None:
    """RFC 5280 §4.2.1.12, and no authority's, which browsers refuse as a server's."""
    try:
        uses = set(own.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        uses = set(_ANY)
    try:
        is_authority = own.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_authority = False
    if is_authority or not uses & _ANY:
        said = _("“%(name)s” is not for servers: it says of itself that it is for other uses.")
        raise CertificateRefused(said, name=certificates.name_of(own))


def _hold_to_host(own: x509.Certificate, host: str) -> None:
    """Among its alternative names, a star standing for one label (RFC 9525 §6.3); the common name counts for nothing there (§6.1)."""
    try:
        names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        names = []
    known = {name.lower() for name in names}
    if host not in known and f"*.{host.partition('.')[2]}" not in known:
        raise CertificateRefused(_("This certificate is not for %(host)s: that is none of its alternative names."), host=host)
