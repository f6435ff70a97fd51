"""The scopes that a document asks for: what its security schemes name, and what each operation needs of them.

Scopes belong to the schemes of the types oauth2 and openIdConnect (OpenAPI 3.1.1, section 4.8.30); all others ask for none.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from apis.openapi_references import mapping, resolve, sequence, value_at
from apis.openapi_source import Path, quote

# Alternatives, of each of which all scopes are needed; () where none is.
Requirement: TypeAlias = tuple[tuple[str, ...], ...]
# By name, of the two types that have scopes.
Schemes: TypeAlias = Mapping[str, Path]

TYPES = ("oauth2", "openIdConnect")
# RFC 6749, section 3.3.
SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
MAX_SCOPE = 128
MAX_SCOPES = 100
# Of one operation, in all alternatives together: each of its routes bears them.
MAX_NEEDED = 20
SENTENCE = 300


def schemes(document: Any) -> dict[str, Path]:
    """Where the schemes with scopes stand."""
    found = {}
    for name in mapping(mapping(mapping(document).get("components")).get("securitySchemes")):
        place = resolve(document, ("components", "securitySchemes", name))
        if place is not None and mapping(value_at(document, place)).get("type") in TYPES:
            found[name] = place
    return found


def required(given: Any, known: Schemes) -> Requirement:
    """What the member `security` of an operation, else of the document, asks for; the shortest way to say it.

    An alternative without any such scheme is for callers who prove themselves in another way: it gives tokens nothing, unless all are so.
    """
    alternatives = [mapping(each) for each in sequence(given)]
    asked = {frozenset(_scopes(each, known)) for each in alternatives if not each or each.keys() & known.keys()}
    if frozenset() in asked:
        return ()
    return tuple(sorted(tuple(sorted(each)) for each in asked if not any(other < each for other in asked)))


def named(document: Any, requirements: Iterable[Requirement], known: Schemes) -> dict[str, str]:
    """Each scope, with what it allows in the author's words, "" where that is not said."""
    found: dict[str, str] = {}
    for _, scope, said in _declared(document, known):
        found[scope] = found.get(scope) or said
    needed = {scope for requirement in requirements for alternative in requirement for scope in alternative}
    return dict(sorted({**dict.fromkeys(needed, ""), **found}.items()))


def problems(document: Any, places: Iterable[Path], known: Schemes) -> Iterator[tuple[Path, str]]:
    """What is wrong with scopes. :param places: where requirements stand, each a list of alternatives."""
    scopes: set[str] = set()
    for path, scope in _all(document, places, known):
        if scope in scopes:
            continue
        scopes.add(scope)
        if not SCOPE.fullmatch(scope):
            yield path, f"A scope has no spaces, quotes, backslashes or characters beyond ASCII, and is not empty: {quote(scope)}."
        elif len(scope) > MAX_SCOPE:
            yield path, f"The scope {quote(scope)} is longer than {MAX_SCOPE} characters."
        if len(scopes) == MAX_SCOPES + 1:
            yield path, f"The document has more than {MAX_SCOPES} scopes."
    for place in places:
        given = sequence(value_at(document, place))
        if sum(len(_scopes(mapping(each), known)) for each in given) > MAX_NEEDED:
            yield place, f"This asks for more than {MAX_NEEDED} scopes, all alternatives together."


def _all(document: Any, places: Iterable[Path], known: Schemes) -> Iterator[tuple[Path, str]]:
    for path, scope, _ in _declared(document, known):
        yield path, scope
    for place in places:
        for index, alternative in enumerate(sequence(value_at(document, place))):
            for name, scopes in mapping(alternative).items():
                if name in known:
                    yield from (((*place, index, name, at), each) for at, each in enumerate(sequence(scopes)) if isinstance(each, str))


def _declared(document: Any, known: Schemes) -> Iterator[tuple[Path, str, str]]:
    for place in known.values():
        for flow, told in mapping(mapping(value_at(document, place)).get("flows")).items():
            for scope, said in mapping(mapping(told).get("scopes")).items():
                yield (*place, "flows", flow, "scopes", scope), scope, _line(said)


def _line(said: Any) -> str:
    text = " ".join(said.split()) if isinstance(said, str) else ""
    return text if len(text) <= SENTENCE else f"{text[: SENTENCE - 1]}…"


def _scopes(alternative: Mapping[str, Any], known: Schemes) -> list[str]:
    return [scope for name, scopes in alternative.items() if name in known for scope in sequence(scopes) if isinstance(scope, str)]
