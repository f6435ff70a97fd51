"""No template shows a word of its own: everything that is read goes through gettext."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings
from django.template.base import Lexer, Token, TokenType

TEMPLATES = Path(settings.BASE_DIR) / "templates"
# Shown in development alone.
EXEMPT = {"gallery.html"}
# Names, and what is the same in every language.
ALLOWED = {"Portico", "API", "HTTP", "HTTPS", "URL", "OpenAPI", "CORS", "JSON", "YAML", "ID", "IP", "GET", "POST", "ms", "g"}
READ = {"aria-label", "aria-description", "aria-roledescription", "placeholder", "title", "alt", "label", "data-done"}
# On a phone, cells are headed with it.
MORE = {"td": {"data-label"}, "th": {"data-label"}}
# What stands in these is code, not language.
CODE = {"code", "pre", "kbd", "samp", "script", "style", "svg"}
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
WORD = re.compile(r"[^\W\d_]+")
# Filters whose argument is shown, and what an include is given.
SHOWN = re.compile(r"""\|(?:default|default_if_none|yesno|pluralize|add|join):("[^"]*"|'[^']*')""")
GIVEN = re.compile(r"""\b\w+=("[^"]*"|'[^']*')""")


def words(text: str) -> str:
    """What of it has to be translated, "" if nothing has."""
    return " ".join(text.split()) if set(WORD.findall(text)) - ALLOWED else ""


class Reader(HTMLParser):
    """Gathers what a browser shows of a page, and reads aloud."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        more = {"value"} if tag == "input" and dict(attrs).get("type") in {"submit", "button", "reset"} else MORE.get(tag, set())
        self.found += [words(text or "") for name, text in attrs if name in READ | more]
        if tag not in VOID:
            self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.inside:
            while self.inside.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not CODE & set(self.inside):
            self.found.append(words(data))


def untranslated(source: str) -> list[str]:
    """The texts of a template that no translation reaches."""
    tokens = list(_outside_of_translations(Lexer(source).tokenize()))
    reader = Reader()
    reader.feed("".join(token.contents if token.token_type is TokenType.TEXT else " " for token in tokens))
    reader.close()
    return [text for text in [*reader.found, *(text for token in tokens for text in _in_tag(token))] if text]


def _outside_of_translations(tokens: list[Token]) -> Iterator[Token]:
    end = ""
    for token in tokens:
        tag, _, rest = token.contents.partition(" ") if token.token_type is TokenType.BLOCK else ("", "", "")
        if end:
            end = "" if tag == end else end
            continue
        # The block of that name holds a class.
        if tag in {"blocktranslate", "comment"} or (tag, rest) == ("block", "width"):
            end = f"end{tag}"
        yield token


def _in_tag(token: Token) -> Iterator[str]:
    if token.token_type is TokenType.VAR:
        for constant in SHOWN.findall(token.contents):
            yield words(constant[1:-1])
    if token.token_type is TokenType.BLOCK and token.contents.startswith(("include ", "with ", "blocktranslate ")):
        for constant in GIVEN.findall(token.contents):
            # One word in lower case names something for the template.
            if " " in constant.strip() or constant[1:2].isupper():
                yield words(constant[1:-1])


PAGES = sorted(str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*") if path.suffix in {".html", ".txt"})


@pytest.mark.parametrize("name", [name for name in PAGES if name not in EXEMPT])
def test_everything_that_is_read_is_in_gettext(name: str) -> None:
    assert untranslated((TEMPLATES / name).read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "<p>Nothing here</p>",
        "<p>{{ many }} calls</p>",
        '<p>{% if a %}{% translate "Yes" %}{% else %}No{% endif %}</p>',
        '<nav aria-label="Pages"></nav>',
        '<input placeholder="Search {{ what }}">',
        '<button data-done="Copied">{% icon "x" %}</button>',
        '<input type="submit" value="Send">',
        '<td data-label="Name">{{ name }}</td>',
        "{% block title %}Plans{% endblock title %}",
        '{{ name|default:"Nobody" }}',
        '{% include "components/empty.html" with title="Nothing yet" %}',
        "<p>{% blocktranslate %}Said{% endblocktranslate %} and not said</p>",
        "Hello {{ name }},\n",
    ],
)
def test_a_text_outside_gettext_is_found(source: str) -> None:
    assert untranslated(source) != []


@pytest.mark.parametrize(
    "source",
    [
        '<p class="lead">{% translate "Nothing here" %} · {{ many }} → Portico</p>',
        "<p>{% blocktranslate count many=many trimmed %}{{ many }} call{% plural %}{{ many }} calls{% endblocktranslate %}</p>",
        '{% include "components/empty.html" with title=_("Nothing yet") icon="cube" %}',
        '{{ name|default:_("Nobody") }} {{ at|date:"d M Y" }}',
        "<p><code>Authorization: Bearer</code> <kbd>g</kbd></p><script>let a = 'b'</script>",
        '<input type="hidden" value="once"><a href="{% url "catalogue" slug %}"{% if here %} aria-current="page"{% endif %}>{{ word }}</a>',
        "{# A note. #}{% comment %}Another note{% endcomment %}",
    ],
)
def test_what_is_translated_or_nobody_reads_is_not(source: str) -> None:
    assert untranslated(source) == []
