"""What everything that shows a convolution goes by: names, sizes, the range of greys, what becomes a picture."""

from __future__ import annotations

from explorer.convolution.arithmetic import Convolution, Floats, Window

MOST_TEXT_CELLS = 256
"""More numbers than 16×16 can't be read; they are drawn as a picture."""


def window_at(conv: Convolution, kernel_index: int, row: int, column: int) -> Window:
    """A window by its output cell, whether or not the output has a kernel axis.

    Args:
        conv: the convolution.
        kernel_index: which kernel, from 0; of a convolution with a single 2-D kernel it doesn't matter.
        row, column: the output cell, from 0.

    Raises:
        IndexError: no such window.

    >>> from explorer.convolution.arithmetic import convolve
    >>> window_at(convolve([[1, 2], [3, 4]], [[10]]), 0, 1, 0).output
    30.0
    """
    return conv.windows[row, column] if conv.output.ndim == 2 else conv.windows[kernel_index, row, column]


def kernel_name(index: int) -> str:
    """Kernels are called w1, w2 and so on."""
    return f"w{index + 1}"


def kernel_names(conv: Convolution) -> list[str]:
    """The names of all kernels of a convolution."""
    return [kernel_name(index) for index in range(len(conv.maps))]


def size_text(values: Floats) -> str:
    """Height × width of the last two axes."""
    height, width = values.shape[-2:]
    return f"{height}×{width}"


def grey_range(values: Floats) -> tuple[float, float]:
    """What is drawn black and what white: symmetric around zero as soon as there are negative values."""
    low, high = float(values.min()), float(values.max())
    if low < 0:
        most = max(-low, high)
        return -most, most
    return (low, high) if high > low else (low, low + 1)
