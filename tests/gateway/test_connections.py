"""Gateways connect to an upstream as its revision says: with which proof, to which paths."""

import base64
import json
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests import live, secrets_search
from tests.gateway.test_chain import Tls, assert_refused, last_seen, tls
from tests.live import Gateway, Upstream
from tests.pki import Authority, Private, new_key

__all__ = ["tls"]
ANSWERS = {"responses": {"200": {"description": "Yes"}}}
PATHS = ("/api/v3", "/api/v3/orders/{id}", "/api/v30", "/{name}/v3/orders")
CONTENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Paths", "version": "1"},
    "paths": {path: {"get": {"operationId": f"at{number}", **ANSWERS}} for number, path in enumerate(PATHS)},
}
for _path, _name in (("/api/v3/orders/{id}", "id"), ("/{name}/v3/orders", "name")):
    CONTENT["paths"][_path]["parameters"] = [{"name": _name, "in": "path", "required": True, "schema": {"type": "string"}}]


def test_a_bearer_token_and_a_password_reach_the_upstream_alone(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream, api=False)
    shop.add_api("bearer", credential="bearer", secret="of-ours")
    shop.add_api("basic", credential="basic", user="pörtico", secret="a:b £")
    said = {"bearer": "Bearer of-ours", "basic": f"Basic {base64.b64encode('pörtico:a:b £'.encode()).decode()}"}
    for api, value in said.items():
        answer = gateway.settles(200, "", shop.path(api=api), shop.client(api=api).token())
        assert last_seen(upstream).headers["authorization"] == value
        assert value not in str(answer.headers)


def test_the_beginning_of_paths_is_taken_off(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream, api=False)
    seen: dict[str, dict[str, str]] = {}
    for api, base in (("bare", ""), ("based", "/base")):
        shop.add_api(api, content=CONTENT, url=f"{upstream.url}{base}", strip_path="/api/v3")
        token = shop.client(api=api).token()
        gateway.settles(200, "", shop.path("/api/v30", api=api), token)
        seen[api] = {}
        for path in ("/api/v3", "/api/v3?a=b", "/api/v3/orders/7?a=/api/v3", "/api/%763/orders/7", "/api/v30", "/other/v3/orders"):
            assert gateway.call(shop.path(path, api=api), token).status == 200, path
            seen[api][path] = last_seen(upstream).path
    assert seen == {
        "bare": {
            "/api/v3": "/",
            "/api/v3?a=b": "/?a=b",
            "/api/v3/orders/7?a=/api/v3": "/orders/7?a=/api/v3",
            "/api/%763/orders/7": "/orders/7",
            "/api/v30": "/api/v30",
            "/other/v3/orders": "/other/v3/orders",
        },
        "based": {
            "/api/v3": "/base",
            "/api/v3?a=b": "/base?a=b",
            "/api/v3/orders/7?a=/api/v3": "/base/orders/7?a=/api/v3",
            "/api/%763/orders/7": "/base/orders/7",
            "/api/v30": "/base/api/v30",
            "/other/v3/orders": "/base/other/v3/orders",
        },
    }


def test_an_upstream_proves_itself_by_authorities_and_a_name_of_its_own(gateway: Gateway, upstream: Upstream, tls: Tls) -> None:
    """Its certificate is for localhost, by an authority that the gateway does not know."""
    shop = live.shop(upstream, api=False)
    root, url = tls.ca_file.read_text(), f"https://127.0.0.1:{tls.upstream.port}"
    asked: dict[str, dict[str, Any]] = {"both": {"ca": root, "sni": "localhost"}, "authority": {"ca": root}, "name": {"sni": "localhost"}}
    for api, given in asked.items():
        shop.add_api(api, url=url, **given)
    clients = {api: shop.client(api=api).token() for api in asked}
    assert gateway.settles(200, "", shop.path(api="both"), clients["both"]).json["headers"]["host"] == f"127.0.0.1:{tls.upstream.port}"
    for api in ("authority", "name"):
        assert_refused(gateway.call(shop.path(api=api), clients[api]), 503, "UPSTREAM_UNAVAILABLE")


