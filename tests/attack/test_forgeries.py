"""Forged, stolen, expired, foreign and misplaced tokens at a real Envoy: each refused by its code, and the upstream sees nothing."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from django.conf import settings

from keys import tokens
from keys.actions import credentials
from tenants.sessions import Access
from tests import live
from tests.live import Client, Gateway, Shop, Upstream

TEN_YEARS = 315_360_000


@dataclass
class World:
    """Carl's application may call Acme's API; Eve's may call Globex's; `dead` is a credential of Carl's that was revoked."""

    acme: Shop
    globex: Shop
    carl: Client
    eve: Client
    dead: str
    mine: ec.EllipticCurvePrivateKey

    @property
    def key(self) -> ec.EllipticCurvePrivateKey:
        return private_of(self.acme.key)

    @property
    def api_key_key(self) -> ec.EllipticCurvePrivateKey:
        return private_of(self.acme.active_key("api_key"))

    @property
    def api_key_kid(self) -> str:
        return self.acme.active_key("api_key").kid

    @property
    def header(self) -> dict[str, Any]:
        return {"alg": "ES256", "kid": self.acme.key.kid, "typ": "at+jwt"}

    def token(self, header: Mapping[str, Any] = {}, key: ec.EllipticCurvePrivateKey | None = None, **claims: Any) -> str:
        """Carl's good token but for what is given; None leaves something out. Signed by Acme unless another key is given."""
        head = {name: value for name, value in (self.header | dict(header)).items() if value is not None}
        return es256(key or self.key, text(head), text(self.carl.claims(**claims)))


def private_of(key: tokens.Key) -> ec.EllipticCurvePrivateKey:
    found = serialization.load_pem_private_key(tokens.dump(key), None)
    assert isinstance(found, ec.EllipticCurvePrivateKey)
    return found


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def text(content: Mapping[str, Any]) -> str:
    return b64(json.dumps(content).encode())


def es256(key: ec.EllipticCurvePrivateKey, header: str, payload: str) -> str:
    """By hand: a good library refuses to write what is needed here."""
    signed = f"{header}.{payload}"
    r, s = utils.decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def hs256(secret: bytes, header: Mapping[str, Any], payload: Mapping[str, Any]) -> str:
    signed = f"{text(header)}.{text(payload)}"
    return f"{signed}.{b64(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def rs256(header: Mapping[str, Any], payload: Mapping[str, Any]) -> str:
    signed = f"{text(header)}.{text(payload)}"
    key = rsa.generate_private_key(65537, 2048)
    return f"{signed}.{b64(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    return {"kty": "EC", "crv": "P-256", "x": b64(numbers.x.to_bytes(32, "big")), "y": b64(numbers.y.to_bytes(32, "big"))}


def pem(world: World) -> bytes:
    return world.key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def now() -> int:
    return int(time.time())


def parts(token: str) -> list[str]:
    return token.split(".")


def swapped_payload(world: World) -> str:
    mine, other = parts(world.token()), parts(world.token(client_id="someone-else"))
    return ".".join([mine[0], other[1], mine[2]])


def malleable(world: World) -> str:
    """The other valid ECDSA signature of the same text: harmless, since tokens are bearer tokens, and so a control."""
    head, payload, signature = parts(world.token())
    raw = base64.urlsafe_b64decode(signature + "==")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    s = order - int.from_bytes(raw[32:], "big")
    return f"{head}.{payload}.{b64(raw[:32] + s.to_bytes(32, 'big'))}"


def der(world: World) -> str:
    head, payload, _ = parts(world.token())
    return f"{head}.{payload}.{b64(world.key.sign(f'{head}.{payload}'.encode(), ec.ECDSA(hashes.SHA256())))}"


def duplicated(world: World, name: str, value: object) -> str:
    """A payload in which a claim stands twice."""
    payload = f'{{"{name}": {json.dumps(value)}, {json.dumps(world.carl.claims())[1:]}'
    return es256(world.key, text(world.header), b64(payload.encode()))


