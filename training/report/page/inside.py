"""How a network's first layer, its answers and its saliency form over the epochs, as the page shows it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from explorer.activations.captions import number
from explorer.images.overlay import DIVERGING, colourise, enlarged, overlay
from training.report.inside import MOST_KERNELS, Floats, Scene, Snapshot, kernel_pixels, map_pixels, scales
from training.report.page.data import image_tag
from training.report.sheet import Image, square
from training.report.words import reached, scales_words

_FIRST = Markup('<ol class="tr-first">{}</ol><p class="note">{}</p>')
_PAIR = Markup("<li>{kernel}{activation}</li>")
_SALIENCY = Markup('<figure class="tr-saliency">{}<figcaption class="note">{}</figcaption></figure>')
_FILM = Markup('<div class="tr-table"><table class="tr-film">{}</table></div><p class="note">{}</p>')
_FILM_ROW = Markup('<tr><th scope="row">{}</th>{}</tr>')
_FILM_CELL = Markup("<td>{}</td>")
_FILM_HEAD = Markup("<b>epoch {}</b>")


def first_layer(shown: Snapshot, scale: float) -> Markup:
    """Each kernel of the first convolution with its map on the picture below it, and what the colours mean."""
    maps = shown.maps.values[:MOST_KERNELS]
    reach = float(np.abs(maps).max()) or 1.0
    cells = []
    for index, picture in enumerate(map_pixels(maps, reach)):
        kernel = Markup("")
        if shown.kernels is not None:
            pixels = kernel_pixels(shown.kernels[index : index + 1], scale)[0]
            kernel = image_tag(enlarged(pixels, 60), f"kernel {index}")
        activation = image_tag(enlarged(picture, 112), f"activation map {index}")
        cells.append(_PAIR.format(kernel=kernel, activation=activation))
    return _FIRST.format(Markup("").join(cells), _first_words(shown, scale, reach))


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


def saliency_figure(shown: Snapshot, pixels: Image) -> Markup:
    """The gradient of the target's logit laid over the picture, with its numbers."""
    found = shown.saliency
    laid = enlarged(overlay(pixels, found, 0.9, fade=True), 224)
    reach = number(found.limits[0][1])
    sentence = (
        f"Gradient of the logit of {found.label} {_when(shown.epoch)}: red, a brighter pixel raises it; blue, it "
        f"lowers it. Colours end at ±{reach}; the logit is {number(found.logit)}."
    )
    return _SALIENCY.format(image_tag(laid, f"saliency of {found.label} over the picture"), sentence)


def film(found: Sequence[Snapshot], scene: Scene) -> Markup:
    """The epochs beside each other: kernels, maps, saliency, and what the network says."""
    ends, label = scales(found), found[-1].saliency.label
    rows: list[tuple[str, list[str]]] = [("", [_FILM_HEAD.format(m.epoch) for m in found])]
    if ends.kernels is not None:
        pictures = [kernel_pixels(_some(m.kernels), ends.kernels) for m in found]
        rows.append(("kernels", [_sheet(p, 12, m, "kernels") for p, m in zip(pictures, found, strict=True)]))
    rows += [
        ("maps", [_sheet(map_pixels(_some(m.maps.values), ends.maps), 1, m, "maps") for m in found]),
        ("saliency", [_saliency_tag(m, ends.saliency) for m in found]),
        ("says", [f"{m.answer.label} {m.answer.probability:.0%}" for m in found]),
        (label, [f"{m.saliency.probability:.1%}" for m in found]),
        ("test", [reached(m) for m in found]),
    ]
    body = Markup("").join(
        _FILM_ROW.format(name, Markup("").join(map(_FILM_CELL.format, cells))) for name, cells in rows
    )
    return _FILM.format(body, f"{scene.words}, over {len(found)} of its epochs. {scales_words(ends, label)}")


def _sheet(images: Sequence[Image] | Image, times: int, shown: Snapshot, what: str) -> Markup:
    return image_tag(square(images, times, fill=None), f"{what} after epoch {shown.epoch}")


def _some(values: Floats | None) -> Floats:
    assert values is not None
    return values[:MOST_KERNELS]


def _saliency_tag(shown: Snapshot, reach: float) -> Markup:
    picture = colourise(shown.saliency.map, ((-reach, reach),), DIVERGING[0])
    return image_tag(enlarged(picture, 64), f"saliency after epoch {shown.epoch}")


def _when(epoch: int) -> str:
    return "before training" if epoch == 0 else f"after epoch {epoch}"
