"""The convolution lab's arithmetic against torch, and against plain loops written here."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from explorer.convolution.arithmetic import PADDING_MODES, convolve, output_size, size_formula
from explorer.convolution.size import derive_size
from explorer.errors import ExplorerError

SHEET_X = [
    [1, 0, 0, 1, 1, 0],
    [0, 1, 0, 0, 0, 1],
    [0, 0, 1, 1, 0, 0],
    [1, 0, 0, 0, 1, 0],
    [1, 0, 0, 0, 0, 1],
]
SHEET_KERNELS = {"w1": [[1, 0], [0, 1]], "w2": [[1, 0], [1, 0]], "w3": [[1, 1], [0, 0]]}

TORCH_PAD = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}


@dataclass(frozen=True)
class Case:
    """One drawn convolution: everything that both torch and we take."""

    x: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray
    options: dict[str, Any]

    def ours(self, activation: Any = None) -> Any:
        return convolve(self.x, self.kernel, self.bias, activation=activation, **self.options)

    def padded(self) -> torch.Tensor:
        vertical, horizontal = self.options["padding"]
        return F.pad(
            torch.from_numpy(self.x)[None],
            (horizontal, horizontal, vertical, vertical),
            mode=TORCH_PAD[self.options["padding_mode"]],
        )

    def torch(self) -> np.ndarray:
        """torch's answer; circular and the others by padding first, as nn.Conv2d itself does."""
        kept = {name: self.options[name] for name in ("stride", "dilation", "groups")}
        result = F.conv2d(self.padded(), torch.from_numpy(self.kernel), torch.from_numpy(self.bias), **kept)
        return result[0].numpy()


@st.composite
def cases(draw: st.DrawFn) -> Case:
    groups = draw(st.integers(1, 3))
    per_group, kernels = draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    size = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    mode = draw(st.sampled_from(PADDING_MODES))
    most = {"reflect": [n - 1 for n in size], "circular": list(size)}.get(mode, [4, 4])
    padding = tuple(draw(st.integers(0, min(4, m))) for m in most)
    kernel, dilation, stride = (draw(st.tuples(st.integers(1, n), st.integers(1, n))) for n in (4, 3, 4))
    room = [n + 2 * p - d * (k - 1) for n, p, d, k in zip(size, padding, dilation, kernel, strict=True)]
    assume(min(room) >= 1)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return Case(
        rng.normal(size=(groups * per_group, *size)),
        rng.normal(size=(kernels, per_group, *kernel)),
        rng.normal(size=kernels),
        {
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "groups": groups,
            "padding_mode": mode,
        },
    )


@settings(deadline=None, max_examples=150)
@given(cases())
def test_output_is_torchs(case: Case) -> None:
    expected = case.torch()
    np.testing.assert_allclose(case.ours().output, expected, atol=1e-12)
    np.testing.assert_allclose(case.ours("relu").output, np.maximum(expected, 0), atol=1e-12)
    np.testing.assert_allclose(case.ours("relu").pre_activation, expected, atol=1e-12)


@settings(deadline=None, max_examples=60)
@given(cases())
def test_every_window_adds_up_to_its_output_cell(case: Case) -> None:
    conv, expected, padded = case.ours("relu"), case.torch(), case.padded()[0].numpy()
    assert len(conv.windows) == expected.size
    (top, left), (height, width) = case.options["padding"], case.x.shape[1:]
    for window in conv.windows:
        cell = (window.kernel_index, window.row, window.column)
        assert window.sum + case.bias[window.kernel_index] == pytest.approx(expected[cell])
        assert window.output == pytest.approx(max(expected[cell], 0.0))
        np.testing.assert_array_equal(window.products, window.patch * case.kernel[window.kernel_index])
        for i, row in enumerate(window.rows):
            for j, column in enumerate(window.columns):
                assert window.padded[i, j] == (not (0 <= row < height and 0 <= column < width))
                for c, channel in enumerate(window.channels):
                    assert window.patch[c, i, j] == padded[channel, row + top, column + left]


@settings(deadline=None, max_examples=150)
@given(cases())
def test_unreached_pixels_are_those_without_a_gradient(case: Case) -> None:
    """All weights one: a pixel counts in the sum of the outputs exactly if some window reads it."""
    x = torch.ones(1, 1, *case.x.shape[1:], dtype=torch.float64, requires_grad=True)
    kernel = torch.ones(1, 1, *case.kernel.shape[-2:], dtype=torch.float64)
    kept = {name: case.options[name] for name in ("stride", "padding", "dilation")}
    (gradient,) = torch.autograd.grad(F.conv2d(x, kernel, **kept).sum(), x)
    unread = gradient[0, 0].numpy() == 0
    conv = case.ours()
    np.testing.assert_array_equal(conv.unreached, unread)
    assert conv.unreached_count == unread.sum()
    assert not (conv.unreached_border & ~conv.unreached).any()


