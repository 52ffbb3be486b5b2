"""Data and runs in figures and lines of text on paper: for notebooks and what is handed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import nn

from explorer.activations.capture import Activation
from explorer.errors import ExplorerError
from explorer.images.overlay import DIVERGING
from training.config import TrainConfig
from training.data.load import Dataset
from training.report.classes import classes_title
from training.report.inside import MOST_KERNELS
from training.report.paper.figures import COLORS, first_kernels, tile
from training.report.predictions import Mistake
from training.report.spread import spread
from training.report.words import Histories, _by_recipe, _first_weights
from training.results import EpochResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

QUANTITIES = {"accuracy": "accuracy (%)", "loss": "loss", "gap": "training minus test accuracy (points)"}
_COLUMNS = 6
_LONGEST_LABEL = 32


def runs_figure(
    configs: Mapping[str, TrainConfig], histories: Histories, quantities: Sequence[str] = ("accuracy", "loss")
) -> Figure:
    """Test (solid) and training (dashed) of each run over the epochs; of several seeds the mean ± one deviation.

    Args:
        quantities: any of :data:`QUANTITIES`, a pair of axes each.
    """
    from matplotlib.figure import Figure

    # One run needs no name in its legend.
    alone = len(histories) == 1
    figure = Figure(figsize=(5.2 * max(1.25, len(quantities)), 4.0), layout="constrained", facecolor="white")
    groups = _by_recipe(configs, histories)
    panels: Sequence[Axes] = figure.subplots(1, len(quantities), squeeze=False)[0]
    for axes, quantity in zip(panels, quantities, strict=True):
        for place, (title, members) in enumerate(groups.items()):
            named = "" if alone else f"{title}, "
            _draw_group(axes, quantity, named, [histories[m] for m in members], COLORS[place % len(COLORS)])
        _finish(axes, quantity)
    return figure


def classes_figure(epoch: int, shares: Sequence[tuple[str, float]], classes: int) -> Figure:
    """The same as bars, the first class at the top."""
    from matplotlib.figure import Figure

    size = (6.4, 0.9 + 0.28 * len(shares))
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    axes = figure.add_subplot(xlim=(0, 100), xlabel="of the class's test images right (%)")
    rows = range(len(shares))
    bars = axes.barh(rows, [100 * share for _, share in shares], height=0.66, color=COLORS[0])
    axes.bar_label(bars, [f"{share:.0%}" for _, share in shares], padding=3, fontsize=8)
    axes.set_yticks(rows, [_clipped(label) for label, _ in shares], parse_math=False)
    axes.set_ylim(len(shares) - 0.4, -0.6)
    axes.set_title(classes_title(epoch, classes), fontsize=10)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _clipped(label: str) -> str:
    """Longer ones would leave no room for the bars."""
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"


def gallery_figure(images: Mapping[str, NDArray[np.uint8]]) -> Figure:
    """A row of images (n, S, S, 3) for each label."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 0.56 * len(images)), layout="constrained", facecolor="white")
    for row, (label, shown) in enumerate(images.items(), start=1):
        axes = figure.add_subplot(len(images), 1, row, xticks=[], yticks=[])
        axes.imshow(tile(shown, columns=len(shown)))
        axes.set_ylabel(label, rotation=0, ha="right", va="center", parse_math=False)
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


def first_layer_figure(network: nn.Module, activation: Activation) -> Figure:
    """The first convolution's kernels, where they read three colours, and below each its map on a picture."""
    from matplotlib.figure import Figure

    maps = activation.values[:MOST_KERNELS]
    columns = min(len(maps), 8)
    weights = _first_weights(network)
    kinds = 1 if weights is None else 2
    rows = kinds * -(-len(maps) // columns)
    figure = Figure(figsize=(8.0, 8.0 / columns * rows), layout="constrained", facecolor="white")
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.ravel():
        axes.set_axis_off()
    reach = float(np.abs(maps).max()) or 1.0
    for index, values in enumerate(maps):
        row, column = kinds * (index // columns), index % columns
        if weights is not None:
            panels[row][column].imshow(first_kernels(network)[index], interpolation="nearest")
        below = panels[row + kinds - 1][column]
        below.imshow(values, cmap=DIVERGING[0], vmin=-reach, vmax=reach, interpolation="nearest")
    return figure


def _draw_group(
    axes: Axes, quantity: str, named: str, runs: Sequence[Sequence[EpochResult]], color: str
) -> None:
    if quantity == "gap":
        train, test = (spread(runs, f"{part}_accuracy") for part in ("train", "test"))
        gap = 100 * (np.array(train.mean) - np.array(test.mean))
        axes.plot(train.epochs, gap, color=color, marker=".", label=named.rstrip(", ") or "gap")
        return
    scale = 100 if quantity == "accuracy" else 1
    for part, style in (("train", "--"), ("test", "-")):
        found = spread(runs, f"{part}_{quantity}")
        mean, deviation = scale * np.array(found.mean), scale * np.array(found.deviation)
        axes.plot(found.epochs, mean, style, color=color, marker=".", label=f"{named}{part}")
        if found.runs > 1 and part == "test":
            axes.fill_between(found.epochs, mean - deviation, mean + deviation, color=color, alpha=0.2)


def _finish(axes: Axes, quantity: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch")
    axes.set_ylabel(QUANTITIES[quantity])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    for text in axes.legend(frameon=False, fontsize=8).get_texts():
        text.set_parse_math(False)
