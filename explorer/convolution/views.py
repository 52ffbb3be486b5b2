"""A convolution's matrices as they are shown: which cells are lit, in the padding, unread or faint, what is framed.

Page and paper both draw what is said here, so that a window is the same on screen and in a hand-in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from explorer.convolution.arithmetic import Convolution, Floats, Mask, Window
from explorer.convolution.display import MOST_TEXT_CELLS, grey_range, kernel_name
from explorer.convolution.entry import format_number
from explorer.convolution.pooling import Downsampling

FrameKind = Literal["window", "spread", "input"]
CellMark = Literal["lit", "padded", "unread", "faint"]

_OPACITY: dict[CellMark, int] = {"padded": 150, "unread": 70, "faint": 120}
"""Of pixels in a picture, 0 to 255; of several marks the last one counts."""


@dataclass(frozen=True)
class Frame:
    """An outline around cells: a window, the span of a window with gaps ("spread"), the input inside its padding."""

    row: int
    column: int
    height: int
    width: int
    kind: FrameKind


@dataclass(frozen=True, eq=False)
class MatrixView:
    """A matrix and how its cells are shown. Masks have the shape of ``values``; None means nowhere."""

    values: Floats  # (H, W)
    label: str  # in words, for who can't see it
    lit: Mask | None = None  # under the window
    padded: Mask | None = None  # padding, drawn lighter
    unread: Mask | None = None  # greyed and struck out
    faint: Mask | None = None  # not reached yet, or left out
    frames: tuple[Frame, ...] = ()
    links: tuple[tuple[tuple[int, int], ...], ...] = ()  # cells (row, column) to join by a line
    grey: bool = False  # as a picture even where the numbers could be read
    limits: tuple[float, float] | None = None  # drawn black and white; the values' own grey_range if None
    pale: str = ""  # which pixels of a picture are pale, in a few words

    @property
    def as_picture(self) -> bool:
        """Whether it is one grey picture: more numbers than can be read."""
        return self.grey or self.values.size > MOST_TEXT_CELLS

    @property
    def grey_limits(self) -> tuple[float, float]:
        """The values that a picture draws black and white."""
        return self.limits or grey_range(self.values)

    @property
    def opacity(self) -> NDArray[np.uint8]:
        """(H, W): how opaque each pixel of a picture is, 0 to 255."""
        opacity = np.full(self.values.shape, 255, dtype=np.uint8)
        for mark, level in _OPACITY.items():
            mask: Mask | None = getattr(self, mark)
            if mask is not None:
                opacity[mask] = level
        return opacity

    @property
    def texts(self) -> list[list[str]]:
        """The numbers in the cells, to two decimals."""
        return [[format_number(float(value), 2) for value in row] for row in self.values]

    def marks(self, row: int, column: int) -> tuple[CellMark, ...]:
        """What is special about a cell, always in the same order."""
        named: tuple[tuple[CellMark, Mask | None], ...] = (
            ("lit", self.lit),
            ("padded", self.padded),
            ("unread", self.unread),
            ("faint", self.faint),
        )
        return tuple(name for name, mask in named if mask is not None and mask[row, column])


def input_views(conv: Convolution, window: Window | None = None) -> list[MatrixView]:
    """Every channel of the padded input, the window on those that its kernel reads."""
    (top, left), (_, height, width) = conv.padding, conv.channels.shape
    inside = np.s_[top : top + height, left : left + width]
    padded = np.ones(conv.padded.shape[1:], dtype=bool)
    padded[inside] = False
    unread = np.zeros_like(padded)
    unread[inside] = conv.unreached
    views = []
    for channel, plane in enumerate(conv.padded):
        reading = window if window is not None and channel in window.channels else None
        name = f"Input, channel {channel + 1}" if len(conv.padded) > 1 else "Input"
        views.append(
            MatrixView(
                plane,
                f"{name}, {height} by {width}",
                lit=None if reading is None else taps(conv, reading),
                padded=padded if top or left else None,
                unread=unread if conv.unreached_count else None,
                frames=() if reading is None else _frames(conv, reading),
                limits=grey_range(conv.padded),  # one scale for all channels: their caption names one
                pale=" and ".join(
                    words
                    for words, mask in (("padding", padded), ("what no window reads", unread))
                    if mask.any()
                ),
            )
        )
    return views


def taps(conv: Convolution, window: Window) -> Mask:
    """(padded height, padded width): True under the window's weights."""
    lit = np.zeros(conv.padded.shape[1:], dtype=bool)
    lit[np.ix_(np.array(window.rows) + conv.padding[0], np.array(window.columns) + conv.padding[1])] = True
    return lit


