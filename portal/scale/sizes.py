"""How much of everything each tenant has: one is big, a few are middling, most are small."""

from dataclasses import dataclass

# The first tenant's part of all people and of all events.
BIGGEST_OF_PEOPLE, BIGGEST_OF_EVENTS = 20, 5
# The part of what happens outside of tenants: who signs in.
PLATFORM_OF_EVENTS = 20
# How steeply the others fall off.
STEEPNESS = 0.7
SUBSCRIPTIONS_PER_APPLICATION = 3
PEOPLE_PER_TEAM = 8
HOLDERS_PER_ROLE = 20


@dataclass(frozen=True, slots=True)
class Size:
    """Of one tenant. `events` are those of its own chain, `sign_ins` stand in the platform's."""

    people: int
    events: int
    sign_ins: int

    @property
    def applications(self) -> int:
        return max(1, self.people * 2 // 5)

    @property
    def apis(self) -> int:
        return min(300, max(1, self.people * 3 // 50))

    @property
    def teams(self) -> int:
        return self.people // 40

    @property
    def roles(self) -> int:
        return min(12, self.people // 50)

    @property
    def services(self) -> int:
        return min(20, self.people // 5)

    @property
    def invitations(self) -> int:
        return min(100, self.people // 10)

    @property
    def least(self) -> int:
        """No tenant of this size needs more events than these to have come about."""
        subscriptions = self.applications * min(SUBSCRIPTIONS_PER_APPLICATION, self.apis)
        return (
            # The tenant, its keys, somebody from elsewhere, and that it was suspended.
            7
            + self.people
            + 9 * self.apis
            + 3 * self.applications
            + 3 * subscriptions
            + PEOPLE_PER_TEAM * self.teams
            + (1 + HOLDERS_PER_ROLE) * self.roles
            + self.services
            + self.invitations
        )


def sizes(tenants: int, people: int, events: int) -> list[Size]:
    """
    :param events: all of them, the platform's as well.
    :raises ValueError: with so few people or events there can't be so many tenants.
    """
    if people < tenants:
        raise ValueError(f"{tenants:,} tenants have at least as many people.")
    crowds = _shared(people, tenants, first=max(people // BIGGEST_OF_PEOPLE, people // tenants))
    # Each tenant was made once, and every chain has its own first event.
    sign_ins = _rounded([crowd / people * (events // PLATFORM_OF_EVENTS) for crowd in crowds])
    least = [Size(crowd, 0, 0).least for crowd in crowds]
    left = events - tenants - sum(sign_ins) - sum(least)
    if left < 0:
        raise ValueError(f"{tenants:,} tenants with {people:,} people take at least {events - left:,} events to come about.")
    first = min(left, max(0, events // BIGGEST_OF_EVENTS - least[0]))
    more = [first, *_rounded([(left - first) * weight for weight in _weights(tenants - 1)])] if tenants > 1 else [left]
    return [Size(*each) for each in zip(crowds, (a + b for a, b in zip(least, more, strict=True)), sign_ins, strict=True)]


def _shared(many: int, among: int, *, first: int) -> list[int]:
    """At least one for each."""
    if among == 1:
        return [many]
    first = max(1, min(first, many - among + 1))
    return [first, *(1 + more for more in _rounded([(many - first - among + 1) * weight for weight in _weights(among - 1)]))]


def _weights(many: int) -> list[float]:
    """Falling, and 1 together."""
    weights = [(rank + 3) ** -STEEPNESS for rank in range(many)]
    whole = sum(weights)
    return [weight / whole for weight in weights]


def _rounded(shares: list[float]) -> list[int]:
    """Whole numbers with the same sum."""
    found, so_far = [], 0.0
    for share in shares:
        found.append(round(so_far + share) - round(so_far))
        so_far += share
    return found
