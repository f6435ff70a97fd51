"""The life of a subscription at a real Envoy, and each refusal on its way."""

import datetime as dt
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.conf import settings

from apis.actions import subscriptions
from keys.actions import credentials
from tests import live
from tests.live import Answer, Gateway, Seen, Upstream

REASON = "A test."


def assert_refused(answer: Answer, status: int, code: str) -> None:
    """A refusal is a problem document that names its code, says what to do, and can be looked up."""
    assert (answer.status, answer.code) == (status, code), str(answer)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json
    assert {"type", "title", "status", "code", "detail", "instance", "request_id"} == set(problem)
    assert (problem["code"], problem["status"]) == (code, status)
    assert problem["type"] == f"{settings.PORTAL_URL}/refusals/{code}/"
    assert problem["title"].endswith(".")
    assert problem["detail"].endswith(".")
    if code == "REQUEST_INVALID":
        return  # It is refused before it has an id.
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert len(problem["request_id"]) == 36


def last_seen(upstream: Upstream) -> Seen:
    return upstream.seen[-1]


def test_the_life_of_a_subscription(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    ada = shop.person("approver")
    carl = shop.client("pending")
    token, path, subscription = carl.token(), shop.path(), carl.subscription
    before = len(upstream.seen)
    assert_refused(gateway.call(path, token), 403, "SUBSCRIPTION_PENDING")

    shop.enforced(shop.does(subscriptions.approve, subscription, by=ada))
    assert gateway.call(path, token).status == 200
    shop.enforced(shop.does(subscriptions.suspend, subscription, reason=REASON, by=ada))
    assert_refused(gateway.call(path, token), 403, "SUBSCRIPTION_SUSPENDED")
    shop.enforced(shop.does(subscriptions.resume, subscription, by=ada))
    assert gateway.call(path, token).status == 200
    shop.enforced(shop.does(subscriptions.cancel, subscription, by=ada))
    assert_refused(gateway.call(path, token), 403, "SUBSCRIPTION_CANCELLED")

    shop.subscribe(carl, shop.plan(), status="rejected")
    shop.enforced_newest()
    assert_refused(gateway.call(path, token), 403, "SUBSCRIPTION_REJECTED")
    again = shop.subscribe(carl, shop.plan(), status="pending")
    shop.enforced_newest()
    assert_refused(gateway.call(path, token), 403, "SUBSCRIPTION_PENDING")
    shop.enforced(shop.does(subscriptions.approve, again, by=ada))
    assert gateway.call(path, token).status == 200
    assert len(upstream.seen) == before + 3


def test_the_upstream_learns_who_calls_and_never_the_token(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    carl = shop.client(plan=shop.plan(name="gold"))
    spoofed = [
        ("x-portico-tenant", "globex"),
        ("X-Portico-Application", "someone"),
        ("x-portico-subscription", "1"),
        ("x-portico-subscription", "2"),
        ("x-portico-plan", "platinum"),
        ("x-portico-claims", "eyJhbGciOiJub25lIn0..."),
    ]
    assert gateway.call(shop.path("/orders/7?full=1"), carl.token(), headers=spoofed).status == 200
    seen = last_seen(upstream)
    assert carl.subscription is not None
    assert {name: value for name, value in seen.headers.items() if name.startswith("x-portico-")} == {
        "x-portico-tenant": shop.slug,
        "x-portico-application": carl.client_id,
        "x-portico-subscription": str(carl.subscription.pk),
        "x-portico-plan": "gold",
    }
    assert not {"authorization", "x-api-key"} & set(seen.headers)
    assert seen.path == "/orders/7?full=1"
    assert seen.headers["host"] == f"127.0.0.1:{upstream.port}"


def test_nobody_without_a_subscription(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    shop.add_api("billing")
    carl, dora = shop.client(), shop.client("")
    assert_refused(gateway.call(shop.path()), 401, "TOKEN_MISSING")
    assert_refused(gateway.call(shop.path(), "garbage"), 401, "TOKEN_INVALID")
    assert_refused(gateway.call(shop.path(), dora.token()), 403, "SUBSCRIPTION_REQUIRED")
    assert_refused(gateway.call(shop.path(api="billing"), carl.token()), 403, "SUBSCRIPTION_REQUIRED")
    assert gateway.call(shop.path(), carl.token()).status == 200


def test_rate_limit(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    shop.add_api("billing")
    plan = shop.plan(calls=3, seconds=60)
    carl, dora = shop.client(plan=plan), shop.client(plan=plan)
    shop.subscribe(carl, shop.plan("billing", calls=5, seconds=60))
    token = carl.token()
    # The gateway's two threads share one bucket, so exactly three pass.
    answers = [gateway.call(shop.path(), token) for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[0].headers["x-ratelimit-limit"].startswith("3")
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0", "0"]
    assert 0 < int(answers[3].headers["x-ratelimit-reset"]) <= 60
    assert_refused(answers[3], 429, "RATE_LIMITED")
    assert 0 < int(answers[3].headers["retry-after"]) <= 60
    # Another application, and another API of the same one, have buckets of their own.
    assert gateway.call(shop.path(), dora.token()).headers["x-ratelimit-remaining"] == "2"
    assert gateway.call(shop.path(api="billing"), token).headers["x-ratelimit-remaining"] == "4"


def test_a_refused_caller_takes_nothing_from_the_bucket(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    carl, dora = shop.client(plan=shop.plan(calls=2, seconds=60)), shop.client("")
    # The bucket belongs to the client of the verified token, whatever a header says.
    for _ in range(3):
        assert gateway.call(shop.path(), dora.token(), headers=[("x-portico-application", carl.client_id)]).status == 403
    assert gateway.call(shop.path(), carl.token()).headers["x-ratelimit-remaining"] == "1"


def test_other_methods_are_named(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    token = shop.client().token()
    answer = gateway.call(shop.path("/orders"), token, method="DELETE")
    assert_refused(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "GET, POST"
    assert gateway.call(shop.path("/orders/1"), token, method="POST", body=b"").headers["allow"] == "GET"


@pytest.mark.parametrize(
    "rest",
    ["/secret", "/orders/", "/Orders/1", "/orders/1/", "/orders/1/2", "/ordersx", "/orders;x=1", "/order", "", "/", "/orders/../x"],
)
def test_what_is_not_published_does_not_exist(gateway: Gateway, upstream: Upstream, rest: str) -> None:
    shop = live.shop(upstream)
    before = len(upstream.seen)
    assert_refused(gateway.call(shop.path(rest), shop.client().token()), 404, "NO_SUCH_ROUTE")
    assert len(upstream.seen) == before


def test_paths_that_look_alike(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    token = shop.client().token()
    slug = shop.slug
    for path in (
        f"/{slug}/ordersx/v1/orders/1",
        f"/{slug}/order/v1/orders/1",
        f"/{slug}/orders/v10/orders/1",
        f"/{slug}/orders/orders/1",
        f"/{slug}/ORDERS/v1/orders/1",
        f"/{slug}",
        f"/{slug}/",
    ):
        assert_refused(gateway.call(path, token), 404, "NO_SUCH_ROUTE")
    for path in (f"/{slug.upper()}/orders/v1/orders/1", f"/{slug}x/orders/v1/orders/1", "/"):
        assert_refused(gateway.call(path, token), 503, "NOT_READY")
    before = len(upstream.seen)
    for path in (f"/{slug}/orders/v1/orders%2f1", f"/{slug}/orders/v1/orders%5C1", f"/{slug}%2forders/v1/orders/1"):
        assert_refused(gateway.call(path, token), 400, "REQUEST_INVALID")
    assert len(upstream.seen) == before
    # Dots, doubled slashes and needless escapes are the same path, for the gateway and for the upstream.
    for path in (f"/{slug}/x/../orders/v1//orders/1", f"/{slug}/./orders/v1/%6frders/1"):
        assert gateway.call(path, token).status == 200
        assert last_seen(upstream).path == "/orders/1"


def test_an_upstream_that_is_down(gateway: Gateway, upstream: Upstream) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        shop = live.shop(upstream)
        shop.add_api("down", url=f"http://127.0.0.1:{nobody.getsockname()[1]}")
        assert_refused(gateway.call(shop.path(api="down"), shop.client(api="down").token()), 503, "UPSTREAM_UNAVAILABLE")


def test_an_upstream_that_is_slow(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    shop.add_api("slow", timeout_ms=300)
    token = shop.client(api="slow").token()
    assert_refused(gateway.call(shop.path("/slow?ms=1500", api="slow"), token), 504, "UPSTREAM_TIMEOUT")
    assert gateway.call(shop.path("/slow?ms=10", api="slow"), token).status == 200


def test_an_upstream_of_another_name_and_base_path(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    shop.add_api("based", url=f"http://localhost:{upstream.port}/deep/$1/base")
    # `localhost` may have an address that the upstream does not listen on; one that is refused is tried no further.
    token = shop.client(api="based").token()

    def called() -> live.Answer | None:
        found = gateway.call(shop.path("/orders/1?a=b", api="based"), token)
        return found if found.status == 200 else None

    answer = live.eventually(called)
    assert answer is not None
    assert answer.json["path"] == "/deep/$1/base/orders/1?a=b"
    assert answer.json["headers"]["host"] == f"localhost:{upstream.port}"


def test_the_injected_secret(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    shop.add_api("guarded", header="X-Backend-Key", secret="s3cret")
    shop.add_api("bearer", header="Authorization", secret="Bearer of-ours")
    guarded, bearer = shop.client(api="guarded"), shop.client(api="bearer")
    token = guarded.token()
    for headers in ([], [("x-backend-key", "mine")]):
        assert gateway.call(shop.path(api="guarded"), token, headers=headers).status == 200
        assert last_seen(upstream).headers["x-backend-key"] == "s3cret"
        assert "authorization" not in last_seen(upstream).headers
    assert gateway.call(shop.path(api="bearer"), bearer.token()).status == 200
    assert last_seen(upstream).headers["authorization"] == "Bearer of-ours"


@dataclass
class Tls:
    upstream: Upstream
    ca_file: Path


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tls]:
    """An https upstream whose certificate, by an authority of its own, names localhost and no address."""
    folder = tmp_path_factory.mktemp("tls")
    authority, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of a test")])
    now = dt.datetime.now(dt.UTC)
    hour = dt.timedelta(hours=1)

    def certificate(key: ec.EllipticCurvePrivateKey, subject: x509.Name, extension: x509.ExtensionType) -> x509.Certificate:
        built = x509.CertificateBuilder(name, subject, key.public_key(), x509.random_serial_number(), now - hour, now + hour)
        return built.add_extension(extension, critical=False).sign(authority, hashes.SHA256())

    root = certificate(authority, name, x509.BasicConstraints(ca=True, path_length=None))
    named = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    leaf = certificate(server, x509.Name([]), named)
    ca_file, chain = folder / "ca.pem", folder / "chain.pem"
    ca_file.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    private = server.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    chain.write_bytes(leaf.public_bytes(serialization.Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    made = Upstream(context)
    yield Tls(made, ca_file)
    made.stop()


def test_https_with_an_authority_of_its_own(gateway: Gateway, upstream: Upstream, tls: Tls) -> None:
    shop = live.shop(upstream)
    shop.add_api("named", url=f"https://localhost:{tls.upstream.port}")
    shop.add_api("addressed", url=f"https://127.0.0.1:{tls.upstream.port}")
    named, addressed = shop.client(api="named").token(), shop.client(api="addressed").token()
    # The gateway does not know the authority.
    assert_refused(gateway.call(shop.path(api="named"), named), 503, "UPSTREAM_UNAVAILABLE")
    gateway.end("envoy")
    gateway.ca_file = str(tls.ca_file)
    try:
        gateway.start_envoy()
        passes = lambda: gateway.call(shop.path(api="named"), named).status == 200  # noqa: E731
        live.eventually(passes)
        # The certificate is good, and for another name.
        assert_refused(gateway.call(shop.path(api="addressed"), addressed), 503, "UPSTREAM_UNAVAILABLE")
        assert {seen.headers["host"] for seen in tls.upstream.seen} == {f"localhost:{tls.upstream.port}"}
    finally:
        gateway.ca_file = ""
        gateway.end("envoy")


def paths(*names: str) -> dict[str, object]:
    answers = {"responses": {"200": {"description": "Yes"}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Paths", "version": "1"},
        "paths": {f"/{name}": {"get": {"operationId": name, **answers}} for name in names},
    }


def test_a_new_revision_and_back(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    api = shop.add_api("moving", content=paths("old", "both"))
    token = shop.client(api="moving").token()

    def statuses() -> dict[str, int]:
        return {name: gateway.call(shop.path(f"/{name}", api="moving"), token).status for name in ("old", "both", "new")}

    assert statuses() == {"old": 200, "both": 200, "new": 404}
    with shop.scope():
        version = api.versions.get()
        first = version.live_revision
        assert first is not None
    second = shop.add_revision(version, content=paths("both", "new"), url=f"{upstream.url}/second")
    assert statuses() == {"old": 200, "both": 200, "new": 404}
    shop.enforced(shop.make_live(second))
    assert statuses() == {"old": 404, "both": 200, "new": 200}
    assert last_seen(upstream).path == "/second/new"
    shop.enforced(shop.make_live(first))
    assert statuses() == {"old": 200, "both": 200, "new": 404}


def test_a_revoked_credential_takes_its_tokens_with_it(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    carl = shop.client()
    other, _ = shop.does(credentials.create_credential, carl.application, by=None)
    revoked, goes_on = carl.token(), live.Client(shop, carl.application, other).token()
    assert (gateway.call(shop.path(), revoked).status, gateway.call(shop.path(), goes_on).status) == (200, 200)
    shop.enforced(shop.does(credentials.revoke, carl.credential, by=None))
    assert_refused(gateway.call(shop.path(), revoked), 401, "TOKEN_REVOKED")
    assert gateway.call(shop.path(), goes_on).status == 200


def test_a_rolled_credential(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    carl = shop.client()
    old = carl.token()
    replacement, _ = shop.does(credentials.roll, carl.credential, grace="1h", by=None)
    carl.credential = replacement
    new = carl.token()
    assert (gateway.call(shop.path(), old).status, gateway.call(shop.path(), new).status) == (200, 200)
    shop.does(credentials.roll, replacement, grace="0", by=None)
    shop.enforced_newest()
    assert gateway.call(shop.path(), old).status == 200
    assert_refused(gateway.call(shop.path(), new), 401, "TOKEN_REVOKED")


def test_tenants_do_not_meet(gateway: Gateway, upstream: Upstream) -> None:
    acme, globex = live.shop(upstream), live.shop(upstream)
    carl, eve = acme.client(), globex.client()
    assert gateway.call(acme.path(), carl.token()).status == 200
    assert gateway.call(globex.path(), eve.token()).status == 200
    assert_refused(gateway.call(acme.path(), eve.token()), 401, "TOKEN_INVALID")
    assert_refused(gateway.call(globex.path(), carl.token()), 401, "TOKEN_INVALID")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "globex", "*"])
def test_other_host_names(gateway: Gateway, upstream: Upstream, host: str) -> None:
    shop = live.shop(upstream)
    token = shop.client().token()
    assert gateway.call(shop.path(), token, host="localhost").status == 200
    before = len(upstream.seen)
    assert_refused(gateway.call(shop.path(), token, host=host), 421, "HOST_UNKNOWN")
    assert len(upstream.seen) == before
