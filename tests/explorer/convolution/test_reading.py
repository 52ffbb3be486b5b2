"""Reading off and pooling against counting by hand, torch, and the convolution itself."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.convolution.arithmetic import convolve
from explorer.convolution.pooling import compare_downsampling, pool
from explorer.convolution.reading import read_off
from explorer.errors import ExplorerError

bits = st.integers(0, 1)


def matrices(low: int, high: int) -> st.SearchStrategy[list[list[int]]]:
    return st.tuples(st.integers(low, high), st.integers(low, high)).flatmap(
        lambda size: st.lists(
            st.lists(bits, min_size=size[1], max_size=size[1]), min_size=size[0], max_size=size[0]
        )
    )


@settings(deadline=None)
@given(matrices(4, 7), matrices(1, 3), st.floats(-4, 2), st.integers(1, 3), st.integers(1, 2))
def test_reading_off_gives_the_cells_where_relu_is_above_zero(
    x: list[list[int]], kernel: list[list[int]], bias: float, stride: int, dilation: int
) -> None:
    if max(len(kernel), len(kernel[0])) == 3:
        dilation = 1
    computed = F.conv2d(
        torch.tensor(x, dtype=torch.float64)[None, None],
        torch.tensor(kernel, dtype=torch.float64)[None, None],
        torch.tensor([bias], dtype=torch.float64),
        stride,
        dilation=dilation,
    )
    fires = read_off(kernel, bias).fires_on(x, stride=stride, dilation=dilation)
    np.testing.assert_array_equal(fires, torch.relu(computed)[0, 0].numpy() > 0)


@pytest.mark.parametrize("kernel", [[[1, 0], [0, 1]], [[1, 0], [1, 0]], [[1, 1], [0, 0]], [[1, 1], [1, 0]]])
@pytest.mark.parametrize("bias", [-3, -1, 0, 1])
def test_all_patches_are_judged_as_the_arithmetic_does(kernel: list[list[int]], bias: float) -> None:
    expected = {}
    for a, b, c, d in product((0, 1), repeat=4):
        total = a * kernel[0][0] + b * kernel[0][1] + c * kernel[1][0] + d * kernel[1][1] + bias
        expected[a, b, c, d] = total > 0
    patches = read_off(kernel, bias).patches()
    assert {tuple(int(v) for v in patch.ravel()): fires for patch, fires in patches} == expected
    verdicts = [fires for _, fires in patches]
    assert verdicts == sorted(verdicts, reverse=True)


def test_the_sheets_kernels_fire_where_both_their_ones_meet_ones() -> None:
    reading = read_off([[1, 0], [0, 1]], bias=-1)
    assert [(c.ones, c.pre_activation, c.output) for c in reading.counts] == [
        (0, -1, 0),
        (1, 0, 0),
        (2, 1, 1),
    ]
    assert reading.needed == reading.ones == 2
    assert "both of its ones" in reading.rule
    assert "never" in read_off([[1, 0], [0, 1]], bias=-2).rule
    assert "always" in read_off([[1, 0], [0, 1]], bias=0.5).rule
    assert "at least 2 of its 3" in read_off([[1, 1], [0, 1]], bias=-1).rule


@pytest.mark.parametrize(
    ("kernel", "value"), [([[1, 2]], "2 in row 1, column 2"), ([[1, 0], [0, -1]], "-1 in row 2, column 2")]
)
def test_other_weights_cannot_be_read_off(kernel: list[list[int]], value: str) -> None:
    with pytest.raises(ExplorerError, match=value):
        read_off(kernel)


def test_other_inputs_and_large_lists_are_refused() -> None:
    with pytest.raises(ExplorerError, match="the input's 3 in row 1, column 2"):
        read_off([[1]]).fires_on([[1, 3]])
    with pytest.raises(ExplorerError, match="one channel"):
        read_off(np.ones((2, 2, 2)))
    with pytest.raises(ExplorerError, match="2\\^16"):
        read_off(np.ones((4, 4))).patches()


@settings(deadline=None)
@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from(["max", "average"]),
    st.integers(0, 2**32 - 1),
)
def test_pooling_is_torchs(size: tuple[int, int], kernel: int, stride: int, kind: Any, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=size)
    if kernel > min(size):
        with pytest.raises(ExplorerError, match="larger"):
            pool(x, kernel, stride, kind)
        return
    pooled = pool(x, kernel, stride, kind)
    seen = torch.from_numpy(x)[None, None].requires_grad_()
    expected = (F.max_pool2d if kind == "max" else F.avg_pool2d)(seen, kernel, stride)
    np.testing.assert_allclose(pooled.output, expected[0, 0].detach().numpy())
    # A value is kept if the output depends on it.
    (gradient,) = torch.autograd.grad(expected.sum(), seen)
    np.testing.assert_array_equal(pooled.kept, gradient[0, 0].numpy() != 0)


def test_pooling_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ExplorerError, match="3 axes"):
        pool(np.ones((2, 2, 2)))
    with pytest.raises(ExplorerError, match="kind 'min'"):
        pool(np.ones((2, 2)), kind="min")  # type: ignore[arg-type]


def test_downsampling_side_by_side() -> None:
    """Two channels, second kernel of two groups: the same map by three ways, with countable costs."""
    rng = np.random.default_rng(3)
    x, kernels = rng.integers(-3, 4, (2, 7, 8)), rng.integers(-2, 3, (2, 1, 2, 2))
    conv = convolve(x, kernels, [1, -1], stride=3, groups=2, activation="relu")
    strided, largest, mean = compare_downsampling(conv, 2, kernel_index=1)
    plane, weight = torch.tensor(x[1:2])[None].double(), torch.tensor(kernels[1:2]).double()
    dense = torch.relu(F.conv2d(plane, weight, torch.tensor([-1.0]).double()))
    np.testing.assert_array_equal(strided.before, dense[0, 0].numpy())
    np.testing.assert_array_equal(strided.output, dense[0, 0, ::2, ::2].numpy())
    np.testing.assert_array_equal(largest.output, F.max_pool2d(dense, 2)[0, 0].numpy())
    np.testing.assert_array_equal(mean.output, F.avg_pool2d(dense, 2)[0, 0].numpy())
    np.testing.assert_array_equal(strided.before[strided.kept], strided.output.ravel())
    # 6×7 windows of 4 weights at stride 1, 3×4 at stride 2; pooling gives 3×3 cells from 4 values each.
    assert (strided.multiplications, largest.multiplications, mean.multiplications) == (48, 168, 168)
    assert (largest.comparisons, mean.additions, mean.divisions) == (9 * 3, 9 * 3, 9)
    assert (strided.kept_count, largest.kept_count, mean.kept_count) == (12, 9, 36)
