"""An exercise on paper, with an answer and its marks where there are some: for notebooks and PDFs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from explorer.convolution.arithmetic import Floats
from explorer.convolution.display import MOST_TEXT_CELLS, size_text
from explorer.convolution.entry import Cells, format_number
from explorer.convolution.paper import draw_cells, draw_values, matrix_panels
from explorer.practice.exercises import Exercise, mark

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# As on screen: green and red that differ in lightness too. The words beside the figure name every mistake.
_TINTS = {
    "right": (0.74, 0.89, 0.80),
    "wrong": (0.97, 0.80, 0.80),
    "unreadable": (0.97, 0.80, 0.80),
    "empty": (1.0, 1.0, 1.0),
}
_LONGEST = 5  # characters that fit into a cell


def exercise_figure(exercise: Exercise, answer: Cells | None = None, *, marked: bool = False) -> Figure:
    """Input, kernel and the cells to fill in, for each channel a row.

    Args:
        answer: what was typed, in the solution's rows and columns; None for cells that are still empty.
        marked: right cells green; wrong ones red and bold.

    Raises:
        ExplorerError: an answer of another shape.
    """
    conv, (rows, columns) = exercise.convolution, exercise.solution.shape
    given = [[""] * columns for _ in range(rows)] if answer is None else [list(row) for row in answer]
    marking = mark(exercise, given)
    figure, panels = matrix_panels(
        len(conv.channels), [conv.channels[0].shape, conv.kernels.shape[-2:], (rows, columns)]
    )
    bias = format_number(float(conv.bias[0]))
    for number, (first, second, last) in enumerate(panels):
        several = f", channel {number + 1}" if len(conv.channels) > 1 else ""
        draw_values(first, conv.channels[number], f"Input {size_text(conv.channels)}{several}")
        added = "" if number else f"\nbias {bias}"
        draw_values(second, conv.kernels[0, number], f"Kernel{several}{added}")
        if number:
            last.set_axis_off()
    verdicts = [[cell.verdict if marked else "empty" for cell in row] for row in marking.grid]
    tint: Floats = np.array([[_TINTS[verdict] for verdict in row] for row in verdicts])
    wrong = np.array([[verdict in ("wrong", "unreadable") for verdict in row] for row in verdicts])
    texts = [[_cell(entry) if rows * columns <= MOST_TEXT_CELLS else "" for entry in row] for row in given]
    score = f"\n{marking.right} of {marking.total} right" if marked else ""
    draw_cells(panels[0][2], texts, f"Answer {rows}×{columns}{score}", tint, wrong)
    return figure


def _cell(entry: str) -> str:
    text = entry.strip()
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
