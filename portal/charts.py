"""Charts as inline SVG: where each bar and point stands, and what is said of it. Texts stand beside the drawing, which is stretched.

A nice scale is five lines, and the rest is a proportion: no library draws this smaller, without styles of its own, or in our colours.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, log10

# Of the drawing, which takes whatever width there is.
WIDTH, HEIGHT = 1000, 160
# So much of each step's width is between bars.
GAP = 0.2
# What is there at all is drawn so high.
LEAST = 2
LABELS = 5


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a bar, by the name of its class."""

    name: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the chart: `x` and `width` take its whole place, `left` and `wide` its bar's. `says` is told where the pointer stands."""

    x: float
    width: float
    left: float
    wide: float
    parts: tuple[Part, ...]
    says: str


@dataclass(frozen=True, slots=True)
class Line:
    """Points joined up, by the name of the class; broken where nothing is known."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Chart:
    """`ticks` are the scale's, from the top down to 0, and `grid` where they stand; `labels` stand below, evenly from left to right."""

    says: str
    steps: tuple[Step, ...]
    lines: tuple[Line, ...]
    ticks: tuple[str, ...]
    grid: tuple[float, ...]
    labels: tuple[str, ...]
    width: int = WIDTH
    height: int = HEIGHT


def scale(most: float, parts: int = 4) -> tuple[float, list[float]]:
    """The top of a scale that holds `most`, and its ticks from there down to 0: steps of 1, 2, 2.5 or 5 times a power of ten."""
    if most <= 0:
        return 1, [1, 0]
    rough = most / parts
    power = 10 ** floor(log10(rough))
    step = next(power * each for each in (1, 2, 2.5, 5, 10) if power * each >= rough * (1 - 1e-9))
    # Of what is counted there is no half.
    step = max(1, ceil(step) if step < 10 else step)
    many = ceil(most / step - 1e-9)
    return step * many, [step * each for each in range(many, -1, -1)]


def stacked(
    values: Sequence[Sequence[tuple[str, int]] | None],
    *,
    says: str,
    titles: Sequence[str],
    labels: Sequence[str],
    tick: Callable[[float], str],
) -> Chart:
    """A bar for each step, its parts one on the other, the first at the bottom.

    :param values: of each step its parts by the name of their class; None where nothing is known.
    """
    top, ticks = scale(max((sum(many for _, many in parts) for parts in values if parts), default=0))
    steps = tuple(
        _step(place, len(values), _parts(parts or (), top), title) for place, (parts, title) in enumerate(zip(values, titles, strict=True))
    )
    return Chart(says, steps, (), tuple(map(tick, ticks)), _grid(ticks, top), _some(labels))


def lines(
    values: Sequence[tuple[str, Sequence[float | None]]],
    *,
    says: str,
    titles: Sequence[str],
    labels: Sequence[str],
    tick: Callable[[float], str],
) -> Chart:
    """A line for each series, by the name of its class."""
    top, ticks = scale(max((value for _, series in values for value in series if value is not None), default=0))
    drawn = tuple(Line(name, _path(series, top)) for name, series in values)
    steps = tuple(_step(place, len(titles), (), title) for place, title in enumerate(titles))
    return Chart(says, steps, drawn, tuple(map(tick, ticks)), _grid(ticks, top), _some(labels))


def _step(place: int, many: int, parts: tuple[Part, ...], says: str) -> Step:
    width = WIDTH / many
    return Step(_short(place * width), _short(width), _short((place + GAP / 2) * width), _short(width * (1 - GAP)), parts, says)


def _parts(values: Sequence[tuple[str, int]], top: float) -> tuple[Part, ...]:
    """Small ones are drawn higher than they are, so that none hides; what stands below leaves them room."""
    found, y = [], float(HEIGHT)
    there = [(name, many) for name, many in values if many]
    for above, (name, many) in zip(range(len(there) - 1, -1, -1), there, strict=True):
        if many:
            height = min(max(LEAST, many / top * HEIGHT), y - above * LEAST)
            y -= height
            found.append(Part(name, _short(y), _short(height)))
    return tuple(found)


def _path(series: Sequence[float | None], top: float) -> str:
    width = WIDTH / max(len(series), 1)
    points = [
        None if value is None else (_short((place + 0.5) * width), _short(HEIGHT - value / top * HEIGHT))
        for place, value in enumerate(series)
    ]
    drawn = []
    for before, point in pairwise([None, *points]):
        if point is not None:
            # A point by itself is a dot: a line of no length with round ends.
            drawn.append(f"{'M' if before is None else 'L'}{point[0]} {point[1]}{'h0' if before is None else ''}")
    return "".join(drawn)


def _grid(ticks: Sequence[float], top: float) -> tuple[float, ...]:
    return tuple(_short(HEIGHT - each / top * HEIGHT) for each in ticks)


def _some(labels: Sequence[str]) -> tuple[str, ...]:
    """A few of them, evenly, with the first and the last."""
    if len(labels) <= LABELS:
        return tuple(labels)
    return tuple(labels[round(place * (len(labels) - 1) / (LABELS - 1))] for place in range(LABELS))


def _short(number: float) -> float:
    return round(number, 2)
