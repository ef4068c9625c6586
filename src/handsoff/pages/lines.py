"""Line charts: where lines and ticks lie, in percent of the plot; `lines.html` draws them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

TICKS = 5  # at most this many steps between the ends of an axis
ROUND = (1, 2, 2.5, 5, 10)  # a step is one of these times a power of ten
FACTORS = (1, 2, 5)  # a tick of a logarithmic axis is one of these times a power of ten
ROUNDING = 1e-9  # of the larger value: what differs by less is alike
WIDE = 10  # values whose largest is that many times their smallest stand on a logarithmic axis

Point = tuple[float, float]
Tick = tuple[float, str]  # place in percent, and what is written there


@dataclass(frozen=True)
class Line:
    """One line of a chart: its name, its colour in CSS and its points (x, y), x ascending."""

    name: str
    colour: str
    points: Sequence[Point]


@dataclass(frozen=True)
class LineChart:
    """What `lines.html` draws; places are percent from the left and from the top.

    Attributes:
        lines: name, colour, last value and places of the points.
        up, across: ticks of the vertical and the horizontal axis.
        logarithmic: whether the vertical axis is.
        words: the chart for those who do not see it.
    """

    title: str
    lines: list[tuple[str, str, str, list[Point]]]
    up: list[Tick]
    across: list[Tick]
    logarithmic: bool
    words: str


def line_chart(title: str, lines: Sequence[Line], unit: str) -> LineChart | None:
    """Lay out lines over x from 0 on; None where there is no point. Values that are no numbers leave a line out.

    Args:
        title: what is measured.
        lines: with x ≥ 0.
        unit: of x, for those who do not see the chart.
    """
    finite = [Line(line.name, line.colour, [p for p in line.points if math.isfinite(p[1])]) for line in lines]
    shown = [line for line in finite if line.points]
    if not shown:
        return None
    values = [y for line in shown for _, y in line.points]
    logarithmic = min(values) > 0 and max(values) > WIDE * min(values)
    scale: Callable[[float], float] = math.log if logarithmic else float
    rising = log_ticks(min(values), max(values)) if logarithmic else round_ticks(min(values), max(values))
    right = round_ticks(0.0, max(line.points[-1][0] for line in shown) or 1.0)
    low, high = scale(rising[0]), scale(rising[-1])
    return LineChart(
        title,
        [
            (line.name, line.colour, f"{line.points[-1][1]:.3g}",
             [(percent(x / right[-1]), percent((high - scale(y)) / (high - low))) for x, y in line.points])
            for line in shown
        ],
        [(percent((high - scale(tick)) / (high - low)), f"{tick:g}") for tick in rising],
        [(percent(tick / right[-1]), f"{tick:g}") for tick in right],
        logarithmic,
        f"{title}. " + " ".join(in_words(line, unit) for line in shown),
    )  # fmt: skip


def percent(share: float) -> float:
    return round(100 * share, 2)


def in_words(line: Line, unit: str) -> str:
    """The ends and the lowest point of a line.

    >>> in_words(Line("FD", "red", [(10, 90.0), (20, 61.2), (30, 62.0)]), "kimg")
    'FD: 90 at 10 kimg, 62 at 30 kimg, lowest 61.2 at 20 kimg.'
    """
    (first, begin), (last, end) = line.points[0], line.points[-1]
    at, lowest = min(line.points, key=lambda point: point[1])
    ends = f"{begin:.3g} at {first:g} {unit}, {end:.3g} at {last:g} {unit}"
    return f"{line.name}: {ends}, lowest {lowest:.3g} at {at:g} {unit}."


def log_ticks(low: float, high: float) -> list[float]:
    """Ticks 1, 2, 5, 10, … from at most `low` > 0 to at least `high`.

    >>> log_ticks(31, 420)
    [20.0, 50.0, 100.0, 200.0, 500.0]
    """
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    steps = [float(f"{factor * 10.0**power:.10g}") for power in powers for factor in FACTORS]
    first = max(index for index, step in enumerate(steps) if step <= low)
    last = min(index for index, step in enumerate(steps) if step >= high)
    return steps[first : last + 1]


def round_ticks(low: float, high: float) -> list[float]:
    """Round ticks from at most `low` to at least `high`; around them where the two differ by no more than rounding.

    >>> round_ticks(0.62, 0.79)
    [0.6, 0.65, 0.7, 0.75, 0.8]
    >>> round_ticks(0.2, 0.2)
    [-0.4, -0.2, 0.0, 0.2, 0.4, 0.6, 0.8]
    """
    if high - low <= ROUNDING * max(abs(low), abs(high)):
        low, high = low - 0.5, high + 0.5
    wanted = (high - low) / TICKS
    power = 10 ** math.floor(math.log10(wanted))
    step = next(factor for factor in ROUND if factor * power >= wanted * (1 - 1e-9)) * power
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{index * step:.10g}") for index in range(first, last + 1)]
