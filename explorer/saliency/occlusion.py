"""Occlusion: what the network says when a part of the picture is covered. Needs no gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from explorer.networks.load import LoadedModel
from explorer.saliency.method import (
    AttributionMethod,
    Cell,
    MethodOptions,
    OnProgress,
    RawMap,
    check_count,
    chunks,
)
from explorer.saliency.target_score import TargetScore

PATCHES_PER_SIDE = 7
"""By default a square takes this part of the input's side: 32 of ImageNet's 224 px, 5 of CIFAR's 32."""


@dataclass(frozen=True)
class Occlusion(MethodOptions):
    """Occlusion (Zeiler and Fergus, 2014): how far the objective falls when a grey square covers the place.

    ``patch_px`` is the square's side in pixels of the network's input, from 1 up; it moves by half of that. None:
    :func:`default_patch_px`, a seventh of the input's side.

    >>> Occlusion(patch_px=16)
    Occlusion(patch_px=16)

    Raises:
        ExplorerError: a side that is no whole number from 1 up.
    """

    patch_px: int | None = None
    name: ClassVar[AttributionMethod] = "occlusion"
    cell: ClassVar[Cell] = "square"

    def __post_init__(self) -> None:
        if self.patch_px is not None:
            check_count("patch size", self.patch_px)

    def explain(self, score: TargetScore, on_progress: OnProgress) -> RawMap:
        """A forward pass for each place, several at once; the values are ``(1, places, places)``."""
        patch = default_patch_px(score.model) if self.patch_px is None else self.patch_px
        batch, stride = score.batch, max(1, patch // 2)
        side = -(-max(0, batch.shape[2] - patch) // stride) + 1
        module = score.model.module
        with torch.no_grad():
            whole = score.of(module(batch))
            falls = []
            for done, count in chunks(side * side, on_progress):
                covered = batch.repeat(count, 1, 1, 1)
                for row, place in enumerate(range(done, done + count)):
                    top, left = place // side * stride, place % side * stride
                    covered[row, :, top : top + patch, left : left + patch] = 0  # the mean colour, grey
                falls.append(whole - score.of(module(covered)))
        middle = (patch - 1) / 2
        values = torch.cat(falls).reshape(1, side, side)
        return RawMap(values, score.logits(), (middle, middle), (stride, stride), patch_px=patch)


def default_patch_px(model: LoadedModel) -> int:
    """Side of the square that covers by default: large enough to hide a part of a thing, not all of it."""
    return max(1, round(model.preprocess.crop_px / PATCHES_PER_SIDE))
