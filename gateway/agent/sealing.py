"""How what lies on the disk is sealed: AES-256-GCM, bound to the gateway and to what it is (RFC 5116), under a key of its own.

That key lies beside it, wrapped under one that is derived from the gateway's credential (HKDF, RFC 5869). So who may only write
the disk can bring in nothing, who may only read it learns nothing, and a credential that changes costs one small file.
"""

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

FORMAT = 1
_NONCE, _SALT, _KEY = 12, 16, 32


class UnreadableError(Exception):
    """Something on the disk is not what this gateway wrote; says what and why."""


@dataclass(frozen=True, slots=True)
class Sealer:
    """Seals for one gateway. `about` names what is sealed: it opens as nothing else."""

    node: str
    key: bytes

    def seal(self, plain: bytes, *about: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(self.key).encrypt(nonce, plain, self._bound(about))

    def open(self, sealed: bytes, *about: bytes) -> bytes:
        """:raises UnreadableError: it was changed, or sealed by another, or as something else."""
        try:
            return AESGCM(self.key).decrypt(sealed[:_NONCE], sealed[_NONCE:], self._bound(about))
        except (InvalidTag, ValueError) as error:
            raise UnreadableError("was changed, or belongs elsewhere") from error

    def _bound(self, about: tuple[bytes, ...]) -> bytes:
        """Each part with its length before it, so that no two lists of parts are the same bytes."""
        return b"".join(len(part).to_bytes(4) + part for part in (b"portico snapshot", bytes([FORMAT]), self.node.encode(), *about))


def new_key() -> bytes:
    return os.urandom(_KEY)


def wrapped(key: bytes, *, node: str, credential: str) -> bytes:
    """The file that holds the key."""
    salt = os.urandom(_SALT)
    sealed = Sealer(node, _derived(credential, salt)).seal(key, b"key")
    found = {"format": FORMAT, "node": node, "salt": _text(salt), "key": _text(sealed)}
    return json.dumps(found).encode()


def unwrapped(content: bytes, *, node: str, credential: str) -> bytes:
    """:raises UnreadableError: it is another gateway's, of another format or under another credential, or was changed."""
    try:
        found = json.loads(content)
        form, owner = found["format"], found["node"]
        salt, sealed = base64.b64decode(found["salt"]), base64.b64decode(found["key"])
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableError("is torn, or of another kind") from error
    if form != FORMAT:
        raise UnreadableError(f"has the format {form!r}, and this agent knows {FORMAT}")
    if owner != node:
        raise UnreadableError(f"is that of the gateway {str(owner)[:80]!r}")
    try:
        return Sealer(node, _derived(credential, salt)).open(sealed, b"key")
    except UnreadableError as error:
        raise UnreadableError("was changed, or is sealed under another credential") from error


def _derived(credential: str, salt: bytes) -> bytes:
    return HKDF(SHA256(), _KEY, salt, b"portico snapshot").derive(credential.encode())


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def write_whole(path: Path, content: bytes) -> None:
    """All of it, on the disk, or nothing."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        write_all(descriptor, content)
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
    new.replace(path)
    sync_folder(path.parent)


def write_all(descriptor: int, content: bytes) -> None:
    """A disk that is nearly full takes a part of it."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