def test_border_and_gaps_are_told_apart() -> None:
    """Stride 3 with a 2×2 kernel on 7×7 reads rows 0, 1, 3, 4; row 2 is a gap; 5 and 6 are the border."""
    conv = convolve(np.ones((7, 7)), np.ones((2, 2)), stride=3)
    read = np.isin(np.arange(7), [0, 1, 3, 4])
    np.testing.assert_array_equal(conv.unreached, ~np.outer(read, read))
    np.testing.assert_array_equal(conv.unreached_border, ~np.outer(np.arange(7) < 5, np.arange(7) < 5))


def test_a_window_wholly_in_the_padding_reaches_nothing() -> None:
    conv = convolve([[5.0]], [[1.0]], padding=3, stride=100)
    assert conv.output.tolist() == [[0.0]]
    assert conv.unreached.all()
    assert conv.unreached_border.all()


@settings(deadline=None, max_examples=300)
@given(st.integers(1, 30), st.integers(1, 7), st.integers(1, 5), st.integers(0, 5), st.integers(1, 4))
def test_output_size_is_torchs(size: int, kernel: int, stride: int, padding: int, dilation: int) -> None:
    span = dilation * (kernel - 1) + 1
    if span > size + 2 * padding:
        with pytest.raises(ExplorerError, match="larger than the padded input"):
            output_size(size, kernel, stride, padding, dilation)
        with pytest.raises(RuntimeError, match="greater than actual input size"):
            F.conv1d(torch.zeros(1, 1, size), torch.zeros(1, 1, kernel), None, stride, padding, dilation)
        return
    expected = F.conv1d(torch.zeros(1, 1, size), torch.zeros(1, 1, kernel), None, stride, padding, dilation)
    positions = expected.shape[-1]
    assert output_size(size, kernel, stride, padding, dilation) == positions
    assert output_size((size, 40), kernel, stride, padding, dilation)[0] == positions
    # The formula as it is shown must come out when a reader computes it.
    shown = size_formula(size, kernel, stride, padding, dilation)
    left, right = shown.replace("·", "*").replace("−", "-").split("⌋ + 1 = ")
    numerator, denominator = left.removeprefix("⌊").rsplit(" / ", 1)
    assert floor(Fraction(eval(numerator), int(denominator))) + 1 == int(right) == positions


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(1, 5), st.integers(1, 4), st.integers(0, 4), st.integers(1, 3))
def test_the_derivation_places_exactly_the_windows_that_fit(
    size: int, kernel: int, stride: int, padding: int, dilation: int
) -> None:
    assume(dilation * (kernel - 1) < size + 2 * padding)
    derivation = derive_size(size, kernel, stride, padding, dilation)
    fitting, start = [], -padding
    while start + dilation * (kernel - 1) <= size + padding - 1:
        fitting.append(start)
        start += stride
    assert list(derivation.starts) == fitting
    assert derivation.output == len(fitting)
    last_tap = derivation.taps(derivation.output - 1)[-1]
    assert derivation.left_over == size + padding - 1 - last_tap
    for step in derivation.steps:
        left, right = step.arithmetic.replace("·", "*").replace("−", "-").split(" = ")
        assert eval(left.replace("⌊", "(").replace("⌋", ")").replace(" / ", " // ")) == int(right)


def plain_loops(x: list[list[int]], w: list[list[int]], stride: int) -> list[list[int]]:
    """The sheet's convolution with bias −1, then ReLU, in the most pedestrian way."""
    rows = []
    for top in range(0, len(x) - 1, stride):
        row = []
        for left in range(0, len(x[0]) - 1, stride):
            total = -1
            for i in range(2):
                for j in range(2):
                    total += x[top + i][left + j] * w[i][j]
            row.append(max(total, 0))
        rows.append(row)
    return rows


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", SHEET_KERNELS)
def test_sheet_answers(name: str, stride: int) -> None:
    kernel = SHEET_KERNELS[name]
    conv = convolve(SHEET_X, kernel, bias=-1, stride=stride, activation="relu")
    assert conv.output.tolist() == plain_loops(SHEET_X, kernel, stride)
    assert conv.output.shape == {1: (4, 5), 2: (2, 3)}[stride]


def test_sheet_kernels_together_and_its_dropped_row() -> None:
    conv = convolve(SHEET_X, list(SHEET_KERNELS.values()), bias=[-1, -1, -1], stride=2, activation="relu")
    for index, kernel in enumerate(SHEET_KERNELS.values()):
        assert conv.output[index].tolist() == plain_loops(SHEET_X, kernel, 2)
        assert conv.windows[index, 1, 2].output == conv.output[index, 1, 2]
    # Stride 2 over five rows: rows 0 to 3 are read, the fifth, six pixels wide, is not.
    assert np.argwhere(conv.unreached)[:, 0].tolist() == [4] * 6
    assert conv.multiplications == 3 * (2 * 3) * (2 * 2)


def test_the_kernel_is_not_flipped() -> None:
    conv = convolve([[1, 2]], [[10, 1]])
    assert conv.output.tolist() == [[1 * 10 + 2 * 1]]


