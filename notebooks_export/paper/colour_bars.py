"""Pictures with the scale of their colours beside them, as SVG with its words and numbers as text."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from explorer.activations.legend import ComponentScale

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 100
_BAR_IN, _BAR_HEIGHT_IN, _MARGIN_IN = 1.1, 2.2, 0.3
_BARS_A_ROW = 3
_SETTINGS = Lock()
"""matplotlib's settings are the whole process's: one drawing at a time changes them."""


@dataclass(frozen=True)
class ColourBar:
    """One scale: the values at its ends, and a colour map's name, or the colour that black grows to.

    Colours are (R, G, B) in [0, 1]. ``roots``: they tell the square roots of values from 0 up.
    """

    limits: tuple[float, float]
    colormap: str | tuple[float, float, float]
    label: str = ""
    roots: bool = False


def three_bars(scales: Sequence[ComponentScale], label: str = "") -> list[ColourBar]:
    """The legend of a map whose three values are shown as red, green and blue; ``label`` says whose they are."""
    return [
        ColourBar(scale.limits, scale.colour_unit, f"{label}: {scale.label}" if label else scale.label)
        for scale in scales
    ]


def with_colour_bars(picture: bytes, bars: Sequence[ColourBar]) -> bytes:
    """A PNG beside its scales with numbers; the pixels inside are as they are. Equal input gives equal bytes.

    More than three scales stand in rows of three, in their order; without any there is the picture alone.
    """
    from matplotlib.figure import Figure

    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    height, width = pixels.shape[0] / _DPI, pixels.shape[1] / _DPI
    rows = -(-len(bars) // _BARS_A_ROW)
    columns = min(len(bars), _BARS_A_ROW)
    high = max(height, rows * _BAR_HEIGHT_IN) if bars else height
    figure = Figure(figsize=(width + _MARGIN_IN + _BAR_IN * columns, high + _MARGIN_IN), layout="constrained")
    if rows <= 1:
        axes = figure.add_subplot()
        beside = [axes] * len(bars)
    else:
        grid = figure.add_gridspec(rows, 1 + columns, width_ratios=[width, *[_BAR_IN] * columns])
        axes = figure.add_subplot(grid[:, 0])
        beside = [figure.add_subplot(grid[i // columns, 1 + i % columns]) for i in range(len(bars))]
        for slot in beside:
            slot.set_axis_off()
    axes.imshow(pixels, interpolation="none")
    axes.set_axis_off()
    # In a cell of its own a bar takes what room there is, else a little of the picture's.
    room: dict[str, Any] = {"fraction": 0.9, "aspect": 12} if rows > 1 else {}
    # Each new one comes nearest to the picture.
    for slot, bar in reversed([*zip(beside, bars, strict=True)]):
        figure.colorbar(_scale(bar), ax=slot, label=bar.label, **room)
    return _as_svg(figure)


def figure_with_bars(figure: Figure) -> bytes:
    """A figure as SVG, its lines and words as such; colour maps that it shows get a scale, equal ones one together."""
    shown: dict[tuple[str, float, float], list[Any]] = {}
    for axes in figure.axes:
        for image in axes.images:
            values = image.get_array()
            if values is not None and values.ndim == 2:  # three values a cell are colours already
                shown.setdefault((image.get_cmap().name, *image.get_clim()), []).append(image)
    for images in shown.values():
        figure.colorbar(images[0], ax=[image.axes for image in images], shrink=0.8)
    return _as_svg(figure)


def _scale(bar: ColourBar) -> Any:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize, PowerNorm

    colours = (
        bar.colormap
        if isinstance(bar.colormap, str)
        else LinearSegmentedColormap.from_list("", [(0.0, 0.0, 0.0), bar.colormap])
    )
    return ScalarMappable(PowerNorm(0.5, *bar.limits) if bar.roots else Normalize(*bar.limits), colours)


def _as_svg(figure: Figure) -> bytes:
    import matplotlib

    drawn = io.BytesIO()
    # Without a date, and with names that don't change: equal pictures give equal bytes.
    settings: Any = {"svg.hashsalt": "picture", "svg.fonttype": "none", "image.composite_image": False}
    with _SETTINGS, matplotlib.rc_context(settings):
        figure.savefig(drawn, format="svg", facecolor="white", metadata={"Date": None})
    return drawn.getvalue()
