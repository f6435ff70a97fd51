"""What calls showed of a provider's key: its state from then on, and until when. Gateways tell it, see gateway/usage/attempts.py."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import F

from apis.ai.looking import Found
from apis.models import ProviderKey
from tenants import due, events
from tenants.scope import tenant_scope

JOB = "turn_provider_keys"
# One change of a key in so long: each is a push to the tenant's gateways.
APART = timedelta(seconds=10)
FAILING_FOR = timedelta(seconds=30)
# How long a key is left alone that is used up: as its provider says, within these; the most where it is so for the third time in a row.
USED_UP = (timedelta(seconds=30), timedelta(hours=1))
UNKNOWN = timedelta(minutes=1)
TIMES = 3
# It is in a row where it had worked for less than this.
ROW = timedelta(minutes=10)

_State = ProviderKey.State
_KINDS = {
    _State.ON: "provider_key.works",
    _State.REFUSED: "provider_key.refused",
    _State.EXHAUSTED: "provider_key.exhausted",
    _State.FAILING: "provider_key.failing",
}
_REASONS = {_State.ON: "", _State.REFUSED: Found.REFUSED, _State.EXHAUSTED: Found.QUOTA}


class Seen(NamedTuple):
    """What calls with a key came to. `status`: that of the answer, None without one; `retry_after`: in seconds, where the provider said.

    `page`: whether the last one was a web page in place of data.
    """

    state: ProviderKey.State
    status: int | None = None
    retry_after: float | None = None
    page: bool = False


def tell(tenant_id: UUID, seen: Mapping[UUID, Seen]) -> None:
    """What somebody switched off stays so, and so does what is so already."""
    with tenant_scope(tenant_id):
        if not _wanting(seen):
            # Without the lock: what was seen long ago changes nothing.
            return
        lock = events.lock()
        for key in _wanting(seen):
            if lock.now - key.state_since >= APART:
                _move(key, seen[key.pk], lock.now)


def _wanting(seen: Mapping[UUID, Seen]) -> list[ProviderKey]:
    rows = ProviderKey.objects.filter(pk__in=seen).exclude(state=_State.OFF).select_related("provider").order_by("pk")
    return [each for each in rows if _goes(each.state, seen[each.pk].state)]


def _goes(now: str, wanted: str) -> bool:
    """From on to anything; back by an answer. What is refused stays so, whatever its other attempts come to."""
    return now != wanted and _State.ON in {now, wanted}


def _move(key: ProviderKey, seen: Seen, now: datetime) -> None:
    times = 0
    if seen.state == _State.EXHAUSTED:
        times = key.used_up_times + 1 if now - key.state_since < ROW else 1
    elif seen.state != _State.REFUSED:
        times = key.used_up_times
    until = _until(seen, times, now)
    if until:
        due.expect(JOB, until)
    _say(key, seen, now, until=until, times=times)


def _until(seen: Seen, times: int, now: datetime) -> datetime | None:
    least, most = USED_UP
    match seen.state:
        case _State.FAILING:
            return now + FAILING_FOR
        case _State.EXHAUSTED if times >= TIMES:
            return now + most
        case _State.EXHAUSTED:
            wanted = UNKNOWN if seen.retry_after is None else timedelta(seconds=min(max(seen.retry_after, 0), most.total_seconds()))
            return now + max(least, wanted)
    return None


def rests(state: ProviderKey.State, now: datetime) -> datetime | None:
    """Until when a test leaves a key alone; the job then lets it have calls again, which show more than the test did. Under the lock."""
    if state not in {_State.EXHAUSTED, _State.FAILING}:
        return None
    until = now + (UNKNOWN if state == _State.EXHAUSTED else FAILING_FOR)
    due.expect(JOB, until)
    return until


def _say(key: ProviderKey, seen: Seen, now: datetime, *, until: datetime | None, times: int) -> None:
    state, status = seen.state, seen.status
    reason = _REASONS.get(state, Found.HTML if seen.page else Found.STATUS if status else Found.SILENT)
    key.state, key.state_since, key.state_until, key.used_up_times = state, now, until, times
    key.state_reason, key.answered = reason, status
    key.save(update_fields=["state", "state_since", "state_until", "used_up_times", "state_reason", "answered"])
    told: dict[str, Any] = {"until": until.isoformat()} if until else {}
    events.record(_KINDS[state], key, by=None, provider=key.provider.name, reason=str(reason), answered=status, seen=True, **told)


def turn() -> datetime | None:
    """Let keys get calls again whose time is over, for the tenant in scope; returns when to look again. Runs under the lock."""
    now = events.now()
    rows = ProviderKey.objects.filter(state_until__isnull=False).select_related("provider").order_by("pk")
    for key in rows.filter(state_until__lte=now):
        if key.state in {_State.EXHAUSTED, _State.FAILING}:
            _say(key, Seen(_State.ON), now, until=None, times=key.used_up_times)
    ProviderKey.objects.filter(state_until__lte=now).update(state_until=None)
    return rows.order_by(F("state_until")).values_list("state_until", flat=True).first()
