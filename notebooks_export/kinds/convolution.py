"""Convolutions by hand: their outputs, one window, smaller maps, kernels read off, the output size."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from explorer.convolution.arithmetic import PADDING_MODES
from notebooks_export.kinds.cell import Given, figure_shown, literal, written
from notebooks_export.kinds.kind import Arguments, Kind
from notebooks_export.kinds.numbers import Numbers, Scope
from notebooks_export.kinds.parameters import Matrix, Parameters, Steps, number, one_of, several, whole


class OfConvolution(Parameters):
    """A convolution, written out."""

    x: Matrix
    kernel: Matrix
    bias: Matrix | None = None
    stride: Steps | None = None
    padding: Steps | None = None
    dilation: Steps | None = None
    groups: Annotated[int, whole(1, 255)] = 1
    padding_mode: Annotated[str, one_of(*PADDING_MODES)] = "zeros"
    activation: Literal["relu"] | None = None


class Output(OfConvolution):
    """Its output, with the arithmetic of the first ``windows`` windows."""

    windows: Annotated[int, whole(0, 100)] = 0


class OneWindow(OfConvolution):
    """One of its windows."""

    kernel_index: Annotated[int, whole(0, 10_000)] = 0
    row: Annotated[int, whole(0, 100_000)] = 0
    column: Annotated[int, whole(0, 100_000)] = 0


class Downsampled(OfConvolution):
    """Its output made smaller by ``factor``, in several ways."""

    factor: Annotated[int, whole(2, 16)] = 2
    kernel_index: Annotated[int, whole(0, 10_000)] = 0


class ReadOff(Parameters):
    """Kernels of zeros and ones."""

    kernels: Annotated[tuple[Matrix, ...], several(1, 8)]
    bias: Annotated[Any, number(-1e6, 1e6)] = 0


class OutputSize(Parameters):
    """A convolution in one dimension, by its sizes."""

    size: Annotated[int, whole(0, 100_000)]
    kernel: Annotated[int, whole(0, 100_000)]
    stride: Annotated[int, whole(0, 100_000)] = 1
    padding: Annotated[int, whole(0, 100_000)] = 0
    dilation: Annotated[int, whole(0, 100_000)] = 1


def _output(given: Given) -> list[str]:
    """A convolution with the arithmetic of its first windows."""
    lines = [*_convolution(given), "print(conv.size_formula)"]
    if given["windows"]:
        lines += [
            f"for window in list(conv.windows)[:{given['windows']}]:",
            '    terms = " + ".join(f"{a:g}·{b:g}" for a, b in zip(window.patch.flat, window.kernel.flat))',
            '    print(f"{terms} + ({window.bias:g}) = {window.pre_activation:g} → {window.output:g}")',
        ]
    return [*lines, "print(conv.output)"]


def _window(given: Given) -> list[str]:
    """One window of a convolution: its arithmetic, and where it lies."""
    where = ", ".join(str(given[name]) for name in ("kernel_index", "row", "column"))
    return [
        *_convolution(given),
        f"print(explorer.describe_window(conv, explorer.window_at(conv, {where})))",
        *figure_shown(f"explorer.window_figure(conv, {where})"),
    ]


def _downsampling(given: Given) -> list[str]:
    """Stride, max-pooling and average-pooling on the same input."""
    call = written(
        "explorer.compare_downsampling", "conv", factor=given["factor"], kernel_index=given["kernel_index"]
    )
    return [
        *_convolution(given),
        f"ways = {call}",
        "print(explorer.describe_downsampling(ways))",
        *figure_shown("explorer.downsampling_figure(ways)"),
    ]


def _reading(given: Given) -> list[str]:
    """When 0/1 kernels fire."""
    return [
        f"for kernel in {literal([*given['kernels']])}:",
        f"    print(kernel, explorer.read_off(kernel, bias={given['bias']!r}).rule)",
    ]


def _size(given: Given) -> list[str]:
    """The output size, step by step."""
    names = ("size", "kernel", "stride", "padding", "dilation")
    return [
        f"derivation = {written('explorer.derive_size', **{name: given[name] for name in names})}",
        "for step in derivation.steps:",
        '    print(f"{step.title}: {step.arithmetic}")',
        '    print(f"    {step.reason}")',
    ]


def _convolution(given: Given) -> list[str]:
    usual = {"groups": 1, "padding_mode": "zeros"}
    names = ("stride", "padding", "dilation", "groups", "padding_mode", "activation")
    options = {name: given[name] for name in names if given[name] not in (None, usual.get(name))}
    return [
        f"x = np.array({literal(given['x'])})",
        f"kernel = np.array({literal(given['kernel'])})",
        f"conv = {written('explorer.convolve', 'x', 'kernel', bias=given['bias'], **options)}",
    ]


def _output_numbers(arguments: Arguments, scope: Scope) -> Numbers:
    output = scope["conv"].output
    return Numbers({"output": output}, planes=tuple(range(len(output))) if output.ndim > 2 else ())


KINDS = (
    Kind("convolution.output", Output, _output, former=("explorer.convolve",), numbers=_output_numbers),
    Kind(
        "convolution.window",
        OneWindow,
        _window,
        former=("explorer.convolution_figures.window_figure",),
        numbers=_output_numbers,
    ),
    Kind(
        "convolution.downsampling",
        Downsampled,
        _downsampling,
        former=("explorer.compare_downsampling",),
        numbers=_output_numbers,
    ),
    Kind("convolution.reading", ReadOff, _reading, former=("explorer.read_off",)),
    Kind("convolution.size", OutputSize, _size, former=("explorer.derive_size",)),
)
