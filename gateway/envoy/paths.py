"""Which route answers a call: operations in, one `xds.type.matcher.v3.Matcher` for `VirtualHost.matcher` out.

Two levels. A `prefix_match_map` on `:path` finds the templates that begin with the same literal text; when none of them
matches, Envoy goes on with the next shorter prefix (since 1.35; before, it ends there with a 404 of its own). Below a
prefix, templates stand in order of precedence and are halved, and halved again, by one regular expression each time, so
that every one of n costs log2(n) matches. No route is written twice: the message grows with n, the expressions with
n log n.

Envoy matches `:path` with the query string and after `normalize_path` and `merge_slashes`; `apis.paths` spells literals
as that leaves them.

Source: https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/matching/matching_api
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile

from envoy.config.route.v3 import route_components_pb2 as route_pb2
from envoy.type.matcher.v3 import http_inputs_pb2
from xds.core.v3 import extension_pb2
from xds.type.matcher.v3 import matcher_pb2

from apis.paths import UnsupportedTemplate, pieces

__all__ = ["Entry", "UnsupportedTemplate", "check", "matcher"]

# A parameter never crosses a slash, is never empty and ends where the query begins.
PARAMETER = "[^/?#]+"
QUERY = r"(?:\?.*)?"

# RE2 refuses programs over 8 MB and its automaton falls back to slow matching before that, so one expression holds so
# many templates and characters at most. Longer lists stand in several, one after the other.
GROUP_TEMPLATES = 256
GROUP_CHARACTERS = 16_384


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation.

    `method` is upper case, as the caller sends it ("GET"); `template` is the whole path at the gateway, OpenAPI style
    ("/acme/orders/v1/orders/{id}"). `route` is all of the route but `match`. `base` is the beginning of the path that
    the route's `prefix_rewrite` replaces ("/acme/orders/v1"). `before`: routes that answer in its place where the filter
    state is as their `match` says.
    """

    method: str
    template: str
    route: route_pb2.Route
    base: str = "/"
    before: Sequence[route_pb2.Route] = ()


@dataclass(frozen=True, slots=True)
class _Template:
    """`segments` has one RE2 expression each; `static` is the text before anything varies, all of it if `exact`."""

    precedence: tuple[tuple[int, int, int, str], ...]
    segments: tuple[str, ...]
    static: str
    exact: bool


@dataclass(frozen=True, slots=True)
class _Choice:
    """What a template answers, by method and for every other one."""

    template: _Template
    methods: Mapping[str, route_pb2.Route | route_pb2.RouteList]
    otherwise: route_pb2.Route


def check(template: str) -> None:
    """Raise UnsupportedTemplate if `matcher` can't hold this path template."""
    _parse(template)


def matcher(
    entries: Sequence[Entry],
    *,
    fixed: Sequence[tuple[str, route_pb2.Route]],
    wrong_method: Callable[[str, tuple[str, ...]], route_pb2.Route],
    no_route: route_pb2.Route,
    below: Sequence[tuple[str, route_pb2.Route]] = (),
) -> matcher_pb2.Matcher:
    """The matcher for these operations, the same bytes for every order of them.

    `fixed` are exact paths whose route wins over every operation, whatever the method. `wrong_method(template,
    allowed)` answers a path that exists, but not with this method; `allowed` are the methods it has, sorted, for the
    `Allow` header (RFC 9110, section 15.5.6). `below` are beginnings of paths, each with what answers there instead of
    `no_route`, which answers all else. Each route's `match` is written here.

    Templates equal but for the names of their parameters are one path. Raises UnsupportedTemplate, and ValueError if
    two entries are one path with one method, or a base isn't the beginning of its template.
    """
    choices = _choices(entries, wrong_method)
    for path, route in fixed:
        template = _parse(path)
        if not template.exact:
            raise ValueError(f"{path} is not a fixed path")
        choices[template.segments] = _Choice(template, {}, _with_match(route))
    found = matcher_pb2.Matcher()
    _act(found.on_no_match, _with_match(no_route))
    if choices:
        _by_prefix(found.matcher_tree, sorted(choices.values(), key=lambda choice: choice.template.precedence))
    for prefix, route in sorted(below, key=lambda each: each[0]):
        # No shorter prefix has a template for what begins so: every base ends before its operations' paths begin.
        _act(found.matcher_tree.prefix_match_map.map[prefix].matcher.on_no_match, _with_match(route))
    return found


