"""Step 1: choose the images, and see them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from explorer.errors import ExplorerError
from explorer.tabs.components import (
    QUIET,
    Updates,
    Values,
    cancel_button,
    components_of,
    note,
    on_cancel,
    on_screen,
    warn,
)
from explorer.tabs.keeping import connect as keep
from explorer.tabs.keeping import keep_button
from training.data.downloads import CLASSES, archives
from training.data.opened import Choice, Opened, is_here, keep_upload
from training.report.page.data import class_table, data_words
from training.tabs.address import parameters
from training.tabs.keeping import keep_gallery
from training.tabs.lab import NAME, Lab, with_progress
from training.tabs.labels import LABELS, in_labels
from training.words import DATASET_TITLES

_SIZES_MB = {"cifar10": 170, "cifar100": 169, "fashion_mnist": 31, "mnist": 12}
_PICTURES = "Pictures in one folder per class, or a zip of that"
_OWN = "own-"


@dataclass(frozen=True)
class _Form:
    """Which images, and what opening them needs of the user."""

    dataset: gr.Dropdown
    about: gr.HTML
    path: gr.Textbox
    upload: gr.File
    own: gr.Row
    size: gr.Number
    skip: gr.Checkbox
    open_it: gr.Button

    @property
    def all(self) -> list[Any]:
        """All of them."""
        return components_of(self)


@dataclass(frozen=True)
class DataStep:
    """``chosen`` holds the :class:`Choice` that is open, None before the first; ``name`` is its name in an address.

    ``draw`` is the seed of the examples that are shown.
    """

    chosen: gr.State
    draw: gr.State
    name: gr.Textbox
    form: _Form
    table: gr.HTML
    words: gr.HTML
    working: gr.HTML
    stop: gr.Button
    another: gr.Button
    pin: gr.Button

    @property
    def shown(self) -> list[Any]:
        """What changes when images are opened."""
        return [self.chosen, self.draw, self.name, self.table, self.words, self.working]


def data_choices(offline: bool = False) -> list[tuple[str, str]]:
    """(text, name) of every data set, with what choosing it would download."""
    made = [(f"{DATASET_TITLES['shapes10']} · ten drawn shapes, made here in a moment", "shapes10")]
    for name, size in _SIZES_MB.items():
        away = "not on this computer" if offline else f"downloads {size} MB"
        here = "on this computer" if is_here(Choice(name)) else away
        made.append((f"{DATASET_TITLES[name]} · {here}", name))
    return [*made, ("Your own pictures, in one folder per class", "folder")]


def first_choice() -> Choice:
    """The exercise sheet's data if it is here, else what needs no download."""
    return Choice("cifar10") if is_here(Choice("cifar10")) else Choice("shapes10")


def build() -> DataStep:
    """Lay the step out inside an open ``gr.Tab``; :func:`connect` makes it work."""
    chosen, draw, name = gr.State(None), gr.State(0), gr.Textbox(visible=False)
    with gr.Row(equal_height=False, elem_classes="tr-result-first"):
        with gr.Column(scale=3, min_width=280):
            form = _build_form()
            working = gr.HTML(padding=False)
            stop = cancel_button()
            words = gr.HTML(padding=False, elem_id="tr-data-words")
        with gr.Column(scale=8, min_width=320):
            table = gr.HTML(note("The images appear here."), padding=False, elem_id="tr-data-table")
            with gr.Row():
                another = gr.Button("Show other examples", size="sm", elem_id="tr-data-another")
                pin = keep_button("tr-data-pin")
    return DataStep(
        chosen=chosen,
        draw=draw,
        name=name,
        form=form,
        table=table,
        words=words,
        working=working,
        stop=stop,
        another=another,
        pin=pin,
    )


def _build_form() -> _Form:
    dataset = gr.Dropdown(
        data_choices(),
        value=first_choice().dataset,
        label="Data set",
        elem_id="tr-dataset",
        filterable=False,
    )
    about = gr.HTML(padding=False, elem_id="tr-data-about")
    path = gr.Textbox(label=_PICTURES, placeholder="/home/…/pictures", visible=False, elem_id="tr-data-path")
    upload = gr.File(
        label=_PICTURES,
        file_types=[".zip", ".gz", ".tgz"],
        height=140,
        visible=False,
        elem_id="tr-data-file",
    )
    with gr.Row(visible=False) as own:
        size = gr.Number(32, label=LABELS["image_size"], min_width=110)
        skip = gr.Checkbox(False, label="Leave broken files out", min_width=150)
    open_it = gr.Button("Open", variant="primary", visible=False, elem_id="tr-data-open")
    return _Form(
        dataset=dataset,
        about=about,
        path=path,
        upload=upload,
        own=own,
        size=size,
        skip=skip,
        open_it=open_it,
    )


