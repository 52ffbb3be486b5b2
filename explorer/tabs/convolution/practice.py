"""Practice: an exercise from a seed, an answer to fill in, marks for every cell, sheets to take away."""

from __future__ import annotations

import hashlib
import html
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from explorer.convolution.display import window_at
from explorer.convolution.entry import format_number
from explorer.convolution.page.matrix import Drawing, draw_matrix, figure, row_of
from explorer.convolution.page.windows import draw_input, draw_terms, stack_channels
from explorer.errors import ExplorerError
from explorer.practice.exercises import ASKED, LEVELS, CellMark, Exercise, Marking, make_exercise, mark
from explorer.practice.sheets import answer_sheet, marks_csv, worksheet
from explorer.tabs.components import QUIET, on_screen
from explorer.tabs.convolution.keep import keep_exercise
from explorer.tabs.convolution.matrix_editor import answer_value, cells_of, matrix_editor
from explorer.tabs.convolution.sections import alert
from explorer.tabs.keeping import connect, keep_button

_AT_ONCE: dict[str, Any] = QUIET | {"queue": False, "trigger_mode": "always_last"}
_LEVEL_CHOICES = [(f"{n} · {level.title}", n) for n, level in enumerate(LEVELS, start=1)]
_ASKED_CHOICES = [(text, name) for name, text in ASKED.items()]
_SIZES = ("Rows", "Columns", "Kernel rows", "Kernel columns", "Stride", "Padding", "Dilation")
_MOST_ON_A_SHEET = 40


def build(session: gr.State) -> None:
    """The section's content."""
    first = make_exercise()
    exercise, marking = gr.State(first), gr.State(None)
    with gr.Row():
        with gr.Column(scale=4, min_width=300):
            choice = _choices()
            following = gr.Button("Next exercise", variant="secondary")
            own = _teacher(choice)
        with gr.Column(scale=8, min_width=320):
            message = gr.HTML("", padding=False, elem_classes="cv-message")
            task = gr.HTML(_task(first), padding=False)
            with gr.Row():
                with gr.Column(scale=5, min_width=280):
                    given = gr.HTML(_given(first), apply_default_css=False, padding=False, elem_id="cv-given")
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
                sheet = gr.DownloadButton("Answer sheet", interactive=False, min_width=120)
                table = gr.DownloadButton("Marks as CSV", interactive=False, min_width=120)
            result = gr.HTML("", padding=False, elem_id="cv-result")
            behind = gr.HTML("", apply_default_css=False, padding=False, elem_id="cv-behind")
            pin = keep_button("cv-practice-pin")
    after = [answer, result, behind, sheet, table, marking]
    shown = [exercise, message, task, given, *after]
    changes = [component.input for component in (*choice[1:], *own)]
    gr.on(changes, _new_exercise, [*choice, *own], shown, **_AT_ONCE)
    choice[0].input(_level_sizes, choice[0], own, **_AT_ONCE).then(
        _new_exercise, [*choice, *own], shown, **_AT_ONCE
    )
    following.click(lambda seed: int(seed or 0) + 1, choice[2], choice[2], **_AT_ONCE).then(
        _new_exercise, [*choice, *own], shown, **_AT_ONCE
    )
    check.click(on_screen(_check), [exercise, answer], after, trigger_mode="always_last", **QUIET)
    answer.select(_inspect, marking, behind, **_AT_ONCE | {"trigger_mode": "multiple"})
    connect(pin, session, _keep, [exercise, answer, marking])


def _choices() -> list[Any]:
    return [
        gr.Dropdown(_LEVEL_CHOICES, value=1, label="Level"),
        gr.Dropdown(_ASKED_CHOICES, value="relu", label="Question"),
        gr.Number(1, label="Seed: the same number gives the same exercise", precision=0),
    ]


def _teacher(choice: list[Any]) -> list[gr.Number]:
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
    make.click(on_screen(_worksheets), [count, *choice, *sizes], [questions, solutions], **QUIET)
    return sizes


def _exercise_from(level: int, asked: Any, seed: float | None, *sizes: Any) -> Exercise:
    height, width, kernel_height, kernel_width, stride, padding, dilation = sizes
    return make_exercise(
        1 if seed is None else int(seed),
        level,
        asked,
        size=(height, width),
        kernel=(kernel_height, kernel_width),
        stride=stride,
        padding=padding,
        dilation=dilation,
    )


