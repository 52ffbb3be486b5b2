"""What the chosen network is built of, with its parameters layer by layer."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from explorer.architecture import LayerSummary, architecture
from explorer.models import LoadedModel
from explorer.tabs.components import QUIET, entered, note, on_screen, question
from explorer.workbench import Look, Workbench

NAME = "network"


def build(bench: Workbench, look: gr.State, active: gr.Textbox, tab: gr.Tab) -> None:
    """Lay the tab out inside an open ``gr.Tab`` and connect it to the look."""
    question("What is this network built of?")
    summary = gr.HTML(padding=False, elem_id="network-summary")
    table = gr.HTML(padding=False, elem_id="network-layers")
    with gr.Accordion("As PyTorch prints it", open=False):
        printed = gr.Code(language=None, lines=20, max_lines=40, interactive=False, label="print(model)")

    def show(look: Look | None, where: str) -> Any:
        if look is None or where != NAME:
            return (gr.skip(),) * 3
        model = bench.model(look.model)
        rows = architecture(model)
        return note(describe(model, rows)), layer_table(rows), str(model.module)

    drawing: dict[str, Any] = {
        "fn": on_screen(show),
        "inputs": [look, active],
        "outputs": [summary, table, printed],
        **QUIET,
    }
    entered(tab, active, NAME).then(**drawing)
    look.change(**drawing)


def describe(model: LoadedModel, rows: list[LayerSummary]) -> str:
    """The network in a sentence."""
    kinds = [row.kind for row in rows]
    convolutions = sum(kind.startswith("Conv2d") for kind in kinds)
    linear = kinds.count("Linear")
    px = model.preprocess.crop_px
    return (
        f"{model.name} with weights {model.weights}: {model.parameters:,} trainable parameters in "
        f"{sum(row.kind != 'parameter' for row in rows)} steps, of which {convolutions} are convolutions and {linear} "
        f"fully connected. Input 3 × {px} × {px}, output {len(model.labels)} classes."
    )


def layer_table(rows: list[LayerSummary]) -> str:
    """Every layer in execution order with its settings, shape and parameters."""
    body = "".join(
        f"<tr><td>{html.escape(row.name)}</td><td>{html.escape(row.kind)}</td><td>{html.escape(row.settings)}</td>"
        f'<td class="number">{" × ".join(map(str, row.shape)) if row.shape[0] else ""}</td>'
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
