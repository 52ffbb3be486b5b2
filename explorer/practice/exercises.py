"""Exercises in convolution by hand: the same seed gives everybody the same one, and every cell is marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

import numpy as np

from explorer.convolution.arithmetic import Convolution, Floats, PaddingMode, Window, convolve, output_size
from explorer.convolution.entry import Cells, format_number, parse_number
from explorer.convolution.pooling import pool
from explorer.errors import ExplorerError

Asked = Literal["relu", "output", "fires", "size", "unreached", "max_pool", "average_pool"]
Verdict = Literal["right", "wrong", "empty", "unreadable"]

ASKED: dict[Asked, str] = {
    "relu": "The output after ReLU",
    "output": "The output before ReLU, bias included",
    "fires": "Where it fires: 1 where ReLU's output is above zero, else 0",
    "size": "The output size: height, then width",
    "unreached": "How many input pixels no window reads",
    "max_pool": "The output after ReLU and 2×2 max-pooling",
    "average_pool": "The output after ReLU and 2×2 average-pooling",
}
_LARGEST_INPUT = 16  # cells along one side: more is no exercise by hand
_TOLERANCE = 0.005  # half of the second decimal: answers may be rounded to two decimals


@dataclass(frozen=True)
class Level:
    """What one level of difficulty draws from."""

    title: str
    size: tuple[int, int]
    kernel: tuple[int, int] = (2, 2)
    channels: int = 1
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    padding_mode: PaddingMode = "zeros"
    pixels: tuple[int, ...] = (0, 1)
    weights: tuple[int, ...] = (0, 1)
    biases: tuple[int, ...] = (-1,)


LEVELS: tuple[Level, ...] = (
    Level("Zeros and ones, stride 1", (4, 5)),
    Level("Stride 2, with a border that is left over", (5, 6), stride=2),
    Level(
        "Negative weights, 3×3",
        (5, 5),
        (3, 3),
        pixels=(0, 1, 2, 3),
        weights=(-1, 0, 1),
        biases=(-2, -1, 1, 2),
    ),
    Level(
        "Zero padding",
        (4, 4),
        (3, 3),
        padding=1,
        pixels=(0, 1, 2, 3),
        weights=(-1, 0, 1, 2),
        biases=(-2, -1, 0, 1),
    ),
    Level(
        "Dilation 2 and stride 2",
        (7, 7),
        (2, 2),
        stride=2,
        dilation=2,
        pixels=(0, 1, 2, 3, 4),
        weights=(-2, -1, 1, 2),
        biases=(-3, -1, 1),
    ),
    Level(
        "Reflected padding",
        (4, 5),
        (3, 2),
        padding=1,
        stride=2,
        padding_mode="reflect",
        pixels=(0, 1, 2, 3, 4),
        weights=(-2, -1, 0, 1, 2),
        biases=(-2, 1, 2),
    ),
    Level(
        "Two channels in one sum",
        (4, 4),
        (2, 2),
        channels=2,
        pixels=(-2, -1, 0, 1, 2),
        weights=(-2, -1, 0, 1, 2),
        biases=(-2, -1, 1, 2),
    ),
)


@dataclass(frozen=True, eq=False)
class Exercise:
    """One question with its solution; the same arguments to :func:`make_exercise` give the same one."""

    seed: int
    level: int
    asked: Asked
    convolution: Convolution
    solution: Floats  # (rows, columns) of what is asked

    @property
    def question(self) -> str:
        """The task in one sentence, with every number that it needs."""
        conv = self.convolution
        kernel = "×".join(str(n) for n in conv.kernel.shape[-2:])
        parts = [f"stride {conv.stride[0]}", f"padding {conv.padding[0]}"]
        if conv.padding[0]:
            parts[-1] += f" ({conv.padding_mode})"
        if conv.dilation[0] > 1:
            parts.append(f"dilation {conv.dilation[0]}")
        channels = f"{len(conv.channels)} channels of " if len(conv.channels) > 1 else ""
        size = "×".join(str(n) for n in conv.x.shape[-2:])
        return (
            f"{channels}{size} pixels, one {kernel} kernel, bias {format_number(float(conv.bias[0]))}, "
            f"{', '.join(parts)}. {ASKED[self.asked]}?"
        )

    def window(self, row: int, column: int) -> Window | None:
        """The window behind one cell of the answer; None where the answer isn't made of windows one by one."""
        if self.asked not in ("relu", "output", "fires"):
            return None
        windows = self.convolution.windows
        return windows[0, row, column] if self.convolution.output.ndim == 3 else windows[row, column]


