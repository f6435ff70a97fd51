"""The route matcher, read by an interpreter of xDS matchers; `test_paths_envoy.py` asks Envoy itself."""

import itertools
import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence

import pytest
from envoy.config.route.v3 import route_components_pb2 as route_pb2
from envoy.type.matcher.v3 import http_inputs_pb2
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from xds.core.v3 import extension_pb2
from xds.type.matcher.v3 import matcher_pb2

from gateway.envoy import paths
from gateway.envoy.paths import Entry, UnsupportedTemplate, check, matcher
from tests.gateway import naive_paths


def route(name: str) -> route_pb2.Route:
    return route_pb2.Route(name=name, direct_response=route_pb2.DirectResponseAction(status=200))


def build(entries: Sequence[Entry], fixed: Sequence[str] = (), below: Sequence[str] = ()) -> matcher_pb2.Matcher:
    return matcher(
        entries,
        fixed=[(path, route("fixed")) for path in fixed],
        wrong_method=lambda template, allowed: route(f"405 {','.join(allowed)} {template}"),
        no_route=route("404"),
        below=[(prefix, route(f"404 below {prefix}")) for prefix in below],
    )


def entries_of(document: naive_paths.Document) -> list[Entry]:
    return [Entry(m, template, route(f"{m} {template}")) for template, methods in document.items() for m in methods]


def document_of(*operations: str) -> list[Entry]:
    return [Entry(method, template, route(f"{method} {template}")) for method, template in map(str.split, operations)]


def answer(found: matcher_pb2.Matcher, method: str, path: str) -> str | None:
    """The name of the route that this matcher chooses, by the rules of Envoy's matching API."""
    chosen = evaluate(found, {":method": method, ":path": path})
    return chosen and chosen.name


def evaluate(found: matcher_pb2.Matcher, headers: Mapping[str, str]) -> route_pb2.Route | None:
    for on_match in candidates(found, headers):
        if on_match.HasField("matcher"):
            if (chosen := evaluate(on_match.matcher, headers)) is not None:
                return chosen
        else:
            chosen = route_pb2.Route()
            assert on_match.action.typed_config.Unpack(chosen)
            return chosen
    return None


def candidates(found: matcher_pb2.Matcher, headers: Mapping[str, str]) -> Iterator[matcher_pb2.Matcher.OnMatch]:
    for field in found.matcher_list.matchers:
        if holds(field.predicate, headers):
            yield field.on_match
    if found.HasField("matcher_tree"):
        value = header(found.matcher_tree.input, headers)
        if exact := found.matcher_tree.exact_match_map.map:
            yield from [exact[value]] if value in exact else []
        prefixes = found.matcher_tree.prefix_match_map.map
        yield from (prefixes[key] for key in sorted(prefixes, key=len, reverse=True) if value.startswith(key))
    if found.HasField("on_no_match"):
        yield found.on_no_match


def holds(predicate: matcher_pb2.Matcher.MatcherList.Predicate, headers: Mapping[str, str]) -> bool:
    if predicate.HasField("or_matcher"):
        return any(holds(each, headers) for each in predicate.or_matcher.predicate)
    match = predicate.single_predicate.value_match
    value = header(predicate.single_predicate.input, headers)
    kind = match.WhichOneof("match_pattern")
    if kind == "safe_regex":
        return re.fullmatch(match.safe_regex.regex, value) is not None
    assert kind in ("exact", "prefix")
    return value == str(match.exact) if kind == "exact" else value.startswith(match.prefix)


def header(config: extension_pb2.TypedExtensionConfig, headers: Mapping[str, str]) -> str:
    found = http_inputs_pb2.HttpRequestHeaderMatchInput()
    assert config.typed_config.Unpack(found)
    return headers[found.header_name]


@pytest.mark.parametrize("group", [paths.GROUP_TEMPLATES, 3])
@settings(deadline=None, max_examples=200)
@given(chance=st.randoms(use_true_random=False))
def test_chooses_as_the_naive_matcher_does(group: int, chance: random.Random) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "GROUP_TEMPLATES", group)
        document = naive_paths.document(chance, size=20)
        found = build(entries_of(document))
    for _ in range(12):
        method, path = naive_paths.call(chance, document)
        seen = naive_paths.normalised(path) + "".join(path.partition("?")[1:])
        assert answer(found, method, seen) in naive_paths.answers(document, method, path), (method, path)


