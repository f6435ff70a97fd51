"""All calls of a minute that have the same in common, counted in memory. Whatever callers make up, it does not grow beyond its bounds."""

from bisect import bisect_right
from collections import Counter
from typing import NamedTuple, TypeAlias

from gateway.latency import BUCKETS, LATENCY_BOUNDS_MS
from gateway.models import OTHER_OPERATIONS
from gateway.usage.calls import Call, operation_name

# So many kinds of calls wait to be written, in all and of one tenant; what is beyond is counted in one of its tenant and status.
MOST_KINDS = 50_000
MOST_OF_A_TENANT = 5_000
# And so many of those; beyond that calls are lost, which is said.
MOST_OTHERS = 10_000
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
Counts: TypeAlias = list[int]
HISTOGRAM = 4
Kinds: TypeAlias = dict[Kind, Counts]


class Minutes:
    def __init__(self) -> None:
        self.kinds: Kinds = {}
        self.lost = 0
        # Whether some of it is older than the last write: PostgreSQL was away.
        self.held_back = False
        # The tenants, APIs and versions that there are, as far as they were called.
        self.known: set[tuple[str, str, str]] = set()
        self.tenants: set[str] = set()
        self._strange: set[tuple[str, str, str]] = set()
        self._of_tenant: Counter[str] = Counter()

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
            counts = self._begun(kind)
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

    def _begun(self, kind: Kind, calls: int = 1) -> Counts:
        """The counts of a kind that has none yet, or of what stands in for it."""
        if len(self.kinds) >= MOST_KINDS or self._of_tenant[kind.slug] >= MOST_OF_A_TENANT:
            kind = Kind(kind.minute, kind.slug, "", "", OTHER_OPERATIONS, "", "", "", kind.status_class, "")
            if kind in self.kinds:
                return self.kinds[kind]
            if len(self.kinds) >= MOST_KINDS + MOST_OTHERS:
                self.lost += calls
                return [0] * (HISTOGRAM + BUCKETS)
        self._of_tenant[kind.slug] += 1
        counts = self.kinds[kind] = [0] * (HISTOGRAM + BUCKETS)
        return counts

    def take(self) -> Kinds:
        """What is to be written; counting goes on with nothing."""
        taken, self.kinds = self.kinds, {}
        self.held_back = False
        self._of_tenant.clear()
        self._strange.clear()
        return taken

    def give_back(self, kinds: Kinds) -> None:
        """What could not be written waits, together with what came in meanwhile."""
        self.held_back = bool(kinds)
        for kind, counts in kinds.items():
            found = self.kinds.get(kind)
            if found is None:
                found = self._begun(kind, counts[0])
            for place, many in enumerate(counts):
                found[place] += many

    def learn(self, places: set[tuple[str, str, str]]) -> None:
        """These exist."""
        if len(self.known) > MOST_KINDS:
            self.known.clear()
            self.tenants.clear()
        self.known |= places
        self.tenants |= {slug for slug, _, _ in places}

    @property
    def waiting(self) -> int:
        return sum(counts[0] for counts in self.kinds.values())
