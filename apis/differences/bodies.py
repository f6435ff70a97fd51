"""What differs in request bodies and in responses."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from apis.contract import Content, Described, follow
from apis.differences import saying
from apis.differences.levels import Direction
from apis.differences.parameters import MEDIA_TYPE, is_required, schema_of
from apis.differences.saying import Change, Place
from apis.differences.schemas import Pair
from apis.differences.telling import Telling
from apis.openapi_references import mapping

NOTES = {"description", "example", "examples"}
HEADER = {*NOTES, "required", "schema", "content", "deprecated"}
MEDIA = {*NOTES, "schema"}


def request(telling: Telling, before: Described, after: Described) -> Iterator[Change]:
    by = telling.by
    was, now = (follow(side.document, each.content.get("requestBody")) for side, each in ((telling.old, before), (telling.new, after)))
    if not was and not now:
        return
    if not was:
        yield by("request-body-added-required" if is_required(now) else "request-body-added-optional")
    elif not now:
        yield by("request-body-removed")
    else:
        if is_required(was) != is_required(now):
            yield by("request-body-became-required" if is_required(now) else "request-body-became-optional")
        yield from telling.notes(was, now, NOTES)
        pairs = dict[int, tuple[Pair, list[str]]]()
        yield from _contents(telling, _Contents(was.get("content"), now.get("content"), REQUEST, saying.request_body), pairs)
        for pair, media in pairs.values():
            yield from telling.pair(pair, saying.request_body(", ".join(media)))


@dataclass(frozen=True, slots=True)
class _Rules:
    """Of one direction: a request is what its media types are added to, a response gives one of them."""

    direction: Direction
    media: str
    schema: str
    encoding: str


REQUEST = _Rules(Direction.REQUEST, "request-body-media-type", "request-body-media-type-schema", "request-body-encoding-changed")
RESPONSE = _Rules(Direction.RESPONSE, "response-media-type", "response-body-media-type-schema", "response-body-encoding-changed")


@dataclass(frozen=True, slots=True)
class _Contents:
    was: Any
    now: Any
    rules: _Rules
    place: Callable[[str], Place]


def _contents(telling: Telling, given: _Contents, pairs: dict[int, tuple[Pair, list[str]]]) -> Iterator[Change]:
    """By media type; what differs in schemas is put into `pairs`, each with its media types."""
    by, rules = telling.by, given.rules
    were, are = _by_media(telling.old.document, given.was), _by_media(telling.new.document, given.now)
    called = _called(were, are)
    for media in sorted(were.keys() | are.keys()):
        if media in called.values():
            continue
        name = called.get(media, media)
        was, now = were.get(media), are.get(name)
        place = given.place(name)
        if was is None or now is None:
            yield by(f"{rules.media}-added" if was is None else f"{rules.media}-removed", place)
            continue
        if name != media:
            yield by(f"{rules.media}-name-changed", place, word=MEDIA_TYPE, was=media, now=name)
        yield from telling.notes(was, now, NOTES)
        if ("schema" in was) != ("schema" in now):
            yield by(f"{rules.schema}-added" if "schema" in now else f"{rules.schema}-removed", place, word="schema")
        elif pair := telling.schemas.pair(was.get("schema"), now.get("schema"), rules.direction):
            pairs.setdefault(id(pair), (pair, []))[1].append(name)
        for word in telling.others(was, now, MEDIA):
            yield by(rules.encoding, place, word=word)


def _by_media(document: Content, given: Any) -> dict[str, Content]:
    return {media.lower(): mapping(follow(document, each)) for media, each in mapping(given).items()}


def _called(were: dict[str, Content], are: dict[str, Content]) -> dict[str, str]:
    """From a media type that is gone to the one that is new and differs in its parameters alone."""
    new = {_essence(media): media for media in sorted(are, reverse=True) if media not in were}
    found: dict[str, str] = {}
    for media in sorted(were):
        if media not in are and (other := new.pop(_essence(media), None)):
            found[media] = other
    return found


def _essence(media: str) -> str:
    return media.partition(";")[0].strip()


def responses(telling: Telling, before: Described, after: Described) -> Iterator[Change]:
    were, are = mapping(before.content.get("responses")), mapping(after.content.get("responses"))
    # One schema answers many statuses, mostly: what differs in it is told once, with all of them.
    found: dict[tuple[int, tuple[str, ...]], tuple[Pair, list[str]]] = {}
    for status in sorted(were.keys() | are.keys()):
        kind = "success" if status.startswith("2") else "non-success"
        if status not in were:
            yield telling.by(f"response-{kind}-status-added", status=status)
        elif status not in are:
            yield telling.by(f"response-{kind}-status-removed", status=status)
        elif telling.differ(were[status], are[status]):
            was, now = mapping(follow(telling.old.document, were[status])), mapping(follow(telling.new.document, are[status]))
            pairs = dict[int, tuple[Pair, list[str]]]()
            yield from _response(telling, was, now, status, pairs)
            for pair, media in pairs.values():
                found.setdefault((id(pair), tuple(media)), (pair, []))[1].append(status)
    for (_, types), (pair, statuses) in found.items():
        yield from telling.pair(pair, saying.response(", ".join(statuses), ", ".join(types)))


def _response(telling: Telling, was: Content, now: Content, status: str, pairs: dict[int, tuple[Pair, list[str]]]) -> Iterator[Change]:
    yield from telling.notes(was, now, {"description"})
    contents = _Contents(was.get("content"), now.get("content"), RESPONSE, lambda media: saying.response(status, media))
    yield from _contents(telling, contents, pairs)
    yield from _headers(telling, was.get("headers"), now.get("headers"), status)
    if telling.differ(was.get("links"), now.get("links")):
        yield telling.by("response-links-changed", status=status)


def _headers(telling: Telling, was: Any, now: Any, status: str) -> Iterator[Change]:
    were, are = _by_name(telling.old.document, was), _by_name(telling.new.document, now)
    for key in sorted(were.keys() | are.keys()):
        place = saying.header((are.get(key) or were[key])[0], status)
        if key not in were:
            yield telling.by("response-header-added", place)
        elif key not in are:
            yield telling.by("required-response-header-removed" if is_required(were[key][1]) else "optional-response-header-removed", place)
        else:
            yield from _header(telling, were[key][1], are[key][1], place)


def _by_name(document: Content, given: Any) -> dict[str, tuple[str, Content]]:
    return {name.lower(): (name, mapping(follow(document, each))) for name, each in mapping(given).items()}


def _header(telling: Telling, was: Content, now: Content, place: Place) -> Iterator[Change]:
    if is_required(was) != is_required(now):
        yield telling.by("response-header-became-required" if is_required(now) else "response-header-became-optional", place)
    deprecated_was, deprecated = was.get("deprecated") is True, now.get("deprecated") is True
    if deprecated_was != deprecated:
        yield telling.by("response-header-deprecated" if deprecated else "response-header-reactivated", place)
    (media_was, schema_was), (media, schema) = schema_of(telling.old.document, was), schema_of(telling.new.document, now)
    if media_was != media:
        yield telling.by("response-header-changed", place, word=MEDIA_TYPE)
    yield from telling.schema(schema_was, schema, Direction.RESPONSE, place)
    yield from telling.notes(was, now, NOTES)
    for word in telling.others(was, now, HEADER):
        yield telling.by("response-header-changed", place, word=word)
