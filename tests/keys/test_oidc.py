"""What an identity provider says, by somebody who means harm: ID tokens, keys, documents, and where they lead."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc.jwk import OctKey, RSAKey

from keys import fetching, oidc
from keys.oidc import ProviderRefused
from tenants.errors import Busy
from tests import hostile_idp
from tests.hostile_idp import Hostile, Said, told
from tests.keys.proofs import PRIVATE, STRANGER, kid, public, signed

ISSUER, CLIENT, NOW = "https://login.example.com/acme", "portico", 1_800_000_000
GOOD: dict[str, Any] = {"iss": ISSUER, "aud": CLIENT, "sub": "carl-1", "iat": NOW, "exp": NOW + 300, "nonce": "n"}
KEYS = [*public("RS256")["keys"], *public("ES256")["keys"]]
NOT_SIGNED, NOT_NOW = "is not signed by a key that it shows", "does not hold now"


def looked_at(text: str, keys: list[Any] = KEYS, now: float = NOW) -> dict[str, Any]:
    return oidc.verified(text, keys, issuer=ISSUER, client_id=CLIENT, now=now)


def token(alg: str = "RS256", key: Any = None, header: dict[str, Any] = {}, **claims: Any) -> str:  # noqa: B006
    return signed({**GOOD, **claims}, alg=alg, key=key, **header)


def b64(data: bytes | dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else json.dumps(data).encode()).rstrip(b"=").decode()


def by_hand(header: dict[str, Any], claims: Any = GOOD, signature: bytes = b"", secret: bytes | None = None) -> str:
    """A JWS that no library would make."""
    begin = f"{b64(header)}.{b64(claims if isinstance(claims, bytes) else json.dumps(claims).encode())}"
    return f"{begin}.{b64(hmac.new(secret, begin.encode(), hashlib.sha256).digest() if secret is not None else signature)}"


def refuses(text: str, why: str, keys: list[Any] = KEYS, now: float = NOW) -> None:
    with pytest.raises(ProviderRefused, match=why):
        looked_at(text, keys, now)


# --- whose signature --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alg", sorted(PRIVATE))
def test_what_the_issuer_signed_is_believed(alg: str) -> None:
    assert looked_at(token(alg), public(alg)["keys"]) == GOOD
    without_kid = [{name: value for name, value in key.items() if name not in {"kid", "alg", "use"}} for key in public(alg)["keys"]]
    assert looked_at(token(alg, header={"kid": None}), without_kid) == GOOD


def test_another_key_by_the_same_name_is_not_the_issuers() -> None:
    refuses(token("ES256", STRANGER), NOT_SIGNED)
    refuses(token("RS256", RSAKey.generate_key(2048, private=True)), NOT_SIGNED)


def test_a_changed_claim_breaks_the_signature() -> None:
    head, _body, signature = token().split(".")
    refuses(f"{head}.{b64({**GOOD, 'sub': 'ada-1'})}.{signature}", NOT_SIGNED)


@pytest.mark.parametrize("alg", ["none", "None", "NONE", ""])
def test_nothing_is_believed_unsigned(alg: str) -> None:
    refuses(by_hand({"alg": alg, "typ": "JWT"}), NOT_SIGNED)
    refuses(by_hand({"alg": alg, "typ": "JWT", "kid": kid("RS256")}), NOT_SIGNED)


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_a_public_key_is_no_shared_secret(alg: str) -> None:
    """Everybody has it."""
    private = PRIVATE["RS256"]
    for secret in (private.as_pem(private=False), private.as_der(private=False), json.dumps(KEYS[0]).encode(), KEYS[0]["n"].encode(), b""):
        refuses(by_hand({"alg": alg, "typ": "JWT", "kid": kid("RS256")}, secret=secret), NOT_SIGNED)
        refuses(by_hand({"alg": alg, "typ": "JWT"}, secret=secret), NOT_SIGNED)


def test_a_shared_secret_among_the_keys_verifies_nothing() -> None:
    secret = OctKey.generate_key(256)
    shown = {**secret.as_dict(private=True), "kid": "oct"}
    text = by_hand({"alg": "HS256", "typ": "JWT", "kid": "oct"}, secret=secret.get_op_key("sign"))
    for key in (shown, {**shown, "alg": "HS256"}, {**shown, "alg": "RS256", "kty": "RSA"}):
        refuses(text, NOT_SIGNED, [key])
    assert looked_at(token(), [shown, *KEYS]) == GOOD, "nor does it stand in the way of those that do"


def test_a_private_key_that_is_shown_verifies_nothing() -> None:
    """Anybody could have signed with it."""
    shown = {**PRIVATE["ES256"].as_dict(private=True), "kid": kid("ES256")}
    refuses(token("ES256"), NOT_SIGNED, [shown])
    assert looked_at(token("RS256"), [shown, *KEYS]) == GOOD


def test_a_key_verifies_by_its_own_algorithm_alone() -> None:
    refuses(token("RS512"), NOT_SIGNED, public("RS256")["keys"])
    refuses(token("PS256"), NOT_SIGNED, public("RS256")["keys"])
    refuses(by_hand({"alg": "ES256", "typ": "JWT", "kid": kid("RS256")}, signature=b"\0" * 64), NOT_SIGNED)


def test_a_weak_key_verifies_nothing() -> None:
    """1,024 bits, and signed with it in earnest."""
    weak = rsa.generate_private_key(65537, 1024)
    shown = {"kty": "RSA", "e": "AQAB", "n": b64(weak.public_key().public_numbers().n.to_bytes(128)), "kid": "weak"}
    begin = by_hand({"alg": "RS256", "typ": "JWT", "kid": "weak"}).rpartition(".")[0]
    refuses(f"{begin}.{b64(weak.sign(begin.encode(), padding.PKCS1v15(), hashes.SHA256()))}", NOT_SIGNED, [shown])


def test_a_key_for_encryption_verifies_nothing() -> None:
    refuses(token(), NOT_SIGNED, [{**each, "use": "enc"} for each in KEYS])


def test_the_name_of_a_key_leads_to_that_key_alone() -> None:
    """`kid` is no path, no address and no way to another key; one that is signed right under a name that nobody has is none of theirs."""
    for named in ("../../dev/null", "https://evil.example/jwks", kid("ES256"), "", "0", "' OR 1=1"):
        refuses(token("RS256", header={"kid": named}), NOT_SIGNED)


@pytest.mark.parametrize("named", [["x"], {"x": 1}, 1, True, None])
def test_a_name_that_is_no_text_breaks_nothing(named: Any) -> None:
    assert looked_at(token(), [{**KEYS[0], "kid": named}, *KEYS]) == GOOD
    text = by_hand({"alg": "RS256", "typ": "JWT", "kid": named}, signature=b"x")
    refuses(text, NOT_SIGNED)


def test_no_key_that_the_token_brings_along_is_used() -> None:
    own = {"jwk": STRANGER.as_dict(private=False), "jku": "https://evil.example/jwks", "x5u": "https://evil.example/x"}
    for name, value in own.items():
        begin = f"{b64({'alg': 'ES256', 'typ': 'JWT', name: value})}.{b64(GOOD)}"
        signature = token("ES256", STRANGER, header={"kid": None}).rpartition(".")[2]
        refuses(f"{begin}.{signature}", NOT_SIGNED)


@pytest.mark.parametrize(
    "header",
    [{"typ": "at+jwt"}, {"typ": "logout+jwt"}, {"typ": "secevent+jwt"}, {"typ": 1}, {"crit": ["exp"]}, {"crit": ["b64"], "b64": False}],
)
def test_what_else_an_issuer_signs_is_no_id_token(header: dict[str, Any]) -> None:
    begin, _dot, _signature = by_hand({"alg": "ES256", "kid": kid("ES256"), **header}).rpartition(".")
    refuses(f"{begin}.{b64(es256(begin.encode()))}", NOT_SIGNED)


@pytest.mark.parametrize("typ", ["JWT", "jwt", None])
def test_an_id_token_says_that_it_is_a_jwt_or_nothing(typ: str | None) -> None:
    assert looked_at(token("ES256", header={"typ": typ})) == GOOD


JUNK = ["", ".", "..", "a.b.c", "....", "x" * 5000, "é.é.é", by_hand({}), by_hand({"alg": 5}), by_hand({"alg": ["RS256"]})]


@pytest.mark.parametrize("text", JUNK, ids=range(len(JUNK)))
def test_junk_is_no_token(text: str) -> None:
    refuses(text, NOT_SIGNED)


@pytest.mark.parametrize("claims", [b"[]", b"1", b"null", b'"x"', b"{", b"\xff", b"[" * 50_000])
def test_a_token_holds_an_object(claims: bytes) -> None:
    begin = f"{b64({'alg': 'ES256', 'typ': 'JWT', 'kid': kid('ES256')})}.{b64(claims)}"
    refuses(f"{begin}.{b64(es256(begin.encode()))}", NOT_SIGNED)


@pytest.mark.parametrize(
    "key", [None, 1, "x", [], {}, {"kty": "RSA"}, {"kty": ["RSA"]}, {"kty": "EC", "crv": {}}, {"keys": []}, {"kty": "RSA", "n": 1}]
)
def test_keys_that_are_none_are_passed_over(key: Any) -> None:
    assert looked_at(token(header={"kid": None}), [key, *KEYS]) == GOOD
    refuses(token(), NOT_SIGNED, [key])


def es256(data: bytes) -> bytes:
    """A signature of the issuer's own over whatever it is."""
    r, s = decode_dss_signature(PRIVATE["ES256"].private_key.sign(data, ECDSA(hashes.SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


# --- what it says -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [None, "", "https://login.example.com/acme/", "https://login.example.com/globex", "HTTPS://login.example.com/acme", [ISSUER], 1],
)
def test_another_issuer_is_another(wrong: Any) -> None:
    refuses(token(iss=wrong), "is another issuer's")


@pytest.mark.parametrize(
    "claims",
    [{"aud": None}, {"aud": ""}, {"aud": "other"}, {"aud": ["other"]}, {"aud": []}, {"aud": {CLIENT: 1}}, {"aud": [CLIENT, "other"]},
     {"aud": [CLIENT, "other"], "azp": "other"}, {"aud": CLIENT, "azp": "other"}, {"aud": CLIENT, "azp": ""},
     {"aud": "other", "azp": CLIENT}],
)  # fmt: skip
def test_a_token_for_somebody_else_is_not_for_us(claims: dict[str, Any]) -> None:
    refuses(token(**claims), "is for another client than ours")


@pytest.mark.parametrize("claims", [{}, {"aud": [CLIENT]}, {"azp": CLIENT}, {"aud": [CLIENT, "other"], "azp": CLIENT}])
def test_one_for_us_is(claims: dict[str, Any]) -> None:
    assert looked_at(token(**claims))["sub"] == "carl-1"


@pytest.mark.parametrize(
    "claims",
    [{"exp": NOW - 61}, {"exp": None}, {"exp": "9999999999"}, {"exp": True}, {"iat": NOW + 61}, {"iat": None}, {"iat": "1"},
     {"iat": NOW - 601}, {"nbf": NOW + 61}, {"exp": 10**400}, {"iat": -(10**400)},
     {"exp": float("inf")}, {"exp": float("nan")}, {"iat": float("nan")}],
)  # fmt: skip
def test_one_that_does_not_hold_now_is_refused(claims: dict[str, Any]) -> None:
    begin = (
        f"{b64({'alg': 'ES256', 'typ': 'JWT', 'kid': kid('ES256')})}.{b64({k: v for k, v in {**GOOD, **claims}.items() if v is not None})}"
    )
    refuses(f"{begin}.{b64(es256(begin.encode()))}", NOT_NOW)


def test_clocks_may_differ_by_a_minute() -> None:
    for now in (NOW - 59, NOW + 359):
        assert looked_at(token(), now=now) == GOOD


@pytest.mark.parametrize("subject", [None, "", 7, ["carl-1"], "x" * 256, "carl\n1", "carl\x001", "\u202ecarl"])
def test_somebody_has_signed_in(subject: Any) -> None:
    refuses(token(sub=subject), "does not say who signed in")


def test_a_nonce_is_the_one_that_was_sent_or_none() -> None:
    assert oidc.same("n", "n")
    assert not any((oidc.same("", ""), oidc.same("", "n"), oidc.same("n", ""), oidc.same("N", "n"), oidc.same("é", "n")))
    for nonce in (None, 7, ["n"], {"n": 1}, "n\n"):
        assert not oidc.same(oidc.claims({**GOOD, "nonce": nonce}, {}).nonce, "n")


# --- whose address ----------------------------------------------------------------------------------------------------------------------

CARL = "carl@acme.example"


def vouched(beside: dict[str, Any] = {}, **claims: Any) -> tuple[str, bool]:  # noqa: B006
    found = oidc.claims({**GOOD, **claims}, beside)
    return found.email, found.verified


@pytest.mark.parametrize("verified", [False, None, "false", "False", "", "yes", 0, 1, 1.0, [], [True], {"x": True}])
def test_an_address_that_the_provider_does_not_confirm_is_nobodys(verified: Any) -> None:
    assert vouched(email=CARL, email_verified=verified) == (CARL, False)
    assert vouched(email=CARL, email_verified=verified, xms_edov=True) == (CARL, False)


def test_one_that_it_confirms_is_theirs() -> None:
    assert vouched(email=CARL) == (CARL, False), "who says nothing does not confirm it"
    confirmed: list[dict[str, Any]] = [{"email_verified": True}, {"email_verified": "true"}, {"xms_edov": True}, {"xms_edov": "1"}]
    for said in [*confirmed, {"xms_edov": 1}]:
        assert vouched(email=CARL, **said) == (CARL, True)
    for no in (False, "0", None):
        assert vouched(email=CARL, xms_edov=no) == (CARL, False)


def test_google_knows_of_its_own_addresses_whose_they_are_now() -> None:
    """Of others it knows whose they once were: who had one before keeps the account."""
    at_google: dict[str, Any] = {"iss": "https://accounts.google.com", "email_verified": True}
    assert vouched(email=CARL, **at_google) == (CARL, False)
    assert vouched(email=CARL, hd="acme.example", **at_google) == (CARL, True)
    assert vouched(email="Carl@GMail.com", **at_google) == ("Carl@GMail.com", True)
    assert vouched(email="carl@gmail.com.evil.example", **at_google)[1] is False
    assert vouched(email=CARL, hd="acme.example", iss=at_google["iss"], email_verified=False) == (CARL, False)


@pytest.mark.parametrize("email", [None, 7, [CARL], {"x": CARL}, "carl@acme.example\nbcc: eve@globex.example", "carl\x00@acme.example"])
def test_an_address_is_one_line_of_text(email: Any) -> None:
    assert vouched(email=email, email_verified=True)[0] == ""


def test_what_is_told_beside_the_token_is_about_the_same_person() -> None:
    beside = {"sub": "carl-1", "email": CARL, "email_verified": True, "name": "Carl"}
    assert vouched(beside) == (CARL, True)
    for sub in ("ada-1", "CARL-1", "", None, ["carl-1"]):
        with pytest.raises(ProviderRefused, match="tells about another person"):
            vouched({**beside, "sub": sub})
    with pytest.raises(ProviderRefused, match="tells about another person"):
        vouched({name: value for name, value in beside.items() if name != "sub"})


def test_an_address_and_that_it_is_confirmed_come_from_one_place() -> None:
    beside = {"sub": "carl-1", "email": "ada@acme.example", "email_verified": True}
    assert vouched(beside, email=CARL) == (CARL, False)
    assert vouched(beside, email=CARL, email_verified=False) == (CARL, False)
    assert vouched({"sub": "carl-1", "email": CARL}, email_verified=True) == (CARL, False)


# --- where its documents are ------------------------------------------------------------------------------------------------------------

NO_ISSUER = [
    "", "login.example.com", "ftp://login.example.com", "javascript:alert(1)", "http://login.example.com", "https://", "https:///acme",
    "https://ada:word@login.example.com", "https://ada@login.example.com", "https://login.example.com/#x", "https://login.example.com:0/",
    "https://login.example.com:x/", "https://login.example.com:99999/", "https://log in.example.com/", "https://lögin.example.com/",
    "https://login.example.com\\@evil.example/", "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://[::1", "file:///etc/passwd",
    "https://login.example.com/?tenant=acme", "https://login.example.com/\n", "https://a.example/" + "x" * 500,
]  # fmt: skip


@pytest.mark.parametrize("url", NO_ISSUER)
def test_what_is_no_issuer_is_called_by_nobody(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "call", lambda *_, **__: pytest.fail("called"))
    with pytest.raises(ProviderRefused):
        oidc.discover(url)


INSIDE = ["127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "[::1]", "[fd00::1]", "[::ffff:127.0.0.1]"]


@pytest.mark.parametrize("host", INSIDE)
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_nothing_inside_is_called(host: str, scheme: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.UPSTREAM_NETWORKS = []
    monkeypatch.setattr(fetching, "_fetch", lambda *_, **__: pytest.fail("called"))
    with pytest.raises(ProviderRefused, match="has no public address|begins with https"):
        oidc.discover(f"{scheme}://{host}/acme")


def test_nor_by_a_name_that_leads_there(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.UPSTREAM_NETWORKS = []
    monkeypatch.setattr(fetching, "_fetch", lambda *_, **__: pytest.fail("called"))
    with pytest.raises(ProviderRefused, match="localhost has no public address") as refused:
        oidc.discover("https://localhost:1/acme")
    assert "127.0.0.1" not in str(refused.value)


def test_plain_http_is_for_this_machine_alone(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.UPSTREAM_NETWORKS = ["10.0.0.0/8", "127.0.0.0/8"]
    monkeypatch.setattr(fetching, "_fetch", lambda *_, **__: pytest.fail("called"))
    for url in ("http://10.1.2.3/acme", "http://login.example.com/acme", "http://localhost.example.com/"):
        with pytest.raises(ProviderRefused, match="begins with https"):
            oidc.discover(url)


def test_nor_where_a_name_of_it_leads_elsewhere(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.UPSTREAM_NETWORKS = ["10.0.0.0/8", "127.0.0.0/8"]
    monkeypatch.setattr(fetching, "_fetch", lambda *_, **__: pytest.fail("called"))
    with pytest.raises(fetching.Unreachable):
        fetching.call("GET", oidc.check_address("http://localhost/acme"), resolver=lambda *_: ["10.1.2.3"])


@pytest.fixture
def idp(settings: Any) -> Iterator[Hostile]:
    settings.UPSTREAM_NETWORKS = ["127.0.0.0/8"]
    with hostile_idp.running() as found:
        yield found


def test_a_document_of_the_issuer_itself_is_believed(idp: Hostile) -> None:
    found = oidc.discover(idp.url)
    assert found["token_endpoint"] == f"{idp.url}/token"
    assert oidc.keys_of(found) == public("RS256")["keys"]
    assert oidc.userinfo(found, "an-access-token") == {}
    assert [each.path for each in idp.asked] == ["/.well-known/openid-configuration", "/jwks", "/userinfo"]
    assert idp.asked[-1].headers["Authorization"] == "Bearer an-access-token"


@pytest.mark.parametrize("issuer", [None, "", "https://login.example.com", 1, ["x"], {}])
def test_another_issuers_document_is_refused(idp: Hostile, issuer: Any) -> None:
    idp.document = {"issuer": issuer}
    with pytest.raises(ProviderRefused, match="to the letter"):
        oidc.discover(idp.url)
    idp.document = {"issuer": idp.url}
    with pytest.raises(ProviderRefused, match="to the letter"):
        oidc.discover(f"{idp.url}/")


@pytest.mark.parametrize("name", [*oidc.ENDPOINTS, "userinfo_endpoint"])
@pytest.mark.parametrize(
    "address",
    ["http://login.example.com/x", "javascript:alert(1)", "file:///etc/passwd", "//login.example.com/x", 7, "https://a@b.example/"],
)
def test_every_address_in_it_is_looked_at(idp: Hostile, name: str, address: Any) -> None:
    idp.document = {name: address}
    with pytest.raises(ProviderRefused):
        oidc.discover(idp.url)


def test_an_address_in_it_that_leads_inside_is_not_called(idp: Hostile, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    idp.document = {"jwks_uri": "https://169.254.169.254/latest/meta-data/", "userinfo_endpoint": "https://10.0.0.1/"}
    document = oidc.discover(idp.url)
    monkeypatch.setattr(fetching, "_fetch", lambda *_, **__: pytest.fail("called"))
    for act in (lambda: oidc.keys_of(document), lambda: oidc.userinfo(document, "t")):
        with pytest.raises(ProviderRefused, match="has no public address"):
            act()


@pytest.mark.parametrize("missing", oidc.ENDPOINTS)
def test_what_is_missing_is_named(idp: Hostile, missing: str) -> None:
    idp.document = {missing: None}
    with pytest.raises(ProviderRefused, match=f"names no {missing}"):
        oidc.discover(idp.url)


@pytest.mark.parametrize("methods", [["private_key_jwt"], [], ["none"], "client_secret_basic", 7])
def test_a_provider_that_takes_no_secret_can_not_be_used(idp: Hostile, methods: Any) -> None:
    idp.document = {"token_endpoint_auth_methods_supported": methods}
    with pytest.raises(ProviderRefused, match="takes no client secret"):
        oidc.discover(idp.url)


@pytest.mark.parametrize(
    "said",
    [
        Said(status=302, headers={"Location": "https://169.254.169.254/"}),
        Said(status=301, headers={"Location": "/jwks"}),
        Said(status=500),
        Said(status=204, body=b""),
        Said(b"<html>"),
        Said(b"[]"),
        Said(b"null"),
        Said(b"\xff\xfe"),
        Said(b"[" * 50_000),
        Said(b"{}" + b" " * 70_000),
        Said(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}),
        Said(headers={"Content-Length": "-1"}),
    ],
    ids=range(12),
)
def test_whatever_else_it_answers_is_no_document_and_no_keys(idp: Hostile, said: Said) -> None:
    document = oidc.discover(idp.url)
    idp.asked.clear()
    for path, act in {
        "/.well-known/openid-configuration": lambda: oidc.discover(idp.url),
        "/jwks": lambda: oidc.keys_of(document),
        "/userinfo": lambda: oidc.userinfo(document, "t"),
    }.items():
        idp.says = {path: said}
        with pytest.raises(ProviderRefused):
            act()
    assert len(idp.asked) == 3, "a redirect is not followed"


@pytest.mark.parametrize("keys", [{}, {"keys": []}, {"keys": None}, {"keys": {"kty": "RSA"}}, {"keys": "x"}])
def test_no_keys_are_no_keys(idp: Hostile, keys: Any) -> None:
    idp.says["/jwks"] = told(keys)
    with pytest.raises(ProviderRefused, match="shows no keys"):
        oidc.keys_of(oidc.discover(idp.url))


def test_a_provider_that_drips_is_not_waited_for(idp: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, and the last would come after half a minute."""
    monkeypatch.setattr(oidc, "SECONDS", 0.5)
    idp.says["/.well-known/openid-configuration"] = Said(b" " * 300, drip=0.1)
    began = time.monotonic()
    with pytest.raises(ProviderRefused, match="did not answer within"):
        oidc.discover(idp.url)
    assert time.monotonic() - began < 3


# --- how often, and how many at once ----------------------------------------------------------------------------------------------------


def test_a_document_is_known_for_five_minutes_and_keys_never(idp: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        oidc.keys_of(oidc.document_of(idp.url))
    assert [each.path for each in idp.asked] == ["/.well-known/openid-configuration", "/jwks", "/jwks", "/jwks"]
    later = time.monotonic() + 301
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert not oidc.is_known(idp.url)
    oidc.document_of(idp.url)
    assert idp.asked[-1].path == "/.well-known/openid-configuration"


def test_one_that_could_not_be_read_is_asked_for_again(idp: Hostile) -> None:
    idp.says["/.well-known/openid-configuration"] = Said(status=500)
    with pytest.raises(ProviderRefused):
        oidc.document_of(idp.url)
    idp.says.clear()
    assert oidc.document_of(idp.url)["issuer"] == idp.url


def test_a_slow_provider_holds_up_its_own_tenant_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oidc, "PATIENCE", 0.05)
    acme, globex, third = uuid4(), uuid4(), uuid4()
    entered, leave = threading.Event(), threading.Event()

    def slow() -> None:
        with oidc.one_of_few(acme):
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=slow)
    thread.start()
    assert entered.wait(10)
    with pytest.raises(Busy), oidc.one_of_few(acme):
        pytest.fail("twice for one tenant")
    with oidc.one_of_few(globex), pytest.raises(Busy), oidc.one_of_few(third):
        pytest.fail("more than there are")
    leave.set()
    thread.join()
    with oidc.one_of_few(acme), oidc.one_of_few(third):
        pass


def test_what_fails_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oidc, "PATIENCE", 0.05)
    acme = uuid4()
    for _ in range(3):
        with pytest.raises(ProviderRefused), oidc.one_of_few(acme):
            raise ProviderRefused
