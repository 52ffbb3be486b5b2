"""What the matrix editors hand over, whatever was typed or sent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from explorer.convolution.presets import presets
from explorer.errors import ExplorerError
from explorer.tabs.convolution.matrix_editor import (
    answer_value,
    cells_of,
    fit_channels,
    input_value,
    kernel_value,
    read_input,
    read_kernels,
)


@pytest.mark.parametrize("preset", presets().values(), ids=lambda preset: preset.name)
def test_presets_pass_through_the_editors_unchanged(preset: Any) -> None:
    np.testing.assert_array_equal(read_input(input_value(preset.x)), preset.x)
    kernels, biases = read_kernels(kernel_value(preset.kernels, preset.biases))
    np.testing.assert_array_equal(kernels, preset.kernels)
    assert biases.tolist() == list(preset.biases)


def test_kernels_get_and_lose_slices_with_the_channels() -> None:
    kernels = np.arange(8.0).reshape(2, 1, 2, 2)
    wider = fit_channels(kernel_value(kernels, (1, 2)), 3)
    fitted, biases = read_kernels(wider)
    np.testing.assert_array_equal(fitted[:, :1], kernels)
    assert not fitted[:, 1:].any()
    assert biases.tolist() == [1, 2]
    np.testing.assert_array_equal(read_kernels(fit_channels(wider, 1))[0], kernels)


def typed(*blocks: list[list[str]], **more: Any) -> dict[str, Any]:
    return {"blocks": list(blocks), "per": 1, "biases": None, "marks": None} | more


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (typed([["1", ""]]), "row 1, column 2 of the input is empty"),
        (typed([["1"]], [["x"]]), "'x' in row 1, column 1 of channel 2"),
        (typed([["1"]], [["1", "2"]]), "channel 1 and channel 2 differ in size, 1×1 and 1×2"),
        (typed([["0"] * 100] * 100), "an input of 10000 cells is more than the 4096"),
        (typed([["1", "2"], ["3"]]), "row 2 of the input has 1 cells"),
        (typed(), "could not be read"),
        (typed([[]]), "could not be read"),
        ("<script>", "could not be read"),
        (None, "could not be read"),
        ({"blocks": 3}, "could not be read"),
    ],
)
def test_bad_inputs_are_named(value: Any, message: str) -> None:
    with pytest.raises(ExplorerError) as caught:
        read_input(value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (typed([["1", "a"]], biases=["0"]), "'a' in row 1, column 2 of w1"),
        (typed([["1"]], [["b"]], per=2, biases=["0"]), "'b' in row 1, column 1 of w1, channel 2"),
        (typed([["1"]], biases=["one"]), "'one' in the bias of w1"),
        (typed([["1"]], biases=[""]), "the bias of w1 is empty"),
        (typed([["1"] * 12], biases=["0"]), "w1 of 1×12 weights is larger than 11×11"),
    ],
)
def test_bad_kernels_are_named(value: Any, message: str) -> None:
    with pytest.raises(ExplorerError) as caught:
        read_kernels(value)
    assert message in str(caught.value)


def test_answers_keep_what_was_typed() -> None:
    cells = [["1", "x"], ["", "−2"]]
    assert cells_of(answer_value(cells, [["right", "wrong"], ["empty", "right"]])) == [cells]
