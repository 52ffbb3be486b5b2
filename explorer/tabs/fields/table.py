"""The fields of every layer of a network, as a curve and a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from explorer.fields.growth import network_growth
from explorer.fields.page.stack import draw_growth
from explorer.fields.page.tables import draw_network_table
from explorer.fields.theoretical import NetworkFields, catalogue_fields, network_fields
from explorer.fields.words import describe_network
from explorer.networks.catalogue import catalogue
from explorer.tabs.components import QUIET, Updates, Values, note, on_screen
from explorer.tabs.fields.image import PictureView
from explorer.tabs.fields.keep import keep_fields
from explorer.tabs.keeping import connect, keep_button
from explorer.workbench import Selection, Workbench

_PICK = (Path(__file__).parent / "pick.js").read_text(encoding="utf-8")
_CHOSEN = "the network chosen on the left"
_DEFINITION = (
    '<p class="note subdued">Size, jump and start as in Araujo, Norris and Sim, '
    '<a href="https://distill.pub/2019/computing-receptive-fields/" target="_blank" rel="noopener">'
    "Computing receptive fields of convolutional neural networks</a> (Distill, 2019): behind a layer with kernel k, "
    "stride s, padding p and dilation d the size grows by (k − 1)·d·jump, the start moves by ((k − 1)·d/2 − p)·jump, "
    "and the jump becomes jump·s. Where branches meet, a unit sees what any of them sees. Pixels of the network's "
    "input, the first one's centre at 0.</p>"
)


def build(
    bench: Workbench,
    selection: gr.State,
    active: gr.Textbox,
    name: str,
    seen: Any,
    picture: PictureView,
    tabs: gr.Tabs,
    session: gr.State,
) -> None:
    """Lay the part out inside an open tab. A click on a row shows its layer on the picture."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=280):
            other = gr.Dropdown(
                [_CHOSEN, *catalogue()],
                value=_CHOSEN,
                label="Network",
                info="Any of the catalogue: weights don't matter here, nothing is downloaded",
                elem_id="rf-network",
            )
            summary = gr.HTML(padding=False, elem_id="rf-summary")
        with gr.Column(scale=6, min_width=320):
            growth = gr.HTML(padding=False, elem_id="rf-growth")
            pin = keep_button("rf-network-pin")
    table = gr.HTML(
        "",
        html_template="<div>${value}</div>",
        js_on_load=_PICK,
        apply_default_css=False,
        padding=False,
        elem_id="rf-table",
    )
    gr.HTML(_DEFINITION, padding=False)

    def show(given: Values) -> Updates:
        look = given[selection]
        if look is None or given[active] != name:
            return {summary: gr.skip()}
        own = given[other] == _CHOSEN
        network = network_fields(bench.model(look.model)) if own else catalogue_fields(given[other])
        chosen = given[picture.layer] or "" if own else ""
        return {
            summary: note(describe_network(network)),
            growth: growth_of(network, chosen),
            table: draw_network_table(network, chosen),
        }

    def choose(other: str, event: gr.EventData) -> Any:
        if other != _CHOSEN:
            gr.Info(f"To see {other} on the picture, choose it as the network on the left.")
            return gr.skip(), gr.skip()
        return event.layer, gr.Tabs(selected="picture")

    showing: dict[str, Any] = {
        "fn": on_screen(show),
        "inputs": {selection, active, other, picture.layer},
        "outputs": [summary, growth, table],
        **QUIET,
    }
    gr.on([seen, other.input, picture.layer.change], **showing)
    table.select(choose, other, [picture.layer, tabs], trigger_mode="multiple", **QUIET).then(
        **picture.drawing
    )

    def keep(selection: Selection, other: str) -> Any:
        return keep_fields(bench, selection, None if other == _CHOSEN else other)

    connect(pin, session, keep, [selection, other])


def growth_of(network: NetworkFields, chosen: str) -> Markup:
    """The curve of the local sizes of all maps, the chosen layer's marked, with its caption."""
    curve = network_growth(network, chosen)
    return draw_growth(curve) + note(curve.sentence) if curve.sizes else Markup("")