def connect(
    lab: Lab, data: DataStep, active: gr.Textbox, search: gr.Textbox, begun: Any, session: gr.State
) -> None:
    """Make the step work. After the event ``begun``, ``search`` holds the page's address from its ``?`` on."""
    opening, form = _Opening(lab, data), data.form
    own: set[Any] = {form.dataset, form.path, form.upload, form.size, form.skip, data.chosen}
    form.dataset.select(opening.describe, form.dataset, form.all, **QUIET)
    given: list[Any] = [form.path.change, form.upload.change]
    gr.on(given, opening.button, [form.dataset, form.path, form.upload], form.open_it, **QUIET)
    opened = form.open_it.click(on_screen(opening.open_own), own, data.shown, **QUIET)
    opened.success(opening.settle, form.dataset, form.all, **QUIET)
    # Two events: of a generator's updates in quick succession, a slow page shows the last alone.
    first = [active, search, data.chosen]
    filled = begun.then(opening.fill, first, form.all, **QUIET)
    running: list[Any] = [
        filled.then(on_screen(opening.enter), first, data.shown, **QUIET),
        form.dataset.select(on_screen(opening.choose), [form.dataset, data.chosen], data.shown, **QUIET),
        opened,
    ]
    stopped = on_cancel(data.stop, running, data.working)
    stopped.then(lambda: note("Stopped; what has come is kept."), None, data.working, **QUIET)
    data.another.click(opening.shuffle, [data.chosen, data.draw], [data.table, data.draw], **QUIET)
    keep(
        data.pin,
        session,
        lambda chosen, draw: keep_gallery(lab.datasets.open(chosen), draw),
        [data.chosen, data.draw],
    )


