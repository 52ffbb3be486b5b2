"""Matrices as people type them: cells of text to numbers, with errors that name the cell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from math import isfinite

import numpy as np

from explorer.convolution.arithmetic import Floats
from explorer.errors import ExplorerError

Cells = Sequence[Sequence[str]]

_LONGEST = 40  # characters; nobody types more digits, and longer ones only cost time
_DECIMAL = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
_FRACTION = re.compile(r"([+-]?\d+)\s*/\s*(\d+)")


def parse_number(text: str) -> float | None:
    """The number that was typed, or None if it is none: ``-1``, ``−1``, ``0.5``, ``0,5``, ``1/3``, ``1e-3``."""
    plain = text.strip().replace("\N{MINUS SIGN}", "-")
    if len(plain) > _LONGEST:
        return None
    if fraction := _FRACTION.fullmatch(plain):
        top, bottom = (int(part) for part in fraction.groups())
        return float(Fraction(top, bottom)) if bottom else None
    if not _DECIMAL.fullmatch(plain):
        return None
    number = float(plain.replace(",", "."))
    return number if isfinite(number) else None


def read_matrix(cells: Cells, name: str) -> Floats:
    """(rows, columns) from typed cells. Raises ExplorerError that names row, column and what was typed."""
    if not cells or not cells[0]:
        raise ExplorerError(name, "has no cells", "give it at least one row and one column")
    for row, line in enumerate(cells, start=1):
        if len(line) != len(cells[0]):
            raise ExplorerError(
                f"row {row} of {name} has {len(line)} cells",
                f"does not fit row 1, which has {len(cells[0])}",
                "give every row the same number of cells",
            )
    return np.array(
        [
            [
                _cell(text, f"row {row}, column {column} of {name}")
                for column, text in enumerate(line, start=1)
            ]
            for row, line in enumerate(cells, start=1)
        ]
    )


def read_number(text: str, name: str) -> float:
    """One typed number. Raises ExplorerError that names it and what was typed."""
    return _cell(text, name)


def split_text(text: str) -> list[list[str]]:
    """Pasted or typed text to cells: a line a row; tabs, else semicolons, else blanks and commas between cells.

    >>> split_text("1 0 0\\n0, 1, 0")
    [['1', '0', '0'], ['0', '1', '0']]
    """
    return [_split_line(line) for line in text.strip().splitlines() if line.strip()]


def format_number(value: float, decimals: int = 3) -> str:
    """A number as it is shown: no trailing zeros, a true minus sign, never ``-0``."""
    rounded = f"{value:.{decimals}f}"
    if "." in rounded:
        rounded = rounded.rstrip("0").rstrip(".")
    return "0" if rounded == "-0" else rounded.replace("-", "−")


def format_cells(matrix: Floats) -> list[list[str]]:
    """A matrix as cells of text that :func:`read_matrix` reads back exactly."""
    return [[_exact(float(value)) for value in row] for row in matrix]


def _exact(value: float) -> str:
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    # 1/9 reads better than 0.1111111111111111, and gives the same float back.
    fraction = Fraction(value).limit_denominator(1000)
    if float(fraction) == value and fraction.denominator not in (2, 4, 5, 8, 10, 100, 1000):
        return f"{fraction.numerator}/{fraction.denominator}"
    return repr(value)


def _cell(text: str, where: str) -> float:
    if not text.strip():
        raise ExplorerError(where, "is empty", "type a number there")
    number = parse_number(text)
    if number is None:
        raise ExplorerError(
            f"{text.strip()!r} in {where}",
            "is not a number",
            "type a whole number, a decimal or a fraction such as 1/3",
        )
    return number


def _split_line(line: str) -> list[str]:
    for separator in ("\t", ";"):
        if separator in line:
            return [cell.strip() for cell in line.split(separator)]
    return [cell for cell in re.split(r"\s*,\s*|\s+", line.strip()) if cell]
