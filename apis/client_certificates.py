"""What gateways prove themselves with to an upstream in TLS: a certificate, those that lead from it to its authority, and its private key.

Pure. What Envoy would refuse is refused here: a gateway takes no cluster, of whatever tenant, while one still waits for its secret.
"""

import re
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from apis import certificates
from apis.certificates import CertificateRefused

# RSA of 4,096 bits has 3,300; to test whether a much larger one is made of primes takes long.
MOST_KEY_CHARACTERS = 4_000
# Envoy takes RSA from 2,048 bits on, these curves and Ed25519, and refuses the rest when it loads it (tests/gateway/test_connections.py
# has a call with each); a longer key costs each connection time.
LEAST_BITS, MOST_BITS = 2_048, 4_096
# More of them BoringSSL does not take.
MOST_EXPONENT_BITS = 33
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_KEY = re.compile(r"-----BEGIN (?:\w+ )*PRIVATE KEY-----")


def _(sentence: str) -> str:
    """Marks a sentence for translation; whoever catches the refusal translates it, this module knows no framework."""
    return sentence


def chain(text: str, *, now: datetime) -> str:
    """The gateway's own certificate, then each that has signed the one before (RFC 8446 §4.4.2), without what stands around them.

    :raises CertificateRefused: what no upstream, or no gateway, could take.
    """
    if certificates.holds_private_key(text):
        raise CertificateRefused(_("There is a private key among the certificates; it has a field of its own."))
    found = certificates.in_force(text, now=now)
    for each, signer in pairwise(found):
        hold_to_signer(each, signer)
    _hold_to_use(found[0])
    hold_to_algorithm(found[0])
    return certificates.written(found)


def private(text: str, of: str) -> str:
    """In PKCS #8 (RFC 5958), as PEM.

    :param of: what `chain` returned.
    :raises CertificateRefused: it is none that can be read, or another certificate's; nothing of it is said.
    """
    certificates.hold_to_length(text, MOST_KEY_CHARACTERS)
    if len(_KEY.findall(text)) > 1:
        raise CertificateRefused(_("These are several private keys; paste the one that belongs to the certificate."))
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except TypeError:
        said = _("The private key is encrypted. Paste it as “openssl pkey -in key.pem” writes it, without a passphrase.")
        raise CertificateRefused(said) from None
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateRefused(_("This is not a private key in PEM. Paste all of it, with its first and last line.")) from None
    own = certificates.parsed(of)[0]
    if key.public_key() != own.public_key():
        raise CertificateRefused(_("The private key is not the one of “%(name)s”."), name=certificates.name_of(own))
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def same_key(one: str, other: str) -> bool:
    """Whether the private key of one is the other's, too, as after a renewal. Either may be anything."""
    try:
        keys = [certificates.parsed(text)[0].public_key() for text in (one, other)]
    except (CertificateRefused, ValueError, UnsupportedAlgorithm):
        return False
    return keys[0] == keys[1]


def hold_to_signer(each: x509.Certificate, signer: x509.Certificate) -> None:
    try:
        each.verify_directly_issued_by(signer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        said = _("“%(signer)s” has not signed “%(name)s”. The gateway's own comes first, then each that has signed the one before it.")
        names = {"signer": certificates.name_of(signer), "name": certificates.name_of(each)}
        raise CertificateRefused(said, **names) from None


def _hold_to_use(own: x509.Certificate) -> None:
    """That it may sign what a client signs, where it says what it is for (RFC 5280 §4.2.1.3, §4.2.1.12): so an authority's, pasted by
    mistake, is refused.
    """
    try:
        signs = own.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    except x509.ExtensionNotFound:
        signs = True
    try:
        uses = set(own.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        uses = {ExtendedKeyUsageOID.CLIENT_AUTH}
    if not signs or not uses & {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}:
        said = _("“%(name)s” is not for clients: it says of itself that it is for other uses.")
        raise CertificateRefused(said, name=certificates.name_of(own))


def hold_to_algorithm(own: x509.Certificate) -> None:
    try:
        key = own.public_key()
        # The one spelling that every library reads: no other form of a point, no RSA for PSS alone.
        taken = _is_taken(key) and key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) in own.tbs_certificate_bytes
    except (ValueError, UnsupportedAlgorithm):
        taken = False
    if not taken:
        said = _("Gateways take keys of RSA with 2,048 to 4,096 bits, of P-256, P-384 and P-521, and Ed25519; “%(name)s” has another one.")
        raise CertificateRefused(said, name=certificates.name_of(own))


def _is_taken(key: CertificatePublicKeyTypes) -> bool:
    if isinstance(key, rsa.RSAPublicKey):
        return LEAST_BITS <= key.key_size <= MOST_BITS and key.public_numbers().e.bit_length() <= MOST_EXPONENT_BITS
    if isinstance(key, ec.EllipticCurvePublicKey):
        return isinstance(key.curve, _CURVES)
    return isinstance(key, ed25519.Ed25519PublicKey)
