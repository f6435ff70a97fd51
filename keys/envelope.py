"""Envelope encryption of secrets at rest: a fresh data key per secret, wrapped by a key-encryption key.

AES-256-GCM twice (NIST SP 800-38D), 96-bit random nonces. Both layers bind what the secret is for, so a ciphertext moved to
another row, tenant or purpose can't be opened.
"""

import base64
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tenants.secret_files import read_or_make

NONCE_BYTES = 12
KEY_BYTES = 32

Entropy = Callable[[int], bytes]


class Unreadable(ValueError):  # noqa: N818  (reads as the sentence it is)
    """The sealed bytes don't open: damaged, moved to another row, or sealed under another key-encryption key."""


class Kek(Protocol):
    """A key-encryption key, wherever it lives."""

    @property
    def current_id(self) -> str: ...
    def wrap(self, key: bytes, context: bytes) -> bytes: ...
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


def make_file(path: Path) -> None:
    """Make a key-encryption key, unless it is there already."""
    read_or_make(path, lambda: base64.b64encode(os.urandom(KEY_BYTES)).decode())


class FileKek:
    """A key-encryption key in a file: 32 bytes as base64, readable by the process alone."""

    def __init__(self, path: Path) -> None:
        self._key = _read(path)
        self.current_id = hashlib.sha256(b"kek|" + self._key).hexdigest()[:12]

    def wrap(self, key: bytes, context: bytes, entropy: Entropy = os.urandom) -> bytes:
        return _encrypt(self._key, key, context, entropy)

    def unwrap(self, wrapped: bytes, context: bytes, kek_id: str) -> bytes:
        if kek_id != self.current_id:
            raise Unreadable(f"This secret was sealed under the key-encryption key {kek_id}; the one at hand is {self.current_id}.")
        return _decrypt(self._key, wrapped, context)


def seal(plain: bytes, purpose: Purpose, kek: Kek, entropy: Entropy = os.urandom) -> str:
    """`v1.<kek id>.<wrapped data key>.<ciphertext>`, the last two base64url without padding."""
    kek_id = kek.current_id
    context = purpose.context(kek_id)
    key = entropy(KEY_BYTES)
    return ".".join(["v1", kek_id, _b64(kek.wrap(key, context)), _b64(_encrypt(key, plain, context, entropy))])


def unseal(sealed: str, purpose: Purpose, kek: Kek) -> bytes:
    """
    :raises Unreadable: whatever is wrong; nothing of the content is said.
    """
    try:
        version, kek_id, wrapped, text = sealed.split(".")
    except ValueError:
        raise Unreadable("This is not a sealed secret.") from None
    if version != "v1":
        raise Unreadable(f"This secret is sealed in an unknown way ({version[:8]}).")
    context = purpose.context(kek_id)
    return _decrypt(kek.unwrap(_unb64(wrapped), context, kek_id), _unb64(text), context)


def _encrypt(key: bytes, plain: bytes, context: bytes, entropy: Entropy) -> bytes:
    nonce = entropy(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, context)


def _decrypt(key: bytes, text: bytes, context: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(text[:NONCE_BYTES], text[NONCE_BYTES:], context)
    except (InvalidTag, ValueError):
        raise Unreadable("This secret was damaged or belongs to another row.") from None


def _read(path: Path) -> bytes:
    try:
        key = base64.b64decode(path.read_text().strip(), validate=True)
    except OSError as error:
        raise Unreadable(f"The key-encryption key {path} can't be read ({error}).") from error
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise Unreadable(f"{path} must hold 32 bytes as base64.")
    return key


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise Unreadable("This is not a sealed secret.") from None