def test_the_generated_calls_reach_every_kind_of_answer() -> None:
    chance = random.Random(1)
    kinds = {"405": 0, "404": 0, "GET": 0, "POST": 0, "DELETE": 0}
    for _ in range(400):
        document = naive_paths.document(chance)
        for name in naive_paths.answers(document, *naive_paths.call(chance, document)):
            kinds[name.split()[0]] += 1
    assert min(kinds.values()) >= 20, kinds


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/acme/orders/mine", "GET /acme/orders/mine"),
        ("GET", "/acme/orders/7", "GET /acme/orders/{id}"),
        ("DELETE", "/acme/orders/7", "DELETE /acme/orders/{x}"),
        ("DELETE", "/acme/orders/mine", "405 GET /acme/orders/mine"),
        ("POST", "/acme/orders/7", "405 DELETE,GET /acme/orders/{id}"),
        ("GET", "/acme/orders/mine/lines", "GET /acme/orders/mine/{line}"),
        ("GET", "/acme/orders/mine/total", "GET /acme/orders/mine/{line}"),
        ("GET", "/acme/orders/7/total", "GET /acme/orders/{id}/total"),
        ("GET", "/acme/orders/7.json", "GET /acme/orders/{id}.json"),
        ("GET", "/acme/orders/7:cancel", "405 POST /acme/orders/{id}:cancel"),
        ("GET", "/acme/orders", "GET /acme/orders"),
        ("GET", "/acme/orders?status=/acme/billing", "GET /acme/orders"),
        ("GET", "/acme/orders/", "404"),
        ("GET", "/acme/ordersx", "404"),
        ("GET", "/acme/Orders", "404"),
        ("GET", "/acme/orders;a=1", "404"),
        ("GET", "/acme/bills/", "GET /acme/bills/"),
        ("GET", "/acme/bills", "404"),
        ("GET", "/globex/orders", "404"),
        ("GET", "/", "404"),
    ],
)
def test_openapi_precedence(method: str, path: str, expected: str) -> None:
    found = build(
        document_of(
            "GET /acme/orders",
            "GET /acme/orders/mine",
            "GET /acme/orders/{id}",
            "DELETE /acme/orders/{x}",
            "GET /acme/orders/{id}.json",
            "POST /acme/orders/{id}:cancel",
            "GET /acme/orders/mine/{line}",
            "GET /acme/orders/{id}/total",
            "GET /acme/bills/",
        )
    )
    assert answer(found, method, path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/acme/1/abc", "GET /acme/{v}/ab{x}"),
        ("/acme/1/axc", "GET /acme/{v}/a{x}c"),
        ("/acme/1/ax", "GET /acme/{v}/a{x}"),
        ("/acme/1/xc", "GET /acme/{v}/{x}"),
        ("/acme/1/x.tar.gz", "GET /acme/{v}/{x}.tar.gz"),
        ("/acme/1/x.gz", "GET /acme/{v}/{x}.gz"),
        ("/acme/1/.gz", "GET /acme/{v}/{x}"),
    ],
)
def test_of_two_partly_concrete_segments_the_longer_beginning_then_the_longer_text_wins(path: str, expected: str) -> None:
    names = ["{x}", "a{x}", "a{x}c", "ab{x}", "{x}.gz", "{x}.tar.gz"]
    assert answer(build(document_of(*[f"GET /acme/{{v}}/{name}" for name in names])), "GET", path) == expected


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_a_fixed_path_wins_over_every_operation(method: str) -> None:
    found = build(document_of("GET /acme/.portico/canary", "GET /acme/{a}/{b}"), fixed=["/acme/.portico/canary"])
    assert answer(found, method, "/acme/.portico/canary") == "fixed"
    assert answer(found, method, "/acme/.portico/canary?x") == "fixed"
    assert answer(found, "GET", "/acme/.portico/canaryx") == "GET /acme/{a}/{b}"


def test_no_operations_is_no_route() -> None:
    assert answer(build([]), "GET", "/acme/orders") == "404"


