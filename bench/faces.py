"""The other faces of a page: where its own links and its own forms lead when somebody narrows it, turns it over or searches in it."""

from collections import Counter
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlencode

# What is looked for: something that much has in its name, and something that nothing has, for which all has to be read.
SOUGHT = ("or", "nothing of the kind")
# So many that differ in no more than what they name are looked at: the others are like them.
ALIKE = 3


class Faces(HTMLParser):
    """Collects the queries of links that lead to the same page, and of its forms with the first choice of each field."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._in_form = False
        self._select = ""
        self._alike: Counter[tuple[str, ...]] = Counter()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._in_form = given.get("method", "get").lower() == "get" and given.get("action", self._path) == self._path
        elif tag == "a":
            path, _, query = given.get("href", "").partition("?")
            if query and path in {"", self._path}:
                self._note(query)
        elif tag == "input" and self._in_form and given.get("type") == "search":
            for text in SOUGHT:
                self._note(urlencode({given["name"]: text}))
        elif tag == "select" and self._in_form:
            self._select = given.get("name", "")
        elif tag == "option" and self._select and given.get("value"):
            self._note(urlencode({self._select: given["value"]}))
            self._select = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._in_form = False
        elif tag == "select":
            self._select = ""

    def _note(self, query: str) -> None:
        names = tuple(sorted(parse_qs(query)))
        if query not in self.found and self._alike[names] < ALIKE:
            self._alike[names] += 1
            self.found.append(query)


def faces(path: str, page: str) -> list[str]:
    """Their addresses."""
    bare = path.partition("?")[0]
    parser = Faces(bare)
    parser.feed(page)
    return [f"{bare}?{query}" for query in parser.found]