@dataclass(frozen=True)
class CellMark:
    """One cell of an answer: what was entered, what is right, and the slip that would explain the difference."""

    row: int
    column: int
    entry: str
    expected: float
    verdict: Verdict
    slip: str = ""


@dataclass(frozen=True, eq=False)
class Marking:
    """A marked answer: credit for every cell that is right."""

    exercise: Exercise
    cells: tuple[CellMark, ...] = field(repr=False)

    @property
    def right(self) -> int:
        """How many cells are right."""
        return sum(cell.verdict == "right" for cell in self.cells)

    @property
    def total(self) -> int:
        """How many cells there are."""
        return len(self.cells)

    @property
    def score(self) -> float:
        """The share of cells that are right, 0 to 1."""
        return self.right / self.total

    @property
    def mistakes(self) -> tuple[CellMark, ...]:
        """The cells that were filled in and aren't right, in reading order."""
        return tuple(cell for cell in self.cells if cell.verdict in ("wrong", "unreadable"))

    @property
    def grid(self) -> list[list[CellMark]]:
        """The marks as the answer is laid out."""
        columns = self.exercise.solution.shape[1]
        return [list(self.cells[start : start + columns]) for start in range(0, self.total, columns)]


def make_exercise(
    seed: int = 1,
    level: int = 1,
    asked: Asked = "relu",
    *,
    size: tuple[int, int] | None = None,
    kernel: tuple[int, int] | None = None,
    stride: int | None = None,
    padding: int | None = None,
    dilation: int | None = None,
) -> Exercise:
    """One exercise; the same arguments give the same one to everybody.

    Args:
        seed: any whole number.
        level: 1 to 7, the difficulty.
        asked: what is to be found: relu, output, fires, size, unreached, max_pool or average_pool.
        size, kernel: height and width, instead of those of the level; an input of at most 16×16.
        stride, padding, dilation: of both axes, instead of those of the level.

    Raises:
        ExplorerError: a level or question that there is none of, an input that is too large, and whatever
            :func:`~explorer.convolve` refuses.

    >>> make_exercise(seed=7, asked="size").question
    '4×5 pixels, one 2×2 kernel, bias −1, stride 1, padding 0. The output size: height, then width?'
    """
    rules = _level(level)
    if asked not in ASKED:
        listed = ", ".join(repr(name) for name in ASKED)
        raise ExplorerError(f"asked {asked!r}", "is no question of the practice", f"use one of {listed}")
    seed = _whole_number(seed, "seed")
    options: dict[str, Any] = {
        "stride": rules.stride if stride is None else stride,
        "padding": rules.padding if padding is None else padding,
        "dilation": rules.dilation if dilation is None else dilation,
    }
    size, kernel = size or rules.size, kernel or rules.kernel
    output_size(size, kernel, **options)
    _refuse_too_large(*size, options["padding"])
    options |= {"padding_mode": rules.padding_mode, "activation": None if asked == "output" else "relu"}
    random = Random(f"{seed}/{level}")  # noqa: S311 - an exercise, not a secret
    convolution = _draw(random, rules, size, kernel, options)
    return Exercise(seed, level, asked, convolution, _solution(asked, convolution))


def mark_exercise(exercise: Exercise, answer: Cells) -> Marking:
    """Mark an answer cell by cell; numbers may be rounded to two decimals, empty cells are no mistake.

    Args:
        exercise: from :func:`~explorer.make_exercise`.
        answer: typed text or numbers in the solution's rows and columns.

    Raises:
        ExplorerError: an answer of another shape.

    >>> marking = mark_exercise(make_exercise(asked="size"), [["3", "5"]])  # of 4×5 pixels, with a kernel of 2×2
    >>> [(cell.entry, cell.verdict) for cell in marking.cells], marking.score
    ([('3', 'right'), ('5', 'wrong')], 0.5)
    """
    rows, columns = exercise.solution.shape
    if len(answer) != rows or any(len(line) != columns for line in answer):
        raise ExplorerError(
            f"an answer of rows with {', '.join(str(len(line)) for line in answer) or 'no'} cells",
            f"does not fit the {rows}×{columns} cells that are asked for",
            "fill in that grid, and leave a cell empty where you don't know",
        )
    return Marking(
        exercise,
        tuple(
            _mark_cell(exercise, row, column, str(entry))
            for row, line in enumerate(answer)
            for column, entry in enumerate(line)
        ),
    )


