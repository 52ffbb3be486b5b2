"""The Export screen: what was kept, in order and with one's own words; the exercise sheet; what is handed in."""

from __future__ import annotations

import html
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from explorer.catalogue import catalogue
from explorer.errors import ExplorerError
from explorer.images import sample_images
from explorer.session import Session, content_hash, save_session
from explorer.tabs.components import QUIET, cancel_button, note, on_screen, progress_bar, question, stepwise
from explorer.tabs.doorway import Doorway, Wing
from explorer.workbench import Look
from notebooks_export.data import step_data
from notebooks_export.replay import perform
from notebooks_export.sheet import exercise_sheet
from notebooks_export.submission import build_submission, export_files, open_session
from training.checkpoint import write_whole

NAME = "export"
_STYLE = """
#export-steps .wrap { flex-flow: column; max-height: 60vh; overflow-y: auto; gap: 2px; }
#export-steps label { width: 100%; }
.export-text { white-space: pre-wrap; max-height: 50vh; overflow-y: auto; font-size: 0.85em; }
"""
_EMPTY = (
    "Choose a step to see it and to write to it. Steps come from the Keep buttons below results, from the exercise "
    "sheet, or from a session that you saved."
)


def wing() -> Wing:
    """What ``launch.py`` hands to the app."""
    return Wing(NAME, "Export", _build)


def _build(doorway: Doorway, active: gr.Textbox, tab: gr.Tab) -> None:
    question("What do you hand in?", "A notebook that runs, its PDF, and the ZIP with both.")
    gr.HTML(f"<style>{_STYLE}</style>", padding=False)
    session = doorway.session
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=280):
            title = gr.Textbox(Session().title, label="Title", max_lines=1, elem_id="export-title")
            steps = gr.Radio([], label="Steps, in order", elem_id="export-steps")
            with gr.Row():
                up = gr.Button("Up", size="sm", min_width=60)
                down = gr.Button("Down", size="sm", min_width=60)
                remove = gr.Button("Remove", size="sm", min_width=80)
        with gr.Column(scale=5, min_width=300):
            name = gr.Textbox(label="Title of the step", max_lines=1, elem_id="export-step-title")
            comment = gr.Textbox(label="Your words", lines=3, elem_id="export-comment")
            picture = gr.Image(
                label="Result",
                interactive=False,
                visible=False,
                height=300,
                buttons=["download", "fullscreen"],
                elem_id="export-picture",
                alt_text="The result of the step; described below",
            )
            shown = gr.HTML(note(_EMPTY), padding=False, elem_id="export-shown")
            numbers = gr.Button("Picture, map and numbers of this step", size="sm", elem_id="export-numbers")
        with gr.Column(scale=3, min_width=280):
            with gr.Group():
                sheet = gr.Button("Fill with the exercise sheet", variant="primary", elem_id="export-sheet")
                own = gr.Checkbox(False, label="With the picture and network I am looking at")
                teacher = gr.Checkbox(False, label="With worked answers, for teachers")
            working = gr.HTML(padding=False, elem_id="export-working")
            stop = cancel_button()
            with gr.Row():
                save = gr.Button("Save the session", size="sm", elem_id="export-save")
                opened = gr.UploadButton(
                    "Open a session", size="sm", file_types=[".zip"], type="filepath", elem_id="export-open"
                )
            surname = gr.Textbox(label="Surname", max_lines=1, elem_id="export-surname")
            number = gr.Textbox(label="Matriculation number", max_lines=1, elem_id="export-number")
            submit = gr.Button("Make the ZIP to hand in", variant="primary", elem_id="export-submit")
            export = gr.Button("Notebook and PDF alone", size="sm", elem_id="export-files")
            files = gr.File(
                label="Ready to download",
                file_count="multiple",
                interactive=False,
                visible=False,
                elem_id="export-ready",
            )

    chosen = [steps, name, comment, shown, picture]
    everything = [session, title, *chosen]
    quick: dict[str, Any] = {"queue": False, **QUIET}

    def changed(session: Session, position: int | None) -> tuple[Any, ...]:
        return session, session.title, *details(session, position)

    def move(session: Session, position: int | None, by: int) -> tuple[Any, ...]:
        if position is None or not 0 <= position + by < len(session.steps):
            return (gr.skip(),) * len(everything)
        return changed(session.move(position, position + by), position + by)

    def take_out(session: Session, position: int | None) -> tuple[Any, ...]:
        if position is None:
            return (gr.skip(),) * len(everything)
        session = session.remove(position)
        return changed(session, min(position, len(session.steps) - 1) if session.steps else None)

    def write(session: Session, position: int | None, name: str, comment: str) -> tuple[Any, Any]:
        if position is None:
            return gr.skip(), gr.skip()
        session = session.change(position, title=name, comment=comment)
        return session, gr.update(choices=choices(session))

    def fill(look: Look | None, own: bool, teacher: bool) -> Iterator[tuple[Any, ...]]:
        made = yield from _while(
            lambda report: _sheet(look if own else None, teacher, report), len(everything)
        )
        yield *changed(made, 0), ""

    def bring(path: str) -> tuple[Any, ...]:
        session = open_session(path)
        return changed(session, 0 if session.steps else None)

    def keep_file(session: Session) -> Any:
        return gr.update(value=[_file("session.zip", save_session(session))], visible=True)

    def step_files(session: Session, position: int | None) -> Any:
        if position is None:
            raise ExplorerError("no step", "is chosen", "choose one from the list")
        made = step_data(session, position)
        return gr.update(value=[_file(name, content) for name, content in made.items()], visible=True)

    def hand_in(session: Session, surname: str, number: str) -> Iterator[tuple[Any, ...]]:
        def work(report: Any) -> list[str]:
            made = build_submission(
                session, surname=surname, matriculation_number=number, on_stage=lambda *told: report(told)
            )
            return [_file(made.filename, made.content)]

        ready = yield from _while(work, 1)
        yield gr.update(value=ready, visible=True), ""

    def make_files(session: Session) -> Iterator[tuple[Any, ...]]:
        def work(report: Any) -> list[str]:
            made = export_files(session, on_stage=lambda *told: report(told))
            return [_file(name, made[name]) for name in ("notebook.ipynb", "report.pdf")]

        ready = yield from _while(work, 1)
        yield gr.update(value=ready, visible=True), ""

    # What was kept on another screen shows up here.
    tab.select(lambda kept: gr.update(choices=choices(kept)), session, steps, **quick)
    numbers.click(on_screen(step_files), [session, steps], files, concurrency_limit=2, **QUIET)
    title.blur(on_screen(_titled), [session, title], [session], **quick)
    steps.input(details, [session, steps], chosen, **quick)
    up.click(on_screen(partial(move, by=-1)), [session, steps], everything, **quick)
    down.click(on_screen(partial(move, by=1)), [session, steps], everything, **quick)
    remove.click(on_screen(take_out), [session, steps], everything, **quick)
    gr.on(
        [name.blur, comment.blur, name.submit],
        on_screen(write),
        [session, steps, name, comment],
        [session, steps],
        **quick,
    )
    filling = sheet.click(
        on_screen(fill), [doorway.look, own, teacher], [*everything, working], concurrency_limit=2, **QUIET
    )
    opened.upload(on_screen(bring), opened, everything, **QUIET)
    save.click(on_screen(keep_file), session, files, **QUIET)
    handing = submit.click(on_screen(hand_in), [session, surname, number], [files, working], **QUIET)
    making = export.click(on_screen(make_files), session, [files, working], **QUIET)
    stop.click(lambda: "", None, working, cancels=[filling, handing, making], **QUIET)


