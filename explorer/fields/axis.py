"""What the units of a map see along one axis, and what a window on that map makes of it.

Positions are input pixels, the first pixel's centre at 0. Notation and recurrences follow Araujo, Norris and
Sim, "Computing receptive fields of convolutional neural networks", Distill 2019.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

_NEARLY = 1e-6
"""Units: fractions of a stride add up with small errors."""


class Axis(NamedTuple):
    """``units`` in a row. The first sees the input pixels ``low`` to ``high``, the next a ``stride`` further on.

    Of a map that grew, ends and stride may be fractions: a unit sees the whole pixels between its ends.
    """

    low: float
    high: float
    stride: float
    units: int

    @property
    def size(self) -> float:
        """Pixels from the first one seen to the last, both counted."""
        return self.high - self.low + 1

    @property
    def start(self) -> float:
        """The centre of the first unit's field."""
        return (self.low + self.high) / 2

    def window(self, kernel: int, stride: int, before: int, dilation: int, units: int) -> Axis:
        """Behind a convolution or pooling with ``before`` cells of padding in front, leaving ``units`` units."""
        last_tap = (kernel - 1) * dilation - before
        return Axis(
            self.low - before * self.stride,
            self.high + last_tap * self.stride,
            self.stride * stride,
            units,
        )

    def grown(self, before: Fraction, after: Fraction, stride: Fraction, units: int) -> Axis:
        """Behind a step that makes maps larger: unit u sees those units before that lie between two ends.

        Args:
            before: the lower end for unit 0, counted in units of the map before.
            after: the upper end for unit 0.
            stride: how far apart, in units of the map before, the ends of neighbours are.
            units: how many there are.
        """
        return Axis(
            float(self.low + before * Fraction(self.stride)),
            float(self.high + after * Fraction(self.stride)),
            float(stride * Fraction(self.stride)),
            units,
        )

    def adaptive(self, units: int) -> Axis:
        """Behind an adaptive pooling to ``units`` units.

        Its windows run from ``⌊i·n/m⌋`` to ``⌈(i+1)·n/m⌉``; where m doesn't divide n they differ in length and
        spacing, and this gives the smallest regular ones around them.
        """
        n, m = self.units, units
        if n == m:
            return self
        stride = Fraction(n, m)
        before = min(i * n // m - i * stride for i in range(m))
        after = max(-(-(i + 1) * n // m) - 1 - i * stride for i in range(m))
        return self.grown(before, after, stride, m)

    def spread(self, units: int, start: float, stride: float) -> Axis:
        """The same reach of another number of units that lie elsewhere: for steps with no fixed window."""
        reach = (self.size - 1) / 2
        return Axis(start - reach, start + reach, stride, units)

    def units_seeing(self, pixel: int) -> range:
        """The units whose field reaches over a pixel; dilated windows may still step over it."""
        first = math.ceil((pixel - self.high) / self.stride - _NEARLY)
        last = math.floor((pixel - self.low) / self.stride + _NEARLY)
        return range(max(0, first), max(0, min(self.units - 1, last) + 1))


class Field(NamedTuple):
    """What a unit sees along both axes.

    ``mixed_by``: the first step on the way that mixes all positions, or "". Where a map on the way became larger,
    neighbours see different things, by turns, and this is a regular field around them.
    """

    y: Axis
    x: Axis
    mixed_by: str

    def regrid(self, rows: int, columns: int, step: str, lies: Sequence[tuple[float, float]]) -> Field:
        """Spread over another grid; a grid that changed without a window counts as mixed by that step.

        ``lies``: (start, stride) of its rows and of its columns.
        """
        same = (rows, columns) == (self.y.units, self.x.units)
        return self if same else self.mixed(rows, columns, step, lies)

    def mixed(self, rows: int, columns: int, step: str, lies: Sequence[tuple[float, float]]) -> Field:
        """Behind a step that mixes all positions and puts out a grid that lies there."""
        y, x = self.y.spread(rows, *lies[0]), self.x.spread(columns, *lies[1])
        return self._replace(y=y, x=x, mixed_by=self.mixed_by or step)


def evenly(input_px: int, *units: int) -> list[tuple[float, float]]:
    """Start and stride of so many units, one axis each, that lie evenly over a picture of this side."""
    return [((input_px / count - 1) / 2, input_px / count) for count in units]


def pixels(height: int, width: int) -> Field:
    """The field of the input itself: every unit is one pixel."""
    return Field(Axis(0, 0, 1, height), Axis(0, 0, 1, width), "")


def union(fields: Iterable[Field], step: str, input_px: int) -> Field:
    """What a unit sees that several branches feed, in the smallest box around it.

    Branches on a smaller grid, such as the scales of squeeze-and-excitation, are spread over all positions by
    ``step``, and so mixed.
    """
    fields = list(fields)
    rows, columns = max(f.y.units for f in fields), max(f.x.units for f in fields)
    full = [f for f in fields if (f.y.units, f.x.units) == (rows, columns)]
    mixed_by = next((f.mixed_by for f in fields if f.mixed_by), "")
    if not full:
        return (
            fields[0]._replace(mixed_by=mixed_by).regrid(rows, columns, step, evenly(input_px, rows, columns))
        )
    one_grid = all(
        math.isclose(f.y.stride, full[0].y.stride) and math.isclose(f.x.stride, full[0].x.stride)
        for f in full
    )
    if len(full) < len(fields) or not one_grid:
        mixed_by = mixed_by or step
    y, x = _hull([f.y for f in full]), _hull([f.x for f in full])
    return Field(y, x, mixed_by)


def _hull(axes: list[Axis]) -> Axis:
    return axes[0]._replace(low=min(a.low for a in axes), high=max(a.high for a in axes))
