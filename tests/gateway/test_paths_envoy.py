"""The route matcher in a real Envoy, as strict about paths as the gateway's listener: does it choose what we mean?"""

import http.client
import random
import socket
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.request import urlopen

import pytest
from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.config.core.v3 import address_pb2
from envoy.config.route.v3 import route_components_pb2 as route_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2

from gateway.envoy.paths import Entry, UnsupportedTemplate, check, matcher
from tests.gateway import naive_paths

Call = Callable[..., tuple[http.client.HTTPResponse, str]]

DOCUMENTS = 60
CALLS = 40
PRINTABLE = [chr(code) for code in range(0x21, 0x7F) if chr(code) not in "{}"]
ESCAPES = [f"%{code:02{case}}" for code in range(256) for case in "xX"]


def answered(name: str, status: int = 200) -> route_pb2.Route:
    made = route_pb2.Route(name=name, direct_response=route_pb2.DirectResponseAction(status=status))
    made.direct_response.body.inline_string = name
    return made


def host(name: str, entries: Sequence[Entry], fixed: Sequence[str] = ()) -> route_pb2.VirtualHost:
    made = route_pb2.VirtualHost(name=name, domains=[name])
    found = matcher(
        entries,
        fixed=[(path, answered("fixed")) for path in fixed],
        wrong_method=lambda template, allowed: answered(f"405 {','.join(allowed)} {template}", 405),
        no_route=answered("404", 404),
    )
    made.matcher.CopyFrom(found)
    return made


def document_host(name: str, document: naive_paths.Document) -> route_pb2.VirtualHost:
    entries = [Entry(m, template, answered(f"{m} {template}")) for template, ms in document.items() for m in ms]
    return host(name, entries)


def generated() -> list[tuple[naive_paths.Document, list[tuple[str, str]]]]:
    chance = random.Random(20)
    documents = [naive_paths.document(chance, size=40) for _ in range(DOCUMENTS)]
    return [(document, [naive_paths.call(chance, document) for _ in range(CALLS)]) for document in documents]


def spelled() -> dict[str, str]:
    """A path for every literal character and escape that the import accepts."""
    texts = [f"x{literal}y" for literal in [*PRINTABLE, *ESCAPES] if accepted(f"/x{literal}y")]
    return {f"/acme/{index}/{text}": text for index, text in enumerate(texts)}


def accepted(template: str) -> bool:
    try:
        check(template)
    except UnsupportedTemplate:
        return False
    return True


def hard() -> dict[str, list[str]]:
    templates = [f"/acme/thing{i}/{{id}}" for i in range(500)] + [f"/acme/{{a}}/{{b}}/item{i}/{{c}}" for i in range(500)]
    return {template: ["GET"] for template in templates}


def moved() -> Entry:
    made = route_pb2.Route(name="moved")
    made.redirect.prefix_rewrite = "/v1"
    return Entry("GET", "/acme/orders/v1/orders/{id}", made, "/acme/orders/v1")


def hosts() -> list[route_pb2.VirtualHost]:
    several = {"/acme/orders": ["GET"], "/acme/orders/{id}": ["DELETE", "GET"], "/acme/orders/mine": ["GET"]}
    everything = [Entry("GET", "/acme/{a}/{b}", answered("any"))]
    return [
        *(document_host(f"generated{index}", document) for index, (document, _) in enumerate(generated())),
        document_host("orders", several),
        document_host("spelled", {path: ["GET"] for path in spelled()}),
        document_host("hard", hard()),
        host("moved", [moved()]),
        host("fixed", everything, fixed=["/acme/.portico/canary"]),
        host("empty", []),
    ]


def bootstrap(port: int, admin: int) -> bootstrap_pb2.Bootstrap:
    manager = hcm_pb2.HttpConnectionManager(stat_prefix="paths", merge_slashes=True)
    manager.normalize_path.value = True
    manager.path_with_escaped_slashes_action = hcm_pb2.HttpConnectionManager.REJECT_REQUEST
    manager.route_config.virtual_hosts.extend(hosts())
    manager.http_filters.add(name="router").typed_config.Pack(router_pb2.Router())
    config = bootstrap_pb2.Bootstrap()
    config.admin.address.CopyFrom(loopback(admin))
    listener = config.static_resources.listeners.add(name="paths", address=loopback(port))
    listener.filter_chains.add().filters.add(name="http").typed_config.Pack(manager)
    return config


def loopback(port: int) -> address_pb2.Address:
    return address_pb2.Address(socket_address=address_pb2.SocketAddress(address="127.0.0.1", port_value=port))


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port, admin = free_ports()
    folder = tmp_path_factory.mktemp("envoy")
    (folder / "envoy.pb").write_bytes(bootstrap(port, admin).SerializeToString(deterministic=True))
    binary = Path(sysconfig.get_path("scripts")) / "envoy"
    command: list[str | Path] = [
        binary,
        "-c",
        folder / "envoy.pb",
        "--concurrency",
        "1",
        "--use-dynamic-base-id",
        "-l",
        "error",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        for _ in range(300):
            assert process.poll() is None, (folder / "log").read_text()[-2000:]
            try:
                with urlopen(f"http://127.0.0.1:{admin}/ready", timeout=1):
                    break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def call(port: int) -> Iterator[Call]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)

    def send(name: str, path: str, method: str = "GET") -> tuple[http.client.HTTPResponse, str]:
        connection.request(method, path, headers={"Host": name})
        response = connection.getresponse()
        return response, response.read().decode()

    yield send
    connection.close()


