"""Access tokens and API keys at a real Envoy: whose keys sign what, what is in force, for which API, with which scopes.

One Envoy with everything in its bootstrap: nothing here needs a database.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from envoy.data.accesslog.v3 import accesslog_pb2
from envoy.service.accesslog.v3 import als_pb2, als_pb2_grpc

from gateway.envoy import routes
from gateway.envoy.names import REFUSAL_HEADER
from gateway.envoy.state import Access, ApiKey, Grant, Operation, Tenant, Version
from gateway.usage.calls import caller_of, read
from gateway.usage.refused import refusal_of
from keys import tokens
from keys.secrets import new_service_key
from tests import live
from tests.attack.test_first_call import static_gateway
from tests.gateway.states import AUDIENCE, ISSUER, small_tenant
from tests.gateway.states import upstream as target
from tests.live import Answer, Upstream

# One key of each algorithm that a tenant may choose, for each purpose.
TOKEN_KEYS = {name: tokens.generate(name) for name in tokens.ALGORITHMS}
API_KEY_KEYS = {name: tokens.generate(name) for name in tokens.ALGORITHMS}
GLOBEX = tokens.generate()
KEY, API_KEY_KEY = TOKEN_KEYS["ES256"], API_KEY_KEYS["ES256"]
WIDE = ("gold", 100_000, 60)
ORDER, LEDGER = "/acme/orders/v1/orders/1", "/acme/ledger/v1"


def ledger(port: int) -> Version:
    """Each of its operations needs other scopes."""
    read, write = ("ledger:read",), ("ledger:write",)
    needs = {
        "open": (),
        "open-or-read": (read, ()),
        "read": (read,),
        "both": ((*read, *write),),
        "admin-or-both": (("admin",), (*write, *read)),
        "read-again": (read, read),
    }
    return Version("ledger", "v1", target(port), tuple(Operation(name, "GET", f"/{name}", scopes) for name, scopes in needs.items()))


def acme(port: int) -> Tenant:
    """Acme lets app-1 call orders and the ledger, app-slow three times a minute, app-2 not any more, and nobody billing."""
    small = small_tenant(port)
    assert small.routes is not None
    orders = small.routes[0]
    grants = (
        Grant("ledger", "app-1", "subscription-2", "", *WIDE),
        Grant("orders", "app-1", "subscription-1", "", *WIDE),
        Grant("orders", "app-2", "subscription-3", "SUBSCRIPTION_SUSPENDED", *WIDE),
        Grant("orders", "app-slow", "subscription-4", "", "bronze", 3, 60),
    )
    access = Access(
        jwks=tuple(map(tokens.public_jwk, TOKEN_KEYS.values())),
        api_key_jwks=tuple(map(tokens.public_jwk, API_KEY_KEYS.values())),
        grants=grants,
        api_keys=(ApiKey("key-1"), ApiKey("key-2"), ApiKey("key-dead", "KEY_REVOKED"), ApiKey("key-old", "KEY_EXPIRED")),
        revoked_credentials=("credential-dead",),
        revoked_tokens=("token-dead",),
    )
    return replace(small, access=access, routes=(replace(orders, api="billing"), ledger(port), orders))


@pytest.fixture(scope="module")
def port(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with static_gateway(upstream, tmp_path_factory.mktemp("credentials"), gated=True, tenant=acme(upstream.port)) as found:
        yield found


# By hand: a good library refuses to write what is needed here.


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signature(key: tokens.Key, text: bytes) -> bytes:
    private: Any = key.private.private_key
    match key.alg:
        case "EdDSA":
            return bytes(private.sign(text))
        case "RS256":
            return bytes(private.sign(text, padding.PKCS1v15(), hashes.SHA256()))
    size, digest = (32, hashes.SHA256()) if key.alg == "ES256" else (48, hashes.SHA384())
    return b"".join(part.to_bytes(size, "big") for part in utils.decode_dss_signature(private.sign(text, ec.ECDSA(digest))))


def compact(key: tokens.Key, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    """A JWS by this key whatever its header says; None leaves something out."""
    parts = [b64(json.dumps({name: value for name, value in part.items() if value is not None}).encode()) for part in (header, claims)]
    return ".".join([*parts, b64(signature(key, ".".join(parts).encode()))])


def now() -> int:
    return int(time.time())


def token(header: Mapping[str, Any] = {}, key: tokens.Key = KEY, **claims: Any) -> str:
    """An access token of app-1, but for what is given."""
    fine = tokens.claims(
        issuer=ISSUER, audience=AUDIENCE, client_id="app-1", credential_id="credential-1", token_id="token-1", now=now(), lifetime=600
    )
    return compact(key, {"alg": key.alg, "kid": key.kid, "typ": "at+jwt", **header}, fine | claims)


def bare(header: Mapping[str, Any] = {}, key: tokens.Key = API_KEY_KEY, **claims: Any) -> str:
    """An API key of app-1 without its prefix."""
    fine = {"sub": "app-1", "jti": "key-1", "exp": now() + 86_400 * 300}
    return compact(key, {"alg": key.alg, "kid": key.kid, "typ": "ak+jwt", **header}, fine | claims)


def api_key(header: Mapping[str, Any] = {}, key: tokens.Key = API_KEY_KEY, **claims: Any) -> str:
    return f"ptc_live_{bare(header, key, **claims)}"


def hs256(header: Mapping[str, Any], claims: Mapping[str, Any], secret: bytes) -> str:
    text = ".".join(b64(json.dumps(part).encode()) for part in (header, claims))
    return f"{text}.{b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


def mac() -> str:
    """An API key whose secret is the public key."""
    public = json.dumps(tokens.public_jwk(API_KEY_KEY)).encode()
    header = {"alg": "HS256", "kid": API_KEY_KEY.kid, "typ": "ak+jwt"}
    return f"ptc_live_{hs256(header, {'sub': 'app-1', 'jti': 'key-1', 'exp': now() + 600}, public)}"


def bearers(*texts: str) -> dict[str, Any]:
    return {"headers": [("authorization", f"Bearer {text}") for text in texts]}


def in_header(text: str) -> dict[str, Any]:
    return {"headers": [("x-api-key", text)]}


OK, INVALID, EXPIRED, KIND = (200, ""), (401, "TOKEN_INVALID"), (401, "TOKEN_EXPIRED"), (401, "TOKEN_WRONG_KIND")
MISSING, AUDIENCES, REVOKED, TWO = (401, "TOKEN_MISSING"), (401, "TOKEN_WRONG_AUDIENCE"), (401, "TOKEN_REVOKED"), (400, "TOKEN_INVALID")
UNKNOWN, KEY_REVOKED, KEY_EXPIRED = (401, "KEY_UNKNOWN"), (401, "KEY_REVOKED"), (401, "KEY_EXPIRED")
SUSPENDED, REQUIRED, SCOPE = (403, "SUBSCRIPTION_SUSPENDED"), (403, "SUBSCRIPTION_REQUIRED"), (403, "SCOPE_MISSING")

Make = Callable[[], dict[str, Any]]
CASES: dict[str, tuple[Make, tuple[int, str]]] = {
    # An API key, and where it may stand.
    "an API key as bearer": (lambda: {"token": api_key()}, OK),
    "an API key for tests": (lambda: {"token": f"ptc_test_{bare()}"}, OK),
    "an API key in X-API-Key": (lambda: in_header(api_key()), OK),
    "an API key for tests in X-API-Key": (lambda: in_header(f"ptc_test_{bare()}"), OK),
    "another key of the same application": (lambda: {"token": api_key(jti="key-2")}, OK),
    "an API key in the query": (lambda: {"path": f"{ORDER}?x-api-key={api_key()}&api_key={api_key()}"}, MISSING),
    "an API key in a cookie": (lambda: {"headers": [("cookie", f"x-api-key={api_key()}")]}, MISSING),
    "an API key without its prefix": (lambda: {"token": bare()}, INVALID),
    "an API key without its prefix in X-API-Key": (lambda: in_header(bare()), MISSING),
    "a prefix that does not exist": (lambda: {"token": f"ptc_dead_{bare()}"}, INVALID),
    "Bearer in X-API-Key": (lambda: in_header(f"Bearer {api_key()}"), OK),
    # What it says.
    "an API key that ended": (lambda: {"token": api_key(exp=now() - 60)}, KEY_EXPIRED),
    "an API key that ended, in X-API-Key": (lambda: in_header(api_key(exp=now() - 60)), KEY_EXPIRED),
    "an API key that never ends": (lambda: {"token": api_key(exp=None)}, INVALID),
    "an API key that was revoked": (lambda: {"token": api_key(jti="key-dead")}, KEY_REVOKED),
    "an API key that was rolled away": (lambda: {"token": api_key(jti="key-old")}, KEY_EXPIRED),
    "an API key that nobody made": (lambda: {"token": api_key(jti="key-3")}, UNKNOWN),
    "an API key without an id": (lambda: {"token": api_key(jti=None)}, UNKNOWN),
    "an API key whose id is a dash": (lambda: {"token": api_key(jti="-")}, UNKNOWN),
    "an API key whose id is the reserved entry": (lambda: in_header(api_key(jti="!")), (500, "GATEWAY_ERROR")),
    "an API key whose id is a list": (lambda: {"token": api_key(jti=["key-1"])}, INVALID),
    "an API key of nobody": (lambda: {"token": api_key(sub=None)}, REQUIRED),
    "an API key of a suspended application": (lambda: {"token": api_key(sub="app-2")}, SUSPENDED),
    "an API key on an API without a subscription": (lambda: {"token": api_key(), "path": "/acme/billing/v1/orders/1"}, REQUIRED),
    "an API key with the id of a revoked token": (lambda: {"token": api_key(jti="token-dead")}, UNKNOWN),
    "an API key that claims a working credential": (lambda: {"token": api_key(jti="key-dead", cid="credential-1")}, KEY_REVOKED),
    # Who signed it.
    "an API key signed by a token's key": (lambda: {"token": api_key(key=KEY)}, INVALID),
    "an API key signed by a token's key under an API key's kid": (lambda: {"token": api_key({"kid": API_KEY_KEY.kid}, KEY)}, INVALID),
    "an API key of Globex": (lambda: {"token": api_key(key=GLOBEX)}, INVALID),
    "an API key with a changed signature": (lambda: {"token": api_key()[:-6] + "AAAAAA"}, INVALID),
    "a token signed by an API key's key": (lambda: {"token": token(key=API_KEY_KEY)}, INVALID),
    "a token in an API key's clothes": (lambda: {"token": f"ptc_live_{token()}"}, INVALID),
    "a token in X-API-Key": (lambda: in_header(f"ptc_live_{token()}"), INVALID),
    "a token of an API key's key in its clothes": (lambda: {"token": f"ptc_live_{token(key=API_KEY_KEY)}"}, KIND),
    "an API key as a token, signed by a token's key": (lambda: {"token": bare(key=KEY)}, INVALID),
    "an API key as a token with all claims": (lambda: {"token": token({"typ": "ak+jwt"}, jti="key-1")}, KIND),
    # Its header.
    "an API key of typ JWT": (lambda: {"token": api_key({"typ": "JWT"})}, KIND),
    "an API key of typ at+jwt": (lambda: {"token": api_key({"typ": "at+jwt"})}, KIND),
    "an API key without typ": (lambda: {"token": api_key({"typ": None})}, KIND),
    "an API key without kid": (lambda: {"token": api_key({"kid": None})}, KIND),
    "an API key with an unknown kid": (lambda: {"token": api_key({"kid": "unknown"})}, INVALID),
    "an API key with crit": (lambda: {"token": api_key({"crit": ["exp"]})}, KIND),
    "an API key of alg none": (lambda: {"token": api_key({"alg": "none"}).rpartition(".")[0] + "."}, INVALID),
    "an API key of HS256 with the public key": (lambda: {"token": mac()}, INVALID),
    "an API key with a jwk of one's own": (lambda: {"token": api_key({"jwk": tokens.public_jwk(GLOBEX), "kid": None}, GLOBEX)}, INVALID),
    "an API key without alg": (lambda: {"token": api_key({"alg": None})}, INVALID),
    # Two.
    "a token and an API key": (lambda: {"token": token(), **in_header(api_key())}, TWO),
    "an API key twice": (lambda: {"token": api_key(), **in_header(api_key())}, TWO),
    "two API keys as bearer": (lambda: bearers(api_key(), api_key()), INVALID),
    "an API key and a token as bearer": (lambda: bearers(api_key(), token()), INVALID),
    "nonsense and an API key": (lambda: {"token": "nonsense", **in_header(api_key())}, TWO),
    "Basic and an API key": (lambda: {"headers": [("authorization", "Basic YTpi"), ("x-api-key", api_key())]}, TWO),
    "a token and an empty X-API-Key": (lambda: {"token": token(), **in_header("")}, TWO),
    # Tokens.
    "a token": (lambda: {"token": token()}, OK),
    "a token that ended": (lambda: {"token": token(iat=now() - 900, exp=now() - 60)}, EXPIRED),
    "a token of a revoked credential": (lambda: {"token": token(cid="credential-dead")}, REVOKED),
    "a revoked token": (lambda: {"token": token(jti="token-dead")}, REVOKED),
    "a revoked token of a revoked credential": (lambda: {"token": token(cid="credential-dead", jti="token-dead")}, REVOKED),
    "a token with the id of a revoked API key": (lambda: {"token": token(jti="key-dead", cid="key-dead")}, OK),
    "a token that calls itself an API key in its claims": (lambda: {"token": token(typ="ak+jwt", jti="unknown")}, OK),
    "garbage": (lambda: {"token": "garbage"}, INVALID),
    "garbage with an API key's prefix": (lambda: {"token": "ptc_live_garbage"}, INVALID),
    "a service account's key": (lambda: {"token": new_service_key(UUID(int=1))}, INVALID),
    "a service account's key in X-API-Key": (lambda: in_header(new_service_key(UUID(int=1))), MISSING),
    "nothing": (dict, MISSING),
    # For which API.
    "a token for the called API alone": (lambda: {"token": token(aud=f"{AUDIENCE}/orders")}, OK),
    "a token for several APIs": (lambda: {"token": token(aud=[f"{AUDIENCE}/billing", f"{AUDIENCE}/orders"])}, OK),
    "a token for another API alone": (lambda: {"token": token(aud=f"{AUDIENCE}/billing")}, AUDIENCES),
    "a token for another API in a list": (lambda: {"token": token(aud=[f"{AUDIENCE}/billing"])}, AUDIENCES),
    "a token for an API of a longer name": (lambda: {"token": token(aud=f"{AUDIENCE}/orders2")}, AUDIENCES),
    "a token for the API's address": (lambda: {"token": token(aud=f"{AUDIENCE}/orders/v1")}, AUDIENCES),
    "a token for Globex' API": (lambda: {"token": token(aud="http://gateway.example/globex/orders")}, AUDIENCES),
    "a token for one API at the canary": (lambda: {"token": token(aud=f"{AUDIENCE}/orders"), "path": "/acme/.portico/canary"}, AUDIENCES),
}  # fmt: skip


def call(port: int, *, path: str = ORDER, **more: Any) -> Answer:
    return live.call(port, path, **more)


@pytest.mark.parametrize("name", CASES)
def test_credential(port: int, upstream: Upstream, name: str) -> None:
    make, wanted = CASES[name]
    before = len(upstream.seen)
    answer = call(port, **make())
    assert (answer.status, answer.code) == wanted, str(answer)
    assert len(upstream.seen) == before + (wanted == OK)
    if wanted != OK:
        assert answer.json["code"] == wanted[1]


# One key, one algorithm, one purpose


@pytest.mark.parametrize("algorithm", tokens.ALGORITHMS)
def test_each_algorithm_verifies(port: int, algorithm: str) -> None:
    assert call(port, token=token(key=TOKEN_KEYS[algorithm])).status == 200
    assert call(port, token=api_key(key=API_KEY_KEYS[algorithm])).status == 200
    assert call(port, token=token(key=API_KEY_KEYS[algorithm])).code == "TOKEN_INVALID"
    assert call(port, token=api_key(key=TOKEN_KEYS[algorithm])).code == "TOKEN_INVALID"


@pytest.mark.parametrize("said", ["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "EdDSA", "HS256", "none"])
def test_a_key_is_used_with_its_own_algorithm_alone(port: int, said: str) -> None:
    for keys, make in ((TOKEN_KEYS, token), (API_KEY_KEYS, api_key)):
        for key in keys.values():
            wanted = OK if said == key.alg else INVALID
            answer = call(port, token=make({"alg": said}, key))
            assert (answer.status, answer.code) == wanted, (key.alg, said, str(answer))


# Scopes

READ, WRITE = "ledger:read", "ledger:write"
SCOPES: list[tuple[str, str | None, tuple[int, str]]] = [
    ("/open", None, OK),
    ("/open-or-read", None, OK),
    ("/read", None, SCOPE),
    ("/read", "", SCOPE),
    ("/read", WRITE, SCOPE),
    ("/read", READ, OK),
    ("/read", f"other {READ}", OK),
    ("/read", f"{READ}:all", SCOPE),
    ("/read", READ.upper(), SCOPE),
    ("/read", f"{READ},{WRITE}", SCOPE),
    ("/both", READ, SCOPE),
    ("/both", WRITE, SCOPE),
    ("/both", f"{WRITE} {READ}", OK),
    ("/admin-or-both", READ, SCOPE),
    ("/admin-or-both", f"{READ} {WRITE}", OK),
    ("/admin-or-both", "admin", OK),
    ("/read-again", "admin", SCOPE),
    ("/read-again", READ, OK),
]


@pytest.mark.parametrize(("path", "scope", "wanted"), SCOPES)
def test_scopes(port: int, upstream: Upstream, path: str, scope: str | None, wanted: tuple[int, str]) -> None:
    before = len(upstream.seen)
    answer = call(port, path=LEDGER + path, token=token(scope=scope))
    assert (answer.status, answer.code) == wanted, str(answer)
    assert len(upstream.seen) == before + (wanted == OK)


def test_a_missing_scope_is_told_as_rfc_6750_has_it(port: int) -> None:
    answer = call(port, path=f"{LEDGER}/read", token=token())
    assert answer.headers["www-authenticate"] == 'Bearer error="insufficient_scope"'
    assert "www-authenticate" not in call(port, path="/acme/orders/v1/nothing", token=token()).headers


def test_an_api_key_needs_no_scopes(port: int) -> None:
    """What it may do, its application's subscription says; claims of its own change nothing."""
    for key in (api_key(), api_key(scope="nothing"), api_key(aud="elsewhere")):
        assert call(port, path=f"{LEDGER}/both", token=key).status == 200


