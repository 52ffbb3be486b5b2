"""Exercises in convolution by hand, with an answer and its marks where there are some."""

from __future__ import annotations

from typing import Annotated

from explorer.practice.exercises import ASKED, LEVELS
from notebooks_export.kinds.cell import Given, figure_shown, literal, written
from notebooks_export.kinds.kind import Kind
from notebooks_export.kinds.parameters import Flag, Parameters, Sides, Typed, one_of, several, whole

_Size = Annotated[int, whole(0, 255)]


class Exercise(Parameters):
    """The exercise of a seed and a level, or of given sizes; what was typed as an answer, marked or not."""

    seed: Annotated[int, whole(-(10**15), 10**15)] = 1
    level: Annotated[int, whole(1, len(LEVELS))] = 1
    asked: Annotated[str, one_of(*ASKED)] = "relu"
    size: Sides | None = None
    kernel: Sides | None = None
    stride: _Size | None = None
    padding: _Size | None = None
    dilation: _Size | None = None
    answer: Annotated[tuple[Annotated[tuple[Typed, ...], several(1, 64)], ...], several(1, 64)] | None = None
    marked: Flag = False


def _exercise(given: Given) -> list[str]:
    """An exercise in convolution by hand, with an answer and its marks where there are some."""
    names = ("size", "kernel", "stride", "padding", "dilation")
    sizes = {name: given[name] for name in names if given[name] is not None}
    options = {name: given[name] for name in ("seed", "level", "asked")} | sizes
    lines = [
        f"exercise = {written('explorer.make_exercise', **options)}",
        "print(explorer.describe_exercise(exercise))",
    ]
    if given["answer"] is None:
        return [*lines, *figure_shown("explorer.exercise_figure(exercise)")]
    lines.append(f"answer = {literal([list(row) for row in given['answer']])}")
    if not given["marked"]:
        return [
            *lines,
            "print(explorer.describe_answer(answer))",
            *figure_shown("explorer.exercise_figure(exercise, answer)"),
        ]
    return [
        *lines,
        "print(explorer.describe_marking(explorer.mark_exercise(exercise, answer)))",
        *figure_shown("explorer.exercise_figure(exercise, answer, marked=True)"),
    ]


KINDS = (Kind("practice.exercise", Exercise, _exercise, former=("explorer.make_exercise",)),)
