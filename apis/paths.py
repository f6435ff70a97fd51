"""Path templates in the one spelling that gateways compare: the import and the compiler read them with the same function.

What `normalize_path` and `merge_slashes` do to a path decides how literals are spelled here; a real Envoy is asked about
each of them in `tests/gateway/test_paths_envoy.py`. Sources: OpenAPI 3.1.1 section 4.8.8.2 (path templating matching),
RFC 3986 sections 2, 3.3 and 6.2.2.
"""

import re
from itertools import pairwise
from typing import TypeAlias
from urllib.parse import quote

# Of a path in a document, and of the whole template at a gateway: /<tenant>/<api>/<version> stands before the path.
MAX_PATH = 1_000
MAX_LENGTH = MAX_PATH + len("///") + 40 + 40 + 20

UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
# Sub-delims, ":" and "@" (RFC 3986 pchar), and the brackets, which Envoy leaves as they come.
UNESCAPED = "!$&'()*+,;=:@[]"

# What ends a path, the backslash that Envoy turns into a slash, control characters, and halves of surrogate pairs.
_FORBIDDEN = re.compile(r"[?#\\\x00-\x1f\x7f-\x9f\ud800-\udfff]")

# Per segment its literals in their canonical spelling, and "" for each parameter. Equal ones match the same calls.
Pieces: TypeAlias = tuple[tuple[str, ...], ...]


class UnsupportedTemplate(ValueError):  # noqa: N818 - named for what it says, as NotAllowed is
    """The gateway can't route this path template. Says why, in a sentence for the person who wrote it."""


def pieces(template: str) -> Pieces:
    """The template taken apart, without the names of its parameters.

    :raises UnsupportedTemplate: no route can hold it.
    """
    if not template.startswith("/"):
        raise UnsupportedTemplate(f"The path {template!r} has to begin with a slash.")
    if len(template) > MAX_LENGTH:
        raise UnsupportedTemplate(f"The path {template[:40]!r}... is longer than {MAX_LENGTH} characters.")
    if found := _FORBIDDEN.search(template):
        raise UnsupportedTemplate(f"The path {template!r} holds the character {found[0]!r}, which no path can hold.")
    texts = template[1:].split("/")
    if "" in texts[:-1]:
        raise UnsupportedTemplate(f"The path {template!r} has an empty segment (two slashes in a row).")
    return tuple(_segment(text, template) for text in texts)


def _segment(segment: str, template: str) -> tuple[str, ...]:
    tokens = re.findall(r"\{[^{}]*\}|[^{}]+", segment)
    if "".join(tokens) != segment:
        raise UnsupportedTemplate(f"The path {template!r} has a brace without its other half in {segment!r}.")
    if any(token[0] == "{" and not token[1:-1].strip() for token in tokens):
        raise UnsupportedTemplate(f"The path {template!r} has a parameter without a name.")
    found = tuple("" if token[0] == "{" else _canonical(token, template) for token in tokens)
    if ("", "") in pairwise(found):
        raise UnsupportedTemplate(f"The path {template!r} has two parameters side by side in {segment!r}, so nothing says where one ends.")
    if found in ((".",), ("..",)):
        raise UnsupportedTemplate(f"The path {template!r} has the segment {segment!r}, which paths are cleared of.")
    return found


def _canonical(literal: str, template: str) -> str:
    """The literal as Envoy spells it in a normalised path, but for the case of hexadecimal digits."""
    if bad := re.search(r"%(?![0-9A-Fa-f]{2}).{0,2}", literal):
        raise UnsupportedTemplate(f"The path {template!r} has {bad[0]!r} where a percent sign needs two hex digits.")
    if bad := re.search(r"%(?:[01][0-9A-Fa-f]|7[Ff]|2[Ff]|5[Cc])", literal):
        raise UnsupportedTemplate(f"The path {template!r} holds {bad[0]!r}, which the gateway refuses in every call.")

    def spelled(escape: re.Match[str]) -> str:
        character = chr(int(escape[1], 16))
        return character if character in UNRESERVED else escape[0].upper()

    return quote(re.sub(r"%(..)", spelled, literal), safe="%" + UNESCAPED)
