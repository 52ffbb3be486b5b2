"""What a network gets wrong, on paper: the confusion matrix, and images with what they were taken for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.errors import ExplorerError
from training.data.load import Dataset
from training.report.matrix import DEEPEST, TAKEN_FOR, TINT, TRUE, Matrix
from training.report.paper.chart import INK, INK_ON_DARK, colour_ink
from training.report.predictions import Mistake

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 6


def confusion_figure(counts: NDArray[np.int64], labels: Sequence[str], *, dark: bool = False) -> Figure:
    """Confusion matrix in percent of each true class (row), tinted by the root of it; up to 20 classes with numbers.

    Args:
        counts: (n, n), how often class [row] was taken for class [column].
        dark: light ink for a dark page; what lies below shows through.
    """
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm, to_rgba
    from matplotlib.figure import Figure

    matrix, ink = Matrix(tuple(labels), counts), INK_ON_DARK if dark else INK
    figure = Figure(figsize=(6.4, 5.6), layout="constrained", facecolor="none")
    axes = figure.add_subplot(facecolor="none", xlabel=TAKEN_FOR, ylabel=TRUE)
    # As a map of numbers, so that a scale can stand beside it; the norm is the root of Matrix.tints.
    tint = LinearSegmentedColormap.from_list("tint", [to_rgba(TINT, 0), to_rgba(TINT, DEEPEST)])
    axes.imshow(100 * matrix.shares, cmap=tint, norm=PowerNorm(0.5, 0, 100), interpolation="nearest")
    places = range(len(matrix.names))
    # The names of folders are no formulas, whatever dollar signs they hold.
    axes.set_xticks(places, matrix.names, rotation=45, ha="right", parse_math=False)
    axes.set_yticks(places, matrix.names, parse_math=False)
    for row, column in np.ndindex(*counts.shape):
        if number := matrix.number(row, column):
            axes.text(column, row, number, ha="center", va="center", color=ink, fontsize=8)
    colour_ink(axes, ink)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(ink)
    return figure


def mistakes_figure(mistakes: Sequence[Mistake], labels: Sequence[str], data: Dataset) -> Figure:
    """The images with what they are, and in bold what they were taken for; raises ExplorerError without any."""
    from matplotlib.figure import Figure

    if not mistakes:
        raise ExplorerError("no images", "can't be drawn", "choose a cell of the matrix that has some")
    rows = -(-len(mistakes) // _COLUMNS)
    figure = Figure(figsize=(8.0, 1.72 * rows), layout="constrained", facecolor="white")
    panels = figure.subplots(rows, _COLUMNS, squeeze=False, subplot_kw={"xticks": [], "yticks": []}).ravel()
    for axes, m in zip(panels, mistakes, strict=False):
        axes.imshow(np.asarray(data.test_images[m.index]), interpolation="nearest")
        axes.spines[:].set_visible(False)
        truth = f"{labels[m.true_class]} {m.true_probability:.1%}"
        axes.set_title(truth, fontsize=7, pad=2, parse_math=False)
        taken_for = f"{labels[m.predicted_class]} {m.probability:.1%}"
        axes.set_xlabel(taken_for, fontsize=7, fontweight="bold", labelpad=2, parse_math=False)
    for axes in panels[len(mistakes) :]:
        axes.set_axis_off()
    return figure
