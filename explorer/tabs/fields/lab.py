"""The receptive-field lab: fields on the picture, in every layer of a network, and of a stack built by hand."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.events import api as endpoint

from explorer.convolution.palette import custom_properties
from explorer.tabs.components import question, when_seen
from explorer.tabs.fields import api as receptive_field_api
from explorer.tabs.fields import builder as receptive_field_builder
from explorer.tabs.fields import image as receptive_field_image
from explorer.tabs.fields import table as receptive_field_table
from explorer.workbench import Workbench

NAME = "receptive-field"
_STYLE = custom_properties() + (Path(__file__).parent / "fields.css").read_text(encoding="utf-8")


def build(bench: Workbench, selection: gr.State, active: gr.Textbox, tab: gr.Tab, session: gr.State) -> None:
    """Lay the tab out inside an open ``gr.Tab`` and connect it to the look."""
    gr.HTML(f"<style>{_STYLE}</style>", padding=False, elem_classes="rf-style")
    question("Which pixels can a unit see?")
    # Two events, one a part: see when_seen.
    seen, table_seen = (when_seen(tab, selection, active, NAME) for _ in range(2))
    with gr.Tabs(elem_id="receptive-field-lab") as tabs:
        with gr.Tab("On the picture", id="picture"):
            picture = receptive_field_image.build(bench, selection, active, NAME, seen, session)
        with gr.Tab("In this network", id="network"):
            receptive_field_table.build(bench, selection, active, NAME, table_seen, picture, tabs, session)
        with gr.Tab("Build a stack", id="stack"):
            receptive_field_builder.build(session)
    endpoint(receptive_field_api.receptive_field, api_name="receptive_field")
    endpoint(receptive_field_api.receptive_field_of_stack, api_name="receptive_field_of_stack")