def test_who_is_not_subscribed_hears_that_first(port: int) -> None:
    assert call(port, path=f"{LEDGER}/read", token=token(sub="app-slow")).code == "SUBSCRIPTION_REQUIRED"
    assert call(port, path=f"{LEDGER}/read", token=token(jti="token-dead")).code == "TOKEN_REVOKED"


# What the upstream learns


SPOOFED = [(f"x-portico-{name}", "spoofed") for name in ("tenant", "application", "subscription", "plan", "claims")]
TOLD = {
    "x-portico-tenant": "acme",
    "x-portico-application": "app-1",
    "x-portico-subscription": "subscription-1",
    "x-portico-plan": "gold",
}


def told(port: int, upstream: Upstream, headers: list[tuple[str, str]]) -> dict[str, str]:
    """The headers of ours that the upstream saw."""
    answer = call(port, headers=[*headers, *SPOOFED])
    assert answer.status == 200, str(answer)
    seen = upstream.seen[-1].headers
    assert not {"authorization", "x-api-key"} & set(seen)
    assert "ptc_" not in str(seen)
    return {name: value for name, value in seen.items() if name.startswith("x-portico-")}


def test_the_upstream_learns_who_calls_and_never_with_what(port: int, upstream: Upstream) -> None:
    for headers in ([("authorization", f"Bearer {token()}")], [("authorization", f"Bearer {api_key()}")], [("x-api-key", api_key())]):
        assert told(port, upstream, headers) == TOLD


