"""Runs on paper: their curves over the epochs, and how one does on each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from training.config import TrainConfig
from training.report.classes import LONG, classes_title, short_name
from training.report.colours import run_colour
from training.report.comparison import group_recorded
from training.report.curves import Quantity, compared_chart, histories_chart
from training.report.paper.chart import INK, INK_ON_DARK, charts_figure
from training.results import EpochResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Histories = Mapping[str, Sequence[EpochResult]]


def accuracy_figure(histories: Histories, *, dark: bool = False) -> Figure:
    """Train (dashed) and test accuracy in percent over the epochs, a colour for each run.

    Args:
        dark: light ink for a dark page; what lies below shows through.
    """
    ink = INK_ON_DARK if dark else INK
    return charts_figure([histories_chart(histories)], 6.4, ink=ink, background="none")


def runs_figure(
    configs: Mapping[str, TrainConfig],
    histories: Histories,
    quantities: Sequence[Quantity] = ("accuracy", "loss"),
) -> Figure:
    """Test (solid) and training (dashed) of each run over the epochs; of several seeds the mean ± one deviation.

    Args:
        quantities: any of ``"accuracy"``, ``"loss"`` and ``"gap"``, a pair of axes each.
    """
    groups = group_recorded(configs, histories)
    charts = [compared_chart(groups, quantity) for quantity in quantities]
    return charts_figure(charts, 5.2 * max(1.25, len(charts)), background="white")


def classes_figure(epoch: int, shares: Sequence[tuple[str, float]], classes: int) -> Figure:
    """The test accuracy of each class after an epoch as bars, the first class at the top.

    Args:
        shares: (label, accuracy in [0, 1]), as :func:`training.class_shares` picks them.
        classes: of how many classes they are.
    """
    from matplotlib.figure import Figure

    size = (6.4, 0.9 + 0.28 * len(shares))
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    axes = figure.add_subplot(xlim=(0, 100), xlabel="of the class's test images right (%)")
    rows = range(len(shares))
    bars = axes.barh(rows, [100 * share for _, share in shares], height=0.66, color=run_colour(0))
    axes.bar_label(bars, [f"{share:.0%}" for _, share in shares], padding=3, fontsize=8)
    axes.set_yticks(rows, [short_name(label, LONG) for label, _ in shares], parse_math=False)
    axes.set_ylim(len(shares) - 0.4, -0.6)
    axes.set_title(classes_title(epoch, classes), fontsize=10)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