def test_chooses_as_the_naive_matcher_does(call: Call) -> None:
    wrong = []
    for index, (document, calls) in enumerate(generated()):
        for method, path in calls:
            _, chosen = call(f"generated{index}", path, method)
            if chosen not in naive_paths.answers(document, method, path):
                wrong.append((method, path, chosen, naive_paths.answers(document, method, path)))
    assert wrong == []


@pytest.mark.parametrize(
    ("method", "path", "status", "expected"),
    [
        ("GET", "/acme/orders", 200, "GET /acme/orders"),
        ("GET", "/acme/orders?next=/acme/orders/mine", 200, "GET /acme/orders"),
        ("GET", "//acme///orders", 200, "GET /acme/orders"),
        ("GET", "/acme/./bills/../orders", 200, "GET /acme/orders"),
        ("GET", "/acme/%6Frders", 200, "GET /acme/orders"),
        ("GET", "/acme\\orders", 200, "GET /acme/orders"),
        ("GET", "http://orders/acme/orders", 200, "GET /acme/orders"),
        ("GET", "/acme/ordersx", 404, "404"),
        ("GET", "/acme/orders/", 404, "404"),
        ("GET", "/acme/ORDERS", 404, "404"),
        ("GET", "/acme/orders%20", 404, "404"),
        ("GET", "/acme/orders;v=1", 404, "404"),
        ("GET", "/acme/orders/7/lines", 404, "404"),
        ("GET", "/acme/orders/7%2Flines", 400, ""),
        ("GET", "/acme/orders/7%5Clines", 400, ""),
        ("GET", "/acme/orders#mine", 400, ""),
        ("GET", "/acme/orders/mine", 200, "GET /acme/orders/mine"),
        ("GET", "/acme/orders/7?x", 200, "GET /acme/orders/{id}"),
        ("GET", "/acme/orders/7%3Fx*|", 200, "GET /acme/orders/{id}"),
        ("DELETE", "/acme/orders/7", 200, "DELETE /acme/orders/{id}"),
        ("DELETE", "/acme/orders/mine", 405, "405 GET /acme/orders/mine"),
        ("POST", "/acme/orders/7", 405, "405 DELETE,GET /acme/orders/{id}"),
        ("OPTIONS", "/acme/orders", 405, "405 GET /acme/orders"),
    ],
)
def test_spellings_of_orders(call: Call, method: str, path: str, status: int, expected: str) -> None:
    response, chosen = call("orders", path, method)
    assert (response.status, chosen) == (status, expected)


def test_every_accepted_literal_is_reached_as_it_is_written(call: Call) -> None:
    chosen = {path: call("spelled", path)[1] for path in spelled()}
    assert chosen == {path: f"GET {path}" for path in spelled()}


def test_every_refused_literal_is_one_that_envoy_can_not_give_us(call: Call) -> None:
    refused = [literal for literal in [*PRINTABLE, *ESCAPES] if not accepted(f"/x{literal}y")]
    controls = [f"%{code:02x}" for code in [*range(0x20), 0x7F]]
    assert {literal.lower() for literal in refused} == {"#", "?", "\\", "%", "%2f", "%5c", *controls}
    assert [call("orders", f"/acme/x{literal}y")[0].status for literal in ("#", "%2F", "%5C", "%00")] == [400] * 4


@pytest.mark.parametrize("number", [0, 249, 250, 499])
def test_envoy_takes_the_large_expressions_of_a_large_document(call: Call, number: int) -> None:
    assert call("hard", f"/acme/thing{number}/1")[1] == f"GET /acme/thing{number}/{{id}}"
    assert call("hard", f"/acme/1/2/item{number}/3?q")[1] == f"GET /acme/{{a}}/{{b}}/item{number}/{{c}}"
    assert call("hard", f"/acme/1/2/item{number}x/3")[1] == "404"
    # Nothing concrete goes on here, so Envoy has to come back from the longer prefix.
    assert call("hard", f"/acme/thing{number}/2/item{number}/3")[1] == f"GET /acme/{{a}}/{{b}}/item{number}/{{c}}"


def test_the_base_is_what_prefix_rewrite_replaces(call: Call) -> None:
    response, _ = call("moved", "/acme/orders/v1/orders/7?x=1")
    assert response.getheader("location") == "http://moved/v1/orders/7?x=1"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_fixed_path_wins_whatever_the_method(call: Call, method: str) -> None:
    assert call("fixed", "/acme/.portico/canary?x", method)[1] == "fixed"
    assert call("fixed", "/acme/.portico/canar")[1] == "any"


def test_a_tenant_without_operations_has_no_route(call: Call) -> None:
    assert call("empty", "/acme/orders")[1] == "404"