def test_of_two_api_keys_the_first_counts_and_the_upstream_sees_neither(port: int, upstream: Upstream) -> None:
    mine, other = api_key(), api_key(sub="app-2")
    assert told(port, upstream, [("x-api-key", mine), ("x-api-key", other)]) == TOLD
    assert told(port, upstream, [("x-api-key", "no key at all"), ("x-api-key", mine)]) == TOLD
    for first, second, wanted in ((other, mine, SUSPENDED), ("ptc_live_garbage", mine, INVALID), (f"{mine}, {other}", mine, INVALID)):
        answer = call(port, headers=[("x-api-key", first), ("x-api-key", second)])
        assert (answer.status, answer.code) == wanted, str(answer)


def test_claims_for_the_upstream_alone_are_passed_on(port: int, upstream: Upstream) -> None:
    sealed = "eyJhbGciOiJFQ0RILUVTK0EyNTZLVyJ9.AA.BB.CC.DD"
    bearer = [("authorization", f"Bearer {token(enc=sealed)}")]
    # Verified anew, and found in the cache.
    for _ in range(3):
        assert told(port, upstream, bearer) == {**TOLD, "x-portico-claims": sealed}
    assert told(port, upstream, [("authorization", f"Bearer {token()}")]) == TOLD
    assert told(port, upstream, [("authorization", f"Bearer {token(enc=None)}")]) == TOLD
    # API keys carry none.
    assert told(port, upstream, [("x-api-key", api_key(enc=sealed))]) == TOLD
    assert told(port, upstream, [("x-api-key", api_key(enc=sealed)), ("enc", sealed)]) == TOLD