def _mark_cell(exercise: Exercise, row: int, column: int, entry: str) -> CellMark:
    expected = float(exercise.solution[row, column])
    value = parse_number(entry)
    if not entry.strip():
        return CellMark(row, column, entry, expected, "empty")
    if value is None:
        return CellMark(row, column, entry, expected, "unreadable")
    if abs(value - expected) <= _TOLERANCE:
        return CellMark(row, column, entry, expected, "right")
    return CellMark(row, column, entry, expected, "wrong", _slip(exercise, row, column, value))


def _slip(exercise: Exercise, row: int, column: int, value: float) -> str:
    """The usual slip that gives exactly this value, or nothing: a guess at the cause, never part of the mark."""
    window = exercise.window(row, column)
    if window is None or exercise.asked == "fires":
        return ""
    cut = (lambda number: max(number, 0.0)) if exercise.asked == "relu" else (lambda number: number)
    flipped = float((window.patch * window.kernel[..., ::-1, ::-1]).sum()) + window.bias
    slips = (
        (window.pre_activation, "ReLU is missing: negative sums become 0"),
        (cut(window.sum), "the bias is missing"),
        (window.sum, "the bias and ReLU are missing"),
        (cut(window.sum - window.bias), "the bias has the wrong sign"),
        (cut(flipped), "the kernel was turned by 180°: here it isn't"),
    )
    return next((slip for result, slip in slips if abs(value - result) <= _TOLERANCE), "")


def _draw(
    random: Random, rules: Level, size: tuple[int, int], kernel: tuple[int, int], options: dict[str, Any]
) -> Convolution:
    """Draw until ReLU lets a part through and cuts a part off, so that both can be practised."""
    single = rules.channels == 1
    for _ in range(100):
        pixels = _numbers(random, (rules.channels, *size), rules.pixels)
        weights = _numbers(random, (1, rules.channels, *kernel), rules.weights)
        bias = _pick(random, rules.biases)
        convolution = convolve(
            pixels[0] if single else pixels, weights[0, 0] if single else weights, bias, **options
        )
        if 0.25 <= (convolution.pre_activation > 0).mean() <= 0.75 and np.unique(weights).size > 1:
            break
    return convolution


def _solution(asked: Asked, convolution: Convolution) -> Floats:
    output = convolution.maps[0]
    if asked == "fires":
        return (output > 0).astype(np.float64)
    if asked == "size":
        return np.array([output.shape], dtype=np.float64)
    if asked == "unreached":
        return np.array([[convolution.unreached_count]], dtype=np.float64)
    if asked == "max_pool":
        return pool(output, 2, kind="max").output
    if asked == "average_pool":
        return pool(output, 2, kind="average").output
    return output


def _numbers(random: Random, shape: tuple[int, ...], choices: Sequence[int]) -> Floats:
    return np.array([_pick(random, choices) for _ in range(int(np.prod(shape)))], dtype=np.float64).reshape(
        shape
    )


def _pick(random: Random, choices: Sequence[int]) -> int:
    # Of the generator's methods only random() is promised to give the same numbers in later Pythons.
    return choices[int(random.random() * len(choices))]


def _refuse_too_large(height: int, width: int, padding: int) -> None:
    if max(height, width, padding) > _LARGEST_INPUT:
        raise ExplorerError(
            f"an input of {height}×{width} = {height * width} cells with padding {padding}",
            "is too much to compute by hand",
            f"use at most {_LARGEST_INPUT} rows, columns and rings of padding",
        )


def _level(level: int) -> Level:
    if _whole_number(level, "level") not in range(1, len(LEVELS) + 1):
        raise ExplorerError(
            f"level {level}", "is not one of the practice's", f"use a whole number from 1 to {len(LEVELS)}"
        )
    return LEVELS[level - 1]


def _whole_number(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ExplorerError(f"{name} {value!r}", "is not a whole number", "use one such as 1")
    return value
