"""What `gateway.envoy.paths` promises, said the slow and obvious way, and documents to try it on."""

import re
from collections.abc import Callable, Mapping, Sequence
from random import Random
from urllib.parse import quote, unquote

WORDS = [
    "orders",
    "ordersx",
    "Orders",
    "mine",
    "o",
    "a.b",
    "x~y",
    "%41b",
    "caf\u00e9",
    "a b",
    "(1)",
    "c++",
    "a*c",
    "$[0]",
]
PARTLY = [
    "{id}.json",
    "{id}.gz",
    "{id}.tar.gz",
    "a{b}",
    "ab{c}",
    "a{b}c",
    "orders{x}",
    "caf\u00e9-{x}",
    "{from}..{to}",
    "o{a}s",
    "{id}:cancel",
]
VALUES = [
    "42",
    "mine.json",
    "abc",
    "abbc",
    "orders7",
    "1..2",
    "oats",
    "7:cancel",
    "x.tar.gz",
    "%2e%2e.",
    "a%3Fb",
    "%c3%a9",
]
METHODS = ["DELETE", "GET", "POST"]

Document = Mapping[str, Sequence[str]]


def document(random: Random, size: int = 12) -> Document:
    """Templates, one spelling per path, and their methods."""
    found: dict[str, Sequence[str]] = {}
    paths = set()
    for _ in range(random.randint(1, size)):
        template = "/acme/" + "/".join(_segment(random) for _ in range(random.randint(1, 4)))
        template += random.choice(["", "", "", "/"])
        if (path := re.sub(r"\{[^}]*\}", "{}", template)) not in paths:
            paths.add(path)
            found[template] = sorted(random.sample(METHODS, random.randint(1, 2)))
    return found


def _segment(random: Random) -> str:
    kind = random.random()
    if kind < 0.35:
        return "{" + random.choice(["id", "pet-id", "_id", "\u00fc"]) + "}"
    return random.choice(PARTLY if kind < 0.5 else WORDS[:4] if kind < 0.75 else WORDS)


def call(random: Random, templates: Document) -> tuple[str, str]:
    """A method and a path as a client sends it: mostly of one of the templates, or nearly so."""
    template = random.choice(list(templates))
    path = "".join(
        random.choice([*VALUES, *map(_sent, WORDS)]) if text.startswith("{") else _sent(text) for text in re.split(r"(\{[^}]*\})", template)
    )
    for _ in range(random.choice([0, 0, 1, 2])):
        path = random.choice(CHANGES)(path)
    path += random.choice(["", "", "", "?", "?x=/acme/orders", "?a?b"])
    return random.choice(METHODS), path


CHANGES: list[Callable[[str], str]] = [
    lambda path: path + "x",
    lambda path: path + "/",
    lambda path: path + "/mine",
    lambda path: path.rstrip("/"),
    lambda path: path.rpartition("/")[0] or "/",
    lambda path: path.replace("/", "//", 2),
    lambda path: path.replace("/acme/", "/acme/./x/../", 1),
    lambda path: path.swapcase(),
    lambda path: path.replace("o", "%6f", 1).replace("%c3%a9", "%C3%a9"),
    lambda path: path.replace("orders", "mine", 1),
]


def _sent(text: str) -> str:
    return quote(text, safe="/%!$&'()*+,;=:@[]~").replace("%C3%A9", "%c3%a9")


def normalised(path: str) -> str:
    """The path without its query as Envoy's `normalize_path` and `merge_slashes` leave it, escapes in upper case."""
    path = re.sub(r"%[0-9A-Fa-f]{2}", _spelled, path.partition("?")[0])
    segments: list[str] = []
    parts = path.split("/")[1:]
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "..":
            segments = segments[:-1]
        elif part not in (".", ""):
            segments.append(part)
        if last and part in ("", ".", ".."):
            segments.append("")
    return "/" + "/".join(segments)


def _spelled(escape: re.Match[str]) -> str:
    return decoded if re.fullmatch(r"[\w.~-]", decoded := unquote(escape[0]), re.ASCII) else escape[0].upper()


def best(templates: Document, path: str) -> list[str]:
    """The templates that may answer this path: one, but where two partly concrete ones are equally so."""
    found = [template for template in templates if _matches(template, normalised(path))]
    rank = min(map(_rank, found), default=None)
    return [template for template in found if _rank(template) == rank]


def _matches(template: str, path: str) -> bool:
    wanted, given = template.split("/"), path.split("/")
    return len(wanted) == len(given) and all(map(_holds, map(_pieces, wanted), given))


def _pieces(segment: str) -> list[str]:
    return ["{" if piece[0] == "{" else re.sub("%..", _spelled, _sent(piece)) for piece in re.split(r"(\{[^}]*\})", segment) if piece]


def _holds(pieces: list[str], text: str) -> bool:
    """Whether text is these literals in this order, with at least one character for each parameter."""
    if not pieces:
        return not text
    if pieces[0] == "{":
        return any(_holds(pieces[1:], text[end:]) for end in range(1, len(text) + 1))
    return text.startswith(pieces[0]) and _holds(pieces[1:], text[len(pieces[0]) :])


def _rank(template: str) -> list[tuple[int, int, int]]:
    ranks = []
    for segment in template.split("/"):
        pieces = _pieces(segment)
        literal = sum(len(piece) for piece in pieces if piece != "{")
        if "{" not in pieces:
            ranks.append((0, 0, 0))
        elif pieces == ["{"]:
            ranks.append((2, 0, 0))
        else:
            ranks.append((1, -len(pieces[0]) if pieces[0] != "{" else 0, -literal))
    return ranks


def answers(templates: Document, method: str, path: str) -> set[str]:
    """The names of the routes that may answer: "GET /acme/{id}", "405 DELETE,GET /acme/{id}" or "404"."""
    found = best(templates, path)
    if not found:
        return {"404"}
    return {
        f"{method} {template}" if method in templates[template] else f"405 {','.join(templates[template])} {template}" for template in found
    }
