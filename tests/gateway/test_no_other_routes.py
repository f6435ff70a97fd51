"""The gateway has the routes of the imported document and no other: schemathesis makes the calls, and others that no document has."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi import checks

from tests import live
from tests.gateway import reference
from tests.gateway.reference import METHODS, PATHS, Reference, route
from tests.live import HOST, Gateway, Shop

OPERATIONS = [(method, path) for path, operations in PATHS.items() for method in operations]
SCHEMA = schemathesis.openapi.from_dict(reference.document())
# A gateway refuses what no path can hold before it looks for routes.
MALFORMED = {"REQUEST_INVALID"}
CONFORMS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
# The service and the gateway are the same for all examples.
one_world = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.fixture
def service() -> Iterator[Reference]:
    made = Reference()
    yield made
    made.stop()


@pytest.fixture
def shop(gateway: Gateway, service: Reference) -> Shop:
    found = live.shop(service, api=False)
    found.add_api("orders", content=reference.document())
    return found


@pytest.fixture
def token(gateway: Gateway, shop: Shop) -> str:
    found = shop.client().token()
    gateway.settles(200, "", shop.path("/orders"), found)
    return found


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as made:
        yield made


def test_each_operation_of_the_document_reaches_the_service(gateway: Gateway, shop: Shop, service: Reference, token: str) -> None:
    service.reached.clear()
    for method, path in OPERATIONS:
        answer = gateway.call(shop.path(path.replace("{", "7").replace("}", "")), token, method=method.upper())
        assert answer.status == 200, f"{method} {path}: {answer}"
    assert service.reached == [PATHS[path][method] for method, path in OPERATIONS]


@given(data=st.data())
@settings(max_examples=120, deadline=None, suppress_health_check=one_world)
def test_what_the_document_says_is_answered_by_the_service_as_it_says(
    gateway: Gateway, shop: Shop, service: Reference, token: str, session: requests.Session, data: st.DataObject
) -> None:
    method, path = data.draw(st.sampled_from(OPERATIONS))
    case = data.draw(SCHEMA[path][method.upper()].as_strategy())
    before = len(service.reached)
    response = case.call(f"http://{HOST}:{gateway.port}{shop.path('')}", session, headers={"authorization": f"Bearer {token}"})
    case.validate_response(response, checks=CONFORMS)
    sent = urlsplit(str(response.request.url)).path.removeprefix(shop.path(""))
    agree(response.status_code, response.headers.get("x-portico-refusal", [""])[0], case.method, sent)
    assert service.strays == []
    if response.status_code == 200:
        status, operation, parameters = route(case.method, sent)
        assert (status, service.reached[before:]) == (200, [operation])
        assert case.method == "HEAD" or response.json() == {"operation": operation, "parameters": parameters}


# Segments that begin, end or are spelled like those of the document, and others.
SEGMENTS = st.one_of(
    st.sampled_from([segment for path in PATHS for segment in path.split("/") if "{" not in segment]),
    st.sampled_from(
        ["7", "latest.json", ".json", "a.json", "Orders", "order", "orders.json", "latest%20", "%6Frders", "a%2Fb", "%00", "{id}"]
    ),
    st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@", max_size=8),
)
PATH = st.lists(SEGMENTS, max_size=7).map(lambda segments: "/" + "/".join(segments))
METHOD = st.sampled_from([*METHODS, *METHODS, "TRACE", "PROPFIND", "get"])


@given(method=METHOD, path=PATH, query=st.sampled_from(["", "", "?", "?x=/orders", "?/orders/7"]))
@settings(max_examples=300, deadline=None, suppress_health_check=one_world)
def test_what_no_document_says_is_refused_and_never_reaches_the_service(
    gateway: Gateway, shop: Shop, service: Reference, token: str, method: str, path: str, query: str
) -> None:
    assume(not {".", ".."} & set(path.split("/")))
    before = len(service.reached)
    answer = gateway.call(shop.path(path) + query, token, method=method)
    agree(answer.status, answer.code, method, path)
    assert service.strays == []
    assert len(service.reached) - before == (answer.status == 200)


def agree(status: int, code: str, method: str, path: str) -> None:
    """The gateway answered as the service does, or refused what is no path or no method."""
    if code in MALFORMED:
        assert method not in METHODS or any(each in path.upper() for each in ("%2F", "%5C", "%0", "%1", "%7F")), f"{method} {path}"
    else:
        wanted = route(method, path)[0]
        told = {200: "", 404: "NO_SUCH_ROUTE", 405: "METHOD_NOT_ALLOWED"}[wanted]
        assert (status, code) == (wanted, told), f"{method} {path}"
