"""What page and paper both go by: names, sizes, the range of greys, and where a matrix becomes a picture."""

from __future__ import annotations

from explorer.convolution.arithmetic import Convolution, Floats, Window


def window_at(conv: Convolution, kernel_index: int, row: int, column: int) -> Window:
    """A window by its output cell, whether or not the output has a kernel axis."""
    return conv.windows[row, column] if conv.output.ndim == 2 else conv.windows[kernel_index, row, column]


def kernel_name(index: int) -> str:
    return f"w{index + 1}"


def kernel_names(conv: Convolution) -> list[str]:
    return [kernel_name(index) for index in range(len(conv.maps))]


def size_text(values: Floats) -> str:
    height, width = values.shape[-2:]
    return f"{height}×{width}"


MOST_TEXT_CELLS = 256  # more numbers than 16×16 can't be read; they are drawn as a picture


def grey_range(values: Floats) -> tuple[float, float]:
    """What is drawn black and what white: symmetric around zero as soon as there are negative values."""
    low, high = float(values.min()), float(values.max())
    if low < 0:
        most = max(-low, high)
        return -most, most
    return (low, high) if high > low else (low, low + 1)
