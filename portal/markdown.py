"""Descriptions that publishers write in Markdown (CommonMark), as HTML that can do no harm, and as plain text.

Two locks: HTML in the source stays text, and what is made is cleaned of everything but the tags below.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from html import escape

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

TAGS = {
    *("p", "br", "hr", "em", "strong", "code", "pre", "blockquote", "ul", "ol", "li", "a"),
    *("h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
}
# Without one of them a text is what it says; most are such, and reading them is quicker so.
_MARKS = re.compile(r"[\\`*_{}\[\]<>#&!|~=+-]|^\s*\d+[.)]", re.MULTILINE)
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
# What a line or two on a tile can need.
PLAIN_MOST = 240

_commonmark = MarkdownIt("commonmark", {"html": False}).enable("table")
# Pages load no picture from elsewhere, so what it shows is said.
_commonmark.add_render_rule("image", lambda _renderer, tokens, index, _options, _env: escape(tokens[index].content))


@lru_cache(maxsize=256)
def to_html(text: str, *, below: int = 1) -> str:
    """HTML to be shown as it is.

    :param below: the level of the heading it stands under; its own follow in order, whatever level they were given.
    """
    tokens = _commonmark.parse(text)
    _settle_headings(tokens, below)
    made = _commonmark.renderer.render(tokens, _commonmark.options, {})
    return nh3.clean(
        made,
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        # Relative to the portal they would lead into it.
        url_relative="deny",
        link_rel="noopener nofollow",
        # Wide code is scrolled by keyboard, too.
        set_tag_attribute_values={"pre": {"tabindex": "0"}},
    )


def _settle_headings(tokens: Iterable[Token], below: int) -> None:
    """Each at most one level deeper than the one before."""
    given: list[int] = []
    for token in tokens:
        if token.type == "heading_open":
            level = int(token.tag[1])
            while given and given[-1] >= level:
                given.pop()
            given.append(level)
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(below + len(given), 6)}"


@lru_cache(maxsize=1024)
def to_plain(text: str, *, most: int = PLAIN_MOST) -> str:
    """Its first paragraph without marks, on one line; a heading only where there is nothing else."""
    if not _MARKS.search(text):
        return _shortened(text.strip().partition("\n\n")[0], most)
    # Marks and addresses aren't told; a text of nothing else isn't read to its end.
    tokens = _commonmark.parse(text[: 5 * most])
    first = next(_texts(tokens, headings=False), None) or next(_texts(tokens, headings=True), "")
    return _shortened(first, most)


def _shortened(text: str, most: int) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= most else plain[:most].rstrip() + "…"


def _texts(tokens: list[Token], *, headings: bool) -> Iterator[str]:
    for index, token in enumerate(tokens):
        if token.type == "inline" and (headings or tokens[index - 1].type != "heading_open"):
            yield "".join(_text(child) for child in token.children or ())
        elif token.type in {"code_block", "fence"} and headings:
            yield token.content


def _text(token: Token) -> str:
    return " " if token.type in {"softbreak", "hardbreak"} else token.content
