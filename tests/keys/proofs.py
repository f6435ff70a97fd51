"""How applications prove themselves in tests: pairs of their own, and identity providers that they trust."""

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from django.conf import settings
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from keys.jwks import read_public
from keys.models import Application, Credential
from keys.oauth.assertions import BEARER
from tenants.models import Tenant, User
from tenants.scope import tenant_scope
from tests import make

ISSUER = f"{settings.PORTAL_URL}/t/acme"
TOKEN_ENDPOINT = f"{ISSUER}/oauth/token"
# One private key for each algorithm that a client may use, made once: RSA takes its time.
RSA = RSAKey.generate_key(2048, private=True)
PRIVATE: dict[str, Any] = {
    "ES256": ECKey.generate_key("P-256", private=True),
    "ES384": ECKey.generate_key("P-384", private=True),
    "EdDSA": OKPKey.generate_key("Ed25519", private=True),
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), RSA),
}
STRANGER = ECKey.generate_key("P-256", private=True)


def public(alg: str = "ES256", **more: str) -> dict[str, Any]:
    """The JWKS that its holder publishes."""
    return read_public(json.dumps({**PRIVATE[alg].as_dict(private=False), "alg": alg, **more}))


def kid(alg: str = "ES256") -> str:
    found: str = public(alg)["keys"][0]["kid"]
    return found


def signed(claims: Mapping[str, Any], *, alg: str = "ES256", key: Any = None, **header: Any) -> str:
    """A JWT; None leaves a claim or a member of the header out."""
    head = {"alg": alg, "kid": kid(alg), **header}
    told = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode({name: value for name, value in head.items() if value is not None}, told, key or PRIVATE[alg], algorithms=[alg])


class Prover:
    """Carl's application, with a pair of its own or a trusted issuer."""

    def __init__(self, acme: Tenant, carl: User) -> None:
        self.acme = acme
        with tenant_scope(acme.pk):
            self.application: Application = make.application(carl)
        self.id = self.application.client_id

    def with_pair(self, alg: str = "ES256", **more: Any) -> Credential:
        with tenant_scope(self.acme.pk):
            return make.key_pair(self.application, jwks=public(alg), **more)

    def with_issuer(self, **more: Any) -> Credential:
        with tenant_scope(self.acme.pk):
            return make.issuer(self.application, **{"jwks": public(), **more})

    def own(self, *, alg: str = "ES256", key: Any = None, header: Mapping[str, Any] = {}, **claims: Any) -> str:
        """What private_key_jwt sends."""
        now = int(time.time())
        told = {"iss": self.id, "sub": self.id, "aud": ISSUER, "iat": now, "exp": now + 50, "jti": uuid4().hex, **claims}
        return signed(told, alg=alg, key=key, **header)

    def issued(self, *, alg: str = "ES256", key: Any = None, header: Mapping[str, Any] = {}, **claims: Any) -> str:
        """What the application's identity provider gives it."""
        now = int(time.time())
        told = {"iss": "https://id.example/acme", "sub": "shop", "aud": ISSUER, "iat": now, "exp": now + 3500, **claims}
        return signed(told, alg=alg, key=key, **header)

    def form(self, assertion: str, **more: str) -> str:
        """None of the RFCs asks for more than this; a trusted issuer's needs the client's id."""
        told = {"grant_type": "client_credentials", "client_assertion_type": BEARER, "client_assertion": assertion, **more}
        return urlencode(told)
