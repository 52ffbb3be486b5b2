"""Figures on paper hold the numbers that they are about."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from explorer.convolution.arithmetic import convolve
from explorer.convolution.palette import LIGHT
from explorer.convolution.paper import downsampling_figure, window_figure
from explorer.convolution.pooling import compare_downsampling
from explorer.convolution.views import input_views


def numbers(axes) -> np.ndarray:
    """The matrix whose numbers are written in a panel."""
    texts = {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in axes.texts}
    rows, columns = (max(place[i] for place in texts) + 1 for i in (0, 1))
    return np.array([[float(texts[r, c].replace("−", "-")) for c in range(columns)] for r in range(rows)])


def framed(axes) -> tuple[float, float, float, float]:
    """(top, left, height, width) of the frame around a panel's window, in cells."""
    [frame] = [patch for patch in axes.patches if to_hex(patch.get_edgecolor()) == LIGHT.accent]
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
    assert where.get_title() == "Input 4×6,\npadded with zeros to 6×8"


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


def test_what_is_special_about_a_cell_looks_as_on_the_page() -> None:
    """Cells of a 5×6 input with a ring of padding under every third window of 2×2, as the style sheet colours them."""
    found = convolve(np.arange(30.0).reshape(5, 6), np.ones((2, 2)), stride=3, padding=1)
    where, *_ = window_figure(found, 0, 0, 0).axes
    boxes, strokes = where.collections
    colours = [to_hex(colour) for colour in boxes.get_facecolor()]
    dashed = [style[1] is not None for style in boxes.get_linestyle()]
    view = input_views(found, found.windows[0, 0])[0]
    assert np.array_equal(np.reshape(dashed, view.values.shape), view.padded)
    assert len(strokes.get_segments()) == found.unreached_count > 0
    expected = {("lit",): LIGHT.lit, ("lit", "padded"): LIGHT.lit_padding, ("padded",): LIGHT.ground}
    expected |= {("unread",): LIGHT.unread, (): LIGHT.cell}
    places = np.ndindex(view.values.shape)
    assert colours == [expected[view.marks(*place)] for place in places]
    assert {view.marks(*place) for place in np.ndindex(view.values.shape)} == set(expected)


def test_pictures_say_what_black_and_white_are() -> None:
    found = convolve(np.arange(400.0).reshape(20, 20), [[-1.0]])
    where, *_, output = window_figure(found, 0, 0, 0).axes
    assert where.get_xlabel() == "Black is 0, white is 399."
    padded, *_ = window_figure(convolve(np.arange(400.0).reshape(20, 20), [[-1.0]], stride=2, padding=1)).axes
    assert padded.get_xlabel() == "Black is 0, white is 399. Pale: padding and what no window reads."
    assert output.get_xlabel() == "Black is −399, mid-grey is 0, white is 399."


def test_a_large_map_and_what_comes_of_it_are_pictures_at_one_scale() -> None:
    values = np.random.default_rng(0).normal(size=(20, 20))
    figure = downsampling_figure(compare_downsampling(convolve(values, [[1.0]]), 2))
    most = np.abs(values).max()
    assert [axes.images[0].get_clim() for axes in figure.axes] == [(-most, most)] * 6


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