# One application, one bucket


def test_tokens_and_keys_of_an_application_share_its_bucket(port: int) -> None:
    calls = [{"token": token(sub="app-slow")}, {"token": api_key(sub="app-slow")}, in_header(api_key(sub="app-slow", jti="key-2"))]
    assert [call(port, **each).headers["x-ratelimit-remaining"] for each in calls] == ["2", "1", "0"]
    for each in calls:
        assert call(port, **each).code == "RATE_LIMITED"


# What the access log says of them


class Log(als_pb2_grpc.AccessLogServiceServicer):  # type: ignore[misc]
    """Takes what Envoy logs, as `manage.py usage` does."""

    def __init__(self) -> None:
        self.entries: list[accesslog_pb2.HTTPAccessLogEntry] = []

    def StreamAccessLogs(self, requests: Iterator[Any], context: Any) -> als_pb2.StreamAccessLogsResponse:  # noqa: ARG002, N802
        for message in requests:
            self.entries.extend(message.http_logs.log_entry)
        return als_pb2.StreamAccessLogsResponse()


def test_the_access_log_knows_who_was_refused(upstream: Upstream, tmp_path: Path) -> None:
    log, server = Log(), grpc.server(ThreadPoolExecutor(4))
    als_pb2_grpc.add_AccessLogServiceServicer_to_server(log, server)
    server.add_insecure_port(f"unix:{tmp_path / 'usage.sock'}")
    server.start()
    # Whatever a caller says its path was, the tenant is the one whose gate it stood before.
    elsewhere = ("x-envoy-original-path", "/globex/orders/v1/orders/1")
    calls: dict[str, dict[str, Any]] = {
        "KEY_REVOKED": {"headers": [("x-api-key", api_key(jti="key-dead")), elsewhere]},
        "KEY_UNKNOWN": {"token": api_key(jti="key-3")},
        "SUBSCRIPTION_SUSPENDED": {"token": api_key(sub="app-2", jti="key-2")},
        "TOKEN_REVOKED": {"token": token(jti="token-dead"), "headers": [elsewhere]},
        "TOKEN_WRONG_KIND": {"token": token({"typ": "JWT"})},
        "KEY_EXPIRED": {"token": api_key(exp=1)},
        "TOKEN_MISSING": {},
    }
    try:
        with static_gateway(upstream, tmp_path, gated=True, tenant=acme(upstream.port), usage=str(tmp_path / "usage.sock")) as port:
            for code, more in calls.items():
                assert call(port, **more).code == code
            live.eventually(lambda: len(log.entries) == len(calls))
    finally:
        server.stop(0)
    found = {entry.response.response_headers[REFUSAL_HEADER]: caller_of(read(entry)) for entry in log.entries}
    assert found == {
        "KEY_REVOKED": ("acme", "app-1", "key-dead"),
        "KEY_UNKNOWN": ("acme", "app-1", "key-3"),
        "SUBSCRIPTION_SUSPENDED": ("acme", "app-2", "key-2"),
        "TOKEN_REVOKED": ("acme", "app-1", "credential-1"),
        "TOKEN_WRONG_KIND": ("acme", "app-1", "credential-1"),
        "KEY_EXPIRED": None,
        "TOKEN_MISSING": None,
    }
    refused = [refusal_of(read(entry), entry, "gateway-1") for entry in log.entries]
    assert {each.path for each in refused if each} == {ORDER}


