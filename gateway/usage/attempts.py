"""How the keys of providers fare: what gateways tell of attempts that failed, and of calls that were answered, and what follows from it.

A key that its provider refuses gets no calls until somebody has seen to it; one that is used up, or gets no answers of use, gets none for a
while. Nobody's call waits for any of this.
"""

import logging
from collections import defaultdict, deque
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple, TypeAlias
from uuid import UUID

from django.db import DatabaseError
from envoy.data.accesslog.v3 import accesslog_pb2

from apis.actions import key_states
from apis.actions.key_states import Seen
from apis.models import ProviderKey
from gateway.database import AWAY, first_line
from gateway.usage.calls import Call, uuid_of
from gateway.usage.spent import key_of
from tenants.models import Tenant

log = logging.getLogger(__name__)

# So many of the last ones decide; so many failures of them, or refusals in a row.
LAST, FAILURES, REFUSALS = 10, 5, 2
# So many keys are remembered; whoever knows none of them begins anew.
MOST_KEYS = 10_000
_State = ProviderKey.State
# The tenant's slug and the key's id.
Key: TypeAlias = tuple[str, str]


class _Fares:
    """What was seen of a key. `out_since`: when it was told that it should get no calls, in seconds since 1970; 0 where it was not."""

    __slots__ = ("last", "out_since", "refused")

    def __init__(self) -> None:
        self.last: deque[bool] = deque(maxlen=LAST)
        self.refused = 0
        self.out_since = 0.0


class Verdict(NamedTuple):
    slug: str
    key: str
    seen: Seen


class Keys:
    """Of each key what its last attempts came to; `verdicts` are to be told."""

    def __init__(self) -> None:
        self._fares: dict[Key, _Fares] = {}
        self._verdicts: dict[Key, Seen] = {}

    def failed(self, entry: accesslog_pb2.HTTPAccessLogEntry, now: float) -> None:
        """An attempt that came to nothing, of which the log `attempts` tells."""
        cluster, status = entry.common_properties.upstream_cluster, entry.response.response_code.value
        key = key_of(cluster)
        if not key:
            return
        of = (cluster.partition("/")[0][:40], key)
        fares = self._of(of)
        fares.refused = fares.refused + 1 if status in {401, 403} else 0
        if status == 429:
            self._say(of, fares, Seen(_State.EXHAUSTED, status, _retry_after(entry, now)), now)
        elif fares.refused >= REFUSALS:
            self._say(of, fares, Seen(_State.REFUSED, status), now)
        elif (page := _is_page(entry)) or status == 0 or status >= 500:
            fares.last.append(False)
            if fares.last.count(False) >= FAILURES:
                self._say(of, fares, Seen(_State.FAILING, None if page else status or None, page=page), now)

    def answered(self, call: Call, began: float) -> None:
        """A call that a provider's key answered well.

        :param began: by the gateway's clock; one that was under way when its key was told to be out says nothing of it.
        """
        if call.spent is None:
            return
        of = (call.slug, call.spent.key)
        fares = self._of(of)
        fares.refused = 0
        fares.last.append(True)
        if fares.out_since and began > fares.out_since:
            fares.out_since = 0.0
            self._verdicts[of] = Seen(_State.ON)

    def _of(self, key: Key) -> _Fares:
        found = self._fares.get(key)
        if found is None:
            if len(self._fares) >= MOST_KEYS:
                self._fares.clear()
            found = self._fares[key] = _Fares()
        return found

    def _say(self, key: Key, fares: _Fares, seen: Seen, now: float) -> None:
        fares.last.clear()
        fares.refused = 0
        fares.out_since = now
        self._verdicts[key] = seen

    def take(self) -> list[Verdict]:
        taken, self._verdicts = self._verdicts, {}
        return [Verdict(slug, key, seen) for (slug, key), seen in taken.items()]

    def give_back(self, verdicts: list[Verdict]) -> None:
        """What could not be told waits, unless something newer is known."""
        for slug, key, seen in verdicts:
            self._verdicts.setdefault((slug, key), seen)


def _is_page(entry: accesslog_pb2.HTTPAccessLogEntry) -> bool:
    """What no provider answers a call with: something stands before it. Its own status may be another: gateways tell 502 for a good one."""
    return entry.response.response_headers.get("content-type", "").startswith("text/html")


def _retry_after(entry: accesslog_pb2.HTTPAccessLogEntry, now: float) -> float | None:
    """In how many seconds the provider wants to be asked again, as far as it says so in a way that can be read."""
    said = entry.response.response_headers.get("retry-after", "").strip()[:60]
    if said.isascii() and said.isdigit():
        return float(said[:9])
    try:
        at = parsedate_to_datetime(said)
    except (ValueError, TypeError):
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now


def tell(verdicts: list[Verdict]) -> list[Verdict]:
    """Say of each tenant's keys what was seen, one transaction per tenant; returns those that have to wait for PostgreSQL."""
    waiting: dict[str, dict[UUID, Seen]] = defaultdict(dict)
    for slug, key, seen in verdicts:
        if pk := uuid_of(key):
            waiting[slug][pk] = seen
    try:
        tenants = dict(Tenant.objects.filter(slug__in=waiting).values_list("slug", "pk"))
        for slug, tenant_id in sorted(tenants.items()):
            try:
                key_states.tell(tenant_id, waiting[slug])
            except AWAY:
                raise
            except DatabaseError as error:
                log.warning("What was seen of %s keys of providers is lost: %s", len(waiting[slug]), first_line(error))
            del waiting[slug]
    except AWAY as error:
        log.warning("PostgreSQL does not answer (%s); what was seen of %s keys of providers waits.", first_line(error), len(verdicts))
        return [each for each in verdicts if each.slug in waiting]
    return []


def began_at(entry: accesslog_pb2.HTTPAccessLogEntry) -> float:
    at: datetime = entry.common_properties.start_time.ToDatetime(tzinfo=UTC)
    return at.timestamp()
