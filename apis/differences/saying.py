"""Changes in the reader's language."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeAlias

from apis import schemas
from apis.differences.levels import Level, Rule, Word
from apis.differences.levels import mark as _
from apis.differences.rules import ASPECTS, INSIDE, OF_PROPERTIES, OF_SCHEMAS, RULES
from apis.differences.words import Found

# A sentence in the reader's language: `gettext`, or `str` for English.
Translate: TypeAlias = Callable[[str], str]

# Values that are named, characters of one, and of the path to a property.
NAMED = 20
WORD = 80
PATH = 200


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    path: str
    operation_id: str
    summary: str


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs: by which rule (docs/differences.md), how much it asks of callers, and a sentence that says where and what.

    `operation`: as it is in the new document, or was in the old one if it is gone; None where it is no operation's own.
    """

    rule: str
    level: Level
    text: str
    operation: Operation | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a schema stands: `here` names it in a sentence, `inside` what stands in it, `given` is what they are filled with."""

    subject: str
    here: str
    inside: str
    given: dict[str, str] = field(default_factory=dict)


def parameter(name: str, where: str) -> Place:
    here, inside = _("The parameter %(name)s (%(where)s)"), _("%(path)s in the parameter %(name)s (%(where)s)")
    return Place("request-parameter", here, inside, {"name": name, "where": where})


def request_body(media: str) -> Place:
    return Place("request-body", _("The request body (%(media)s)"), _("%(path)s in the request body (%(media)s)"), {"media": media})


def response(status: str, media: str) -> Place:
    here, inside = _("The response %(status)s (%(media)s)"), _("%(path)s in the response %(status)s (%(media)s)")
    return Place("response-body", here, inside, {"status": status, "media": media})


def header(name: str, status: str) -> Place:
    here, inside = _("The header %(name)s of the response %(status)s"), _("%(path)s in the header %(name)s of the response %(status)s")
    return Place("response-header", here, inside, {"name": name, "status": status})


class Saying:
    def __init__(self, gettext: Translate) -> None:
        self.gettext = gettext

    def by(self, rule: str, place: Place | None = None, **given: Any) -> Change:
        return self._said(RULES[rule], place, "", given)

    def of_schema(self, found: Found, steps: tuple[str, ...], place: Place) -> Change:
        """:param steps: from the place to where the schema stands to which it happened."""
        inside = INSIDE[place.subject]
        if found.what in ASPECTS:
            # An alternative of a body is the body still.
            rule = OF_SCHEMAS[place.subject if all(step.startswith("(") for step in steps) else inside, found.what]
        else:
            # In parameters as in bodies, who reads and who writes is the same.
            rule = OF_PROPERTIES.get((inside, found.what)) or OF_PROPERTIES["request-property", found.what]
        return self._said(rule, place, "".join((*steps, found.step)), found.given)

    def _said(self, rule: Rule, place: Place | None, path: str, given: dict[str, Any]) -> Change:
        shown = {name: self.shown(value) for name, value in given.items()}
        if place is not None:
            shown["place"] = self._placed(place, path)
        return Change(rule.id, rule.level, self.gettext(rule.sentence) % shown)

    def _placed(self, place: Place, path: str) -> str:
        if not path:
            return self.gettext(place.here) % place.given
        path = path.removeprefix(".")
        short = path if len(path) <= PATH else schemas.MORE + path[1 - PATH :]
        return self.gettext(place.inside) % {**place.given, "path": short}

    def shown(self, value: Any) -> str:
        if isinstance(value, Word):
            return self.gettext(value)
        if isinstance(value, list):
            return schemas.listed(map(self.one, islice(value, NAMED)), more=len(value) > NAMED)
        return self.one(value)

    def one(self, value: Any) -> str:
        return schemas.cut(schemas.shown(value), WORD)

    def alternatives(self, found: Iterator[tuple[str, ...]]) -> str:
        return self.gettext(" or ").join(" + ".join(each) for each in found)
