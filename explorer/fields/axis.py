"""What the units of a map see along one axis, and what a window on that map makes of it.

Positions are input pixels, the first pixel's centre at 0. Notation and recurrences follow Araujo, Norris and
Sim, "Computing receptive fields of convolutional neural networks", Distill 2019.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Axis(NamedTuple):
    """``units`` in a row. The first sees the input pixels ``low`` to ``high``, the next a ``stride`` further on."""

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

    def adaptive(self, units: int) -> Axis:
        """Behind an adaptive pooling to ``units`` units.

        Its windows run from ``⌊i·n/m⌋`` to ``⌈(i+1)·n/m⌉``; where m doesn't divide n they differ in length and
        spacing, and this gives the longest one and the mean spacing.
        """
        n, m = self.units, units
        if n == m:
            return self
        longest = max(-(-(i + 1) * n // m) - i * n // m for i in range(m))
        middle = self.start + (n / m - 1) / 2 * self.stride
        reach = (self.size - 1 + (longest - 1) * self.stride) / 2
        return Axis(middle - reach, middle + reach, self.stride * n / m, m)

    def spread(self, units: int, pixels: int) -> Axis:
        """The same reach of another number of units that lie evenly over a picture: for steps with no fixed window."""
        reach, stride = (self.size - 1) / 2, pixels / units
        first = (stride - 1) / 2
        return Axis(first - reach, first + reach, stride, units)

    def units_seeing(self, pixel: int) -> range:
        """The units whose field reaches over a pixel; dilated windows may still step over it."""
        first = -((self.high - pixel) // self.stride)
        last = (pixel - self.low) // self.stride
        return range(max(0, int(first)), max(0, min(self.units - 1, int(last)) + 1))


class Field(NamedTuple):
    """What a unit sees along both axes; ``mixed_by``: the first step on the way that mixes all positions, or ""."""

    y: Axis
    x: Axis
    mixed_by: str

    def regrid(self, rows: int, columns: int, step: str, input_px: int) -> Field:
        """Spread over another grid; a grid that changed without a window counts as mixed by that step."""
        if (rows, columns) == (self.y.units, self.x.units):
            return self
        y, x = self.y.spread(rows, input_px), self.x.spread(columns, input_px)
        return Field(y, x, self.mixed_by or step)


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
        return fields[0]._replace(mixed_by=mixed_by).regrid(rows, columns, step, input_px)
    one_grid = all(f.y.stride == full[0].y.stride and f.x.stride == full[0].x.stride for f in full)
    if len(full) < len(fields) or not one_grid:
        mixed_by = mixed_by or step
    return Field(_hull([f.y for f in full]), _hull([f.x for f in full]), mixed_by)


def _hull(axes: list[Axis]) -> Axis:
    return axes[0]._replace(low=min(a.low for a in axes), high=max(a.high for a in axes))
