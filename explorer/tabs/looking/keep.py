"""What the Keep buttons of the screens that look into a network record."""

from __future__ import annotations

from typing import Any

import numpy as np

from explorer.activations.captions import describe_activation, describe_attribution, describe_comparison
from explorer.activations.capture import Activation
from explorer.activations.channel_grid import channel_grid, channel_grid_picture, describe_channel_grid
from explorer.activations.largest_values import (
    describe_largest_values,
    largest_values,
    largest_values_picture,
)
from explorer.activations.layer_comparison import (
    LayerComparison,
    describe_layer_comparison,
    layer_comparison_picture,
)
from explorer.images.overlay import colourise, default_colormap, enlarged, overlay
from explorer.layers.architecture import architecture
from explorer.layers.architecture_words import architecture_table, describe_network
from explorer.session.steps import Step, step_of
from explorer.tabs.keeping import picture_of, visited
from explorer.tabs.looking.activation_views import KeptColours, Shown, ViewSettings, is_vector, shown
from explorer.tabs.looking.pane import MAP_PX
from explorer.workbench import Explanation, Visit

Kept = tuple[Step, list[bytes]]
"""A step, and the files that it needs."""


def keep_activation(
    visit: Visit, layer: str, kept_colours: KeptColours | None, view_settings: ViewSettings
) -> Kept:
    """The activation as shown: one map, the grid of channels, or the largest values of a vector.

    Raises:
        ExplorerError: as :func:`visited`; colours that were found on a picture that is gone.
    """
    activation = visit.activation(layer)
    if is_vector(activation):
        return _keep_vector(visit, activation)
    if view_settings.view == "grid":
        return _keep_grid(visit, activation, view_settings)
    arguments, files = visited(visit)
    seen = shown(visit.selection, activation, view_settings, kept_colours)
    if kept_colours is not None and seen.basis is not None:
        # The notebook finds them again, on the picture that they were found on.
        reference, more = picture_of(kept_colours.selection)
        arguments |= {"basis_image": reference, "basis_framing": kept_colours.selection.framing}
        files = [*files, *more]
    alone = view_settings.shown == "map"
    picture = enlarged(seen.alone(), MAP_PX) if alone else seen.over(visit.pixels, view_settings)
    arguments |= _map_settings(seen, view_settings)
    sentence = describe_activation(activation, seen.view)
    return step_of(
        "activation.map", arguments, f"Activations of {activation.layer}", sentence, picture
    ), files


def _map_settings(seen: Shown, view_settings: ViewSettings) -> dict[str, Any]:
    return {
        "layer": seen.view.layer,
        "method": seen.view.method,
        "channels": int(view_settings.channels),
        "channel": min(int(view_settings.channel), seen.activation.shape[0] - 1),
        "component": int(view_settings.component) - 1,
        "alpha": view_settings.alpha,
        "shown": "map" if view_settings.shown == "map" else "overlay",
        "colormap": view_settings.colormap or None,
        "interpolation": view_settings.interpolation,
        "limits": [list(pair) for pair in seen.limits] if seen.limits else None,
    }


def _keep_grid(visit: Visit, activation: Activation, view_settings: ViewSettings) -> Kept:
    """The strongest channels with their numbers, as one picture."""
    arguments, files = visited(visit)
    grid = channel_grid(activation)
    arguments |= {
        "layer": activation.layer,
        "count": len(grid.channels),
        "colormap": view_settings.colormap or None,
    }
    picture = channel_grid_picture(grid, view_settings.colormap or None)
    title = f"Strongest channels of {activation.layer}"
    return step_of("activation.channels", arguments, title, describe_channel_grid(grid), picture), files


def _keep_vector(visit: Visit, activation: Activation) -> Kept:
    """The largest values of a layer without positions, as bars."""
    arguments, files = visited(visit)
    units = largest_values(activation, visit.model.labels)
    arguments |= {"layer": activation.layer, "count": len(units)}
    sentence = describe_largest_values(activation, units)
    title = f"Largest values of {activation.layer}"
    return step_of("activation.values", arguments, title, sentence, largest_values_picture(units)), files


def keep_layers(visit: Visit, compared: LayerComparison, method: str, one_scale: bool) -> Kept:
    """Several layers side by side, as one picture."""
    arguments, files = visited(visit)
    arguments |= {
        "layers": [activation.layer for activation in compared.activations],
        "method": method,
        "one_scale": one_scale,
    }
    picture = layer_comparison_picture(visit.pixels, compared)
    title = f"{len(compared.views)} layers side by side"
    sentence = describe_layer_comparison(compared)
    return step_of("activation.layers", arguments, title, sentence, picture), files


def keep_architecture(visit: Visit) -> Kept:
    """The network's layers with their shapes and parameters."""
    arguments, files = visited(visit)
    rows = architecture(visit.model)
    sentence = f"{describe_network(visit.model, rows)}\n{architecture_table(rows)}"
    title = f"Architecture of {visit.model.name}"
    # A session drops files that no step names: the picture stays behind.
    return step_of("network.layers", {"model": arguments["model"]}, title, sentence), files


def keep_attribution(visit: Visit, asked: Explanation, shown: str, alpha: float) -> Kept:
    """The saliency map as shown."""
    arguments, files = visited(visit)
    found = visit.attribution(asked)
    picture = (
        enlarged(colourise(found.map, found.limits, default_colormap(found)), MAP_PX)
        if shown == "map"
        else overlay(visit.pixels, found, alpha, fade=True)
    )
    arguments |= {
        **_asked(asked),
        "target": asked.target,
        "signed": asked.signed,
        "alpha": alpha,
        "shown": "map" if shown == "map" else "overlay",
    }
    title = f"What speaks for {found.label}"
    return step_of("saliency.map", arguments, title, describe_attribution(found), picture), files


def keep_comparison(visit: Visit, first: Explanation, second: Explanation, alpha: float) -> Kept:
    """Both maps and their difference, side by side."""
    arguments, files = visited(visit)
    pair = visit.comparison(first, second)
    panels = [
        overlay(visit.pixels, view, alpha, limits=pair.limits, fade=True)
        for view in (pair.a, pair.b, pair.difference)
    ]
    arguments |= {**_asked(first), "targets": [first.target, second.target], "alpha": alpha}
    title = f"{pair.a.label} or {pair.b.label}"
    sentence = describe_comparison(pair)
    return step_of("saliency.classes", arguments, title, sentence, np.hstack(panels)), files


def _asked(explanation: Explanation) -> dict[str, Any]:
    return {
        "method": explanation.method,
        "objective": explanation.objective,
        "layer": explanation.layer,
    }
