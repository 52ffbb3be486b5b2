"""How a network forms, on paper: its first layer, and one picture over the epochs of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from explorer.activations.capture import Activation
from explorer.images.overlay import DIVERGING, colourise
from training.report.classes import short_name
from training.report.inside import (
    MOST_KERNELS,
    Pixels,
    Scales,
    Snapshot,
    first_weights,
    kernel_pixels,
    map_pixels,
    scales,
)
from training.report.sheet import square
from training.report.words import reached

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELL_IN = 1.25


def first_layer_figure(network: nn.Module, activation: Activation) -> Figure:
    """The first convolution's kernels, where they read three colours, and below each its map on a picture."""
    from matplotlib.figure import Figure

    maps = activation.values[:MOST_KERNELS]
    columns = min(len(maps), 8)
    weights = first_weights(network)
    kinds = 1 if weights is None else 2
    rows = kinds * -(-len(maps) // columns)
    figure = Figure(figsize=(8.0, 8.0 / columns * rows), layout="constrained", facecolor="white")
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.ravel():
        axes.set_axis_off()
    reach = float(np.abs(maps).max()) or 1.0
    kernels = None if weights is None else kernel_pixels(weights, float(np.abs(weights).max()) or 1.0)
    for index, values in enumerate(maps):
        row, column = kinds * (index // columns), index % columns
        if kernels is not None:
            panels[row][column].imshow(kernels[index], interpolation="nearest")
        below = panels[row + kinds - 1][column]
        below.imshow(values, cmap=DIVERGING[0], vmin=-reach, vmax=reach, interpolation="nearest")
    return figure


def film_figure(found: Sequence[Snapshot]) -> Figure:
    """The epochs beside each other: kernels where they read three colours, maps, saliency, what the network says.

    Each row has one scale, so that colours compare from epoch to epoch.
    """
    from matplotlib.figure import Figure

    rows = _rows(found, scales(found))
    # A sheet of six kernels, two rows of three, is lower than it is wide.
    heights = [pictures[0].shape[0] / pictures[0].shape[1] for _, pictures in rows]
    size = (_CELL_IN * len(found) + 0.9, _CELL_IN * sum(heights) + 1.1)
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    grid: dict[str, Any] = {"squeeze": False, "height_ratios": heights}
    panels = figure.subplots(len(rows), len(found), subplot_kw={"xticks": [], "yticks": []}, **grid)
    for line, (name, pictures) in zip(panels, rows, strict=True):
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
        for axes, picture in zip(line, pictures, strict=True):
            axes.imshow(picture)
            axes.spines[:].set_visible(False)
    for m, top, bottom in zip(found, panels[0], panels[-1], strict=True):
        top.set_title(f"epoch {m.epoch}", fontsize=9, fontweight="bold")
        _say(bottom, m)
    return figure


def _rows(found: Sequence[Snapshot], ends: Scales) -> list[tuple[str, list[Pixels]]]:
    rows = []
    if ends.kernels is not None:
        kernels = [m.kernels[:MOST_KERNELS] for m in found if m.kernels is not None]
        rows.append(("kernels", [square(kernel_pixels(values, ends.kernels), 12) for values in kernels]))
    rows.append(("maps", [square(map_pixels(m.maps.values[:MOST_KERNELS], ends.maps)) for m in found]))
    reach = ((-ends.saliency, ends.saliency),)
    rows.append(("saliency", [colourise(m.saliency.map, reach, DIVERGING[0]) for m in found]))
    return rows


def _say(axes: Axes, m: Snapshot) -> None:
    lines = (
        f"{short_name(m.answer.label)} {m.answer.probability:.0%}",
        f"{short_name(m.saliency.label)} {m.saliency.probability:.1%}",
        f"test {reached(m)}",
    )
    axes.set_xlabel("\n".join(lines), fontsize=8, parse_math=False)
