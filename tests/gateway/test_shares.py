"""How a limit is divided among gateways: equal shares, rounded up, that fill again at exactly a gateway's part of the rate."""

from fractions import Fraction

import pytest

from gateway.envoy import limits
from gateway.envoy.state import Grant

# A limit, the gateways, and what each lets pass at once.
SHARES = [
    (100, 1, 100),
    (100, 2, 50),
    (100, 3, 34),
    (100, 4, 25),
    (100, 100, 1),
    (100, 101, 1),
    (1, 1, 1),
    (1, 3, 1),
    (2, 3, 1),
    (4, 3, 2),
    (1_000_000, 7, 142_858),
    # Nobody is connected: whoever comes first is alone.
    (100, 0, 100),
]


@pytest.mark.parametrize(("most", "gateways", "each"), SHARES)
def test_a_share_is_an_equal_part_rounded_up(most: int, gateways: int, each: int) -> None:
    assert limits.share(most, gateways) == each


@pytest.mark.parametrize(("most", "gateways", "each"), SHARES)
def test_rounding_adds_less_than_a_call_per_gateway(most: int, gateways: int, each: int) -> None:
    many = max(gateways, 1)
    assert most <= each * many < most + many
    assert each >= 1


@pytest.mark.parametrize("gateways", [1, 2, 3, 7, 50])
@pytest.mark.parametrize(("calls", "seconds", "burst"), [(100, 60, 0), (100, 60, 20), (1, 1, 0), (1, 86_400, 1), (7, 10, 3)])
def test_all_gateways_together_fill_at_the_whole_rate(calls: int, seconds: int, burst: int, gateways: int) -> None:
    """However the buckets are rounded, what flows into all of them is the limit: not a call more in the long run."""
    found = limits.bucket(calls, seconds, burst=burst, gateways=gateways)
    assert found.max_tokens == limits.share(burst or calls, gateways)
    rate = Fraction(found.tokens_per_fill.value, found.fill_interval.seconds)
    assert rate * gateways == Fraction(calls, seconds)


def test_one_gateway_has_all() -> None:
    found = limits.bucket(100, 60)
    assert (found.max_tokens, found.tokens_per_fill.value, found.fill_interval.seconds) == (100, 100, 60)


@pytest.mark.parametrize(
    ("burst", "gateways", "told"),
    [
        (0, 1, '"plan";q=100;w=60'),
        (0, 3, '"plan";q=34;w=60'),
        (20, 1, '"plan";q=100;w=60;portico-burst=20'),
        (20, 3, '"plan";q=34;w=60;portico-burst=7'),
        (100, 3, '"plan";q=34;w=60'),
    ],
)
def test_what_a_caller_is_told_of_its_plan(burst: int, gateways: int, told: str) -> None:
    assert limits.policy(Grant("orders", "app-1", "subscription-1", "", "gold", 100, 60, burst=burst), gateways) == told
