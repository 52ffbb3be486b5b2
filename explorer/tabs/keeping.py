"""The Keep button: what is on screen becomes a step of the session, to be handed in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from explorer.activations import Activation
from explorer.architecture import architecture
from explorer.architecture_text import architecture_table, describe_network
from explorer.captions import describe_activation, describe_attribution, describe_comparison
from explorer.channel_grid import channel_grid, channel_grid_picture, describe_channel_grid
from explorer.errors import ExplorerError
from explorer.images import sample_images
from explorer.layer_comparison import LayerComparison, describe_layer_comparison, layer_comparison_picture
from explorer.network_file import network_file
from explorer.overlay import colourise, default_colormap, enlarged, overlay
from explorer.session import Session, Step, content_hash, step_of
from explorer.tabs.activation_views import Kept, Shown, Wish, activation_of, is_vector, shown
from explorer.tabs.components import QUIET, on_screen
from explorer.vector_view import describe_largest_values, largest_values, largest_values_picture
from explorer.workbench import Explanation, Look, Workbench

Keep = Callable[..., tuple[Step, list[bytes]]]
MAP_PX = 448  # a map shown alone is enlarged to this, as on screen


def keep_button(elem_id: str, **options: Any) -> gr.Button:
    """The button itself; :func:`connect` says what it keeps. ``options`` are those of a button."""
    return gr.Button("Keep for the hand-in", size="sm", elem_id=elem_id, **options)


def connect(button: gr.Button, session: gr.State, keep: Keep, inputs: list[Any]) -> None:
    """Add what ``keep(*inputs)`` returns, a step and the files that it needs, to the session.

    The first input is what the result is about; while it is None there is nothing to keep.
    """

    def add(session: Session, about: Any, *given: Any) -> Any:
        if about is None:
            return gr.skip()
        step, files = keep(about, *given)
        session = session.add(step, files)
        gr.Info(f"{step.title}: step {len(session.steps)} in the Export tab.", title="Kept", duration=4)
        return session

    place = f"document.getElementById({json.dumps(button.elem_id)})"
    # Many pictures of one's own take seconds to pack.
    busy = f"(...values) => {{ {place}?.setAttribute('aria-busy', 'true'); return values; }}"
    idle = f"() => {{ {place}?.removeAttribute('aria-busy'); }}"
    added = button.click(on_screen(add), [session, *inputs], session, js=busy, concurrency_limit=4, **QUIET)
    added.then(None, js=idle, **QUIET)


def looked_at(bench: Workbench, look: Look) -> tuple[dict[str, Any], list[bytes]]:
    """A step's arguments for a network and a picture, and the files of those that are the user's own.

    Raises:
        ExplorerError: a network of an uploaded file that is larger than a session may hold, or no longer in
            memory; a picture that is gone.
    """
    reference, files = picture_of(look)
    model = look.model
    if ":" in model:
        own = bench.model(model)
        content = network_file(own)
        model, files = f"{own.name}:{content_hash(content)}", [content, *files]
    return {"model": model, "framing": look.framing, "image": reference}, files


def picture_of(look: Look) -> tuple[str, list[bytes]]:
    """A picture as a step names it, and its file where it is the user's own.

    Raises:
        ExplorerError: the file is gone: the server removes uploads after a while.
    """
    path = Path(look.image_path)
    sample = next((title for title, file in sample_images().items() if file == path), None)
    if sample is not None:
        return f"sample:{sample}", []
    try:
        content = path.read_bytes()
    except OSError as error:
        rule = f"can't be read any more ({error.strerror})"
        raise ExplorerError("the picture", rule, "upload it again") from error
    return content_hash(content), [content]


def keep_activation(
    bench: Workbench, look: Look, layer: str, kept: Kept | None, *settings: Any
) -> tuple[Step, list[bytes]]:
    """The activation as shown: one map, the grid of channels, or the largest values of a vector.

    Raises:
        ExplorerError: as :func:`looked_at`; colours that were found on a picture that is gone.
    """
    wish = Wish(*settings)
    activation = activation_of(bench, look, layer)
    if is_vector(activation):
        return _keep_vector(bench, look, activation)
    if wish.view == "grid":
        return _keep_grid(bench, look, activation, wish)
    arguments, files = looked_at(bench, look)
    seen = shown(bench, look, layer, wish, kept)
    if kept is not None and seen.basis is not None:
        # The notebook finds them again, on the picture that they were found on.
        reference, more = picture_of(kept.look)
        arguments |= {"basis_image": reference, "basis_framing": kept.look.framing}
        files = [*files, *more]
    pixels = bench.picture(look.image_path).pixels
    alone = wish.shown == "map"
    picture = enlarged(seen.alone(), MAP_PX) if alone else seen.over(pixels, wish)
    arguments |= _map_settings(seen, wish)
    said = describe_activation(activation, seen.view)
    return step_of("activation.map", arguments, f"Activations of {activation.layer}", said, picture), files


def _map_settings(seen: Shown, wish: Wish) -> dict[str, Any]:
    return {
        "layer": seen.view.layer,
        "method": seen.view.method,
        "channels": int(wish.channels),
        "channel": min(int(wish.channel), seen.activation.shape[0] - 1),
        "component": int(wish.component) - 1,
        "alpha": wish.alpha,
        "shown": "map" if wish.shown == "map" else "overlay",
        "colormap": wish.colormap or None,
        "interpolation": wish.interpolation,
        "limits": [list(pair) for pair in seen.limits] if seen.limits else None,
    }


def _keep_grid(bench: Workbench, look: Look, activation: Activation, wish: Wish) -> tuple[Step, list[bytes]]:
    """The strongest channels with their numbers, as one picture."""
    arguments, files = looked_at(bench, look)
    grid = channel_grid(activation)
    arguments |= {"layer": activation.layer, "count": len(grid.channels), "colormap": wish.colormap or None}
    picture = channel_grid_picture(grid, wish.colormap or None)
    title = f"Strongest channels of {activation.layer}"
    return step_of("activation.channels", arguments, title, describe_channel_grid(grid), picture), files


def _keep_vector(bench: Workbench, look: Look, activation: Activation) -> tuple[Step, list[bytes]]:
    """The largest values of a layer without positions, as bars."""
    arguments, files = looked_at(bench, look)
    units = largest_values(activation, bench.model(look.model).labels)
    arguments |= {"layer": activation.layer, "count": len(units)}
    said = describe_largest_values(activation, units)
    title = f"Largest values of {activation.layer}"
    return step_of("activation.values", arguments, title, said, largest_values_picture(units)), files


def keep_layers(
    bench: Workbench, look: Look, compared: LayerComparison, method: str, one_scale: bool
) -> tuple[Step, list[bytes]]:
    """Several layers side by side, as one picture."""
    arguments, files = looked_at(bench, look)
    arguments |= {
        "layers": [activation.layer for activation in compared.activations],
        "method": method,
        "one_scale": one_scale,
    }
    picture = layer_comparison_picture(bench.picture(look.image_path).pixels, compared)
    title = f"{len(compared.views)} layers side by side"
    said = describe_layer_comparison(compared)
    return step_of("activation.layers", arguments, title, said, picture), files


def keep_architecture(bench: Workbench, look: Look) -> tuple[Step, list[bytes]]:
    """The network's layers with their shapes and parameters."""
    arguments, files = looked_at(bench, look)
    model = bench.model(look.model)
    rows = architecture(model)
    said = f"{describe_network(model, rows)}\n{architecture_table(rows)}"
    title = f"Architecture of {model.name}"
    # A session drops files that no step names: the picture stays behind.
    return step_of("network.layers", {"model": arguments["model"]}, title, said), files


def keep_attribution(
    bench: Workbench, look: Look, asked: Explanation, shown: str, alpha: float
) -> tuple[Step, list[bytes]]:
    """The saliency map as shown."""
    arguments, files = looked_at(bench, look)
    found = bench.attribution(look, asked)
    pixels = bench.picture(look.image_path).pixels
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
    bench: Workbench, look: Look, first: Explanation, second: Explanation, alpha: float
) -> tuple[Step, list[bytes]]:
    """Both maps and their difference, side by side."""
    arguments, files = looked_at(bench, look)
    pair = bench.comparison(look, first, second)
    pixels = bench.picture(look.image_path).pixels
    panels = [
        overlay(pixels, view, alpha, limits=pair.limits, fade=True)
        for view in (pair.a, pair.b, pair.difference)
    ]
    arguments |= {**_asked(first), "targets": [first.target, second.target], "alpha": alpha}
    title = f"{pair.a.label} or {pair.b.label}"
    said = describe_comparison(pair)
    return step_of("saliency.classes", arguments, title, said, np.hstack(panels)), files


def _asked(explanation: Explanation) -> dict[str, Any]:
    return {
        "method": explanation.method,
        "objective": explanation.objective,
        "layer": explanation.layer,
    }