def test_the_bytes_do_not_depend_on_the_order_of_entries_or_metadata() -> None:
    entries = entries_of(naive_paths.document(random.Random(3), size=60))
    entries += document_of("GET /acme/{a}/same", "POST /acme/{c}/same", "PUT /acme/{b}/same")
    keys = [f"key{number}" for number in range(30)]
    for entry, key in itertools.product(entries, keys):
        entry.route.metadata.filter_metadata[key].fields["operation"].string_value = entry.template
    backwards = []
    for entry in reversed(entries):
        other = route(entry.route.name)
        for key in reversed(keys):
            other.metadata.filter_metadata[key].CopyFrom(entry.route.metadata.filter_metadata[key])
        backwards.append(Entry(entry.method, entry.template, other))
    one, other = build(entries, fixed=["/acme/1", "/acme/2"]), build(backwards, fixed=["/acme/2", "/acme/1"])
    assert one.SerializeToString(deterministic=True) == other.SerializeToString(deterministic=True)


def test_the_given_routes_stay_as_they_are() -> None:
    entry = Entry("GET", "/acme/orders", route("r"), "/acme")
    build([entry])
    assert entry.route == route("r")


def test_a_route_matches_the_base_that_it_rewrites() -> None:
    entry = Entry("GET", "/acme/orders/v1/{id}", route("r"), "/acme/orders/v1")
    chosen = evaluate(build([entry]), {":method": "GET", ":path": "/acme/orders/v1/7"})
    assert chosen is not None
    assert chosen.match == route_pb2.RouteMatch(prefix="/acme/orders/v1")


def test_two_operations_for_one_method_and_path_are_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("two operations for GET /acme/{b}")):
        build(document_of("GET /acme/{a}", "GET /acme/{b}"))


@pytest.mark.parametrize("base", ["/acme/other", "/acme/orders/{id}", "/acme/orders/7"])
def test_a_base_that_is_not_the_beginning_is_refused(base: str) -> None:
    with pytest.raises(ValueError, match="is not the beginning of"):
        build([Entry("GET", "/acme/orders/{id}", route("r"), base)])


def test_a_fixed_path_with_a_parameter_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a fixed path"):
        build([], fixed=["/acme/{a}"])


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("", "begin with a slash"),
        ("acme/orders", "begin with a slash"),
        ("{a}", "begin with a slash"),
        ("/acme//orders", "empty segment"),
        ("//", "empty segment"),
        ("/acme/./orders", "cleared of"),
        ("/acme/..", "cleared of"),
        ("/acme/%2e%2E", "cleared of"),
        ("/acme/orders?x=1", r"holds the character '\?'"),
        ("/acme/orders#x", "holds the character '#'"),
        ("/acme\\orders", "holds the character"),
        ("/acme/a\nb", "holds the character"),
        ("/acme/a\x7fb", "holds the character"),
        ("/acme/a\x85b", "holds the character"),
        ("/acme/a\ud800b", "holds the character"),
        ("/acme/{?q}", "holds the character"),
        ("/acme/{id", "without its other half"),
        ("/acme/id}", "without its other half"),
        ("/acme/{a{b}}", "without its other half"),
        ("/acme/{a/b}", "without its other half"),
        ("/acme/{}", "without a name"),
        ("/acme/x{ }", "without a name"),
        ("/acme/{a}{b}", "side by side"),
        ("/acme/x{a}{b}.json", "side by side"),
        ("/acme/100%", "two hex digits"),
        ("/acme/%4", "two hex digits"),
        ("/acme/%zz", "two hex digits"),
        ("/acme/a%2Fb", "refuses in every call"),
        ("/acme/a%5cb", "refuses in every call"),
        ("/acme/a%00b", "refuses in every call"),
        ("/acme/a%1Fb", "refuses in every call"),
        ("/acme/a%7fb", "refuses in every call"),
        ("/" + "a" * 1103, "longer than 1103"),
    ],
)
def test_what_can_not_be_routed_is_refused_with_a_reason(template: str, reason: str) -> None:
    with pytest.raises(UnsupportedTemplate, match=reason) as refused:
        check(template)
    assert str(refused.value).startswith("The path ")
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize(
    "template",
    [
        "/",
        "/acme/",
        "/acme/{id}/",
        "/acme/{a}/{b}/{c}/{d}/{e}/{f}/{g}",
        "/acme/{pet-id}/{_id}/{a-name-of-more-than-sixteen-characters}/{\u00fc}",
        "/acme/{id}.json",
        "/acme/a{b}c{d}",
        "/acme/caf\u00e9/%C3%A9/a b/100%25",
        "/acme/...",
        "/acme/!$&'()*+,;=:@~[]\"<>^`|",
        "/" + "a" * 1102,
    ],
)
def test_what_can_be_routed(template: str) -> None:
    check(template)


