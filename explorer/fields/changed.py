"""What changes in every map where a few pixels of the input do: a check that nothing that stops NaN can escape.

A step may take values by their rank, by a comparison, or may leave out what is no number. Then no NaN spreads, though
a pixel matters; another number there does tell.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from explorer.fields.axis import Axis
from explorer.fields.watched import maps_of, watch
from explorer.networks.load import LoadedModel

_NOISE = 1e-6
"""Of the largest value: what differs by less may have been added up in another order."""


def changed_beyond(model: LoadedModel, axes: Mapping[str, tuple[Axis, Axis]]) -> set[str]:
    """Of these maps, those in which a pixel changes a unit that doesn't see it, by its axes of rows and columns.

    Two inputs beside one that is left as it is: the pixel in the middle changed, and four near the corners. Nothing
    where the network can't be run so.
    """
    maps, side = maps_of(model, axes.keys()), model.preprocess.crop_px
    weights = torch.Generator().manual_seed(2)

    def mixed_channels(values: torch.Tensor) -> torch.Tensor:
        # One number for each position instead of hundreds of channels: it changes when one of them does.
        weight = torch.rand(len(values), generator=weights.manual_seed(2)).to(values.device, torch.float64)
        return torch.einsum("c,chw->hw", weight, values.double())

    batch = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(1))
    near, far = min(2, side - 1), max(0, side - 3)
    tried = [[(side // 2, side // 2)], [(near, near), (near, far), (far, near), (far, far)]]
    beyond: set[str] = set()
    try:
        before = watch(model, maps, batch, mixed_channels)
        for pixels in tried:
            other = batch.clone()
            for row, column in pixels:
                other[:, :, row, column] += 3
            after = watch(model, maps, other, mixed_channels)
            if after.keys() != before.keys():
                return {*maps}  # another path: nothing that was seen on one holds for all
            beyond |= {name for name in maps if _goes_beyond(before[name], after[name], axes[name], pixels)}
    except Exception:  # whatever the network's own code raises: it was never promised such a picture
        return set()
    return beyond


def _goes_beyond(
    before: torch.Tensor, after: torch.Tensor, axes: tuple[Axis, Axis], pixels: list[tuple[int, int]]
) -> bool:
    changed = (after - before).abs() > _NOISE * before.abs().max()
    for row, column in pixels:
        rows, columns = axes[0].units_seeing(row), axes[1].units_seeing(column)
        changed[rows.start : rows.stop, columns.start : columns.stop] = False
    return bool(changed.any())
