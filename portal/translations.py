"""The texts of pages and their translations: gathered from the sources, kept in locale/<locale>/LC_MESSAGES/django.po.

Django's own makemessages needs the gettext programs, which not every machine has; Babel reads and writes the same files.
"""

import io
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from babel.messages import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.utils.translation import to_locale
from django.utils.translation.template import templatize

APPS = ("portal", "gateway", "apis", "keys", "tenants")
KEYWORDS = {
    "_": None, "gettext": None, "gettext_lazy": None, "gettext_noop": None, "ngettext": (1, 2), "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2), "pgettext_lazy": ((1, "c"), 2), "npgettext": ((1, "c"), 2, 3),
}  # fmt: skip
ROOT = Path(settings.BASE_DIR)
_INDENTATION = re.compile(r"^[ \t]+", re.MULTILINE)


def sources() -> Iterator[Path]:
    for app in APPS:
        yield from sorted(path for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts)
    yield from sorted(path for path in (ROOT / "templates").rglob("*") if path.suffix in {".html", ".txt"})


def gathered() -> Catalog:
    """Every text of the sources, with the file it stands in."""
    catalog = Catalog(project="Portico", charset="utf-8")
    for path in sources():
        for message, context in texts_in(path):
            # The default is a text with %(name)s; what is only a format by chance carries none.
            catalog.add(message, context=context, locations=[(str(path.relative_to(ROOT)), 0)])
    return catalog


def texts_in(path: Path) -> Iterator[tuple[str | tuple[str, ...], str | None]]:
    """Each text of a module or a template, a plural as its two forms, and its context."""
    source = path.read_text()
    if path.suffix != ".py":
        # What is left is read as Python, to which a template's indentation means nothing.
        source = _INDENTATION.sub("", templatize(source, origin=str(path)))
    for _line, message, _comments, context in extract("python", io.BytesIO(source.encode()), KEYWORDS):
        yield message, context


def file(language: str) -> Path:
    return ROOT / "locale" / to_locale(language) / "LC_MESSAGES" / "django.po"


def _plain(catalog: Catalog) -> Catalog:
    """What is the same today and tomorrow, whoever gathers."""
    catalog.header_comment = f"# Portico in {catalog.locale_identifier}."
    catalog.creation_date = catalog.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    catalog.project, catalog.version, catalog.fuzzy = "Portico", "", False
    catalog.last_translator = catalog.language_team = catalog.msgid_bugs_address = ""
    return catalog


def read(language: str) -> Catalog:
    """
    :raises FileNotFoundError: nobody has translated anything yet.
    """
    with file(language).open("rb") as po:
        return read_po(po, locale=to_locale(language))


def update(language: str) -> Catalog:
    """The language's file with exactly the texts of the sources, and its compiled form beside it; returns it."""
    try:
        catalog = read(language)
    except FileNotFoundError:
        catalog = Catalog(locale=to_locale(language), charset="utf-8", fuzzy=False)
    catalog.update(gathered(), no_fuzzy_matching=True)
    catalog.obsolete.clear()
    _plain(catalog)
    file(language).parent.mkdir(parents=True, exist_ok=True)
    with file(language).open("wb") as po:
        write_po(po, catalog, width=140, sort_output=True, include_lineno=False)
    file(language).with_suffix(".mo").write_bytes(compiled(catalog))
    return catalog


def missing(catalog: Catalog) -> list[str]:
    """The texts without a translation, each by its first form."""
    return [_forms(message.id)[0] for message in catalog if message.id and not all(_forms(message.string))]


def _forms(text: str | Sequence[str] | None) -> list[str]:
    return [text or ""] if text is None or isinstance(text, str) else list(text)


def compiled(catalog: Catalog) -> bytes:
    target = io.BytesIO()
    write_mo(target, catalog)
    return target.getvalue()