def api_key(world: World, key: ec.EllipticCurvePrivateKey | None = None, kid: str = "") -> str:
    """What an API key of Carl's would look like: Acme never made it."""
    claims = {"sub": world.carl.client_id, "jti": str(world.carl.credential.pk), "exp": now() + 600}
    return es256(key or world.key, text(world.header | {"typ": "ak+jwt", "kid": kid or world.acme.key.kid}), text(claims))


def session(world: World) -> str:
    """What a person signs in to the portal with."""
    return str(Access.for_user(world.acme.person("approver")))


KIND, INVALID, EXPIRED = (401, "TOKEN_WRONG_KIND"), (401, "TOKEN_INVALID"), (401, "TOKEN_EXPIRED")
AUDIENCE, REVOKED, REQUIRED = (401, "TOKEN_WRONG_AUDIENCE"), (401, "TOKEN_REVOKED"), (403, "SUBSCRIPTION_REQUIRED")
MISSING, OTHER_HOST, UNKNOWN = (401, "TOKEN_MISSING"), (421, "HOST_UNKNOWN"), (401, "KEY_UNKNOWN")
NOT_ALLOWED, NO_REQUEST = (405, "METHOD_NOT_ALLOWED"), (400, "REQUEST_INVALID")

Make = Callable[[World], str]
# Name, what is sent after "Authorization: Bearer", and how it is refused.
FORGERIES: list[tuple[str, Make, tuple[int, str]]] = [
    ("alg none, unsigned", lambda w: f"{text(w.header | {'alg': 'none'})}.{text(w.carl.claims())}.", INVALID),
    ("alg none with two parts", lambda w: f"{text(w.header | {'alg': 'none'})}.{text(w.carl.claims())}", INVALID),
    ("alg none, good signature", lambda w: w.token({"alg": "none"}), INVALID),
    ("alg nOnE", lambda w: f"{text(w.header | {'alg': 'nOnE'})}.{text(w.carl.claims())}.", INVALID),
    ("no alg", lambda w: w.token({"alg": None}), INVALID),
    ("alg es256 in lower case", lambda w: w.token({"alg": "es256"}), INVALID),
    ("alg ES384", lambda w: w.token({"alg": "ES384"}), INVALID),
    ("HS256 with the public key's PEM", lambda w: hs256(pem(w), w.header | {"alg": "HS256"}, w.carl.claims()), INVALID),
    (
        "HS256 with the public JWK",
        lambda w: hs256(json.dumps(tokens.public_jwk(w.acme.key)).encode(), w.header | {"alg": "HS256"}, w.carl.claims()),
        INVALID,
    ),
    ("RS256 with a key of one's own", lambda w: rs256(w.header | {"alg": "RS256"}, w.carl.claims()), INVALID),
    ("signed with another key", lambda w: w.token(key=w.mine), INVALID),
    ("signed with Globex's key", lambda w: w.token(key=private_of(w.globex.key)), INVALID),
    (
        "signed with Globex's key under its kid",
        lambda w: w.token({"kid": w.globex.key.kid}, key=private_of(w.globex.key)),
        INVALID,
    ),
    ("Eve's token of Globex", lambda w: w.eve.token(), INVALID),
    ("Globex's key and issuer, Acme's audience", lambda w: tokens.sign(w.eve.claims(aud=w.carl.claims()["aud"]), w.globex.key), INVALID),
    ("header jwk with one's own key", lambda w: w.token({"jwk": jwk(w.mine)}, key=w.mine), INVALID),
    ("header jwk and no kid", lambda w: w.token({"jwk": jwk(w.mine), "kid": None}, key=w.mine), INVALID),
    ("header jku", lambda w: w.token({"jku": "http://127.0.0.1:9/jwks.json"}, key=w.mine), INVALID),
    ("header x5u and x5c", lambda w: w.token({"x5u": "http://127.0.0.1:9/", "x5c": ["AA=="]}, key=w.mine), INVALID),
    ("no kid", lambda w: w.token({"kid": None}), KIND),
    ("an unknown kid", lambda w: w.token({"kid": "unknown"}), INVALID),
    ("kid of another tenant", lambda w: w.token({"kid": w.globex.key.kid}), INVALID),
    ("kid is a path", lambda w: w.token({"kid": "../../../../dev/null"}, key=w.mine), INVALID),
    ("kid is a number", lambda w: w.token({"kid": 1}), INVALID),
    ("crit", lambda w: w.token({"crit": ["b64"], "b64": False}), KIND),
    ("an empty crit", lambda w: w.token({"crit": []}), KIND),
    ("typ JWT", lambda w: w.token({"typ": "JWT"}), KIND),
    ("no typ", lambda w: w.token({"typ": None}), KIND),
    ("typ of an API key", lambda w: w.token({"typ": "ak+jwt"}), KIND),
    ("typ in capitals", lambda w: w.token({"typ": "AT+JWT"}), KIND),
    ("typ is a list", lambda w: w.token({"typ": ["at+jwt"]}), KIND),
    ("expired", lambda w: w.token(iat=now() - 700, exp=now() - 60), EXPIRED),
    ("expired for good", lambda w: w.token(iat=0, exp=600), EXPIRED),
    ("exp is negative", lambda w: w.token(exp=-1), INVALID),
    ("no exp", lambda w: w.token(exp=None), INVALID),
    ("exp in ten years", lambda w: w.token(exp=now() + TEN_YEARS), INVALID),
    ("exp in ten years, iat too", lambda w: w.token(iat=now() + TEN_YEARS - 60, exp=now() + TEN_YEARS), INVALID),
    ("exp is a text", lambda w: w.token(exp=str(now() + 600)), INVALID),
    ("not yet valid", lambda w: w.token(nbf=now() + 300), INVALID),
    ("nbf is a text", lambda w: w.token(nbf="tomorrow"), INVALID),
    ("no aud", lambda w: w.token(aud=None), AUDIENCE),
    ("another aud", lambda w: w.token(aud="https://elsewhere.example"), AUDIENCE),
    ("aud of Globex", lambda w: w.token(aud=w.eve.claims()["aud"]), AUDIENCE),
    ("a list of auds without ours", lambda w: w.token(aud=["https://elsewhere.example", w.eve.claims()["aud"]]), AUDIENCE),
    ("an empty list of auds", lambda w: w.token(aud=[]), AUDIENCE),
    ("aud with a trailing slash", lambda w: w.token(aud=w.carl.claims()["aud"] + "/"), AUDIENCE),
    ("aud is the portal's API", lambda w: w.token(aud=f"{settings.PORTAL_URL}/api/v1"), AUDIENCE),
    ("aud within a list within a list", lambda w: w.token(aud=[[w.carl.claims()["aud"]]]), INVALID),
    ("no iss", lambda w: w.token(iss=None), INVALID),
    ("another iss", lambda w: w.token(iss="https://elsewhere.example"), INVALID),
    ("iss of Globex", lambda w: w.token(iss=w.eve.claims()["iss"]), INVALID),
    ("iss with a trailing slash", lambda w: w.token(iss=w.carl.claims()["iss"] + "/"), INVALID),
    ("iss is a list", lambda w: w.token(iss=[w.carl.claims()["iss"]]), INVALID),
    ("no sub", lambda w: w.token(sub=None), REQUIRED),
    ("an empty sub", lambda w: w.token(sub=""), REQUIRED),
    ("sub is a list", lambda w: w.token(sub=[w.carl.client_id]), INVALID),
    ("sub is an object", lambda w: w.token(sub={"id": w.carl.client_id}), INVALID),
    ("sub is the reserved entry", lambda w: w.token(sub="!"), REQUIRED),
    ("sub is a dash", lambda w: w.token(sub="-"), REQUIRED),
    ("sub with a slash", lambda w: w.token(sub=f"x/{w.carl.client_id}"), REQUIRED),
    ("sub that ends otherwise", lambda w: w.token(sub=f"{w.carl.client_id}/-"), REQUIRED),
    ("sub in capitals", lambda w: w.token(sub=w.carl.client_id.upper()), REQUIRED),
    ("sub with a substitution", lambda w: w.token(sub="%REQ(X-ID)%"), REQUIRED),
    ("sub of somebody else", lambda w: w.token(sub=w.eve.client_id), REQUIRED),
    ("client_id alone names Carl", lambda w: w.token(sub=w.eve.client_id, client_id=w.carl.client_id), REQUIRED),
    ("cid of a revoked credential", lambda w: w.token(cid=w.dead), REVOKED),
    ("aud of another API", lambda w: w.token(aud=f"{w.carl.claims()['aud']}/billing"), AUDIENCE),
    ("aud of another tenant's API of that name", lambda w: w.token(aud=f"{w.eve.claims()['aud']}/orders"), AUDIENCE),
    ("an API key signed with a token's key", lambda w: f"ptc_live_{api_key(w)}", INVALID),
    ("an API key without its prefix", api_key, INVALID),
    ("an API key that nobody made", lambda w: f"ptc_live_{api_key(w, w.api_key_key, w.api_key_kid)}", UNKNOWN),
    ("an API key without its prefix, rightly signed", lambda w: api_key(w, w.api_key_key, w.api_key_kid), INVALID),
    ("a token signed with the key of API keys", lambda w: w.token(key=w.api_key_key), INVALID),
    ("a token signed with the key of API keys, with their prefix", lambda w: f"ptc_live_{w.token(key=w.api_key_key)}", INVALID),
    ("a token signed with the key of API keys under its kid", lambda w: w.token({"kid": w.api_key_kid}, key=w.api_key_key), INVALID),
    (
        "a token signed with the key of API keys under its kid, with their prefix",
        lambda w: f"ptc_live_{w.token({'kid': w.api_key_kid}, key=w.api_key_key)}",
        KIND,
    ),
    ("an API key of Globex", lambda w: f"ptc_live_{api_key(w, private_of(w.globex.key))}", INVALID),
    ("an API key of one's own", lambda w: f"ptc_live_{api_key(w, w.mine)}", INVALID),
    ("a token with an API key's prefix", lambda w: f"ptc_live_{w.token()}", INVALID),
    ("a token with the prefix of one for tests", lambda w: f"ptc_test_{w.token()}", INVALID),
    ("no signature", lambda w: ".".join([*parts(w.token())[:2], ""]), INVALID),
    ("no signature and no dot", lambda w: ".".join(parts(w.token())[:2]), INVALID),
    ("a truncated signature", lambda w: w.token()[:-10], INVALID),
    ("a signature of zeros", lambda w: ".".join([*parts(w.token())[:2], b64(bytes(64))]), INVALID),
    ("a signature in DER", der, INVALID),
    ("signature of another payload", swapped_payload, INVALID),
    ("five parts", lambda w: w.token() + ".AA.AA", INVALID),
    ("payload is no JSON", lambda w: es256(w.key, text(w.header), b64(b"not json")), INVALID),
    ("payload is a list", lambda w: es256(w.key, text(w.header), b64(b"[]")), INVALID),
    ("header is no JSON", lambda w: es256(w.key, b64(b"{"), text(w.carl.claims())), INVALID),
    ("nested a hundred thousand deep", lambda w: es256(w.key, text(w.header), b64(b"[" * 5000)), INVALID),
    ("client_id twice", lambda w: duplicated(w, "client_id", w.carl.client_id), INVALID),
    ("exp twice", lambda w: duplicated(w, "exp", now() + 600), INVALID),
    ("a portal session", session, INVALID),
    ("the client's secret", lambda w: "ptc_secret_0123456789", INVALID),
    ("nothing after Bearer", lambda w: " ", MISSING),
    ("half a padding", lambda w: w.token() + "=", INVALID),
    ("a space inside", lambda w: w.token().replace(".", ". ", 1), INVALID),
    ("two tokens", lambda w: f"{w.eve.token()} {w.token()}", INVALID),
    ("two tokens with a comma", lambda w: f"{w.token()},{w.eve.token()}", INVALID),
]


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any, upstream: Upstream) -> World:
    with django_db_blocker.unblock():
        acme, globex = live.shop(upstream), live.shop(upstream)
        acme.add_api("billing")
        carl, eve = acme.client(), globex.client()
        dead, _ = acme.does(credentials.create_credential, carl.application, by=None)
        acme.does(credentials.revoke, dead, by=None)
        return World(acme, globex, carl, eve, str(dead.pk), ec.generate_private_key(ec.SECP256R1()))


