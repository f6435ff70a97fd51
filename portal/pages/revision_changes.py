"""What a revision changes, as its page lists it and as the question before it goes live says it."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apis.differences import Change, Differences, Level, Operation
from apis.models import ApiVersion, Revision
from gateway.models import GatewayNode, serving

# So many operations are named in a question.
NAMED = 3
# Of those that changes have in common so many are seen at once, so many can be; and so many lines there are of one level.
SEEN = 5
LISTED = 100
LINES = 300

# How each level stands, as states have it.
TONES = {Level.BREAKING: "bad", Level.RISKY: "wait", Level.SAFE: "ok"}


@dataclass(frozen=True, slots=True)
class Group:
    """Operations in which the same changed, none for what is no operation's own; `left` are those that are not `first`."""

    operations: Sequence[Operation]
    sentences: Sequence[str]

    @property
    def first(self) -> Sequence[Operation]:
        return self.operations[:SEEN]

    @property
    def further(self) -> Sequence[Operation]:
        return self.operations[SEEN:LISTED]

    @property
    def left(self) -> int:
        return len(self.operations) - SEEN


@dataclass(frozen=True, slots=True)
class AtLevel:
    """The changes of one level: how many, in how many operations, and what is listed of them. `more`: operations that are not."""

    level: str
    tone: str
    count: int
    operations: int
    groups: list[Group]
    more: int


def by_level(found: Differences) -> list[AtLevel]:
    """The worst first, without those of which there are none."""
    return [_at_level(level, changes) for level in Level if (changes := found.of(level))]


def _at_level(level: Level, changes: Sequence[Change]) -> AtLevel:
    said: dict[Operation | None, list[str]] = {}
    for each in changes:
        said.setdefault(each.operation, []).append(each.text)
    alike: dict[tuple[str, ...], list[Operation]] = {}
    for operation, sentences in said.items():
        alike.setdefault(tuple(sentences), []).extend([operation] if operation else [])
    groups, lines = list[Group](), 0
    for texts, together in alike.items():
        if lines < LINES:
            groups.append(Group(together, texts))
            lines += min(len(together), LISTED) + len(texts)
    operations = len(said.keys() - {None})
    return AtLevel(level.value, TONES[level], len(changes), operations, groups, operations - sum(map(_seen, groups)))


def _seen(group: Group) -> int:
    return len(group.first) + len(group.further)


def what_it_does(revision: Revision, found: Differences) -> str:
    """What callers will notice, before it happens.

    :param found: against the live one.
    """
    live = revision.version.live_revision
    if revision.version.status not in ApiVersion.OFFERED:
        return _("%(version)s is a draft, so nothing changes for callers before it is published.") % {"version": revision.version}
    if live is not None and live.pk == revision.pk:
        return _("It is live already.")
    sentences = [_disappear(found, revision), _break(found), _risk(found), _counted(found)]
    return " ".join(filter(None, sentences)) or _("No operation changes for callers.")


def _disappear(found: Differences, revision: Revision) -> str:
    if not found.removed:
        return ""
    gateways = GatewayNode.objects.connected().filter(serving()).count()
    many = len(found.removed)
    where = ngettext("on %(gateways)s gateway within a second", "on %(gateways)s gateways within a second", gateways)
    if not gateways:
        where = _("once a gateway is connected")
    # A path that goes on with other methods answers that this one isn't allowed.
    on = set(revision.operations.filter(path__in={each.path for each in found.removed}).values_list("path", flat=True))
    statuses = sorted({"405" if each.path in on else "404" for each in found.removed})
    said = ngettext(
        "%(many)s operation disappears; callers of %(operations)s get %(status)s %(where)s.",
        "%(many)s operations disappear; callers of %(operations)s get %(status)s %(where)s.",
        many,
    )
    return said % {
        "many": many,
        "operations": _named(found.removed),
        "status": _(" or ").join(statuses),
        "where": where % {"gateways": gateways},
    }


def _break(found: Differences) -> str:
    """Beside what disappears."""
    breaking = _beside(found, Level.BREAKING)
    if not breaking:
        return ""
    said = ngettext("%(many)s change breaks callers of %(operations)s.", "%(many)s changes break callers of %(operations)s.", len(breaking))
    return said % {"many": len(breaking), "operations": _named(_operations(breaking)) or _("webhooks")}


def _risk(found: Differences) -> str:
    risky = _beside(found, Level.RISKY)
    if not risky:
        return ""
    counted = ngettext("%(many)s change is risky.", "%(many)s changes are risky.", len(risky)) % {"many": len(risky)}
    return " ".join([counted, *(each.text for each in risky if each.operation is None)])


def _beside(found: Differences, level: Level) -> list[Change]:
    gone = set(found.removed)
    return [each for each in found.of(level) if each.operation not in gone]


def _operations(changes: Sequence[Change]) -> list[Operation]:
    return list(dict.fromkeys(each.operation for each in changes if each.operation))


def _named(operations: Sequence[Operation]) -> str:
    named = ", ".join(f"{each.method} {each.path}" for each in operations[:NAMED])
    more = len(operations) - NAMED
    if more <= 0:
        return named
    return ngettext("%(named)s and %(more)s more", "%(named)s and %(more)s more", more) % {"named": named, "more": more}


def _counted(found: Differences) -> str:
    said = []
    if many := len(found.added):
        said.append(ngettext("%(many)s operation is new.", "%(many)s operations are new.", many) % {"many": many})
    if many := len(found.changed):
        said.append(ngettext("%(many)s operation changes.", "%(many)s operations change.", many) % {"many": many})
    return " ".join(said)