def _level_sizes(level: int) -> list[int]:
    """What the teacher's fields show: the sizes that this level would take."""
    rules = LEVELS[level - 1]
    return [*rules.size, *rules.kernel, rules.stride, rules.padding, rules.dilation]


def _new_exercise(*choices: Any) -> list[Any]:
    try:
        exercise = _exercise_from(*choices)
    except ExplorerError as error:
        return [gr.skip(), alert(error, "You still see the last exercise."), *[gr.skip()] * 8]
    closed = gr.DownloadButton(interactive=False)
    shown = [_blank(exercise), "", "", closed, closed, None]
    return [exercise, "", _task(exercise), _given(exercise), *shown]


def _blank(exercise: Exercise) -> dict[str, Any]:
    rows, columns = exercise.solution.shape
    return answer_value([[""] * columns for _ in range(rows)])


def _check(exercise: Exercise, answer: dict[str, Any]) -> list[Any]:
    cells = cells_of(answer)[0]
    marking = mark(exercise, cells)
    marks = [[cell.verdict for cell in row] for row in marking.grid]
    sheet, table = _write("answer-sheet.md", answer_sheet(marking)), _write("marks.csv", marks_csv([marking]))
    behind = _behind(marking, marking.mistakes[0]) if marking.mistakes else ""
    return [
        answer_value(cells, marks),
        _result(marking),
        behind,
        gr.DownloadButton(value=sheet, interactive=True),
        gr.DownloadButton(value=table, interactive=True),
        marking,
    ]


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
    return gr.skip() if cell is None else _behind(marking, cell)


def _worksheets(count: float, level: int, asked: Any, seed: float | None, *sizes: Any) -> list[Any]:
    first = int(seed or 1)
    exercises = [_exercise_from(level, asked, first + i, *sizes) for i in range(int(count))]
    files = ("questions.md", worksheet(exercises)), ("solutions.md", worksheet(exercises, solutions=True))
    return [gr.DownloadButton(value=_write(name, text), interactive=True) for name, text in files]


def _task(exercise: Exercise) -> str:
    return f'<p class="note"><b>{exercise.question}</b></p>'


def _given(exercise: Exercise) -> str:
    """The exercise's input and kernel."""
    conv = exercise.convolution
    bias = f"Bias {format_number(float(conv.bias[0]))}"
    inputs = [Drawing(plane, "Input", small=len(conv.channels) > 1) for plane in conv.channels]
    kernels = [Drawing(plane, "Kernel", small=len(conv.channels) > 1) for plane in conv.kernels[0]]
    return row_of(
        [
            figure(stack_channels([draw_matrix(d) for d in inputs]), "Input"),
            figure(stack_channels([draw_matrix(d) for d in kernels]), f"Kernel. {bias}"),
        ]
    )


def _result(marking: Marking) -> str:
    empty = marking.total - marking.right - len(marking.mistakes)
    parts = [f"{marking.right} of {marking.total} cells right: {marking.score:.0%}."]
    if marking.mistakes:
        parts.append(f"{len(marking.mistakes)} to look at again; choose one to see its window.")
    if empty:
        parts.append(f"{empty} still empty.")
    return f'<p class="cv-score" role="status">{parts[0]}</p><p class="note">{" ".join(parts[1:])}</p>'


def _behind(marking: Marking, cell: CellMark) -> str:
    """One wrong cell: what was entered, what is right, and the window that shows why."""
    conv, exercise = marking.exercise.convolution, marking.exercise
    wrong = "is no number" if cell.verdict == "unreadable" else f"should be {format_number(cell.expected)}"
    entry = html.escape(cell.entry.strip())
    text = f"<b>Row {cell.row + 1}, column {cell.column + 1}: {entry} {wrong}.</b>"
    if cell.slip:
        text += f" Perhaps {cell.slip}."
    if exercise.window(cell.row, cell.column) is None:
        return f'<p class="note">{text}</p>'
    window = window_at(conv, 0, cell.row, cell.column)
    figures = [
        figure(draw_input(conv, window), "The window behind this cell."),
        figure(draw_terms(window), "Its products and their sum."),
    ]
    return f'<p class="note">{text}</p>{row_of(figures)}'


def _write(name: str, text: str) -> str:
    """A file to download, where gradio may serve it from; name is one of ours, never the user's."""
    content = text.encode()
    folder = Path(get_upload_folder()) / hashlib.sha256(content).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(content)
    return str(path)