def refused(gateway: Gateway, upstream: Upstream, world: World, wanted: tuple[int, str], **call: Any) -> None:
    """The call is refused so and reaches nobody, while a good token passes before and after."""
    path = call.pop("path", world.acme.path())
    assert gateway.call(world.acme.path(), world.token()).status == 200
    before = len(upstream.seen)
    answer = gateway.call(path, **call)
    assert (answer.status, answer.code) == wanted, str(answer)
    assert len(upstream.seen) == before
    assert gateway.call(world.acme.path(), world.token()).status == 200


@pytest.mark.parametrize(("make", "wanted"), [pytest.param(*rest, id=name) for name, *rest in FORGERIES])
def test_forgery(gateway: Gateway, upstream: Upstream, world: World, make: Make, wanted: tuple[int, str]) -> None:
    refused(gateway, upstream, world, wanted, token=make(world))


def test_controls_pass(gateway: Gateway, upstream: Upstream, world: World) -> None:
    """What the forgeries above differ from, and what looks odd and is right."""
    ours = world.carl.claims()["aud"]
    for good in (
        world.carl.token(),
        world.token(),
        world.token(aud=["https://elsewhere.example", ours]),
        world.token(nbf=now() - 10),
        world.token(exp=now() + 900),
        world.token(jwk={"kty": "EC"}),
        world.token({"cty": "json"}),
        world.token(aud=f"{ours}/orders"),
        world.token(aud=["https://elsewhere.example", f"{ours}/orders"]),
        malleable(world),
        # The decoder takes what base64 allows: the same signature of the same text.
        world.token() + "==",
    ):
        assert gateway.call(world.acme.path(), good).status == 200, good
    assert gateway.call(world.globex.path(), world.eve.token()).status == 200


