"""The keys of a provider: adding, changing, switching, removing and testing them. What one is stands in no answer, event or log."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Lower
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apis import headers
from apis.actions import key_states
from apis.ai import looking
from apis.ai.looking import SENTENCES, Found
from apis.models import Provider, ProviderKey
from apis.models.provider import PRIORITIES, WEIGHTS
from keys import fetching
from keys.envelope import seal, unseal
from keys.kek import kek
from tenants import addresses, events, limits
from tenants.errors import Busy, Invalid, NotAllowed
from tenants.models import Event, User
from tenants.models.base import new_id
from tenants.scope import current_tenant_id, tenant_scope

MOST_KEY = 500
# Of a shorter one four characters would be too much of it.
SHORTEST_SHOWN = 16
# So many are tested at once by a process; for a place among them a request waits so many seconds.
AT_ONCE, PATIENCE = 4, 2.0
_free = threading.Condition()
_testing: set[UUID] = set()

_State = ProviderKey.State
_FAR = {
    fetching.Why.FORBIDDEN: Found.FORBIDDEN,
    fetching.Why.SLOW: Found.SLOW,
    fetching.Why.LARGE: Found.LARGE,
    fetching.Why.UNTRUSTED: Found.UNTRUSTED,
    fetching.Why.SILENT: Found.SILENT,
}
# What a test says of a key; of what is not here it says nothing.
_STATES = {Found.WORKS: _State.ON, Found.REFUSED: _State.REFUSED, Found.QUOTA: _State.EXHAUSTED}
_SAYS_NOTHING = {Found.NO_LIST}
_KINDS = {
    _State.ON: "provider_key.works",
    _State.REFUSED: "provider_key.refused",
    _State.EXHAUSTED: "provider_key.exhausted",
    _State.FAILING: "provider_key.failing",
}


@transaction.atomic
def add(provider: Provider, *, label: str, key: str, by: User, priority: int = 1, weight: int = 1) -> ProviderKey:
    """It counts from now on.

    :raises Invalid: by field.
    """
    made = ProviderKey(pk=new_id(), tenant_id=current_tenant_id(), provider=provider, label=label, priority=priority, weight=weight)
    problems = _bounds(priority, weight)
    try:
        seal_key(made, key)
    except Invalid as refused:
        problems |= refused.problems
    if problems:
        raise Invalid(problems)
    lock = events.lock()
    if not Provider.objects.filter(pk=provider.pk).exists():
        raise NotAllowed(_("Somebody has removed the provider “%(provider)s” meanwhile.") % {"provider": provider})
    _check_label(made)
    if provider.keys.count() >= limits.KEYS_PER_PROVIDER:
        said = _("There are %(most)s keys, which is as many as a provider may have. Remove one first.")
        raise NotAllowed(said % {"most": limits.KEYS_PER_PROVIDER})
    made.state_since = lock.now
    made.save(force_insert=True)
    events.record("provider_key.added", made, by=by, provider=provider.name, priority=priority, weight=weight)
    return made


@transaction.atomic
def change(
    key: ProviderKey,
    *,
    by: User,
    label: str | None = None,
    priority: int | None = None,
    weight: int | None = None,
    on: bool | None = None,
) -> Event | None:
    """What is left out stays. None if nothing changed.

    :param on: False for no calls; True also for one that was refused, used up or failing, which is then tried again.
    :raises Invalid: by field.
    """
    if problems := _bounds(priority, weight):
        raise Invalid(problems)
    lock = events.lock()
    key = again(key)
    was = _facts(key)
    key.label = key.label if label is None else label
    key.priority = key.priority if priority is None else priority
    key.weight = key.weight if weight is None else weight
    if on is not None and key.state != (wanted := _State.ON if on else _State.OFF):
        key.state, key.state_since, key.state_reason, key.answered = wanted, lock.now, "", None
        key.state_until, key.used_up_times = None, 0
    now = _facts(key)
    differs = [each for each in now if now[each] != was[each]]
    if not differs:
        return None
    _check_label(key)
    key.save()
    before, after = ({each: facts[each] for each in differs} for facts in (was, now))
    return events.record("provider_key.changed", key, by=by, provider=key.provider.name, was=before, now=after)


@transaction.atomic
def remove(key: ProviderKey, *, by: User) -> Event:
    events.lock()
    key = again(key)
    event = events.record("provider_key.removed", key, by=by, provider=key.provider.name)
    key.delete()
    return event


def again(key: ProviderKey) -> ProviderKey:
    """As it is now, under the lock.

    :raises NotAllowed: somebody has removed it since it was read.
    """
    found = ProviderKey.objects.select_related("provider").filter(pk=key.pk).first()
    if found is None:
        raise NotAllowed(_("Somebody has removed the key “%(key)s” meanwhile.") % {"key": key})
    return found


def seal_key(row: ProviderKey, key: str) -> None:
    """
    :raises Invalid: nothing that a header could carry.
    """
    if len(key) > MOST_KEY or not headers.is_value(key):
        raise Invalid({"key": [_("A key is 1 to 500 printable ASCII characters, without spaces around it.")]})
    row.sealed = seal(key.encode(), row.sealed_for, kek())
    row.last_four = key[-4:] if len(key) >= SHORTEST_SHOWN else ""


def _facts(key: ProviderKey) -> dict[str, Any]:
    return {"label": key.label, "priority": key.priority, "weight": key.weight, "state": str(key.state)}


def _bounds(priority: int | None, weight: int | None) -> dict[str, list[str]]:
    given = {"priority": (priority, PRIORITIES), "weight": (weight, WEIGHTS)}
    wrong = {name: bounds for name, (value, bounds) in given.items() if value is not None and not bounds[0] <= value <= bounds[1]}
    return {name: [_("Between %(least)s and %(most)s.") % {"least": least, "most": most}] for name, (least, most) in wrong.items()}


def _check_label(key: ProviderKey) -> None:
    same = ProviderKey.objects.filter(provider=key.provider_id).alias(low=Lower("label")).filter(low=Lower(Value(key.label)))
    if same.exclude(pk=key.pk).exists():
        raise Invalid({"label": [_("Another key of this provider has this label.")]})


# --- testing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tested:
    """`sentence` says what came back; never anything of the key or of the answer's text."""

    key: ProviderKey
    found: Found
    models: int
    sentence: str

    @property
    def works(self) -> bool:
        return self.found == Found.WORKS