def test_axes_follow_what_was_given() -> None:
    plain = convolve(np.ones((4, 5)), np.ones((2, 3)))
    assert plain.output.shape == (3, 3)
    assert plain.windows[2, 1].products.shape == (2, 3)
    assert plain.windows[7].row == 2
    assert plain.windows[-1].column == 2
    assert [w.column for w in plain.windows[:3]] == [0, 1, 2]
    several = convolve(np.ones((4, 5)), np.ones((6, 2, 3)))
    assert several.output.shape == (6, 3, 3)
    assert several.windows[5, 0, 2].products.shape == (2, 3)
    channels = convolve(np.ones((2, 4, 5)), np.ones((6, 2, 2, 3)))
    assert channels.windows[5, 0, 2].products.shape == (2, 2, 3)
    depthwise = convolve(np.ones((2, 4, 5)), np.ones((2, 2, 3)), groups=2)
    assert depthwise.output.shape == (2, 3, 3)


@pytest.mark.parametrize("key", [9, -10, (3, 0), (0, 0, 0), (0, -4)])
def test_windows_outside_the_output_are_refused(key: Any) -> None:
    with pytest.raises(IndexError, match="window"):
        convolve(np.ones((4, 5)), np.ones((2, 3))).windows[key]


def test_the_caller_keeps_its_array() -> None:
    x = np.zeros((3, 3))
    conv = convolve(x, [[1.0]])
    x[:] = 7
    assert conv.x.max() == 0


BAD = [
    ({"x": [[1, "a"], [0, 1]]}, "x[0, 1] = 'a'", "not a number"),
    ({"x": [[1, None], [0, 1]]}, "x[0, 1] = None", "empty"),
    ({"x": [["", 1]]}, "x[0, 0] = ''", "empty"),
    ({"x": [[1, 2], [3]]}, "x", "different lengths"),
    ({"x": [[]]}, "x of shape (1, 0)", "no cells"),
    ({"x": [1, 2]}, "x of shape (2,)", "axes"),
    ({"x": [[1, float("nan")]]}, "x[0, 1] = nan", "not finite"),
    ({"x": [[1, float("inf")]]}, "x[0, 1] = inf", "not finite"),
    ({"x": [[1, 2j]]}, "x[0, 1] = 2j", "not a number"),
    ({"kernel": np.ones((3, 3))}, "a kernel of 3", "larger than the padded input, 2 + 2·0 = 2"),
    ({"dilation": 2}, "with dilation 2 spans 3", "larger"),
    ({"stride": 0}, "stride 0", "not a whole number from 1 up"),
    ({"stride": 1.5}, "stride 1.5", "not a whole number"),
    ({"stride": None}, "stride (empty)", "not a whole number"),
    ({"stride": True}, "stride True", "not a whole number"),
    ({"stride": "2"}, "stride 2", "not a whole number"),
    ({"stride": (1, 2, 3)}, "stride (1, 2, 3)", "one whole number or two"),
    ({"stride": (1, 0)}, "stride 0", "from 1 up"),
    ({"padding": -1}, "padding -1", "from 0 up"),
    ({"dilation": 0}, "dilation 0", "from 1 up"),
    ({"groups": 2}, "groups 2", "divide both"),
    ({"groups": 0}, "groups 0", "from 1 up"),
    ({"padding": 2, "padding_mode": "reflect"}, "padding 2", "mode 'reflect'"),
    ({"padding": 3, "padding_mode": "circular"}, "padding 3", "mode 'circular'"),
    ({"padding_mode": "mirror"}, "padding_mode 'mirror'", "not known"),
    ({"activation": "gelu"}, "activation 'gelu'", "not known"),
    ({"bias": [1, 2]}, "2 biases", "do not fit 1 kernels"),
    ({"bias": "x"}, "bias[] = 'x'", "not a number"),
    ({"kernel": np.ones((1, 2, 2, 2))}, "a kernel of 2 channels", "1 / 1 = 1"),
]


@pytest.mark.parametrize(("change", "value", "rule"), BAD)
def test_bad_input_names_value_rule_and_remedy(change: dict[str, Any], value: str, rule: str) -> None:
    arguments: dict[str, Any] = {"x": [[1, 2], [3, 4]], "kernel": [[1, 0], [0, 1]]} | change
    with pytest.raises(ExplorerError) as caught:
        convolve(**arguments)
    assert value in str(caught.value)
    assert rule in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("mode", PADDING_MODES)
def test_the_padding_limit_is_torchs(mode: Any) -> None:
    """Where torch refuses an amount of padding, so do we, and nowhere else."""
    x = torch.arange(12.0, dtype=torch.float64).reshape(1, 1, 3, 4)
    for padding in range(6):
        try:
            expected = F.pad(x, (0, 0, padding, padding), mode=TORCH_PAD[mode])
        except RuntimeError:
            with pytest.raises(ExplorerError, match=f"padding {padding}"):
                convolve(x[0, 0].numpy(), [[1.0]], padding=(padding, 0), padding_mode=mode)
        else:
            ours = convolve(x[0, 0].numpy(), [[1.0]], padding=(padding, 0), padding_mode=mode)
            np.testing.assert_array_equal(ours.output, expected[0, 0].numpy())


def test_fractions_and_booleans_are_numbers() -> None:
    conv = convolve([[Fraction(1, 2), True]], [[2, 1]])
    assert conv.output.tolist() == [[2.0]]
