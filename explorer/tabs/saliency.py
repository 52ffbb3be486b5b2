"""Which pixels speak for a class, by gradients, class activation maps and occlusion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from explorer.attribution import CAM_METHODS, Attribution, default_cam_layer
from explorer.captions import describe_attribution
from explorer.layers import list_layers
from explorer.overlay import colourise, default_colormap, overlay
from explorer.predictions import ranked
from explorer.tabs.components import (
    QUIET,
    SHOWN,
    cancel_button,
    class_choices,
    colour_bar,
    entered,
    filled,
    layer_choices,
    on_cancel,
    on_screen,
    progress_bar,
    question,
    result_pane,
    stepwise,
)
from explorer.tabs.keeping import connect, keep_attribution, keep_button
from explorer.workbench import Explanation, Look, Workbench

NAME = "saliency"
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


@dataclass(frozen=True)
class SaliencyTab:
    """What the app itself needs of this tab: for addresses that reproduce a view."""

    target: gr.Dropdown
    method: gr.Dropdown
    seen: gr.State


def build(
    bench: Workbench, look: gr.State, active: gr.Textbox, tab: gr.Tab, session: gr.State
) -> SaliencyTab:
    """Lay the tab out inside an open ``gr.Tab`` and connect it to the look."""
    question("Which pixels speak for this class?")
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            pane = result_pane("Saliency over the picture", "saliency", height=430)
            pin = keep_button("saliency-pin")
        with gr.Column(scale=3, min_width=240):
            target = gr.Dropdown([], label="Class", elem_id="class", filterable=True)
            method = gr.Dropdown(
                METHODS, value="gradient", label="Method", elem_id="method", filterable=False
            )
            layer = gr.Dropdown([], label="Layer of the map", visible=False, elem_id="cam-layer")
            objective = gr.Radio(OBJECTIVES, value="logit", label="Explain its")
            sign = gr.Radio(SIGNS, value="signed", label="Values")
            shown = gr.Radio(SHOWN, value="overlay", label="Show as")
            alpha = gr.Slider(0, 1, 0.9, step=0.05, label="Opacity")
            working = gr.HTML(padding=False)
            stop = cancel_button()

    settings = [target, method, objective, sign, layer, shown, alpha]
    results = [*pane.outputs, working]
    choices = [target, layer]
    seen = gr.State("")  # the picture and network for which the class was chosen

    def explain(look: Look, where: str, *given: Any) -> Iterator[Any]:
        if look is None or where != NAME or given[0] is None:
            yield (gr.skip(),) * len(results)  # gradio empties outputs that a generator says nothing of
            return
        yield from draw(bench, look, *given)

    def meet(look: Look | None, where: str, current: int | None, layer: str | None, before: str) -> Any:
        """Fill the lists; a new picture starts with the class that the network holds most probable."""
        if look is None or where != NAME:
            return (gr.skip(),) * 3
        labels = bench.model(look.model).labels
        now = chosen_for(look)
        keep = current is not None and current < len(labels) and now == before
        chosen = current if keep else ranked(bench.model(look.model), bench.capture(look).logits, 1)[0].index
        return gr.update(choices=class_choices(labels), value=chosen), cam_layers(bench, look, layer), now

    explaining: dict[str, Any] = {
        "fn": on_screen(explain),
        "inputs": [look, active, *settings],
        "outputs": results,
        "concurrency_limit": 4,
        "trigger_mode": "always_last",
        **QUIET,
    }
    meeting: dict[str, Any] = {
        "fn": on_screen(meet),
        "inputs": [look, active, target, layer, seen],
        "outputs": [*choices, seen],
        **QUIET,
    }
    entered(tab, active, NAME).then(**meeting).then(**explaining)
    running = [
        look.change(**meeting).then(**explaining),
        method.select(lambda name: gr.update(visible=name in CAM_METHODS), method, layer, **QUIET).then(
            **explaining
        ),
        gr.on(
            [*(c.input for c in (objective, sign, shown)), target.select, layer.select, alpha.release],
            **explaining,
        ),
    ]
    on_cancel(stop, running, working)

    def keep(look: Look, target: int, *given: Any) -> Any:
        *asked, shown, alpha = given
        return keep_attribution(bench, look, explanation(target, *asked), shown, alpha)

    connect(pin, session, keep, [look, *settings])
    return SaliencyTab(target, method, seen)


def chosen_for(look: Look) -> str:
    """What a choice of classes belongs to: with another picture or network they are chosen anew."""
    return f"{look.model} {look.image_digest}"


def cam_layers(bench: Workbench, look: Look, current: str | None) -> Any:
    """Choices for the layer of a class activation map: every layer with a map, the last one chosen."""
    model = bench.model(look.model)
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


def draw(
    bench: Workbench,
    look: Look,
    target: int,
    method: str,
    objective: str,
    sign: str,
    layer: str | None,
    shown: str,
    alpha: float,
) -> Iterator[tuple[Any, ...]]:
    """Updates for the pane and the progress; the last one is the result."""
    asked = explanation(target, method, objective, sign, layer)
    found = yield from while_working(
        lambda report: bench.attribution(look, asked, report), f"Explaining class {target}", pane_outputs=4
    )
    pixels = bench.picture(look.image_path).pixels
    updates = filled(
        shown,
        pixels,
        lambda: overlay(pixels, found, alpha, fade=True),
        lambda: colourise(found.map, found.limits, default_colormap(found)),
        colour_bar(found.limits, colormap=default_colormap(found), what=scale_label(found)),
        describe_attribution(found),
    )
    yield (*updates, "")


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
