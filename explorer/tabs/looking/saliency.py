"""Which pixels speak for a class, by gradients, class activation maps and occlusion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from explorer.activations.captions import describe_attribution
from explorer.images.overlay import colourise, default_colormap, overlay
from explorer.networks.predictions import ranked
from explorer.tabs.components import (
    SHOWN,
    cancel_button,
    class_choices,
    colour_bar,
    filled,
    on_cancel,
    question,
    result_pane,
)
from explorer.tabs.keeping import connect, keep_button
from explorer.tabs.looking.explaining import (
    METHODS,
    OBJECTIVES,
    SIGNS,
    ask_for_layer,
    cam_layers,
    chosen_for,
    explanation,
    run_when_asked,
    scale_label,
    while_working,
)
from explorer.tabs.looking.keep import keep_attribution
from explorer.workbench import Selection, Workbench

NAME = "saliency"


@dataclass(frozen=True)
class SaliencyTab:
    """What the app itself needs of this tab: for addresses that reproduce a view."""

    target: gr.Dropdown
    method: gr.Dropdown
    objective: gr.Radio
    sign: gr.Radio
    layer: gr.Dropdown
    seen: gr.State


def build(
    bench: Workbench, selection: gr.State, active: gr.Textbox, tab: gr.Tab, session: gr.State
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
    seen = gr.State("")  # the picture and network for which the class was chosen

    def explain(selection: Selection, where: str, *given: Any) -> Iterator[Any]:
        if selection is None or where != NAME or given[0] is None:
            yield (gr.skip(),) * len(results)  # gradio empties outputs that a generator says nothing of
            return
        yield from draw(bench, selection, *given)

    def meet(
        selection: Selection | None, where: str, current: int | None, layer: str | None, before: str
    ) -> Any:
        """Fill the lists; a new picture starts with the class that the network holds most probable."""
        if selection is None or where != NAME:
            return (gr.skip(),) * 3
        labels = bench.model(selection.model).labels
        now = chosen_for(selection)
        keep = current is not None and current < len(labels) and now == before
        chosen = (
            current
            if keep
            else ranked(bench.model(selection.model), bench.capture(selection).logits, 1)[0].index
        )
        return (
            gr.update(choices=class_choices(labels), value=chosen),
            cam_layers(bench, selection, layer),
            now,
        )

    running, explaining = run_when_asked(
        tab,
        NAME,
        selection,
        active,
        meet=meet,
        met=[target, layer, seen],
        explain=explain,
        settings=settings,
        results=results,
    )
    running.append(ask_for_layer(method, layer, explaining))
    again = [*(c.input for c in (objective, sign, shown)), target.select, layer.select, alpha.release]
    running.append(gr.on(again, **explaining))
    on_cancel(stop, running, working)

    def keep(selection: Selection, target: int, *given: Any) -> Any:
        *asked, shown, alpha = given
        return keep_attribution(bench, selection, explanation(target, *asked), shown, alpha)

    connect(pin, session, keep, [selection, *settings])
    return SaliencyTab(target, method, objective, sign, layer, seen)


def draw(
    bench: Workbench,
    selection: Selection,
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
        lambda report: bench.attribution(selection, asked, report),
        f"Explaining class {target}",
        pane_outputs=4,
    )
    pixels = bench.picture(selection.image_path).pixels
    updates = filled(
        shown,
        pixels,
        lambda: overlay(pixels, found, alpha, fade=True),
        lambda: colourise(found.map, found.limits, default_colormap(found)),
        colour_bar(found.limits, colormap=default_colormap(found), what=scale_label(found)),
        describe_attribution(found),
    )
    yield (*updates, "")
