"""What the units of a network really see, found by trying: no step of it has to be known.

One pixel of the input is made no number (NaN). Whatever is computed from it is no number either, so in one pass the
units of all layers that depend on it stand out. That is an upper bound: 0 · NaN is NaN, so a pixel that only a weight
of 0 connects counts as seen, too.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fractions import Fraction
from math import ceil, isclose
from typing import NamedTuple

import numpy as np
import torch

from explorer.fields.axis import Axis, Field
from explorer.fields.watched import maps_of, watch
from explorer.layers.listing import Layer, trace
from explorer.networks.load import LoadedModel

PROBES = 32
"""Most pixels beside each other, and the largest stride that is measured."""


class Patch(NamedTuple):
    """A rectangle of pixels."""

    rows: range
    columns: range


class Reach(NamedTuple):
    """The units that a pixel reaches, from the first row and column to the last; both empty if there are none."""

    rows: range
    columns: range

    def has_edges_in(self, rows: int, columns: int) -> bool:
        """Whether it ends before the borders of a map of this size: else nobody can tell how far it goes."""
        return len(self.rows) < rows and len(self.columns) < columns

    def is_within(self, rows: range, columns: range) -> bool:
        """Whether these rows and columns hold all of it."""
        return not self.rows or (_holds(rows, self.rows) and _holds(columns, self.columns))


def _holds(outer: range, inner: range) -> bool:
    return bool(outer) and outer[0] <= inner[0] and inner[-1] <= outer[-1]


def tried_patches(input_px: int) -> list[Patch]:
    """What every field is compared with: a pixel in the middle, and two corners.

    The pixel lies off the diagonal: rows that are taken for columns stand out. In the corners it is seen what wraps
    around and what is mirrored.
    """
    middle, last, corner = input_px // 2, input_px - 1, max(1, min(16, input_px // 4))
    row, column = min(last, middle + 1), max(0, middle - 2)
    first, end = range(corner), range(input_px - corner, input_px)
    return [Patch(range(row, row + 1), range(column, column + 1)), Patch(first, first), Patch(end, end)]


def units_seeing(axis: Axis, pixels: range) -> range:
    """From the first unit to the last that sees any of these pixels."""
    each = [units for pixel in pixels if (units := axis.units_seeing(pixel))]
    return range(min(units[0] for units in each), max(units[-1] for units in each) + 1) if each else range(0)


def reaches(
    model: LoadedModel, patches: Sequence[Patch], names: Collection[str] | None = None
) -> dict[str, list[Reach]]:
    """Per map, which units these patches of the input reach: one forward pass each.

    ``names``: of these maps only; a pass ends behind the last of them.
    Nothing where the network can't be tried so: it fails at what is no number, or takes another path.
    """
    maps = maps_of(model, names)
    found: dict[str, list[Reach]] = {name: [] for name in maps}
    for patch in patches:
        try:
            lit = _lit_maps(model, maps, patch)
        except Exception:  # whatever the network's own code raises: it was never promised such a picture
            return {}
        if lit.keys() != maps.keys():
            return {}
        for name, positions in lit.items():
            found[name].append(Reach(_extent(positions.any(1)), _extent(positions.any(0))))
    return found


def measured_fields(model: LoadedModel, names: Collection[str]) -> dict[str, Field]:
    """The regular fields that explain which units of these maps pixels in the middle reach, and some patches.

    A map is missing whose units see different things by turns, as those of a map that grew may, or further than the
    border of the input. It is given up as soon as no regular field explains what was seen.
    """
    layers, side = trace(model).layers, model.preprocess.crop_px
    pixels = _neighbours(side, max((side / min(layers[name].shape[1:]) for name in names), default=0))
    found: dict[str, list[tuple[Patch, Reach]]] = {name: [] for name in names}
    left = list(names)
    for first in range(0, len(pixels), _AT_ONCE):
        some = pixels[first : first + _AT_ONCE]
        seen = reaches(model, some, left) if left else {}
        for name, each in seen.items():
            found[name] += zip(some, each, strict=True)
        left = [name for name in seen if _may_be_regular(layers[name], side, found[name], len(pixels))]
    patches = [*tried_patches(side), *_elsewhere(side)]
    tried = reaches(model, patches, left) if left else {}
    regular = {
        name: _regular(layers[name], side, found[name], list(zip(patches, each, strict=True)))
        for name, each in tried.items()
    }
    return {name: field for name, field in regular.items() if field is not None}


_AT_ONCE = 8
"""Pixels tried before the maps that no regular field explains are given up."""


def _neighbours(input_px: int, stride: float) -> list[Patch]:
    """Pixels in the middle, each a row lower and a column further: each edge of a field falls between some."""
    count = min(PROBES, input_px, max(_AT_ONCE, 2 * ceil(stride)))
    first = (input_px - count) // 2
    row, column = first + min(2, first), first - min(2, first)
    return [Patch(range(row + i, row + i + 1), range(column + i, column + i + 1)) for i in range(count)]


def _regular(
    layer: Layer, side: int, seen: Sequence[tuple[Patch, Reach]], also: Sequence[tuple[Patch, Reach]]
) -> Field | None:
    """The field that explains just what was ``seen`` of these pixels, and no less than was ``also`` seen of patches."""
    y, x = (
        _axis(down, down_too, units, strides) if _shows_edges(down, units) else None
        for down, down_too, units, strides in zip(
            _by_axis(seen), _by_axis(also), layer.shape[1:], _strides(layer, side, len(seen)), strict=True
        )
    )
    return Field(y, x, "") if y and x else None


def _may_be_regular(layer: Layer, side: int, seen: Sequence[tuple[Patch, Reach]], pixels: int) -> bool:
    """Whether a field explains what was seen up to now, of so many ``pixels`` in all."""
    return all(
        not pairs or _axis(pairs, [], units, strides) is not None
        for pairs, units, strides in zip(
            _by_axis(seen), layer.shape[1:], _strides(layer, side, pixels), strict=True
        )
    )


Pairs = list[tuple[range, range]]
"""Rows, or columns, of pixels, and of the units that they reach."""


def _by_axis(seen: Sequence[tuple[Patch, Reach]]) -> tuple[Pairs, Pairs]:
    rows = [(patch.rows, reach.rows) for patch, reach in seen if reach.rows]
    columns = [(patch.columns, reach.columns) for patch, reach in seen if reach.columns]
    return rows, columns


def _shows_edges(seen: Pairs, units: int) -> bool:
    """Whether some reach ends before either border: else nobody can tell how far it goes."""
    return any(found[0] > 0 for _, found in seen) and any(found[-1] < units - 1 for _, found in seen)


def _elsewhere(input_px: int) -> list[Patch]:
    """Where it is seen whether what was measured in the middle holds: pixels far from it, patches at the corners.

    What is mirrored at a border is told by a patch that lies as far from it.
    """
    at = [(0.24, 0.71), (0.37, 0.12), (0.66, 0.87), (0.82, 0.33)]
    pixels = [
        (range(int(input_px * y), int(input_px * y) + 1), range(int(input_px * x), int(input_px * x) + 1))
        for y, x in at
    ]
    first = [range(n // 2, n) for n in (1, 2, 4, 8, 16) if 4 * n <= input_px]
    last = [range(input_px - part.stop, input_px - part.start) for part in first]
    return [Patch(*sides) for sides in [*pixels, *((part, part) for part in [*first, *last])]]


def _lit_maps(model: LoadedModel, maps: dict[str, Layer], patch: Patch) -> dict[str, torch.Tensor]:
    """Which positions (H, W) of each map are no number when these pixels of the input are none."""
    side = model.preprocess.crop_px
    batch = torch.full((1, 3, side, side), 0.5)
    batch[:, :, patch.rows.start : patch.rows.stop, patch.columns.start : patch.columns.stop] = torch.nan
    return watch(model, maps, batch, lambda values: values.isnan().any(0))


def _extent(lit: torch.Tensor) -> range:
    at = np.flatnonzero(lit.cpu().numpy())
    return range(int(at[0]), int(at[-1]) + 1) if len(at) else range(0)


def _axis(seen: Pairs, also: Pairs, units: int, strides: Sequence[Fraction]) -> Axis | None:
    """The axis whose units see just what was ``seen``, and no less than was ``also`` seen."""
    for stride in strides:
        low = min(pixels[0] - stride * found[-1] for pixels, found in seen)
        high = max(pixels[0] - stride * found[0] for pixels, found in seen)
        axis = Axis(float(low), float(high), float(stride), units)
        exact = all(axis.units_seeing(pixels[0]) == found for pixels, found in seen)
        if exact and all(_holds(units_seeing(axis, pixels), found) for pixels, found in also):
            return axis
    return None


def _strides(layer: Layer, side: int, pixels: int) -> list[list[Fraction]]:
    """Which strides the axes of a map may have: those by which its units lie on the picture, else what pixels tell.

    Only whole ones, and whole parts of a pixel: with another between, neighbours see different things, by turns, which
    pixels in the middle don't show all of.
    """
    regular = [*map(Fraction, range(1, PROBES + 1)), *(Fraction(1, n) for n in range(2, PROBES + 1))]
    if layer.lies is not None:
        return [
            [stride for stride in regular if isclose(stride, line.stride, rel_tol=1e-3)]
            for line in layer.lies
        ]
    told = [stride for stride in regular if 2 * stride <= pixels]
    return [
        sorted(told, key=lambda stride: abs(float(stride) / (side / units) - 1)) for units in layer.shape[1:]
    ]
