"""Patterns that publishers write, as gateways look for them: a regular expression of the subset and its patterns of Lua match the same."""

import re
import string
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apis.ai import patterns
from apis.ai.patterns import PatternRefused

CLASSES = {"d": string.digits, "w": string.ascii_letters + string.digits, "s": " \t\n\r\f\v"}


@pytest.mark.parametrize(
    "regex,lua",
    [
        ("abc", ("abc",)),
        (r"K-\d{6}", ("K%-%d%d%d%d%d%d",)),
        (r"\d{2,4}", ("%d%d%d?%d?",)),
        (r"\d{2,}", ("%d%d+",)),
        ("a+b*c?", ("a+b*c?",)),
        (r"\w+@x\.de", ("[%w_]+%@x%.de",)),
        (r"[A-Za-z_.-]+x", ("[A-Za-z%_%.%-]+x",)),
        (r"[^0-9]a", ("[^0-9]a",)),
        (r"[\d\s]a", ("[%d%s]a",)),
        (r"\W\D\S", ("[^%w_]%D%S",)),
        (r"\bID\d+\b", ("%f[%w_]ID%d+%f[^%w_]",)),
        ("a|b[|]|c", ("a", "b[%|]", "c")),
        (r"100%|\(a\)", ("100%%", "%(a%)")),
        (r"a\\", (r"a%\\".replace("\\\\", "\\"),)),
        (r"a\|b", ("a%|b",)),
    ],
)
def test_what_lua_can_is_written_as_lua_has_it(regex: str, lua: tuple[str, ...]) -> None:
    assert patterns.translated(regex) == lua


@pytest.mark.parametrize(
    "regex,said",
    [
        ("", "1 to 200 characters"),
        ("a" * 201, "1 to 200 characters"),
        ("ä", "ASCII"),
        ("a\n", "ASCII"),
        ("(a)", "no groups"),
        ("^a", "no ^"),
        ("a$", "no ^"),
        ("*a", "repeats nothing"),
        ("a**", "Only one of"),
        ("a+?", "Only one of"),
        ("a{2}{3}", "Only one of"),
        ("a{", "written as in {4}"),
        ("a{33}", "32 times at most"),
        ("a{4,2}", "32 times at most"),
        ("a{0}", "32 times at most"),
        ("a*", "match where nothing is"),
        ("a|b?", "match where nothing is"),
        ("a|", "match where nothing is"),
        (r"\b", "match where nothing is"),
        (r"a\bb", "beginning or the end"),
        (r"\p", "nothing that gateways can look for"),
        ("\\", "end with a backslash"),
        ("[a", "not closed"),
        ("[]", "Empty brackets"),
        ("[[a]", "written"),
        ("[z-a]", "A range goes from"),
        (r"[\d-z]", "A range goes from"),
        (r"[\W]", "outside of brackets"),
        ("a+b+c+d+", "at most 3 of"),
        (r"\d{32}\d{32}\d{32}\d{32}", "100 characters at most"),
        ("|".join("abcdefghi"), "8 alternatives at most"),
    ],
)
def test_what_it_lacks_is_refused_in_a_sentence(regex: str, said: str) -> None:
    with pytest.raises(PatternRefused) as refused:
        patterns.translated(regex)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "word,lua",
    [
        ("Secret", "%f[%w]secret%f[%W]"),
        ("Top Secret", "%f[%w]top secret%f[%W]"),
        ("c++", "%f[%w]c%+%+"),
        ("%f", "%%f%f[%W]"),
        ("Äpfel", "Äpfel%f[%W]"),
    ],
)
def test_a_word_is_looked_for_on_its_own_and_in_lower_case(word: str, lua: str) -> None:
    assert patterns.word(word) == lua


@pytest.mark.parametrize("word", ["", "a", " ab", "ab ", "a" * 81, "a\nb", "a\x00b"])
def test_what_is_no_word_is_refused(word: str) -> None:
    with pytest.raises(PatternRefused):
        patterns.word(word)


def in_python(lua: str) -> str:
    """A pattern of Lua as a regular expression of Python's: a second way to read it, by Lua 5.1's manual."""
    return "".join(_pieces(lua))


def _pieces(lua: str) -> Iterator[str]:
    at, inside = 0, False
    while at < len(lua):
        each = lua[at]
        if lua.startswith("%f[%w_]", at):
            yield r"(?<![A-Za-z0-9_])(?=[A-Za-z0-9_])"
            at += 7
            continue
        if lua.startswith("%f[^%w_]", at):
            yield r"(?<=[A-Za-z0-9_])(?![A-Za-z0-9_])"
            at += 8
            continue
        if each == "%":
            after = lua[at + 1]
            known = CLASSES.get(after.lower()) if after.isalpha() else None
            if known is None:
                yield re.escape(after)
            elif inside:
                yield re.escape(known) if after.islower() else {"D": r"\D", "S": r"\S"}[after]
            else:
                yield f"[{'' if after.islower() else '^'}{re.escape(known)}]"
            at += 2
            continue
        if each in "[]":
            inside = each == "["
        yield each
        at += 1


ATOMS = st.sampled_from(["a", "Z", "7", " ", "-", r"\.", r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", "[a-f]", "[^a-f]", r"[\d_x]", "."])
TIMES = st.sampled_from(["", "", "", "?", "+", "*", "{2}", "{1,3}"])


@given(st.lists(st.tuples(ATOMS, TIMES), min_size=1, max_size=6), st.text("aZ7 -.fx_\t", max_size=30), st.booleans(), st.booleans())
def test_both_find_the_same(pieces: list[tuple[str, str]], text: str, begins: bool, ends: bool) -> None:
    regex = (r"\b" if begins else "") + "".join(map("".join, pieces)) + (r"\b" if ends else "")
    try:
        (lua,) = patterns.translated(regex)
    except PatternRefused:
        return
    wanted = re.compile(regex.replace(r"\b", r"\b"), re.ASCII | re.DOTALL)
    if begins or ends:
        # \b stands between a word and no word in both directions; what is written here stands for the direction of its side.
        wanted = re.compile(
            (r"(?<!\w)(?=\w)" if begins else "") + "".join(map("".join, pieces)) + (r"(?<=\w)(?!\w)" if ends else ""), re.ASCII | re.DOTALL
        )
    assert [each.span() for each in wanted.finditer(text)] == [each.span() for each in re.finditer(in_python(lua), text, re.DOTALL)], lua
