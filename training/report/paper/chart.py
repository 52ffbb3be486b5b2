"""Curves over epochs with matplotlib: the same lines, limits and ticks as on screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from training.report.chart import EPOCH_LABEL, Chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, INK_ON_DARK = "#1f2937", "#e5e7eb"
_HEIGHT_IN = 3.75
_LEGEND_PT = 8.0


def charts_figure(charts: Sequence[Chart], width_in: float, *, ink: str = INK, background: str) -> Figure:
    """Charts beside each other, each as high as the others whatever its legend takes below it.

    Args:
        width_in: of the whole figure, in inches.
        ink: for all that is no curve.
        background: what lies below, ``"none"`` for nothing.
    """
    from matplotlib.figure import Figure

    each = width_in / len(charts)
    rows = max(-(-len(chart.curves) // _columns(chart, each)) for chart in charts)
    height = _HEIGHT_IN + 1.55 * _LEGEND_PT * rows / 72
    figure = Figure(figsize=(width_in, height), layout="constrained", facecolor=background)
    panels = figure.subplots(1, len(charts), squeeze=False)[0]
    for axes, chart in zip(panels, charts, strict=True):
        axes.set_facecolor(background)
        draw_chart(axes, chart, ink, legend_columns=_columns(chart, each))
    return figure


def _columns(chart: Chart, width_in: float) -> int:
    """Columns of the legend: all names in one row, or each run's two below each other, or one name a row."""
    longest = max((len(curve.name) for curve in chart.curves), default=0)
    # A letter is some 0.6 of its size wide; before each name stands a piece of its line.
    fit = int(width_in * 72 / (0.6 * _LEGEND_PT * (longest + 7)))
    count = len(chart.curves)
    return next((columns for columns in (count, count // 2) if 0 < columns <= fit), 1)


def draw_chart(axes: Axes, chart: Chart, ink: str = INK, *, legend_columns: int = 1) -> None:
    """Draw a chart on a pair of axes, its legend below it: ``ink`` for all that is no curve."""
    times = chart.axes.times
    for curve in chart.curves:
        spots = chart.spots(curve)
        epochs = [spot.epoch for spot in spots]
        axes.plot(
            epochs,
            [times * spot.middle for spot in spots],
            linestyle="--" if curve.dashed else "-",
            color=curve.colour,
            marker=".",
            label=curve.name,
            clip_on=False,  # points lie on the edges, too
            zorder=3,
        )
        if curve.band:
            lower, upper = [times * spot.lower for spot in spots], [times * spot.upper for spot in spots]
            axes.fill_between(epochs, lower, upper, color=curve.colour, alpha=0.18, linewidth=0)
    axes.set_xlim(*chart.epochs)
    axes.set_ylim(*(times * end for end in chart.limits))
    axes.set_xticks(chart.epoch_ticks)
    axes.set_yticks([times * tick for tick in chart.ticks], chart.tick_texts)
    axes.set_xlabel(EPOCH_LABEL, color=ink)
    axes.set_ylabel(chart.axes.label, color=ink)
    axes.grid(axis="y", alpha=0.25)
    colour_ink(axes, ink)
    legend = axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.14),
        ncols=legend_columns,
        frameon=False,
        fontsize=_LEGEND_PT,
        labelcolor=ink,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def colour_ink(axes: Axes, ink: str) -> None:
    """Ticks, words and the left and lower edge in ``ink``; the other edges go."""
    axes.tick_params(colors=ink)
    axes.spines[:].set_color(ink)
    axes.spines[["top", "right"]].set_visible(False)
