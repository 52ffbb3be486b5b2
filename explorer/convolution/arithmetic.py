"""The arithmetic of a convolution layer, window by window, with every term kept.

What deep learning calls a convolution is a cross-correlation: the kernel is not flipped (Goodfellow,
Bengio and Courville, *Deep Learning*, 2016, section 9.1). Axes are those of ``torch.nn.functional.conv2d``:
inputs are (channels, height, width), kernels (kernels, channels / groups, height, width), pairs are
(height, width).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import index
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from explorer.convolution.arguments import biases, choice, numbers, pair, whole
from explorer.errors import ExplorerError

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Pair = int | Sequence[int]
Size = tuple[int, int]
PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]
ActivationFunction = Literal["relu"] | None

PADDING_MODES: tuple[PaddingMode, ...] = ("zeros", "reflect", "replicate", "circular")
_NUMPY_PAD: dict[str, Any] = dict(zip(PADDING_MODES, ("constant", "reflect", "edge", "wrap"), strict=True))


@dataclass(frozen=True, eq=False)
class Window:
    """One position of one kernel: the patch it sees, its products, and the output cell it fills.

    ``patch``, ``kernel`` and ``products`` are (kernel height, kernel width) where the input was a plain
    matrix, (channels / groups, kernel height, kernel width) otherwise.
    """

    kernel_index: int  # which kernel, so which output channel
    row: int  # of the output cell
    column: int
    channels: range  # the input channels that this kernel's group reads
    rows: tuple[int, ...]  # input row under each kernel row; below 0 or past the last one in the padding
    columns: tuple[int, ...]
    padded: Mask  # (kernel height, kernel width): True where the tap lies in the padding
    patch: Floats
    kernel: Floats
    bias: float
    activation: ActivationFunction

    @property
    def products(self) -> Floats:
        """Pixel times weight, in the shape of the patch."""
        return self.patch * self.kernel

    @property
    def sum(self) -> float:
        """The sum of the products, before the bias."""
        return float(self.products.sum())

    @property
    def pre_activation(self) -> float:
        """The sum with the bias."""
        return self.sum + self.bias

    @property
    def output(self) -> float:
        """What the window puts into its cell."""
        return max(self.pre_activation, 0.0) if self.activation == "relu" else self.pre_activation


@dataclass(frozen=True, eq=False)
class Convolution:
    """What :func:`convolve` computed, and from what.

    ``x``, ``kernel`` and ``output`` keep the number of axes that they were given: a 2-D kernel gives a
    2-D output, any other an output (kernels, height, width).
    """

    x: Floats  # (H, W) or (C, H, W)
    kernel: Floats  # (kh, kw), (K, kh, kw) or (K, C / groups, kh, kw)
    bias: Floats  # (K,)
    stride: Size
    padding: Size
    dilation: Size
    groups: int
    padding_mode: PaddingMode
    activation: ActivationFunction
    pre_activation: Floats  # the shape of output
    output: Floats

    @property
    def windows(self) -> Windows:
        """All windows, in reading order."""
        return Windows(self)

    @property
    def channels(self) -> Floats:
        """The input as (channels, height, width)."""
        return self.x.reshape(-1, *self.x.shape[-2:])

    @property
    def kernels(self) -> Floats:
        """The kernels as (kernels, channels / groups, height, width)."""
        return _four_axes(self.kernel)

    @property
    def maps(self) -> Floats:
        """The output as (kernels, height, width)."""
        return self.output.reshape(-1, *self.output.shape[-2:])

    @cached_property
    def padded(self) -> Floats:
        """The padded input (channels, height + 2·padding, width + 2·padding)."""
        return _pad(self.channels, self.padding, self.padding_mode)

    @property
    def size_formula(self) -> str:
        """The output-size formula of both axes, with this convolution's numbers put in."""
        sizes = (self.channels.shape[-2:], self.kernel.shape[-2:])
        axes = zip(("height", "width"), *sizes, self.stride, self.padding, self.dilation, strict=True)
        return ", ".join(f"{axis} {size_formula(*numbers)}" for axis, *numbers in axes)

    @cached_property
    def unreached(self) -> Mask:
        """(height, width): True where no window reads the input pixel in its own place."""
        sizes = enumerate(self.channels.shape[1:])
        return ~np.outer(*(np.isin(np.arange(size), self._taps(axis)) for axis, size in sizes))

    @cached_property
    def unreached_border(self) -> Mask:
        """The part of :attr:`unreached` outside all windows, which the floor in the size formula drops.

        The rest of it lies in gaps, between windows (stride above the kernel) or between taps (dilation).
        """
        inside = []
        for axis, size in enumerate(self.channels.shape[1:]):
            taps, here = self._taps(axis), np.arange(size)
            inside.append((taps.min() <= here) & (here <= taps.max()))
        return ~np.outer(*inside)

    @property
    def unreached_count(self) -> int:
        """How many input pixels no window reads."""
        return int(self.unreached.sum())

    @property
    def multiplications(self) -> int:
        """Every output cell costs one multiplication per kernel weight, zeros and padding included."""
        return int(self.maps.size * self.kernels[0].size)

    def _taps(self, axis: int) -> NDArray[np.int64]:
        """(output positions, taps): the input coordinate of each tap; outside the input in the padding."""
        starts = np.arange(self.output.shape[axis - 2]) * self.stride[axis] - self.padding[axis]
        return starts[:, None] + np.arange(self.kernel.shape[axis - 2]) * self.dilation[axis]