def try_out(tenant_id: UUID, pk: UUID, *, by: User, resolver: addresses.Resolver = addresses.look_up) -> Tested:
    """Ask the provider for its models with this key. Takes up to seven seconds, between two transactions and under no lock.

    What comes back becomes the key's state, unless it is off, or nothing is learned of the key.

    :raises NotAllowed: the key is gone. :raises Busy: as many are tested here as may be.
    """
    with tenant_scope(tenant_id):
        key = again(ProviderKey(pk=pk, label=""))
        secret = unseal(key.sealed, key.sealed_for, kek()).decode()
    with _one_of_few(tenant_id):
        found, models, status = _ask(key.provider, secret, resolver)
    with tenant_scope(tenant_id):
        lock = events.lock()
        key = again(key)
        key.tested_at = lock.now
        state = _STATES.get(found, _State.FAILING)
        moves = key.state not in {_State.OFF, state} and found not in _SAYS_NOTHING
        if moves:
            key.state, key.state_since, key.used_up_times = state, lock.now, 0
            key.state_until = key_states.rests(state, lock.now)
        if moves or key.state == state:
            key.state_reason, key.answered = ("", None) if found == Found.WORKS else (found, status)
        key.save(update_fields=["tested_at", "state", "state_since", "state_until", "used_up_times", "state_reason", "answered"])
        if moves:
            events.record(_KINDS[state], key, by=by, provider=key.provider.name, reason=str(found), answered=status)
    return Tested(key, found, models, sentence(found, key.provider, status=status, models=models))


@contextmanager
def _one_of_few(tenant_id: UUID) -> Iterator[None]:
    """Of a tenant one at once: a provider that is slow holds up its own tenant's people, and no other page.

    :raises Busy: as many as may are being tested.
    """
    with _free:
        if not _free.wait_for(lambda: tenant_id not in _testing and len(_testing) < AT_ONCE, timeout=PATIENCE):
            raise Busy(_("Keys are being tested just now. Try again in a few seconds."))
        _testing.add(tenant_id)
    try:
        yield
    finally:
        with _free:
            _testing.discard(tenant_id)
            _free.notify_all()


def _ask(provider: Provider, secret: str, resolver: addresses.Resolver) -> tuple[Found, int, int | None]:
    dialect = provider.speaks[0]
    parts = urlsplit(f"{provider.url}{dialect.prefix}/models")
    try:
        answer = fetching.call(
            "GET",
            parts,
            headers=dialect.headers(secret),
            seconds=looking.SECONDS,
            most_bytes=looking.MOST_BYTES,
            # Networks that the operator allows, which keys may go to without TLS.
            plain=True,
            resolver=resolver,
        )
    except fetching.Unreachable as error:
        return _FAR[error.why], 0, None
    return *looking.found_in(answer.status, answer.headers.get("content-type", ""), answer.body), answer.status


def sentence(found: str, provider: Provider, *, status: int | None, models: int = 0) -> str:
    """What came back, or why a key is in its state; "" where nothing stood in the way of one."""
    if not found:
        return ""
    named = {"host": provider.netloc, "status": status, "seconds": round(looking.SECONDS), "many": models}
    if found == Found.WORKS:
        said = ngettext(
            "It works: %(host)s has %(many)s model for this key.", "It works: %(host)s has %(many)s models for this key.", models
        )
        return said % named
    return _(SENTENCES[Found(found)]) % named
