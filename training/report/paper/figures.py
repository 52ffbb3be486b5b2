"""Pictures of data and runs: arrays where pixels matter, matplotlib figures where axes do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import nn

from explorer.errors import ExplorerError
from training.report.spread import Spread
from training.results import EpochResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Image = NDArray[np.uint8]
LIGHT_INK, DARK_INK = "#1f2937", "#e5e7eb"
# Okabe and Ito (2008): told apart with every common colour blindness, and on white as on black.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def tile(
    images: Sequence[Image] | Image, columns: int, gap_px: int = 2, scale: int = 1, fill: int = 255
) -> Image:
    """Equally large images (n, S, S, 3) in rows of ``columns``, enlarged pixel by pixel by ``scale``."""
    count, size = len(images), images[0].shape[0]
    rows, step = -(-count // columns), size * scale + gap_px
    sheet = np.full((rows * step - gap_px, columns * step - gap_px, 3), fill, np.uint8)
    for index, image in enumerate(images):
        y, x = index // columns * step, index % columns * step
        sheet[y : y + size * scale, x : x + size * scale] = image.repeat(scale, 0).repeat(scale, 1)
    return sheet


def first_kernels(network: nn.Module, largest: float | None = None) -> Image:
    """The first convolution's kernels as images (n, k, k, 3): grey is 0, brighter positive, darker negative.

    All share one scale: ``largest`` absolute weight (default: the largest here) is black or white.
    Hold it fixed to compare epochs.
    """
    convolution = next(
        (m for m in network.modules() if isinstance(m, nn.Conv2d) and m.in_channels == 3), None
    )
    if convolution is None:
        raise ExplorerError("the network", "has no convolution over three colours", "choose one that has")
    weights = convolution.weight.detach().cpu().permute(0, 2, 3, 1).numpy()
    scale = largest or float(np.abs(weights).max()) or 1.0
    return (127.5 + 127.5 * (weights / scale).clip(-1, 1)).round().astype(np.uint8)


def accuracy_figure(histories: Mapping[str, Sequence[EpochResult]], *, dark: bool = False) -> Figure:
    """Train (dashed) and test accuracy in percent over the epochs, a colour for each run."""
    figure, axes = _blank(dark)
    for number, (name, history) in enumerate(histories.items()):
        epochs = [result.epoch for result in history]
        color = COLORS[number % len(COLORS)]
        for kind, style in (("train", "--"), ("test", "-")):
            values = [100 * getattr(result, f"{kind}_accuracy") for result in history]
            axes.plot(epochs, values, style, color=color, marker=".", label=f"{name}, {kind}")
    return _finish(figure, axes, "accuracy (%)", dark)


def spread_figure(
    spreads: Mapping[str, Spread], what: str = "test accuracy", *, dark: bool = False
) -> Figure:
    """Mean over seeds in percent, with a band of one standard deviation to each side."""
    figure, axes = _blank(dark)
    for number, (name, curve) in enumerate(spreads.items()):
        color = COLORS[number % len(COLORS)]
        mean, deviation = 100 * np.array(curve.mean), 100 * np.array(curve.deviation)
        axes.plot(curve.epochs, mean, color=color, marker=".", label=f"{name} ({curve.runs} runs)")
        axes.fill_between(curve.epochs, mean - deviation, mean + deviation, color=color, alpha=0.2)
    return _finish(figure, axes, f"{what} (%)", dark)


def confusion_figure(matrix: NDArray[np.int64], labels: Sequence[str], *, dark: bool = False) -> Figure:
    """Confusion matrix in percent of each true class (row), with its numbers."""
    figure, axes = _blank(dark, size=(6.4, 5.6))
    share = 100 * matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    ticks = range(len(labels))
    # The names of folders are no formulas, whatever dollar signs they hold.
    axes.set_xticks(ticks, labels, rotation=45, ha="right", parse_math=False)
    axes.set_yticks(ticks, labels, parse_math=False)
    if len(labels) <= 20:
        for row in ticks:
            for column in ticks:
                ink = "white" if share[row, column] > 50 else "black"
                axes.text(
                    column, row, f"{share[row, column]:.0f}", ha="center", va="center", color=ink, fontsize=8
                )
    axes.set_xlabel("taken for")
    axes.set_ylabel("true class (rows sum to 100 %)")
    return figure


def _blank(dark: bool, size: tuple[float, float] = (6.4, 4.0)) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained", facecolor="none")
    axes = figure.add_subplot(facecolor="none")
    ink = DARK_INK if dark else LIGHT_INK
    axes.tick_params(colors=ink)
    axes.xaxis.label.set_color(ink)
    axes.yaxis.label.set_color(ink)
    for side, spine in axes.spines.items():
        spine.set_color(ink)
        spine.set_visible(side in ("left", "bottom"))
    return figure, axes


def _finish(figure: Figure, axes: Axes, what: str, dark: bool) -> Figure:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch")
    axes.set_ylabel(what)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    legend = axes.legend(frameon=False, labelcolor=DARK_INK if dark else LIGHT_INK)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure
