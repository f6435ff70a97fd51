"""All calls of a minute that have the same in common, counted in memory."""

from bisect import bisect_right
from typing import NamedTuple, TypeAlias

from gateway.latency import BUCKETS, LATENCY_BOUNDS_MS
from gateway.models import OTHER_OPERATIONS
from gateway.usage import bounded
from gateway.usage.bounded import Bounded, Counts
from gateway.usage.calls import Call, operation_name

# So many places that no route knows may be named between two writes, for some of them exist; calls of others are of no API.
MOST_STRANGE = 1_000
_BOUNDS_US = tuple(bound * 1_000 for bound in LATENCY_BOUNDS_MS)


class Kind(NamedTuple):
    """What calls have in common, as gateways tell it. `minute`: since 1970."""

    minute: int
    slug: str
    api: str
    version: str
    operation: str
    client_id: str
    grant: str
    plan: str
    status_class: int
    code: str


# Calls, bytes in, bytes out, microseconds; then the histogram.
HISTOGRAM = 4
Kinds: TypeAlias = dict[Kind, Counts]


class Minutes(Bounded[Kind]):
    width = HISTOGRAM + BUCKETS

    def __init__(self) -> None:
        super().__init__()
        # The tenants, APIs and versions that there are, as far as they were called.
        self.known: set[tuple[str, str, str]] = set()
        self.tenants: set[str] = set()
        self._strange: set[tuple[str, str, str]] = set()

    def add(self, call: Call, minute: int) -> None:
        status, api, version, operation = call.status // 100, call.api, call.version, operation_name(call.route)
        if not operation and not self._may_name(call.slug, api, version):
            if not call.route and call.slug not in self.tenants:
                # Made up as well, it seems.
                return
            api = version = ""
        kind = Kind(
            minute,
            call.slug,
            api,
            version,
            operation,
            call.client_id,
            call.grant,
            call.plan,
            status if 2 <= status <= 5 else 0,
            call.code,
        )
        counts = self.kinds.get(kind)
        if counts is None:
            counts = self.begun(kind)
        counts[0] += 1
        counts[1] += call.bytes_in
        counts[2] += call.bytes_out
        counts[3] += call.us
        counts[HISTOGRAM + bisect_right(_BOUNDS_US, call.us)] += 1

    def _may_name(self, slug: str, api: str, version: str) -> bool:
        place = (slug, api, version)
        if place in self.known or place in self._strange:
            return True
        if len(self._strange) >= MOST_STRANGE:
            return False
        self._strange.add(place)
        return True

    def other(self, kind: Kind) -> Kind:
        """One of its tenant and status."""
        return Kind(kind.minute, kind.slug, "", "", OTHER_OPERATIONS, "", "", "", kind.status_class, "")

    def take(self) -> Kinds:
        self._strange.clear()
        return super().take()

    def learn(self, places: set[tuple[str, str, str]]) -> None:
        """These exist."""
        if len(self.known) > bounded.MOST_KINDS:
            self.known.clear()
            self.tenants.clear()
        self.known |= places
        self.tenants |= {slug for slug, _, _ in places}
