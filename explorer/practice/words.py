"""An exercise and a marked answer in lines of text with every number: for notebooks and what is handed in."""

from __future__ import annotations

from collections.abc import Sequence

from explorer.convolution.arithmetic import Floats
from explorer.convolution.entry import Cells, format_number
from explorer.practice.exercises import CellMark, Exercise, Marking
from explorer.practice.sheets import arithmetic

_WRONG = {"wrong": "is wrong", "unreadable": "is not a number"}


def describe_exercise(exercise: Exercise) -> str:
    """The question with its matrices, a line a row."""
    conv = exercise.convolution
    parts = [f"Exercise {exercise.seed}, level {exercise.level}: {exercise.question}"]
    for name, planes in (("Input", conv.channels), ("Kernel", conv.kernels[0])):
        for channel, plane in enumerate(planes, start=1):
            parts.append(f"{name}, channel {channel}" if len(planes) > 1 else name)
            parts.append(_rows(_texts(plane)))
    return "\n".join(parts)


def describe_answer(answer: Cells) -> str:
    """An answer as it was typed; ``_`` stands for an empty cell."""
    return f"Answer\n{_rows([[entry.strip() or '_' for entry in row] for row in answer])}"


def describe_marking(marking: Marking) -> str:
    """The answer, its score, and for every mistake what is right and how it comes about."""
    empty = marking.total - marking.right - len(marking.mistakes)
    lines = [
        describe_answer([[cell.entry for cell in row] for row in marking.grid]),
        f"{marking.right} of {marking.total} cells right: {marking.score:.0%}.",
        *([f"{empty} still empty."] if empty else []),
        *(_mistake(marking, cell) for cell in marking.mistakes),
    ]
    return "\n".join(lines)


def _mistake(marking: Marking, cell: CellMark) -> str:
    where = f"row {cell.row + 1}, column {cell.column + 1}"
    sentence = f"{where}: {cell.entry} {_WRONG[cell.verdict]}, right is {format_number(cell.expected)}."
    if cell.slip:
        sentence += f" Perhaps {cell.slip}."
    window = marking.exercise.window(cell.row, cell.column)
    return sentence if window is None else f"{sentence} {arithmetic(window)}."


def _texts(matrix: Floats) -> list[list[str]]:
    return [[format_number(float(value)) for value in row] for row in matrix]


def _rows(texts: Sequence[Sequence[str]]) -> str:
    """Right-aligned columns."""
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return "\n".join(
        "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in texts
    )
