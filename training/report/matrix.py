"""The confusion matrix as it is drawn, on screen and on paper: names, numbers and tints of its cells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from training.report.classes import short_name
from training.report.colours import run_colour

TRUE, TAKEN_FOR = "true class", "taken for"
"""What its rows and its columns are."""
MATRIX_WORDS = "A row is a class, its numbers are percent of it, tinted by their square root."
TINT = run_colour(0)
DEEPEST = 0.7
"""How much of :data:`TINT` a cell has that holds all of its row; the rest is what lies below. The words of either
theme can be read on it, so that the ink needn't change."""
MOST_NUMBERED = 20


@dataclass(frozen=True, eq=False)
class Matrix:
    """How often class [row] was taken for class [column]: ``counts`` (n, n) int64, with ``labels`` in order."""

    labels: tuple[str, ...]
    counts: NDArray[np.int64]

    @property
    def numbered(self) -> bool:
        """Whether there is room for names and numbers; of more classes it is a picture."""
        return len(self.labels) <= MOST_NUMBERED

    @property
    def names(self) -> list[str]:
        """The names beside rows and columns; none where there is no room."""
        return [short_name(label) for label in self.labels] if self.numbered else []

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """(n, n), each row in shares of its class; zeros for a class without images."""
        return self.counts / np.maximum(self.counts.sum(1, keepdims=True), 1)

    @property
    def tints(self) -> NDArray[np.float64]:
        """(n, n) in [0, 1]: how much of :data:`TINT` each cell has. By the root of its share: rare confusions are
        what one looks for."""
        return DEEPEST * np.sqrt(self.shares)

    def number(self, row: int, column: int) -> str:
        """What stands in a cell: whole percent of its row; nothing where nothing is, or without room."""
        if not self.numbered or not self.counts[row, column]:
            return ""
        return f"{100 * self.shares[row, column]:.0f}"

    @property
    def mean_right(self) -> float:
        """The share of a class that is right, in the mean over the classes."""
        return float(np.mean(self.shares.diagonal()))
