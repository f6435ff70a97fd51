"""What differs between two schemas by themselves, without those that they are made of."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from apis.differences.digests import Side, digest
from apis.differences.rules import ANY, CONDITIONS, LIMITS, NONE, WRITTEN
from apis.differences.views import FLAGS, View
from apis.openapi_references import mapping, sequence

# Each holds all that the other holds.
WIDER = {("int32", "int64"), ("float", "double")}
# Patterns that everything fits.
ANYTHING = {"", ".*", "^.*$", "^.*", ".*$"}
# Each is compared in a way of its own; what else there is, by its digest.
KNOWN = {
    *(*LIMITS, *CONDITIONS, *WRITTEN, *FLAGS),
    *("const", "x-extensible-enum", "format", "pattern", "multipleOf", "default", "discriminator"),
}
# Descriptions and other notes differ.
NOTES = "notes"


@dataclass(frozen=True, slots=True)
class Found:
    """What happened: the last part of a rule's id, and what its sentence is filled with. `step` leads to the property that it is about."""

    what: str
    given: dict[str, Any]
    step: str = ""


@dataclass(frozen=True, slots=True)
class Sides:
    """The documents that two schemas are of."""

    old: Side
    new: Side

    def differ(self, word: str, was: Any, now: Any) -> bool:
        return self.old.said(word, was) != self.new.said(word, now)


def unlike(old: View, new: View) -> bool:
    """Whether no value is of the type of both."""
    return bool(old.types and new.types) and not covers(old.types, new.types) and not covers(new.types, old.types)


def kinds(old: View, new: View) -> Iterator[Found]:
    """Their types, and whether null is one."""
    if old.types != new.types:
        given = {"word": "type", "was": _types(old), "now": _types(new)}
        if covers(new.types, old.types):
            yield Found("type-generalized", given)
        else:
            yield Found("type-specialized" if covers(old.types, new.types) else "type-changed", given)
    yield from nullability(old, new)


def nullability(old: View, new: View) -> Iterator[Found]:
    if old.nullable != new.nullable and not (old.open or new.open):
        yield Found("became-nullable" if new.nullable else "became-not-nullable", {})


def _types(view: View) -> Any:
    return ANY if view.types is None else sorted(view.types) or "null"


def covers(wide: frozenset[str] | None, narrow: frozenset[str] | None) -> bool:
    """None is any type, and each integer is a number."""
    if wide is None or narrow is None:
        return wide is None
    return all(each in wide or (each == "integer" and "number" in wide) for each in narrow)


def remarks(old: View, new: View) -> Iterator[Found]:
    """What is said of a value and does not bind it."""
    if old.has("deprecated") != new.has("deprecated"):
        yield Found("deprecated" if new.has("deprecated") else "reactivated", {})
    yield from _three("default-value", ("added", "removed", "changed"), "default", old, new)
    if old.notes != new.notes:
        yield Found(NOTES, {})


def words(old: View, new: View, sides: Sides) -> Iterator[Found]:
    """What binds a value."""
    yield from _values(old, new)
    if not (old.words or new.words or old.more or new.more) and old.additional is new.additional:
        return
    if old.types == new.types:
        yield from _format(old, new)
    yield from _limits(old, new)
    yield from _pattern(old, new)
    yield from _multiple(old, new)
    if old.has("uniqueItems") != new.has("uniqueItems"):
        yield Found("unique-items-set" if new.has("uniqueItems") else "unique-items-unset", {})
    if (old.additional is False) != (new.additional is False):
        yield Found("additional-properties-removed" if new.additional is False else "additional-properties-added", {})
    yield from _discriminator(old, new)
    yield from _conditions(old, new, sides)
    for word in sorted((old.words.keys() | new.words.keys()) - KNOWN):
        if sides.differ(word, old.words.get(word), new.words.get(word)):
            yield Found("changed", {"word": word})
    for word in sorted({word for word, _ in old.more ^ new.more}):
        yield Found("changed", {"word": word})


def _three(name: str, what: tuple[str, str, str], word: str, old: View, new: View) -> Iterator[Found]:
    """That a word came, went, or says something else."""
    was, now = old.words.get(word, NONE), new.words.get(word, NONE)
    if was is now:
        return
    if (was is NONE) != (now is NONE) or digest(was) != digest(now):
        happened = what[0] if was is NONE else what[1] if now is NONE else what[2]
        yield Found(f"{name}-{happened}", {"word": word, "was": was, "now": now})


