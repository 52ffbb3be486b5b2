"""A convolution's windows as figures on paper: what the lab draws on the page, for notebooks and PDFs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.convolution.arithmetic import Convolution, Mask
from explorer.convolution.display import window_at
from explorer.convolution.entry import Cells
from explorer.convolution.palette import LIGHT
from explorer.convolution.pooling import Downsampling
from explorer.convolution.views import (
    CellMark,
    Frame,
    MatrixView,
    downsampling_views,
    input_views,
    kernel_views,
    output_view,
    product_views,
)
from explorer.convolution.words import (
    PRODUCTS_TITLE,
    grey_caption,
    input_title,
    kernel_title,
    output_title,
    way_sizes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_CHANNELS = 3
_CELL_IN, _WIDTH_IN = 0.34, 9.0
_GAP = 0.04  # between a cell and its border, in cells
_PALE = 0.5  # the opacity of numbers that count less
_DASHES = (0, (3, 2))


def window_figure(conv: Convolution, kernel_index: int = 0, row: int = 0, column: int = 0) -> Figure:
    """One window: where it lies on the padded input, its kernel, its products, and the cell that it fills.

    Args:
        conv: the convolution. Of more than three input channels the first three that the kernel reads are drawn.
        kernel_index: which kernel, from 0.
        row, column: the output cell, from 0.

    Raises:
        IndexError: no such window.

    >>> from explorer.convolution.arithmetic import convolve
    >>> [axes.get_title() for axes in window_figure(convolve([[1, 2], [3, 4]], [[1]]), row=1).axes]
    ['Input 2×2', 'Kernel w1', 'Pixel × weight', 'Output of w1, 2×2']
    """
    window = window_at(conv, kernel_index, row, column)
    channels = list(window.channels)[:_MOST_CHANNELS]
    inputs, output = input_views(conv, window), output_view(conv, window)
    kernels, products = kernel_views(window), product_views(window)
    figure, panels = matrix_panels(
        len(channels), [view.values.shape for view in (inputs[0], kernels[0], products[0], output)]
    )
    for number, channel in enumerate(channels):
        first, second, third, last = panels[number]
        # In two lines: beside each other, long titles would run into one another.
        draw_view(first, inputs[channel], input_title(conv, channel).replace(", padded", ",\npadded"))
        draw_view(second, kernels[number], kernel_title(kernel_index))
        draw_view(third, products[number], PRODUCTS_TITLE)
        if number:
            last.set_axis_off()
    draw_view(panels[0][3], output, output_title(conv, kernel_index))
    return figure


def downsampling_figure(ways: Sequence[Downsampling]) -> Figure:
    """Each way to a smaller map: what it keeps of the map at stride 1, and below it what comes out.

    >>> from explorer.convolution.arithmetic import convolve
    >>> from explorer.convolution.pooling import compare_downsampling
    >>> figure = downsampling_figure(compare_downsampling(convolve([[1, 2], [3, 4]], [[1]])))
    >>> [axes.get_title() for axes in figure.axes[3:]]
    ['2×2 → 1×1', '2×2 → 1×1', '2×2 → 1×1']
    """
    figure, panels = matrix_panels(2, [way.before.shape for way in ways], least=4.5)
    for upper, lower, way in zip(*panels, ways, strict=True):
        before, output = downsampling_views(way)
        # In two lines: beside each other, long names would run into one another.
        draw_view(upper, before, way.name.replace(", ", ",\n"))
        draw_view(lower, output, way_sizes(way))
    return figure


def matrix_panels(rows: int, shapes: Sequence[tuple[int, ...]], least: float = 2.5) -> tuple[Figure, Any]:
    """Axes (rows, len(shapes)) side by side, as wide as their matrices have columns, ``least`` for their titles."""
    from matplotlib.figure import Figure

    # A matrix too large for numbers is a picture, of a size of its own.
    widths = [max(least, min(shape[1], 12)) for shape in shapes]
    tallest = max(min(shape[0], 12) for shape in shapes)
    cell = min(_CELL_IN, _WIDTH_IN / (sum(widths) + len(widths)))
    size = ((sum(widths) + len(widths)) * cell, rows * (tallest * cell + 0.45))
    figure = Figure(figsize=size, layout="constrained", facecolor=LIGHT.ground)
    return figure, figure.subplots(rows, len(shapes), squeeze=False, width_ratios=widths)


def draw_view(axes: Axes, view: MatrixView, title: str) -> None:
    """A matrix's cells with their numbers, marked as on the page; a grey picture where there are too many."""
    rows, columns = view.values.shape
    if view.as_picture:
        _prepare(axes, title)
        low, high = view.grey_limits
        alpha = view.opacity / 255
        axes.imshow(view.values, cmap="gray", vmin=low, vmax=high, interpolation="nearest", alpha=alpha)
        axes.set_xlabel(grey_caption(view), fontsize=6.5, color=LIGHT.ink)
    else:
        marks = [[view.marks(row, column) for column in range(columns)] for row in range(rows)]
        colours = [[_colour(cell) for cell in row] for row in marks]
        draw_cells(axes, view.texts, title, colours, bold=view.lit)
        _mark_cells(axes, marks)
    for frame in view.frames:
        _frame(axes, frame)


