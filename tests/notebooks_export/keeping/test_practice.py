"""Exercises in convolution by hand, kept with what was answered: carried out again, and their numbers are right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from explorer.errors import ExplorerError
from explorer.practice.exercises import LEVELS, Exercise, make_exercise
from explorer.session.steps import Session, read_session, save_session
from explorer.tabs.convolution import keep as labs
from notebooks_export import build_notebook, notebook_files
from notebooks_export.kinds.registry import NAMES
from tests.notebooks_export.fresh_kernel import assert_shows_the_same
from tests.notebooks_export.keeping.test_labs import check


def solved(exercise: Exercise) -> list[list[str]]:
    return [[f"{value:g}" for value in row] for row in exercise.solution]


def test_exercises_with_what_was_answered() -> None:
    exercise = make_exercise(seed=3)
    x, kernel = exercise.convolution.channels[0], exercise.convolution.kernels[0, 0]
    blank = check(labs.keep_exercise(exercise, [[""] * 4] * 3, False))
    assert blank.arguments == {"seed": 3, "level": 1, "asked": "relu"}
    assert "\n".join("  ".join(f"{v:g}" for v in row) for row in x) in blank.text
    assert "Answer" not in blank.text
    answer = solved(exercise)
    all_right = check(labs.keep_exercise(exercise, answer, True))
    assert all_right.text.startswith(blank.text)
    assert all_right.text.endswith("12 of 12 cells right: 100%.\n")
    unchecked = check(labs.keep_exercise(exercise, answer, False))
    assert "right" not in unchecked.text
    answer[0][0], answer[0][1], answer[1][2] = " 9 ", "", "$a_b$"
    marked = check(labs.keep_exercise(exercise, answer, True))
    assert marked.arguments["answer"][0][:2] == ["9", ""]
    assert marked.title.endswith("9 of 12 cells right")
    assert "1 still empty." in marked.text
    total = float((x[:2, :2] * kernel).sum())
    assert f"= {total:g}; {total:g} − 1 = " in marked.text.split("9 is wrong, right is ")[1].splitlines()[0]
    assert "$a_b$ is not a number" in marked.text
    assert len({step.picture for step in (blank, all_right, unchecked, marked)}) == 4


@pytest.mark.parametrize("level", range(1, len(LEVELS) + 1))
@pytest.mark.parametrize("asked", ["output", "size", "max_pool"])
def test_exercises_of_every_level(level: int, asked: Any) -> None:
    exercise = make_exercise(level, level, asked, size=(9, 9))
    step = check(labs.keep_exercise(exercise, solved(exercise), True))
    assert step.arguments["size"] == [9, 9]
    assert "100%" in step.text


def test_an_exercise_of_a_teachers_sizes() -> None:
    options: dict[str, Any] = {"size": (16, 5), "kernel": (3, 2), "stride": 3, "padding": 16, "dilation": 2}
    exercise = make_exercise(-7, 4, **options)
    step = check(
        labs.keep_exercise(exercise, [["1"] * exercise.solution.shape[1]] * len(exercise.solution), True)
    )
    assert step.arguments["kernel"] == [3, 2]
    largest = make_exercise(1, 1, size=(16, 16), kernel=(1, 1), padding=16)
    check(labs.keep_exercise(largest, solved(largest), True))


def test_exercises_in_a_fresh_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exercise, session = make_exercise(seed=5, level=3), Session()
    answer = solved(exercise)
    answer[1][1] = "1/3"
    for marked in (False, True):
        session = session.add(*labs.keep_exercise(exercise, answer, marked))
    session = read_session(save_session(session), NAMES)
    assert_shows_the_same(build_notebook(session), notebook_files(session), tmp_path, monkeypatch)


def test_answers_that_can_not_be_kept_are_said() -> None:
    exercise = make_exercise()
    for entry in ("1" * 41, "1\u200d"):
        answer = solved(exercise)
        answer[2][1] = entry
        with pytest.raises(ExplorerError, match="row 3, column 2 of the answer"):
            labs.keep_exercise(exercise, answer, True)
    with pytest.raises(ExplorerError, match="seed 1000000000000001 is more"):
        labs.keep_exercise(make_exercise(labs.MOST_SEED + 1), [[""] * 4] * 3, False)
    with pytest.raises(ExplorerError, match="stride 256 is more"):
        labs.keep_exercise(make_exercise(stride=256), [[""]], False)
