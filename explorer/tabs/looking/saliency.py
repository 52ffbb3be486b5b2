"""Which pixels speak for a class, by gradients, class activation maps and occlusion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np

from explorer.activations.captions import describe_attribution
from explorer.images.overlay import colourise, default_colormap, overlay
from explorer.saliency.attribution import Attribution
from explorer.tabs.components import (
    Updates,
    Values,
    cancel_button,
    class_choices,
    colour_bar,
    on_cancel,
    question,
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
from explorer.tabs.looking.pane import SHOWN, PaneContent, map_content, result_pane
from explorer.workbench import Explanation, Visit, Workbench

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
    """Lay the tab out inside an open ``gr.Tab`` and connect it to what is looked at."""
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

    settings = {target, method, objective, sign, layer, shown, alpha}
    seen = gr.State("")  # the picture and network for which the class was chosen

    def asked(given: Values) -> Explanation:
        return explanation(given[target], given[method], given[objective], given[sign], given[layer])

    def explain(visit: Visit, given: Values) -> Iterator[Updates]:
        if given[target] is None:
            yield gr.skip()
            return
        found = yield from while_working(
            lambda report: visit.attribution(asked(given), report),
            f"Explaining class {given[target]}",
            working,
        )
        content = saliency_content(visit.pixels, found, given[shown], given[alpha])
        yield {**pane.showing(content), working: ""}

    def fill(visit: Visit, given: Values) -> Updates:
        """Fill the lists; a new picture starts with the class that the network holds most probable."""
        labels, current, now = visit.model.labels, given[target], chosen_for(visit.selection)
        keep = current is not None and current < len(labels) and now == given[seen]
        chosen = current if keep else visit.predictions(1)[0].index
        return {
            target: gr.update(choices=class_choices(labels), value=chosen),
            layer: cam_layers(visit, given[layer]),
            seen: now,
        }

    running, explaining = run_when_asked(
        *(bench, tab, NAME, selection, active),
        fill=fill,
        filled=[target, layer, seen],
        explain=explain,
        settings=settings,
        results=[*pane.outputs, working],
    )
    running.append(ask_for_layer(method, layer, explaining))
    again = [*(c.input for c in (objective, sign, shown)), target.select, layer.select, alpha.release]
    running.append(gr.on(again, **explaining))
    on_cancel(stop, running, working)

    def keep(given: Values) -> Any:
        return keep_attribution(bench.open(given[selection]), asked(given), given[shown], given[alpha])

    connect(pin, session, keep, {selection, *settings}, about=selection)
    return SaliencyTab(target, method, objective, sign, layer, seen)


def saliency_content(pixels: np.ndarray, found: Attribution, shown: str, alpha: float) -> PaneContent:
    """What the pane shows of an attribution of the picture ``pixels``."""
    colormap = default_colormap(found)
    return map_content(
        shown,
        pixels,
        lambda: overlay(pixels, found, alpha, fade=True),
        lambda: colourise(found.map, found.limits, colormap),
        colour_bar(found.limits, colormap=colormap, what=scale_label(found)),
        describe_attribution(found),
    )
