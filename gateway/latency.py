"""How long calls took, counted by bounds that never change, so that counts of a minute, an hour and of several gateways add up."""

from collections.abc import Sequence
from itertools import accumulate

# Milliseconds. Each count is of what took less than its bound and not less than the one before; one more is of what took longer than all.
LATENCY_BOUNDS_MS: tuple[int, ...] = (
    1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750, 1_000, 1_500, 2_500, 5_000, 10_000, 30_000, 60_000,
)  # fmt: skip
BUCKETS = len(LATENCY_BOUNDS_MS) + 1


def percentile(histogram: Sequence[int], share: float) -> float | None:
    """The time in milliseconds within which this share of the calls was answered, straight between two bounds; None without calls.

    What took longer than the last bound is said to have taken that.

    :param share: 0.95 for the 95th percentile.
    """
    total = sum(histogram)
    if not total:
        return None
    wanted = share * total
    for place, reached in enumerate(accumulate(histogram)):
        if histogram[place] and reached >= wanted:
            if place == len(LATENCY_BOUNDS_MS):
                break
            low, high = LATENCY_BOUNDS_MS[place - 1] if place else 0, LATENCY_BOUNDS_MS[place]
            return low + (high - low) * (wanted - (reached - histogram[place])) / histogram[place]
    return float(LATENCY_BOUNDS_MS[-1])
