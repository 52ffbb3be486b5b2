"""How a network forms, on paper: one picture over the epochs of a run, for notebooks and what is handed in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from explorer.images.overlay import DIVERGING, colourise
from training.report.inside import (
    MOST_KERNELS,
    Floats,
    Pixels,
    Scales,
    Snapshot,
    kernel_pixels,
    map_pixels,
    scales,
)
from training.report.paper.figures import tile
from training.report.words import _reached

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELL_IN = 1.25
_LONGEST_LABEL = 14


def film_figure(found: Sequence[Snapshot]) -> Figure:
    """The epochs beside each other: kernels where they read three colours, maps, saliency, what the network says.

    Each row has one scale, so that colours compare from epoch to epoch.
    """
    from matplotlib.figure import Figure

    ends = scales(found)
    rows = _rows(found, ends)
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
        rows.append(("kernels", [_sheet(kernel_pixels(values, ends.kernels), 12) for values in kernels]))
    rows.append(("maps", [_maps(m.maps.values, ends.maps) for m in found]))
    reach = ((-ends.saliency, ends.saliency),)
    rows.append(("saliency", [colourise(m.saliency.map, reach, DIVERGING[0]) for m in found]))
    return rows


def _maps(values: Floats, reach: float) -> Pixels:
    return _sheet(map_pixels(values[:MOST_KERNELS], reach), 1)


def _sheet(images: Sequence[Pixels] | Pixels, times: int) -> Pixels:
    gap = max(2, images[0].shape[0] * times // 16)
    return tile(images, math.ceil(len(images) ** 0.5), gap, times)


def _say(axes: Axes, m: Snapshot) -> None:
    lines = (
        f"{_short(m.answer.label)} {m.answer.probability:.0%}",
        f"{_short(m.saliency.label)} {m.saliency.probability:.1%}",
        f"test {_reached(m)}",
    )
    axes.set_xlabel("\n".join(lines), fontsize=8, parse_math=False)


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"