def kernel_views(window: Window) -> list[MatrixView]:
    """The weights of the window's kernel, a slice for each channel that it reads."""
    return [MatrixView(weights, "Weights of the kernel") for weights in planes(window.kernel)]


def product_views(window: Window) -> list[MatrixView]:
    """Pixels times weights, channel by channel; those that add something are lit."""
    return [
        MatrixView(products, "Products of pixels and weights", lit=products != 0, padded=window.padded)
        for products in planes(window.products)
    ]


def output_view(conv: Convolution, window: Window, *, stepping: bool = False) -> MatrixView:
    """The window's output map, its own cell framed; while one steps through, those of later windows faint."""
    values = conv.maps[window.kernel_index]
    later = np.arange(values.size).reshape(values.shape) > window.row * values.shape[1] + window.column
    now = np.zeros(values.shape, dtype=bool)
    now[window.row, window.column] = True
    frame = Frame(window.row, window.column, 1, 1, "window")
    label = output_label(conv, window.kernel_index)
    if not stepping:
        return MatrixView(values, label, lit=now, frames=(frame,))
    return MatrixView(values, label, lit=now, faint=later, frames=(frame,), pale="not reached yet")


def output_views(conv: Convolution) -> list[MatrixView]:
    """The output maps of all kernels, what is above zero lit."""
    return [
        MatrixView(values, output_label(conv, index), lit=values > 0)
        for index, values in enumerate(conv.maps)
    ]


def output_label(conv: Convolution, kernel_index: int) -> str:
    """Whose output it is and its size, for who can't see it."""
    height, width = conv.maps[kernel_index].shape
    return f"Output of {kernel_name(kernel_index)}, {height} by {width}"


def downsampling_views(way: Downsampling) -> tuple[MatrixView, MatrixView]:
    """The map at stride 1 with what decides the output lit, and the smaller map at the same scale of greys."""
    height, width = way.before.shape
    before = MatrixView(
        way.before,
        f"The map at stride 1, {height} by {width}, with what {way.name} keeps",
        lit=way.kept,
        faint=~way.kept,
        pale="" if way.kept.all() else "left out",
    )
    height, width = way.output.shape
    label = f"{way.name}, {height} by {width}"
    return before, MatrixView(way.output, label, grey=before.as_picture, limits=grey_range(way.before))


def planes(values: Floats) -> Sequence[Floats]:
    """A patch or kernel as one matrix for each channel, whether or not it has an axis of channels."""
    return list(values.reshape(-1, *values.shape[-2:]))


def _frames(conv: Convolution, window: Window) -> tuple[Frame, ...]:
    """What the window spans; inside a padding also where the true input lies."""
    (top, left), (_, height, width) = conv.padding, conv.channels.shape
    frame = Frame(
        row=window.rows[0] + top,
        column=window.columns[0] + left,
        height=window.rows[-1] - window.rows[0] + 1,
        width=window.columns[-1] - window.columns[0] + 1,
        kind="window" if conv.dilation == (1, 1) else "spread",
    )
    return (frame,) if (top, left) == (0, 0) else (Frame(top, left, height, width, "input"), frame)
