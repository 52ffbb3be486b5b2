"""The convolution lab's endpoints: plain JSON in, plain JSON out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from explorer.convolution import arithmetic as convolution
from explorer.convolution.arithmetic import Window
from explorer.convolution.entry import split_text
from explorer.convolution.words import arithmetic
from explorer.errors import ExplorerError
from explorer.practice import exercises as practice
from explorer.practice.exercises import CellMark, Exercise
from explorer.tabs.components import on_screen

_MOST_CELLS = 64 * 64
_MOST_PADDING = 64
_MOST_OUTPUT_CELLS = 2**19  # of all kernels, at stride 1: a few megabytes, whatever is asked
_MOST_WINDOWS = 400


@on_screen
def convolve(
    x: list[Any],
    kernel: list[Any],
    bias: list[float] | float = 0.0,
    stride: list[int] | int = 1,
    padding: list[int] | int = 0,
    dilation: list[int] | int = 1,
    groups: int = 1,
    padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros",
    activation: Literal["relu", "none"] = "none",
) -> dict[str, Any]:
    """Convolve a matrix or channels with one kernel or several, as torch.nn.Conv2d does.

    Args:
        x: (H, W) or (C, H, W) numbers, at most 4096.
        kernel: (kh, kw), (K, kh, kw) for K kernels of one channel, or (K, C / groups, kh, kw).
        bias: one number, or one per kernel.
        stride: one whole number, or [height, width].
        padding: one whole number, or [height, width].
        dilation: one whole number, or [height, width].
        groups: groups of channels.
        padding_mode: what fills the padding.
        activation: "relu" or "none".

    Returns:
        output and pre_activation (nested lists), output_shape, size_formula, unreached_count,
        multiplications, and the first 400 windows with their products, sum, bias and output.
    """
    _check_cells(x, "x")
    _check_cells(kernel, "kernel")
    check_work(_shape(x)[-2:], _shape(kernel), _pair(padding))
    conv = convolution.convolve(
        *(x, kernel, bias, _pair(stride), _pair(padding), _pair(dilation), groups, padding_mode),
        None if activation == "none" else activation,
    )
    return {
        "output": conv.output.tolist(),
        "pre_activation": conv.pre_activation.tolist(),
        "output_shape": list(conv.output.shape),
        "size_formula": conv.size_formula,
        "unreached_count": conv.unreached_count,
        "multiplications": conv.multiplications,
        "windows": [_window(window) for window in conv.windows[:_MOST_WINDOWS]],
    }


@on_screen
def mark_exercise(
    answer: list[list[Any]] | str,
    seed: int = 1,
    level: int = 1,
    asked: Literal["relu", "output", "fires", "size", "unreached", "max_pool", "average_pool"] = "relu",
) -> dict[str, Any]:
    """Mark an answer to a practice exercise cell by cell.

    Args:
        answer: the filled-in matrix, as rows of cells or as text with one row a line; empty cells are allowed.
        seed: the exercise's seed.
        level: its level, 1 to 7.
        asked: what it asks for.

    Returns:
        score (0 to 1), right, total, question, x, kernel, bias, and cells: row, column (from 0), entry,
        verdict ("right", "wrong", "empty" or "unreadable"), a likely slip, and, where it isn't right, the
        arithmetic of the window behind it.
    """
    exercise = practice.make_exercise(seed, level, asked)
    cells = split_text(answer) if isinstance(answer, str) else _texts(answer)
    marking = practice.mark_exercise(exercise, cells)
    conv = exercise.convolution
    return {
        "score": marking.score,
        "right": marking.right,
        "total": marking.total,
        "question": exercise.question,
        "x": conv.x.tolist(),
        "kernel": conv.kernel.tolist(),
        "bias": conv.bias.tolist(),
        "cells": [_cell(exercise, cell) for cell in marking.cells],
    }


def check_work(size: Sequence[int], kernels: Sequence[int], padding: Any) -> None:
    """Refuse padding that nobody could follow, and more output than anybody could look at, before making it.

    size: (height, width) of the input. kernels: the kernels' shape. What is wrong with them otherwise is
    left for the convolution to say.
    """
    rings = padding if isinstance(padding, tuple) else (padding, padding)
    if len(rings) != 2 or len(size) != 2 or not all(isinstance(ring, int) for ring in rings):
        return
    if max(rings) > _MOST_PADDING:
        raise ExplorerError(
            f"padding {max(rings)}", "is more than can be drawn", f"use at most {_MOST_PADDING}"
        )
    number = kernels[0] if len(kernels) > 2 else 1
    cells = (size[0] + 2 * rings[0]) * (size[1] + 2 * rings[1]) * number
    if cells > _MOST_OUTPUT_CELLS:
        raise ExplorerError(
            f"an output of up to {cells} cells",
            f"is more than the {_MOST_OUTPUT_CELLS} that the lab takes",
            "use fewer kernels, or less padding",
        )


def _shape(values: Any) -> list[int]:
    """The shape that nested lists have along their first elements."""
    return [len(values), *_shape(values[0])] if isinstance(values, list) and values else []


def _check_cells(values: Any, name: str) -> None:
    count = _count(values)
    if count > _MOST_CELLS:
        raise ExplorerError(
            f"{name} of {count} cells", f"is more than the {_MOST_CELLS} that the lab takes", "use fewer"
        )


def _count(values: Any) -> int:
    return sum(_count(value) for value in values) if isinstance(values, list) else 1


def _pair(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _texts(answer: Any) -> list[list[str]]:
    if not isinstance(answer, list) or not all(isinstance(line, list) for line in answer):
        raise ExplorerError(
            "the answer", "is not a matrix", "give rows of cells, or text with one row a line"
        )
    return [["" if cell is None else str(cell) for cell in line] for line in answer]


def _window(window: Window) -> dict[str, Any]:
    return {
        "kernel": window.kernel_index,
        "row": window.row,
        "column": window.column,
        "products": window.products.tolist(),
        "sum": window.sum,
        "bias": window.bias,
        "pre_activation": window.pre_activation,
        "output": window.output,
    }


def _cell(exercise: Exercise, cell: CellMark) -> dict[str, Any]:
    listed = {"row": cell.row, "column": cell.column, "entry": cell.entry, "verdict": cell.verdict}
    window = exercise.window(cell.row, cell.column)
    if cell.verdict == "right" or window is None:
        return listed
    return listed | {"slip": cell.slip, "arithmetic": arithmetic(window)}
