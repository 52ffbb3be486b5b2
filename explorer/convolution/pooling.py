"""Pooling, and the ways to halve a feature map side by side: stride, max-pooling, average-pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike

from explorer.convolution.arithmetic import Convolution, Floats, Mask, convolve, output_size
from explorer.errors import ExplorerError

PoolKind = Literal["max", "average"]


@dataclass(frozen=True, eq=False)
class Pooling:
    """A map pooled in square windows without padding, as ``F.max_pool2d`` and ``F.avg_pool2d`` do."""

    x: Floats  # (H, W)
    kind: PoolKind
    kernel: int
    stride: int
    output: Floats
    kept: Mask  # (H, W): max: the values handed on, the first of equals; average: all that take part

    def patch(self, row: int, column: int) -> Floats:
        """The (kernel, kernel) values behind one output cell."""
        top, left = row * self.stride, column * self.stride
        return self.x[top : top + self.kernel, left : left + self.kernel]


def pool(x: ArrayLike, kernel: int = 2, stride: int | None = None, kind: PoolKind = "max") -> Pooling:
    """Pool one map in square windows.

    Args:
        x: ``(H, W)``.
        kernel: the side of a window.
        stride: from window to window; by default the kernel, as in torch.
        kind: ``"max"`` or ``"average"``.

    Raises:
        ExplorerError: several maps, another kind, a kernel that is larger than the map.

    >>> pool([[1, 2, 3], [4, 5, 6]]).output.tolist()
    [[5.0]]
    """
    values = np.asarray(x, dtype=np.float64)
    if values.ndim != 2:
        raise ExplorerError(f"a map with {values.ndim} axes", "cannot be pooled here", "give (H, W)")
    if kind not in ("max", "average"):
        raise ExplorerError(f"kind {kind!r}", "is not a kind of pooling", "use 'max' or 'average'")
    step = kernel if stride is None else stride
    height, width = output_size((values.shape[0], values.shape[1]), kernel, step)
    patches = sliding_window_view(values, (kernel, kernel))[::step, ::step]
    flat = patches.reshape(height, width, -1)
    output = flat.max(-1) if kind == "max" else flat.mean(-1)
    return Pooling(values, kind, kernel, step, output, _kept(values.shape, flat, kernel, step, kind))


def _kept(shape: tuple[int, ...], flat: Floats, kernel: int, stride: int, kind: PoolKind) -> Mask:
    kept = np.zeros(shape, dtype=bool)
    height, width, _ = flat.shape
    tops, lefts = np.ogrid[: height * stride : stride, : width * stride : stride]
    if kind == "max":
        row, column = np.divmod(flat.argmax(-1), kernel)
        kept[tops + row, lefts + column] = True
    else:
        for row, column in np.ndindex(kernel, kernel):
            kept[tops + row, lefts + column] = True
    return kept


@dataclass(frozen=True, eq=False)
class Downsampling:
    """One way from an input to a smaller map, with what it costs."""

    name: str
    before: Floats  # (h, w): the map at stride 1, after the activation
    output: Floats  # the smaller map
    kept: Mask  # the shape of before: the values that decide the output
    multiplications: int  # weight times pixel in the convolution
    comparisons: int
    additions: int  # by the pooling; the convolution's own are left out on all sides alike
    divisions: int

    @property
    def kept_count(self) -> int:
        """How many values decide the output."""
        return int(self.kept.sum())


def compare_downsampling(
    convolution: Convolution, factor: int = 2, kernel_index: int = 0
) -> tuple[Downsampling, Downsampling, Downsampling]:
    """The same input made smaller by stride, by max-pooling and by average-pooling.

    All three start from the convolution's input, padding and kernel; the first moves the window ``factor``
    pixels at a time, the others move it one pixel and pool ``factor`` × ``factor`` afterwards.

    Raises:
        ExplorerError: a factor that is larger than the map.

    >>> [way.output.tolist() for way in compare_downsampling(convolve([[1, 2], [3, 4]], [[1]]))]
    [[[1.0]], [[4.0]], [[2.5]]]
    """
    dense, strided = (_with_stride(convolution, step, kernel_index) for step in (1, factor))
    before = dense.maps[0]
    sampled = np.zeros(before.shape, dtype=bool)
    sampled[::factor, ::factor] = True
    ways = [
        Downsampling(f"Stride {factor}", before, strided.maps[0], sampled, strided.multiplications, 0, 0, 0)
    ]
    for kind, name in (("max", "max-pooling"), ("average", "average-pooling")):
        pooled = pool(before, factor, kind=kind)  # type: ignore[arg-type]
        cells, others = pooled.output.size, factor * factor - 1
        ways.append(
            Downsampling(
                f"Stride 1, then {factor}×{factor} {name}",
                before,
                pooled.output,
                pooled.kept,
                dense.multiplications,
                comparisons=cells * others if kind == "max" else 0,
                additions=cells * others if kind == "average" else 0,
                divisions=cells if kind == "average" else 0,
            )
        )
    return ways[0], ways[1], ways[2]


def _with_stride(convolution: Convolution, stride: int, kernel_index: int) -> Convolution:
    """One kernel of a convolution on the channels that it reads, at another stride."""
    kernels, groups = convolution.kernels, convolution.groups
    group = kernel_index // (len(kernels) // groups)
    per_group = kernels.shape[1]
    return convolve(
        convolution.channels[group * per_group : (group + 1) * per_group],
        kernels[kernel_index : kernel_index + 1],
        convolution.bias[kernel_index],
        stride,
        convolution.padding,
        convolution.dilation,
        padding_mode=convolution.padding_mode,
        activation=convolution.activation,
    )