class Windows(Sequence[Window]):
    """The windows of a convolution in reading order, kernel by kernel, each built when asked for.

    ``windows[i]`` counts through them all; ``windows[row, column]`` (after a 2-D kernel) or
    ``windows[kernel, row, column]`` names the output cell, as the output itself is indexed.
    """

    def __init__(self, convolution: Convolution) -> None:
        self._convolution = convolution

    def __len__(self) -> int:
        return int(self._convolution.output.size)

    @overload
    def __getitem__(self, key: int | tuple[int, ...]) -> Window: ...
    @overload
    def __getitem__(self, key: slice) -> list[Window]: ...
    def __getitem__(self, key: int | tuple[int, ...] | slice) -> Window | list[Window]:
        if isinstance(key, slice):
            return [self[i] for i in range(*key.indices(len(self)))]
        shape = self._convolution.output.shape
        if not isinstance(key, tuple):
            if not -len(self) <= index(key) < len(self):
                raise IndexError(f"window {key}: there are {len(self)}")
            key = tuple(int(i) for i in np.unravel_index(index(key) % len(self), shape))
        if len(key) != len(shape) or not all(-n <= index(i) < n for i, n in zip(key, shape, strict=False)):
            raise IndexError(f"window {key}: the output's shape is {shape}")
        cell = [index(i) % n for i, n in zip(key, shape, strict=True)]
        return self._build(*cell) if len(cell) == 3 else self._build(0, *cell)

    def _build(self, kernel_index: int, row: int, column: int) -> Window:
        conv = self._convolution
        kernels, (_, height, width) = conv.kernels, conv.channels.shape
        first = kernel_index // (len(kernels) // conv.groups) * kernels.shape[1]
        channels = range(first, first + kernels.shape[1])
        rows, columns = conv._taps(0)[row], conv._taps(1)[column]
        taps = np.ix_(list(channels), rows + conv.padding[0], columns + conv.padding[1])
        outside_rows, outside_columns = (rows < 0) | (rows >= height), (columns < 0) | (columns >= width)
        padded = outside_rows[:, None] | outside_columns
        drop = 0 if conv.x.ndim == 2 else slice(None)
        patch, kernel = conv.padded[taps][drop], kernels[kernel_index][drop]
        where = (kernel_index, row, column, channels, tuple(rows.tolist()), tuple(columns.tolist()))
        return Window(*where, padded, patch, kernel, float(conv.bias[kernel_index]), conv.activation)


def convolve(
    x: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
    padding_mode: PaddingMode = "zeros",
    activation: ActivationFunction = None,
) -> Convolution:
    """Convolve ``x`` with one kernel or several, as ``torch.nn.Conv2d`` does, and keep every term.

    Args:
        x: ``(H, W)`` or ``(C, H, W)``, finite numbers; computed in float64.
        kernel: ``(kh, kw)``; ``(K, kh, kw)`` for K kernels of one channel; ``(K, C / groups, kh, kw)``.
        bias: one number, or one for each kernel; 0 by default.
        stride, padding, dilation: whole numbers, or (height, width).
        groups: groups of channels, each seen by kernels of its own.
        padding_mode: what fills the padding: zeros, reflect, replicate or circular.
        activation: ``"relu"``, or None for the sums themselves.

    Raises:
        ExplorerError: anything that torch would refuse, and cells that aren't finite numbers.

    >>> conv = convolve([[1, 0, 0], [0, 1, 0]], [[1, 0], [0, 1]], bias=-1, activation="relu")
    >>> conv.output.tolist()
    [[1.0, 0.0]]
    >>> conv.windows[0, 1].products.tolist(), conv.windows[0, 1].pre_activation
    ([[0.0, 0.0], [0.0, 0.0]], -1.0)
    """
    x, kernel = numbers(x, "x", (2, 3)), numbers(kernel, "kernel", (2, 3, 4))
    choice(padding_mode, "padding_mode", PADDING_MODES)
    choice(activation, "activation", ("relu", None))
    channels, kernels = x.reshape(-1, *x.shape[-2:]), _four_axes(kernel)
    _check_groups(len(channels), kernels, whole(groups, "groups"))
    names = ("stride", "padding", "dilation")
    strides, paddings, dilations = map(pair, (stride, padding, dilation), names)
    height, width = output_size(channels.shape[-2:], kernels.shape[-2:], strides, paddings, dilations)
    padded = _pad(channels, paddings, padding_mode)
    each_bias = biases(bias, len(kernels))
    maps = (
        _accumulate(padded, kernels, (height, width), strides, dilations, groups) + each_bias[:, None, None]
    )
    before = maps[0] if kernel.ndim == 2 else maps
    after = np.maximum(before, 0.0) if activation == "relu" else before
    geometry = (strides, paddings, dilations, groups, padding_mode)
    return Convolution(x, kernel, each_bias, *geometry, activation, before, after)


