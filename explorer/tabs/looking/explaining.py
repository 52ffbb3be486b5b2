"""What the saliency tabs share: the choices, what they ask for, how progress is shown and when it all runs."""

from __future__ import annotations

from typing import Any

import gradio as gr

from explorer.layers.listing import list_layers
from explorer.saliency.attribution import CAM_METHODS, Attribution, default_cam_layer
from explorer.tabs.components import (
    QUIET,
    entered,
    layer_choices,
    on_screen,
    progress_bar,
    stepwise,
)
from explorer.workbench import Explanation, Selection, Workbench

METHODS: list[tuple[str, str]] = [
    ("Gradient", "gradient"),
    ("Grad-CAM", "grad_cam"),
    ("HiResCAM", "hires_cam"),
    ("SmoothGrad", "smooth_grad"),
    ("Integrated gradients", "integrated_gradients"),
    ("Input × gradient", "input_x_gradient"),
    ("Occlusion", "occlusion"),
]
OBJECTIVES = [("Score (logit)", "logit"), ("Loss", "loss"), ("Probability", "probability")]
SIGNS = [("Signed", "signed"), ("Absolute", "absolute")]


def run_when_asked(
    tab: gr.Tab,
    name: str,
    selection: gr.State,
    active: gr.Textbox,
    *,
    meet: Any,
    met: list[Any],
    explain: Any,
    settings: list[Any],
    results: list[Any],
) -> tuple[list[Any], dict[str, Any]]:
    """Meet a new picture, then explain it, when the tab ``name`` is entered or the look changes.

    ``meet(look, where, *met)`` fills the components ``met``; ``explain(look, where, *settings)`` draws into
    ``results``. Returns the events, for cancelling, and what else is to run ``explain`` on an event.
    """
    explaining: dict[str, Any] = {
        "fn": on_screen(explain),
        "inputs": [selection, active, *settings],
        "outputs": results,
        "concurrency_limit": 4,
        "trigger_mode": "always_last",
        **QUIET,
    }
    meeting: dict[str, Any] = {
        "fn": on_screen(meet),
        "inputs": [selection, active, *met],
        "outputs": met,
        **QUIET,
    }
    entered(tab, active, name).then(**meeting).then(**explaining)
    return [selection.change(**meeting).then(**explaining)], explaining


def ask_for_layer(method: gr.Dropdown, layer: gr.Dropdown, explaining: dict[str, Any]) -> Any:
    """Choosing a method shows the layer's list if the method has use for it, and explains anew."""
    shown = method.select(lambda name: gr.update(visible=name in CAM_METHODS), method, layer, **QUIET)
    return shown.then(**explaining)


def chosen_for(selection: Selection) -> str:
    """What a choice of classes belongs to: with another picture or network they are chosen anew."""
    return f"{selection.model} {selection.image_digest}"


def cam_layers(bench: Workbench, selection: Selection, current: str | None) -> Any:
    """Choices for the layer of a class activation map: every layer with a map, the last one chosen."""
    model = bench.model(selection.model)
    maps = [layer for layer in list_layers(model) if layer.is_map]
    names = [layer.name for layer in maps]
    return gr.update(
        choices=layer_choices(maps), value=current if current in names else default_cam_layer(model).name
    )


def explanation(target: int, method: Any, objective: Any, sign: str, layer: str | None) -> Explanation:
    """What the controls ask for."""
    return Explanation(
        int(target), method, objective, sign == "signed", layer if method in CAM_METHODS else None
    )


def while_working(work: Any, what: str, pane_outputs: int) -> Any:
    """Run ``work(report)``; yield progress behind ``pane_outputs`` skipped outputs; return its result."""
    steps = stepwise(work)
    while True:
        try:
            share = next(steps)
        except StopIteration as done:
            return done.value
        skipped = (gr.skip(),) * pane_outputs
        yield (*skipped, progress_bar(share, what))


def scale_label(found: Attribution) -> str:
    """What the numbers of the colour bar are."""
    if found.method in ("gradient", "smooth_grad"):
        return f"{found.objective} per unit of normalised input"
    if found.method in CAM_METHODS:
        return f"activations weighted by their slope for the {found.objective}"
    return (
        f"fall of the {found.objective}" if found.method == "occlusion" else f"part of the {found.objective}"
    )
