"""Practice: an exercise from a seed, an answer to fill in, marks for every cell, sheets to take away."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from explorer.convolution.page.alert import alert
from explorer.errors import ExplorerError
from explorer.practice.exercises import ASKED, LEVELS, Exercise, Marking, make_exercise, mark_exercise
from explorer.practice.page import draw_given, draw_mistake, draw_question, draw_score
from explorer.practice.sheets import answer_sheet, marks_csv, worksheet
from explorer.tabs.components import QUIET, Updates, Values, components_of, on_screen
from explorer.tabs.convolution.keep import keep_exercise
from explorer.tabs.convolution.matrix_editor import answer_value, cells_of, matrix_editor
from explorer.tabs.keeping import connect, keep_button
from explorer.whole_file import write_once

_AT_ONCE: dict[str, Any] = QUIET | {"queue": False, "trigger_mode": "always_last"}
_LEVEL_CHOICES = [(f"{n} · {level.title}", n) for n, level in enumerate(LEVELS, start=1)]
_ASKED_CHOICES = [(text, name) for name, text in ASKED.items()]
_SIZES = ("Rows", "Columns", "Kernel rows", "Kernel columns", "Stride", "Padding", "Dilation")
_MOST_ON_A_SHEET = 40


@dataclass(frozen=True)
class _Choice:
    """What makes an exercise: level, question and seed, and the sizes that a teacher may change."""

    level: gr.Dropdown
    asked: gr.Dropdown
    seed: gr.Number
    rows: gr.Number
    columns: gr.Number
    kernel_rows: gr.Number
    kernel_columns: gr.Number
    stride: gr.Number
    padding: gr.Number
    dilation: gr.Number

    @property
    def sizes(self) -> list[gr.Number]:
        """The teacher's fields, in the order of :func:`_level_sizes`."""
        kernel = [self.kernel_rows, self.kernel_columns]
        return [self.rows, self.columns, *kernel, self.stride, self.padding, self.dilation]


@dataclass(frozen=True)
class _Sheet:
    """The exercise that is on screen, the answer to it, and what became of it."""

    exercise: gr.State
    marking: gr.State
    message: gr.HTML
    task: gr.HTML
    given: gr.HTML
    answer: gr.HTML
    file: gr.DownloadButton
    table: gr.DownloadButton
    result: gr.HTML
    behind: gr.HTML


def build(session: gr.State) -> None:
    """The section's content."""
    first = make_exercise()
    with gr.Row():
        with gr.Column(scale=4, min_width=300):
            level = gr.Dropdown(_LEVEL_CHOICES, value=1, label="Level")
            asked = gr.Dropdown(_ASKED_CHOICES, value="relu", label="Question")
            seed = gr.Number(1, label="Seed: the same number gives the same exercise", precision=0)
            following = gr.Button("Next exercise", variant="secondary")
            choice = _teacher(level, asked, seed)
        with gr.Column(scale=8, min_width=320):
            sheet, check = _sheet(first)
            pin = keep_button("cv-practice-pin")
    _wire(choice, sheet, following)
    check.click(
        on_screen(lambda given: _check(sheet, given)),
        {sheet.exercise, sheet.answer},
        components_of(sheet),
        trigger_mode="always_last",
        **QUIET,
    )
    inspecting = _AT_ONCE | {"trigger_mode": "multiple"}
    sheet.answer.select(_inspect, sheet.marking, sheet.behind, **inspecting)
    connect(pin, session, _keep, [sheet.exercise, sheet.answer, sheet.marking])


def _sheet(first: Exercise) -> tuple[_Sheet, gr.Button]:
    message = gr.HTML("", padding=False, elem_classes="cv-message")
    task = gr.HTML(draw_question(first), padding=False)
    with gr.Row():
        with gr.Column(scale=5, min_width=280):
            given = gr.HTML(draw_given(first), apply_default_css=False, padding=False, elem_id="cv-given")
        with gr.Column(scale=4, min_width=220):
            answer = matrix_editor(
                *(_blank(first), "Your answer"),
                elem_id="cv-answer",
                resizable=False,
                blanks=True,
                inspect=True,
            )
    with gr.Row():
        check = gr.Button("Check my answer", variant="primary", min_width=140)
        file = gr.DownloadButton("Answer sheet", interactive=False, min_width=120)
        table = gr.DownloadButton("Marks as CSV", interactive=False, min_width=120)
    result = gr.HTML("", padding=False, elem_id="cv-result")
    behind = gr.HTML("", apply_default_css=False, padding=False, elem_id="cv-behind")
    states = gr.State(first), gr.State(None)
    return _Sheet(*states, message, task, given, answer, file, table, result, behind), check


