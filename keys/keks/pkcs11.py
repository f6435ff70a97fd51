"""Key-encryption keys on a PKCS #11 token (an HSM), which they never leave.

PKCS #11 3.0, CKM_AES_GCM: 96-bit nonce before the text, 128-bit tag behind it, what the secret is for as additional data.
"""

import os
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import pkcs11

from keys.envelope import KEY_BYTES, NONCE_BYTES, Unavailable, Unreadable
from keys.keks.named import InToken

# What the library raises, and what comes of one that can't be loaded.
FAILED = (pkcs11.exceptions.PKCS11Error, RuntimeError)
WRONG_PIN = (pkcs11.exceptions.PinIncorrect, pkcs11.exceptions.PinInvalid, pkcs11.exceptions.PinLenRange, pkcs11.exceptions.PinLocked)


def keks(named: InToken) -> list["Pkcs11Kek"]:
    token = Token(named)
    return [Pkcs11Kek(label, token) for label in named.keys]


class Token:
    """One session, one user of it at a time. It ends when the token is started again; then another is opened."""

    def __init__(self, named: InToken) -> None:
        self.named = named
        self._lock = Lock()
        self._session: Any = None
        self._refused = ""

    def use(self, label: str, operation: str, text: bytes, nonce: bytes, context: bytes) -> bytes:
        """`encrypt` or `decrypt`, by the AES key with this label."""
        with self._lock:
            with suppress(*FAILED):
                return self._do(label, operation, text, nonce, context)
            self._leave()
            try:
                return self._do(label, operation, text, nonce, context)
            except FAILED as error:
                # Tokens have no one word for a wrong tag. Where one encrypts, it is the secret that doesn't open.
                if operation == "decrypt" and self._encrypts(label):
                    raise Unreadable("This secret was damaged or belongs to another row.") from None
                raise Unavailable(self._refused or f"The PKCS #11 token doesn't let us use {label} ({type(error).__name__}).") from None

    def _encrypts(self, label: str) -> bool:
        with suppress(*FAILED):
            self._leave()
            return bool(self._do(label, "encrypt", bytes(KEY_BYTES), os.urandom(NONCE_BYTES), b""))
        return False

    def _do(self, label: str, operation: str, text: bytes, nonce: bytes, context: bytes) -> bytes:
        if self._session is None:
            self._session = self._open()
        key = self._session.get_key(object_class=pkcs11.ObjectClass.SECRET_KEY, key_type=pkcs11.KeyType.AES, label=label)
        parameters = pkcs11.GCMParams(nonce=nonce, aad=context, tag_bits=128)
        done: bytes = getattr(key, operation)(text, mechanism=pkcs11.Mechanism.AES_GCM, mechanism_param=parameters)
        return done

    def _open(self) -> Any:
        if self._refused:
            raise pkcs11.exceptions.PinIncorrect
        token = pkcs11.lib(self.named.library).get_token(token_label=self.named.token)
        try:
            return token.open(user_pin=self.named.pin)
        except WRONG_PIN:
            # A token locks itself after some wrong tries, so ours stays the only one.
            self._refused = f"The PKCS #11 token {self.named.token} refused the PIN. It is not tried again until Portico is started again."
            raise
        except pkcs11.exceptions.UserAlreadyLoggedIn:
            return token.open()

    def _leave(self) -> None:
        if self._session is not None:
            with suppress(pkcs11.exceptions.PKCS11Error):
                self._session.close()
            self._session = None


@dataclass(frozen=True, slots=True)
class Pkcs11Kek:
    label: str
    token: Token = field(repr=False)

    @property
    def current_id(self) -> str:
        return f"pkcs11:{self.label}"

    def opens(self, kek_id: str) -> bool:
        return kek_id == self.current_id

    def wrap(self, key: bytes, context: bytes, kek_id: str) -> bytes:  # noqa: ARG002  (the context binds it)
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self.token.use(self.label, "encrypt", key, nonce, context)

    def unwrap(self, wrapped: bytes, context: bytes, kek_id: str) -> bytes:  # noqa: ARG002
        if len(wrapped) <= NONCE_BYTES:
            raise Unreadable("This is not a sealed secret.")
        return self.token.use(self.label, "decrypt", wrapped[NONCE_BYTES:], wrapped[:NONCE_BYTES], context)

    def __str__(self) -> str:
        return f"{self.current_id} (token {self.token.named.token})"
