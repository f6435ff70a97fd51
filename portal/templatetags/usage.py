"""What the templates of usage need: addresses that keep what was chosen, and numbers in words."""

from typing import Any

from django import template
from django.http import HttpRequest

from portal.usage_words import share, took

register = template.Library()
register.filter("took", took)
register.filter("share", share)


@register.simple_tag
def querystring_of(request: HttpRequest, *changed: Any) -> str:
    """The address's query with these changed, a name and a value in turn; "" takes one away. What names a part of the page stays out."""
    query = request.GET.copy()
    for name in ("part", "as", "what"):
        query.pop(name, None)
    for name, value in zip(changed[::2], changed[1::2], strict=True):
        query.pop(name, None)
        if value != "":
            query[name] = str(value)
    return query.urlencode()
