"""The lab's endpoints as functions: what other programs get, and what they are refused."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from explorer.practice.exercises import make_exercise
from explorer.tabs.convolution.api import convolve, mark_exercise


def test_convolve_answers_in_plain_json() -> None:
    rng = np.random.default_rng(1)
    x, kernel = rng.integers(-3, 4, (2, 5, 6)), rng.integers(-2, 3, (4, 1, 2, 3))
    answer = json.loads(
        json.dumps(
            convolve(
                x.tolist(), kernel.tolist(), [1.0, 0.0, -1.0, 2.0], stride=[2, 1], padding=[0, 1], groups=2
            )
        )
    )
    expected = F.conv2d(
        torch.tensor(x)[None].double(),
        torch.tensor(kernel).double(),
        torch.tensor([1.0, 0, -1, 2]).double(),
        (2, 1),
        (0, 1),
        groups=2,
    )[0]
    np.testing.assert_array_equal(answer["output"], expected)
    assert answer["output_shape"] == list(expected.shape)
    for window in answer["windows"]:
        cell = expected[window["kernel"], window["row"], window["column"]]
        assert np.sum(window["products"]) + window["bias"] == window["output"] == cell
    assert len(answer["windows"]) == expected.numel()
    assert answer["unreached_count"] == 6
    assert "height ⌊(5 + 2·0 − 1·(2 − 1) − 1) / 2⌋ + 1 = 2" in answer["size_formula"]


def test_a_marked_answer_shows_the_arithmetic_behind_mistakes() -> None:
    solution = make_exercise(4, 3).solution
    answer: list[list[Any]] = [[float(value) for value in row] for row in solution]
    answer[0][0] += 100
    answer[2][2] = None
    marked = json.loads(json.dumps(mark_exercise(answer, seed=4, level=3)))
    assert (marked["right"], marked["total"], marked["score"]) == (7, 9, 7 / 9)
    first, last = marked["cells"][0], marked["cells"][-1]
    assert (first["verdict"], last["verdict"]) == ("wrong", "empty")
    assert first["arithmetic"].endswith(f"= {solution[0, 0]:g}")
    assert "arithmetic" not in marked["cells"][1]


ONES = [[1, 1], [1, 1]]


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ({"x": [[0] * 100] * 100}, " of 10000 cells"),
        ({"kernel": [[[1]]] * 5000}, "ernel of 5000 cells"),
        ({"x": [[0] * 4096], "kernel": [[[1]]] * 64, "padding": 64}, "output of up to"),
        ({"padding": 10**9}, "adding 1000000000"),
        ({"padding": [0, 10**9]}, "adding 1000000000"),
        ({"padding": [1, 2, 3]}, "adding"),
        ({"stride": 0}, "tride 0"),
        ({"x": [[1, "a"]]}, "'a'"),
        ({"x": [[1, 2], [3]]}, "rows of different lengths"),
        ({"x": []}, "shape (0,)"),
        ({"x": 3}, "shape ()"),
        ({"kernel": [[1, 1, 1]]}, "kernel of 3"),
    ],
)
def test_refusals_name_the_value(arguments: dict[str, Any], value: str) -> None:
    with pytest.raises(gr.Error) as caught:
        convolve(**{"x": ONES, "kernel": ONES} | arguments)
    assert value in f"{caught.value.title} {caught.value.message}".replace("&#x27;", "'")


@pytest.mark.parametrize("answer", ["", "1 2", [[1]], [1], 3, None])
def test_answers_of_another_shape_are_refused(answer: Any) -> None:
    with pytest.raises(gr.Error):
        mark_exercise(answer)
