"""An upstream's further targets share its calls at a real Envoy, and what fails its check gets none."""

import datetime as dt
import http.server
import ipaddress
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from apis.actions import publishing
from apis.balancing import HealthCheck
from apis.models import ApiVersion, Revision
from gateway import desired
from gateway.envoy import state
from gateway.envoy.clusters import cluster
from gateway.envoy.state import Target
from tests import live, make
from tests.conftest import Cast
from tests.gateway.states import upstream as state_of
from tests.gateway.test_chain import assert_refused
from tests.live import Gateway, Shop, Upstream, eventually, stays

# As often as Envoy can: publishers may have it looked at every five seconds.
OFTEN = HealthCheck(path="/healthz", interval=1, timeout_ms=1_000, failures=1, successes=1)


class Place(Upstream):
    """An upstream that answers checks with `health`, after `seconds`, and counts calls and checks apart."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.health, self.seconds = 200, 0.0
        self.checks: list[dict[str, str]] = []
        super().__init__(tls)

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        if not handler.path.startswith("/healthz"):
            super().answer(handler)
            return
        time.sleep(self.seconds)
        self.checks.append({name.lower(): value for name, value in handler.headers.items()})
        handler.send_response(self.health)
        handler.send_header("content-length", "0")
        handler.end_headers()

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.port}"


@pytest.fixture
def places() -> Iterator[list[Place]]:
    made = [Place() for _ in range(3)]
    yield made
    for each in made:
        each.stop()


def further(place: Place, weight: int) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": place.port, "weight": weight}


def add(shop: Shop, *, check: HealthCheck | None = None, **target: Any) -> Revision:
    """The next revision of the orders."""
    with shop.scope():
        version = ApiVersion.objects.select_related("api").get(api__slug="orders")
    found = make.target(target.pop("url"), **target)
    found = replace(found, balances=replace(found.balances, check=check))
    return shop.does(publishing.add_revision, version, document=make.document(live.DOCUMENT), target=found, by=None)


# Shares


def test_targets_have_their_shares(gateway: Gateway, places: list[Place]) -> None:
    most, some, none = places
    shop = live.shop(most, weight=75, further_targets=[further(some, 25), further(none, 0)])
    token = shop.client().token()
    gateway.settles(200, "", shop.path(), token)
    for each in places:
        each.seen.clear()
    answers = [gateway.call(shop.path("/orders/7?a=b"), token) for _ in range(400)]
    assert {answer.status for answer in answers} == {200}
    told = Counter(answer.json["headers"]["host"] for answer in answers)
    assert told == {most.authority: len(most.seen), some.authority: len(some.seen)}, "each is called by its own name"
    # Envoy deals them out in turns, each of its threads by itself, so chance plays a small part alone.
    assert 250 <= len(most.seen) <= 350, told
    assert none.seen == []


def test_a_target_has_its_share_however_many_addresses_it_has() -> None:
    three, two = ("192.0.2.1", "192.0.2.2", "192.0.2.3"), ("192.0.2.4", "192.0.2.5")
    others = (Target("b.example", 80, 40, two), Target("c.example", 80, 0, ("192.0.2.6",)), Target("d.example", 80, 7, ()))
    made = cluster("acme", state_of(host="a.example", port=80, weight=60, addresses=three, further=others))
    (locality,) = made.load_assignment.endpoints
    shares: Counter[str] = Counter()
    for each in locality.lb_endpoints:
        shares[each.endpoint.hostname] += each.load_balancing_weight.value
    assert shares.keys() == {"a.example", "b.example"}
    assert shares["a.example"] * 40 == shares["b.example"] * 60 > 0
    assert len(locality.lb_endpoints) == 5
    crowd = tuple(Target(f"{n}.example", 80, 100, tuple(f"192.0.2.{at}" for at in range(n))) for n in range(8, 17))
    most = cluster("acme", state_of(weight=100, addresses=("192.0.2.1",) * 7, further=crowd))
    assert sum(each.load_balancing_weight.value for each in most.load_assignment.endpoints[0].lb_endpoints) < 2**32


def test_two_names_at_one_address_are_two_targets(gateway: Gateway, places: list[Place]) -> None:
    """As behind one balancer that goes by the name."""
    first, *_ = places
    shop = live.shop(first, further_targets=[{"host": "localhost", "weight": 1}])
    token = shop.client().token()
    gateway.settles(200, "", shop.path(), token)
    told = {gateway.call(shop.path(), token).json["headers"]["host"] for _ in range(8)}
    assert told == {first.authority, f"localhost:{first.port}"}


# Health


def test_a_target_that_fails_gets_no_calls_and_comes_back(gateway: Gateway, places: list[Place]) -> None:
    first, second, _ = places
    shop = live.shop(first)
    shared = {"url": first.url, "further_targets": [further(second, 1)], "header": "x-key", "secret": "hush"}
    shop.enforced(shop.make_live(add(shop, check=OFTEN, **shared)))
    token = shop.client().token()
    gateway.settles(200, "", shop.path(), token)

    def called() -> set[str]:
        answers = [gateway.call(shop.path(), token) for _ in range(8)]
        assert {answer.status for answer in answers} == {200}
        return {answer.json["headers"]["host"] for answer in answers}

    both = {first.authority, second.authority}
    eventually(lambda: called() == both)
    second.health = 503
    eventually(lambda: called() == {first.authority})
    stays(lambda: called() == {first.authority}, seconds=1.5)
    second.health = 204
    eventually(lambda: called() == both)
    # A redirect is not well, and the secret goes to calls alone.
    second.health = 302
    eventually(lambda: called() == {first.authority})
    assert {check["host"] for check in second.checks} == {second.authority}
    assert all("x-key" not in check for check in [*first.checks, *second.checks])
    assert all(seen.headers["x-key"] == "hush" for seen in second.seen)


def test_where_all_fail_calls_are_refused_until_one_is_well(gateway: Gateway, places: list[Place]) -> None:
    """And not sent to what was found not to work."""
    first, second, third = places
    shop = live.shop(first)
    all_three = [further(second, 1), further(third, 1)]
    shop.enforced(shop.make_live(add(shop, url=first.url, further_targets=all_three, check=OFTEN)))
    token = shop.client().token()
    gateway.settles(200, "", shop.path(), token)
    for each in places:
        each.health = 500
    assert_refused(gateway.settles(503, "UPSTREAM_UNAVAILABLE", shop.path(), token), 503, "UPSTREAM_UNAVAILABLE")
    many = [len(each.seen) for each in places]
    assert all(gateway.call(shop.path(), token).status == 503 for _ in range(5))
    assert [len(each.seen) for each in places] == many
    third.health = 200
    assert gateway.settles(200, "", shop.path(), token).json["headers"]["host"] == third.authority


def test_a_threshold_is_so_many_answers(gateway: Gateway, places: list[Place]) -> None:
    """By itself Envoy takes the first bad one for the end."""
    first, *_ = places
    shop = live.shop(first)
    shop.enforced(shop.make_live(add(shop, url=first.url, check=replace(OFTEN, failures=10))))
    token = shop.client().token()
    gateway.settles(200, "", shop.path(), token)
    first.health, before = 500, len(first.checks)
    eventually(lambda: len(first.checks) >= before + 2)
    assert gateway.call(shop.path(), token).status == 200


def test_a_revision_gets_calls_once_it_was_looked_at(gateway: Gateway, places: list[Place]) -> None:
    """Until then the one before answers, and nobody is refused."""
    first, second, _ = places
    shop = live.shop(first)
    token = shop.client().token()
    gateway.settles(200, "", shop.path(), token)
    second.seconds = 1.0
    statuses: list[int] = []
    going = threading.Event()

    def call_on() -> None:
        while not going.is_set():
            statuses.append(gateway.call(shop.path(), token).status)

    caller = threading.Thread(target=call_on)
    caller.start()
    try:
        since = time.monotonic()
        shop.enforced(shop.make_live(add(shop, url=second.url, check=replace(OFTEN, timeout_ms=5_000))))
        assert time.monotonic() - since >= 1.0
        eventually(lambda: second.seen)
    finally:
        going.set()
        caller.join()
    assert set(statuses) == {200}


# https


def certificates(folder: Path) -> tuple[str, dict[str, ssl.SSLContext]]:
    """An authority, and what servers show: one for the name localhost, one for the address 127.0.0.1."""
    authority = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of a test")])
    now, hour = dt.datetime.now(dt.UTC), dt.timedelta(hours=1)

    def signed(key: ec.EllipticCurvePrivateKey, subject: x509.Name, extension: x509.ExtensionType) -> bytes:
        built = x509.CertificateBuilder(name, subject, key.public_key(), x509.random_serial_number(), now - hour, now + hour)
        made = built.add_extension(extension, critical=False).sign(authority, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM)

    contexts = {}
    names: dict[str, x509.GeneralName] = {
        "localhost": x509.DNSName("localhost"),
        "127.0.0.1": x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    }
    for host, named in names.items():
        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        chain = folder / f"{host}.pem"
        chain.write_bytes(signed(key, x509.Name([]), x509.SubjectAlternativeName([named])) + private)
        contexts[host] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        contexts[host].load_cert_chain(chain)
    return signed(authority, name, x509.BasicConstraints(ca=True, path_length=None)).decode(), contexts


def test_each_target_proves_itself_under_its_own_name(gateway: Gateway, upstream: Upstream, tmp_path: Path) -> None:
    root, contexts = certificates(tmp_path)
    named, addressed = Place(contexts["localhost"]), Place(contexts["127.0.0.1"])
    try:
        shop = live.shop(upstream, api=False)
        asked: dict[str, dict[str, Any]] = {"own": {}, "one": {"sni": "localhost"}}
        for api, more in asked.items():
            shop.add_api(api, url=f"https://localhost:{named.port}", further_targets=[further(addressed, 1)], ca=root, **more)
        tokens = {api: shop.client(api=api).token() for api in asked}
        gateway.settles(200, "", shop.path(api="own"), tokens["own"])
        answers = [gateway.call(shop.path(api="own"), tokens["own"]) for _ in range(8)]
        hosts = {answer.json["headers"]["host"] for answer in answers if answer.status == 200}
        assert hosts == {f"localhost:{named.port}", f"127.0.0.1:{addressed.port}"}
        assert {answer.status for answer in answers} == {200}
        # With one name for all, who has another is not believed.
        answers = [gateway.call(shop.path(api="one"), tokens["one"]) for _ in range(8)]
        assert {(answer.status, answer.code) for answer in answers} == {(200, ""), (503, "UPSTREAM_UNAVAILABLE")}
        assert {answer.json["headers"]["host"] for answer in answers if answer.status == 200} == {f"localhost:{named.port}"}
    finally:
        named.stop()
        addressed.stop()


# What gateways are told


def goes_live(**target: Any) -> Revision:
    version = ApiVersion.objects.select_related("api").get()
    made = publishing.add_revision(version, document=make.document(), target=make.target("http://127.0.0.1:9", **target), by=None)
    publishing.make_live(made, by=None)
    return made


def told(ref: desired.RoutesRef | None = None) -> state.Upstream:
    (version,) = desired._routes(desired.live() if ref is None else ref)
    assert version.upstream is not None
    return version.upstream


def test_what_was_acknowledged_keeps_where_its_targets_were(in_acme: Cast) -> None:
    make.api("orders")
    row = goes_live(further_targets=[{"host": "127.0.0.2", "weight": 20}]).upstream
    assert row is not None
    ref = desired.live()
    assert told(ref).further == (Target("127.0.0.2", 9, 20, ("127.0.0.2",)),)
    row.further_addresses = [["127.0.0.3"]]
    row.save(update_fields=["further_addresses"])
    assert told(ref).further[0].addresses == ("127.0.0.2",)
    # What a version left that knew no further targets has none of their addresses.
    for each in ref:
        del each["further_addresses"]
    assert told(ref).further[0].addresses == ("127.0.0.3",)


def test_an_upstream_without_them_is_told_as_before(in_acme: Cast) -> None:
    make.api("orders")
    (ref,) = desired.live()
    assert "further_addresses" not in ref
    assert (told().further, told().check) == ((), None)


def test_each_way_to_share_and_to_check_is_a_cluster_of_its_own(in_acme: Cast) -> None:
    make.api("orders")
    keys = {told().key}
    second = {"host": "127.0.0.2"}
    for more in ({"further_targets": [second]}, {"further_targets": [{**second, "weight": 2}]}, {"health_path": "/"}):
        goes_live(**more)
        keys.add(told().key)
    assert len(keys) == 4


def test_a_target_in_a_network_that_was_closed_since_gets_no_calls(in_acme: Cast, settings: Any) -> None:
    make.api("orders")
    goes_live(further_targets=[{"host": "127.0.0.2"}])
    settings.UPSTREAM_NETWORKS = ["127.0.0.1/32"]
    assert (told().addresses, told().further[0].addresses) == (("127.0.0.1",), ())
