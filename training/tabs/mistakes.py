"""Where a network goes wrong: test it, see the confusions, open a mistake in the explorer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from markupsafe import Markup

from explorer.errors import ExplorerError
from explorer.tabs.components import (
    QUIET,
    Updates,
    as_message,
    cancel_button,
    note,
    on_screen,
    picture_file,
)
from explorer.tabs.keeping import connect as keep
from explorer.tabs.keeping import keep_button
from explorer.tabs.shell.extra_tabs import TabContext
from training.data.load import Dataset
from training.data.opened import Choice
from training.report.mistakes import Pair, cell_images, confusion_words, confusions
from training.report.page.mistakes import draw_confusion, mistake_cards
from training.report.predictions import Predictions, confident_mistakes
from training.runs.catalogue import name_of
from training.tabs.data_step import DataStep
from training.tabs.keeping import keep_confusion, keep_mistakes
from training.tabs.lab import Lab, alert, with_progress

_MOST_CARDS = 24
_ALL = "all"
_TWO_CLASSES = "two-classes"
_JS = (Path(__file__).parent / "choose.js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Mistakes:
    """The components; ``tested`` is what the matrix shows."""

    run: gr.Dropdown
    epoch: gr.Dropdown
    test: gr.Button
    matrix: gr.HTML
    caption: gr.HTML
    pair: gr.Dropdown
    cards: gr.HTML
    working: gr.HTML
    stop: gr.Button
    tested: gr.State
    pin: gr.Button
    pin_cards: gr.Button


def build() -> Mistakes:
    """Lay them out inside an open column."""
    gr.HTML('<h3 class="tr-section">Where does it go wrong?</h3>', padding=False)
    with gr.Row(elem_classes="tr-buttons"):
        run = gr.Dropdown([], label="Run", scale=4, min_width=240, elem_id="tr-mistakes-run")
        epoch = gr.Dropdown([], label="After epoch", scale=1, min_width=100, elem_id="tr-mistakes-epoch")
        test = gr.Button("Test it", variant="primary", scale=1, min_width=110, elem_id="tr-test")
    with gr.Column():
        working = gr.HTML(padding=False)
        stop = cancel_button()
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            matrix = gr.HTML(padding=False, js_on_load=_JS, apply_default_css=False, elem_id="tr-confusion")
            caption = gr.HTML(padding=False, elem_id="tr-confusion-caption")
            pin = keep_button("tr-confusion-pin")
        with gr.Column(scale=6, min_width=320):
            pair = gr.Dropdown([], label="Mistakes, the surest first", visible=False, elem_id="tr-pair")
            cards = gr.HTML(padding=False, js_on_load=_JS, apply_default_css=False, elem_id="tr-mistakes")
            pin_cards = keep_button("tr-mistakes-pin")
    return Mistakes(
        run=run,
        epoch=epoch,
        test=test,
        matrix=matrix,
        caption=caption,
        pair=pair,
        cards=cards,
        working=working,
        stop=stop,
        tested=gr.State(None),
        pin=pin,
        pin_cards=pin_cards,
    )


@dataclass(frozen=True)
class _Tested:
    """What is on screen: a run after an epoch, tested on the images of its data or on those that were open."""

    run: str
    epoch: int
    chosen: Choice | None

    def images(self, lab: Lab) -> Dataset:
        return lab.images(lab.models.run(self.run), self.chosen)

    def predictions(self, lab: Lab, on_progress: Callable[[float], None] | None = None) -> Predictions:
        return lab.predictions(lab.models.run(self.run), self.epoch, self.images(lab), on_progress)


def connect(lab: Lab, data: DataStep, context: TabContext, parts: Mistakes) -> None:
    """Test on demand; a cell of the matrix chooses what is shown, a picture opens in the explorer."""
    outputs = [parts.matrix, parts.caption, parts.pair, parts.cards, parts.tested, parts.working]

    def test(name: str | None, epoch: Any, chosen: Choice | None) -> Iterator[Any]:
        if name is None or epoch is None:
            raise as_message(ExplorerError("no run", "is chosen", "choose one that has finished an epoch"))
        yield from _test(lab, _Tested(name, int(epoch), chosen), parts)

    def choose(tested: _Tested, pair: str) -> Updates:
        found = tested.predictions(lab)
        wanted = None if pair == _ALL else _cell(pair)
        cards = _cards(found, wanted, tested.images(lab))
        return {parts.matrix: draw_confusion(found, wanted), parts.cards: cards}

    def choose_cell(tested: _Tested, event: gr.EventData) -> Updates:
        cell = (int(event.row), int(event.column))
        choices = _pairs(tested.predictions(lab), cell)
        return {parts.pair: gr.update(choices=choices, value=_text(cell)), **choose(tested, _text(cell))}

    def open_it(tested: _Tested, event: gr.EventData) -> Any:
        images, found, index = tested.images(lab), tested.predictions(lab), int(event.index)
        path = picture_file(np.asarray(images.test_images[index]), f"test-{index}")
        selection = lab.bench.select(name_of(lab.models.run(tested.run), tested.epoch), path)
        return context.open(selection, _TWO_CLASSES, _two_classes(found, index))

    def keep_matrix(tested: _Tested) -> Any:
        run = lab.models.run(tested.run)
        return keep_confusion(run, tested.epoch, tested.chosen, tested.predictions(lab), tested.images(lab))

    def keep_cards(tested: _Tested, pair: str) -> Any:
        run, found = lab.models.run(tested.run), tested.predictions(lab)
        cell = None if pair == _ALL else _cell(pair)
        return keep_mistakes(run, tested.epoch, tested.chosen, found, tested.images(lab), cell)

    keep(parts.pin, context.session, keep_matrix, [parts.tested])
    keep(parts.pin_cards, context.session, keep_cards, [parts.tested, parts.pair])
    testing = parts.test.click(
        test, [parts.run, parts.epoch, data.chosen], outputs, concurrency_limit=2, **QUIET
    )
    parts.stop.click(lambda: "", None, parts.working, cancels=[testing], **QUIET)
    picked = [parts.matrix, parts.cards]
    parts.pair.input(on_screen(choose), [parts.tested, parts.pair], picked, **QUIET)
    parts.matrix.select(on_screen(choose_cell), parts.tested, [parts.pair, *picked], **QUIET)
    parts.cards.select(on_screen(open_it), parts.tested, list(context.outputs), **QUIET)


def _test(lab: Lab, tested: _Tested, parts: Mistakes) -> Iterator[Updates]:
    """Updates with the answers to all test images, with progress."""
    try:
        found = yield from with_progress(
            lambda report: tested.predictions(lab, lambda share: report((share, "Testing"))), parts.working
        )
    except ExplorerError as error:
        yield {parts.working: alert(error)}
        return
    yield {
        parts.matrix: draw_confusion(found),
        parts.caption: note(f"{confusion_words(found)} Click a cell to see its images."),
        parts.pair: gr.update(choices=_pairs(found), value=_ALL, visible=True),
        parts.cards: _cards(found, None, tested.images(lab)),
        parts.tested: tested,
        parts.working: "",
    }


def _pairs(found: Predictions, also: Pair | None = None) -> list[tuple[str, str]]:
    """The most frequent confusions for a list, and one more cell if it isn't among them."""
    listed = [(words, _text(pair)) for words, pair in confusions(found)]
    if also is not None and _text(also) not in [value for _, value in listed]:
        row, column = also
        what = "right" if row == column else f"for {found.labels[column]}"
        listed.append((f"{found.labels[row]} {what} ({found.confusion[also]})", _text(also)))
    return [("all mistakes", _ALL), *listed]


def _text(cell: Pair) -> str:
    return f"{cell[0]},{cell[1]}"


def _cell(text: str) -> Pair:
    row, column = text.split(",")
    return int(row), int(column)


def _two_classes(found: Predictions, index: int) -> Pair:
    """What a test image was taken for, and what it is; for one that is right, the runner-up and what it is."""
    order, true = np.argsort(-found.probabilities[index], kind="stable"), int(found.classes[index])
    return next(int(label) for label in order if label != true), true


def _cards(found: Predictions, pair: Pair | None, data: Dataset) -> Markup:
    """The surest mistakes, or the images of one cell of the matrix."""
    if pair is None:
        chosen = confident_mistakes(found, _MOST_CARDS)
        sentence = f"The {len(chosen)} mistakes of which it was surest: what it is, and in bold what it was taken for."
    else:
        chosen = cell_images(found, *pair)[:_MOST_CARDS]
        sentence = f"{len(chosen)} of {found.confusion[pair]} images, the surest first."
    cards = mistake_cards(chosen, found.labels, data)
    return cards + note(f"{sentence} Click one: it opens in Two classes, with both classes compared.")
