"""What publishers write in Markdown, for templates."""

from django import template
from django.utils.safestring import SafeString, mark_safe

from portal.markdown import to_html, to_plain

register = template.Library()


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
