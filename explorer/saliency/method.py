"""What a method of attribution is: a name, its options, and how it finds a map."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import ClassVar, Literal

import torch

from explorer.errors import ExplorerError
from explorer.saliency.target_score import TargetScore

AttributionMethod = Literal[
    "gradient",
    "input_x_gradient",
    "smooth_grad",
    "integrated_gradients",
    "grad_cam",
    "hires_cam",
    "occlusion",
]
Cell = Literal["pixel", "position", "square"]
"""What one cell of a map stands for: a pixel of the network's input, a position of a layer, a covered square."""
OnProgress = Callable[[float], None]
"""Called with the share done, in [0, 1]; may raise to cancel."""


@dataclass(frozen=True, eq=False)
class RawMap:
    """What a method found, before it is placed on the image.

    Attributes:
        values: ``(K, h, w)``: K values a cell, such as those of three colours.
        logits: ``(1, classes)``, of the input as it is.
        start: on which pixel (y, x) of the network's input the centre of cell (0, 0) lies.
        stride: how many of these pixels lie between the centres of neighbours, in y and in x.
        layer: whose positions the cells are, else "".
        patch_px: side of the squares that the cells are, in pixels of the input, else 0.
    """

    values: torch.Tensor
    logits: torch.Tensor
    start: tuple[float, float] = (0.0, 0.0)
    stride: tuple[float, float] = (1.0, 1.0)
    layer: str = ""
    patch_px: int = 0


@dataclass(frozen=True)
class MethodOptions(ABC):
    """A method with its options, checked: they are the fields of its class.

    Attributes:
        name: what :func:`explorer.attribute` calls it.
        cell: what a cell of its map stands for.
    """

    name: ClassVar[AttributionMethod]
    cell: ClassVar[Cell]

    @abstractmethod
    def explain(self, score: TargetScore, on_progress: OnProgress) -> RawMap:
        """The map of ``score``; for :func:`explorer.attribute`, which sees to modes and gradients around it."""


def check_count(what: str, number: object) -> None:
    """Raise ExplorerError unless it is a whole number from 1 up."""
    if not isinstance(number, Integral):
        raise ExplorerError(f"{what} {number!r}", "is no whole number", "choose 1 or more")
    if int(number) < 1:
        raise ExplorerError(f"{what} {number}", "is too small", "choose at least 1")


def chunks(total: int, on_progress: OnProgress, size: int = 8) -> Iterator[tuple[int, int]]:
    """(done so far, how many now) until ``total``, telling the progress between."""
    for done in range(0, total, size):
        on_progress(done / total)
        yield done, min(size, total - done)
    on_progress(1.0)
