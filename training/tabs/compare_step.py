"""Step 3: runs beside each other, and where a network goes wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from markupsafe import Markup

from explorer.errors import ExplorerError
from explorer.tabs.components import QUIET, Updates, note
from explorer.tabs.keeping import connect, keep_button
from explorer.tabs.shell.extra_tabs import TabContext
from training.report.comparison import Group, group_runs
from training.report.curves import Quantity
from training.report.page.comparison import comparison_chart, comparison_table
from training.report.words import comparison_words
from training.runs.words import run_line
from training.tabs import mistakes
from training.tabs.data_step import DataStep
from training.tabs.keeping import keep_comparison
from training.tabs.lab import Lab, alert

_QUANTITIES = [("Accuracy", "accuracy"), ("Loss", "loss"), ("Gap between training and test", "gap")]


@dataclass(frozen=True)
class _Overlay:
    runs: gr.Dropdown
    quantity: gr.Radio
    chart: gr.HTML
    words: gr.HTML
    table: gr.HTML
    pin: gr.Button


def build(lab: Lab, data: DataStep, context: TabContext, tab: gr.Tab) -> None:
    """Lay the step out inside an open ``gr.Tab``."""
    overlay = _build_overlay()
    wrong = mistakes.build()
    _connect(lab, overlay, wrong, tab)
    _connect_keeping(lab, overlay, context.session)
    mistakes.connect(lab, data, context, wrong)


def _build_overlay() -> _Overlay:
    runs = gr.Dropdown([], multiselect=True, label="Runs to compare", elem_id="tr-compare-runs")
    quantity = gr.Radio(_QUANTITIES, value="accuracy", label="Compare their", elem_id="tr-quantity")
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            chart = gr.HTML(padding=False, elem_id="tr-compare-chart")
        with gr.Column(scale=6, min_width=320):
            words = gr.HTML(padding=False, elem_id="tr-compare-words")
    table = gr.HTML(padding=False, elem_id="tr-compare-table")
    pin = keep_button("tr-compare-pin")
    return _Overlay(runs, quantity, chart, words, table, pin)


def _connect_keeping(lab: Lab, overlay: _Overlay, session: gr.State) -> None:
    def keep(chosen: list[str], quantity: Quantity) -> Any:
        return keep_comparison(group_runs([lab.models.run(name) for name in chosen]), quantity)

    connect(overlay.pin, session, keep, [overlay.runs, overlay.quantity])


def _connect(lab: Lab, overlay: _Overlay, wrong: mistakes.Mistakes, tab: gr.Tab) -> None:
    def enter(chosen: list[str] | None, quantity: Quantity, current: str | None) -> Updates:
        """Fill the lists; begin with the newest runs, or with those that come along."""
        everything = [run for run in lab.models.runs() if run.epochs_done]
        choices = [(run_line(run), run.name) for run in everything]
        names = [run.name for run in everything]
        kept = [name for name in chosen or [] if name in names] or names[:2]
        current = current if current in names else next(iter(names), None)
        return {
            overlay.runs: gr.update(choices=choices, value=kept),
            wrong.run: gr.update(choices=choices, value=current),
            wrong.epoch: epochs_update(current),
            **compare(kept, quantity),
        }

    def compare(chosen: list[str], quantity: Quantity) -> Updates:
        if not chosen:
            return {overlay.chart: "", overlay.words: note("Choose one run or more."), overlay.table: ""}
        try:
            groups = group_runs([lab.models.run(name) for name in chosen])
        except ExplorerError as error:
            return {overlay.chart: "", overlay.words: alert(error), overlay.table: ""}
        return {
            overlay.chart: comparison_chart(groups, quantity) + _lines_note(groups, quantity),
            overlay.words: Markup("").join(map(note, comparison_words(groups))),
            overlay.table: comparison_table(groups),
        }

    def epochs_update(name: str | None) -> Any:
        epochs = lab.models.epochs(name) if name else []
        return gr.update(choices=epochs, value=epochs[-1] if epochs else None)

    drawn = [overlay.chart, overlay.words, overlay.table]
    options: dict[str, Any] = QUIET | {"queue": False}
    asked = [overlay.runs, overlay.quantity]
    tab.select(enter, [*asked, wrong.run], [overlay.runs, *drawn, wrong.run, wrong.epoch], **options)
    gr.on([overlay.runs.input, overlay.quantity.input], compare, asked, drawn, **options)
    wrong.run.input(epochs_update, wrong.run, wrong.epoch, **options)


def _lines_note(groups: Sequence[Group], quantity: Quantity) -> Markup:
    """What the lines of the chart are, and what spread a band and the table's ± stand for."""
    gap = quantity == "gap"
    sentence = "" if gap else "Dashed: training; solid: test. "
    if all(len(group.by_seed) == 1 for group in groups):
        return note(sentence) if sentence else Markup("")
    band = "the numbers" if gap else "the band and the numbers"
    return note(f"{sentence}Lines are means over seeds, {band} after ± one standard deviation over them.")
