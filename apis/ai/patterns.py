"""Patterns of publishers: a part of the regular expressions that everybody writes, as patterns of Lua, which is how gateways read them.

A pattern of Lua has no groups and no alternatives within; whatever has no counterpart there is refused. Gateways look for them in time that
grows with the text alone, see gateway/envoy/ai/lua/patterns.lua.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MOST_CHARACTERS = 200
MOST_ALTERNATIVES = 8
# What a gateway has to follow at each place of a text.
MOST_UNBOUNDED = 3
MOST_REPEATED = 32
MOST_PIECES = 100
_CLASSES = {"d": "%d", "D": "%D", "s": "%s", "S": "%S", "w": "%w_", "W": "%W"}
# Of ASCII, what stands for itself.
_PLAIN = re.compile(r"[A-Za-z0-9 !\"#%&',/:;<=>@_`~-]")
_REPEATS = re.compile(r"\{([0-9]{1,3})(?:(,)([0-9]{0,3}))?\}")
WORD = re.compile(r"[^\x00-\x1f\x7f]{2,80}")


def _(sentence: str) -> str:
    """Marks a sentence for translation; whoever catches the refusal translates it."""
    return sentence


class PatternRefused(ValueError):  # noqa: N818  (reads as the sentence it is)
    """What gateways can't look for, in a sentence."""

    def __init__(self, sentence: str, **named: object) -> None:
        super().__init__(sentence % named)
        self.sentence, self.named = sentence, named


@dataclass(frozen=True, slots=True)
class _Piece:
    """`lua`: one character, as Lua writes it; with how often it comes. `most` is None for as often as there are."""

    lua: str
    least: int = 1
    most: int | None = 1

    @property
    def written(self) -> str:
        if self.most is None:
            return self.lua * (self.least - 1) + f"{self.lua}+" if self.least else f"{self.lua}*"
        return self.lua * self.least + f"{self.lua}?" * (self.most - self.least)


def translated(regex: str) -> tuple[str, ...]:
    """The patterns of Lua that match together what the regular expression does: one for each alternative.

    :raises PatternRefused: it is none, or has what patterns of Lua lack.
    """
    if not 1 <= len(regex) <= MOST_CHARACTERS:
        raise PatternRefused(_("A pattern has 1 to %(most)s characters."), most=MOST_CHARACTERS)
    if not regex.isascii() or not regex.isprintable():
        raise PatternRefused(_("A pattern is written in printable ASCII characters."))
    found = tuple(map(_alternative, _apart(regex)))
    if len(found) > MOST_ALTERNATIVES:
        raise PatternRefused(_("A pattern has %(most)s alternatives at most."), most=MOST_ALTERNATIVES)
    return found


def word(text: str) -> str:
    """The pattern of Lua for a word on its own, or several, in whatever case; to be looked for in a text in lower case.

    :raises PatternRefused: no word.
    """
    if not WORD.fullmatch(text) or text != text.strip():
        raise PatternRefused(_("A blocked word has 2 to 80 characters, without spaces around it."))
    # ASCII alone: that is what gateways write in lower case.
    low = "".join(each.lower() if each.isascii() else each for each in text)
    escaped = re.sub(r"([^A-Za-z0-9\s\x80-\U0010ffff])", r"%\1", low)
    begins = "%f[%w]" if low[0].isascii() and low[0].isalnum() else ""
    ends = "%f[%W]" if low[-1].isascii() and low[-1].isalnum() else ""
    return f"{begins}{escaped}{ends}"


def _apart(regex: str) -> Iterator[str]:
    """At each `|`, but of those in brackets and those that are escaped."""
    begins, at, inside = 0, 0, False
    while at < len(regex):
        each = regex[at]
        if each == "\\":
            at += 1
        elif inside:
            inside = each != "]"
        elif each == "[":
            inside = True
        elif each == "|":
            yield regex[begins:at]
            begins = at + 1
        at += 1
    yield regex[begins:]


def _alternative(text: str) -> str:
    begins = text.startswith(r"\b")
    body = text[2:] if begins else text
    # An odd number of them: the last one belongs to the b.
    ends = body.endswith(r"\b") and (len(body) - len(body[:-1].rstrip("\\"))) % 2 == 0
    pieces = list(_pieces(body[:-2] if ends else body))
    if sum(each.least for each in pieces) == 0:
        raise PatternRefused(_("A pattern must not match where nothing is: each alternative needs a character."))
    if sum(each.most is None for each in pieces) > MOST_UNBOUNDED:
        raise PatternRefused(_("A pattern has at most %(most)s of *, + and {n,} in each alternative."), most=MOST_UNBOUNDED)
    if sum(each.least if each.most is None else each.most for each in pieces) > MOST_PIECES:
        raise PatternRefused(_("A pattern stands for %(most)s characters at most, beside what * and + repeat."), most=MOST_PIECES)
    written = "".join(each.written for each in pieces)
    return f"{'%f[%w_]' if begins else ''}{written}{'%f[^%w_]' if ends else ''}"


