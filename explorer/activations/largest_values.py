"""A layer without positions, such as the last one of a classifier: its largest values as bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from explorer.activations.captions import describe_vector, number
from explorer.images.contact_sheet import letters

COUNT = 12
_PAPER, _INK, _TRACK, _BAR = "white", "#1f2937", "#e2e8f0", "#0d9488"
_FONT, _DPI = "DejaVu Sans", 100
_WIDTH_PX, _LETTERS_PX, _ROW_PX, _MARGIN_PX = 560, 16, 34, 10
_BAR_PX, _BAR_TOP_PX, _BASELINE_PX = (
    6,
    22,
    7,
)  # the bar's height, where it begins, how far above it words stand


@dataclass(frozen=True)
class UnitValue:
    """One unit of a layer: its number, its name (the class, where units are classes) and its value."""

    index: int
    name: str
    value: float


def largest_values(activation: Any, labels: Sequence[str] = (), count: int = COUNT) -> list[UnitValue]:
    """The ``count`` values of an Activation ``(C, 1, 1)`` furthest from zero, the furthest first.

    ``labels`` name the units if there are as many; else they are called by number.

    >>> largest_values(logits, model.labels, 1)[0].name
    'cheetah'
    """
    values = activation.values.reshape(-1)
    order = np.argsort(-np.abs(values), kind="stable")[:count]
    named = len(values) == len(labels)
    return [UnitValue(int(i), labels[i] if named else f"unit {i}", float(values[i])) for i in order]


def describe_largest_values(activation: Any, units: Sequence[UnitValue]) -> str:
    """The layer in a sentence, then a line for each unit: value, number, name."""
    lines = [f"{number(unit.value):>10}  {unit.index:5d}  {' '.join(unit.name.split())}" for unit in units]
    return "\n".join([describe_vector(activation), *lines])


def largest_values_picture(units: Sequence[UnitValue]) -> np.ndarray:
    """A bar for each, as long as its value is far from zero, below its name.

    Returns:
        RGB ``uint8`` ``(34·n + 20, 580, 3)``; equal values give equal pixels.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, height = _WIDTH_PX + 2 * _MARGIN_PX, _ROW_PX * len(units) + 2 * _MARGIN_PX
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor=_PAPER)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    reach = max((abs(unit.value) for unit in units), default=0.0) or 1.0
    lengths = [_WIDTH_PX * abs(unit.value) / reach for unit in units]
    tops = [_MARGIN_PX + _ROW_PX * row + _BAR_TOP_PX for row in range(len(units))]
    for widths, colour in ([_WIDTH_PX] * len(units), _TRACK), (lengths, _BAR):
        axes.barh(tops, widths, _BAR_PX, _MARGIN_PX, align="edge", color=colour, linewidth=0)
    # Named here, so that a notebook's own settings of matplotlib change nothing.
    writing: dict[str, Any] = {"family": _FONT, "fontsize": _LETTERS_PX * 72 / _DPI, "color": _INK}
    writing["parse_math"] = False
    for top, unit in zip(tops, units, strict=True):
        value = number(unit.value)
        space = _WIDTH_PX - letters(_LETTERS_PX).getlength(value) - _LETTERS_PX
        axes.text(_MARGIN_PX, top - _BASELINE_PX, _shortened(unit.name, space), **writing)
        axes.text(_MARGIN_PX + _WIDTH_PX, top - _BASELINE_PX, value, ha="right", **writing)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


@cache
def _known_letters() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont(_FONT)).get_charmap())


def _shortened(text: str, width_px: float) -> str:
    """In one line, as much of it as there is room for; letters that the font lacks as a mark, without a warning."""
    font, known = letters(_LETTERS_PX), _known_letters()
    text = "".join(c if ord(c) in known else "\N{REPLACEMENT CHARACTER}" for c in " ".join(text.split()))
    if font.getlength(text) <= width_px:
        return text
    while text and font.getlength(f"{text}…") > width_px:
        text = text[:-1]
    return f"{text}…"
