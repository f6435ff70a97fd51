"""Which path templates of a document a gateway can hold."""

import re
import string
from urllib.parse import unquote

from apis import paths
from apis.openapi_source import quote


def template_problem(path: str) -> str | None:
    """Why the gateway can't hold this path template, as a sentence; None when it can.

    Between slashes stands text with parameters in braces anywhere in it. What a gateway or an upstream could read in
    two ways (dots, escaped slashes, backslashes) is refused. OpenAPI 3.1.1, section 4.8.8.2; RFC 3986, section 3.3.
    """
    name = f"The path {quote(path)}"
    if not path.startswith("/"):
        return f"{name} must begin with a slash."
    if len(path) > paths.MAX_PATH:
        return f"{name} is longer than {paths.MAX_PATH:,} characters."
    if problem := _character_problem(path):
        return f"{name} {problem}"
    *inner, last = path[1:].split("/")
    if "" in inner:
        return f"{name} has an empty segment (two slashes)."
    for segment in (*inner, last):
        if problem := _segment_problem(segment):
            return f"{name} {problem}"
    try:
        paths.pieces(path)
    except paths.UnsupportedTemplate as error:
        return str(error)
    return None


def _character_problem(path: str) -> str | None:
    if "?" in path or "#" in path:
        return "must not have a query (?) or fragment (#): describe query parameters with in: query."
    if "\\" in path:
        return "has a backslash."
    if any(char.isspace() or not char.isprintable() for char in path):
        return "has a space or an invisible character."
    escapes = re.findall("%(.{0,2})", path)
    if not all(len(escape) == 2 and set(escape) <= set(string.hexdigits) for escape in escapes):
        return "has a % without two hexadecimal digits after it."
    if any(int(escape, 16) < 0x20 or chr(int(escape, 16)) in "/\\\x7f" for escape in escapes):
        return "has an escaped slash, backslash or control character, which gateways and servers read in different ways."
    return None


def _segment_problem(segment: str) -> str | None:
    literal = re.sub(r"\{[^{}]+\}", "{}", segment)
    if "{}" in segment:
        return "has a parameter without a name."
    if "{}{}" in literal:
        return "has two parameters without text between them."
    if "{" in literal.replace("{}", "") or "}" in literal.replace("{}", ""):
        return "has a brace without its partner, or braces within braces."
    if unquote(segment) in (".", ".."):
        return "has a segment of dots, which means another path."
    return None


def template_parameters(path: str) -> set[str]:
    """The names in braces."""
    return set(re.findall(r"\{([^{}]+)\}", path))
