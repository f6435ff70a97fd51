"""Key-encryption keys in Vault's transit engine, which they never leave.

Vault's API documentation, “Transit secrets engine (API)”: Read Key, Encrypt Data, Decrypt Data; `associated_data` since Vault 1.13.
"""

import base64
import re
import ssl
from dataclasses import dataclass
from typing import Any

import httpx

from keys.envelope import Unavailable, Unreadable
from keys.keks.named import InVault

# Somebody may wait for it under a tenant's lock.
TIMEOUT = httpx.Timeout(5, connect=2)
# Those that authenticate `associated_data`.
TYPES = {"aes128-gcm96", "aes256-gcm96", "chacha20-poly1305"}


def keks(named: InVault) -> list["VaultKek"]:
    context = ssl.create_default_context()
    return [VaultKek(name, named, context) for name in named.keys]


@dataclass(frozen=True, slots=True)
class VaultKek:
    """One key with all its versions: `vault:<name>:v<version>` wraps with the newest, and each is another id."""

    name: str
    named: InVault
    tls: ssl.SSLContext

    @property
    def current_id(self) -> str:
        key = self._ask("GET", "keys")
        version = key.get("latest_version")
        if key.get("type") not in TYPES or key.get("derived") or not isinstance(version, int):
            raise Unavailable(f"Vault's key {self.name} is none of {', '.join(sorted(TYPES))} without derivation.")
        return f"vault:{self.name}:v{version}"

    def opens(self, kek_id: str) -> bool:
        return re.fullmatch(rf"vault:{self.name}:v[1-9][0-9]{{0,8}}", kek_id) is not None

    def wrap(self, key: bytes, context: bytes, kek_id: str) -> bytes:
        body = {"plaintext": _b64(key), "associated_data": _b64(context), "key_version": int(kek_id.rpartition(":v")[2])}
        return _text(self._ask("POST", "encrypt", body), "ciphertext").encode()

    def unwrap(self, wrapped: bytes, context: bytes, kek_id: str) -> bytes:  # noqa: ARG002  (the ciphertext names its version)
        body = {"ciphertext": wrapped.decode(errors="replace"), "associated_data": _b64(context)}
        key = _text(self._ask("POST", "decrypt", body), "plaintext")
        try:
            return base64.b64decode(key, validate=True)
        except ValueError:
            raise Unavailable("Vault answered with something else than a key.") from None

    def __str__(self) -> str:
        return f"vault:{self.name} ({self.named.url})"

    def _ask(self, method: str, what: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Vault's `data`. No error repeats what was sent or answered: both hold keys."""
        try:
            # No proxy from the environment, and no redirect: the token goes to the address that was named and nowhere else.
            answer = httpx.request(
                method,
                f"{self.named.url.rstrip('/')}/v1/{self.named.mount}/{what}/{self.name}",
                json=body,
                headers={"X-Vault-Token": self._token(), "X-Vault-Request": "true"},
                timeout=TIMEOUT,
                verify=self.tls,
                trust_env=False,
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(f"Vault can't be reached at {self.named.url} ({type(error).__name__}).") from None
        if answer.status_code == 400 and what == "decrypt":
            raise Unreadable("This secret was damaged, belongs to another row, or Vault opens its version of the key no more.")
        if answer.status_code != 200:
            raise Unavailable(f"Vault doesn't let us use its key {self.name} (HTTP {answer.status_code} to {what}).")
        try:
            data = answer.json()["data"]
        except (ValueError, KeyError, TypeError):
            data = None
        if not isinstance(data, dict):
            raise Unavailable("Vault answered with something else than its API documents.")
        return data

    def _token(self) -> str:
        """Read anew each time where it is in a file: Vault Agent renews it there."""
        if self.named.token_file is None:
            return self.named.token
        try:
            return self.named.token_file.read_text().strip()
        except (OSError, ValueError):
            raise Unavailable(f"Vault's token can't be read from {self.named.token_file}.") from None


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise Unavailable(f"Vault answered without {name}.")
    return value


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
