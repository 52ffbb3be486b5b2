"""What the units of a network really see, found by trying: no step of it has to be known.

One pixel of the input is made no number (NaN). Whatever is computed from it is no number either, so in one pass the
units of all layers that depend on it stand out. That is an upper bound: 0 · NaN is NaN, so a pixel that only a weight
of 0 connects counts as seen, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from fractions import Fraction
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import fx

from explorer.fields.axis import Axis, Field
from explorer.layers.listing import GraphTrace, Layer, channels_first, trace
from explorer.networks.hooks import capture, evaluating
from explorer.networks.load import LoadedModel

PROBES = 32
"""Most lines beside each other: enough for every stride up to it."""

Pixels = tuple[int | slice, int | slice]
"""Rows and columns."""

_ALL = slice(None)

_MORE_CALLS = 10
"""A network read by hooks that calls this many times as many modules as it has layers is not waited for."""


class Reach(NamedTuple):
    """The units that a pixel reaches, from the first row and column to the last; both empty if there are none."""

    rows: range
    columns: range

    def has_edges_in(self, rows: int, columns: int) -> bool:
        """Whether it ends before the borders of a map of this size: else nobody can tell how far it goes."""
        return 0 < len(self.rows) < rows and 0 < len(self.columns) < columns

    def is_within(self, rows: range, columns: range) -> bool:
        """Whether these rows and columns hold all of it."""
        return not self.rows or (_holds(rows, self.rows) and _holds(columns, self.columns))


def _holds(outer: range, inner: range) -> bool:
    return bool(outer) and outer[0] <= inner[0] and inner[-1] <= outer[-1]


def reaches(
    model: LoadedModel, pixels: Sequence[Pixels], names: Collection[str] | None = None
) -> dict[str, list[Reach]]:
    """Per map, which units these pixels of the input, or whole lines of them, reach: one forward pass each.

    ``names``: of these maps only; a pass ends behind the last of them.
    Nothing where the network can't be tried so: it fails at what is no number, or takes another path.
    """
    maps = {
        name: layer
        for name, layer in trace(model).layers.items()
        if layer.is_map and (names is None or name in names)
    }
    found: dict[str, list[Reach]] = {name: [] for name in maps}
    for pixel in pixels:
        try:
            lit = _lit_maps(model, maps, pixel)
        except Exception:  # whatever the network's own code raises: it was never promised such a picture
            return {}
        if lit.keys() != maps.keys():
            return {}
        for name, positions in lit.items():
            found[name].append(Reach(_extent(positions.any(1)), _extent(positions.any(0))))
    return found


def measured_fields(
    model: LoadedModel, names: Collection[str], tried: Sequence[tuple[int, int]]
) -> dict[str, Field]:
    """The smallest regular fields that explain what whole rows and columns of the input reach in these maps.

    Lines, not pixels, since a field may be a cross; then the pixels ``tried``, elsewhere. A map is missing whose units
    see different things by turns, as those of a map that grew may, or further than the border of the input.
    """
    layers, side = trace(model).layers, model.preprocess.crop_px
    lines = probes(side, max((side / min(layers[name].shape[1:]) for name in names), default=0))
    rows = reaches(model, [(line, _ALL) for line in lines], names)
    columns = reaches(model, [(_ALL, line) for line in lines], names) if rows else {}
    singly = reaches(model, tried, columns) if columns else {}
    found = {}
    for name, single in singly.items():
        high, wide = layers[name].shape[1:]
        down = _pairs(lines, (reach.rows for reach in rows[name]))
        across = _pairs(lines, (reach.columns for reach in columns[name]))
        y = _axis(down, _pairs([row for row, _ in tried], (reach.rows for reach in single)), high, side)
        x = _axis(
            across, _pairs([column for _, column in tried], (reach.columns for reach in single)), wide, side
        )
        if y and x:
            found[name] = Field(y, x, "")
    return found


def probes(input_px: int, stride: float) -> list[int]:
    """Neighbouring rows, or columns, in the middle of an input of this side: each edge of a field falls on some."""
    count = min(PROBES, input_px, max(8, 2 * ceil(stride)))
    first = (input_px - count) // 2
    return list(range(first, first + count))


def elsewhere(input_px: int) -> list[tuple[int, int]]:
    """A few pixels far from the middle, to see whether what was measured there holds."""
    return [
        (int(input_px * row), int(input_px * column))
        for row, column in ((0.24, 0.71), (0.37, 0.12), (0.66, 0.87), (0.82, 0.33))
    ]


def _lit_maps(model: LoadedModel, maps: dict[str, Layer], pixel: Pixels) -> dict[str, torch.Tensor]:
    """Which positions (H, W) of each map are no number when these pixels of the input are none."""
    taken, side = trace(model), model.preprocess.crop_px
    batch = torch.full((1, 3, side, side), 0.5)
    batch[:, :, pixel[0], pixel[1]] = torch.nan
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


def _pairs(pixels: Sequence[int], seen: Iterable[range]) -> list[tuple[int, range]]:
    return [(pixel, units) for pixel, units in zip(pixels, seen, strict=True) if units]


def _axis(
    seen: Sequence[tuple[int, range]], also: Sequence[tuple[int, range]], units: int, input_px: int
) -> Axis | None:
    """The axis whose units see just what was ``seen``, (pixel, units) each, and at least what was ``also`` seen."""
    edges_seen = any(found[0] > 0 for _, found in seen) and any(found[-1] < units - 1 for _, found in seen)
    if not edges_seen:
        return None
    density = Fraction(input_px, units)
    for stride in sorted(_STRIDES, key=lambda stride: abs(stride / density - 1)):
        low = min(pixel - stride * found[-1] for pixel, found in [*seen, *also])
        high = max(pixel - stride * found[0] for pixel, found in [*seen, *also])
        axis = Axis(float(low), float(high), float(stride), units)
        if all(axis.units_seeing(pixel) == found for pixel, found in seen):
            return axis
    return None


_STRIDES = [*map(Fraction, range(1, PROBES + 1)), *(Fraction(1, n) for n in range(2, PROBES + 1))]
"""With a stride between, neighbours see different things, by turns, which lines in the middle don't show all of."""
