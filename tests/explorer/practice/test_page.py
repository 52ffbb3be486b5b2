"""An exercise on the page: what was typed stays text, and a mistake has its window beside it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import pytest

from explorer.practice.exercises import LEVELS, make_exercise, mark_exercise
from explorer.practice.page import draw_given, draw_mistake, draw_question, draw_score

HOSTILE = """<script>"&'"""


def parsed(page: str) -> ET.Element:
    return ET.fromstring(f"<page>{page}</page>")


def test_what_others_typed_stays_text() -> None:
    exercise = make_exercise()
    rows, columns = exercise.solution.shape
    marking = mark_exercise(exercise, [[HOSTILE] * columns] * rows)
    cell = replace(marking.mistakes[0], slip=HOSTILE)
    renamed = replace(exercise.convolution, padding_mode=HOSTILE, padding=(1, 1))  # type: ignore[arg-type]
    hostile = replace(exercise, convolution=renamed)
    page = parsed(
        draw_question(hostile) + draw_given(hostile) + draw_score(marking) + draw_mistake(marking, cell)
    )
    text = "".join(page.itertext())
    assert f"padding 1 ({HOSTILE})" in text
    assert f"Row 1, column 1: {HOSTILE} is no number. Perhaps {HOSTILE}." in text
    assert "script" not in {node.tag for node in page.iter()}


@pytest.mark.parametrize("level", range(1, len(LEVELS) + 1))
def test_the_given_matrices_are_all_drawn(level: int) -> None:
    exercise = make_exercise(3, level)
    conv = exercise.convolution
    svgs = list(parsed(draw_given(exercise)).iter("svg"))
    numbers = [[float((t.text or "").replace("−", "-")) for t in svg.iter("text")] for svg in svgs]
    assert numbers == [plane.ravel().tolist() for plane in (*conv.channels, *conv.kernels[0])]


@pytest.mark.parametrize(("asked", "pictures"), [("relu", 2), ("size", 0)])
def test_a_mistake_has_its_window_where_there_is_one(asked: Any, pictures: int) -> None:
    exercise = make_exercise(asked=asked)
    rows, columns = exercise.solution.shape
    marking = mark_exercise(exercise, [["99"] * columns] * rows)
    page = parsed(draw_mistake(marking, marking.mistakes[0]))
    assert len(list(page.iter("svg"))) == pictures
    assert f"99 should be {exercise.solution[0, 0]:g}." in "".join(page.itertext())


def test_the_score_says_what_is_left_to_do() -> None:
    exercise = make_exercise(asked="size")
    said = "".join(parsed(draw_score(mark_exercise(exercise, [["99", ""]]))).itertext())
    assert said == "0 of 2 cells right: 0%.1 to look at again; choose one to see its window. 1 still empty."
