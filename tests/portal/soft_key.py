"""A security key in software (WebAuthn Level 2): what a browser would send of it, without a browser."""

import os
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import Aaguid, AttestationObject, AttestedCredentialData, AuthenticatorData, CollectedClientData

ORIGIN, RP = "http://localhost", "localhost"
Flag = AuthenticatorData.FLAG


@dataclass
class SoftKey:
    """`verifies`: it asks for a finger or a PIN before it answers, and says so."""

    verifies: bool = True
    id: bytes = field(default_factory=lambda: os.urandom(16))
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    handle: str = ""

    def register(self, options: dict[str, Any]) -> dict[str, Any]:
        """What answers the options of a page that adds a key."""
        wanted = options["publicKey"]
        self.handle = wanted["user"]["id"]
        known = AttestedCredentialData.create(Aaguid.NONE, self.id, ES256.from_cryptography_key(self.private.public_key()))
        data = AuthenticatorData.create(_digest(), self._flags | Flag.AT, 0, known)
        client = CollectedClientData.create(CollectedClientData.TYPE.CREATE, wanted["challenge"], ORIGIN)
        return self._answer(clientDataJSON=client, attestationObject=AttestationObject.create("none", data, {}))

    def sign(self, options: dict[str, Any]) -> dict[str, Any]:
        """What answers the challenge of a page that lets people in."""
        data = AuthenticatorData.create(_digest(), self._flags, 0)
        client = CollectedClientData.create(CollectedClientData.TYPE.GET, options["publicKey"]["challenge"], ORIGIN)
        signature = self.private.sign(data + client.hash, ec.ECDSA(SHA256()))
        return self._answer(clientDataJSON=client, authenticatorData=data, signature=signature) | {}

    @property
    def _flags(self) -> Any:
        return Flag.UP | Flag.UV if self.verifies else Flag.UP

    def _answer(self, **response: bytes) -> dict[str, Any]:
        told = {name: websafe_encode(value) for name, value in response.items()}
        own = websafe_encode(self.id)
        return {"id": own, "rawId": own, "type": "public-key", "response": {**told, "userHandle": self.handle}}


def _digest() -> bytes:
    return sha256(RP.encode()).digest()
