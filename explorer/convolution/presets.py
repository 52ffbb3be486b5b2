"""Ready-made convolutions: the exercise sheet's, the classic kernels, and cases that show one thing each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from explorer.convolution.arithmetic import Convolution, Floats, PaddingMode, convolve


@dataclass(frozen=True, eq=False)
class Preset:
    """Everything that one convolution needs, and what it is there to show."""

    name: str
    shows: str
    x: Floats  # (channels, height, width)
    kernels: Floats  # (kernels, channels / groups, height, width)
    biases: tuple[float, ...]
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1
    padding_mode: PaddingMode = "zeros"
    relu: bool = True

    def convolve(self) -> Convolution:
        """The convolution that it sets up."""
        return convolve(
            self.x,
            self.kernels,
            self.biases,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            self.padding_mode,
            "relu" if self.relu else None,
        )


def picture(size: int = 32) -> Floats:
    """A small grey picture (size, size), whole numbers 0–255: sky, sun, a house with a door, a striped fence.

    Edges in every direction, a smooth ramp and a fine texture: each classic kernel has something to find.
    """
    y, x = np.mgrid[:size, :size] / (size - 1)
    grey = 200 - 90 * y
    grey[(y - 0.2) ** 2 + (x - 0.78) ** 2 < 0.016] = 255
    grey[y > 0.82] = 70
    grey[(abs(x - 0.36) < 0.2) & (y > 0.45) & (y <= 0.86)] = 150
    grey[(y > 0.22) & (y <= 0.45) & (abs(x - 0.36) < 1.1 * (y - 0.2))] = 30
    grey[(abs(x - 0.36) < 0.06) & (y > 0.62) & (y <= 0.86)] = 20
    fence = (x > 0.66) & (y > 0.66) & (y <= 0.86)
    grey[fence & (np.round(x * (size - 1)).astype(int) % 3 == 0)] = 235
    return np.round(grey)


_SHEET_X = [
    [1, 0, 0, 1, 1, 0],
    [0, 1, 0, 0, 0, 1],
    [0, 0, 1, 1, 0, 0],
    [1, 0, 0, 0, 1, 0],
    [1, 0, 0, 0, 0, 1],
]
_SHEET_KERNELS = [[[1, 0], [0, 1]], [[1, 0], [1, 0]], [[1, 1], [0, 0]]]

CLASSIC_KERNELS: dict[str, list[list[float]]] = {
    "Edges (Laplace)": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    "Blur (mean of 3×3)": [[1 / 9] * 3] * 3,
    "Sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "Sobel, vertical edges": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "Sobel, horizontal edges": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
}
_CLASSIC_SHOWS = {
    "Edges (Laplace)": "A pixel against its four neighbours: zero on even ground, large at any edge.",
    "Blur (mean of 3×3)": "Every pixel becomes the mean of its neighbourhood: the weights sum to one.",
    "Sharpen": "The picture plus its edges: differences to the neighbours are enlarged.",
    "Sobel, vertical edges": "Right minus left: positive where it gets brighter to the right.",
    "Sobel, horizontal edges": "Below minus above: positive where it gets brighter downwards.",
}


def with_classic_kernel(kernel: str, x: Floats) -> Preset:
    """One of CLASSIC_KERNELS on a grey picture x (height, width), padded so that the size stays."""
    return Preset(
        name=kernel,
        shows=_CLASSIC_SHOWS[kernel],
        x=x[None],
        kernels=np.array(CLASSIC_KERNELS[kernel], dtype=np.float64)[None, None],
        biases=(0.0,),
        padding=1,
        padding_mode="replicate",
        relu=False,
    )


def _case(name: str, shows: str, x: Any, kernels: Any, biases: tuple[float, ...], **options: Any) -> Preset:
    planes, weights = np.asarray(x, dtype=np.float64), np.asarray(kernels, dtype=np.float64)
    x3 = planes if planes.ndim == 3 else planes[None]
    k4 = weights if weights.ndim == 4 else weights[:, None]
    return Preset(name, shows, x3, k4, biases, **options)


def presets() -> dict[str, Preset]:
    """All ready-made convolutions by name; the exercise sheet's comes first."""
    waves = np.fromfunction(lambda y, x: (x * x + 2 * y) % 5, (7, 7))
    three = [[[1, 0, -1], [1, 0, -1], [1, 0, -1]]]
    diagonal = np.eye(4)
    listed = [
        _case(
            "Exercise sheet: w1, w2, w3",
            "Three 2×2 kernels with bias −1 on the sheet's 5×6 image, then ReLU.",
            _SHEET_X,
            _SHEET_KERNELS,
            (-1, -1, -1),
        ),
        *(with_classic_kernel(name, picture()) for name in CLASSIC_KERNELS),
        _case(
            "Dilation: 3×3 that spans 5",
            "Nine weights with a gap between them see a 5×5 patch.",
            waves,
            three,
            (0,),
            dilation=2,
            relu=False,
        ),
        _case(
            "Padding: a border of its own",
            "One ring of padding keeps the size; choose how the ring is filled.",
            waves[:5, :5],
            three,
            (0,),
            padding=1,
            padding_mode="reflect",
            relu=False,
        ),
        _case(
            "Two channels, one kernel",
            "A kernel has one slice per channel; all products go into one sum.",
            [diagonal, diagonal[::-1]],
            [[[[1, 0], [0, 1]], [[0, 1], [1, 0]]]],
            (-1,),
        ),
        _case(
            "Two channels in two groups",
            "With two groups each kernel sees its own channel only.",
            [diagonal, diagonal[::-1]],
            [[[1, 0], [0, 1]], [[0, 1], [1, 0]]],
            (-1, -1),
            groups=2,
        ),
    ]
    return {preset.name: preset for preset in listed}
