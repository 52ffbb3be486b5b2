"""A picture with the scale of its colours beside it, as SVG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

_DPI = 100
_BAR_IN, _MARGIN_IN = 1.1, 0.3
_ENDS = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


@dataclass(frozen=True)
class ColourBar:
    """One scale: the values at its ends, and a colour map's name, or the colour that black grows to.

    Colours are (R, G, B) in [0, 1].
    """

    limits: tuple[float, float]
    colormap: str | tuple[float, float, float]
    label: str = ""


def three_bars(limits: Sequence[tuple[float, float]], labels: Sequence[str]) -> list[ColourBar]:
    """The legend of a map whose three values are shown as red, green and blue; without those that don't vary."""
    return [
        ColourBar(pair, end, label)
        for pair, end, label in zip(limits, _ENDS, labels, strict=True)
        if pair[0] < pair[1]
    ]


def with_colour_bars(picture: bytes, bars: Sequence[ColourBar]) -> bytes:
    """A PNG beside its scales with numbers; the pixels inside are as they are. Equal input gives equal bytes."""
    import matplotlib
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize
    from matplotlib.figure import Figure

    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    height, width = pixels.shape[:2]
    size = (width / _DPI + _MARGIN_IN + _BAR_IN * len(bars), max(height / _DPI, 2) + _MARGIN_IN)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(pixels, interpolation="none")
    axes.set_axis_off()
    for bar in reversed(bars):  # each new one comes between the picture and those before
        colours = (
            bar.colormap
            if isinstance(bar.colormap, str)
            else LinearSegmentedColormap.from_list("", [(0.0, 0.0, 0.0), bar.colormap])
        )
        figure.colorbar(ScalarMappable(Normalize(*bar.limits), colours), ax=axes, label=bar.label)
    drawn = io.BytesIO()
    # Without a date, and with names that don't change: equal pictures give equal bytes.
    with matplotlib.rc_context({"svg.hashsalt": "picture", "image.composite_image": False}):
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()