@dataclass(frozen=True)
class _Opening:
    """What happens when images are chosen and opened. Components that an update doesn't name stay as they are."""

    lab: Lab
    data: DataStep

    def describe(self, name: str) -> Updates:
        """What the chosen data set still needs of the user."""
        form, offline = self.data.form, self.lab.datasets.offline
        ask = name == "folder" or not is_here(Choice(name))
        typed, single = ask and self.lab.typed_paths, ask and _is_one_file(name)
        label, example = _asked_for(name, offline)
        where = {"label": f"{label}: where it is on this computer", "placeholder": example}
        return {
            form.about: note(_about(name, ask, offline)),
            form.path: gr.update(visible=typed, value="", **where),
            form.upload: gr.update(visible=single, label=label, value=None),
            form.own: gr.update(visible=name == "folder"),
            form.open_it: gr.update(
                visible=ask and (typed or single or not offline), value=self.button(name, "", None)
            ),
        }

    def button(self, name: str, path: str, upload: str | None) -> str:
        """What pressing it will do."""
        if name == "folder":
            return "Open these pictures"
        here = upload or path or self.lab.datasets.offline
        what = "archive" if _is_one_file(name) else "folder"
        return f"Open this {what}" if here else f"Download {_SIZES_MB.get(name, 0)} MB"

    def choose(self, name: str, before: Choice | None) -> Iterator[Any]:
        """What is here is opened at once; for the rest the form asks."""
        if name != "folder" and is_here(Choice(name)):
            yield from self.show(Choice(name), before)
        else:  # a generator without any result would empty its outputs
            yield gr.skip()

    def open_own(self, given: Values) -> Iterator[Any]:
        """The user's pictures; or a data set, from its archive if one is given, else from the web."""
        form, name = self.data.form, given[self.data.form.dataset]
        place = self._place(given[form.path], given[form.upload])
        if name == "folder" and place is None:
            raise ExplorerError("no folder and no zip", "was given", "name a folder or give a zip file")
        own = name == "folder"
        made = Choice(name, place, given[form.size], given[form.skip]) if own else Choice(name, place)
        yield from self.show(made, given[self.data.chosen], again=True)

    def settle(self, name: str) -> Any:
        """A data set that has come is on this computer from now on, and needs nothing more."""
        if name == "folder":
            return gr.skip()
        choices = data_choices(self.lab.datasets.offline)
        return {self.data.form.dataset: gr.update(choices=choices), **self.describe(name)}

    def fill(self, where: str, search: str, before: Choice | None) -> Any:
        """On the first visit: the form as the page's address has it; what can't be shown is said."""
        if where != NAME or before is not None:
            return gr.skip()
        try:
            wanted = self._named(search) or first_choice()
        except ExplorerError as error:
            warn(error)
            wanted = first_choice()
        form = self.data.form
        choices = data_choices(self.lab.datasets.offline)
        filled = self.describe(wanted.dataset)
        filled[form.dataset] = gr.update(choices=choices, value=wanted.dataset)
        if wanted.dataset == "folder":
            filled |= {form.size: wanted.image_size, form.skip: wanted.skip_broken}
        return filled

    def enter(self, where: str, search: str, before: Choice | None) -> Iterator[Any]:
        """On the first visit: the images that the page's address names, else the first choice."""
        if where != NAME or before is not None:
            yield gr.skip()
            return
        try:
            wanted = self._named(search)
        except ExplorerError:  # said when the form was filled
            wanted = None
        yield from self.show(wanted or first_choice(), before)

    def show(self, wanted: Choice, before: Choice | None, again: bool = False) -> Iterator[Updates]:
        """Open images, with progress, and show them; on failure what was open stays."""
        data, opening = self.data, self.lab.datasets.reopen if again else self.lab.datasets.open
        try:
            found = yield from with_progress(
                lambda report: opening(wanted, lambda share, what: report((share, what))), data.working
            )
        except ExplorerError as error:
            yield {data.chosen: before, data.working: ""}
            raise in_labels(error) from error
        yield {
            # An archive is unpacked into our own folder; from then on it isn't needed.
            data.chosen: wanted if wanted.dataset == "folder" else Choice(wanted.dataset),
            data.draw: 0,
            data.name: name_in_address(found),
            data.table: class_table(found),
            data.words: note(data_words(found)),
            data.working: "",
        }

    def shuffle(self, chosen: Choice | None, draw: int) -> Any:
        """Other examples of each class."""
        if chosen is None:
            return gr.skip()
        return class_table(self.lab.datasets.open(chosen), draw + 1), draw + 1

    def _place(self, path: str, upload: str | None) -> str | None:
        """Where the user's own data lies: a file that came up, or a path that was typed."""
        if upload:
            return str(keep_upload(Path(upload)))
        typed = path.strip() if path and self.lab.typed_paths else ""
        if typed and not Path(typed).expanduser().exists():
            raise ExplorerError(f"{typed!r}", "does not exist", "name a file or folder of this computer")
        return typed or None

    def _named(self, search: str) -> Choice | None:
        """The images that the page's address names, None if it names none; raises ExplorerError."""
        name = parameters(search).get("data", "")
        if name.startswith(_OWN):
            found = self.lab.datasets.opened_as(name.removeprefix(_OWN))
            if found is None:
                remedy = "open them again under 1 · Data"
                raise ExplorerError("the pictures of this page's address", "are no longer open", remedy)
            return found
        if name and not (name in (*CLASSES, "shapes10") and is_here(Choice(name))):
            what = f"data set {name[:60]!r}"
            raise ExplorerError(what, "is not on this computer", "choose one under 1 · Data")
        return Choice(name) if name else None


def name_in_address(found: Opened) -> str:
    """What names a data set in the page's address. Own pictures go by their content: no path is given away."""
    own = found.choice.dataset == "folder"
    return f"{_OWN}{found.data.fingerprint}" if own else found.choice.dataset


def _is_one_file(name: str) -> bool:
    """Whether one upload can bring it: pictures as a zip, a data set of one archive. MNIST's has four."""
    return name == "folder" or (name in CLASSES and len(archives(name)) == 1)


def _asked_for(name: str, offline: bool) -> tuple[str, str]:
    """(label, example of a path) for what the user may give."""
    if name == "folder":
        return _PICTURES, "/home/…/pictures"
    if not _is_one_file(name):
        label = "The folder with its files" if offline else "Or the folder with its files, if you have them"
        return label, "/home/…/data"
    file = archives(name)[0].path
    return ("Its archive" if offline else "Or its archive, if you have it already"), f"/home/…/{file}"


def _about(name: str, ask: bool, offline: bool) -> str:
    if name == "folder":
        return (
            "class/picture.jpg (every fifth of a class becomes a test picture), or train/class/… and test/class/…. "
            "The middle square of each is resized."
        )
    if name in CLASSES and ask and offline:
        give = "its archive" if _is_one_file(name) else f"the folder that holds {archives(name)[0].path}"
        return f"{DATASET_TITLES[name]} isn't on this computer, and the program runs offline: give {give}."
    if name in CLASSES and ask:
        return (
            f"{DATASET_TITLES[name]} isn't on this computer yet. Its host is slow and sometimes takes an hour; a "
            "download that breaks goes on where it stopped. Shapes-10 needs none."
        )
    return ""
