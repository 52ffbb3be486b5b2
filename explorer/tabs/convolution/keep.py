"""What the labs' Keep buttons record: receptive fields and convolutions, as the notebook makes them again."""

from __future__ import annotations

from typing import Any

import numpy as np

from explorer.convolution.arithmetic import Convolution, convolve
from explorer.convolution.display import kernel_name, window_at
from explorer.convolution.entry import Cells
from explorer.convolution.paper import downsampling_figure, window_figure
from explorer.convolution.pooling import compare_downsampling
from explorer.convolution.reading import read_off
from explorer.convolution.size import derive_size
from explorer.convolution.words import describe_downsampling, describe_reading, describe_size, describe_window
from explorer.errors import ExplorerError
from explorer.practice.exercises import LEVELS, Exercise, mark_exercise
from explorer.practice.paper import exercise_figure
from explorer.practice.words import describe_answer, describe_exercise, describe_marking
from explorer.session.steps import Step, step_of

Kept = tuple[Step, list[bytes]]
MOST_CELLS = 4096  # of a matrix that a notebook writes out
MOST_STRIDE = 255
MOST_SEED = 10**15  # as large as the page's own numbers are exact
MOST_TYPED = 40  # characters in a cell of an answer, as on screen
_EXERCISE = "practice.exercise"


def keep_window(conv: Convolution, kernel_index: int, row: int, column: int) -> Kept:
    """One window of a convolution with its arithmetic, and the whole output."""
    arguments, conv = _written(conv)
    window = window_at(conv, kernel_index, row, column)
    arguments |= {"kernel_index": kernel_index, "row": row, "column": column}
    title = f"Convolution by hand: {kernel_name(kernel_index)}, row {row + 1}, column {column + 1}"
    figure = window_figure(conv, kernel_index, row, column)
    function = "convolution.window"
    return step_of(function, arguments, title, describe_window(conv, window), figure), []


def keep_downsampling(conv: Convolution, kernel_index: int, factor: int) -> Kept:
    """Stride and pooling beside each other."""
    arguments, conv = _written(conv)
    ways = compare_downsampling(conv, factor, kernel_index)
    arguments |= {"factor": factor, "kernel_index": kernel_index}
    title = f"Smaller by {factor}: stride and pooling, {kernel_name(kernel_index)}"
    sentence = describe_downsampling(ways)
    return step_of("convolution.downsampling", arguments, title, sentence, downsampling_figure(ways)), []


def keep_size(*numbers: int) -> Kept:
    """The output size, derived from (size, kernel, stride, padding, dilation)."""
    derivation = derive_size(*numbers)
    names = ("size", "kernel", "stride", "padding", "dilation")
    title = f"Output size of {numbers[0]} pixels: {derivation.output}"
    given = dict(zip(names, numbers, strict=True))
    return step_of("convolution.size", given, title, describe_size(derivation)), []


def keep_reading(conv: Convolution, kernel_index: int) -> Kept:
    """When a kernel of zeros and ones fires."""
    if len(conv.channels) > 1:
        value = f"an input of {len(conv.channels)} channels"
        raise ExplorerError(value, "is too much to read off", "use one channel")
    kernel, bias = _cells(conv.kernels[kernel_index, 0]), _whole(float(conv.bias[kernel_index]))
    read_off(kernel, bias)  # before anything is kept: only zeros and ones can be
    given = {"kernels": [kernel], "bias": bias}
    title = f"{kernel_name(kernel_index)} read off"
    return step_of("convolution.reading", given, title, describe_reading([kernel], bias)), []


