"""Tables as plain text: columns that line up where every character is as wide as the next, and Markdown."""

from __future__ import annotations

from collections.abc import Sequence

Rows = Sequence[Sequence[str]]


def aligned(rows: Rows, *, left: int = 0, gap: int = 2) -> str:
    """A line for each row, its cells padded to the width of their columns.

    Args:
        rows: of equal length; a head is a row like the others.
        left: how many columns, from the first on, are words and begin at the left; the others are numbers and end
            at the right.
        gap: blanks between two columns.

    >>> print(aligned([("layer", "px"), ("conv1", "11"), ("pool", "195")], left=1))
    layer   px
    conv1   11
    pool   195
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        (" " * gap)
        .join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        .rstrip()
        for row in rows
    )


def markdown(rows: Rows) -> str:
    """A table of Markdown whose first row is its head. Cells are put in as they are: escape what others typed.

    >>> print(markdown([("", "1"), ("**1**", "−3")]))
    |  | 1 |
    | --- | --- |
    | **1** | −3 |
    """
    head, *body = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body))
