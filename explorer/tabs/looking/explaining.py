"""What the saliency tabs share: the choices, what they ask for, how progress is shown and when it all runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import gradio as gr

from explorer.errors import ExplorerError
from explorer.layers.listing import list_layers
from explorer.saliency.attribution import Attribution
from explorer.saliency.class_activation_maps import CAM_METHODS, default_cam_layer
from explorer.tabs.components import (
    QUIET,
    Updates,
    Values,
    layer_choices,
    on_screen,
    progress_bar,
    stepwise,
    when_seen,
)
from explorer.workbench import Explanation, Selection, Visit, Workbench

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
    bench: Workbench,
    tab: gr.Tab,
    name: str,
    selection: gr.State,
    active: gr.Textbox,
    *,
    fill: Callable[[Visit, Values], Updates],
    filled: Sequence[Any],
    explain: Callable[[Visit, Values], Iterator[Updates]],
    settings: Collection[Any],
    results: Sequence[Any],
) -> tuple[list[Any], dict[str, Any]]:
    """When the tab ``name`` is entered or another picture or network is chosen: fill its lists, then explain.

    ``fill`` updates the components ``filled`` from their values; ``explain`` draws into ``results`` by ``settings``.
    Returns the events, for cancelling, and what else is to run ``explain`` on an event.
    """

    def is_seen(given: Values) -> bool:
        return given[selection] is not None and given[active] == name

    def fill_lists(given: Values) -> Updates:
        return fill(bench.open(given[selection]), given) if is_seen(given) else gr.skip()

    def explain_it(given: Values) -> Iterator[Updates]:
        if is_seen(given):
            yield from explain(bench.open(given[selection]), given)
        else:
            yield gr.skip()  # gradio empties outputs that a generator says nothing of

    explaining: dict[str, Any] = {
        "fn": on_screen(explain_it),
        "inputs": {selection, active, *settings},
        "outputs": list(results),
        "concurrency_limit": 4,
        "trigger_mode": "always_last",
        **QUIET,
    }
    filling: dict[str, Any] = {
        "fn": on_screen(fill_lists),
        "inputs": {selection, active, *filled},
        "outputs": list(filled),
        **QUIET,
    }
    seen = when_seen(tab, selection, active, name)
    return [seen(**filling).then(**explaining)], explaining


def ask_for_layer(method: gr.Dropdown, layer: gr.Dropdown, explaining: dict[str, Any]) -> Any:
    """Choosing a method shows the layer's list if the method has use for it, and explains anew."""
    shown = method.select(lambda name: gr.update(visible=name in CAM_METHODS), method, layer, **QUIET)
    return shown.then(**explaining)


def chosen_for(selection: Selection) -> str:
    """What a choice of classes belongs to: with another picture or network they are chosen anew."""
    return f"{selection.model} {selection.image_digest}"


def cam_layers(visit: Visit, current: str | None) -> Any:
    """Choices for the layer of a class activation map: every layer with a map; the default chosen, if there is one."""
    maps = [layer for layer in list_layers(visit.model) if layer.is_map]
    if current not in [layer.name for layer in maps]:
        try:
            current = default_cam_layer(visit.model).name
        except ExplorerError:
            current = None  # said when such a map is asked for; other methods do without
    return gr.update(choices=layer_choices(maps), value=current)


def explanation(target: int, method: Any, objective: Any, sign: str, layer: str | None) -> Explanation:
    """What the controls ask for."""
    return Explanation(
        int(target), method, objective, sign == "signed", layer if method in CAM_METHODS else None
    )


def while_working(work: Any, what: str, working: gr.HTML) -> Any:
    """Run ``work(report)``; yield its progress as updates for ``working``; return its result."""
    steps = stepwise(work)
    while True:
        try:
            share = next(steps)
        except StopIteration as done:
            return done.value
        yield {working: progress_bar(share, what)}


def scale_label(found: Attribution) -> str:
    """What the numbers of the colour bar are."""
    if found.method in ("gradient", "smooth_grad"):
        return f"{found.objective} per unit of normalised input"
    if found.method in CAM_METHODS:
        return f"activations weighted by their slope for the {found.objective}"
    return (
        f"fall of the {found.objective}" if found.method == "occlusion" else f"part of the {found.objective}"
    )
