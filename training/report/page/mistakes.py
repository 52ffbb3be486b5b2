"""Where a network goes wrong: the confusion matrix, and the mistakes of which it was surest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from training.data.load import Dataset
from training.report.matrix import TAKEN_FOR, TINT, TRUE, Matrix
from training.report.mistakes import Pair
from training.report.page.data import image_tag
from training.report.predictions import Mistake, Predictions

_MATRIX = Markup(
    '<svg class="tr-confusion" viewBox="0 0 {width} {height}" role="img" aria-label="Confusion matrix of {classes} '
    'classes; on average {right:.1%} of a class is right">{parts}</svg>'
)
_NAMES = Markup(
    '<text class="tr-tick" x="{x}" y="{y:g}" text-anchor="end">{name}</text>'
    '<text class="tr-tick" transform="translate({across:g} {above}) rotate(-40)">{name}</text>'
)
_CELL = Markup(
    '<g class="tr-cell" data-row="{row}" data-column="{column}"><title>{label}, {what}: {count} ({share:.1%})</title>'
    '<rect x="{x}" y="{y}" width="{side}" height="{side}" style="fill:color-mix(in srgb, {tint} {percent:.0f}%, '
    'transparent)"/>{number}</g>'
)
_NUMBER = Markup('<text class="tr-tick" x="{x:g}" y="{y:g}" text-anchor="middle">{number}</text>')
_MARK = Markup('<rect class="tr-marked" x="{x}" y="{y}" width="{side}" height="{side}"/>')
_AXES = Markup(
    '<text x="{across:g}" y="11" text-anchor="middle">{columns}</text>'
    '<text transform="translate(11 {down:g}) rotate(-90)" text-anchor="middle">{rows}</text>'
)
_CARDS = Markup('<div class="tr-mistakes">{}</div>')
_CARD = Markup(
    '<button type="button" class="tr-mistake" data-index="{index}" title="Open in Two classes">{image}'
    "<span>{label} {probability:.1%}</span><b>{taken_for} {taken_probability:.1%}</b></button>"
)


@dataclass(frozen=True)
class _Grid:
    """The matrix in pixels: few classes with names and numbers, many as a picture."""

    matrix: Matrix

    @property
    def cell(self) -> int:
        return 34 if self.matrix.numbered else 5

    @property
    def side(self) -> int:
        return self.cell * len(self.matrix.labels)

    @property
    def left(self) -> int:
        return 104 if self.matrix.numbered else 24

    @property
    def top(self) -> int:
        return 86 if self.matrix.numbered else 20

    @property
    def right(self) -> int:
        """Room for the last name, which leans out of the grid."""
        return 56 if self.matrix.numbered else 4

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """(x, y) of a cell."""
        return self.left + column * self.cell, self.top + row * self.cell

    def names(self) -> Markup:
        middles = [(index + 0.5) * self.cell for index in range(len(self.matrix.names))]
        return Markup("").join(
            _NAMES.format(
                x=self.left - 6, y=self.top + middle, across=self.left + middle, above=self.top - 6, name=name
            )
            for name, middle in zip(self.matrix.names, middles, strict=True)
        )

    def axes(self) -> Markup:
        middle = self.side / 2
        return _AXES.format(across=self.left + middle, columns=TAKEN_FOR, down=self.top + middle, rows=TRUE)

    def draw(self, row: int, column: int) -> Markup:
        (x, y), matrix, middle = self.corner(row, column), self.matrix, self.cell / 2
        number = matrix.number(row, column)
        return _CELL.format(
            row=row,
            column=column,
            label=matrix.labels[row],
            what="right" if row == column else f"{TAKEN_FOR} {matrix.labels[column]}",
            count=matrix.counts[row, column],
            share=matrix.shares[row, column],
            x=x,
            y=y,
            side=self.cell,
            tint=TINT,
            percent=100 * matrix.tints[row, column],
            number=_NUMBER.format(x=x + middle, y=y + middle, number=number) if number else "",
        )


def draw_confusion(predictions: Predictions, marked: Pair | None = None) -> Markup:
    """Rows are the true classes in percent of each, columns what they were taken for. Cells can be chosen."""
    matrix = Matrix(predictions.labels, predictions.confusion)
    grid = _Grid(matrix)
    cells = [cell for cell in np.ndindex(*matrix.counts.shape) if matrix.numbered or matrix.counts[cell]]
    parts = [grid.names(), *(grid.draw(*cell) for cell in cells)]
    if marked is not None:
        x, y = grid.corner(*marked)
        parts.append(_MARK.format(x=x, y=y, side=grid.cell))
    return _MATRIX.format(
        width=grid.left + grid.side + grid.right,
        height=grid.top + grid.side + 4,
        classes=len(matrix.labels),
        right=matrix.mean_right,
        parts=Markup("").join([*parts, grid.axes()]),
    )


def mistake_cards(mistakes: Sequence[Mistake], labels: Sequence[str], data: Dataset) -> Markup:
    """Images with what they are and what they were taken for; each is a button that says its index."""
    return _CARDS.format(
        Markup("").join(
            _CARD.format(
                index=m.index,
                image=image_tag(np.asarray(data.test_images[m.index]).repeat(2, 0).repeat(2, 1), ""),
                label=labels[m.true_class],
                probability=m.true_probability,
                taken_for=labels[m.predicted_class],
                taken_probability=m.probability,
            )
            for m in mistakes
        )
    )
