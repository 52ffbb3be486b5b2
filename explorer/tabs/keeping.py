"""The Keep button: what is on screen becomes a step of the session, to be handed in."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from explorer.captions import describe_activation, describe_attribution, describe_comparison
from explorer.errors import ExplorerError
from explorer.images import sample_images
from explorer.overlay import colourise, default_colormap, enlarged, overlay
from explorer.session import Session, Step, content_hash, versions
from explorer.tabs.activation_views import Kept, Wish, view_of
from explorer.tabs.components import QUIET, on_screen
from explorer.workbench import Explanation, Look, Workbench

Keep = Callable[..., tuple[Step, list[bytes]]]
MAP_PX = 448  # a map shown alone is enlarged to this, as on screen


def keep_button(elem_id: str) -> gr.Button:
    """The button itself; :func:`connect` says what it keeps."""
    return gr.Button("Keep for the hand-in", size="sm", elem_id=elem_id)


def connect(button: gr.Button, session: gr.State, keep: Keep, inputs: list[Any]) -> None:
    """Add what ``keep(*inputs)`` returns, a step and the files that it needs, to the session."""

    def add(session: Session, look: Look | None, *given: Any) -> Any:
        if look is None:
            return gr.skip()
        step, files = keep(look, *given)
        session = session.add(step, files)
        gr.Info(f"{step.title}: step {len(session.steps)} in the Export tab.", title="Kept", duration=4)
        return session

    button.click(on_screen(add), [session, *inputs], session, concurrency_limit=4, **QUIET)


def looked_at(look: Look) -> tuple[dict[str, Any], list[bytes]]:
    """A step's arguments for a network and a picture, and the picture's file where it is the user's own.

    Raises:
        ExplorerError: a network of an uploaded file: a session holds no weights.
    """
    if ":" in look.model:
        raise ExplorerError(
            f"the network {look.model.partition(':')[0]!r}, from a file of your own,",
            "can't be kept: a session holds no weights",
            "keep results of a network from the list, or of a training run",
        )
    common = {"model": look.model, "framing": look.framing}
    path = Path(look.image_path)
    sample = next((title for title, file in sample_images().items() if file == path), None)
    if sample is not None:
        return {**common, "image": f"sample:{sample}"}, []
    content = path.read_bytes()
    return {**common, "image": content_hash(content)}, [content]


def keep_activation(
    bench: Workbench, look: Look, layer: str, kept: Kept | None, *settings: Any
) -> tuple[Step, list[bytes]]:
    """The activation as shown.

    Raises:
        ExplorerError: a view that is no single picture, or one in the colours of another picture.
    """
    wish = Wish(*settings)
    if wish.view == "grid":
        raise ExplorerError(
            "the grid of channels", "is no single picture", "choose one channel, and keep that"
        )
    arguments, files = looked_at(look)
    view = view_of(bench, look, layer, wish, kept)
    if view.placement is None or view.values.shape[:2] == (1, 1):
        raise ExplorerError(
            f"layer {layer!r}", "has no positions to lay over the picture", "choose an earlier layer"
        )
    if kept is not None and kept.basis is not None and (kept.model, kept.layer) == (look.model, layer):
        rule = "depend on the picture that they were found on"
        raise ExplorerError(
            "the kept colours", rule, "switch “Keep these colours” off, and keep the result then"
        )
    same_scale = kept is not None and len(kept.limits) == len(view.limits) == 1
    limits = kept.limits if kept is not None and same_scale else view.limits
    colormap = wish.colormap or default_colormap(view)
    alone = wish.shown == "map"
    pixels = bench.picture(look.image_path).pixels
    picture = (
        enlarged(colourise(view.values, limits, colormap), MAP_PX)
        if alone
        else overlay(
            pixels, view, wish.alpha, colormap=colormap, interpolation=wish.interpolation, limits=limits
        )
    )
    channels = bench.capture(look, (layer,)).activations
    activation = next(found for found in channels.values() if found.layer == view.layer)
    arguments |= {
        "layer": view.layer,
        "method": view.method,
        "channels": int(wish.channels),
        "channel": min(int(wish.channel), activation.shape[0] - 1),
        "component": int(wish.component) - 1,
        "alpha": wish.alpha,
        "shown": "map" if alone else "overlay",
        "colormap": wish.colormap or None,
        "interpolation": wish.interpolation,
        "limits": [list(pair) for pair in limits] if same_scale else None,
    }
    said = describe_activation(activation, view)
    return _step("explorer.reduce", arguments, f"Activations of {view.layer}", said, picture), files


def keep_attribution(
    bench: Workbench, look: Look, asked: Explanation, shown: str, alpha: float
) -> tuple[Step, list[bytes]]:
    """The saliency map as shown."""
    arguments, files = looked_at(look)
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
    return _step("explorer.attribute", arguments, title, describe_attribution(found), picture), files


def keep_comparison(
    bench: Workbench, look: Look, first: Explanation, second: Explanation, alpha: float
) -> tuple[Step, list[bytes]]:
    """Both maps and their difference, side by side."""
    arguments, files = looked_at(look)
    pair = bench.comparison(look, first, second)
    pixels = bench.picture(look.image_path).pixels
    panels = [
        overlay(pixels, view, alpha, limits=pair.limits, fade=True)
        for view in (pair.a, pair.b, pair.difference)
    ]
    arguments |= {**_asked(first), "targets": [first.target, second.target], "alpha": alpha}
    title = f"{pair.a.label} or {pair.b.label}"
    said = describe_comparison(pair)
    return _step("explorer.compare_classes", arguments, title, said, np.hstack(panels)), files


def _asked(explanation: Explanation) -> dict[str, Any]:
    return {
        "method": explanation.method,
        "objective": explanation.objective,
        "layer": explanation.layer,
    }


def _step(function: str, arguments: dict[str, Any], title: str, said: str, picture: np.ndarray) -> Step:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=6)
    return Step(
        function,
        arguments,
        title=title[:200],
        text=f"{said}\n",
        picture=file.getvalue(),
        versions=dict(versions()),
    )
