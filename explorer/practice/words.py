"""An exercise and a marked answer in words: sentences for page and paper, lines of text with every number."""

from __future__ import annotations

from collections.abc import Sequence

from explorer.convolution.arithmetic import Floats
from explorer.convolution.entry import Cells, format_number
from explorer.convolution.words import arithmetic
from explorer.practice.exercises import CellMark, Exercise, Marking
from explorer.text_table import aligned

_WRONG = {"wrong": "is wrong", "unreadable": "is not a number"}


def describe_exercise(exercise: Exercise) -> str:
    """The question with its matrices, a line a row.

    >>> from explorer.practice.exercises import make_exercise
    >>> print(describe_exercise(make_exercise(seed=2)).splitlines()[0])
    Exercise 2, level 1: 4×5 pixels, one 2×2 kernel, bias −1, stride 1, padding 0. The output after ReLU?
    """
    parts = [f"Exercise {exercise.seed}, level {exercise.level}: {exercise.question}"]
    for name, matrix in given_matrices(exercise):
        parts += [name, aligned(number_texts(matrix))]
    return "\n".join(parts)


def describe_answer(answer: Cells) -> str:
    """An answer as it was typed; ``_`` stands for an empty cell.

    >>> print(describe_answer([["1", ""], ["−10", "1/3"]]))
    Answer
      1    _
    −10  1/3
    """
    return f"Answer\n{aligned([[entry.strip() or '_' for entry in row] for row in answer])}"


def describe_marking(marking: Marking) -> str:
    """The answer, its score, and for every mistake what is right and how it comes about.

    >>> from explorer.practice.exercises import make_exercise, mark_exercise
    >>> exercise = make_exercise(seed=2, asked="size")
    >>> print(describe_marking(mark_exercise(exercise, [["3", "5"]])))
    Answer
    3  5
    1 of 2 cells right: 50%.
    row 1, column 2: 5 is wrong, right is 4.
    """
    empty = empty_text(marking)
    lines = [
        describe_answer([[cell.entry for cell in row] for row in marking.grid]),
        score_sentence(marking),
        *([empty] if empty else []),
        *(describe_mistake(marking, cell) for cell in marking.mistakes),
    ]
    return "\n".join(lines)


def given_matrices(exercise: Exercise) -> list[tuple[str, Floats]]:
    """What an exercise gives, by name: input and kernel, channel by channel where there are several."""
    conv = exercise.convolution
    return [
        (f"{name}, channel {channel}" if len(planes) > 1 else name, plane)
        for name, planes in (("Input", conv.channels), ("Kernel", conv.kernels[0]))
        for channel, plane in enumerate(planes, start=1)
    ]


def bias_text(exercise: Exercise) -> str:
    """``bias −1``."""
    return f"bias {format_number(float(exercise.convolution.bias[0]))}"


def answer_title(exercise: Exercise) -> str:
    """``Answer 3×4``: rows and columns of what is asked for."""
    rows, columns = exercise.solution.shape
    return f"Answer {rows}×{columns}"


def score_text(marking: Marking) -> str:
    """``5 of 12 cells right``."""
    return f"{marking.right} of {marking.total} cells right"


def score_sentence(marking: Marking) -> str:
    """The score, also in per cent."""
    return f"{score_text(marking)}: {marking.score:.0%}."


def empty_text(marking: Marking) -> str:
    """How many cells are still empty; "" if none is."""
    empty = marking.total - marking.right - len(marking.mistakes)
    return f"{empty} still empty." if empty else ""


def correction(cell: CellMark) -> str:
    """What was entered and what it should be, for where the window is shown beside it."""
    should = "is no number" if cell.verdict == "unreadable" else f"should be {format_number(cell.expected)}"
    return f"row {cell.row + 1}, column {cell.column + 1}: {cell.entry.strip()} {should}"


def slip_text(cell: CellMark) -> str:
    """The slip that would explain the mistake, with a blank before it; "" where none is known."""
    return f" Perhaps {cell.slip}." if cell.slip else ""


def describe_mistake(marking: Marking, cell: CellMark, entry: str | None = None) -> str:
    """One mistake in a line: what was entered, what is right, and how it comes about.

    ``entry`` is written instead of what was typed, where that must be escaped.
    """
    where, typed = f"row {cell.row + 1}, column {cell.column + 1}", cell.entry if entry is None else entry
    sentence = f"{where}: {typed} {_WRONG[cell.verdict]}, right is {format_number(cell.expected)}."
    sentence += slip_text(cell)
    window = marking.exercise.window(cell.row, cell.column)
    return sentence if window is None else f"{sentence} {arithmetic(window)}."


def number_texts(matrix: Floats) -> Sequence[Sequence[str]]:
    """A matrix (rows, columns) as texts."""
    return [[format_number(float(value)) for value in row] for row in matrix]
