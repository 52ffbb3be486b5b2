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
from explorer.tabs.keeping import looked_at, picture_of
from explorer.tabs.looking.activation_views import Kept, Shown, ViewSettings, activation_of, is_vector, shown
from explorer.workbench import Explanation, Selection, Workbench

MAP_PX = 448  # a map shown alone is enlarged to this, as on screen


def keep_activation(
    bench: Workbench, selection: Selection, layer: str, kept: Kept | None, *settings: Any
) -> tuple[Step, list[bytes]]:
    """The activation as shown: one map, the grid of channels, or the largest values of a vector.

    Raises:
        ExplorerError: as :func:`looked_at`; colours that were found on a picture that is gone.
    """
    view_settings = ViewSettings(*settings)
    activation = activation_of(bench, selection, layer)
    if is_vector(activation):
        return _keep_vector(bench, selection, activation)
    if view_settings.view == "grid":
        return _keep_grid(bench, selection, activation, view_settings)
    arguments, files = looked_at(bench, selection)
    seen = shown(bench, selection, layer, view_settings, kept)
    if kept is not None and seen.basis is not None:
        # The notebook finds them again, on the picture that they were found on.
        reference, more = picture_of(kept.selection)
        arguments |= {"basis_image": reference, "basis_framing": kept.selection.framing}
        files = [*files, *more]
    pixels = bench.picture(selection.image_path).pixels
    alone = view_settings.shown == "map"
    picture = enlarged(seen.alone(), MAP_PX) if alone else seen.over(pixels, view_settings)
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


def _keep_grid(
    bench: Workbench, selection: Selection, activation: Activation, view_settings: ViewSettings
) -> tuple[Step, list[bytes]]:
    """The strongest channels with their numbers, as one picture."""
    arguments, files = looked_at(bench, selection)
    grid = channel_grid(activation)
    arguments |= {
        "layer": activation.layer,
        "count": len(grid.channels),
        "colormap": view_settings.colormap or None,
    }
    picture = channel_grid_picture(grid, view_settings.colormap or None)
    title = f"Strongest channels of {activation.layer}"
    return step_of("activation.channels", arguments, title, describe_channel_grid(grid), picture), files


def _keep_vector(bench: Workbench, selection: Selection, activation: Activation) -> tuple[Step, list[bytes]]:
    """The largest values of a layer without positions, as bars."""
    arguments, files = looked_at(bench, selection)
    units = largest_values(activation, bench.model(selection.model).labels)
    arguments |= {"layer": activation.layer, "count": len(units)}
    sentence = describe_largest_values(activation, units)
    title = f"Largest values of {activation.layer}"
    return step_of("activation.values", arguments, title, sentence, largest_values_picture(units)), files


def keep_layers(
    bench: Workbench, selection: Selection, compared: LayerComparison, method: str, one_scale: bool
) -> tuple[Step, list[bytes]]:
    """Several layers side by side, as one picture."""
    arguments, files = looked_at(bench, selection)
    arguments |= {
        "layers": [activation.layer for activation in compared.activations],
        "method": method,
        "one_scale": one_scale,
    }
    picture = layer_comparison_picture(bench.picture(selection.image_path).pixels, compared)
    title = f"{len(compared.views)} layers side by side"
    sentence = describe_layer_comparison(compared)
    return step_of("activation.layers", arguments, title, sentence, picture), files


def keep_architecture(bench: Workbench, selection: Selection) -> tuple[Step, list[bytes]]:
    """The network's layers with their shapes and parameters."""
    arguments, files = looked_at(bench, selection)
    model = bench.model(selection.model)
    rows = architecture(model)
    sentence = f"{describe_network(model, rows)}\n{architecture_table(rows)}"
    title = f"Architecture of {model.name}"
    # A session drops files that no step names: the picture stays behind.
    return step_of("network.layers", {"model": arguments["model"]}, title, sentence), files


def keep_attribution(
    bench: Workbench, selection: Selection, asked: Explanation, shown: str, alpha: float
) -> tuple[Step, list[bytes]]:
    """The saliency map as shown."""
    arguments, files = looked_at(bench, selection)
    found = bench.attribution(selection, asked)
    pixels = bench.picture(selection.image_path).pixels
    picture = (
        enlarged(colourise(found.map, found.limits, default_colormap(found)), MAP_PX)
        if shown == "map"
        else overlay(pixels, found, alpha, fade=True)
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


def keep_comparison(
    bench: Workbench, selection: Selection, first: Explanation, second: Explanation, alpha: float
) -> tuple[Step, list[bytes]]:
    """Both maps and their difference, side by side."""
    arguments, files = looked_at(bench, selection)
    pair = bench.comparison(selection, first, second)
    pixels = bench.picture(selection.image_path).pixels
    panels = [
        overlay(pixels, view, alpha, limits=pair.limits, fade=True)
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
