"""How a network's first layer, its answers and its saliency form over the epochs, as the page shows it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from explorer.activations.captions import number
from explorer.images.overlay import DIVERGING, colourise, enlarged, overlay
from training.report.inside import MOST_KERNELS, Floats, Scene, Snapshot, kernel_pixels, map_pixels, scales
from training.report.page.data import image_tag, mosaic
from training.report.words import scales_words

Pixels = NDArray[np.uint8]


def first_layer(shown: Snapshot, scale: float) -> str:
    """Each kernel of the first convolution with its map on the picture below it, and what the colours mean."""
    maps = shown.maps.values[:MOST_KERNELS]
    reach = float(np.abs(maps).max()) or 1.0
    cells = []
    for index, picture in enumerate(map_pixels(maps, reach)):
        kernel = ""
        if shown.kernels is not None:
            pixels = kernel_pixels(shown.kernels[index : index + 1], scale)[0]
            kernel = image_tag(enlarged(pixels, 60), f"kernel {index}")
        cells.append(f"<li>{kernel}{image_tag(enlarged(picture, 112), f'activation map {index}')}</li>")
    return f'<ol class="tr-first">{"".join(cells)}</ol><p class="note">{escape(_first_words(shown, scale, reach))}</p>'


def _first_words(shown: Snapshot, scale: float, reach: float) -> str:
    count, height, width = shown.maps.shape
    many = f"the first {MOST_KERNELS} of {count}" if count > MOST_KERNELS else f"all {count}"
    sentence = f"{shown.maps.layer} {_when(shown.epoch)}, {many} channels. "
    if shown.kernels is not None:
        low, high = number(float(shown.kernels.min())), number(float(shown.kernels.max()))
        side = shown.kernels.shape[-1]
        sentence += (
            f"Above, its {side}×{side} kernels over red, green and blue: weights from {low} to {high}; grey is 0, "
            f"white {number(scale)}, black {number(-scale)}, the same at every epoch. "
        )
    values = shown.maps.values
    return sentence + (
        f"Below, their {height}×{width} maps on this picture, before ReLU: red positive, blue negative, to "
        f"±{number(reach)}; values from {number(float(values.min()))} to {number(float(values.max()))}."
    )


def saliency_figure(shown: Snapshot, pixels: Pixels) -> str:
    """The gradient of the target's logit laid over the picture, with its numbers."""
    found = shown.saliency
    laid = enlarged(overlay(pixels, found, 0.9, fade=True), 224)
    reach = number(found.limits[0][1])
    sentence = (
        f"Gradient of the logit of {found.label} {_when(shown.epoch)}: red, a brighter pixel raises it; blue, it "
        f"lowers it. Colours end at ±{reach}; the logit is {number(found.logit)}."
    )
    return (
        f'<figure class="tr-saliency">{image_tag(laid, f"saliency of {found.label} over the picture")}'
        f'<figcaption class="note">{escape(sentence)}</figcaption></figure>'
    )


def film(found: Sequence[Snapshot], scene: Scene) -> str:
    """The epochs beside each other: kernels, maps, saliency, and what the network says."""
    ends = scales(found)
    rows = [("", [f"<b>epoch {m.epoch}</b>" for m in found])]
    if ends.kernels is not None:
        rows.append(
            (
                "kernels",
                [_sheet(kernel_pixels(_some(m.kernels), ends.kernels), 12, m, "kernels") for m in found],
            )
        )
    rows.append(("maps", [_sheet(map_pixels(_some(m.maps.values), ends.maps), 1, m, "maps") for m in found]))
    rows.append(("saliency", [_saliency_tag(m, ends.saliency) for m in found]))
    label = found[-1].saliency.label
    rows.append(("says", [f"{escape(m.answer.label)} {m.answer.probability:.0%}" for m in found]))
    rows.append((f"{label}", [f"{m.saliency.probability:.1%}" for m in found]))
    rows.append(("test", [f"{m.test_accuracy:.1%}" if m.test_accuracy is not None else "–" for m in found]))
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for name, cells in rows
    )
    sentence = f"{scene.words}, over {len(found)} of its epochs. {scales_words(ends, label)}"
    return f'<div class="tr-table"><table class="tr-film">{body}</table></div><p class="note">{escape(sentence)}</p>'


def _sheet(images: Sequence[Pixels] | Pixels, times: int, shown: Snapshot, what: str) -> str:
    columns = math.ceil(len(images) ** 0.5)
    return image_tag(mosaic(images, columns, times), f"{what} after epoch {shown.epoch}")


def _some(values: Floats | None) -> Floats:
    assert values is not None
    return values[:MOST_KERNELS]


def _saliency_tag(shown: Snapshot, reach: float) -> str:
    picture = colourise(shown.saliency.map, ((-reach, reach),), DIVERGING[0])
    return image_tag(enlarged(picture, 64), f"saliency after epoch {shown.epoch}")


def _when(epoch: int) -> str:
    return "before training" if epoch == 0 else f"after epoch {epoch}"
