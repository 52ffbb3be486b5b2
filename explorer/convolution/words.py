"""What the convolution lab shows, in words: titles and captions for page and paper, lines of text with every number."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from explorer.convolution.arithmetic import Convolution, Window
from explorer.convolution.display import kernel_name, size_text
from explorer.convolution.entry import format_number
from explorer.convolution.pooling import Downsampling
from explorer.convolution.reading import read_off
from explorer.convolution.size import SizeDerivation
from explorer.convolution.views import MatrixView

PRODUCTS_TITLE = "Pixel × weight"


def input_title(conv: Convolution, channel: int | None = None) -> str:
    """The input's size, with its padding and, of several channels, the channel's number (from 0)."""
    title = f"Input {size_text(conv.channels)}"
    if any(conv.padding):
        title += f", padded with {conv.padding_mode} to {size_text(conv.padded)}"
    return title + (f", channel {channel + 1}" if channel is not None and len(conv.channels) > 1 else "")


def kernel_title(kernel_index: int) -> str:
    """``Kernel w1``."""
    return f"Kernel {kernel_name(kernel_index)}"


def output_title(conv: Convolution, kernel_index: int) -> str:
    """Whose output it is, and its size."""
    return f"Output of {kernel_name(kernel_index)}, {size_text(conv.maps)}"


def way_sizes(way: Downsampling) -> str:
    """From which size to which: ``4×5 → 2×3``."""
    return f"{size_text(way.before)} → {size_text(way.output)}"


def pooling_cost(way: Downsampling) -> list[str]:
    """What the pooling costs besides the convolution; nothing for a stride."""
    costs = {"comparisons": way.comparisons, "additions": way.additions, "divisions": way.divisions}
    return [f"{count:,} {name}" for name, count in costs.items() if count]


def grey_caption(view: MatrixView) -> str:
    """What black and white stand for where a matrix is drawn as a picture, and what is pale; else ""."""
    if not view.as_picture:
        return ""
    low, high = (format_number(limit, 2) for limit in view.grey_limits)
    middle = ", mid-grey is 0" if view.grey_limits[0] < 0 else ""
    return f"Black is {low}{middle}, white is {high}." + (f" Pale: {view.pale}." if view.pale else "")


def unread_reason(conv: Convolution) -> str:
    """Why some pixels are read by no window, with how many; empty where there are none."""
    count, border = conv.unreached_count, int(conv.unreached_border.sum())
    reasons = []
    if border:
        reasons.append(f"{border} at the border, where no whole stride fits any more (the floor)")
    if count > border:
        reasons.append(f"{count - border} in the gaps that stride and dilation leave")
    return ", ".join(reasons)


def bias_added(total: float, bias: float) -> str:
    """``2 − 1``: a sum and the bias that is added to it."""
    return f"{format_number(total)} {signed(bias)}"


def signed(value: float) -> str:
    """``− 1`` or ``+ 1``."""
    return f"{'−' if value < 0 else '+'} {format_number(abs(value))}"


def factor(value: float, decimals: int = 3) -> str:
    """A number as a factor: negative ones in brackets."""
    text = format_number(value, decimals)
    return f"({text})" if value < 0 else text


def arithmetic(window: Window) -> str:
    """One window in a line: its products, their sum, the bias and the activation.

    >>> from explorer.convolution.arithmetic import convolve
    >>> arithmetic(convolve([[1, 0], [0, 1]], [[1, 0], [0, 1]], bias=-1, activation="relu").windows[0])
    '1·1 + 0·0 + 0·0 + 1·1 = 2; 2 − 1 = 1; ReLU(1) = 1'
    """
    products = zip(window.patch.flat, window.kernel.flat, strict=True)
    terms = " + ".join(f"{factor(float(pixel))}·{factor(float(weight))}" for pixel, weight in products)
    before = format_number(window.pre_activation)
    line = f"{terms} = {format_number(window.sum)}; {bias_added(window.sum, window.bias)} = {before}"
    return line + (f"; ReLU({before}) = {format_number(window.output)}" if window.activation else "")


def spelt_out(window: Window) -> str:
    """The same as a notebook's code prints it, to six digits: ``1·1 + 0·0 + (-1) = 0 → 0``."""
    terms = " + ".join(
        f"{pixel:g}·{weight:g}" for pixel, weight in zip(window.patch.flat, window.kernel.flat, strict=True)
    )
    return f"{terms} + ({window.bias:g}) = {window.pre_activation:g} → {window.output:g}"


def describe_window(conv: Convolution, window: Window) -> str:
    """The output's size, one window's arithmetic, and the whole output; ends without a line break.

    >>> from explorer.convolution.arithmetic import convolve
    >>> conv = convolve([[1, 2, 3]], [[1, -1]], bias=2)
    >>> print(describe_window(conv, conv.windows[0, 1]))
    height ⌊(1 + 2·0 − 1·(1 − 1) − 1) / 1⌋ + 1 = 1, width ⌊(3 + 2·0 − 1·(2 − 1) − 1) / 1⌋ + 1 = 2
    w1, row 1, column 2: 2·1 + 3·-1 + (2) = 1 → 1
    [[1. 1.]]
    """
    where = f"{kernel_name(window.kernel_index)}, row {window.row + 1}, column {window.column + 1}"
    return f"{conv.size_formula}\n{where}: {spelt_out(window)}\n{conv.output}"


def describe_size(derivation: SizeDerivation) -> str:
    """The output size step by step, two lines each: the arithmetic, and why."""
    return "\n".join(f"{step.title}: {step.arithmetic}\n    {step.reason}" for step in derivation.steps)


def describe_reading(kernels: Sequence[ArrayLike], bias: float = 0.0) -> str:
    """When each 0/1 kernel fires, a line each. Raises ExplorerError for other weights."""
    return "\n".join(f"{kernel!s} {read_off(kernel, bias=bias).rule}" for kernel in kernels)


def describe_downsampling(ways: Sequence[Downsampling]) -> str:
    """Stride and pooling beside each other: sizes, what decides the output, what it costs, the output.

    >>> from explorer.convolution.arithmetic import convolve
    >>> from explorer.convolution.pooling import compare_downsampling
    >>> ways = compare_downsampling(convolve([[1, 2], [3, 4]], [[1]]))
    >>> print(describe_downsampling(ways).splitlines()[2])
    Stride 1, then 2×2 max-pooling: 2×2 → 1×1, decided by 1 of 4 values, 4 multiplications, 3 comparisons
    """
    return "\n".join(line for way in ways for line in _way(way))


def _way(way: Downsampling) -> list[str]:
    cost = [f"{way.multiplications:,} multiplications", *pooling_cost(way)]
    decided = f"decided by {way.kept_count} of {way.before.size} values"
    return [f"{way.name}: {way_sizes(way)}, {decided}, {', '.join(cost)}", str(way.output)]
