"""What differs in the parameters of an operation."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from apis import contract
from apis.contract import Content, Described, text
from apis.differences import saying, sunset
from apis.differences.levels import Direction, Word
from apis.differences.levels import mark as _
from apis.differences.rules import NONE
from apis.differences.saying import Change, Place
from apis.differences.sunset import End
from apis.differences.telling import Telling
from apis.differences.views import NOTHING, Views
from apis.openapi_references import mapping

NOTES = {"description", "example", "examples"}
# Each is compared in a way of its own; what else there is, by its digest.
KNOWN = {*NOTES, "name", "in", "required", "schema", "content", "style", "explode", "allowReserved", "deprecated"}
REMOVED = {
    End.WITHOUT_DEPRECATION: "request-parameter-removed",
    End.WITH_DEPRECATION: "request-parameter-removed-with-deprecation",
    End.BEFORE_SUNSET: "request-parameter-removed-before-sunset",
    End.UNCLEAR: "request-parameter-sunset-parse",
}
MEDIA_TYPE = Word(_("media type"))
# What one value fits in, however it is written.
SCALAR = {"string", "number", "integer", "boolean"}


def changes(telling: Telling, before: Described, after: Described, today: date) -> Iterator[Change]:
    were, are = _by_place(telling.old.document, before), _by_place(telling.new.document, after)
    for key in sorted(were.keys() | are.keys()):
        was, now = were.get(key), are.get(key)
        place = saying.parameter(text((now or was or {}).get("name")), key[0])
        if was is None:
            required = now is not None and is_required(now)
            yield telling.by("new-required-request-parameter" if required else "new-optional-request-parameter", place)
        elif now is None:
            yield telling.by(REMOVED[sunset.end(was, today)], place, was=was.get("x-sunset"))
        else:
            yield from _both(telling, was, now, place)


def _by_place(document: Content, operation: Described) -> dict[tuple[str, str], Content]:
    """By place and name; those of the path by their place in it, as their names are the author's."""
    names = re.findall(r"\{([^{}]+)\}", operation.path)
    found = {}
    for parameter in contract.parameters(document, operation):
        name, where = text(parameter.get("name")), text(parameter.get("in"))
        if where == "path" and name in names:
            name = f"{names.index(name):04}"
        found[where, name.lower() if where == "header" else name] = parameter
    return found


def _both(telling: Telling, was: Content, now: Content, place: Place) -> Iterator[Change]:
    by = telling.by
    if place.given["where"] == "path" and was.get("name") != now.get("name"):
        yield by("request-path-parameter-renamed", was=was.get("name"), now=now.get("name"))
    if is_required(was) != is_required(now):
        yield by("request-parameter-became-required" if is_required(now) else "request-parameter-became-optional", place)
    yield from _written(telling, was, now, place)
    yield from _deprecated(telling, was, now, place)
    (media_was, schema_was), (media, schema) = schema_of(telling.old.document, was), schema_of(telling.new.document, now)
    if media_was != media:
        yield by("request-parameter-media-type-changed", place, word=MEDIA_TYPE, was=media_was or NONE, now=media or NONE)
    yield from telling.schema(schema_was, schema, Direction.REQUEST, place)
    yield from telling.notes(was, now, NOTES)
    for word in telling.others(was, now, KNOWN):
        yield by("request-parameter-changed", place, word=word)


def is_required(described: Content) -> bool:
    return described.get("required") is True


def schema_of(document: Content, described: Content) -> tuple[str, Any]:
    """Of a parameter or a header: in a media type of its own, or ""."""
    for media, content in mapping(described.get("content")).items():
        return media, mapping(contract.follow(document, content)).get("schema", NOTHING)
    return "", described.get("schema", NOTHING)


def _written(telling: Telling, was: Content, now: Content, place: Place) -> Iterator[Change]:
    """How a value is written in the call (OpenAPI 3.1.1, section 4.8.12.3); what is left out is what is meant without it."""
    style_was, style = _style(was), _style(now)
    if style_was != style:
        yield telling.by("request-parameter-style-changed", place, word="style", was=style_was, now=style)
    elif _explodes(was) != _explodes(now) and not (_is_one(telling.schemas.old, was) and _is_one(telling.schemas.new, now)):
        yield telling.by("request-parameter-explode-changed", place, word="explode", was=_explodes(was), now=_explodes(now))
    reserved_was, reserved = was.get("allowReserved") is True, now.get("allowReserved") is True
    if reserved_was != reserved:
        what = "became-allow-reserved" if reserved else "became-not-allow-reserved"
        yield telling.by(f"request-parameter-{what}", place, word="allowReserved")


def _style(parameter: Content) -> str:
    return text(parameter.get("style")) or ("form" if parameter.get("in") in {"query", "cookie"} else "simple")


def _explodes(parameter: Content) -> bool:
    return bool(parameter.get("explode", _style(parameter) == "form"))


def _is_one(views: Views, parameter: Content) -> bool:
    """Whether it is a single value, which is written the same either way."""
    view = views.of(views.side.follow(parameter.get("schema", NOTHING)))
    return view.types is not None and bool(view.types) and view.types <= SCALAR


def _deprecated(telling: Telling, was: Content, now: Content, place: Place) -> Iterator[Change]:
    deprecated_was, deprecated = was.get("deprecated") is True, now.get("deprecated") is True
    if deprecated_was != deprecated:
        yield telling.by("request-parameter-deprecated" if deprecated else "request-parameter-reactivated", place)
    elif deprecated:
        day_was, day = sunset.day_of(was), sunset.day_of(now)
        if day_was and "x-sunset" not in now:
            yield telling.by("request-parameter-sunset-deleted", place, was=was["x-sunset"])
        elif day_was and day and day < day_was:
            yield telling.by("request-parameter-sunset-date-changed-too-small", place, was=was["x-sunset"], now=now["x-sunset"])
