"""What somebody searches for, as words: the same pieces that the database's `apis_words` makes of texts.

A word ends where letters and digits do, and where a capital follows a small letter (`listOrders`); of Chinese, Japanese and Korean, which
put no spaces, each character is one.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

# So many words, of so many letters each, are looked for; a search is a field of 100 characters.
MOST = 8
LONGEST = 50
CHARACTER = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff"
_PIECES = re.compile(rf"[{CHARACTER}]+|[^\W_{CHARACTER}]+")
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# “refunds” finds “refund” and “refunded”: what is sought is a beginning, so an English ending only has to go.
_ENDING = re.compile(r"^(.{4,}?|...(?=s$))(?:ies|ing|ed|es|s)$")


def terms(sought: str) -> tuple[str, ...]:
    """The beginnings of words that are all looked for, each once, in lower case; characters of one run stay together."""
    pieces = (piece for run in _PIECES.findall(sought) for piece in _CAPITAL.split(run))
    return tuple(dict.fromkeys(_ENDING.sub(r"\1", piece.lower()[:LONGEST]) for piece in pieces))[:MOST]


def query(term: str) -> str:
    """A term as PostgreSQL's to_tsquery takes it: any word that begins so."""
    if not re.match(f"[{CHARACTER}]", term):
        return f"'{term}':*"
    run = " <-> ".join(f"'{each}'" for each in term)
    return f"({run})"


def either(given: Sequence[str]) -> str:
    """Any of these terms, for to_tsquery."""
    return " | ".join(map(query, given))


def parts(text: str, given: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """The text in pieces, and whether each is what was sought."""
    end = 0
    for found in _sought(tuple(given)).finditer(text) if given else ():
        yield text[end : found.start()], False
        yield found[0], True
        end = found.end()
    yield text[end:], False


def first(text: str, given: Sequence[str]) -> int | None:
    """Where in the text the first of them stands."""
    found = _sought(tuple(given)).search(text) if given else None
    return found.start() if found else None


@lru_cache(maxsize=64)
def _sought(given: tuple[str, ...]) -> re.Pattern[str]:
    anywhere = [each for each in given if re.match(f"[{CHARACTER}]", each)]
    # The longest first, for of two that begin at one place the first is taken.
    beginnings = sorted((each for each in given if each not in anywhere), key=len, reverse=True)
    either_of = "|".join(map(re.escape, beginnings))
    begins = rf"(?:(?<![^\W_])|(?<=[a-z0-9])(?=[A-Z])|(?<=[{CHARACTER}]))(?i:{either_of})"
    return re.compile("|".join([*map(re.escape, anywhere), *([begins] if beginnings else [])]))