def choices(session: Session) -> list[tuple[str, int]]:
    """(text, position) per step."""
    return [
        (step.title if step.title[:1].isdigit() else f"{number + 1} · {step.title or step.function}", number)
        for number, step in enumerate(session.steps)
    ]


def details(session: Session, position: int | None) -> tuple[Any, ...]:
    """Updates for the list, the step's title, its words, what it says, and its picture."""
    listed = gr.update(choices=choices(session), value=position)
    if position is None or not session.steps:
        return listed, "", "", note(_EMPTY), gr.update(value=None, visible=False)
    step = session.steps[position]
    text = f'<pre class="export-text">{html.escape(step.text)}</pre>' if step.text else ""
    path = _file("result.png", step.picture) if step.picture else None
    return listed, step.title, step.comment, text, gr.update(value=path, visible=bool(path))


def _titled(session: Session, title: str) -> Session:
    return session.rename(title)


def _sheet(look: Look | None, teacher: bool, report: Any) -> Session:
    report((0.0, "Setting the tasks"))
    image, model = None, None
    if look is not None:
        if look.model not in catalogue():
            rule, remedy = "isn't in the catalogue", "choose another network on the left, or the sheet's own"
            raise ExplorerError(f"network {look.model!r}", rule, remedy)
        model = look.model
        if Path(look.image_path) not in sample_images().values():
            image = Path(look.image_path).read_bytes()
    session = exercise_sheet(image, model=model, teacher=teacher)
    return perform(session, on_step=lambda done, total, title: report((done / total, title)))


def _while(work: Any, outputs: int) -> Any:
    """Run ``work(report)``; yield progress behind ``outputs`` skipped outputs; return its result."""
    running = stepwise(work)
    while True:
        try:
            share, what = next(running)
        except StopIteration as done:
            return done.value
        yield (*(gr.skip(),) * outputs, progress_bar(share, what))


def _file(name: str, content: bytes) -> str:
    """A file that the page may fetch, in a folder named by its content."""
    path = Path(get_upload_folder()) / content_hash(content) / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    return str(path)