# A tenant that has none


@pytest.fixture(scope="module")
def without_keys(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Acme before it made its first API key; nothing needs a scope."""
    tenant = acme(upstream.port)
    assert tenant.routes is not None
    bare = replace(tenant, access=replace(tenant.access, api_key_jwks=(), api_keys=()), routes=(tenant.routes[0], tenant.routes[2]))
    with static_gateway(upstream, tmp_path_factory.mktemp("without-keys"), gated=True, tenant=bare) as found:
        yield found


def test_a_tenant_without_api_keys(without_keys: int, upstream: Upstream) -> None:
    before = len(upstream.seen)
    for more, wanted in (
        ({"token": api_key()}, INVALID),
        (in_header(api_key()), MISSING),
        ({"token": bare(key=KEY)}, INVALID),
        ({"token": token({"typ": "ak+jwt"})}, KIND),
        ({"token": token(), **in_header(api_key())}, TWO),
        ({"token": token(aud=f"{AUDIENCE}/billing")}, AUDIENCES),
        ({"token": token(jti="token-dead")}, REVOKED),
    ):
        answer = call(without_keys, **more)
        assert (answer.status, answer.code) == wanted, str(answer)
    assert len(upstream.seen) == before
    assert call(without_keys, token=token(scope="anything")).status == 200


def test_a_tenant_that_has_no_key_for_tokens_takes_none(upstream: Upstream, tmp_path: Path) -> None:
    """Its only key was compromised, and the next one is not there yet."""
    tenant = acme(upstream.port)
    with static_gateway(upstream, tmp_path, gated=True, tenant=replace(tenant, access=replace(tenant.access, jwks=()))) as port:
        before = len(upstream.seen)
        for more in ({"token": token()}, {"token": token(key=API_KEY_KEY)}, {"token": bare()}):
            answer = call(port, **more)
            assert (answer.status, answer.code) == MISSING, str(answer)
        assert len(upstream.seen) == before
        # What verifies tokens takes off the header that it writes; here nothing does, so the chain has to.
        assert told(port, upstream, [("x-api-key", api_key())]) == TOLD


def test_a_tenant_without_any_key_is_closed() -> None:
    tenant = acme(9000)
    none = replace(tenant, access=replace(tenant.access, jwks=(), api_key_jwks=()))
    assert routes.configuration(none) == routes.configuration(replace(tenant, routes=None))