# Templates


# A change compiles all of a tenant's routes, of which nearly all stood there before.
@lru_cache(maxsize=16_384)
def _parse(template: str) -> _Template:
    return _assemble(pieces(template))


def _assemble(segments: Sequence[Sequence[str]]) -> _Template:
    expressions = tuple(map(_expression, segments))
    whole = "/" + "/".join("".join(piece or "{" for piece in segment) for segment in segments)
    # An escape with a letter has two spellings (%c3, %C3) and Envoy keeps the caller's, so it varies too.
    varies = re.search(r"\{|%(?:[A-F]|.[A-F])", whole)
    return _Template(
        precedence=tuple(map(_precedence, segments, expressions)),
        segments=expressions,
        static=whole[: varies.start()] if varies else whole,
        exact=not varies,
    )


def _expression(segment: Sequence[str]) -> str:
    return "".join(_either_case(re.escape(piece)) if piece else PARAMETER for piece in segment)


def _either_case(literal: str) -> str:
    """Each escape's hexadecimal letters in either case (RFC 3986, section 6.2.2.1)."""
    return re.sub("(?<=%)..", lambda digits: re.sub("[A-F]", lambda d: f"[{d[0]}{d[0].lower()}]", digits[0]), literal)


def _precedence(segment: Sequence[str], expression: str) -> tuple[int, int, int, str]:
    """Sorts what is concrete before what is partly so before a bare parameter, segment by segment.

    Among the partly concrete the longer beginning comes first, as it does in a prefix map; then the longer text.
    """
    if "" not in segment:
        return 0, 0, 0, expression
    if len(segment) == 1:
        return 2, 0, 0, ""
    return 1, -len(segment[0]), -sum(map(len, segment)), expression


# Matcher


def _choices(entries: Sequence[Entry], wrong_method: Callable[[str, tuple[str, ...]], route_pb2.Route]) -> dict[tuple[str, ...], _Choice]:
    """One choice for each path, by the expressions of its segments."""
    templates: dict[tuple[str, ...], _Template] = {}
    operations: dict[tuple[str, ...], dict[str, Entry]] = defaultdict(dict)
    for entry in entries:
        template = _parse(entry.template)
        if not template.static.startswith(entry.base):
            raise ValueError(f"{entry.base} is not the beginning of {entry.template}")
        templates[template.segments] = template
        if operations[template.segments].setdefault(entry.method, entry) is not entry:
            raise ValueError(f"two operations for {entry.method} {entry.template}")
    return {
        path: _Choice(
            templates[path],
            {method: _all_with_match(entry) for method, entry in sorted(methods.items())},
            _with_match(wrong_method(min(entry.template for entry in methods.values()), tuple(sorted(methods)))),
        )
        for path, methods in operations.items()
    }


def _with_match(route: route_pb2.Route, prefix: str = "/") -> route_pb2.Route:
    # The path is already decided when Envoy looks at this; a match that could fail would end in a bare 404.
    copy = route_pb2.Route()
    copy.CopyFrom(route)
    copy.match.CopyFrom(route_pb2.RouteMatch(prefix=prefix, filter_state=route.match.filter_state))
    return copy


def _all_with_match(entry: Entry) -> route_pb2.Route | route_pb2.RouteList:
    found = [_with_match(each, entry.base) for each in (*entry.before, entry.route)]
    return route_pb2.RouteList(routes=found) if entry.before else found[0]


