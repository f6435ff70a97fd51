"""Where bars and points stand: a scale that holds them, and nothing that is hidden or made up."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.charts import HEIGHT, LEAST, WIDTH, lines, scale, stacked


@pytest.mark.parametrize(
    ("most", "ticks"),
    [
        (0, [1, 0]),
        (1, [1, 0]),
        (3, [3, 2, 1, 0]),
        (4, [4, 3, 2, 1, 0]),
        (7, [8, 6, 4, 2, 0]),
        (97, [100, 75, 50, 25, 0]),
        (1_000, [1_000, 750, 500, 250, 0]),
        (1_001, [1_500, 1_000, 500, 0]),
    ],
)
def test_a_scale_has_round_ticks(most: float, ticks: list[float]) -> None:
    assert scale(most) == (ticks[0], ticks)


@given(st.floats(0.001, 1e15))
def test_a_scale_holds_what_there_is_in_a_few_ticks(most: float) -> None:
    top, ticks = scale(most)
    assert top >= most * (1 - 1e-9)
    assert 2 <= len(ticks) <= 6
    assert ticks[-1] == 0


def drawn(*values: list[tuple[str, int]] | None) -> list[dict[str, tuple[float, float]]]:
    made = stacked(values, says="", titles=["t"] * len(values), labels=["l"] * len(values), tick=str)
    return [{part.name: (part.y, part.height) for part in step.parts} for step in made.steps]


def test_parts_stand_on_each_other() -> None:
    (bar,) = drawn([("answered", 50), ("failed", 50)])
    assert bar == {"answered": (HEIGHT / 2, HEIGHT / 2), "failed": (0, HEIGHT / 2)}


def test_little_is_seen_and_nothing_is_not_drawn() -> None:
    (bar,) = drawn([("answered", 1_000_000), ("refused", 0), ("failed", 1)])
    assert "refused" not in bar
    assert bar["failed"][1] == LEAST
    full, low = drawn([("answered", 999_999), ("failed", 1)], [("failed", 1)])
    assert full == {"answered": (LEAST, HEIGHT - LEAST), "failed": (0, LEAST)}
    assert low == {"failed": (HEIGHT - LEAST, LEAST)}
    assert drawn(None, []) == [{}, {}]


@given(st.lists(st.lists(st.integers(0, 10**9), min_size=3, max_size=3), min_size=1, max_size=100))
def test_no_bar_leaves_the_drawing(values: list[list[int]]) -> None:
    named = [list(zip(("a", "b", "c"), each, strict=True)) for each in values]
    for bar in drawn(*named):
        for y, height in bar.values():
            assert y >= -0.01
            assert y + height <= HEIGHT + 0.01


def test_a_line_breaks_where_nothing_is_known() -> None:
    made = lines([("p50", [1, 2, None, 4])], says="", titles=["t"] * 4, labels=["a", "b", "c", "d"], tick=str)
    (line,) = made.lines
    assert re.findall("[ML]", line.path) == ["M", "L", "M"]
    assert line.path.startswith(f"M{WIDTH / 8} {HEIGHT * 3 / 4}")
    assert "None" not in line.path
    assert lines([("p50", [])], says="", titles=[], labels=[], tick=str).lines[0].path == ""


def test_a_few_labels_the_first_and_the_last_among_them() -> None:
    labels = list(map(str, range(96)))
    assert stacked([None] * 96, says="", titles=labels, labels=labels, tick=str).labels == ("0", "24", "48", "71", "95")
