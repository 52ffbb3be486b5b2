"""An exercise on paper, with an answer and its marks where there are some: for notebooks and PDFs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from explorer.convolution.display import MOST_TEXT_CELLS
from explorer.convolution.entry import Cells
from explorer.convolution.palette import LIGHT
from explorer.convolution.paper import draw_cells, draw_view, matrix_panels
from explorer.convolution.views import MatrixView
from explorer.practice.exercises import Exercise, Verdict, mark_exercise
from explorer.practice.words import answer_title, bias_text, given_matrices, score_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS: dict[Verdict, str] = {
    "right": LIGHT.right,
    "wrong": LIGHT.wrong,
    "unreadable": LIGHT.wrong,
    "empty": LIGHT.ground,
}
_LONGEST = 5  # characters that fit into a cell
_LEAST_COLUMNS = 3.5  # that a title has room for


def exercise_figure(exercise: Exercise, answer: Cells | None = None, *, marked: bool = False) -> Figure:
    """Input, kernel and the cells to fill in, for each channel a row.

    Args:
        exercise: from :func:`~explorer.make_exercise`.
        answer: what was typed, in the solution's rows and columns; None for cells that are still empty.
        marked: right cells green; wrong ones red and bold.

    Raises:
        ExplorerError: an answer of another shape.

    >>> from explorer.practice.exercises import make_exercise
    >>> figure = exercise_figure(make_exercise(asked="size"), [["3", "5"]], marked=True)
    >>> figure.axes[-1].get_title()
    'Answer 1×2\\n1 of 2 cells right'
    """
    conv, (rows, columns) = exercise.convolution, exercise.solution.shape
    given = [[""] * columns for _ in range(rows)] if answer is None else [list(row) for row in answer]
    marking = mark_exercise(exercise, given)
    channels, shapes = len(conv.channels), (conv.channels[0].shape, conv.kernels.shape[-2:], (rows, columns))
    figure, panels = matrix_panels(channels, shapes, least=_LEAST_COLUMNS)
    matrices = given_matrices(exercise)
    for row, (first, second, last) in enumerate(panels):
        (input_name, plane), (kernel_name, weights) = matrices[row], matrices[channels + row]
        draw_view(first, MatrixView(plane, input_name), input_name)
        added = "" if row else f",\n{bias_text(exercise)}"
        draw_view(second, MatrixView(weights, kernel_name), f"{kernel_name}{added}")
        if row:
            last.set_axis_off()
    verdicts: list[list[Verdict]] = [
        [cell.verdict if marked else "empty" for cell in line] for line in marking.grid
    ]
    wrong = np.array([[verdict in ("wrong", "unreadable") for verdict in line] for line in verdicts])
    texts = [[_cell(entry) if rows * columns <= MOST_TEXT_CELLS else "" for entry in line] for line in given]
    title = answer_title(exercise) + (f"\n{score_text(marking)}" if marked else "")
    colours = [[_COLOURS[verdict] for verdict in line] for line in verdicts]
    draw_cells(panels[0][2], texts, title, colours, bold=wrong)
    return figure


def _cell(entry: str) -> str:
    text = entry.strip()
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
