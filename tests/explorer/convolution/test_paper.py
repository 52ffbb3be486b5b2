"""Figures on paper hold the numbers that they are about."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from explorer.convolution.arithmetic import convolve
from explorer.convolution.paper import downsampling_figure, window_figure
from explorer.convolution.pooling import compare_downsampling
from explorer.fields.paper.growth import network_fields_figure, stack_fields_figure
from explorer.fields.stack import conv, max_pool
from explorer.fields.theoretical import catalogue_fields


def numbers(axes) -> np.ndarray:
    """The matrix whose numbers are written in a panel."""
    texts = {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in axes.texts}
    rows, columns = (max(place[i] for place in texts) + 1 for i in (0, 1))
    return np.array([[float(texts[r, c].replace("−", "-")) for c in range(columns)] for r in range(rows)])


def framed(axes) -> tuple[float, float, float, float]:
    """(top, left, height, width) of a panel's frame, in cells."""
    [frame] = axes.patches
    left, top = frame.get_xy()
    return top + 0.5, left + 0.5, frame.get_height(), frame.get_width()


def test_a_window_with_its_products_in_its_place() -> None:
    x = np.arange(24.0).reshape(4, 6)
    kernel = np.array([[1, -2], [0.5, 0]])
    found = convolve(x, kernel, bias=1, stride=2, padding=1, dilation=2)
    where, weights, products, output = window_figure(found, 0, 1, 2).axes
    padded = np.pad(x, 1)
    assert np.array_equal(numbers(where), padded)
    assert framed(where) == (2, 4, 3, 3)  # two strides of 2 across, one down; two taps, 2 apart, span 3
    assert np.array_equal(numbers(weights), kernel)
    assert np.array_equal(numbers(products), padded[2:6:2, 4:8:2] * kernel)
    assert np.array_equal(numbers(output), found.output)
    assert framed(output) == (1, 2, 1, 1)
    assert where.get_title() == "Input 4×6, padded to 6×8"


def test_channels_below_each_other_up_to_three() -> None:
    random = np.random.default_rng(0)
    found = convolve(random.integers(0, 5, (8, 3, 3)), random.integers(0, 3, (2, 4, 2, 2)), groups=2)
    figure = window_figure(found, 1, 0, 1)
    assert len(figure.axes) == 3 * 4
    for number, channel in enumerate((4, 5, 6)):  # the second group begins with the fifth channel
        assert np.array_equal(numbers(figure.axes[4 * number]), found.channels[channel])
        assert figure.axes[4 * number].get_title().endswith(f"channel {channel + 1}")
    with pytest.raises(IndexError):
        window_figure(found, 2, 0, 0)


def test_large_matrices_are_pictures() -> None:
    found = convolve(np.random.default_rng(0).normal(size=(20, 20)), [[1.0]])
    where, *_, output = window_figure(found, 0, 3, 4).axes
    assert not where.texts
    assert np.array_equal(where.images[0].get_array(), found.padded[0])
    assert framed(output) == (3, 4, 1, 1)


def test_three_ways_to_a_smaller_map() -> None:
    ways = compare_downsampling(convolve(np.arange(20.0).reshape(4, 5), [[1.0]]), 2)
    figure = downsampling_figure(ways)
    for axes, way in zip(figure.axes[:3], ways, strict=True):
        assert np.array_equal(numbers(axes), way.before)
    for axes, way in zip(figure.axes[3:], ways, strict=True):
        assert np.array_equal(numbers(axes), way.output)


def test_a_bar_for_each_layer() -> None:
    [axes] = stack_fields_figure([conv(3), max_pool(2), conv(3)]).axes
    before, added = axes.containers
    assert [bar.get_width() for bar in before] == [1, 3, 4]
    assert [bar.get_width() for bar in added] == [2, 1, 2 * 2]
    assert [text.get_text() for text in axes.texts] == ["3", "4", "8"]


def test_the_growth_of_a_network() -> None:
    network = catalogue_fields("alexnet")
    [axes] = network_fields_figure(network).axes
    sizes = [
        max(f.local_size) for layer, f in zip(network.layers, network.fields, strict=True) if layer.is_map
    ]
    assert list(axes.lines[0].get_ydata()) == sizes
    assert axes.lines[1].get_ydata()[0] == network.input_px


@pytest.mark.parametrize("side", [2, 3, 5, 40])
def test_the_names_of_the_ways_stay_apart(side: int) -> None:
    figure = downsampling_figure(
        compare_downsampling(convolve(np.arange(float(side * side)).reshape(side, side), [[1.0]]), 2)
    )
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    titles = [
        axes.title.get_window_extent(canvas.get_renderer()) for axes in figure.axes[: len(figure.axes) // 2]
    ]
    assert len(titles) > 2
    assert all(left.x1 < right.x0 for left, right in pairwise(titles))
    assert titles[-1].x1 <= figure.bbox.x1
