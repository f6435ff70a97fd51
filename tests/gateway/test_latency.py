"""Percentiles from counts between fixed bounds."""

from bisect import bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.latency import BUCKETS, LATENCY_BOUNDS_MS, percentile


def counted(times: list[float]) -> list[int]:
    found = [0] * BUCKETS
    for each in times:
        found[bisect_right(LATENCY_BOUNDS_MS, each)] += 1
    return found


def test_the_bounds_grow_from_a_millisecond_to_a_minute() -> None:
    assert list(LATENCY_BOUNDS_MS) == sorted(set(LATENCY_BOUNDS_MS))
    assert (LATENCY_BOUNDS_MS[0], LATENCY_BOUNDS_MS[-1], BUCKETS) == (1, 60_000, 25)


@pytest.mark.parametrize(
    ("times", "share", "found"),
    [([], 0.5, None), ([0.2], 1.0, 1.0), ([4] * 100, 0.5, 4.0), ([4] * 100, 0.95, 4.9), ([4, 400], 0.5, 5.0), ([90_000], 0.5, 60_000.0)],
)
def test_a_percentile_lies_straight_between_two_bounds(times: list[float], share: float, found: float | None) -> None:
    said = percentile(counted(times), share)
    assert said == (None if found is None else pytest.approx(found))


@given(st.lists(st.floats(0, 59_999), min_size=1), st.floats(0.01, 1))
def test_it_lies_in_the_bucket_of_the_call_that_it_is_of(times: list[float], share: float) -> None:
    ordered = sorted(times)
    rank = max(0, -int(-share * len(ordered) // 1) - 1)
    bucket = bisect_right(LATENCY_BOUNDS_MS, ordered[rank])
    low = LATENCY_BOUNDS_MS[bucket - 1] if bucket else 0
    said = percentile(counted(times), share)
    assert said is not None
    assert low - 1e-6 <= said <= LATENCY_BOUNDS_MS[bucket] + 1e-6
