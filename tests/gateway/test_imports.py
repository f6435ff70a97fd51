"""Whatever the import accepts, the compiler can hold: one document must not keep a tenant's routes from changing."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apis import openapi, paths
from apis.models import Api, ApiVersion
from apis.models import Operation as OperationRow
from apis.openapi_paths import template_parameters
from gateway.envoy.resources import compile_tenant
from gateway.envoy.state import Operation, Version
from tenants.models import Tenant
from tests import live
from tests.gateway.states import small_tenant, upstream
from tests.live import Gateway, Upstream

# Fragments that have several spellings, mean something to a URL, an expression or a template, or are refused.
FRAGMENTS = [
    *("a", "A", "%61", "%41", "b", "~", "%7E", "%7e", "é", "%C3%A9", "%c3%a9", "%C3%a9", "e\u0301", "😀", "%F0%9F%98%80"),
    *("-", ".", "..", "%2e", "%2E%2E", "_", ":", "@", "!", "$", "&", "'", "(", ")", "*", "+", ",", ";", "=", "[", "]", "|", "^"),
    *("%20", "%25", "%3F", "%23", "%2F", "%5c", "%00", "%7F", "%zz", "%", "%4", "\\", "?", "#", " ", '"', "<", "`"),
    *("{a}", "{b}", "{a%2Fb}", "{ }", "{}", "{", "}", "/", "/", "/", "//"),
]
templates = st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=6).map(lambda parts: "/" + "".join(parts))
methods = st.sampled_from(["get", "post"])


def document(operations: list[tuple[str, str]]) -> str:
    content: dict[str, dict[str, object]] = {}
    for path, method in operations:
        described = {"in": "path", "required": True, "schema": {"type": "string"}}
        parameters = [{"name": name, **described} for name in sorted(template_parameters(path))]
        content.setdefault(path, {})[method] = {"responses": {"200": {"description": "Yes"}}, "parameters": parameters}
    return json.dumps({"openapi": "3.1.0", "info": {"title": "Any", "version": "1"}, "paths": content})


def compile_document(found: openapi.Document) -> None:
    operations = tuple(Operation(each.operation_id, each.method, each.path) for each in found.operations)
    tenant = small_tenant()
    longest = replace(tenant, slug="t" * 40, routes=(Version("a" * 40, "v" * 20, upstream(), operations),))
    assert compile_tenant(longest).routes.name == "t" * 40


@given(st.lists(st.tuples(templates, methods), min_size=1, max_size=6))
def test_what_is_imported_is_compiled(operations: list[tuple[str, str]]) -> None:
    try:
        found = openapi.parse(document(operations))
    except openapi.DocumentError:
        return
    compile_document(found)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/a", "/%61"),
        ("/é", "/%C3%A9"),
        ("/%c3%a9", "/%C3%A9"),
        ("/~a", "/%7Ea"),
        ("/{a}/x", "/{b}/%78"),
    ],
)
def test_two_spellings_of_one_operation_are_refused_with_the_line_of_the_other(one: str, other: str) -> None:
    with pytest.raises(openapi.DocumentError, match="This is the same operation as GET") as refused:
        openapi.parse(document([(one, "get"), (other, "get")]))
    assert "on line 1" in str(refused.value)
    # With another method it is another operation of the same path.
    compile_document(openapi.parse(document([(one, "get"), (other, "post")])))


@pytest.mark.parametrize("character", ["a", "é", "😀"])
def test_the_longest_path_fits_behind_the_longest_names(character: str) -> None:
    whole = "/" + character * (paths.MAX_PATH - 1)
    compile_document(openapi.parse(document([(whole, "get")])))
    with pytest.raises(openapi.DocumentError, match="longer than 1,000 characters"):
        openapi.parse(document([(whole + "a", "get")]))


def test_the_bounds_are_those_of_the_rows() -> None:
    columns = [Tenant._meta.get_field("slug"), Api._meta.get_field("slug"), ApiVersion._meta.get_field("name")]
    lengths = [getattr(column, "max_length", 0) for column in columns]
    assert sum(lengths) + len("///") + paths.MAX_PATH == paths.MAX_LENGTH
    assert OperationRow._meta.get_field("path").max_length == paths.MAX_PATH


def test_a_gateway_takes_the_longest_path(gateway: Gateway, upstream: Upstream) -> None:
    shop = live.shop(upstream)
    segment = "😀" * 499
    shop.add_api("long", content=json.loads(document([(f"/{segment}/{segment}", "get"), ("/{a}/" + "a" * 990, "get")])))
    token = shop.client(api="long").token()
    # The first call may find the gateway still loading.
    gateway.settles(200, "", shop.path("/x/" + "a" * 990, api="long"), token)
    assert gateway.call(shop.path("/" + "%F0%9F%98%80" * 499 + "/" + "%f0%9f%98%80" * 499, api="long"), token).status == 200
