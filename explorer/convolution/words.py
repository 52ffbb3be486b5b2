"""What the convolution lab shows, in lines of text with every number: for notebooks and what is handed in."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from explorer.convolution.arithmetic import Convolution, Window
from explorer.convolution.display import size_text
from explorer.convolution.pooling import Downsampling
from explorer.convolution.reading import read_off
from explorer.convolution.size import SizeDerivation


def spelt_out(window: Window) -> str:
    """One window's arithmetic in a line: products, bias, sum, and what the activation makes of it."""
    terms = " + ".join(
        f"{pixel:g}·{weight:g}" for pixel, weight in zip(window.patch.flat, window.kernel.flat, strict=True)
    )
    return f"{terms} + ({window.bias:g}) = {window.pre_activation:g} → {window.output:g}"


def describe_window(conv: Convolution, window: Window) -> str:
    """The output's size, one window's arithmetic, and the whole output; ends without a line break."""
    where = f"w{window.kernel_index + 1}, row {window.row + 1}, column {window.column + 1}"
    return f"{conv.size_formula}\n{where}: {spelt_out(window)}\n{conv.output}"


def describe_size(derivation: SizeDerivation) -> str:
    """The output size step by step, two lines each: the arithmetic, and why."""
    return "\n".join(f"{step.title}: {step.arithmetic}\n    {step.reason}" for step in derivation.steps)


def describe_reading(kernels: Sequence[ArrayLike], bias: float = 0.0) -> str:
    """When each 0/1 kernel fires, a line each. Raises ExplorerError for other weights."""
    return "\n".join(f"{kernel!s} {read_off(kernel, bias=bias).rule}" for kernel in kernels)


def describe_downsampling(ways: Sequence[Downsampling]) -> str:
    """Stride and pooling beside each other: sizes, what decides the output, what it costs, the output."""
    return "\n".join(line for way in ways for line in _way(way))


def _way(way: Downsampling) -> list[str]:
    cost = [f"{way.multiplications:,} multiplications"]
    cost += [
        f"{count:,} {name}"
        for name in ("comparisons", "additions", "divisions")
        if (count := getattr(way, name))
    ]
    decided = f"decided by {way.kept_count} of {way.before.size} values"
    return [
        f"{way.name}: {size_text(way.before)} → {size_text(way.output)}, {decided}, {', '.join(cost)}",
        str(way.output),
    ]
