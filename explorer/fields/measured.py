"""What the units of a network really see, found by trying: no step of it has to be known.

One pixel of the input is made no number (NaN). Whatever is computed from it is no number either, so in one pass the
units of all layers that depend on it stand out. That is an upper bound: 0 · NaN is NaN, so a pixel that only a weight
of 0 connects counts as seen, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import fx

from explorer.fields.axis import Axis, Field
from explorer.layers.listing import GraphTrace, Layer, channels_first, trace
from explorer.networks.hooks import capture, evaluating
from explorer.networks.load import LoadedModel

PROBES = 32
"""Pixels on a diagonal: enough for every stride up to it, since each edge of a field falls on one of them."""
_MORE_CALLS = 10
"""A network read by hooks that calls this many times as many modules as it has layers is not waited for."""


class Reach(NamedTuple):
    """The units that a pixel reaches, from the first row and column to the last; both empty if there are none."""

    rows: range
    columns: range

    def is_within(self, rows: range, columns: range) -> bool:
        """Whether these rows and columns hold all of it."""
        return not self.rows or (_holds(rows, self.rows) and _holds(columns, self.columns))


def _holds(outer: range, inner: range) -> bool:
    return bool(outer) and outer[0] <= inner[0] and inner[-1] <= outer[-1]


def reaches(model: LoadedModel, pixels: Sequence[tuple[int, int]]) -> dict[str, list[Reach]]:
    """Per map, which units each of these input pixels (row, column) reaches: one forward pass a pixel.

    Nothing where the network can't be tried so: it fails at what is no number, or takes another path.
    """
    maps = {name: layer for name, layer in trace(model).layers.items() if layer.is_map}
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


def measured_field(layer: Layer, seen: Sequence[Reach], pixels: Sequence[tuple[int, int]]) -> Field | None:
    """The field that explains what pixels on a diagonal reached; ``None`` if no regular one does.

    Args:
        layer: whose units were reached.
        seen: its part of :func:`reaches`.
        pixels: those of :func:`probes`.
    """
    rows, columns = layer.shape[1:]
    y = _axis([reach.rows for reach in seen], [pixel[0] for pixel in pixels], rows)
    x = _axis([reach.columns for reach in seen], [pixel[1] for pixel in pixels], columns)
    return Field(y, x, "") if y and x else None


def probes(input_px: int) -> list[tuple[int, int]]:
    """Pixels on the diagonal, in the middle of an input of this side."""
    first = max(0, input_px // 2 - PROBES // 2)
    return [(at, at) for at in range(first, min(first + PROBES, input_px))]


def _lit_maps(model: LoadedModel, maps: dict[str, Layer], pixel: tuple[int, int]) -> dict[str, torch.Tensor]:
    """Which positions (H, W) of each map are no number when this pixel of the input is none."""
    taken, side = trace(model), model.preprocess.crop_px
    batch = torch.full((1, 3, side, side), 0.5)
    batch[:, :, pixel[0], pixel[1]] = torch.nan
    batch = batch.to(model.preprocess.device, memory_format=torch.channels_last)
    with evaluating(model.module), torch.no_grad():
        if isinstance(taken, GraphTrace):
            watched = _Watched(taken, maps)
            watched.run(batch)
            return watched.lit
        # A loop that ends when a number is small enough doesn't end at what is none.
        with capture(model.module, set(maps), most_calls=_MORE_CALLS * len(taken.layers)) as outputs:
            last = model.module(batch)
        outputs |= {taken.output: last} if taken.output in maps else {}
        return {name: _lit(maps[name], output) for name, output in outputs.items()}


class _Watched(fx.Interpreter):
    """Runs a graph step by step and keeps of each map only which positions are no number."""

    def __init__(self, taken: GraphTrace, maps: dict[str, Layer]) -> None:
        super().__init__(fx.GraphModule(taken.module, taken.graph))
        self.lit: dict[str, torch.Tensor] = {}
        self._maps = {taken.nodes[name]: layer for name, layer in maps.items()}

    def run_node(self, n: fx.Node) -> Any:
        """What the step puts out."""
        output = super().run_node(n)
        if (layer := self._maps.get(n)) is not None:
            self.lit[layer.name] = _lit(layer, output)
        return output


def _lit(layer: Layer, output: torch.Tensor) -> torch.Tensor:
    return channels_first(output, layer).isnan().any(0)


def _extent(lit: torch.Tensor) -> range:
    at = np.flatnonzero(lit.cpu().numpy())
    return range(int(at[0]), int(at[-1]) + 1) if len(at) else range(0)


def _axis(seen: Sequence[range], pixels: Sequence[int], units: int) -> Axis | None:
    """The axis whose units see exactly what was seen, its stride the nearest to how densely the map lies."""
    if not any(seen):
        return None
    density = Fraction(2 * pixels[0] + len(pixels), units)  # the middle of the pixels is the input's
    strides = sorted(range(1, PROBES + 1), key=lambda stride: abs(stride - density))
    for stride in strides:
        for axis in _candidates(seen, pixels, units, stride):
            if all(axis.units_seeing(pixel) == found for pixel, found in zip(pixels, seen, strict=True)):
                return axis
    return None


def _candidates(seen: Sequence[range], pixels: Sequence[int], units: int, stride: int) -> Iterator[Axis]:
    """Axes with this stride whose edges lie where the first and the last unit changed."""
    pairs = list(zip(pixels, seen, strict=True))
    low = next(
        (
            p - stride * now[-1]
            for (p, now), (_, before) in zip(pairs[1:], pairs, strict=False)
            if now and (not before or now[-1] > before[-1])
        ),
        None,
    )
    high = next(
        (
            p - 1 - stride * (now[0] - 1)
            for (p, now), (_, before) in zip(pairs[1:], pairs, strict=False)
            if now and before and now[0] > before[0]
        ),
        None,
    )
    if low is not None and high is not None and high >= low:
        yield Axis(low, high, stride, units)