def bearer(world: World) -> str:
    return f"Bearer {world.token()}"


def test_only_in_the_authorization_header(gateway: Gateway, upstream: Upstream, world: World) -> None:
    path, good = world.acme.path(), bearer(world)
    token = world.token()
    for query in ("access_token", "token", "jwt", "authorization"):
        refused(gateway, upstream, world, MISSING, path=f"{path}?{query}={token}")
    for name, value in (
        ("cookie", f"access_token={token}"),
        ("cookie", f"authorization={good}"),
        ("x-authorization", good),
        ("proxy-authorization", good),
        ("x-access-token", token),
        ("x-api-key", token),
        ("x-jwt-assertion", token),
    ):
        refused(gateway, upstream, world, MISSING, headers=[(name, value)])
    refused(gateway, upstream, world, MISSING, method="POST", path=world.acme.path("/orders"), body=f"access_token={token}".encode())


@pytest.mark.parametrize(
    ("before", "wanted"),
    [
        ("", MISSING),
        ("bearer ", MISSING),
        ("BEARER ", MISSING),
        ("Basic ", MISSING),
        ("DPoP ", MISSING),
        ("Bearer", MISSING),
        ("Bearer\t", MISSING),
    ],
)
def test_other_schemes(gateway: Gateway, upstream: Upstream, world: World, before: str, wanted: tuple[int, str]) -> None:
    refused(gateway, upstream, world, wanted, headers=[("authorization", before + world.token())])


