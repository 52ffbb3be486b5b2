"""What the chosen network is built of, with its parameters layer by layer."""

from __future__ import annotations

from typing import Any

import gradio as gr
from markupsafe import Markup

from explorer.layers.architecture import LayerSummary, architecture
from explorer.layers.architecture_words import describe_network
from explorer.tabs.components import QUIET, facts_table, note, on_screen, question, when_seen
from explorer.tabs.keeping import connect, keep_button
from explorer.tabs.looking.keep import keep_architecture
from explorer.workbench import Selection, Workbench

NAME = "network"


def build(bench: Workbench, selection: gr.State, active: gr.Textbox, tab: gr.Tab, session: gr.State) -> None:
    """Lay the tab out inside an open ``gr.Tab`` and connect it to what is looked at."""
    question("What is this network built of?")
    summary = gr.HTML(padding=False, elem_id="network-summary")
    pin = keep_button("network-pin")
    table = gr.HTML(padding=False, elem_id="network-layers")
    with gr.Accordion("As PyTorch prints it", open=False):
        printed = gr.Code(language=None, lines=20, max_lines=40, interactive=False, label="print(model)")

    def show(selection: Selection | None, where: str) -> Any:
        if selection is None or where != NAME:
            return gr.skip()
        model = bench.model(selection.model)
        rows = architecture(model)
        return note(describe_network(model, rows)), layer_table(rows), str(model.module)

    def keep(selection: Selection) -> Any:
        return keep_architecture(bench.open(selection))

    drawing: dict[str, Any] = {
        "fn": on_screen(show),
        "inputs": [selection, active],
        "outputs": [summary, table, printed],
        **QUIET,
    }
    when_seen(tab, selection, active, NAME)(**drawing)
    connect(pin, session, keep, [selection])


def layer_table(rows: list[LayerSummary]) -> Markup:
    """Every layer in execution order with its settings, shape and parameters."""
    head = ("Layer", "Kind", "Settings", "Output C × H × W", "Parameters")
    shown = [
        (
            row.name,
            row.kind,
            row.settings,
            "\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}".join(map(str, row.shape)) if row.shape[0] else "",
            f"{row.parameters:,}" if row.parameters else "",
        )
        for row in rows
    ]
    total = ("Total", "", "", "", f"{sum(row.parameters for row in rows):,}")
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="Layers of the network">{}</div>'
    ).format(facts_table(head, shown, flush_right=(3, 4), total=total))