def _by_prefix(tree: matcher_pb2.Matcher.MatcherTree, choices: Sequence[_Choice]) -> None:
    """The longest prefix's list comes first, which is OpenAPI's order: where it goes on, a shorter one's varies."""
    lists: dict[str, list[_Choice]] = defaultdict(list)
    for choice in choices:
        lists[choice.template.static].append(choice)
    tree.input.CopyFrom(_PATH)
    for prefix, below in lists.items():
        _one_of(tree.prefix_match_map.map[prefix].matcher.matcher_list, below)


def _one_of(found: matcher_pb2.Matcher.MatcherList, choices: Sequence[_Choice]) -> None:
    """The first choice that matches, or no match."""
    for group in _groups(choices):
        field = found.matchers.add()
        _matches_any(field.predicate, group)
        _first_of(field.on_match, group)


def _groups(choices: Sequence[_Choice]) -> Iterator[Sequence[_Choice]]:
    start = characters = 0
    for index, choice in enumerate(choices):
        size = sum(map(len, choice.template.segments))
        if index > start and (index - start == GROUP_TEMPLATES or characters + size > GROUP_CHARACTERS):
            yield choices[start:index]
            start, characters = index, 0
        characters += size
    yield choices[start:]


def _first_of(found: matcher_pb2.Matcher.OnMatch, group: Sequence[_Choice]) -> None:
    """The first choice that matches, where it is known that one does."""
    if len(group) == 1:
        _by_method(found, group[0])
        return
    first, rest = group[: len(group) // 2], group[len(group) // 2 :]
    field = found.matcher.matcher_list.matchers.add()
    _matches_any(field.predicate, first)
    _first_of(field.on_match, first)
    _first_of(found.matcher.on_no_match, rest)


def _matches_any(predicate: matcher_pb2.Matcher.MatcherList.Predicate, group: Sequence[_Choice]) -> None:
    template = group[0].template
    if len(group) == 1 and template.exact:
        for kind, text in (("exact", template.static), ("prefix", template.static + "?")):
            single = predicate.or_matcher.predicate.add().single_predicate
            single.input.CopyFrom(_PATH)
            setattr(single.value_match, kind, text)
        return
    predicate.single_predicate.input.CopyFrom(_PATH)
    expression = predicate.single_predicate.value_match.safe_regex
    expression.google_re2.SetInParent()
    # Envoy matches the whole value anyway; the caret lets RE2 compare the literal beginning at once, a third faster.
    expression.regex = "^" + _alternation([choice.template.segments for choice in group]) + QUERY


def _alternation(paths: Sequence[tuple[str, ...]]) -> str:
    """What they begin with once, then the rest of each: Envoy compiles it faster, and compares literals before all."""
    common = sum(1 for _ in takewhile(lambda same: len(set(same)) == 1, zip(*paths, strict=False)))
    return _text(paths[0][:common]) + "(?:" + "|".join(_text(path[common:]) for path in paths) + ")"


def _text(segments: Sequence[str]) -> str:
    return "".join(f"/{segment}" for segment in segments)


def _by_method(found: matcher_pb2.Matcher.OnMatch, choice: _Choice) -> None:
    if not choice.methods:
        _act(found, choice.otherwise)
        return
    found.matcher.matcher_tree.input.CopyFrom(_METHOD)
    for method, route in choice.methods.items():
        _act(found.matcher.matcher_tree.exact_match_map.map[method], route)
    _act(found.matcher.on_no_match, choice.otherwise)


def _act(found: matcher_pb2.Matcher.OnMatch, route: route_pb2.Route | route_pb2.RouteList) -> None:
    found.action.name = "route" if isinstance(route, route_pb2.Route) else "routes"
    # Routes hold maps (metadata, per-filter configuration), whose order is arbitrary unless asked for.
    found.action.typed_config.Pack(route, deterministic=True)


def _header(name: str) -> extension_pb2.TypedExtensionConfig:
    config = extension_pb2.TypedExtensionConfig(name=name)
    config.typed_config.Pack(http_inputs_pb2.HttpRequestHeaderMatchInput(header_name=name))
    return config


_PATH = _header(":path")
_METHOD = _header(":method")
