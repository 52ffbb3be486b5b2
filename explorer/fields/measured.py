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
from explorer.networks.hooks import evaluating
from explorer.networks.load import LoadedModel

PROBES = 32
"""Pixels on a diagonal: enough for every stride up to it, since each edge of a field falls on one of them."""


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
    """Per layer, which units each of these input pixels (row, column) reaches: one forward pass a pixel."""
    found: dict[str, list[Reach]] = {}
    for pixel in pixels:
        for layer, lit in _lit_maps(model, pixel):
            found.setdefault(layer.name, []).append(Reach(_extent(lit.any(1)), _extent(lit.any(0))))
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


def _lit_maps(model: LoadedModel, pixel: tuple[int, int]) -> Iterator[tuple[Layer, torch.Tensor]]:
    """Every map, and which of its positions (H, W) are no number when this pixel of the input is none."""
    taken = trace(model)
    side = model.preprocess.crop_px
    batch = torch.full((1, 3, side, side), 0.5)
    batch[:, :, pixel[0], pixel[1]] = torch.nan
    batch = batch.to(model.preprocess.device, memory_format=torch.channels_last)
    maps = {name: layer for name, layer in taken.layers.items() if layer.is_map}
    with evaluating(model.module), torch.no_grad():
        if isinstance(taken, GraphTrace):
            kept: list[tuple[Layer, torch.Tensor]] = []
            _Watched(taken, maps, kept).run(batch)
            yield from kept
        else:
            outputs = taken.run(batch, maps)
            yield from ((maps[name], _lit(maps[name], outputs[name])) for name in outputs if name in maps)


class _Watched(fx.Interpreter):
    """Runs a graph step by step and keeps of each map only which positions are no number."""

    def __init__(
        self, taken: GraphTrace, maps: dict[str, Layer], kept: list[tuple[Layer, torch.Tensor]]
    ) -> None:
        super().__init__(fx.GraphModule(taken.module, taken.graph))
        self._maps = {taken.nodes[name]: layer for name, layer in maps.items()}
        self._kept = kept

    def run_node(self, n: fx.Node) -> Any:
        """What the step puts out."""
        output = super().run_node(n)
        if (layer := self._maps.get(n)) is not None:
            self._kept.append((layer, _lit(layer, output)))
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
