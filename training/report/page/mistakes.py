"""Where a network goes wrong: the confusion matrix, and the mistakes of which it was surest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from training.data.load import Dataset
from training.report.mistakes import Pair
from training.report.page.data import image_tag
from training.report.predictions import Mistake, Predictions

_MOST_NUMBERED = 20


@dataclass(frozen=True)
class _Grid:
    """The matrix in pixels: few classes with names and numbers, many as a picture."""

    labels: tuple[str, ...]
    counts: NDArray[np.int64]

    @property
    def numbered(self) -> bool:
        return len(self.labels) <= _MOST_NUMBERED

    @property
    def cell(self) -> int:
        return 34 if self.numbered else 5

    @property
    def side(self) -> int:
        return self.cell * len(self.labels)

    @property
    def left(self) -> int:
        return 86 if self.numbered else 24

    @property
    def top(self) -> int:
        return 76 if self.numbered else 20

    @property
    def right(self) -> int:
        """Room for the last name, which leans out of the grid."""
        return 40 if self.numbered else 4

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """(x, y) of a cell."""
        return self.left + column * self.cell, self.top + row * self.cell

    def share(self, row: int, column: int) -> float:
        return float(self.counts[row, column] / max(1, self.counts[row].sum()))

    def names(self) -> str:
        parts = []
        for index, label in enumerate(self.labels):
            middle = (index + 0.5) * self.cell
            short = escape(label if len(label) <= 11 else f"{label[:10]}…")
            across = f"translate({self.left + middle:g} {self.top - 6}) rotate(-40)"
            parts.append(
                f'<text class="tr-tick" x="{self.left - 6}" y="{self.top + middle:g}" text-anchor="end">{short}</text>'
                f'<text class="tr-tick" transform="{across}">{short}</text>'
            )
        return "".join(parts)

    def draw(self, row: int, column: int) -> str:
        x, y = self.corner(row, column)
        share, count, middle = self.share(row, column), self.counts[row, column], self.cell / 2
        # By the root of the share: rare confusions are what one looks for.
        tint = f"color-mix(in srgb, var(--color-accent) {85 * share**0.5:.0f}%, transparent)"
        what = "right" if row == column else f"taken for {self.labels[column]}"
        number = f'<text class="tr-tick" x="{x + middle:g}" y="{y + middle:g}" text-anchor="middle">{100 * share:.0f}'
        return (
            f'<g class="tr-cell" data-row="{row}" data-column="{column}"><title>{escape(self.labels[row])}, '
            f'{escape(what)}: {count} ({share:.1%})</title><rect x="{x}" y="{y}" width="{self.cell}" '
            f'height="{self.cell}" style="fill:{tint}"/>{f"{number}</text>" if self.numbered and count else ""}</g>'
        )


def draw_confusion(predictions: Predictions, marked: Pair | None = None) -> str:
    """Rows are the true classes in percent of each, columns what they were taken for. Cells can be chosen."""
    grid = _Grid(predictions.labels, predictions.confusion)
    cells = [cell for cell in np.ndindex(*grid.counts.shape) if grid.numbered or grid.counts[cell]]
    parts = [grid.names() if grid.numbered else "", *(grid.draw(*cell) for cell in cells)]
    if marked is not None:
        x, y = grid.corner(*marked)
        parts.append(f'<rect class="tr-marked" x="{x}" y="{y}" width="{grid.cell}" height="{grid.cell}"/>')
    middle = grid.side / 2
    parts.append(f'<text x="{grid.left + middle:g}" y="11" text-anchor="middle">taken for</text>')
    parts.append(
        f'<text transform="translate(11 {grid.top + middle:g}) rotate(-90)" text-anchor="middle">is</text>'
    )
    right = np.mean([grid.share(index, index) for index in range(len(grid.labels))])
    width, height = grid.left + grid.side + grid.right, grid.top + grid.side + 4
    return (
        f'<svg class="tr-confusion" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="Confusion matrix of {len(grid.labels)} classes; on average {right:.1%} of a class is right">'
        f"{''.join(parts)}</svg>"
    )


def mistake_cards(mistakes: Sequence[Mistake], labels: Sequence[str], data: Dataset) -> str:
    """Images with what they are and what they were taken for; each is a button that says its index."""
    cards = "".join(
        f'<button type="button" class="tr-mistake" data-index="{m.index}" title="Open in Two classes">'
        f"{image_tag(np.asarray(data.test_images[m.index]).repeat(2, 0).repeat(2, 1), '')}"
        f"<span>{escape(labels[m.true_class])} {m.true_probability:.1%}</span>"
        f"<b>{escape(labels[m.predicted_class])} {m.probability:.1%}</b></button>"
        for m in mistakes
    )
    return f'<div class="tr-mistakes">{cards}</div>'
