"""What is replaced in a record before anybody outside sees it. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from gateway.logged import MASKED, MAX_HEADER, Rules, compiled, is_hidden, is_hidden_in_queries, without_credentials

MOST_PARAMETERS = 100
MAX_TEXT = 2_000


def headers(found: Mapping[str, str], names: Iterable[str], rules: Rules) -> dict[str, str]:
    """Of those that were there the named ones."""
    return {name: _header(name, found[name], rules) for name in names if name in found}


def _header(name: str, value: str, rules: Rules) -> str:
    return MASKED if name in rules.masked_headers or is_hidden(name) else without_credentials(value[:MAX_HEADER])


def query(text: str) -> dict[str, Any]:
    """By name; several of one name are a list."""
    found: dict[str, Any] = {}
    try:
        pairs = parse_qsl(text[: 4 * MAX_TEXT], keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
    except ValueError:
        return {MASKED: MASKED}
    for name, value in pairs:
        said = MASKED if is_hidden_in_queries(name) else without_credentials(value[:MAX_TEXT])
        name = without_credentials(name[:200])  # noqa: PLW2901  (whoever writes a token in the place of a name)
        if name in found:
            before = found[name]
            found[name] = [*before, said] if isinstance(before, list) else [before, said]
        else:
            found[name] = said
    return found


def claims(value: Any, depth: int = 0) -> Any:
    """Of a token, without what looks like another credential."""
    if depth > 8:
        return MASKED
    if isinstance(value, dict):
        return {name: MASKED if is_hidden(name) else claims(each, depth + 1) for name, each in value.items()}
    if isinstance(value, list):
        return [claims(each, depth + 1) for each in value[:100]]
    return without_credentials(value[:MAX_TEXT]) if isinstance(value, str) else value


def by_paths(record: dict[str, Any], paths: Iterable[str]) -> None:
    """Change the record: whatever a path names is replaced."""
    for path in paths:
        for match in list(compiled(path).finditer(record)):
            parent = match.parent
            if parent is not None and isinstance(parent.obj, dict | list):
                parent.obj[match.parts[-1]] = MASKED  # type: ignore[index]
