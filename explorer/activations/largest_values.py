"""A layer without positions, such as the last one of a classifier: its largest values as bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from explorer.activations.captions import describe_vector, number
from explorer.images.contact_sheet import letters

COUNT = 12
_PAPER, _INK, _TRACK, _BAR = (255, 255, 255), (31, 41, 55), (226, 232, 240), (13, 148, 136)
_WIDTH_PX, _LETTERS_PX, _ROW_PX, _BAR_PX, _MARGIN_PX = 560, 16, 34, 6, 10


@dataclass(frozen=True)
class UnitValue:
    """One unit of a layer: its number, its name (the class, where units are classes) and its value."""

    index: int
    name: str
    value: float


def largest_values(activation: Any, labels: Sequence[str] = (), count: int = COUNT) -> list[UnitValue]:
    """The ``count`` values of an Activation ``(C, 1, 1)`` furthest from zero, the furthest first.

    ``labels`` name the units if there are as many; else they are called by number.
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
    """A bar for each, as long as its value is far from zero, RGB ``uint8`` ``(H, W, 3)``."""
    font = letters(_LETTERS_PX)
    reach = max((abs(unit.value) for unit in units), default=0.0) or 1.0
    left, right = _MARGIN_PX, _MARGIN_PX + _WIDTH_PX - 1
    size = (_WIDTH_PX + 2 * _MARGIN_PX, _ROW_PX * len(units) + 2 * _MARGIN_PX)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    for row, unit in enumerate(units):
        top = _MARGIN_PX + row * _ROW_PX
        sentence = number(unit.value)
        space = _WIDTH_PX - font.getlength(sentence) - _LETTERS_PX
        draw.text((left, top), _shortened(unit.name, space), fill=_INK, font=font)
        draw.text((right, top), sentence, fill=_INK, font=font, anchor="ra")
        bar = top + _ROW_PX - _BAR_PX - 6
        draw.rectangle((left, bar, right, bar + _BAR_PX - 1), fill=_TRACK)
        length = round(_WIDTH_PX * abs(unit.value) / reach)
        if length:
            draw.rectangle((left, bar, left + length - 1, bar + _BAR_PX - 1), fill=_BAR)
    return np.asarray(sheet)


def _shortened(text: str, width_px: float) -> str:
    font = letters(_LETTERS_PX)
    text = " ".join(text.split())
    if font.getlength(text) <= width_px:
        return text
    while text and font.getlength(f"{text}…") > width_px:
        text = text[:-1]
    return f"{text}…"
