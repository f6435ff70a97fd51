"""What publishers write, for templates: Markdown, and the words in it that somebody looks for."""

import re
from collections.abc import Sequence

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator

from apis import words
from portal.markdown import PLAIN_MOST, to_html, to_plain

register = template.Library()
# So much stands before what was sought, where it stands further on than a tile shows.
SEEN, BEFORE = 80, 40
_MARKS = re.compile(r"[*_`#>|\[\]]+")


@register.filter
def markdown(text: str, below: int = 1) -> SafeString:
    """As HTML under a heading of level `below`."""
    return mark_safe(to_html(text, below=below))  # nosec B308 B703  (it is cleaned there)


@register.filter
def plain(text: str) -> str:
    """Its first words, without marks."""
    return to_plain(text)


@register.filter
def line(text: str) -> str:
    """All of a short text without marks, on one line."""
    return to_plain(text, most=2_000)


@register.filter
def marked(text: str, terms: Sequence[str]) -> SafeString:
    """The text, with the words that begin with one of the terms marked (see apis.words)."""
    parts = (f"<mark>{escape(part)}</mark>" if sought else escape(part) for part, sought in words.parts(text, terms))
    return mark_safe("".join(parts))  # nosec B308 B703  (each part is escaped)


@register.filter
def around(text: str, terms: Sequence[str]) -> SafeString:
    """Without marks of Markdown what stands around the first of the terms, with all of them marked; without one its first words."""
    said = to_plain(text)
    if words.first(said, terms) is None and words.first(text, terms) is not None:
        said = " ".join(_MARKS.sub("", text).split())
    at = words.first(said, terms) or 0
    if at > SEEN:
        said = "…" + said[said.rfind(" ", 0, at - BEFORE) + 1 :]
    return marked(Truncator(said).chars(PLAIN_MOST), terms)


@register.simple_tag
def found_in(terms: Sequence[str], *texts: str) -> SafeString:
    """What stands around the terms in the first of the texts that has one; else the beginning of the first that says something."""
    given = [each for each in texts if each]
    best = next((each for each in given if words.first(each, terms) is not None), given[0] if given else "")
    return around(best, terms)
