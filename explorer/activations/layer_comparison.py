"""Several layers of one forward pass, each reduced to a map: how a picture changes on its way through a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from explorer.activations.captions import describe_activation, number
from explorer.activations.capture import Activation
from explorer.activations.reduction import Reduction, ReductionMethod, reduce, shared_limits
from explorer.errors import ExplorerError
from explorer.images.contact_sheet import contact_sheet
from explorer.images.overlay import default_colormap, overlay, shrunk

COLUMNS = 3
OPACITY = 0.7
TILE_PX = 640


@dataclass(frozen=True, eq=False)
class LayerComparison:
    """Layers to be shown side by side.

    Attributes:
        activations: the layers' outputs, in the order given.
        views: their reductions, in the same order.
        limits: the colour scale that all share, or None where each has its own.
        colormap: the colour map that all share, or None where each has its own.
    """

    activations: tuple[Activation, ...]
    views: tuple[Reduction, ...]
    limits: tuple[tuple[float, float], ...] | None = None
    colormap: str | None = None


def compare_layers(
    activations: Mapping[str, Activation], method: ReductionMethod = "mean", *, one_scale: bool = False
) -> LayerComparison:
    """Reduce each layer by ``method``; with ``one_scale`` a weak layer looks weak.

    Principal components and parts of different layers mean different things: for them ``one_scale`` does nothing.

    >>> compared = compare_layers({"blocks.2": activation}, "max", one_scale=True)
    >>> len(compared.views), compared.colormap
    (1, 'viridis')

    Raises:
        ExplorerError: no layer, or as :func:`explorer.reduce`.
    """
    if not activations:
        raise ExplorerError("no layer", "is chosen", "choose at least one")
    views = tuple(reduce(activation, method) for activation in activations.values())
    listed = tuple(activations.values())
    if not one_scale or any(len(view.limits) > 1 for view in views):
        return LayerComparison(listed, views)
    # One scale is one colour map too: signed values among the layers decide it for all.
    leading = next((view for view in views if view.signed), views[0])
    return LayerComparison(listed, views, (shared_limits(list(views)),), default_colormap(leading))


def tiles(image: np.ndarray, compared: LayerComparison) -> list[tuple[np.ndarray, str]]:
    """(the layer over the image, RGB ``uint8``; its name with its own scale) for each layer."""
    return [
        (
            shrunk(
                overlay(image, view, OPACITY, limits=compared.limits, colormap=compared.colormap), TILE_PX
            ),
            f"{view.layer} {_range(view)}".rstrip(),
        )
        for view in compared.views
    ]


def layer_comparison_picture(image: np.ndarray, compared: LayerComparison) -> np.ndarray:
    """All layers over the image with their names, as one picture, RGB ``uint8`` ``(H, W, 3)``."""
    pictures, captions = zip(*tiles(image, compared), strict=True)
    return contact_sheet(pictures, captions, COLUMNS)


def describe_layer_comparison(compared: LayerComparison) -> str:
    """A line for each layer, and the scale that they share."""
    lines = [
        describe_activation(activation, view)
        for activation, view in zip(compared.activations, compared.views, strict=True)
    ]
    if compared.limits:
        low, high = compared.limits[0]
        lines.append(f"All on one colour scale from {number(low)} to {number(high)}.")
    return "\n".join(lines)


def _range(view: Reduction) -> str:
    if len(view.limits) > 1:
        return ""
    return f"{number(view.limits[0][0])} to {number(view.limits[0][1])}"
