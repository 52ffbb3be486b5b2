"""Exercises and marking: the same for everybody with the same seed, solutions checked by plain loops."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.convolution.words import arithmetic
from explorer.errors import ExplorerError
from explorer.practice.exercises import ASKED, LEVELS, Exercise, make_exercise, mark_exercise
from explorer.practice.sheets import answer_sheet, marks_csv, worksheet

levels = st.integers(1, len(LEVELS))


def by_torch(exercise: Exercise) -> torch.Tensor:
    """The output before ReLU, from the numbers in the question alone."""
    conv = exercise.convolution
    x = torch.from_numpy(conv.x.reshape(1, -1, *conv.x.shape[-2:]))
    vertical, horizontal = conv.padding
    mode = {"zeros": "constant"}.get(conv.padding_mode, conv.padding_mode)
    padded = F.pad(x, (horizontal, horizontal, vertical, vertical), mode=mode)
    kernel = torch.from_numpy(conv.kernel.reshape(1, -1, *conv.kernel.shape[-2:]))
    return F.conv2d(padded, kernel, torch.from_numpy(conv.bias), conv.stride, dilation=conv.dilation)


def expected_answer(exercise: Exercise) -> np.ndarray:
    before = by_torch(exercise)
    after = torch.relu(before)
    if exercise.asked == "size":
        return np.array([before.shape[-2:]])
    if exercise.asked == "unreached":
        ones = torch.ones(1, 1, *exercise.convolution.x.shape[-2:], requires_grad=True)
        conv = exercise.convolution
        kernel = torch.ones(1, 1, *conv.kernel.shape[-2:])
        seen = F.conv2d(ones, kernel, None, conv.stride, conv.padding, conv.dilation)
        (gradient,) = torch.autograd.grad(seen.sum(), ones)
        return np.array([[int((gradient == 0).sum())]])
    answers = {"output": before, "relu": after, "fires": (after > 0).double()}
    if exercise.asked in answers:
        return answers[exercise.asked][0, 0].numpy()
    return (F.max_pool2d if exercise.asked == "max_pool" else F.avg_pool2d)(after, 2)[0, 0].numpy()


def typed(solution: np.ndarray) -> list[list[str]]:
    return [[f"{value:g}" for value in row] for row in solution]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), levels, st.sampled_from(list(ASKED)))
def test_the_right_answer_gets_full_marks(seed: int, level: int, asked: Any) -> None:
    exercise = make_exercise(seed, level, asked)
    answer = expected_answer(exercise)
    np.testing.assert_allclose(exercise.solution, answer)
    assert mark_exercise(exercise, typed(answer)).score == 1
    assert ASKED[exercise.asked] in exercise.question


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), levels)
def test_exercises_repeat_and_are_worth_doing(seed: int, level: int) -> None:
    one, again = make_exercise(seed, level), make_exercise(seed, level)
    np.testing.assert_array_equal(one.convolution.x, again.convolution.x)
    np.testing.assert_array_equal(one.convolution.kernel, again.convolution.kernel)
    assert one.convolution.bias == again.convolution.bias
    share = (by_torch(one) > 0).double().mean()
    assert 0 < share < 1


def test_seeds_differ_and_later_levels_are_harder() -> None:
    assert len({make_exercise(seed).convolution.x.tobytes() for seed in range(20)}) > 15
    first, last = make_exercise(1, 1), make_exercise(1, len(LEVELS))
    assert set(np.unique(first.convolution.x)) <= {0, 1}
    assert last.convolution.x.ndim == 3
    assert last.convolution.x.min() < 0


def test_marks_cell_by_cell_with_partial_credit() -> None:
    exercise = make_exercise(5, 2)
    answer = typed(exercise.solution)
    answer[0][0], answer[0][1], answer[1][2] = "99", "", "two"
    marking = mark_exercise(exercise, answer)
    assert (marking.right, marking.total, marking.score) == (3, 6, 0.5)
    verdicts = [[cell.verdict for cell in row] for row in marking.grid]
    assert verdicts == [["wrong", "empty", "right"], ["right", "right", "unreadable"]]
    assert [(cell.row, cell.column, cell.entry) for cell in marking.mistakes] == [(0, 0, "99"), (1, 2, "two")]
    window = exercise.window(0, 0)
    assert window is not None
    assert window.output == exercise.solution[0, 0]


def test_rounded_answers_fractions_and_commas_count() -> None:
    exercise = make_exercise(4, 4, "average_pool")
    assert exercise.solution.shape == (2, 2)
    quarters = [[f"{int(value * 4)}/4" for value in row] for row in exercise.solution]
    commas = [[f"{value:.2f}".replace(".", ",") for value in row] for row in exercise.solution]
    assert mark_exercise(exercise, quarters).score == mark_exercise(exercise, commas).score == 1
    off = [[f"{value + 0.02:.2f}" for value in row] for row in exercise.solution]
    assert mark_exercise(exercise, off).score == 0


def slip_of(exercise: Exercise, value: Any) -> set[str]:
    """The slips named when every cell is answered by ``value(patch · kernel sum, bias, patch, kernel)``."""
    rows, columns = exercise.solution.shape
    windows = [[exercise.window(row, column) for column in range(columns)] for row in range(rows)]
    marking = mark_exercise(exercise, [[f"{value(window):g}" for window in line] for line in windows])
    return {cell.slip for cell in marking.mistakes if cell.slip}


def test_the_usual_slips_are_recognised() -> None:
    exercise = make_exercise(3, 3)
    assert any("ReLU is missing" in s for s in slip_of(exercise, lambda w: w.pre_activation))
    assert any("bias is missing" in s for s in slip_of(exercise, lambda w: max(w.sum, 0)))
    turned = slip_of(exercise, lambda w: max(float((w.patch * w.kernel[::-1, ::-1]).sum()) + w.bias, 0))
    assert any("turned" in s for s in turned)


def test_the_teacher_chooses_sizes() -> None:
    exercise = make_exercise(1, 1, size=(6, 9), kernel=(3, 2), stride=2, padding=1, dilation=1)
    assert exercise.convolution.x.shape == (6, 9)
    assert exercise.convolution.kernel.shape == (3, 2)
    assert exercise.solution.shape == ((6 + 2 - 3) // 2 + 1, (9 + 2 - 2) // 2 + 1)


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ({"level": 0}, "level 0"),
        ({"level": 8}, "level 8"),
        ({"level": "1"}, "level '1'"),
        ({"seed": 1.5}, "seed 1.5"),
        ({"seed": None}, "seed None"),
        ({"asked": "colour"}, "asked 'colour'"),
        ({"size": (100, 100)}, "100×100 = 10000 cells"),
        ({"size": (0, 5)}, "size 0"),
        ({"size": (-1, -1)}, "size -1"),
        ({"size": (None, 5)}, "size (empty)"),
        ({"stride": 0}, "stride 0"),
        ({"padding": 10**9}, "padding 1000000000"),
        ({"kernel": (6, 6)}, "a kernel of 6"),
        ({"level": 6, "padding": 7}, "padding 7"),
    ],
)
def test_bad_choices_are_named(arguments: dict[str, Any], value: str) -> None:
    with pytest.raises(ExplorerError) as caught:
        make_exercise(**{"seed": 1} | arguments)
    assert value in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("answer", [[], [["1"]], [["1"] * 4] * 2, [["1"] * 4, ["1"] * 3, ["1"] * 4]])
def test_answers_of_another_shape_are_refused(answer: list[list[str]]) -> None:
    with pytest.raises(ExplorerError, match="3×4 cells"):
        mark_exercise(make_exercise(), answer)


def markdown_tables(text: str) -> list[list[list[str]]]:
    """The tables of a page without their numbered head and first column."""
    tables: list[list[list[str]]] = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            tables[-1].append([cell.strip() for cell in line.strip("|").split(" | ")][1:])
        elif tables[-1]:
            tables.append([])
    return [table[2:] for table in tables if table]


def test_sheets_hold_questions_solutions_and_marks() -> None:
    exercise = make_exercise(2, 2)
    numbers = [f"{v:g}" for v in exercise.solution.ravel()]
    blank = markdown_tables(worksheet([exercise]))
    solved = markdown_tables(worksheet([exercise], solutions=True))
    x = [[f"{v:g}" for v in row] for row in exercise.convolution.x]
    assert blank[0] == solved[0] == x
    assert {cell for row in blank[2] for cell in row} == {""}
    assert [cell for row in solved[2] for cell in row] == numbers
    answer = typed(exercise.solution)
    answer[0][0] = "7"
    page = answer_sheet(mark_exercise(exercise, answer))
    assert "5 of 6 cells right: 83%" in page
    assert "row 1, column 1: 7 is wrong" in page


def test_entries_cannot_break_out_of_a_sheet() -> None:
    exercise = make_exercise(2, 2)
    answer = [["=HYPERLINK(1)", "a|b\n# c", "<script>"], ["-1", "+2", "@x"]]
    marking = mark_exercise(exercise, answer)
    page = answer_sheet(marking)
    assert [len(row) for row in markdown_tables(page)[2]] == [3, 3]
    assert "<script" not in page
    rows = list(csv.DictReader(io.StringIO(marks_csv([marking]))))
    entries = [row["entry"] for row in rows]
    assert entries[0] == "'=HYPERLINK(1)"
    assert entries[3:] == ["-1", "+2", "'@x"]
    assert [row["verdict"] for row in rows] == [cell.verdict for cell in marking.cells]


def test_the_arithmetic_in_words_adds_up() -> None:
    for level in range(1, len(LEVELS) + 1):
        exercise = make_exercise(11, level)
        window = exercise.convolution.windows[1]
        products, biased, cut = arithmetic(window).replace("−", "-").replace("·", "*").split("; ")
        for line in (products, biased):
            left, right = line.split(" = ")
            assert eval(left) == float(right)
        assert cut == f"ReLU({biased.split(' = ')[1]}) = {window.output:g}"
