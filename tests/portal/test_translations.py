"""Every text of a page is gathered and translated, and the compiled file is the one that the translations make."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from portal import translations

LANGUAGES = [language for language, _ in settings.LANGUAGES if language != settings.LANGUAGE_CODE]
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%%")


def texts(message: Any) -> list[str]:
    return [message] if isinstance(message, str) else list(message)


def key(message: Any) -> tuple[Any, Any]:
    return message.id, message.context


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated_and_none_is_left_over(language: str) -> None:
    """Run `make messages`, and translate what it lists."""
    wanted = {key(message) for message in translations.gathered() if message.id}
    found = {key(message): message for message in translations.read(language) if message.id}
    assert set(found) == wanted
    assert translations.missing(translations.read(language)) == []
    assert [message.id for message in found.values() if message.fuzzy] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_names_what_its_text_names(language: str) -> None:
    for message in translations.read(language):
        wanted = {name for text in texts(message.id) for name in PLACEHOLDER.findall(text)}
        for text in filter(None, texts(message.string)):
            assert set(PLACEHOLDER.findall(text)) <= wanted, message.id
        if message.id and isinstance(message.id, str):
            assert set(PLACEHOLDER.findall(str(message.string))) == wanted, message.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_file_is_what_the_translations_make(language: str) -> None:
    catalog = translations.read(language)
    assert translations.file(language).with_suffix(".mo").read_bytes() == translations.compiled(catalog)


MODULE = """
from django.utils.translation import gettext as _, gettext_lazy, ngettext, npgettext, pgettext

_("A sentence")
_("A sentence of "
  "two parts")
_("%(api)s is live already.") % {"api": api}
gettext_lazy("A label")
translation.gettext("just now")
ngettext("%(many)s call", "%(many)s calls", many)
pgettext("a month", "May")
npgettext("of a key", "%(many)s use", "%(many)s uses", many)
_(sentence), f"{not_this} one", "nor this one"
"""
PURE = """
def _(sentence: str) -> str:
    return sentence

raise Refused(_("These are %(count)s origins."), count=3)
ROWS = (Row("A", 401, _("What it means."), _("What to do."), f"{says('x')}"),)
def compare(was, now, *, gettext=str):
    return gettext("The operation is gone.")
"""
TEMPLATE = """{% load i18n %}
    <main>
  <h1>{% translate "A heading" %}</h1> {% translate 'In single quotes' %}
{% translate "Kept for later" as later %}
{% translate "May" context "a month" %}
{% include "panel.html" with here=_("Your new secret") one="two" %}
{{ name|default:_("Nobody") }}
{% blocktranslate trimmed with api=row.api %}
  {{ api }} is
  live.
{% endblocktranslate %}
{% blocktranslate count many=many %}{{ many }} call{% plural %}{{ many }} calls{% endblocktranslate %}
{% blocktranslate context "a key" %}Type{% endblocktranslate %}
{% comment %}{% translate "Not this" %}{% endcomment %}
"""


@pytest.mark.parametrize(
    ("name", "source", "wanted"),
    [
        (
            "module.py",
            MODULE,
            [
                ("A sentence", None), ("A sentence of two parts", None), ("%(api)s is live already.", None), ("A label", None),
                ("just now", None), (("%(many)s call", "%(many)s calls"), None), ("May", "a month"),
                (("%(many)s use", "%(many)s uses"), "of a key"),
            ],
        ),
        (
            "pure.py",
            PURE,
            [("These are %(count)s origins.", None), ("What it means.", None), ("What to do.", None), ("The operation is gone.", None)],
        ),
        (
            "page.html",
            TEMPLATE,
            [
                ("A heading", None), ("In single quotes", None), ("Kept for later", None), ("May", "a month"),
                ("Your new secret", None), ("Nobody", None), ("%(api)s is live.", None),
                (("%(many)s call", "%(many)s calls"), None), ("Type", "a key"),
            ],
        ),
    ],
)  # fmt: skip
def test_each_kind_of_text_is_gathered(tmp_path: Path, name: str, source: str, wanted: list[Any]) -> None:
    path = tmp_path / name
    path.write_text(source)
    assert list(translations.texts_in(path)) == wanted