def _teacher(level: gr.Dropdown, asked: gr.Dropdown, seed: gr.Number) -> _Choice:
    """Sizes of the teacher's choosing, and worksheets of many exercises."""
    with gr.Accordion("For teachers: sizes and worksheets", open=False):
        fields = zip(_SIZES, _level_sizes(1), strict=True)
        with gr.Row():
            sizes = [gr.Number(value, label=label, precision=0, min_width=80) for label, value in fields]
        count = gr.Slider(1, _MOST_ON_A_SHEET, 5, step=1, label="Exercises on a sheet, from this seed on")
        make = gr.Button("Make worksheets", size="sm")
        with gr.Row():
            questions = gr.DownloadButton("Questions", interactive=False, size="sm", min_width=100)
            solutions = gr.DownloadButton("Solutions", interactive=False, size="sm", min_width=100)
    choice = _Choice(level, asked, seed, *sizes)

    def worksheets(given: Values) -> Updates:
        first = int(given[seed] or 1)
        exercises = [_exercise_from(choice, given, first + i) for i in range(int(given[count]))]
        made = {
            questions: _write("questions.md", worksheet(exercises)),
            solutions: _write("solutions.md", worksheet(exercises, solutions=True)),
        }
        return {button: gr.DownloadButton(value=file, interactive=True) for button, file in made.items()}

    make.click(on_screen(worksheets), {count, *components_of(choice)}, [questions, solutions], **QUIET)
    return choice


def _wire(choice: _Choice, sheet: _Sheet, following: gr.Button) -> None:
    """A new exercise whenever something about it is chosen."""

    def show_new(given: Values) -> Updates:
        try:
            seed = given[choice.seed]
            exercise = _exercise_from(choice, given, 1 if seed is None else int(seed))
        except ExplorerError as error:
            return {sheet.message: alert(error, "You still see the last exercise.")}
        closed = gr.DownloadButton(interactive=False)
        return {
            sheet.exercise: exercise,
            sheet.marking: None,
            sheet.task: draw_question(exercise),
            sheet.given: draw_given(exercise),
            sheet.answer: _blank(exercise),
            sheet.file: closed,
            sheet.table: closed,
            **dict.fromkeys((sheet.message, sheet.result, sheet.behind), ""),
        }

    renewing: dict[str, Any] = {
        "fn": show_new,
        "inputs": set(components_of(choice)),
        "outputs": components_of(sheet),
        **_AT_ONCE,
    }
    changed: list[Any] = [choice.asked, choice.seed, *choice.sizes]
    gr.on([field.input for field in changed], **renewing)
    choice.level.input(_level_sizes, choice.level, choice.sizes, **_AT_ONCE).then(**renewing)
    following.click(lambda seed: int(seed or 0) + 1, choice.seed, choice.seed, **_AT_ONCE).then(**renewing)


def _exercise_from(choice: _Choice, given: Values, seed: int) -> Exercise:
    return make_exercise(
        seed,
        given[choice.level],
        given[choice.asked],
        size=(given[choice.rows], given[choice.columns]),
        kernel=(given[choice.kernel_rows], given[choice.kernel_columns]),
        stride=given[choice.stride],
        padding=given[choice.padding],
        dilation=given[choice.dilation],
    )


def _level_sizes(level: int) -> list[int]:
    """What the teacher's fields show: the sizes that this level would take."""
    rules = LEVELS[level - 1]
    return [*rules.size, *rules.kernel, rules.stride, rules.padding, rules.dilation]


def _blank(exercise: Exercise) -> dict[str, Any]:
    rows, columns = exercise.solution.shape
    return answer_value([[""] * columns for _ in range(rows)])


def _check(sheet: _Sheet, given: Values) -> Updates:
    """The answer with its marks, the score, the window behind the first mistake, and files to take away."""
    cells = cells_of(given[sheet.answer])[0]
    marking = mark_exercise(given[sheet.exercise], cells)
    marks = [[cell.verdict for cell in row] for row in marking.grid]
    files = {
        sheet.file: _write("answer-sheet.md", answer_sheet(marking)),
        sheet.table: _write("marks.csv", marks_csv([marking])),
    }
    return {
        sheet.answer: answer_value(cells, marks),
        sheet.result: draw_score(marking),
        sheet.behind: draw_mistake(marking, marking.mistakes[0]) if marking.mistakes else "",
        sheet.marking: marking,
        **{button: gr.DownloadButton(value=file, interactive=True) for button, file in files.items()},
    }


def _keep(exercise: Exercise, answer: dict[str, Any], marking: Marking | None) -> Any:
    """What stands in the cells; the marks only while they are of just that."""
    cells = [[str(entry) for entry in row] for row in cells_of(answer)[0]]
    checked = marking is not None and [[c.entry for c in row] for row in marking.grid] == cells
    return keep_exercise(exercise, cells, checked)


def _inspect(marking: Marking | None, event: gr.EventData) -> Any:
    """The window behind the cell that was just focused, if it was marked wrong."""
    if marking is None:
        return gr.skip()
    cell = next((c for c in marking.mistakes if (c.row, c.column) == (event.row, event.column)), None)
    return gr.skip() if cell is None else draw_mistake(marking, cell)


def _write(name: str, text: str) -> str:
    """A file to download, where gradio may serve it from; name is one of ours, never the user's."""
    content = text.encode()
    path = Path(get_upload_folder()) / hashlib.sha256(content).hexdigest() / name
    write_once(path, content)
    return str(path)