def keep_exercise(exercise: Exercise, answer: Cells, marked: bool) -> Kept:
    """An exercise with what was answered so far, and its marks where the answer was checked."""
    arguments = _made(exercise)
    title = f"Exercise {exercise.seed}, level {exercise.level}"
    sentence = describe_exercise(exercise)
    typed = [[" ".join(str(entry).split()) for entry in row] for row in answer]
    if not any(entry for row in typed for entry in row):
        return step_of(_EXERCISE, arguments, title, sentence, exercise_figure(exercise)), []
    _refuse_unprintable(typed)
    arguments |= {"answer": typed, "marked": marked}
    if marked:
        marking = mark_exercise(exercise, typed)
        title += f": {marking.right} of {marking.total} cells right"
    listed = describe_marking(marking) if marked else describe_answer(typed)
    figure = exercise_figure(exercise, typed, marked=marked)
    return step_of(_EXERCISE, arguments, title, f"{sentence}\n{listed}", figure), []


def _made(exercise: Exercise) -> dict[str, Any]:
    """The arguments that make an exercise again; sizes where they aren't those of its level."""
    conv, rules = exercise.convolution, LEVELS[exercise.level - 1]
    used: dict[str, Any] = {
        "size": list(conv.x.shape[-2:]),
        "kernel": list(conv.kernel.shape[-2:]),
        "stride": conv.stride[0],
        "padding": conv.padding[0],
        "dilation": conv.dilation[0],
    }
    usual = {"size": list(rules.size), "kernel": list(rules.kernel)}
    usual |= {name: getattr(rules, name) for name in ("stride", "padding", "dilation")}
    for value, name, most in (
        (exercise.seed, "seed", MOST_SEED),
        (used["stride"], "stride", MOST_STRIDE),
        (used["dilation"], "dilation", MOST_STRIDE),
    ):
        if abs(value) > most:
            raise ExplorerError(
                f"{name} {value}", f"is more than a notebook takes along ({most})", "use a smaller one"
            )
    changed = {name: value for name, value in used.items() if value != usual[name]}
    return {"seed": exercise.seed, "level": exercise.level, "asked": exercise.asked, **changed}


def _refuse_unprintable(typed: Cells) -> None:
    for row, line in enumerate(typed, start=1):
        for column, entry in enumerate(line, start=1):
            if len(entry) > MOST_TYPED or not entry.isprintable():
                rule = f"is longer than {MOST_TYPED} characters, or has some that can't be printed"
                raise ExplorerError(
                    f"row {row}, column {column} of the answer, {entry!r:.60},", rule, "type a number there"
                )


def _written(conv: Convolution) -> tuple[dict[str, Any], Convolution]:
    """A convolution's arguments as a notebook writes them, and what they give.

    Raises:
        ExplorerError: matrices too large to be written out.
    """
    single = len(conv.channels) == conv.groups == 1
    x, kernel = (conv.channels[0], conv.kernels[:, 0]) if single else (conv.channels, conv.kernels)
    for values, name in ((x, "the input"), (kernel, "the kernels")):
        if values.size > MOST_CELLS:
            rule = f"are more than a notebook writes out ({MOST_CELLS:,})"
            raise ExplorerError(f"{values.size:,} cells of {name}", rule, "use a smaller one")
    pairs = {"stride": conv.stride, "padding": conv.padding, "dilation": conv.dilation}
    for name, pair in pairs.items():
        if max(pair) > MOST_STRIDE:
            rule = f"is more than a notebook takes along ({MOST_STRIDE})"
            raise ExplorerError(f"{name} {max(pair)}", rule, "use a smaller one")
    arguments: dict[str, Any] = {
        "x": _cells(x),
        "kernel": _cells(kernel),
        "bias": _cells(conv.bias),
        **{name: list(pair) for name, pair in pairs.items()},
        "groups": conv.groups,
        "padding_mode": conv.padding_mode,
        "activation": conv.activation,
    }
    return arguments, convolve(**arguments)


def _cells(values: np.ndarray) -> list[Any]:
    """Nested lists of numbers, whole ones without a point, as the notebook writes them."""
    return [_cells(part) if part.ndim else _whole(float(part)) for part in values]


def _whole(value: float) -> float:
    return int(value) if value == int(value) else value