@overload
def output_size(  # type: ignore[overload-overlap]
    size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int: ...
@overload
def output_size(
    size: Pair, kernel: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1
) -> Size: ...
def output_size(
    size: Pair, kernel: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1
) -> int | Size:
    """How many positions the kernel has: ⌊(size + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1.

    Args:
        size: of the input.
        kernel, stride, padding, dilation: whole numbers. They give one axis; as soon as one of the five is a pair
            (height, width), both axes are given.

    Raises:
        ExplorerError: a kernel that is larger than the padded input, or what is no whole number.

    >>> output_size(5, 2, stride=2), output_size((5, 6), 2)
    (2, (4, 5))
    """
    given = {"size": size, "kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    pairs = [pair(value, name) for name, value in given.items()]
    height, width = (_positions(*axis) for axis in zip(*pairs, strict=True))
    return height if all(np.ndim(value) == 0 for value in given.values()) else (height, width)


def size_formula(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> str:
    """The output-size formula of one axis with the numbers put in.

    >>> size_formula(5, 2, stride=2)
    '⌊(5 + 2·0 − 1·(2 − 1) − 1) / 2⌋ + 1 = 2'
    """
    result = output_size(size, kernel, stride, padding, dilation)
    return f"⌊({size} + 2·{padding} − {dilation}·({kernel} − 1) − 1) / {stride}⌋ + 1 = {result}"


def _positions(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    span, room = dilation * (kernel - 1) + 1, size + 2 * padding
    if span > room:
        wide = f"a kernel of {kernel}" + (f" with dilation {dilation} spans {span}" if dilation > 1 else "")
        raise ExplorerError(
            wide,
            f"is larger than the padded input, {size} + 2·{padding} = {room}",
            f"use a smaller kernel, or a padding of at least {-(-(span - size) // 2)}",
        )
    return (room - span) // stride + 1


def _accumulate(
    padded: Floats, kernels: Floats, size: Size, stride: Size, dilation: Size, groups: int
) -> Floats:
    """Add up one kernel tap at a time: no copy of the input per window, however large it is."""
    grouped = padded.reshape(groups, -1, *padded.shape[-2:])
    weights = kernels.reshape(groups, -1, *kernels.shape[1:])
    total = np.zeros((groups, weights.shape[1], *size))
    for tap in np.ndindex(*kernels.shape[-2:]):
        rows, columns = (
            slice(tap[a] * dilation[a], tap[a] * dilation[a] + stride[a] * (size[a] - 1) + 1, stride[a])
            for a in (0, 1)
        )
        total += np.einsum("gkc,gchw->gkhw", weights[..., tap[0], tap[1]], grouped[:, :, rows, columns])
    return total.reshape(-1, *size)


def _pad(channels: Floats, padding: Size, mode: PaddingMode) -> Floats:
    for axis, amount, size in zip(("height", "width"), padding, channels.shape[-2:], strict=True):
        # A reflection has no pixel beyond the far edge to mirror, a circle none after one whole turn.
        most = {"reflect": size - 1, "circular": size}.get(mode, amount)
        if amount > most:
            raise ExplorerError(
                f"padding {amount}",
                f"is more than mode {mode!r} can fill from a {axis} of {size}",
                f"use a padding of at most {most}, or mode 'zeros' or 'replicate'",
            )
    return np.pad(channels, [(0, 0), *((p, p) for p in padding)], mode=_NUMPY_PAD[mode])


def _four_axes(kernel: Floats) -> Floats:
    per_kernel = kernel.shape[1] if kernel.ndim == 4 else 1
    return kernel.reshape(-1, per_kernel, *kernel.shape[-2:])


def _check_groups(channels: int, kernels: Floats, groups: int) -> None:
    if channels % groups or len(kernels) % groups:
        raise ExplorerError(
            f"groups {groups}",
            f"must divide both the {channels} input channels and the {len(kernels)} kernels",
            "use "
            + " or ".join(str(n) for n in range(1, channels + 1) if channels % n == len(kernels) % n == 0),
        )
    if kernels.shape[1] != channels // groups:
        raise ExplorerError(
            f"a kernel of {kernels.shape[1]} channels",
            f"must have as many as its group of the input: {channels} / {groups} = {channels // groups}",
            f"give the kernel as (kernels, {channels // groups}, height, width)",
        )
