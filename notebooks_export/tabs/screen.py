"""The Export screen: what was kept, in order and with one's own words; the exercise sheet; what is handed in."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import gradio as gr

from explorer.session.steps import Session
from explorer.tabs.components import cancel_button, on_cancel, question, when_crossed
from explorer.tabs.shell.extra_tabs import ExtraTab, TabContext
from notebooks_export.tabs import hand_in, sheet_form, steps
from training.runs.catalogue import TrainedModels

NAME = "export"


def extra_tab(trained: TrainedModels) -> ExtraTab:
    """What ``launch.py`` hands to the app; ``trained`` are the training lab's runs."""
    return ExtraTab(NAME, "Export", partial(_build, trained))


def _build(trained: TrainedModels, context: TabContext, active: gr.Textbox, tab: gr.Tab) -> None:
    question("What do you hand in?", "A notebook that runs, its PDF, and the ZIP with both.")
    gr.HTML(f"<style>{steps.STYLE}</style>", padding=False)
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=280):
            listed = steps.lay_out_list()
        with gr.Column(scale=5, min_width=300):
            chosen = steps.lay_out_chosen()
            page = steps.Steps(context.session, listed, chosen, brought=gr.State(None), before=gr.State(None))
        with gr.Column(scale=3, min_width=280):
            form = sheet_form.lay_out(trained)
            # In the column itself: there the style sheet looks for the bar that brings the button out.
            working = gr.HTML(padding=False, elem_id="export-working")
            stop = cancel_button()
            files = hand_in.lay_out()
    steps.connect(page)
    slow = sheet_form.connect(form, trained, context, page, working)
    slow += hand_in.connect(files, trained, page, working)
    on_cancel(stop, slow, working)
    entering = partial(enter, trained)

    def show(where: str, session: Session, position: int | None, *chosen: str) -> dict[Any, Any]:
        updates, lists = entering(where, session, position, chosen)
        return {**page.showing(lambda: updates)(), **dict(zip(form.runs, lists, strict=False))}

    when_crossed(active, NAME)(
        show, [active, *page.at, *form.runs], [*page.outputs, *form.runs], **steps.AT_ONCE
    )


def enter(
    trained: TrainedModels, where: str, session: Session, position: int | None, chosen: Sequence[str]
) -> tuple[steps.Updates, list[Any]]:
    """Updates for the steps, and for the lists of runs: what was kept or trained on another screen shows up here.

    Whoever comes without having chosen a step sees the last one that was kept.
    """
    if where != NAME:
        return steps.UNCHANGED, []
    runs = sheet_form.runs_now(trained, chosen)
    if position is None and session.steps:
        return steps.details(session, len(session.steps) - 1), runs
    return {"steps": gr.update(choices=steps.choices(session), value=position)}, runs
