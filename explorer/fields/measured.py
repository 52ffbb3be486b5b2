"""What the units of a network really see, found by trying: no step of it has to be known.

One pixel of the input is made no number (NaN). Whatever is computed from it is no number either, so in one pass the
units of all layers that depend on it stand out. That is an upper bound: 0 · NaN is NaN, so a pixel that only a weight
of 0 connects counts as seen, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from fractions import Fraction
from math import ceil, isclose
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import fx

from explorer.fields.axis import Axis, Field
from explorer.layers.grids import Line
from explorer.layers.listing import GraphTrace, Layer, channels_first, trace
from explorer.networks.hooks import capture, evaluating
from explorer.networks.load import LoadedModel

PROBES = 32
"""Most lines beside each other, and the largest stride that is measured."""


class Patch(NamedTuple):
    """A rectangle of pixels."""

    rows: range
    columns: range


_MORE_CALLS = 10
"""A network read by hooks that calls this many times as many modules as it has layers is not waited for."""


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
    maps = {
        name: layer
        for name, layer in trace(model).layers.items()
        if layer.is_map and (names is None or name in names)
    }
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
    """The regular fields that explain what whole rows and columns of the input reach in these maps, and a few patches.

    Lines, not pixels, since a field may be a cross. A map is missing whose units see different things by turns, as
    those of a map that grew may, or further than the border of the input.
    """
    layers, side = trace(model).layers, model.preprocess.crop_px
    lines = _lines(side, max((side / min(layers[name].shape[1:]) for name in names), default=0))
    rows = reaches(model, [Patch(line, range(side)) for line in lines], names)
    columns = reaches(model, [Patch(range(side), line) for line in lines], names) if rows else {}
    patches = [*tried_patches(side), *_elsewhere(side)]
    tried = reaches(model, patches, columns) if columns else {}
    found = {}
    for name, seen in tried.items():
        (high, wide), lies = layers[name].shape[1:], layers[name].lies or (None, None)
        down = _pairs(lines, (reach.rows for reach in rows[name]))
        across = _pairs(lines, (reach.columns for reach in columns[name]))
        down_too = _pairs((patch.rows for patch in patches), (reach.rows for reach in seen))
        across_too = _pairs((patch.columns for patch in patches), (reach.columns for reach in seen))
        y = _axis(down, down_too, high, _strides(lies[0], side / high, len(lines)))
        x = _axis(across, across_too, wide, _strides(lies[1], side / wide, len(lines)))
        if y and x:
            found[name] = Field(y, x, "")
    return found


def _lines(input_px: int, stride: float) -> list[range]:
    """Neighbouring rows, or columns, in the middle of an input of this side: each edge of a field falls on some."""
    count = min(PROBES, input_px, max(8, 2 * ceil(stride)))
    first = (input_px - count) // 2
    return [range(at, at + 1) for at in range(first, first + count)]


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
    taken, side = trace(model), model.preprocess.crop_px
    batch = torch.full((1, 3, side, side), 0.5)
    batch[:, :, patch.rows.start : patch.rows.stop, patch.columns.start : patch.columns.stop] = torch.nan
    batch = batch.to(model.preprocess.device, memory_format=torch.channels_last)
    with evaluating(model.module), torch.no_grad():
        if isinstance(taken, GraphTrace):
            watched = _Watched(taken, maps)
            with suppress(_Enough):
                watched.run(batch)
            return watched.lit
        # A loop that ends when a number is small enough doesn't end at what is none.
        with capture(model.module, set(maps), most_calls=_MORE_CALLS * len(taken.layers)) as outputs:
            last = model.module(batch)
        outputs |= {taken.output: last} if taken.output in maps else {}
        return {name: _lit(maps[name], output) for name, output in outputs.items()}


class _Enough(Exception):
    """The steps that follow are of no interest."""


class _Watched(fx.Interpreter):
    """Runs a graph step by step and keeps of each map only which positions are no number."""

    def __init__(self, taken: GraphTrace, maps: dict[str, Layer]) -> None:
        super().__init__(fx.GraphModule(taken.module, taken.graph))
        self.extra_traceback = False  # stopping early is no failure to tell of
        self.lit: dict[str, torch.Tensor] = {}
        self._maps = {taken.nodes[name]: layer for name, layer in maps.items()}

    def run_node(self, n: fx.Node) -> Any:
        """What the step puts out."""
        output = super().run_node(n)
        if (layer := self._maps.get(n)) is not None:
            self.lit[layer.name] = _lit(layer, output)
            if len(self.lit) == len(self._maps):
                raise _Enough
        return output


def _lit(layer: Layer, output: torch.Tensor) -> torch.Tensor:
    return channels_first(output, layer).isnan().any(0)


def _extent(lit: torch.Tensor) -> range:
    at = np.flatnonzero(lit.cpu().numpy())
    return range(int(at[0]), int(at[-1]) + 1) if len(at) else range(0)


def _pairs(pixels: Iterable[range], seen: Iterable[range]) -> list[tuple[range, range]]:
    return [(of, units) for of, units in zip(pixels, seen, strict=True) if units]


def _axis(
    seen: Sequence[tuple[range, range]],
    also: Sequence[tuple[range, range]],
    units: int,
    strides: Sequence[Fraction],
) -> Axis | None:
    """The axis whose units see just what was ``seen``, (pixels, units) each, and no less than was ``also`` seen."""
    edges_seen = any(found[0] > 0 for _, found in seen) and any(found[-1] < units - 1 for _, found in seen)
    if not edges_seen:
        return None
    for stride in strides:
        low = min(pixels[0] - stride * found[-1] for pixels, found in seen)
        high = max(pixels[0] - stride * found[0] for pixels, found in seen)
        axis = Axis(float(low), float(high), float(stride), units)
        exact = all(axis.units_seeing(pixels[0]) == found for pixels, found in seen)
        if exact and all(_holds(units_seeing(axis, pixels), found) for pixels, found in also):
            return axis
    return None


def _strides(lies: Line | None, density: float, lines: int) -> list[Fraction]:
    """Which strides a map may have: the one with which its units lie on the picture, or all that so many lines tell.

    Only whole ones, and whole parts of a pixel: with another between, neighbours see different things, by turns, which
    lines in the middle don't show all of.
    """
    regular = [*map(Fraction, range(1, PROBES + 1)), *(Fraction(1, n) for n in range(2, PROBES + 1))]
    if lies is not None:
        return [stride for stride in regular if isclose(stride, lies.stride, rel_tol=1e-3)]
    told = [stride for stride in regular if 2 * stride <= lines]
    return sorted(told, key=lambda stride: abs(float(stride) / density - 1))
