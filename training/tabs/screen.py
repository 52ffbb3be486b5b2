"""The training lab as a screen of the app: four steps, from left to right."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import gradio as gr
from markupsafe import Markup

from explorer.tabs.components import question
from explorer.tabs.shell.extra_tabs import ExtraTab, TabContext
from training.tabs import address, compare_step, data_step, endpoints, inside_step, train_step, watch
from training.tabs.lab import NAME, Lab

_STYLE = Markup((Path(__file__).parent / "training.css").read_text(encoding="utf-8"))  # noqa: S704 (our own file)


def extra_tab(lab: Lab) -> ExtraTab:
    """What ``launch.py`` hands to the app."""
    return ExtraTab(NAME, "Training", partial(_build, lab))


def _build(lab: Lab, context: TabContext, active: gr.Textbox, tab: gr.Tab) -> None:
    gr.HTML(Markup("<style>{}</style>").format(_STYLE), padding=False, elem_classes="tr-style")
    question("What does a network learn, and when?", "Four steps, from left to right.")
    with gr.Tabs(elem_id="training-lab") as steps:
        with gr.Tab("1 · Data", id="data"):
            data = data_step.build()
        with gr.Tab("2 · Train", id=watch.STEP):
            begun, search = train_step.build(lab, data, context, active, steps)
        with gr.Tab("3 · Compare", id="compare") as step:
            compare_step.build(lab, data, context, step)
        with gr.Tab("4 · Look inside", id="inside") as step:
            inside_step.build(lab, data, context, step)
    data_step.connect(lab, data, active, search, begun, context.session)
    address.keep({"data": data.name})
    endpoints.build(lab)
