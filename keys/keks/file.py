"""Key-encryption keys in files: 32 bytes as base64, readable by the process alone."""

import base64
import hashlib
import os
from pathlib import Path

from keys.envelope import KEY_BYTES, Unreadable, decrypt, encrypt
from keys.keks.named import InFiles
from tenants.secret_files import read_or_make


def keks(named: InFiles) -> list["FileKek"]:
    if named.ours:
        make_file(named.keys[0])
    return [FileKek(path) for path in named.keys]


def make_file(path: Path) -> None:
    """Make a key-encryption key, unless it is there already."""
    read_or_make(path, lambda: base64.b64encode(os.urandom(KEY_BYTES)).decode())


class FileKek:
    """Its id is a digest of the key, so that two files with the same key are the same."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key = _read(path)
        self.current_id = hashlib.sha256(b"kek|" + self._key).hexdigest()[:12]

    def opens(self, kek_id: str) -> bool:
        return kek_id == self.current_id

    def wrap(self, key: bytes, context: bytes, kek_id: str) -> bytes:  # noqa: ARG002  (the context binds it)
        return encrypt(self._key, key, context)

    def unwrap(self, wrapped: bytes, context: bytes, kek_id: str) -> bytes:  # noqa: ARG002
        return decrypt(self._key, wrapped, context)

    def __str__(self) -> str:
        return f"{self.current_id} ({self._path})"


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