def test_two_authorization_headers(gateway: Gateway, upstream: Upstream, world: World) -> None:
    """Whichever is looked at, the other must not reach the upstream with it: two are refused."""
    good, bad = bearer(world), f"Bearer {world.eve.token()}"
    refused(gateway, upstream, world, INVALID, headers=[("authorization", bad), ("authorization", good)])
    refused(gateway, upstream, world, INVALID, headers=[("authorization", good), ("authorization", bad)])


def test_two_credentials(gateway: Gateway, upstream: Upstream, world: World) -> None:
    """Refused before either is verified, whichever of them is good."""
    two = (400, "TOKEN_INVALID")
    refused(gateway, upstream, world, two, token=world.token(), headers=[("x-api-key", f"ptc_live_{api_key(world)}")])
    refused(gateway, upstream, world, two, token="garbage", headers=[("x-api-key", "garbage")])


def test_oversized(gateway: Gateway, upstream: Upstream, world: World) -> None:
    before = len(upstream.seen)
    large = world.token(padding="x" * 20_000)
    many = [(f"x-{number}", "1") for number in range(120)]
    for answer in (
        gateway.call(world.acme.path(), large),
        gateway.call(world.acme.path(), world.token(), headers=many),
        gateway.call(world.acme.path(), world.token(), headers=[("x-large", "x" * 20_000)]),
    ):
        assert (answer.status, answer.code) == (431, "HEADERS_TOO_LARGE"), str(answer)
    assert len(upstream.seen) == before
    assert gateway.call(world.acme.path(), world.token(padding="x" * 4_000)).status == 200


