"""Reading a convolution off without computing: when does a kernel of zeros and ones fire?

On an input of zeros and ones, such a kernel counts the ones that it sees through its own ones. The bias then
decides how many it takes, and ReLU cuts off everything below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from explorer.convolution.arithmetic import Floats, Mask, convolve
from explorer.convolution.entry import format_number
from explorer.errors import ExplorerError


@dataclass(frozen=True)
class Count:
    """One case: ``ones`` input ones under the kernel's ones."""

    ones: int
    pre_activation: float
    output: float

    @property
    def fires(self) -> bool:
        """Whether ReLU lets anything through."""
        return self.output > 0


@dataclass(frozen=True, eq=False)
class Reading:
    """The rule by which a 0/1 kernel with a bias and ReLU can be read off."""

    stencil: Mask  # (kh, kw): the cells of a patch that count
    bias: float
    counts: tuple[Count, ...]  # for 0 ones up to as many as the kernel has

    @property
    def ones(self) -> int:
        """How many cells of a patch count."""
        return int(self.stencil.sum())

    @property
    def needed(self) -> int | None:
        """The fewest ones that make it fire; None if even all of them don't."""
        return next((count.ones for count in self.counts if count.fires), None)

    @property
    def rule(self) -> str:
        """When it fires, in a sentence."""
        bias, rest = format_number(self.bias), "the cells under its zeros don't matter."
        if self.needed is None:
            return (
                f"It never fires: the most it can count is {self.ones}, and a bias of {bias} "
                "leaves nothing above zero."
            )
        if self.needed == 0:
            return f"It always fires: a bias of {bias} is above zero even where nothing is counted."
        if self.needed == self.ones:
            ones = {1: "its one meets a one", 2: "both of its ones meet ones"}
            return f"It fires exactly where {ones.get(self.ones, f'all {self.ones} of its ones meet ones')}; {rest}"
        return f"It fires where at least {self.needed} of its {self.ones} ones meet ones; {rest}"

    def fires_on(self, x: ArrayLike, **geometry: Any) -> Mask:
        """Which windows of a 0/1 input (H, W) fire, by counting alone.

        geometry: stride, padding and so on, as :func:`~explorer.convolve` takes them. Returns (output H, output W).
        """
        _refuse_others(np.asarray(x, dtype=np.float64), "the input")
        counted = convolve(x, self.stencil, **geometry).output
        least = self.ones + 1 if self.needed is None else self.needed
        return counted >= least

    def patches(self) -> list[tuple[Floats, bool]]:
        """Every 0/1 patch with whether it fires, those that do first. Only up to 9 cells (512 patches)."""
        cells = self.stencil.size
        if cells > 9:
            raise ExplorerError(
                f"a kernel of {cells} cells",
                f"has 2^{cells} = {2**cells} patches, more than can be listed",
                "use the table of counts, which holds for all of them",
            )
        grids = [
            np.array([n >> bit & 1 for bit in reversed(range(cells))], dtype=np.float64).reshape(
                self.stencil.shape
            )
            for n in range(2**cells)
        ]
        least = self.ones + 1 if self.needed is None else self.needed
        judged = [(grid, bool(grid[self.stencil].sum() >= least)) for grid in grids]
        return sorted(judged, key=lambda pair: not pair[1])


def read_off(kernel: ArrayLike, bias: float = 0.0) -> Reading:
    """The rule for one 0/1 kernel (kh, kw) with ReLU. Raises ExplorerError for other weights.

    >>> read_off([[1, 0], [0, 1]], bias=-1).rule
    "It fires exactly where both of its ones meet ones; the cells under its zeros don't matter."
    """
    weights = np.asarray(kernel, dtype=np.float64)
    _refuse_others(weights, "the kernel")
    counts = tuple(Count(ones, ones + bias, max(ones + bias, 0.0)) for ones in range(int(weights.sum()) + 1))
    return Reading(weights == 1, float(bias), counts)


def _refuse_others(values: Floats, name: str) -> None:
    if values.ndim != 2:
        raise ExplorerError(
            f"{name} with {values.ndim} axes", "cannot be read off: one channel is needed", "give (H, W)"
        )
    others = np.argwhere((values != 0) & (values != 1))
    if len(others):
        row, column = others[0]
        raise ExplorerError(
            f"{name}'s {values[row, column]:g} in row {row + 1}, column {column + 1}",
            "cannot be read off by counting: only zeros and ones can",
            "step through the windows instead, or use zeros and ones",
        )
