"""Envelope encryption of secrets at rest: a fresh data key per secret, wrapped by a key-encryption key.

AES-256-GCM twice (NIST SP 800-38D), 96-bit random nonces. Both layers bind what the secret is for, so a ciphertext moved to
another row, tenant or purpose can't be opened.
"""

import base64
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12
KEY_BYTES = 32

Entropy = Callable[[int], bytes]


class Unreadable(ValueError):  # noqa: N818  (reads as the sentence it is)
    """The sealed bytes don't open: damaged, moved to another row, or sealed under another key-encryption key."""


class Unavailable(RuntimeError):  # noqa: N818
    """The key-encryption key can't be asked just now: its keeper is away, or refuses us. Nothing is known of the secret."""


class Kek(Protocol):
    """A key-encryption key, wherever it lives; `str()` tells operators which it is. An id has no dots.

    `context` is authenticated with the data key that is wrapped. Whoever unwraps keeps the data key for one use.

    :raises Unreadable: where the wrapped key doesn't open.
    :raises Unavailable: where it can't be tried.
    """

    @property
    def current_id(self) -> str: ...
    def opens(self, kek_id: str) -> bool: ...
    def wrap(self, key: bytes, context: bytes, kek_id: str) -> bytes: ...
    def unwrap(self, wrapped: bytes, context: bytes, kek_id: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a secret is for: bound into the ciphertext as associated data."""

    tenant_id: UUID
    row_id: UUID
    name: str
    alg: str

    def context(self, kek_id: str) -> bytes:
        return f"v1|{self.tenant_id}|{self.row_id}|{self.name}|{self.alg}|{kek_id}".encode()


def seal(plain: bytes, purpose: Purpose, kek: Kek, entropy: Entropy = os.urandom) -> str:
    """`v1.<kek id>.<wrapped data key>.<ciphertext>`, the last two base64url without padding."""
    kek_id = kek.current_id
    context = purpose.context(kek_id)
    key = entropy(KEY_BYTES)
    return ".".join(["v1", kek_id, _b64(kek.wrap(key, context, kek_id)), _b64(encrypt(key, plain, context, entropy))])


def unseal(sealed: str, purpose: Purpose, kek: Kek) -> bytes:
    """
    :raises Unreadable: whatever is wrong; nothing of the content is said.
    :raises Unavailable: where the key-encryption key can't be asked.
    """
    try:
        version, kek_id, wrapped, text = sealed.split(".")
    except ValueError:
        raise Unreadable("This is not a sealed secret.") from None
    if version != "v1":
        raise Unreadable(f"This secret is sealed in an unknown way ({version[:8]}).")
    if not kek.opens(kek_id):
        raise Unreadable(
            f"This secret was sealed under the key-encryption key {kek_id[:200]}, and no other opens it. At hand: {kek}. "
            "Name the one that is needed in the settings (docs/operations.md, “The key-encryption key”)."
        )
    context = purpose.context(kek_id)
    return decrypt(kek.unwrap(_unb64(wrapped), context, kek_id), _unb64(text), context)


def encrypt(key: bytes, plain: bytes, context: bytes, entropy: Entropy = os.urandom) -> bytes:
    """AES-256-GCM; the nonce stands first."""
    nonce = entropy(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, context)


def decrypt(key: bytes, text: bytes, context: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(text[:NONCE_BYTES], text[NONCE_BYTES:], context)
    except (InvalidTag, ValueError):
        raise Unreadable("This secret was damaged or belongs to another row.") from None


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise Unreadable("This is not a sealed secret.") from None
