"""What goes out as a file, and comes in: the session, one step's numbers, notebook, PDF and ZIP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from explorer.errors import ExplorerError
from explorer.session.steps import Session, save_session
from explorer.tabs.components import QUIET, on_screen
from notebooks_export.notebook.step_data import step_data
from notebooks_export.submission import build_submission, notebook_and_pdf, open_session
from notebooks_export.tabs.downloads import READY, ready, settled
from notebooks_export.tabs.steps import CANCELLABLE, Steps, place
from training.runs.catalogue import TrainedModels
from training.tabs.lab import with_progress

_WITH_FILES = "Notebook with the files it reads, and PDF"


@dataclass(frozen=True)
class HandIn:
    """The buttons, the name, and where the files appear."""

    save: gr.Button
    opened: gr.UploadButton
    surname: gr.Textbox
    number: gr.Textbox
    submit: gr.Button
    export: gr.Button
    files: gr.File


def lay_out() -> HandIn:
    """The form, inside an open column."""
    with gr.Row():
        save = gr.Button("Save the session", size="sm", min_width=100, elem_id="export-save")
        opened = gr.UploadButton(
            "Open a session",
            size="sm",
            min_width=100,
            file_types=[".zip"],
            type="filepath",
            elem_id="export-open",
        )
    surname = gr.Textbox(label="Surname", max_lines=1, elem_id="export-surname")
    number = gr.Textbox(label="Matriculation number", max_lines=1, elem_id="export-number")
    submit = gr.Button("Make the ZIP to hand in", variant="primary", elem_id="export-submit")
    export = gr.Button("Notebook and PDF alone", size="sm", elem_id="export-files")
    files = gr.File(
        label=READY,
        file_count="multiple",
        interactive=False,
        visible=False,
        elem_id="export-ready",
    )
    return HandIn(save, opened, surname, number, submit, export, files)


def connect(form: HandIn, trained: TrainedModels, page: Steps, working: gr.HTML) -> list[Any]:
    """Returns the events that take long and can be cancelled."""
    form.save.click(on_screen(keep_file), page.session, form.files, **QUIET)
    opened = form.opened.upload(on_screen(bring), form.opened, page.brought, **QUIET)
    opened.success(page.showing(place), [page.session, page.brought], page.outputs, **QUIET)
    page.chosen.numbers.click(
        on_screen(partial(step_files, trained)), page.at, form.files, concurrency_limit=2, **QUIET
    )
    name = [page.session, form.surname, form.number]
    shown = [form.files, working]
    return [
        form.submit.click(partial(hand_in, trained), name, shown, **CANCELLABLE),
        form.export.click(partial(make_files, trained), page.session, shown, **CANCELLABLE),
    ]


def keep_file(session: Session) -> Any:
    """The session as a file to download."""
    return ready({"session.zip": save_session(session)})


def bring(path: str) -> Session:
    """A session that was saved."""
    return open_session(path)


def step_files(trained: TrainedModels, session: Session, position: int | None) -> Any:
    """What one step has of pictures, maps and numbers."""
    if position is None:
        raise ExplorerError("no step", "is chosen", "choose one from the list")
    return ready(step_data(session, position, runs=trained.root))


def hand_in(trained: TrainedModels, session: Session, surname: str, number: str) -> Iterator[tuple[Any, ...]]:
    """The ZIP, with progress."""

    def work(report: Any) -> Any:
        made = build_submission(
            session,
            surname=surname,
            matriculation_number=number,
            runs=trained.root,
            on_stage=lambda *listed: report(listed),
        )
        report((0.95, "Getting it ready"))
        return ready({made.filename: made.content})

    made = yield from settled(with_progress(work, 1), 1)
    if made is not None:
        yield made, ""


def make_files(trained: TrainedModels, session: Session) -> Iterator[tuple[Any, ...]]:
    """Notebook, with the files that it reads, and PDF; with progress."""

    def work(report: Any) -> Any:
        made = notebook_and_pdf(session, runs=trained.root, on_stage=lambda *listed: report(listed))
        report((0.95, "Getting them ready"))
        return ready(made, _WITH_FILES if "notebook.zip" in made else READY)

    made = yield from settled(with_progress(work, 1), 1)
    if made is not None:
        yield made, ""
