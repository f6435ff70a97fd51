"""Every pair of colours that meets on a page is legible, in both themes (WCAG 2.2, 1.4.3 and 1.4.11)."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from tenants.models import Accent

STATIC = Path(settings.BASE_DIR) / "static"
TOKEN = re.compile(r"--([\w-]+): (?:light-dark\((#\w{6}), (#\w{6})\)|(#\w{6}));")

GROUNDS = ("page", "rail", "surface", "raised", "sunken")
TEXT = [(ink, ground) for ink in ("ink", "ink-2", "ink-3", "accent", "bad", "ok", "wait") for ground in GROUNDS]
TEXT += [(tone, f"{tone}-soft") for tone in ("ok", "wait", "bad", "info")]
TEXT += [("ink", "accent-soft"), ("ink-2", "accent-soft"), ("ink-2", "mute-soft"), ("ink", "line"), ("accent-ink", "accent")]
TEXT += [("info", "surface"), ("accent", "accent-soft"), ("ok", "accent-soft")]
TEXT += [(word, "code") for word in ("code-ink", "code-word", "code-text", "code-note")]
TEXT += [("code-ink", "code-wrong")]
# What shows where a control is, and where the focus is.
SHAPES = (
    [("control", ground) for ground in GROUNDS] + [("accent", ground) for ground in (*GROUNDS, "accent-soft")] + [("code-word", "code")]
)


def tokens(theme: str, accent: str = "teal") -> dict[str, str]:
    """The first block is everybody's, and a tenant's accent stands over it."""
    text = (STATIC / "tokens.css").read_text()
    everybodys, *_ = text.partition("[data-accent")
    own = re.search(rf'\[data-accent="{accent}"\] {{([^}}]+)}}', text)
    found = TOKEN.findall(everybodys + (own[1] if own else ""))
    return {name: both or (light if theme == "light" else dark) for name, light, dark, both in found}


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2, definition)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted([luminance(one), luminance(other)], reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("accent", Accent.values)
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("least,pairs", [(4.5, TEXT), (3.0, SHAPES)], ids=["text", "shapes"])
def test_colours_that_meet_can_be_told_apart(theme: str, least: float, pairs: list[tuple[str, str]], accent: str) -> None:
    colours = tokens(theme, accent)
    weak = {f"{one} on {other}": round(contrast(colours[one], colours[other]), 2) for one, other in pairs}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < least} == {}


def test_each_accent_is_a_colour_of_its_own() -> None:
    assert len({(tokens("light", each)["accent"], tokens("dark", each)["accent"]) for each in Accent.values}) == len(Accent.values)


def test_colours_stand_in_the_tokens_alone() -> None:
    """Shadows of a dialog's ground aside, the components name tokens."""
    text = re.sub(r"dialog::backdrop \{[^}]+\}", "", (STATIC / "portal.css").read_text())
    assert re.findall(r"#[0-9a-f]{3,8}\b|rgb\(", text) == []


def test_every_token_that_is_used_exists() -> None:
    used = set(re.findall(r"var\(--([\w-]+)\)", (STATIC / "portal.css").read_text()))
    assert used <= set(re.findall(r"--([\w-]+):", (STATIC / "tokens.css").read_text()))


def test_both_stylesheets_together_are_small() -> None:
    assert sum((STATIC / name).stat().st_size for name in ("tokens.css", "portal.css")) < 40_000
