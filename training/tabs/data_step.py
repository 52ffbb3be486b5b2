"""Step 1: choose the images, and see them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from explorer.errors import ExplorerError
from explorer.tabs.components import QUIET, as_message, cancel_button, note
from training.data_views import class_table, data_words
from training.downloads import CLASSES
from training.shelf import Choice, is_here, keep_upload
from training.tabs.lab import NAME, Lab, with_progress
from training.words import DATASET_TITLES

_SIZES_MB = {"cifar10": 170, "cifar100": 169, "fashion_mnist": 31, "mnist": 12}
_OWN = "Pictures in one folder per class, or a zip of that"


@dataclass(frozen=True)
class DataStep:
    """``chosen`` holds the :class:`Choice` that is open, None before the first."""

    chosen: gr.State
    dataset: gr.Dropdown


def data_choices() -> list[tuple[str, str]]:
    """(text, name) of every data set, with what choosing it would download."""
    made = [(f"{DATASET_TITLES['shapes10']} · ten drawn shapes, made here in a moment", "shapes10")]
    for name, size in _SIZES_MB.items():
        here = "on this computer" if is_here(Choice(name)) else f"downloads {size} MB"
        made.append((f"{DATASET_TITLES[name]} · {here}", name))
    return [*made, ("Your own pictures, in one folder per class", "folder")]


def first_choice() -> Choice:
    """The exercise sheet's data if it is here, else what needs no download."""
    return Choice("cifar10") if is_here(Choice("cifar10")) else Choice("shapes10")


def build(lab: Lab, active: gr.Textbox) -> DataStep:
    """Lay the step out inside an open ``gr.Tab``."""
    chosen = gr.State(None)
    with gr.Row(equal_height=False, elem_classes="tr-result-first"):
        with gr.Column(scale=3, min_width=280):
            dataset = gr.Dropdown(
                data_choices(),
                value=first_choice().dataset,
                label="Data set",
                elem_id="tr-dataset",
                filterable=False,
            )
            about = gr.HTML(padding=False, elem_id="tr-data-about")
            path = gr.Textbox(
                label=_OWN, placeholder="/home/…/pictures", visible=False, elem_id="tr-data-path"
            )
            upload = gr.File(
                label=_OWN,
                file_types=[".zip", ".gz", ".tgz"],
                height=140,
                visible=False,
                elem_id="tr-data-file",
            )
            with gr.Row(visible=False) as own:
                size = gr.Number(32, label="Resized to, in pixels", precision=0, min_width=110)
                skip = gr.Checkbox(False, label="Leave broken files out", min_width=150)
            open_it = gr.Button("Open", variant="primary", visible=False, elem_id="tr-data-open")
            working = gr.HTML(padding=False)
            stop = cancel_button()
            words = gr.HTML(padding=False, elem_id="tr-data-words")
        with gr.Column(scale=8, min_width=320):
            table = gr.HTML(note("The images appear here."), padding=False, elem_id="tr-data-table")
            another = gr.Button("Show other examples", size="sm", elem_id="tr-data-another")
    draw = gr.State(0)

    def describe(name: str) -> tuple[Any, ...]:
        """What the chosen data set still needs of the user."""
        ask = name == "folder" or not is_here(Choice(name))
        label = _OWN if name == "folder" else "Or its archive, if you have it already"
        button = f"Download {_SIZES_MB[name]} MB" if name in _SIZES_MB else "Open these pictures"
        if lab.shelf.offline and name in _SIZES_MB:
            button = "Open"
        return (
            note(_about(name, ask, lab.shelf.offline)),
            gr.update(visible=ask and lab.typed_paths, label=f"{label}: where it is on this computer"),
            gr.update(visible=ask, label=label, value=None),
            gr.update(visible=name == "folder"),
            gr.update(visible=ask, value=button),
        )

    def choose(name: str, before: Choice | None) -> Iterator[Any]:
        if name != "folder" and is_here(Choice(name)):
            yield from _show(lab, Choice(name), before)
        else:  # a generator without any result would empty its outputs
            yield (gr.skip(),) * 4

    def open_own(
        name: str, path: str, upload: str | None, size: Any, skip: bool, before: Any
    ) -> Iterator[Any]:
        place = _place(lab, path, upload)
        if name == "folder" and place is None:
            raise as_message(
                ExplorerError("no folder and no zip", "was given", "name a folder or give a zip file")
            )
        made = Choice(name, place, size, skip) if name == "folder" else Choice(name, place)
        yield from _show(lab, made, before, again=True)

    def enter(where: str, name: str, before: Choice | None) -> Iterator[Any]:
        if where == NAME and before is None:
            yield from choose(name, before)
        else:
            yield (gr.skip(),) * 4

    def shuffle(chosen: Choice | None, draw: int) -> tuple[Any, ...]:
        return (
            (gr.skip(), draw) if chosen is None else (class_table(lab.shelf.open(chosen), draw + 1), draw + 1)
        )

    needs = [about, path, upload, own, open_it]
    shown: list[Any] = [chosen, table, words, working]
    dataset.input(describe, dataset, needs, **QUIET)
    running: list[Any] = [
        active.change(enter, [active, dataset, chosen], shown, **QUIET),
        dataset.input(choose, [dataset, chosen], shown, **QUIET),
        open_it.click(open_own, [dataset, path, upload, size, skip, chosen], shown, **QUIET),
    ]
    stop.click(lambda: note("Stopped; what has come is kept."), None, working, cancels=running, **QUIET)
    another.click(shuffle, [chosen, draw], [table, draw], **QUIET)
    return DataStep(chosen, dataset)


def _show(lab: Lab, wanted: Choice, before: Choice | None, again: bool = False) -> Iterator[tuple[Any, ...]]:
    """Updates for (choice, table, words, progress); on failure what was open stays."""
    opening = lab.shelf.reopen if again else lab.shelf.open
    try:
        found = yield from with_progress(
            lambda report: opening(wanted, lambda share, what: report((share, what))), 3
        )
        # An archive is unpacked into our own folder; from then on it isn't needed.
        kept = wanted if wanted.dataset == "folder" else Choice(wanted.dataset)
        yield kept, class_table(found), note(data_words(found)), ""
    except ExplorerError as error:
        yield before, gr.skip(), gr.skip(), ""
        raise as_message(error) from error


def _place(lab: Lab, path: str, upload: str | None) -> str | None:
    """Where the user's own data lies: a file that came up, or a path that was typed."""
    if upload:
        return str(keep_upload(Path(upload)))
    return path.strip() or None if path and lab.typed_paths else None


def _about(name: str, ask: bool, offline: bool) -> str:
    if name == "folder":
        return (
            "class/picture.jpg (every fifth of a class becomes a test picture), or train/class/… and test/class/…. "
            "The middle square of each is resized."
        )
    if name in CLASSES and ask and offline:
        return (
            f"{DATASET_TITLES[name]} isn't on this computer, and the program runs offline: give its archive."
        )
    if name in CLASSES and ask:
        return (
            f"{DATASET_TITLES[name]} isn't on this computer yet. Its host is slow and sometimes takes an hour; a "
            "download that breaks goes on where it stopped. Shapes-10 needs none."
        )
    return ""
