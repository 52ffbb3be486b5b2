"""Curves over epochs as numbers: what a chart shows, whoever draws it, on screen or on paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count

from training.report.colours import run_colour
from training.report.numbers import PERCENT, POINTS, hundredths, signed

Point = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """One line: ``points`` are (epoch, value), ``band`` how far each value spreads to both sides.

    ``growing``: the last point is of an epoch that still runs, and is drawn hollow.
    """

    name: str
    points: tuple[Point, ...]
    colour: str = run_colour(0)
    dashed: bool = False
    band: tuple[float, ...] = ()
    growing: bool = False


@dataclass(frozen=True)
class Axes:
    """What is drawn against what: the last epoch to make room for, the unit, and fixed ends of the scale.

    ``percent``: values are shares. ``points``: they are differences of shares, in percentage points.
    """

    title: str
    last_epoch: int
    percent: bool = False
    points: bool = False
    low: float | None = None
    high: float | None = None

    @property
    def times(self) -> int:
        """What the axis multiplies a value by."""
        return 100 if self.percent or self.points else 1

    @property
    def unit(self) -> str:
        """With a blank before it; empty for plain numbers."""
        return POINTS if self.points else PERCENT if self.percent else ""

    @property
    def label(self) -> str:
        """The title with its unit: ``accuracy (%)``."""
        return f"{self.title} ({self.unit.strip()})" if self.unit else self.title

    def text(self, value: float) -> str:
        """A value with its unit: shares and their differences in hundredths, everything else to three digits."""
        return hundredths(value, self.unit) if self.unit else signed(f"{value:.3g}")


EPOCH_LABEL = "epoch"


@dataclass(frozen=True)
class Spot:
    """A point of a curve: its epoch, value and spread, and where within the axes its middle and its band lie."""

    epoch: float
    value: float
    spread: float
    middle: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Chart:
    """Curves on a pair of axes. All values are in the curves' own units; axes multiply them by ``axes.times``."""

    curves: tuple[Curve, ...]
    axes: Axes

    @cached_property
    def ticks(self) -> list[float]:
        """The ticks of the value axis, in rising order."""
        return value_ticks(*_span(self.curves, self.axes))

    @property
    def limits(self) -> Point:
        """Where the value axis begins and ends: at its first and last tick."""
        return self.ticks[0], self.ticks[-1]

    @property
    def tick_texts(self) -> list[str]:
        """What stands at the ticks, all with as many digits as their distance has."""
        distance = (self.ticks[1] - self.ticks[0]) * self.axes.times
        digits = max(0, -math.floor(math.log10(distance) + 1e-9))
        return [self._tick_text(tick, digits) for tick in self.ticks]

    def _tick_text(self, tick: float, digits: int) -> str:
        text = f"{self.axes.times * tick:.{digits}f}"
        return signed(f"{tick:.0e}".replace("e+", "e") if len(text) > 6 else text)

    @cached_property
    def epochs(self) -> tuple[int, int]:
        """The first and the last epoch of the axis; 0 is there while the first epoch runs."""
        early = any(curve.points and curve.points[0][0] < 1 for curve in self.curves)
        return 0 if early else 1, max(2, self.axes.last_epoch)

    @property
    def epoch_ticks(self) -> list[int]:
        """The epochs that are named."""
        return epoch_ticks(*self.epochs)

    def spots(self, curve: Curve) -> list[Spot]:
        """The points that are drawn: those with a number."""
        spreads = curve.band or (0.0,) * len(curve.points)
        return [
            Spot(epoch, value, spread, *map(self._within, (value, value - spread, value + spread)))
            for (epoch, value), spread in zip(curve.points, spreads, strict=True)
            if math.isfinite(value)
        ]

    def _within(self, value: float) -> float:
        low, high = self.limits
        return min(max(value, low), high)


def value_ticks(low: float, high: float, parts: int = 5) -> list[float]:
    """Round numbers (steps of 1, 2 or 5 times a power of ten) that begin at or below ``low`` and end at or above
    ``high``."""
    # Values that hardly differ get room around them: equal ones have no span, and huge ones no digits left for it. Of
    # the smallest numbers that there are no part can be taken.
    if not high - low > max(1e-300, 1e-9 * max(abs(low), abs(high))):
        room = max(0.5, 0.1 * abs(low))
        low, high = low - room, high + room
    rough = (high - low) / parts
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


def epoch_ticks(first: int, last: int, most: int = 10) -> list[int]:
    """At most ``most`` + 1 whole epochs, in steps of 1, 2 or 5 times a power of ten, with the last one."""
    steps = (factor * 10**power for power in count() for factor in (1, 2, 5))
    step = next(step for step in steps if (last - first) / step <= most)
    ticks = [epoch for epoch in range(first, last + 1) if epoch % step == 0 or epoch == first]
    # The last epoch is what one looks for; a neighbour that its number would touch steps back.
    return [tick for tick in ticks if last - tick >= max(1, 0.6 * step)] + [last]


def _span(curves: Sequence[Curve], axes: Axes) -> tuple[float, float]:
    """The smallest and the largest value with its band, or the fixed ends."""
    values = [
        value + sign * spread
        for curve in curves
        for (_, value), spread in zip(curve.points, curve.band or (0.0,) * len(curve.points), strict=True)
        for sign in (-1, 1)
        if math.isfinite(value)
    ]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if axes.percent and not axes.points:  # no room above 100 % or below 0
        low, high = max(0.0, low), min(1.0, high)
    return (axes.low if axes.low is not None else low), (axes.high if axes.high is not None else high)