@pytest.mark.parametrize("sent", ["/acme/%c3%a9", "/acme/%C3%A9", "/acme/%C3%a9?x"])
def test_both_spellings_of_an_escape_are_one_path(sent: str) -> None:
    assert answer(build(document_of("GET /acme/\u00e9", "GET /acme/{id}")), "GET", sent) == "GET /acme/\u00e9"
    merged = build(document_of("GET /acme/\u00e9", "POST /acme/%c3%A9"))
    assert answer(merged, "GET", sent) == "GET /acme/\u00e9"
    assert answer(merged, "POST", sent) == "POST /acme/%c3%A9"


def hard(number: int) -> list[Entry]:
    """Half of the operations concrete, half under one `/{a}/{b}/`."""
    concrete = [f"GET /acme/big/v1/thing{i}/{{id}}" for i in range(number // 2)]
    return document_of(*concrete, *[f"GET /acme/big/v1/{{a}}/{{b}}/item{i:05}" for i in range(number // 2)])


def depth(message: Message) -> int:
    """How deep messages are nested: protobuf parsers stop at 100."""
    return 1 + max((depth(child) for child in children(message)), default=0)


def children(message: Message) -> Iterator[Message]:
    for field, value in message.ListFields():
        if field.message_type and field.message_type.GetOptions().map_entry:
            yield from (child for child in value.values() if isinstance(child, Message))
        elif field.message_type:
            yield from value if field.is_repeated else [value]


def predicates_tried(found: matcher_pb2.Matcher, path: str) -> int:
    """How many predicates are evaluated until the route is found."""
    tried = 0

    class Counted(dict[str, str]):
        def __getitem__(self, name: str) -> str:
            nonlocal tried
            tried += name == ":path"
            return super().__getitem__(name)

    chosen = evaluate(found, Counted({":method": "GET", ":path": path}))
    assert chosen is not None
    assert chosen.name.startswith("GET")
    return tried


def test_every_one_of_a_thousand_operations_is_near() -> None:
    found = build(hard(1000))
    tried = [predicates_tried(found, f"/acme/big/v1/x/y/item{i:05}") for i in range(500)]
    assert max(tried) <= 13
    assert max(tried) - min(tried) <= 3


def test_the_message_grows_with_the_operations() -> None:
    small, large = (build(hard(number)) for number in (1000, 4000))
    assert large.ByteSize() < 4.5 * small.ByteSize()
    assert small.ByteSize() < 600_000
    assert depth(large) < 70


def test_no_expression_is_larger_than_re2_takes() -> None:
    long = [f"GET /acme/{{a}}/{'x' * 900}{i:03}/{{b}}" for i in range(200)]
    expressions = re.findall(r"\^/acme/[^\x00-\x1f]*", str(build(document_of(*long))))
    assert expressions
    assert max(map(len, expressions)) < 2 * paths.GROUP_CHARACTERS


def test_ten_times_as_many_operations_take_not_much_more_than_ten_times_as_long() -> None:
    def seconds(entries: list[paths.Entry]) -> float:
        durations = []
        for _ in range(5):
            started = time.process_time()
            build(entries)
            durations.append(time.process_time() - started)
        return min(durations)

    few, many = seconds(hard(200)), seconds(hard(2000))
    assert many < 30 * few


@pytest.mark.parametrize("operations", [["GET /acme/a/v1/x"], ["GET /acme/a/v1/x", "GET /acme/a/v1/{id}", "GET /acme/a/v1/x/{id}"]])
def test_what_no_template_has_may_be_answered_by_its_beginning(operations: list[str]) -> None:
    found = build([*document_of(*operations), *document_of("GET /acme/b/v1/x", "GET /acme/a/v10/x")], below=["/acme/a/v1/", "/acme/c/v1/"])
    for path in ("/acme/a/v1/", "/acme/a/v1/none/at/all", "/acme/a/v1/x/y/z", "/acme/a/v1/?x=1"):
        assert answer(found, "GET", path) == "404 below /acme/a/v1/"
    assert answer(found, "GET", "/acme/c/v1/x") == "404 below /acme/c/v1/"
    assert answer(found, "GET", "/acme/a/v1/x") == "GET /acme/a/v1/x"
    assert answer(found, "PUT", "/acme/a/v1/x") == "405 GET /acme/a/v1/x"
    for path in ("/acme/a/v1", "/acme/a/v10/y", "/acme/b/v1/y", "/acme/a/", "/"):
        assert answer(found, "GET", path) == "404"
