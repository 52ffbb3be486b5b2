"""Two classes on one picture, side by side on one scale, and what separates them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from explorer.activations.captions import describe_comparison, named, number
from explorer.images.overlay import DIVERGING, overlay
from explorer.saliency.attribution import Attribution
from explorer.tabs.components import (
    Updates,
    Values,
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
from explorer.workbench import Explanation, Visit, Workbench

NAME = "two-classes"
IDS = ("compare-a", "compare-b", "compare-difference")


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
    """Lay the tab out inside an open ``gr.Tab`` and connect it to what is looked at."""
    question("What makes it this class rather than that one?")
    with gr.Row():
        first = gr.Dropdown([], label="Class A", elem_id="class-a", filterable=True)
        second = gr.Dropdown([], label="Class B", elem_id="class-b", filterable=True)
        method = gr.Dropdown(
            METHODS, value="grad_cam", label="Method", filterable=False, elem_id="compare-method"
        )
    with gr.Row():
        thirds = [_third(label, elem_id) for label, elem_id in zip(("A", "B", "A − B"), IDS, strict=True)]
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

    settings = {first, second, method, objective, layer, alpha}
    results = [*(part for third in thirds for part in (third.picture, third.words)), scale, caption, working]
    seen = gr.State("")

    def asked(given: Values) -> tuple[Explanation, Explanation]:
        how = given[method], given[objective], "signed", given[layer]
        return explanation(given[first], *how), explanation(given[second], *how)

    def compare(visit: Visit, given: Values) -> Iterator[Updates]:
        a, b = given[first], given[second]
        if a is None or b is None:
            yield gr.skip()
        elif a == b:
            # Pictures of an earlier pair would stand under the names of this one.
            name = visit.model.labels[visit.model.class_index(a)]
            emptied = {part: value for third in thirds for part, value in third.showing(None, "").items()}
            sentence = f"Choose two different classes: both are {a} ({name})."
            yield {**emptied, scale: "", caption: note(sentence), working: ""}
        else:
            pair = yield from while_working(
                lambda report: visit.comparison(*asked(given), report),
                f"Comparing classes {a} and {b}",
                working,
            )
            drawn: Updates = {}
            for third, view in zip(thirds, (pair.a, pair.b, pair.difference), strict=True):
                picture = overlay(visit.pixels, view, given[alpha], limits=pair.limits, fade=True)
                drawn |= third.showing(picture_file(picture), note(words_under(view, pair.a)))
            bar = colour_bar(pair.limits, colormap=DIVERGING[0], what=scale_label(pair.a))
            yield {**drawn, scale: bar, caption: note(describe_comparison(pair)), working: ""}

    def fill(visit: Visit, given: Values) -> Updates:
        """Fill the lists; a new picture starts with the two classes that the network holds most probable."""
        a, b, now = given[first], given[second], chosen_for(visit.selection)
        if now != given[seen] or a is None or b is None:
            a, b = (p.index for p in visit.predictions(2))
        choices = class_choices(visit.model.labels)
        return {
            first: gr.update(choices=choices, value=a),
            second: gr.update(choices=choices, value=b),
            layer: cam_layers(visit, given[layer]),
            seen: now,
        }

    running, comparing = run_when_asked(
        *(bench, tab, NAME, selection, active),
        fill=fill,
        filled=[first, second, layer, seen],
        explain=compare,
        settings=settings,
        results=results,
    )
    running.append(ask_for_layer(method, layer, comparing))
    again = [*(c.select for c in (first, second, layer)), objective.input, alpha.release]
    running.append(gr.on(again, **comparing))
    on_cancel(stop, running, working)

    def keep(given: Values) -> Any:
        return keep_comparison(bench.open(given[selection]), *asked(given), given[alpha])

    connect(pin, session, keep, {selection, *settings}, about=selection)
    return TwoClassesTab(first, second, method, objective, layer, seen)


@dataclass(frozen=True)
class _Third:
    """One of the three maps: the picture, and words under it."""

    picture: gr.Image
    words: gr.HTML

    def showing(self, file: str | None, words: str) -> Updates:
        return {self.picture: file, self.words: words}


def _third(label: str, elem_id: str) -> _Third:
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
        return _Third(picture, gr.HTML(padding=False))


def words_under(view: Attribution, a: Attribution) -> str:
    """The class that a map explains, with the range of its values; of the difference, which two."""
    low, high = number(float(view.map.min())), number(float(view.map.max()))
    if view is a or view.target != a.target:
        return f"{named(view)}: logit {number(view.logit)}, {view.probability:.1%}. Values {low} to {high}."
    return f"{view.label}. Values {low} to {high}."