def served(folder: Path, version: ssl.TLSVersion) -> tuple[ssl.SSLContext, dict[str, Any]]:
    """An https upstream's TLS of this version alone, and what Pam tells of it."""
    authority = Authority()
    server = authority.issue("served", extensions=(x509.SubjectAlternativeName([x509.DNSName("served.example")]),))
    (folder / "server.pem").write_text(server.certificate + server.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    context.minimum_version = context.maximum_version = version
    return context, {"ca": authority.certificate, "sni": "served.example"}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_upstream_may_speak_one_version_of_tls_alone(
    gateway: Gateway, upstream: Upstream, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    context, told = served(tmp_path, version)
    there = Upstream(context)
    try:
        shop = live.shop(upstream, api=False)
        shop.add_api("orders", url=f"https://127.0.0.1:{there.port}", **told)
        gateway.settles(200, "", shop.path(), shop.client().token())
    finally:
        there.stop()


# Client certificates

KEYS: dict[str, Private] = {
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "p521": ec.generate_private_key(ec.SECP521R1()),
    "rsa2048": rsa.generate_private_key(65537, 2048),
    "rsa4096": rsa.generate_private_key(65537, 4096),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}
OF_CLIENTS = Authority("Authority for clients")


class Asking(Upstream):
    """An https upstream that asks for a client certificate by OF_CLIENTS, and answers with whose it is."""

    def answer(self, handler: Any) -> None:
        (((_, name),),) = handler.connection.getpeercert()["subject"]
        self.headers = {"x-client": name}
        super().answer(handler)


@pytest.fixture(scope="module", params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"])
def asking(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Asking, dict[str, Any]]]:
    """With what Pam tells of it beside a certificate."""
    context, told = served(tmp_path_factory.mktemp("asking"), request.param)
    context.load_verify_locations(cadata=OF_CLIENTS.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    made = Asking(context)
    yield made, {"url": f"https://127.0.0.1:{made.port}", **told}
    made.stop()


def test_a_gateway_proves_itself_by_a_client_certificate(gateway: Gateway, upstream: Upstream, asking: tuple[Asking, Any]) -> None:
    _there, told = asking
    shop = live.shop(upstream, api=False)
    pairs = {api: OF_CLIENTS.issue(f"Gateways {api}", key=key) for api, key in KEYS.items()}
    for api, pair in pairs.items():
        shop.add_api(api, **told, client_certificate=pair.certificate, client_key=pair.key, header="x-key", secret="beside-it")
    for api in KEYS:
        answer = gateway.settles(200, "", shop.path(api=api), shop.client(api=api).token())
        assert answer.headers["x-client"] == f"Gateways {api}"
        assert answer.json["headers"]["x-key"] == "beside-it"
    shown = secrets_search.config_dump(gateway.folder / "admin.sock")
    assert "/client" in shown
    assert secrets_search.found_in(shown, {}) == ""
    assert not any(pair.key.splitlines()[1] in shown for pair in pairs.values())


def test_it_does_so_at_the_first_check_of_a_targets_health(gateway: Gateway, upstream: Upstream, asking: tuple[Asking, Any]) -> None:
    """The next check is a minute away, so the first one has found its certificate there."""
    there, told = asking
    own = OF_CLIENTS.issue("Gateways that check")
    target = {"host": "127.0.0.1", "port": there.port, "weight": 1}
    told = {**told, "url": f"https://127.0.0.2:{there.port}", "weight": 0, "further_targets": [target]}
    shop = live.shop(upstream, api=False)
    shop.add_api("orders", **told, health_path="/healthz", health_interval=60, client_certificate=own.certificate, client_key=own.key)
    answer = gateway.settles(200, "", shop.path(), shop.client().token())
    assert answer.headers["x-client"] == "Gateways that check"
    assert "/healthz" in {each.path for each in there.seen}


def test_the_certificates_between_reach_the_upstream(gateway: Gateway, upstream: Upstream, asking: tuple[Asking, Any]) -> None:
    _there, told = asking
    shop, between = live.shop(upstream, api=False), Authority("Between")
    ca = x509.BasicConstraints(ca=True, path_length=None)
    signer = OF_CLIENTS.issue("Between", key=between.key, extensions=(ca,)).certificate
    far = between.issue("Far gateways")
    shop.add_api("far", **told, client_certificate=far.certificate + signer, client_key=far.key)
    shop.add_api("alone", **told, client_certificate=far.certificate, client_key=far.key)
    answer = gateway.settles(200, "", shop.path(api="far"), shop.client(api="far").token())
    assert answer.headers["x-client"] == "Far gateways"
    gateway.settles(503, "UPSTREAM_UNAVAILABLE", shop.path(api="alone"), shop.client(api="alone").token())


def test_without_a_certificate_or_with_a_strangers_calls_are_refused(
    gateway: Gateway, upstream: Upstream, asking: tuple[Asking, Any]
) -> None:
    there, told = asking
    shop, stranger = live.shop(upstream, api=False), Authority("Somebody").issue("Gateways")
    shop.add_api("without", **told)
    shop.add_api("stranger", **told, client_certificate=stranger.certificate, client_key=stranger.key)
    before = len(there.seen)
    for api in ("without", "stranger"):
        gateway.settles(503, "UPSTREAM_UNAVAILABLE", shop.path(api=api), shop.client(api=api).token())
    assert len(there.seen) == before


def test_the_next_revisions_certificate_takes_the_place_of_the_one_before(
    gateway: Gateway, upstream: Upstream, asking: tuple[Asking, Any]
) -> None:
    """Another key, another certificate of the same key, and none: each is a cluster of its own, and the one before is gone."""
    _there, told = asking
    shop, key = live.shop(upstream, api=False), new_key()
    first, second, renewed = OF_CLIENTS.issue("First"), OF_CLIENTS.issue("Second", key=key), OF_CLIENTS.issue("Renewed", key=key)
    api = shop.add_api("orders", **told, client_certificate=first.certificate, client_key=first.key)
    token = shop.client().token()
    with shop.scope():
        version = api.versions.get()

    def answered() -> str:
        return gateway.call(shop.path(), token).headers.get("x-client", "")

    assert answered() == "First"
    secrets = {_secrets(gateway, shop.slug)}
    revisions = [shop.add_revision(version, **told, client_certificate=second.certificate, client_key=second.key)]
    revisions.append(shop.add_revision(version, **told, client_certificate=renewed.certificate, kept=revisions[0].upstream))
    for revision, name in zip(revisions, ("Second", "Renewed"), strict=True):
        shop.enforced(shop.make_live(revision))
        assert answered() == name
        live.eventually(lambda: len(_secrets(gateway, shop.slug)) == 1)
        secrets.add(_secrets(gateway, shop.slug))
    assert len(secrets) == 3
    shop.enforced(shop.make_live(shop.add_revision(version, **told)))
    assert_refused(gateway.call(shop.path(), token), 503, "UPSTREAM_UNAVAILABLE")
    live.eventually(lambda: not _secrets(gateway, shop.slug))


def _secrets(gateway: Gateway, slug: str) -> frozenset[str]:
    """The names of the client certificates that the gateway has of a tenant."""
    shown = secrets_search.config_dump(gateway.folder / "admin.sock")
    found = [each for each in json.loads(shown)["configs"] if each["@type"].endswith("SecretsConfigDump")]
    return frozenset(
        each["name"] for part in found for each in part.get("dynamic_active_secrets", []) if re.fullmatch(f"{slug}/.*/client", each["name"])
    )