def draw_cells(
    axes: Axes, texts: Cells, title: str, colours: Sequence[Sequence[str]], bold: Mask | None = None
) -> None:
    """Cells with their texts, each on its colour.

    Args:
        texts: (rows, columns), the colours as many.
        bold: (rows, columns), True where a text is bold.
    """
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    rows, columns = len(colours), len(colours[0])
    _prepare(axes, title)
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_aspect("equal")
    axes.spines[:].set_visible(False)
    cells = list(np.ndindex(rows, columns))
    side = 1 - 2 * _GAP
    boxes = [Rectangle((column - side / 2, row - side / 2), side, side) for row, column in cells]
    filled = [colours[row][column] for row, column in cells]
    axes.add_collection(
        PatchCollection(boxes, facecolors=filled, edgecolors=LIGHT.line, linewidths=0.6, clip_on=False)
    )
    font = 8 if max(rows, columns) <= 10 else 5.5
    for row, column in cells:
        # parse_math: a text as it is, also one that somebody typed.
        axes.text(
            *(column, row, texts[row][column]),
            ha="center",
            va="center",
            fontsize=font,
            color=LIGHT.ink,
            fontweight="bold" if bold is not None and bold[row, column] else "normal",
            parse_math=False,
        )


def _prepare(axes: Axes, title: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize=8, color=LIGHT.ink)


def _colour(marks: tuple[CellMark, ...]) -> str:
    """A cell's ground, as the page's style sheet has it."""
    if "faint" in marks:
        return LIGHT.ground
    if "unread" in marks:
        return LIGHT.unread
    if "padded" in marks:
        return LIGHT.lit_padding if "lit" in marks else LIGHT.ground
    return LIGHT.lit if "lit" in marks else LIGHT.cell


def _mark_cells(axes: Axes, marks: Sequence[Sequence[tuple[CellMark, ...]]]) -> None:
    """Dashes around the padding, pale numbers where they count less, a stroke through what no window reads."""
    from matplotlib.collections import LineCollection

    (boxes,) = axes.collections
    flat = [cell for row in marks for cell in row]
    boxes.set_linestyle([_DASHES if "padded" in cell else "solid" for cell in flat])
    for text, cell in zip(axes.texts, flat, strict=True):
        if cell and "lit" not in cell:
            text.set_alpha(_PALE)
    columns = len(marks[0])
    reach = 0.4
    strokes = []
    for index, cell in enumerate(flat):
        if "unread" in cell:
            row, column = divmod(index, columns)
            strokes.append([(column - reach, row + reach), (column + reach, row - reach)])
    if strokes:
        axes.add_collection(LineCollection(strokes, colors=LIGHT.ink, linewidths=0.6, alpha=0.4))


def _frame(axes: Axes, frame: Frame) -> None:
    from matplotlib.patches import Rectangle

    own = frame.kind != "input"
    axes.add_patch(
        Rectangle(
            (frame.column - 0.5, frame.row - 0.5),
            frame.width,
            frame.height,
            fill=False,
            edgecolor=LIGHT.accent if own else LIGHT.ink,
            linewidth=2 if own else 0.8,
            linestyle=_DASHES if frame.kind == "spread" else "solid",
            alpha=1 if own else 0.45,
            clip_on=False,
        )
    )