def test_paths_that_pretend(gateway: Gateway, upstream: Upstream, world: World) -> None:
    """The API that is checked is the API that is called: Carl subscribed to orders, not to billing."""
    slug, token = world.acme.slug, world.token()
    for path in (
        f"/{slug}/orders/../billing/v1/orders/1",
        f"/{slug}/orders/v1/../../billing/v1/orders/1",
        f"/{slug}/orders/v1/%2e%2e/%2e%2e/billing/v1/orders/1",
        f"/{slug}//billing//v1/orders/1",
        f"/{world.globex.slug}/../{slug}/billing/v1/orders/1",
    ):
        refused(gateway, upstream, world, REQUIRED, path=path, token=token)
    for path in (f"/{slug}/orders/v1/orders/../../../../{world.globex.slug}/orders/v1/orders/1",):
        refused(gateway, upstream, world, INVALID, path=path, token=token)
    for path in (
        f"/{slug}/billing;/v1/orders/1",
        f"/{slug}/.portico/canary/..",
        f"/{slug}/orders,billing/v1/orders/1",
    ):
        refused(gateway, upstream, world, (404, "NO_SUCH_ROUTE"), path=path, token=token)
    for path in (f"/{slug}/orders/v1/..%2f..%2fbilling/v1/orders/1", f"/{slug}/orders%5c..%5cbilling/v1/orders/1"):
        refused(gateway, upstream, world, (400, "REQUEST_INVALID"), path=path, token=token)
    # And one that is only written oddly: checked, and passed on, as what it is.
    assert gateway.call(f"/{slug}/billing/../orders/v1/orders/1", token).status == 200
    assert upstream.seen[-1].path == "/orders/1"


def test_the_canary_answers_nobody(gateway: Gateway, upstream: Upstream, world: World) -> None:
    path = f"/{world.acme.slug}/.portico/canary"
    refused(gateway, upstream, world, MISSING, path=path)
    refused(gateway, upstream, world, REQUIRED, path=path, token=world.token())


def test_hosts(gateway: Gateway, upstream: Upstream, world: World) -> None:
    token, path = world.token(), world.acme.path()
    for host in ("evil.example", "127.0.0.1@evil.example", "127.0.0.1.", "*", "[::1]"):
        refused(gateway, upstream, world, OTHER_HOST, path=path, token=token, host=host)
    good = gateway.call(path, token, headers=[("x-forwarded-host", "evil.example"), ("x-original-url", "/x"), ("x-rewrite-url", "/x")])
    assert (good.status, good.json["path"]) == (200, "/orders/1")
    assert good.json["headers"]["host"] == f"127.0.0.1:{upstream.port}"


def raw(first: str, world: World, *lines: str, host: str = "127.0.0.1", token: str = "") -> bytes:
    authorization = [f"Authorization: Bearer {token}"] if token else []
    return "\r\n".join([first, f"Host: {host}", *authorization, "Connection: close", *lines, "", ""]).encode()


