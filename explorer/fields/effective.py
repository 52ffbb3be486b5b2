"""How much each pixel of its field really moves a unit: the effective receptive field, measured by gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from explorer.errors import ExplorerError
from explorer.fields.theoretical import Box, ReceptiveField, receptive_field
from explorer.layers.gradients import gradient
from explorer.layers.listing import Layer, channels_first, find_layer, trace
from explorer.networks.hooks import evaluating
from explorer.networks.load import LoadedModel
from explorer.networks.preprocessing import Framing


@dataclass(frozen=True, eq=False)
class EffectiveField:
    """Where the gradient of one unit lies, as a mean over images.

    Attributes:
        field: the theoretical field of the unit's layer.
        unit: (row, column).
        values: ``(h, w)`` float32 on the network's input: mean |d unit / d pixel| over images and colours, the
            unit being the sum of its channels. Not normalised; read-only.
        images: how many images.
        total: the sum of all values; 0 where no image moves the unit at all.
        central_share: how much of the sum lies in the central half of the theoretical box (half its height and
            half its width, a quarter of its area), in [0, 1].
        inside_share: how much lies inside the theoretical box; less than 1 only for global fields.
    """

    field: ReceptiveField
    unit: tuple[int, int]
    values: np.ndarray
    images: int
    total: float
    central_share: float
    inside_share: float

    @property
    def box(self) -> Box:
        """The unit's theoretical box, which may reach beyond the input."""
        return self.field.box(*self.unit)


def effective_receptive_field(
    model: LoadedModel,
    layer: str,
    images: Sequence[np.ndarray],
    unit: tuple[int, int] | None = None,
    *,
    framing: Framing | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> EffectiveField:
    """Measure which input pixels move a unit, after Luo, Li, Urtasun and Zemel (NeurIPS 2016).

    Args:
        model: from :func:`~explorer.load_model` or :func:`~explorer.from_module`.
        layer: a map's name, or a module's.
        images: ``(H, W, 3) uint8`` each; the mean over several shows the layer rather than one picture.
        unit: (row, column) on the layer's map; its middle by default.
        framing: how pictures become the network's input; the network's own way by default.
        on_progress: is told the share that is done, in [0, 1), before each picture.

    Raises:
        ExplorerError: no such layer or unit, or no images.

    >>> from explorer.images.decode import read_image, sample_images
    >>> from explorer.networks.load import load_model
    >>> model = load_model("resnet18", weights=None)
    >>> found = effective_receptive_field(model, "conv1", [read_image(sample_images()["Tower"])], unit=(2, 3))
    >>> found.box, found.inside_share
    ((0.5, 2.5, 7.5, 9.5), 1.0)
    """
    found = find_layer(model, layer)
    field = receptive_field(model, found.name)
    row, column = unit or (field.units[0] // 2, field.units[1] // 2)
    field.check_unit(row, column)
    if not images:
        raise ExplorerError("a mean over no images", "can't be taken", "give at least one image")
    total = np.zeros((model.preprocess.crop_px,) * 2, dtype=np.float64)
    for done, image in enumerate(images):
        if on_progress:
            on_progress(done / len(images))
        total += _gradient(model, found, model.preprocess(image, framing), row, column)
    values = (total / len(images)).astype(np.float32)
    values.flags.writeable = False
    box = field.box(row, column)
    return EffectiveField(
        field=field,
        unit=(row, column),
        values=values,
        images=len(images),
        total=float(values.sum(dtype=np.float64)),
        central_share=share_within(values, central_half(box)),
        inside_share=share_within(values, box),
    )


def central_half(box: Box) -> Box:
    """The box of half the height and half the width around the same centre.

    >>> central_half((0, 0, 8, 4))
    (2.0, 1.0, 6.0, 3.0)
    """
    top, left, bottom, right = box
    quarter_y, quarter_x = (bottom - top) / 4, (right - left) / 4
    return top + quarter_y, left + quarter_x, bottom - quarter_y, right - quarter_x


def share_within(values: np.ndarray, box: Box) -> float:
    """How much of the sum of ``(h, w)`` values lies in a box, in [0, 1]; pixels cut by its edge count in part."""
    total = float(values.sum(dtype=np.float64))
    if total == 0:
        return 0.0
    rows, columns = (_covered(size, box[i], box[i + 2]) for i, size in enumerate(values.shape))
    return float(rows @ values.astype(np.float64) @ columns) / total


def _covered(size: int, low: float, high: float) -> np.ndarray:
    """How much of each pixel, from −0.5 to 0.5 around its place, lies between two edges."""
    pixels = np.arange(size)
    return np.clip(np.minimum(pixels + 0.5, high) - np.maximum(pixels - 0.5, low), 0, 1)


def _gradient(model: LoadedModel, layer: Layer, batch: torch.Tensor, row: int, column: int) -> np.ndarray:
    with torch.inference_mode(False), torch.enable_grad(), evaluating(model.module):
        batch = batch.clone().requires_grad_()
        output = channels_first(trace(model).run(batch, [layer.name])[layer.name], layer)
        slope = gradient(output[:, row, column].sum(), batch, model.name)
    if slope is None:
        return np.zeros(batch.shape[2:])
    magnitudes: np.ndarray = slope[0].abs().mean(dim=0).double().cpu().numpy()
    return magnitudes
