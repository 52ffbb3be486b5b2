"""A matrix as SVG: cells with their numbers, or one picture where there would be too many to read.

Colours are CSS classes and ``currentColor``, so that the drawing follows the page, light or dark.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from functools import lru_cache

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from explorer.convolution.arithmetic import Floats
from explorer.convolution.views import CellMark, Frame, FrameKind, MatrixView

_PICTURE_PX = 320
_FRAMES: dict[FrameKind, str] = {"window": "cv-window", "spread": "cv-window cv-spread", "input": "cv-true"}


def draw_matrix(
    view: MatrixView, *, hint: str = "", data: Mapping[str, str] | None = None, small: bool = False
) -> Markup:
    """The SVG of one matrix.

    Args:
        view: what is drawn.
        hint: what can be done with it, said behind its label.
        data: ``data-*`` attributes for the page's script, by their names.
        small: smaller cells, for several matrices beside each other.
    """
    content, cell, font = _picture(view, small) if view.as_picture else _cells(view, small)
    rows, columns = view.values.shape
    height, width = rows * cell[0], columns * cell[1]
    named = Markup("").join(
        Markup(' data-{}="{}"').format(name, value) for name, value in (data or {}).items()
    )
    return Markup(
        '<svg viewBox="-2 -2 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{label}" '
        'data-rows="{rows}" data-columns="{columns}" class="cv-matrix" style="font-size:{font:g}px"{data}>'
        "{content}{frames}</svg>"
    ).format(
        width=width + 4,
        height=height + 4,
        label=f"{view.label}; {hint}" if hint else view.label,
        rows=rows,
        columns=columns,
        font=font,
        data=named,
        content=content,
        frames=Markup("").join(_framed(frame, cell) for frame in view.frames),
    )


def figure(content: str, caption: str, style: str = "") -> Markup:
    """A picture with its caption. Both may be markup; plain text is escaped."""
    return Markup('<figure class="cv-figure {}">{}<figcaption>{}</figcaption></figure>').format(
        style, content, caption
    )


def row_of(figures: Iterable[str], style: str = "") -> Markup:
    """Figures beside each other, below each other where the page is narrow."""
    return Markup('<div class="cv-row {}">{}</div>').format(style, Markup("").join(figures))


def stack_channels(drawings: list[Markup]) -> Markup:
    """The drawings of several channels with their numbers; a single one stays alone."""
    if len(drawings) == 1:
        return drawings[0]
    titled = [(f"channel {number}", drawing) for number, drawing in enumerate(drawings, start=1)]
    return Markup('<div class="cv-stack">{}</div>').format(titled_parts(titled))


def titled_parts(parts: Iterable[tuple[str, str]]) -> Markup:
    """(title, drawing) each, one after the other."""
    part = Markup('<div class="cv-part"><span>{}</span>{}</div>')
    return Markup("").join(part.format(title, drawing) for title, drawing in parts)


def cell_style(marks: Iterable[CellMark]) -> str:
    """The classes of a cell, each with a blank before it."""
    return "".join(f" cv-{mark}" for mark in marks)


def cell_box(x: float, y: float, width: float, height: float, style: str) -> Markup:
    """A cell without its number: its upper left corner and its size in px, with the gap to its neighbours."""
    return Markup('<rect x="{:g}" y="{:g}" width="{:g}" height="{:g}" rx="3" class="cv-cell{}"/>').format(
        x + 1, y + 1, width - 2, height - 2, style
    )


def cell_text(x: float, y: float, text: str, style: str) -> Markup:
    """A text centred on a place, in px."""
    return Markup('<text x="{:g}" y="{:g}" class="cv-text{}">{}</text>').format(x, y, style, text)


def _cells(view: MatrixView, small: bool) -> tuple[Markup, tuple[int, int], float]:
    """The cells, their height and width, and the size of their numbers, all in px."""
    columns, texts = view.values.shape[1], view.texts
    longest = max(len(text) for line in texts for text in line)
    height, width, font = _cell_size(columns, longest, small)
    back, front = [], []
    for row, line in enumerate(texts):
        marks = tuple(view.marks(row, column) for column in range(columns))
        boxes, numbers = _row(row * height, (height, width), tuple(line), marks)
        back.append(boxes)
        front.append(numbers)
    links = [_link(cells, (height, width)) for cells in view.links]
    return Markup("").join((*back, *links, *front)), (height, width), font


# Most of a step's drawing is that of the step before: the same rows with the same numbers.
@lru_cache(maxsize=256)
def _row(
    y: int, size: tuple[int, int], texts: tuple[str, ...], marks: tuple[tuple[CellMark, ...], ...]
) -> tuple[Markup, Markup]:
    """The boxes of a row of cells, and what is written in them."""
    height, width = size
    boxes, numbers = [], []
    for column, (text, marked) in enumerate(zip(texts, marks, strict=True)):
        style, x = cell_style(marked), column * width
        boxes.append(cell_box(x, y, width, height, style))
        numbers.append(cell_text(x + width / 2, y + height / 2, text, style))
        if "unread" in marked:
            line = Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" class="cv-strike"/>')
            numbers.append(line.format(x + 3, y + height - 3, x + width - 3, y + 3))
    return Markup("").join(boxes), Markup("").join(numbers)


def _picture(view: MatrixView, small: bool) -> tuple[Markup, tuple[int, int], float]:
    rows, columns = view.values.shape
    cell = max(1, _PICTURE_PX // (2 if small else 1) // max(rows, columns))
    image = Markup(
        '<image href="{}" width="{}" height="{}" preserveAspectRatio="none" class="cv-pixels"/>'
    ).format(_data_uri(view.values, view.opacity, view.grey_limits), columns * cell, rows * cell)
    return image, (cell, cell), 12


def _data_uri(values: Floats, opacity: NDArray[np.uint8], limits: tuple[float, float]) -> str:
    """A grey PNG of (H, W) values, black at the lower limit and white at the upper, as a data: address."""
    low, high = limits
    grey = np.clip(np.round((values - low) / (high - low) * 255), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(np.stack([grey, opacity], axis=-1), "LA").save(file, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _framed(frame: Frame, cell: tuple[int, int]) -> Markup:
    return Markup('<rect x="{}" y="{}" width="{}" height="{}" rx="3" class="cv-box {}"/>').format(
        frame.column * cell[1],
        frame.row * cell[0],
        frame.width * cell[1],
        frame.height * cell[0],
        _FRAMES[frame.kind],
    )


def _link(cells: tuple[tuple[int, int], ...], size: tuple[int, int]) -> Markup:
    points = [((column + 0.5) * size[1], (row + 0.5) * size[0]) for row, column in cells]
    ring = Markup('<circle cx="{:g}" cy="{:g}" r="{:g}"/>')
    rings = Markup("").join(ring.format(x, y, size[0] * 0.42) for x, y in points)
    line = " ".join(f"{x:g},{y:g}" for x, y in points)
    return Markup('<g class="cv-link"><polyline points="{}"/>{}</g>').format(line, rings)


def _cell_size(columns: int, longest: int, small: bool) -> tuple[int, int, float]:
    """Height, width and font size in px: square where the numbers are short, wider where they aren't."""
    side = next(px for limit, px in ((7, 36), (10, 32), (14, 28), (99, 24)) if columns <= limit)
    font = 14.0 if side >= 32 else 12.0
    if small:
        side, font = min(side, 26), 12.0
    width = min(max(side, int(longest * font * 0.62) + 8), 60)
    return side, width, min(font, (width - 6) / (longest * 0.6))
