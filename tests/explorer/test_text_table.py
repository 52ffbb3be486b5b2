"""Tables of text: columns end where they should, whatever their cells hold."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer import text_table
from explorer.text_table import aligned, markdown

words = st.text(st.characters(categories=["L", "N", "P"]), max_size=8)
tables = st.integers(1, 5).flatmap(
    lambda columns: st.lists(st.lists(words, min_size=columns, max_size=columns), min_size=1, max_size=6)
)


def test_the_examples_of_the_docstrings() -> None:
    assert doctest.testmod(text_table).failed == 0


@given(tables, st.integers(1, 4), st.data())
def test_every_cell_begins_or_ends_with_its_column(
    rows: list[list[str]], gap: int, data: st.DataObject
) -> None:
    left = data.draw(st.integers(0, len(rows[0])))
    lines = aligned(rows, left=left, gap=gap).split("\n")
    assert len(lines) == len(rows)
    start = 0
    for column in range(len(rows[0])):
        width = max(len(row[column]) for row in rows)
        for line, row in zip(lines, rows, strict=True):
            place = line[start : start + width].ljust(width)
            assert place == (row[column].ljust(width) if column < left else row[column].rjust(width))
        start += width + gap


def test_rows_of_different_lengths_are_no_table() -> None:
    with pytest.raises(ValueError, match="zip"):
        aligned([("a", "b"), ("c",)])


def test_a_markdown_table_has_its_head_and_a_line_under_it() -> None:
    assert markdown([["", "1", "2"], ["**1**", "a", ""]]).splitlines() == [
        "|  | 1 | 2 |",
        "| --- | --- | --- |",
        "| **1** | a |  |",
    ]
