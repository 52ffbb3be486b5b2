"""Practice on paper: exercises, solutions and marked answers as Markdown, marks as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from explorer.convolution.arithmetic import Floats, Window
from explorer.convolution.entry import format_number
from explorer.practice.exercises import ASKED, CellMark, Exercise, Marking

_VERDICTS = {"right": "right", "wrong": "wrong", "empty": "left empty", "unreadable": "not a number"}


def worksheet(
    exercises: Sequence[Exercise], *, solutions: bool = False, title: str = "Convolution by hand"
) -> str:
    """A Markdown page of exercises with empty answer grids, or with the solutions filled in."""
    heading = f"# {title}" + (" · solutions" if solutions else "")
    parts = [heading, *(_exercise(n, exercise, solutions) for n, exercise in enumerate(exercises, start=1))]
    return "\n\n".join(parts) + "\n"


def answer_sheet(marking: Marking) -> str:
    """A Markdown page of one marked answer: the score, every cell, and the arithmetic behind each mistake."""
    exercise = marking.exercise
    parts = [
        f"# Convolution by hand · seed {exercise.seed}, level {exercise.level}",
        _given(exercise),
        f"**Asked:** {ASKED[exercise.asked]}.",
        f"**Score:** {marking.right} of {marking.total} cells right ({marking.score:.0%}).",
        "Answer:",
        _table([[_escape(cell.entry) for cell in row] for row in marking.grid]),
        "Solution:",
        _table(_texts(exercise.solution)),
    ]
    if marking.mistakes:
        parts += [
            "## Cells to look at again",
            "\n".join(f"- {_mistake(marking, c)}" for c in marking.mistakes),
        ]
    return "\n\n".join(parts) + "\n"


def marks_csv(markings: Sequence[Marking]) -> str:
    """One line per cell: seed, level, what was asked, row, column, entry, expected, verdict, slip."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(("seed", "level", "asked", "row", "column", "entry", "expected", "verdict", "slip"))
    for marking in markings:
        exercise = marking.exercise
        for cell in marking.cells:
            writer.writerow(
                (
                    *(exercise.seed, exercise.level, exercise.asked, cell.row + 1, cell.column + 1),
                    *(_no_formula(cell.entry), repr(cell.expected), cell.verdict, cell.slip),
                )
            )
    return lines.getvalue()


def arithmetic(window: Window) -> str:
    """One window in a line: its products, their sum, the bias and the activation.

    >>> from explorer.convolution.arithmetic import convolve
    >>> arithmetic(convolve([[1, 0], [0, 1]], [[1, 0], [0, 1]], bias=-1, activation="relu").windows[0])
    '1·1 + 0·0 + 0·0 + 1·1 = 2; 2 − 1 = 1; ReLU(1) = 1'
    """
    products = zip(window.patch.ravel(), window.kernel.ravel(), strict=True)
    terms = " + ".join(f"{_factor(pixel)}·{_factor(weight)}" for pixel, weight in products)
    total, before = format_number(window.sum), format_number(window.pre_activation)
    sign = "−" if window.bias < 0 else "+"
    line = f"{terms} = {total}; {total} {sign} {format_number(abs(window.bias))} = {before}"
    return line + (f"; ReLU({before}) = {format_number(window.output)}" if window.activation else "")


def _exercise(number: int, exercise: Exercise, solutions: bool) -> str:
    solution = exercise.solution
    answer = _texts(solution) if solutions else [["" for _ in row] for row in solution]
    return "\n\n".join(
        [
            f"## Exercise {number} (seed {exercise.seed}, level {exercise.level})",
            _given(exercise),
            f"**{ASKED[exercise.asked]}:**",
            _table(answer),
        ]
    )


def _given(exercise: Exercise) -> str:
    conv = exercise.convolution
    parts = [exercise.question]
    for name, planes in (("Input", conv.channels), ("Kernel", conv.kernels[0])):
        for channel, plane in enumerate(planes, start=1):
            label = f"{name}, channel {channel}:" if len(planes) > 1 else f"{name}:"
            parts += [label, _table(_texts(plane))]
    return "\n\n".join(parts)


def _mistake(marking: Marking, cell: CellMark) -> str:
    where = f"row {cell.row + 1}, column {cell.column + 1}"
    entry = _escape(cell.entry)
    line = f"{where}: {entry} is {_VERDICTS[cell.verdict]}, right is {format_number(cell.expected)}."
    window = marking.exercise.window(cell.row, cell.column)
    if cell.slip:
        line += f" Perhaps {cell.slip}."
    return line if window is None else f"{line} {arithmetic(window)}."


def _table(rows: Sequence[Sequence[str]]) -> str:
    # Markdown has no table without a head; its columns are numbered, as its rows are.
    head = ["", *(str(column) for column in range(1, len(rows[0]) + 1))]
    lines = [head, ["---"] * len(head)]
    lines += [[f"**{number}**", *row] for number, row in enumerate(rows, start=1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _texts(matrix: Floats) -> list[list[str]]:
    return [[format_number(float(value)) for value in row] for row in matrix]


def _factor(value: float) -> str:
    text = format_number(float(value))
    return f"({text})" if value < 0 else text


def _escape(entry: str) -> str:
    """What a student typed, harmless inside a Markdown table."""
    entities = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
    plain = " ".join(entry.split())
    return "".join(entities.get(c, f"\\{c}" if c in r"\`*_{}[]()#+!|" else c) for c in plain)


def _no_formula(entry: str) -> str:
    # Spreadsheets run a cell that starts like a formula; "-1" and "+1" are numbers and stay.
    text = " ".join(entry.split())
    harmless = not text.startswith(("=", "@", "+", "-")) or text.lstrip("+-").replace(".", "", 1).isdigit()
    return text if harmless else f"'{text}"
