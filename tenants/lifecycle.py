"""States. A model's STEPS is the whole diagram; `move` and `step` are the only writers of `status`."""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, TypeAlias

from django.db import transaction
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from tenants import events
from tenants.errors import NotAllowed
from tenants.models import Event, Steps, User

Data: TypeAlias = Mapping[str, Any]
NOTHING: Data = {}


class Stateful(Protocol):
    """A tenant model with a status. STEPS maps (from, to) to the verb that names the event; THIS is how sentences call it."""

    THIS: ClassVar[Any]
    STEPS: ClassVar[Steps]
    status: Any

    @property
    def pk(self) -> Any: ...
    @property
    def _meta(self) -> Any: ...


@transaction.atomic
def move(thing: Stateful, to: str, *, by: User | None, why: str = "", data: Data = NOTHING, gathered: bool = False, **fields: Any) -> Event:
    """`step`, which a caller may see refused and go on."""
    return step(thing, to, by=by, why=why, data=data, gathered=gathered, **fields)


def step(thing: Stateful, to: str, *, by: User | None, why: str = "", data: Data = NOTHING, gathered: bool = False, **fields: Any) -> Event:
    """Take one allowed step, once, on the record; the transaction is of no use after a refusal.

    :param why: the reason, for the event.
    :param data: what the event says besides.
    :param gathered: see `events.record`.
    :param fields: columns that change in the same UPDATE.
    :raises NotAllowed: the diagram has no such step, or someone was quicker.
    """
    events.require_lock()
    was = thing.status
    verb = thing.STEPS.get((was, to))
    if verb is None:
        said = _("%(this)s is %(was)s, so it can't become %(to)s.")
        raise NotAllowed(capfirst(said % {"this": thing.THIS, "was": in_words(thing, was), "to": in_words(thing, to)}))
    changed = type(thing).objects.filter(pk=thing.pk, status=was).update(status=to, **fields)  # type: ignore[attr-defined]
    if not changed:
        said = _("Someone else has just changed %(this)s. Look again before you decide.")
        raise NotAllowed(capfirst(said % {"this": thing.THIS}))
    thing.status = to
    for name, value in fields.items():
        setattr(thing, name, value)
    reason = {"reason": why} if why else {}
    noun = thing._meta.verbose_name  # noqa: SLF001  (Django's documented model API)
    return events.record(f"{str(noun).replace(' ', '_')}.{verb}", thing, by=by, gathered=gathered, was=str(was), **reason, **data)


def in_words(thing: Stateful, state: str) -> str:
    """A state as it stands in a sentence: “suspended”."""
    label: object = dict(thing._meta.get_field("status").choices)[state]  # noqa: SLF001  (Django's documented model API)
    return str(label).lower()
