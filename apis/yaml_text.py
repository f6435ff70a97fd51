"""JSON values as YAML, in blocks and for reading: much faster than PyYAML, whose writer takes minutes for the largest documents.

By YAML 1.2 (https://yaml.org/spec/1.2.2/), and so that readers of 1.1 take no text for anything else.
"""

import json
import re
from typing import Any

# What reads as text without quotes, for every reader: ASCII that begins like a word or a path.
_PLAIN = re.compile(r"[A-Za-z/$_](?:[A-Za-z0-9_./{}()$,'+*=-]|(?<! ) (?=[A-Za-z0-9(]))*")
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
# Section 5.1: what stands escaped, or not at all; JSON escapes the rest of it.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_NOT_IN_LINES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
# Section 7.4.2: a key on the line of its value is no longer than 1,024 characters.
_LONG_KEY = 1_000


def as_yaml(value: Any) -> str:
    """A mapping or a list at the top, and what JSON has below it."""
    lines: list[str] = []
    if _is_scalar(value):
        lines.append(_scalar(value, 0))
    else:
        _write(lines, value, 0, "")
    return "\n".join([*lines, ""])


def _write(lines: list[str], value: Any, indent: int, lead: str) -> None:
    """:param lead: what stands on the first line already."""
    pad = " " * indent
    if isinstance(value, dict):
        for key, each in value.items():
            name = _text(key)
            if len(name) > _LONG_KEY:
                lines.append(f"{lead}? {name}")
                lead, name = pad, ""
            if _is_scalar(each):
                lines.append(f"{lead}{name}: {_scalar(each, indent)}")
            else:
                lines.append(f"{lead}{name}:")
                _write(lines, each, indent + 2, f"{pad}  ")
            lead = pad
        return
    for each in value:
        if _is_scalar(each):
            lines.append(f"{lead}- {_scalar(each, indent)}")
        else:
            _write(lines, each, indent + 2, f"{lead}- ")
        lead = pad


def _is_scalar(value: Any) -> bool:
    return not (isinstance(value, (dict, list)) and value)


def _scalar(value: Any, indent: int) -> str:
    if isinstance(value, str):
        return _lines(value, indent) if "\n" in value else _text(value)
    said = json.dumps(value)
    # YAML 1.1 takes 1e-05 for text.
    return said.replace("e", ".0e", 1) if isinstance(value, float) and "e" in said and "." not in said else said


def _text(value: str) -> str:
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def _lines(value: str, indent: int) -> str:
    """A literal block (section 8.1.2), unless its first line or its characters forbid it."""
    if value[0] in " \t\n" or _NOT_IN_LINES.search(value):
        return _text(value)
    bare = value.rstrip("\n")
    ends = len(value) - len(bare)
    pad = " " * (indent + 2)
    body = "\n".join(f"{pad}{line}" if line else "" for line in bare.split("\n"))
    return f"|{'-+'[ends > 1] if ends != 1 else ''}\n{body}" + "\n" * max(0, ends - 1)
