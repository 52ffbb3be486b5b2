"""What people type into cells."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.convolution.entry import format_cells, format_number, parse_number, read_matrix, split_text
from explorer.errors import ExplorerError


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1),
        (" -2 ", -2),
        ("−3", -3),
        ("+4", 4),
        ("0,5", 0.5),
        (".5", 0.5),
        ("1e-3", 0.001),
        ("1/4", 0.25),
    ],
)
def test_numbers_as_people_write_them(text: str, number: float) -> None:
    assert parse_number(text) == number


@pytest.mark.parametrize(
    "text", ["", "x", "1x", "--1", "1/0", "nan", "inf", "1e999", "1_000", "0x10", "1 2", "٣x", "9" * 41]
)
def test_anything_else_is_no_number(text: str) -> None:
    assert parse_number(text) is None


@given(st.one_of(st.integers(-(10**9), 10**9).map(float), st.floats(-1e6, 1e6)))
def test_cells_are_read_back_exactly(value: float) -> None:
    assert read_matrix(format_cells(np.array([[value]])), "m")[0, 0] == value


def test_ninths_are_written_as_such() -> None:
    assert format_cells(np.array([[1 / 9, 0.5, -2]])) == [["1/9", "0.5", "-2"]]
    assert read_matrix([["1/9"]], "m")[0, 0] == float(Fraction(1, 9))


@pytest.mark.parametrize(
    ("value", "shown"),
    [(2.0, "2"), (-1.0, "−1"), (0.25, "0.25"), (-0.0001, "0"), (1 / 3, "0.333"), (100, "100")],
)
def test_numbers_as_they_are_shown(value: float, shown: str) -> None:
    assert format_number(value) == shown


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("1 0\n0 1", [["1", "0"], ["0", "1"]]),
        ("1,0\r\n0,1\r\n", [["1", "0"], ["0", "1"]]),
        ("1\t\t0", [["1", "", "0"]]),
        ("0,5; 1", [["0,5", "1"]]),
        ("  \n", []),
    ],
)
def test_text_is_split_into_cells(text: str, cells: list[list[str]]) -> None:
    assert split_text(text) == cells


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([["1", "0"], ["0", "abc"]], "'abc' in row 2, column 2 of the input is not a number"),
        ([["1", " "]], "row 1, column 2 of the input is empty"),
        ([["1", "0"], ["0"]], "row 2 of the input has 1 cells does not fit row 1, which has 2"),
        ([], "the input has no cells"),
        ([[]], "the input has no cells"),
    ],
)
def test_errors_name_row_column_and_what_was_typed(cells: list[list[str]], message: str) -> None:
    with pytest.raises(ExplorerError) as caught:
        read_matrix(cells, "the input")
    assert message in str(caught.value)
    assert caught.value.remedy
