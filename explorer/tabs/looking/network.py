"""What the chosen network is built of, with its parameters layer by layer."""

from __future__ import annotations

import html
from functools import partial
from typing import Any

import gradio as gr

from explorer.layers.architecture import LayerSummary, architecture
from explorer.layers.architecture_words import describe_network
from explorer.tabs.components import QUIET, entered, note, on_screen, question
from explorer.tabs.keeping import connect, keep_button
from explorer.tabs.looking.keep import keep_architecture
from explorer.workbench import Selection, Workbench

NAME = "network"


def build(bench: Workbench, selection: gr.State, active: gr.Textbox, tab: gr.Tab, session: gr.State) -> None:
    """Lay the tab out inside an open ``gr.Tab`` and connect it to the look."""
    question("What is this network built of?")
    summary = gr.HTML(padding=False, elem_id="network-summary")
    pin = keep_button("network-pin")
    table = gr.HTML(padding=False, elem_id="network-layers")
    with gr.Accordion("As PyTorch prints it", open=False):
        printed = gr.Code(language=None, lines=20, max_lines=40, interactive=False, label="print(model)")

    def show(selection: Selection | None, where: str) -> Any:
        if selection is None or where != NAME:
            return (gr.skip(),) * 3
        model = bench.model(selection.model)
        rows = architecture(model)
        return note(describe_network(model, rows)), layer_table(rows), str(model.module)

    drawing: dict[str, Any] = {
        "fn": on_screen(show),
        "inputs": [selection, active],
        "outputs": [summary, table, printed],
        **QUIET,
    }
    entered(tab, active, NAME).then(**drawing)
    selection.change(**drawing)
    connect(pin, session, partial(keep_architecture, bench), [selection])


def layer_table(rows: list[LayerSummary]) -> str:
    """Every layer in execution order with its settings, shape and parameters."""
    body = "".join(
        f"<tr><td>{html.escape(row.name)}</td><td>{html.escape(row.kind)}</td><td>{html.escape(row.settings)}</td>"
        f'<td class="number">{"&nbsp;×&nbsp;".join(map(str, row.shape)) if row.shape[0] else ""}</td>'
        f'<td class="number">{f"{row.parameters:,}" if row.parameters else ""}</td></tr>'
        for row in rows
    )
    total = sum(row.parameters for row in rows)
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Layers of the network"><table class="facts">'
        '<tr><th>Layer</th><th>Kind</th><th>Settings</th><th class="number">Output C × H × W</th>'
        f'<th class="number">Parameters</th></tr>{body}'
        f'<tr><th colspan="4">Total</th><th class="number">{total:,}</th></tr></table></div>'
    )
