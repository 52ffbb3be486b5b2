"""A convolution's windows as figures on paper: what the lab draws on the page, for notebooks and PDFs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.convolution.arithmetic import Convolution, Floats, Mask
from explorer.convolution.display import MOST_TEXT_CELLS, grey_range, kernel_name, size_text, window_at
from explorer.convolution.entry import Cells, format_number
from explorer.convolution.pooling import Downsampling

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACCENT, INK, LINE = "#0f766e", "#1f2937", "#cbd5e1"
_LIT, _PLAIN, _FAINT = (0.78, 0.90, 0.88), (0.96, 0.97, 0.98), (1.0, 1.0, 1.0)
_MOST_CHANNELS = 3
_CELL_IN, _WIDTH_IN = 0.34, 9.0


def window_figure(conv: Convolution, kernel_index: int = 0, row: int = 0, column: int = 0) -> Figure:
    """One window: where it lies on the padded input, its kernel, its products, and the cell that it fills.

    Of more than three input channels the first three that the kernel reads are drawn. Rows and columns count
    from 0.

    Raises:
        IndexError: no such window.
    """
    window = window_at(conv, kernel_index, row, column)
    channels = list(window.channels)[:_MOST_CHANNELS]
    kernels, products = (v.reshape(-1, *v.shape[-2:]) for v in (window.kernel, window.products))
    output = conv.maps[kernel_index]
    figure, panels = matrix_panels(
        len(channels), [conv.padded[0].shape, kernels[0].shape, kernels[0].shape, output.shape]
    )
    taps = _taps(window.rows, window.columns, conv)
    for number, channel in enumerate(channels):
        several = f", channel {channel + 1}" if len(conv.channels) > 1 else ""
        padded = f", padded to {size_text(conv.padded)}" if any(conv.padding) else ""
        first, second, third, last = panels[number]
        draw_values(
            first, conv.padded[channel], f"Input {size_text(conv.channels)}{padded}{several}", lit=taps
        )
        _frame(first, taps)
        draw_values(second, kernels[number], f"Kernel {kernel_name(kernel_index)}")
        draw_values(third, products[number], "Pixel × weight", lit=products[number] != 0)
        if number:
            last.set_axis_off()
    now = np.zeros(output.shape, dtype=bool)
    now[row, column] = True
    draw_values(panels[0][3], output, f"Output {size_text(output)}", lit=now)
    _frame(panels[0][3], now)
    return figure


def downsampling_figure(ways: Sequence[Downsampling]) -> Figure:
    """Each way to a smaller map: what it keeps of the map at stride 1, and below it what comes out."""
    figure, panels = matrix_panels(2, [way.before.shape for way in ways], least=4.5)
    for upper, lower, way in zip(*panels, ways, strict=True):
        # In two lines: beside each other, long names would run into one another.
        draw_values(upper, way.before, way.name.replace(", ", ",\n"), lit=way.kept)
        draw_values(lower, way.output, f"→ {size_text(way.output)}", limits=grey_range(way.before))
    return figure


def matrix_panels(rows: int, shapes: Sequence[tuple[int, ...]], least: float = 2.5) -> tuple[Figure, Any]:
    """Axes (rows, len(shapes)) side by side, as wide as their matrices have columns, ``least`` for their titles."""
    from matplotlib.figure import Figure

    # A matrix too large for numbers is a picture, of a size of its own.
    widths = [max(least, min(shape[1], 12)) for shape in shapes]
    tallest = max(min(shape[0], 12) for shape in shapes)
    cell = min(_CELL_IN, _WIDTH_IN / (sum(widths) + len(widths)))
    size = ((sum(widths) + len(widths)) * cell, rows * (tallest * cell + 0.45))
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    return figure, figure.subplots(rows, len(shapes), squeeze=False, width_ratios=widths)


def draw_values(
    axes: Axes,
    values: Floats,
    title: str,
    *,
    lit: Mask | None = None,
    limits: tuple[float, float] | None = None,
) -> None:
    """A matrix's cells with their numbers, the ``lit`` ones tinted; a grey picture where there are too many."""
    if values.size > MOST_TEXT_CELLS:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(title, fontsize=8, color=INK)
        low, high = limits or grey_range(values)
        axes.imshow(values, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        return
    tint = np.empty((*values.shape, 3))
    tint[...] = _FAINT if lit is not None else _PLAIN
    if lit is not None:
        tint[lit] = _LIT
    texts = [[format_number(float(value), 2) for value in row] for row in values]
    draw_cells(axes, texts, title, tint, lit)


def draw_cells(axes: Axes, texts: Cells, title: str, tint: Floats, bold: Mask | None = None) -> None:
    """Cells with their texts on colours (rows, columns, 3) in [0, 1]."""
    rows, columns = tint.shape[:2]
    axes.set_title(title, fontsize=8, color=INK)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.imshow(tint, interpolation="nearest")
    for edge in range(rows + 1):
        axes.axhline(edge - 0.5, color=LINE, linewidth=0.6, clip_on=False)
    for edge in range(columns + 1):
        axes.axvline(edge - 0.5, color=LINE, linewidth=0.6, clip_on=False)
    font = 8 if max(rows, columns) <= 10 else 5.5
    for row, column in np.ndindex(rows, columns):
        weight = "bold" if bold is not None and bold[row, column] else "normal"
        # parse_math: a text as it is, also one that somebody typed.
        axes.text(
            *(column, row, texts[row][column]),
            ha="center",
            va="center",
            fontsize=font,
            color=INK,
            fontweight=weight,
            parse_math=False,
        )
    axes.spines[:].set_visible(False)


def _taps(rows: Sequence[int], columns: Sequence[int], conv: Convolution) -> Mask:
    """(padded height, padded width): True under the window's weights."""
    lit = np.zeros(conv.padded.shape[1:], dtype=bool)
    lit[np.ix_(np.array(rows) + conv.padding[0], np.array(columns) + conv.padding[1])] = True
    return lit


def _frame(axes: Axes, lit: Mask) -> None:
    """An outline around all cells that are lit."""
    from matplotlib.patches import Rectangle

    (top, left), (bottom, right) = np.argwhere(lit).min(axis=0), np.argwhere(lit).max(axis=0)
    corner, width, height = (left - 0.5, top - 0.5), right - left + 1, bottom - top + 1
    axes.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=ACCENT, linewidth=2, clip_on=False))
