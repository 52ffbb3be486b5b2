"""Editable matrices: a grid of cells in the page, and what was typed there as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from explorer.convolution.arithmetic import Floats
from explorer.convolution.entry import Cells, format_cells, format_number, read_matrix, read_number
from explorer.errors import ExplorerError

MOST_CELLS = 64 * 64  # of one input, all channels together: what can be drawn and followed
_LIMITS = {"row": 64, "column": 64, "channel": 8, "kernel": 8}
_MOST_KERNEL_SIDE = 11

Value = dict[str, Any]


def matrix_editor(
    value: Value,
    name: str,
    *,
    elem_id: str,
    blocks: str | None = None,
    resizable: bool = True,
    blanks: bool = False,
    inspect: bool = False,
) -> gr.HTML:
    """A matrix editor with the events ``edit`` and, if asked for, ``select`` (a cell was focused).

    blocks: "channel" or "kernel" where there can be several matrices. blanks: empty cells are no mistake.
    """
    limits = _LIMITS | ({"row": _MOST_KERNEL_SIDE, "column": _MOST_KERNEL_SIDE} if blocks == "kernel" else {})
    options = {
        "name": name,
        "word": blocks,
        "kernels": blocks == "kernel",
        "resizable": resizable,
        "blanks": blanks,
        "inspect": inspect,
        "limits": limits,
    }
    return gr.HTML(
        value,
        html_template='<div class="matrix-editor"></div>',
        css_template=_beside("matrix_editor.css"),
        js_on_load=_beside("matrix_editor.js"),
        apply_default_css=False,
        elem_id=elem_id,
        options=options,
    )


def input_value(x: Floats) -> Value:
    """What the input's editor shows for (channels, height, width)."""
    return {"blocks": [format_cells(plane) for plane in x], "per": 1, "biases": None, "marks": None}


def kernel_value(kernels: Floats, biases: Sequence[float]) -> Value:
    """What the kernels' editor shows for (kernels, channels / groups, height, width)."""
    return {
        "blocks": [format_cells(plane) for kernel in kernels for plane in kernel],
        "per": kernels.shape[1],
        "biases": [format_number(bias).replace("−", "-") for bias in biases],
        "marks": None,
    }


def answer_value(cells: Cells, marks: Cells | None = None) -> Value:
    """What an answer's editor shows: entries, with their marks once there are some."""
    return {"blocks": [cells], "per": 1, "biases": None, "marks": None if marks is None else [marks]}


def read_input(value: Value) -> Floats:
    """(channels, height, width) as typed. Raises ExplorerError that names the cell."""
    blocks = cells_of(value)
    names = [f"channel {i}" if len(blocks) > 1 else "the input" for i in range(1, len(blocks) + 1)]
    counted = sum(len(line) for block in blocks for line in block)
    if counted > MOST_CELLS:
        raise ExplorerError(
            f"an input of {counted} cells",
            f"is more than the {MOST_CELLS} that can be drawn",
            "use at most 64×64 cells, all channels together",
        )
    return _stack(blocks, names)


def read_kernels(value: Value) -> tuple[Floats, Floats]:
    """Kernels (kernels, channels / groups, height, width) and biases (kernels,) as typed."""
    blocks, per = cells_of(value), int(value.get("per") or 1)
    names = [_kernel_name(i, per) for i in range(len(blocks))]
    for name, block in zip(names, blocks, strict=True):
        if max(len(block), *(len(line) for line in block)) > _MOST_KERNEL_SIDE:
            raise ExplorerError(
                f"{name} of {len(block)}×{max(len(line) for line in block)} weights",
                f"is larger than {_MOST_KERNEL_SIDE}×{_MOST_KERNEL_SIDE}",
                "use a smaller kernel",
            )
    kernels = _stack(blocks, names)
    biases = [
        read_number(str(b), f"the bias of w{i}") for i, b in enumerate(value.get("biases") or [], start=1)
    ]
    return kernels.reshape(-1, per, *kernels.shape[1:]), np.array(biases)


def fit_channels(value: Value, per_kernel: int) -> Value:
    """The kernels' editor with another number of slices to a kernel: slices dropped, or new ones of zeros."""
    blocks, per = cells_of(value), int(value.get("per") or 1)
    if per == per_kernel:
        return value
    zeros = [["0"] * len(line) for line in blocks[0]]
    kernels = [blocks[start : start + per] for start in range(0, len(blocks), per)]
    fitted = [(kernel + [zeros] * per_kernel)[:per_kernel] for kernel in kernels]
    return value | {"blocks": [plane for kernel in fitted for plane in kernel], "per": per_kernel}


def cells_of(value: Any) -> list[list[list[str]]]:
    """The typed texts, whatever a client sent. Raises ExplorerError if they are no matrices."""
    try:
        blocks = [[[str(cell) for cell in line] for line in block] for block in value["blocks"]]
        if not blocks or any(not line for block in blocks for line in block):
            raise ValueError
    except (TypeError, KeyError, ValueError):
        raise ExplorerError("the matrix", "could not be read", "reload the page") from None
    return blocks


def _stack(blocks: list[list[list[str]]], names: list[str]) -> Floats:
    planes = [read_matrix(block, name) for block, name in zip(blocks, names, strict=True)]
    for name, plane in zip(names, planes, strict=True):
        if plane.shape != planes[0].shape:
            sizes = " and ".join(f"{h}×{w}" for h, w in (planes[0].shape, plane.shape))
            raise ExplorerError(
                f"{names[0]} and {name}", f"differ in size, {sizes}", "make them the same size"
            )
    return np.stack(planes)


def _kernel_name(block: int, per: int) -> str:
    return f"w{block // per + 1}" + (f", channel {block % per + 1}" if per > 1 else "")


@cache
def _beside(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
