"""Client secrets: `ptc_secret_<43 characters base62>_<crc32>`, 256 random bits, kept only as an HMAC.

A secret of this entropy needs no slow hash: the pepper keeps a stolen dump useless, and the token endpoint quick.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from collections.abc import Callable
from uuid import UUID

PREFIX = "ptc_secret_"
FEED_PREFIX = "ptc_feed_"
SERVICE_PREFIX = "ptc_svc_"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
BODY_CHARACTERS = 43
CHECK_CHARACTERS = 6
# 128 bits.
ID_CHARACTERS = 22
_CHARACTER = "[0-9A-Za-z]"
_SERVICE_KEY = re.compile(
    rf"{SERVICE_PREFIX}(({_CHARACTER}{{{ID_CHARACTERS}}})_{_CHARACTER}{{{BODY_CHARACTERS}}})_({_CHARACTER}{{{CHECK_CHARACTERS}}})"
)

Entropy = Callable[[int], bytes]


def base62(data: bytes, length: int) -> str:
    number, text = int.from_bytes(data), ""
    while number:
        number, digit = divmod(number, 62)
        text = ALPHABET[digit] + text
    return text.rjust(length, "0")


def new_secret(entropy: Entropy = secrets.token_bytes) -> str:
    body = base62(entropy(32), BODY_CHARACTERS)
    return f"{PREFIX}{body}_{_check(body)}"


def new_client_id(entropy: Entropy = secrets.token_bytes) -> str:
    return f"ptc_app_{base62(entropy(16), ID_CHARACTERS)}"


def new_feed_secret(entropy: Entropy = secrets.token_bytes) -> str:
    """What makes the address of a calendar feed private; known by its prefix, so that logs can leave it out."""
    return FEED_PREFIX + base62(entropy(32), BODY_CHARACTERS)


def new_service_key(tenant_id: UUID, entropy: Entropy = secrets.token_bytes) -> str:
    """What a service account sends to REST. It names its tenant, whose rows alone can tell whether it is known."""
    body = f"{base62(tenant_id.bytes, ID_CHARACTERS)}_{base62(entropy(32), BODY_CHARACTERS)}"
    return f"{SERVICE_PREFIX}{body}_{_check(body)}"


def tenant_of_service_key(key: str) -> UUID | None:
    """The tenant that a service key names; None if it is not one, or mistyped."""
    found = _SERVICE_KEY.fullmatch(key)
    if found is None or not hmac.compare_digest(_check(found[1]).encode(), found[3].encode()):
        return None
    number = 0
    for character in found[2]:
        number = number * 62 + ALPHABET.index(character)
    return UUID(int=number) if number < 1 << 128 else None


def well_formed(secret: str) -> bool:
    """Whether the checksum fits: a typing error is told apart from a wrong secret without asking the database."""
    body, _, check = secret.removeprefix(PREFIX).partition("_")
    return secret.startswith(PREFIX) and hmac.compare_digest(check.encode(), _check(body).encode())


def fingerprint(secret: str, pepper: str) -> str:
    """HMAC-SHA-256 (RFC 2104) in hex: what the database holds."""
    return hmac.new(pepper.encode(), secret.encode(), hashlib.sha256).hexdigest()


def pepper_id(pepper: str) -> str:
    return hashlib.sha256(b"pepper|" + pepper.encode()).hexdigest()[:12]


def _check(body: str) -> str:
    return base62(zlib.crc32(body.encode()).to_bytes(4), CHECK_CHARACTERS)