def test_absolute_form(gateway: Gateway, upstream: Upstream, world: World) -> None:
    """RFC 9112 §3.2.2: the URI's host counts. What is called is checked just the same."""
    path, billing = world.acme.path(), world.acme.path(api="billing")
    before = len(upstream.seen)
    for request, wanted in (
        (raw(f"GET http://evil.example{path} HTTP/1.1", world, token=world.token()), OTHER_HOST),
        (raw(f"GET http://127.0.0.1{path} HTTP/1.1", world), MISSING),
        (raw(f"GET http://127.0.0.1{billing} HTTP/1.1", world, token=world.token()), REQUIRED),
        (raw(f"GET http://127.0.0.1{path} HTTP/1.1", world, token=world.eve.token()), INVALID),
    ):
        answer = gateway.raw(request)
        assert (answer.status, answer.code) == wanted, (request, str(answer))
    assert len(upstream.seen) == before
    assert gateway.raw(raw(f"GET http://127.0.0.1{path} HTTP/1.1", world, host="evil.example", token=world.token())).status == 200


def test_requests_that_no_client_sends(gateway: Gateway, upstream: Upstream, world: World) -> None:
    path, token = world.acme.path("/orders"), world.token()
    before = len(upstream.seen)
    refusals = {
        # Smuggling: two lengths, a length with chunks, chunks that a space hides, a bare line feed in a header.
        "two lengths": raw(f"POST {path} HTTP/1.1", world, "Content-Length: 0", "Content-Length: 5", token=token),
        "length and chunks": raw(f"POST {path} HTTP/1.1", world, "Content-Length: 5", "Transfer-Encoding: chunked", token=token)
        + b"0\r\n\r\n",
        "hidden chunks": raw(f"POST {path} HTTP/1.1", world, "Transfer-Encoding : chunked", token=token),
        "unknown coding": raw(f"POST {path} HTTP/1.1", world, "Transfer-Encoding: xchunked", token=token),
        "underscore": raw(f"GET {path} HTTP/1.1", world, "x_portico_tenant: globex", token=token),
        "two hosts": raw(f"GET {path} HTTP/1.1", world, "Host: evil.example", token=token),
        "no host": f"GET {path} HTTP/1.1\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n".encode(),
        "NUL in the path": raw(f"GET {path}\x00 HTTP/1.1", world, token=token),
        "a fragment": raw(f"GET {world.acme.path()}#../../billing HTTP/1.1", world, token=token),
        "no version": raw(f"GET {path}", world, token=token),
        "HTTP/3.0": raw(f"GET {path} HTTP/3.0", world, token=token),
        "asterisk": raw("OPTIONS * HTTP/1.1", world, token=token),
    }
    for name, request in refusals.items():
        answer = gateway.raw(request)
        # Two hosts are joined to a name that is not the gateway's, and an asterisk names no tenant.
        wanted = {"two hosts": OTHER_HOST, "asterisk": (503, "NOT_READY")}.get(name, NO_REQUEST)
        assert (answer.status, answer.code) == wanted, (name, str(answer))
    assert len(upstream.seen) == before
    assert gateway.raw(raw(f"GET {path} HTTP/1.1", world, token=token)).status == 200


@pytest.mark.parametrize(
    ("method", "wanted"),
    [
        *((method, NOT_ALLOWED) for method in ("TRACE", "OPTIONS", "PUT", "DELETE", "PATCH", "PROPFIND")),
        *((method, NO_REQUEST) for method in ("CONNECT", "get", "PRI")),
    ],
)
def test_other_methods(gateway: Gateway, upstream: Upstream, world: World, method: str, wanted: tuple[int, str]) -> None:
    before = len(upstream.seen)
    answer = gateway.raw(raw(f"{method} {world.acme.path('/orders')} HTTP/1.1", world, token=world.token()))
    assert (answer.status, answer.code) == wanted, str(answer)
    assert len(upstream.seen) == before


def test_identity_headers_reach_nobody_unchecked(gateway: Gateway, upstream: Upstream, world: World) -> None:
    spoofed = [(f"x-portico-{name}", "spoofed") for name in ("tenant", "application", "subscription", "plan", "claims", "passed")]
    refused(gateway, upstream, world, MISSING, headers=spoofed)
    answer = gateway.call(world.acme.path(), world.token(), headers=spoofed)
    told = {name: value for name, value in answer.json["headers"].items() if value == "spoofed"}
    assert told == {"x-portico-passed": "spoofed"}


def test_names_are_unique() -> None:
    names = [name for name, *_ in FORGERIES]
    assert len(names) == len(set(names)) >= 30
