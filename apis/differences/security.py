"""How callers prove who they are, and which scopes they need."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from apis import contract
from apis.contract import Described
from apis.differences.digests import Side, digest
from apis.differences.saying import Change, Saying
from apis.openapi_references import mapping
from apis.openapi_security import Requirement, required, schemes

# What one alternative takes: the names of schemes, with the roles that those without scopes of OAuth name.
Alternative: TypeAlias = frozenset[str]


@dataclass(frozen=True, slots=True)
class _Asked:
    alternatives: tuple[Alternative, ...]
    scopes: Requirement

    @property
    def open(self) -> bool:
        return not self.alternatives or frozenset() in self.alternatives


class Security:
    def __init__(self, old: Side, new: Side, saying: Saying) -> None:
        self.old, self.new, self.saying = old, new, saying
        self._with_scopes = schemes(old.document), schemes(new.document)
        self._were, self._are = _defined(old), _defined(new)
        # A scheme of another name that is defined the same is the same.
        names = {told: name for name, told in self._are.items() if name not in self._were}
        self._called = {name: names[told] for name, told in self._were.items() if name not in self._are and told in names}
        self._known: dict[tuple[str, str], tuple[Change, ...]] = {}

    def changes(self, before: Described, after: Described) -> tuple[Change, ...]:
        """Most operations ask for the same, so each two are compared once."""
        given = contract.security(self.old.document, before), contract.security(self.new.document, after)
        key = digest(given[0]), digest(given[1])
        if key not in self._known:
            self._known[key] = tuple(self._changes(*given))
        return self._known[key]

    def _changes(self, were: list[Any], are: list[Any]) -> Iterator[Change]:
        by = self.saying.by
        was = _Asked(tuple(self._alternative(each, 0) for each in were), required(were, self._with_scopes[0]))
        now = _Asked(tuple(self._alternative(each, 1) for each in are), required(are, self._with_scopes[1]))
        for name in sorted({name for each in were for name in each} & {name for each in are for name in each}):
            if self._were.get(name) != self._are.get(name):
                yield by("api-security-component-type-changed", now=name)
        if was.open != now.open:
            yield by("security-became-required", now=self._named(now.alternatives)) if was.open else by("security-became-optional")
        elif not was.open:
            for each in was.alternatives:
                if not any(other <= each for other in now.alternatives):
                    yield by("api-security-removed", was=self._named((each,)))
            for each in now.alternatives:
                if not any(other <= each for other in was.alternatives):
                    yield by("api-security-added", now=self._named((each,)))
        missing = _stricter(was.scopes, now.scopes)
        if missing:
            yield by("api-security-scope-added", now=self.saying.alternatives(iter(missing)))
        elif was.scopes != now.scopes:
            yield by("api-security-scope-removed")

    def _alternative(self, given: Any, side: int) -> Alternative:
        names = self._called if side == 0 else {}
        found = set()
        for name, roles in given.items():
            called = names.get(name, name)
            more = [] if name in self._with_scopes[side] else sorted(map(str, roles or []))
            found.add(f"{called} ({', '.join(more)})" if more else called)
        return frozenset(found)

    def _named(self, alternatives: tuple[Alternative, ...]) -> str:
        return self.saying.alternatives(tuple(sorted(each)) for each in alternatives)


def _defined(side: Side) -> dict[str, str]:
    """From the name of each scheme to the digest of what it is, without words for people and without the scopes that it knows."""
    given = mapping(mapping(side.document.get("components")).get("securitySchemes"))
    return {name: digest(_bare(contract.follow(side.document, scheme))) for name, scheme in given.items()}


def _bare(scheme: Any) -> dict[str, Any]:
    found = {key: value for key, value in mapping(scheme).items() if key != "description" and not key.startswith("x-")}
    if "flows" in found:
        found["flows"] = {flow: {**mapping(told), "scopes": {}} for flow, told in mapping(found["flows"]).items()}
    return found


def _stricter(was: Requirement, now: Requirement) -> Requirement:
    """What callers who had enough may lack now, as alternatives; () if all of them still have enough."""
    had = [frozenset(each) for each in was] or [frozenset()]
    if not now or all(any(each <= has for each in map(frozenset, now)) for has in had):
        return ()
    if len(now) > 1:
        return now
    return (tuple(scope for scope in now[0] if not all(scope in has for has in had)),)