def _pieces(text: str) -> Iterator[_Piece]:
    at = 0
    while at < len(text):
        lua, at = _one(text, at)
        least, most, at = _how_often(text, at)
        yield _Piece(lua, least, most)


def _one(text: str, at: int) -> tuple[str, int]:
    """What stands for one character, as Lua writes it, and where it ends."""
    each = text[at]
    if each == "\\":
        return _escaped(text, at, in_class=False)
    if each == "[":
        return _class(text, at + 1)
    if each == ".":
        return ".", at + 1
    if each in "()":
        raise PatternRefused(_("A pattern has no groups: parentheses are written \\( and \\)."))
    if each in "^$":
        raise PatternRefused(_("A pattern is looked for anywhere in a text, so it has no ^ and no $."))
    if each in "*+?{}":
        raise PatternRefused(_("“%(sign)s” repeats nothing here; written \\%(sign)s it stands for itself."), sign=each)
    return _literal(each), at + 1


def _literal(each: str) -> str:
    return each if each.isalnum() or each == " " else f"%{each}"


def _escaped(text: str, at: int, *, in_class: bool) -> tuple[str, int]:
    if at + 1 >= len(text):
        raise PatternRefused(_("A pattern does not end with a backslash; written \\\\ it stands for itself."))
    each = text[at + 1]
    if each == "W":
        return ("%W" if in_class else "[^%w_]"), at + 2
    if each in _CLASSES:
        found = _CLASSES[each]
        return (found if in_class or len(found) == 2 else f"[{found}]"), at + 2
    if each == "b":
        raise PatternRefused(_("\\b stands at the beginning or the end of a pattern."))
    if each.isalnum():
        raise PatternRefused(
            _("\\%(sign)s is nothing that gateways can look for; there are \\d, \\w, \\s, \\D, \\W, \\S and \\b."), sign=each
        )
    return _literal(each), at + 2


def _class(text: str, at: int) -> tuple[str, int]:
    """What stands in brackets; `at` is behind the first."""
    negated = text[at : at + 1] == "^"
    at += negated
    found: list[str] = []
    while True:
        if at >= len(text):
            raise PatternRefused(_("A bracket is not closed; written \\[ it stands for itself."))
        if text[at] == "]":
            break
        if text[at] == "[":
            raise PatternRefused(_("Within brackets a bracket is written \\[."))
        begins, after = _member(text, at)
        if text[after : after + 1] == "-" and text[after + 1 : after + 2] not in {"]", ""}:
            ends, after = _member(text, after + 1)
            if len(begins) != 1 or len(ends) != 1 or not begins.isalnum() or not ends.isalnum() or begins > ends:
                raise PatternRefused(_("A range goes from one letter or digit up to another, such as a-z or 0-9."))
            found.append(f"{begins}-{ends}")
        else:
            found.append(begins)
        at = after
    if not found:
        raise PatternRefused(_("Empty brackets match nothing."))
    return f"[{'^' if negated else ''}{''.join(found)}]", at + 1


def _member(text: str, at: int) -> tuple[str, int]:
    if text[at] == "\\":
        if text[at + 1 : at + 2] == "W":
            raise PatternRefused(_("Write \\W outside of brackets."))
        return _escaped(text, at, in_class=True)
    return _literal(text[at]), at + 1


def _how_often(text: str, at: int) -> tuple[int, int | None, int]:
    each = text[at : at + 1]
    usual = {"?": (0, 1), "*": (0, None), "+": (1, None)}
    if each in usual and each:
        least, most = usual[each]
        at += 1
    elif each == "{":
        counted = _REPEATS.match(text, at)
        if counted is None:
            raise PatternRefused(_("How often something comes is written as in {4} or {2,4}; \\{ stands for itself."))
        least, most = int(counted[1]), int(counted[1]) if not counted[2] else int(counted[3]) if counted[3] else None
        if least > MOST_REPEATED or (most is not None and not max(least, 1) <= most <= MOST_REPEATED):
            raise PatternRefused(_("Something comes %(most)s times at most, and the smaller number stands first."), most=MOST_REPEATED)
        at = counted.end()
    else:
        return 1, 1, at
    if text[at : at + 1] in {"?", "+", "*", "{"} and at < len(text):
        raise PatternRefused(_("Only one of *, +, ? and {n} stands behind a character."))
    return least, most, at