def _values(old: View, new: View) -> Iterator[Found]:
    was, now = old.values, new.values
    # One value is a list of one, where the other is a list.
    if now is not None and was is None and "const" in old.words:
        was = {digest(old.words["const"]): old.words["const"]}
    elif was is not None and now is None and "const" in new.words:
        now = {digest(new.words["const"]): new.words["const"]}
    else:
        yield from _three("const", ("added", "removed", "changed"), "const", old, new)
    yield from _choice("enum", was, now)
    if "x-extensible-enum" not in old.words and "x-extensible-enum" not in new.words:
        return
    extensible = [{digest(each): each for each in sequence(view.words.get("x-extensible-enum"))} for view in (old, new)]
    yield from _choice("x-extensible-enum", *extensible)


def _choice(name: str, was: dict[str, Any] | None, now: dict[str, Any] | None) -> Iterator[Found]:
    if was is None and now is not None:
        yield Found("became-enum", {"values": list(now.values())})
    elif was is not None and now is None:
        yield Found("became-not-enum", {"values": list(was.values())})
    elif was is not None and now is not None:
        if removed := [value for key, value in was.items() if key not in now]:
            yield Found(f"{name}-value-removed", {"values": removed})
        if added := [value for key, value in now.items() if key not in was]:
            yield Found(f"{name}-value-added", {"values": added})


def _format(old: View, new: View) -> Iterator[Found]:
    was, now = old.words.get("format"), new.words.get("format")
    if (was, now) in WIDER or (now, was) in WIDER:
        what = "format-generalized" if (was, now) in WIDER else "format-specialized"
        yield Found(what, {"word": "format", "was": was, "now": now})
    else:
        yield from _three("format", ("added", "removed", "changed"), "format", old, new)


def _limits(old: View, new: View) -> Iterator[Found]:
    for word in LIMITS.keys() & (old.words.keys() | new.words.keys()):
        name = LIMITS[word][0]
        was, now = _number(old.words.get(word)), _number(new.words.get(word))
        if was != now:
            happened = "set" if was is None else "unset" if now is None else "increased" if now > was else "decreased"
            yield Found(f"{name}-{happened}", {"word": word, "was": old.words.get(word, NONE), "now": new.words.get(word, NONE)})


def _pattern(old: View, new: View) -> Iterator[Found]:
    # Expressions are never run: which of two lets more through, nobody can tell but for those that let everything through.
    was, now = old.words.get("pattern"), new.words.get("pattern")
    if was is not None and was != now and now in ANYTHING:
        yield Found("pattern-generalized", {"word": "pattern", "was": was, "now": now})
    else:
        yield from _three("pattern", ("added", "removed", "changed"), "pattern", old, new)


def _multiple(old: View, new: View) -> Iterator[Found]:
    was, now = _number(old.words.get("multipleOf")), _number(new.words.get("multipleOf"))
    if was and now and was != now:
        happened = "generalized" if (was / now).denominator == 1 else "specialized" if (now / was).denominator == 1 else "changed"
        yield Found(f"multiple-of-{happened}", {"word": "multipleOf", "was": old.words["multipleOf"], "now": new.words["multipleOf"]})
    elif was != now:
        yield from _three("multiple-of", ("set", "unset", "changed"), "multipleOf", old, new)


def _number(value: Any) -> Fraction | None:
    """Exact, as it is written in decimals."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return Fraction(value) if isinstance(value, int) else Fraction(Decimal(repr(value)))


def _discriminator(old: View, new: View) -> Iterator[Found]:
    was, now = mapping(old.words.get("discriminator")), mapping(new.words.get("discriminator"))
    name_was, name_now = was.get("propertyName", NONE), now.get("propertyName", NONE)
    if bool(was) != bool(now):
        yield Found("discriminator-added" if now else "discriminator-removed", {"word": "discriminator", "was": name_was, "now": name_now})
        return
    if name_was != name_now:
        yield Found("discriminator-property-name-changed", {"word": "discriminator", "was": name_was, "now": name_now})
    leads_were, leads = mapping(was.get("mapping")), mapping(now.get("mapping"))
    for value in sorted(leads_were.keys() | leads.keys()):
        given = {"word": f"discriminator {value}", "was": leads_were.get(value, NONE), "now": leads.get(value, NONE)}
        if value not in leads_were:
            yield Found("discriminator-mapping-added", given)
        elif value not in leads:
            yield Found("discriminator-mapping-deleted", given)
        elif given["was"] != given["now"]:
            yield Found("discriminator-mapping-changed", given)


def _conditions(old: View, new: View, sides: Sides) -> Iterator[Found]:
    for word, name in CONDITIONS.items():
        was, now = word in old.words, word in new.words
        if was != now:
            yield Found(f"{name}-added" if now else f"{name}-removed", {"word": word})
        elif was and sides.differ(word, old.words[word], new.words[word]):
            yield Found(f"{name}-changed", {"word": word})
    for word, name in WRITTEN.items():
        if old.words.get(word) != new.words.get(word):
            yield Found(f"{name}-changed", {"word": word, "was": old.words.get(word, NONE), "now": new.words.get(word, NONE)})
