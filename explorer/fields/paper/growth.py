"""How receptive fields grow, as figures on paper: layer by layer of a stack, map by map of a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from explorer.convolution.palette import LIGHT
from explorer.fields.growth import WIDTH, StackDrawing, network_growth, stack_drawings
from explorer.fields.stack import Pair, StackLayer
from explorer.fields.theoretical import NetworkFields

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH_IN, _MOST_HEIGHT_IN = 6.4, 9.0
_TITLE_IN = 0.3
_FILLS = {"unit": LIGHT.cell, "seen": LIGHT.unit, "grown": LIGHT.accent, "before": LIGHT.before}
_EDGES = {"unit": LIGHT.line, "seen": LIGHT.accent, "grown": "none", "before": "none"}
_FAINT = 0.65
_FONT_PT = 8.0
_ANCHORS = {"start": "left", "middle": "center", "end": "right"}


def stack_fields_figure(layers: Sequence[StackLayer], input_px: Pair | None = None) -> Figure:
    """A stack as on the page: every unit and connection of a short one, a bar for each growing layer of a long one.

    Args:
        layers: from the input on. Where the axes differ, height and width are drawn below each other.
        input_px: height and width of the input, to be shown behind bars.

    Raises:
        ExplorerError: as :func:`~explorer.stack_fields`.

    >>> from explorer.fields.stack import StackLayer
    >>> figure = stack_fields_figure([StackLayer("conv", (1, 7))])
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['Height', 'Width']
    """
    from matplotlib.figure import Figure

    drawings = stack_drawings(layers, input_px)
    several = len(drawings) > 1
    heights = [drawing.height * _WIDTH_IN / WIDTH for drawing in drawings.values()]
    room = sum(heights) + _TITLE_IN * len(drawings)
    figure = Figure(
        figsize=(_WIDTH_IN, min(room, _MOST_HEIGHT_IN)), layout="constrained", facecolor=LIGHT.ground
    )
    # A stack of hundreds of layers is squeezed onto its page.
    squeezed = min(1.0, _MOST_HEIGHT_IN / room)
    panels = figure.subplots(len(drawings), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (name, drawing) in zip(panels, drawings.items(), strict=True):
        _draw_stack(axes, drawing, squeezed)
        if several:
            axes.set_title(name, loc="left", fontsize=_FONT_PT + 1, color=LIGHT.ink)
    return figure


def network_fields_figure(network: NetworkFields) -> Figure:
    """The longer side of one unit's field, map by map in execution order, beside the side of the input.

    >>> from explorer.fields.theoretical import catalogue_fields
    >>> [axes] = network_fields_figure(catalogue_fields("alexnet")).axes
    >>> [int(size) for size in axes.lines[0].get_ydata()[:4]]
    [11, 11, 19, 51]
    """
    from matplotlib.figure import Figure

    curve = network_growth(network)
    figure = Figure(figsize=(_WIDTH_IN, 3.0), layout="constrained", facecolor=LIGHT.ground)
    axes = figure.add_subplot()
    axes.plot(
        range(1, len(curve.sizes) + 1), curve.sizes, color=LIGHT.accent, linewidth=2, drawstyle="steps-post"
    )
    axes.axhline(curve.input_px, color=LIGHT.ink, linestyle="--", linewidth=1, alpha=_FAINT)
    axes.annotate(
        curve.input_label,
        (0.01, curve.input_px),
        (0, 3),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        fontsize=_FONT_PT,
        color=LIGHT.ink,
        alpha=_FAINT,
    )
    axes.set_ylim(0, curve.top)
    axes.set_yticks(curve.ticks)
    axes.set_xlabel(curve.x_label)
    axes.set_ylabel(curve.y_label)
    axes.grid(axis="y", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_stack(axes: Axes, drawing: StackDrawing, squeezed: float) -> None:
    from matplotlib.collections import LineCollection, PatchCollection
    from matplotlib.patches import Rectangle

    axes.set_xlim(0, WIDTH)
    axes.set_ylim(drawing.height, 0)
    axes.set_axis_off()
    for x in drawing.input_edges:
        axes.axvline(x, color=LIGHT.ink, linestyle="--", linewidth=1, alpha=0.6)
    lines = [((x0, y0), (x1, y1)) for x0, y0, x1, y1 in drawing.taps]
    axes.add_collection(LineCollection(lines, colors=LIGHT.accent, linewidths=0.8, alpha=0.35))
    boxes = [Rectangle((r.x, r.y), r.width, r.height) for r in drawing.rectangles]
    fills, edges = ([table[r.kind] for r in drawing.rectangles] for table in (_FILLS, _EDGES))
    axes.add_collection(PatchCollection(boxes, facecolors=fills, edgecolors=edges, linewidths=0.8))
    for label in drawing.labels:
        axes.text(
            *(label.x, label.y, label.text),
            ha=_ANCHORS[label.anchor],
            va="center",
            fontsize=_FONT_PT * squeezed,
            color=LIGHT.ink,
            alpha=_FAINT if label.faint else 1,
            parse_math=False,
        )
