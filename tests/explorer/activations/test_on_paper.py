"""Channels, vectors, layers side by side and the table of layers, as pictures and text to hand in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import explorer
from explorer.activations.capture import Activation
from explorer.activations.channel_grid import channel_grid, channel_grid_picture, describe_channel_grid
from explorer.activations.channel_grid import tiles as grid_tiles
from explorer.activations.largest_values import (
    describe_largest_values,
    largest_values,
    largest_values_picture,
)
from explorer.activations.layer_comparison import (
    compare_layers,
    describe_layer_comparison,
    layer_comparison_picture,
)
from explorer.activations.layer_comparison import tiles as layer_tiles
from explorer.errors import ExplorerError
from explorer.images.contact_sheet import contact_sheet, letters
from explorer.images.geometry import Placement
from explorer.images.overlay import colour_table
from explorer.layers.architecture import LayerSummary, architecture
from explorer.layers.architecture_words import architecture_table, describe_network
from explorer.session.steps import MAX_TEXT

WHITE = (255, 255, 255)


def activation(values: Any, name: str = "layer") -> Activation:
    values = np.asarray(values, np.float32)
    height, width = values.shape[1:]
    whole = Placement((60 / height, 60 / width), (0.0, 0.0), (0, 0, 60, 60))
    return Activation(name, "Conv2d", values, whole)


def find(picture: np.ndarray, sheet: np.ndarray) -> list[tuple[int, int]]:
    """Where on the sheet the picture stands, pixel for pixel."""
    height, width = picture.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(sheet, (height, width, 3))[:, :, 0]
    return [(int(y), int(x)) for y, x in np.argwhere((windows == picture).all(axis=(2, 3, 4)))]


@given(
    st.lists(st.tuples(st.integers(3, 20), st.integers(20, 60)), min_size=1, max_size=7), st.integers(1, 4)
)
def test_pictures_stand_on_the_sheet_as_they_are_in_rows(sizes: list[tuple[int, int]], columns: int) -> None:
    noise = np.random.default_rng(0)
    pictures = [noise.integers(0, 255, (*size, 3), np.uint8) for size in sizes]
    sheet = contact_sheet(pictures, [""] * len(pictures), columns)
    places = [find(picture, sheet) for picture in pictures]
    assert all(len(place) == 1 for place in places)
    corners = [place[0] for place in places]
    assert corners == sorted(corners)
    assert len({x for _, x in corners}) == min(columns, len(pictures))
    assert len({y for y, _ in corners}) == -(-len(pictures) // columns)
    covered = np.zeros(sheet.shape[:2], int)
    for (y, x), (height, width) in zip(corners, sizes, strict=True):
        covered[y : y + height, x : x + width] += 1
    assert covered.max() == 1
    assert (sheet[covered == 0] == 255).all()


def test_captions_stay_below_their_picture_and_are_not_cut() -> None:
    grey = np.full((30, 120, 3), 128, np.uint8)
    name = "features.denseblock3.denselayer12.conv2.padded"
    one, two = contact_sheet([grey], ["layer1"], 1), contact_sheet([grey], [name], 1)
    # Of a name more than twice as wide as its picture nothing is lost: it goes on in two more lines.
    needed = letters(11).getlength(name) / 120
    assert 2.1 < needed < 2.9
    assert two.shape[0] - one.shape[0] == 2 * sum(letters(11).getmetrics())
    left, right = find(grey, two)[0][1], find(grey, two)[0][1] + 120
    ink = (two < 128).all(axis=2)
    assert ink.any()
    assert not ink[:, :left].any()
    assert not ink[:, right + 1 :].any()


@pytest.mark.parametrize(
    ("pictures", "captions", "columns"),
    [(0, 0, 3), (2, 1, 3), (2, 2, 0)],
    ids=["none", "captions", "columns"],
)
def test_a_sheet_that_cannot_be_laid_out(pictures: int, captions: int, columns: int) -> None:
    with pytest.raises(ExplorerError, match="can't be laid out"):
        contact_sheet([np.zeros((9, 9, 3), np.uint8)] * pictures, [""] * captions, columns)


def test_the_grid_shows_the_strongest_channels_on_one_scale() -> None:
    # Mean squares 1, 9, 4, 0; the lowest of all values is −3.
    values = np.stack([np.full((2, 3), v, np.float32) for v in (1, -3, 2, 0)])
    grid = channel_grid(activation(values), 3)
    assert grid.channels == (1, 2, 0)
    assert grid.limits == ((-3.0, 3.0),)
    table = colour_table("RdBu_r")
    shown = grid_tiles(grid)
    assert [caption for _, caption in shown] == ["#1: −3", "#2: 2", "#0: 1"]
    assert (shown[0][0] == table[0]).all()
    # 2 lies at 5/6 of the scale from −3 to 3.
    assert np.abs(shown[1][0].astype(int) - table[round(255 * 5 / 6)]).max() <= 8
    assert "3 of 4 channels" in describe_channel_grid(grid)
    sheet = channel_grid_picture(grid)
    corners = [find(picture, sheet)[0] for picture, _ in shown]
    assert len({y for y, _ in corners}) == 1
    assert corners == sorted(corners)


def test_a_grid_without_negative_values_starts_at_zero() -> None:
    grid = channel_grid(activation([[[1, 2]], [[3, 4]]]), 24)
    assert (grid.limits, grid.signed, grid.colormap) == (((0.0, 4.0),), False, "viridis")
    assert not np.array_equal(channel_grid_picture(grid), channel_grid_picture(grid, "magma"))


def test_a_grid_of_no_numbers_is_refused() -> None:
    with pytest.raises(ExplorerError, match="NaN"):
        channel_grid(activation([[[1, np.nan]]]))


def test_the_values_furthest_from_zero_come_first() -> None:
    vector = activation(np.array([0.5, -4, 2, 0]).reshape(4, 1, 1))
    units = largest_values(vector, ["a", "b", "c", "d"], 3)
    assert [(unit.index, unit.name, unit.value) for unit in units] == [
        (1, "b", -4),
        (2, "c", 2),
        (0, "a", 0.5),
    ]
    assert [unit.name for unit in largest_values(vector, ["too", "few"], 2)] == ["unit 1", "unit 2"]
    sentence = describe_largest_values(vector, units).splitlines()
    assert [line.split() for line in sentence[1:]] == [["−4", "1", "b"], ["2", "2", "c"], ["0.5", "0", "a"]]


def test_bars_are_as_long_as_their_values() -> None:
    units = largest_values(activation(np.array([8.0, 4, 2, 0]).reshape(4, 1, 1)))
    sheet = largest_values_picture(units)
    filled = (sheet == (13, 148, 136)).all(axis=2).sum(axis=1)
    lengths = [int(length) for length in filled if length]
    # Rows of pixels of one bar follow each other: each length once.
    assert list(dict.fromkeys(lengths)) == [560, 280, 140]


def test_zeros_and_long_names_make_bars_too() -> None:
    zero = largest_values(activation(np.zeros((3, 1, 1))), ["$x$", "ü" * 300, "line\nbreak"])
    sheet = largest_values_picture(zero)
    assert not (sheet == (13, 148, 136)).all(axis=2).any()
    # What doesn't fit ends before the number at the right, which stays readable.
    assert (sheet[:, -10:] == 255).all()
    assert len(describe_largest_values(activation(np.zeros((3, 1, 1))), zero).splitlines()) == 4


def test_bars_are_the_same_whatever_a_notebook_sets() -> None:
    """Letters that the font lacks are marks, and nothing is said of them on the way."""
    import matplotlib

    units = largest_values(
        activation(np.array([3.0, -2, 1]).reshape(3, 1, 1)), ["cat", "$a$", "\u732b \u05d7"]
    )
    sheet = largest_values_picture(units)
    assert sheet.shape == (34 * 3 + 20, 580, 3)
    settings = {
        "font.family": "serif",
        "patch.edgecolor": "red",
        "patch.force_edgecolor": True,
        "axes.xmargin": 1,
    }
    with matplotlib.rc_context(settings):
        assert np.array_equal(largest_values_picture(units), sheet)
    unlike = largest_values(activation(np.array([3.0, -2, 1]).reshape(3, 1, 1)), ["cat", "$a$", ""])
    assert not np.array_equal(largest_values_picture(unlike), sheet)


def two_layers() -> dict[str, Activation]:
    return {
        "first": activation([[[0, 1], [2, 10]]], "first"),
        "second": activation([[[-2, 1], [0, 1]]], "second"),
    }


def test_one_scale_is_one_colour_map() -> None:
    """A layer without negative values beside one with them: equal values get equal colours."""
    compared = compare_layers(two_layers(), "mean", one_scale=True)
    assert compared.limits == ((-10.0, 10.0),)
    assert compared.colormap == "RdBu_r"
    black = np.zeros((60, 60, 3), np.uint8)
    (first, caption), (second, _) = layer_tiles(black, compared)
    assert caption == "first 0 to 10"
    # The value 1 at the top right of both, at the centre of its cell.
    assert (first[0, 30] == second[0, 30]).all()
    assert "All on one colour scale from −10 to 10." in describe_layer_comparison(compared)


def test_each_its_own_scale() -> None:
    compared = compare_layers(two_layers(), "mean")
    assert (compared.limits, compared.colormap) == (None, None)
    assert [view.limits for view in compared.views] == [((0.0, 10.0),), ((-2.0, 2.0),)]
    assert len(describe_layer_comparison(compared).splitlines()) == 2


def test_components_share_no_scale() -> None:
    assert compare_layers(two_layers(), "pca", one_scale=True).limits is None


def test_layers_stand_side_by_side() -> None:
    image = np.random.default_rng(1).integers(0, 255, (60, 60, 3), np.uint8)
    compared = compare_layers(two_layers(), "mean")
    sheet = layer_comparison_picture(image, compared)
    expected = [explorer.overlay(image, view, 0.7) for view in compared.views]
    (y1, x1), (y2, x2) = (find(picture, sheet)[0] for picture in expected)
    assert y1 == y2
    assert x1 < x2


def test_no_layer_is_no_comparison() -> None:
    with pytest.raises(ExplorerError, match="no layer"):
        compare_layers({})


def rows_of(sentence: str) -> list[tuple[str, str, str]]:
    """(shape, parameters, rest) of each row, its lines put together again."""
    head = sentence.splitlines()[0]
    middle, last = head.index("Parameters"), head.index("Layer:")
    rows: list[tuple[str, str, str]] = []
    for line in sentence.splitlines()[1:]:
        listed = line[: middle - 1].strip(), line[middle - 1 : last].strip(), line[last:]
        if any(listed[:2]) or ": " in listed[2]:
            rows.append(listed)
        else:
            rows[-1] = (*rows[-1][:2], f"{rows[-1][2]} {listed[2]}")
    return rows


def test_the_table_has_every_layer_and_adds_up(small_resnet18: Any) -> None:
    layers = architecture(small_resnet18)
    sentence = architecture_table(layers)
    rows = rows_of(sentence)
    assert max(map(len, sentence.splitlines())) <= 92
    assert [rest.split(":")[0] for _, _, rest in rows[:-1]] == [layer.name for layer in layers]
    # 64 filters of 3×7×7 with stride 2 on 64 px; all of ResNet-18 as torchvision documents it.
    first = "conv1: Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)"
    assert rows[0] == ("64 × 32 × 32", "9,408", first)
    assert rows[-1] == ("", "11,689,512", "all layers")
    counts = [int(listed.replace(",", "")) for _, listed, _ in rows if listed]
    assert sum(counts[:-1]) == counts[-1]
    assert "11,689,512 trainable parameters" in describe_network(small_resnet18, layers)


@given(st.integers(1, 900), st.integers(1, 120))
def test_a_table_that_is_too_long_says_what_it_leaves_out(count: int, width: int) -> None:
    layers = [LayerSummary(f"layer{i}", "Conv2d", "x" * width, (i + 1, 2, 2), i) for i in range(count)]
    sentence = architecture_table(layers)
    assert len(sentence) <= MAX_TEXT - 500
    rows = rows_of(sentence)
    shown = [int(rest.split(":")[0].removeprefix("layer")) for _, _, rest in rows if ": " in rest]
    missing = sorted(set(range(count)) - set(shown))
    assert shown == sorted(shown)
    assert rows[-1][1] == f"{sum(range(count)):,}"
    if missing:
        # Some from the middle, one after the other, and not more than it must: the table is long because it is full.
        assert missing == list(range(missing[0], missing[-1] + 1))
        assert 0 < missing[0] <= missing[-1] < count - 1
        assert ("…", f"{sum(missing):,}", f"({len(missing)} more layers)") in rows
        assert len(sentence) > MAX_TEXT - 2_000
