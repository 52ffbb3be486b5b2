"""A matrix as SVG: cells with their numbers, or one picture where there would be too many to read.

Colours are CSS classes and ``currentColor``, so that the drawing follows the page, light or dark.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from explorer.convolution.arithmetic import Floats, Mask
from explorer.convolution.display import MOST_TEXT_CELLS, grey_range
from explorer.convolution.entry import format_number

_PICTURE_PX = 320


@dataclass(frozen=True)
class Box:
    """An outline around cells, in cells: the window, the area that a kernel spans, the true input."""

    row: float
    column: float
    height: float
    width: float
    style: str


@dataclass(frozen=True, eq=False)
class Drawing:
    """A matrix to draw. Masks have the shape of values; None means nowhere."""

    values: Floats  # (H, W)
    label: str  # what a screen reader says
    lit: Mask | None = None  # under the window
    padded: Mask | None = None  # padding, drawn lighter
    unread: Mask | None = None  # greyed and struck out
    faint: Mask | None = None  # not reached yet
    boxes: tuple[Box, ...] = ()
    links: tuple[tuple[tuple[int, int], ...], ...] = ()  # cells (row, column) to join by a line
    data: Mapping[str, str] = field(default_factory=dict)  # data-* attributes for the page's script
    small: bool = False
    grey: bool = False  # as a picture even where the numbers could be read
    limits: tuple[float, float] | None = (
        None  # what is drawn black and white; the values' own grey_range if None
    )

    @property
    def as_picture(self) -> bool:
        return self.grey or self.values.size > MOST_TEXT_CELLS


def draw_matrix(drawing: Drawing) -> str:
    """The SVG of one matrix."""
    return _picture(drawing) if drawing.as_picture else _cells(drawing)


def data_uri(values: Floats, alpha: NDArray[np.uint8], limits: tuple[float, float]) -> str:
    """A grey PNG of (H, W) values, black at the lower limit and white at the upper, as a data: address."""
    low, high = limits
    grey = np.clip(np.round((values - low) / (high - low) * 255), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(np.stack([grey, alpha], axis=-1), "LA").save(file, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _cells(drawing: Drawing) -> str:
    rows, columns = drawing.values.shape
    texts = [[format_number(float(v), 2) for v in line] for line in drawing.values]
    longest = max(len(text) for line in texts for text in line)
    height, width, font = _cell_size(columns, longest, drawing.small)
    back: list[str] = []
    front: list[str] = []
    for row, column in np.ndindex(rows, columns):
        style = _style(drawing, row, column)
        x, y, text = column * width, row * height, texts[row][column]
        back.append(
            f'<rect x="{x + 1}" y="{y + 1}" width="{width - 2}" height="{height - 2}" rx="3" '
            f'class="cv-cell{style}"/>'
        )
        middle = f'x="{x + width / 2:g}" y="{y + height / 2:g}"'
        front.append(f'<text {middle} class="cv-text{style}">{text}</text>')
        if "cv-unread" in style:
            ends = f'x1="{x + 3}" y1="{y + height - 3}" x2="{x + width - 3}" y2="{y + 3}"'
            front.append(f'<line {ends} class="cv-strike"/>')
    links = [_link(cells, (height, width)) for cells in drawing.links]
    return _frame(drawing, "".join((*back, *links, *front)), rows, columns, (height, width), font)


def _picture(drawing: Drawing) -> str:
    rows, columns = drawing.values.shape
    cell = max(1, _PICTURE_PX // (2 if drawing.small else 1) // max(rows, columns))
    alpha = np.full(drawing.values.shape, 255, dtype=np.uint8)
    for mask, opacity in ((drawing.padded, 150), (drawing.unread, 70), (drawing.faint, 120)):
        if mask is not None:
            alpha[mask] = opacity
    address = data_uri(drawing.values, alpha, drawing.limits or grey_range(drawing.values))
    image = (
        f'<image href="{address}" width="{columns * cell}" height="{rows * cell}" '
        'preserveAspectRatio="none" class="cv-pixels"/>'
    )
    return _frame(drawing, image, rows, columns, (cell, cell), 12)


def _frame(
    drawing: Drawing, content: str, rows: int, columns: int, cell: tuple[int, int], font: float
) -> str:
    height, width = rows * cell[0], columns * cell[1]
    boxes = "".join(
        f'<rect x="{box.column * cell[1]:g}" y="{box.row * cell[0]:g}" width="{box.width * cell[1]:g}" '
        f'height="{box.height * cell[0]:g}" rx="3" class="cv-box {box.style}"/>'
        for box in drawing.boxes
    )
    data = "".join(f' data-{name}="{escape(value)}"' for name, value in drawing.data.items())
    return (
        f'<svg viewBox="-2 -2 {width + 4} {height + 4}" width="{width + 4}" height="{height + 4}" '
        f'role="img" aria-label="{escape(drawing.label)}" data-rows="{rows}" data-columns="{columns}" '
        f'class="cv-matrix" style="font-size:{font:g}px"{data}>{content}{boxes}</svg>'
    )


def _link(cells: tuple[tuple[int, int], ...], size: tuple[int, int]) -> str:
    points = [((column + 0.5) * size[1], (row + 0.5) * size[0]) for row, column in cells]
    rings = "".join(f'<circle cx="{x:g}" cy="{y:g}" r="{size[0] * 0.42:g}"/>' for x, y in points)
    line = " ".join(f"{x:g},{y:g}" for x, y in points)
    return f'<g class="cv-link"><polyline points="{line}"/>{rings}</g>'


def _style(drawing: Drawing, row: int, column: int) -> str:
    named = (
        ("cv-lit", drawing.lit),
        ("cv-padded", drawing.padded),
        ("cv-unread", drawing.unread),
        ("cv-faint", drawing.faint),
    )
    return "".join(f" {name}" for name, mask in named if mask is not None and mask[row, column])


def _cell_size(columns: int, longest: int, small: bool) -> tuple[int, int, float]:
    """Height, width and font size in px: square where the numbers are short, wider where they aren't."""
    side = next(px for limit, px in ((7, 36), (10, 32), (14, 28), (99, 24)) if columns <= limit)
    font = 14.0 if side >= 32 else 12.0
    if small:
        side, font = min(side, 26), 12.0
    width = min(max(side, int(longest * font * 0.62) + 8), 60)
    return side, width, min(font, (width - 6) / (longest * 0.6))


def figure(content: str, caption: str, style: str = "") -> str:
    """A picture with its caption; content and caption are HTML."""
    return f'<figure class="cv-figure {style}">{content}<figcaption>{caption}</figcaption></figure>'


def row_of(figures: Iterable[str], style: str = "") -> str:
    """Figures beside each other, below each other where the page is narrow."""
    return f'<div class="cv-row {style}">{"".join(figures)}</div>'
