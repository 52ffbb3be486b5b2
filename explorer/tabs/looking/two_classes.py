"""Two classes on one picture, side by side on one scale, and what separates them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from explorer.activations.captions import describe_comparison, named, number
from explorer.images.overlay import DIVERGING, overlay
from explorer.networks.predictions import ranked
from explorer.saliency.attribution import Attribution
from explorer.tabs.components import (
    cancel_button,
    class_choices,
    colour_bar,
    note,
    on_cancel,
    picture_file,
    question,
)
from explorer.tabs.keeping import connect, keep_button
from explorer.tabs.looking.explaining import (
    METHODS,
    OBJECTIVES,
    ask_for_layer,
    cam_layers,
    chosen_for,
    explanation,
    run_when_asked,
    scale_label,
    while_working,
)
from explorer.tabs.looking.keep import keep_comparison
from explorer.workbench import Selection, Workbench

NAME = "two-classes"


@dataclass(frozen=True)
class TwoClassesTab:
    """What the app itself needs of this tab: for addresses that reproduce a view."""

    first: gr.Dropdown
    second: gr.Dropdown
    method: gr.Dropdown
    objective: gr.Radio
    layer: gr.Dropdown
    seen: gr.State


def build(
    bench: Workbench, selection: gr.State, active: gr.Textbox, tab: gr.Tab, session: gr.State
) -> TwoClassesTab:
    """Lay the tab out inside an open ``gr.Tab`` and connect it to the look."""
    question("What makes it this class rather than that one?")
    with gr.Row():
        first = gr.Dropdown([], label="Class A", elem_id="class-a", filterable=True)
        second = gr.Dropdown([], label="Class B", elem_id="class-b", filterable=True)
        method = gr.Dropdown(
            METHODS, value="grad_cam", label="Method", filterable=False, elem_id="compare-method"
        )
    with gr.Row():
        panes = [_third(label, elem_id) for label, elem_id in zip(("A", "B", "A − B"), IDS, strict=True)]
    scale = gr.HTML(padding=False, elem_id="compare-scale")
    caption = gr.HTML(padding=False, elem_id="compare-caption")
    pin = keep_button("compare-pin")
    with gr.Row():
        layer = gr.Dropdown([], label="Layer of the map", elem_id="compare-layer")
        objective = gr.Radio(OBJECTIVES, value="logit", label="Explain its")
        alpha = gr.Slider(0, 1, 0.9, step=0.05, label="Opacity")
    with gr.Column():
        working = gr.HTML(padding=False)
        stop = cancel_button()

    settings = [first, second, method, objective, layer, alpha]
    results = [*(component for pane in panes for component in pane), scale, caption, working]
    seen = gr.State("")

    def compare(selection: Selection, where: str, *given: Any) -> Iterator[Any]:
        if selection is None or where != NAME or given[0] is None or given[1] is None:
            yield (gr.skip(),) * len(results)  # gradio empties outputs that a generator says nothing of
            return
        yield from draw(bench, selection, *given)

    def meet(
        selection: Selection | None, where: str, a: int | None, b: int | None, layer: str | None, before: str
    ) -> Any:
        """Fill the lists; a new picture starts with the two classes that the network holds most probable."""
        if selection is None or where != NAME:
            return (gr.skip(),) * 4
        model = bench.model(selection.model)
        now = chosen_for(selection)
        if now != before or a is None or b is None:
            a, b = (p.index for p in ranked(model, bench.capture(selection).logits, 2))
        choices = class_choices(model.labels)
        return (
            gr.update(choices=choices, value=a),
            gr.update(choices=choices, value=b),
            cam_layers(bench, selection, layer),
            now,
        )

    running, comparing = run_when_asked(
        tab,
        NAME,
        selection,
        active,
        meet=meet,
        met=[first, second, layer, seen],
        explain=compare,
        settings=settings,
        results=results,
    )
    running.append(ask_for_layer(method, layer, comparing))
    again = [*(c.select for c in (first, second, layer)), objective.input, alpha.release]
    running.append(gr.on(again, **comparing))
    on_cancel(stop, running, working)

    def keep(
        selection: Selection,
        first: int,
        second: int,
        method: str,
        objective: str,
        layer: str | None,
        alpha: float,
    ) -> Any:
        a, b = (explanation(target, method, objective, "signed", layer) for target in (first, second))
        return keep_comparison(bench, selection, a, b, alpha)

    connect(pin, session, keep, [selection, *settings])
    return TwoClassesTab(first, second, method, objective, layer, seen)


IDS = ("compare-a", "compare-b", "compare-difference")


def draw(
    bench: Workbench,
    selection: Selection,
    first: int,
    second: int,
    method: str,
    objective: str,
    layer: str | None,
    alpha: float,
) -> Iterator[tuple[Any, ...]]:
    """Updates for the three pictures with captions, the scale, the caption and the progress."""
    if first == second:
        # Pictures of an earlier pair would stand under the names of this one.
        model = bench.model(selection.model)
        name = model.labels[model.class_index(first)]
        yield (*(None, "") * 3, "", note(f"Choose two different classes: both are {first} ({name})."), "")
        return
    asked = [explanation(target, method, objective, "signed", layer) for target in (first, second)]
    found = yield from while_working(
        lambda report: bench.comparison(selection, asked[0], asked[1], report),
        f"Comparing classes {first} and {second}",
        pane_outputs=8,
    )
    pixels = bench.picture(selection.image_path).pixels
    updates: list[Any] = []
    for view in (found.a, found.b, found.difference):
        updates += [
            picture_file(overlay(pixels, view, alpha, limits=found.limits, fade=True)),
            note(_under(view, found.a)),
        ]
    bar = colour_bar(found.limits, colormap=DIVERGING[0], what=scale_label(found.a))
    yield (*updates, bar, note(describe_comparison(found)), "")


def _third(label: str, elem_id: str) -> tuple[gr.Image, gr.HTML]:
    with gr.Column(min_width=220):
        picture = gr.Image(
            label=label,
            height=270,
            interactive=False,
            buttons=["download", "fullscreen"],
            elem_id=elem_id,
            elem_classes="result",
            alt_text=f"Map for {label} laid over the picture; described in the caption below",
        )
        return picture, gr.HTML(padding=False)


def _under(view: Attribution, a: Attribution) -> str:
    low, high = number(float(view.map.min())), number(float(view.map.max()))
    if view is a or view.target != a.target:
        return f"{named(view)}: logit {number(view.logit)}, {view.probability:.1%}. Values {low} to {high}."
    return f"{view.label}. Values {low} to {high}."
