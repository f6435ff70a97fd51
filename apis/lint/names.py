"""How things are named: paths, operations, parameters."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise

from apis import paths
from apis.lint.notes import Notes
from apis.openapi_references import mapping
from apis.openapi_source import Path

# As the first word of a segment they say what is done; those of SHORT are things where they stand alone: /posts, /lists.
VERBS = frozenset("add create delete edit fetch get insert modify patch put remove retrieve save update".split())
SHORT = frozenset("change find list make post read set write".split())
# Plurals without an s, and what has none.
PLURALS = frozenset(
    "advice children content criteria data equipment feedback feet fish geese hardware information inventory me media men metadata mice "
    "news people police self series sheep software species staff status teeth women".split()
)
CAMEL, PASCAL, SNAKE, KEBAB = STYLES = ("camelCase", "PascalCase", "snake_case", "kebab-case")
# RFC 3986, section 2.
IN_ADDRESSES = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]*")
_PARAMETER = re.compile(r"\{[^{}]*\}")


def look_at_paths(document: Mapping[str, object], notes: Notes) -> None:
    seen: dict[paths.Pieces, str] = {}
    for path in mapping(document.get("paths")):
        if not path.startswith("/"):
            continue
        at: Path = ("paths", path)
        segments = path[1:].split("/")
        notes.look("path-keys-no-trailing-slash", at, wrong=path != "/" and path.endswith("/"), path=path)
        for rule, wrong in (("paths-kebab-case", _otherwise), ("no-verbs-in-paths", _action)):
            found = next(filter(wrong, segments), "")
            notes.look(rule, at, wrong=bool(found), path=path, segment=found)
        collections = [name for name, after in pairwise(segments) if _PARAMETER.fullmatch(after)]
        single = next(filter(_singular, collections), "")
        notes.look("path-segment-plural", at, wrong=bool(single), path=path, segment=single)
        first = seen.setdefault(_pieces(path), path)
        notes.look("no-identical-paths", at, wrong=first != path, path=path, other=first)


def _pieces(path: str) -> paths.Pieces:
    try:
        return paths.pieces(path)
    except paths.UnsupportedTemplate:
        return ((path,),)


def _otherwise(segment: str) -> bool:
    """Whether it has upper case or underscores, outside of braces and escapes."""
    literal = re.sub(r"%[0-9A-Fa-f]{2}", "", _PARAMETER.sub("", segment))
    return "_" in literal or literal != literal.lower()


def _words(segment: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", _PARAMETER.sub("-", segment))]


def _action(segment: str) -> bool:
    words = _words(segment)
    return bool(words) and (words[0] in VERBS or (words[0] in SHORT and len(words) > 1))


def _singular(segment: str) -> bool:
    words = _words(segment)
    if not words or "{" in segment or words[0] == "by" or re.fullmatch(r"v\d.*|[^a-zA-Z]*", segment):
        return False
    return words[-1] not in PLURALS and (not words[-1].endswith("s") or words[-1].endswith("ss"))


def look_at_style(rule: str, names: Iterable[tuple[Path, str]], notes: Notes) -> None:
    """All written as most of them are."""
    named = [(at, name, _styles(name)) for at, name in names]
    if not named:
        return
    many = Counter(style for _, _, styles in named for style in styles)
    usual = max(STYLES, key=lambda style: many[style])
    usually = [name for _, name, styles in named if usual in styles]
    # One that shows how, if there is one: a single word is written the same in most styles.
    other = next((name for name in usually if len(_styles(name)) == 1), usually[0] if usually else "")
    for at, name, styles in named:
        notes.look(rule, at, wrong=bool(usually) and usual not in styles, name=name, other=other)


def _styles(name: str) -> frozenset[str]:
    """The ones that it may be written in. What is put together, such as `filter[status]` or `orders/list`, by all of its parts."""
    found = frozenset(STYLES)
    for part in filter(None, re.split(r"[^\w-]+", name)):
        fits = set()
        if "-" not in part and "_" not in part:
            fits.add(PASCAL if part[0].isupper() else CAMEL)
        if part == part.lower():
            fits |= {style for style, other in ((SNAKE, "-"), (KEBAB, "_")) if other not in part}
        found &= fits
    return found
