"""A map on its image: each cell where its receptive field is, each colour what it says, nothing else touched."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import explorer
from explorer.activations.capture import Activation
from explorer.errors import ExplorerError
from explorer.images.geometry import Placement
from explorer.images.overlay import (
    DIVERGING,
    SEQUENTIAL,
    colour_table,
    colourise,
    default_colormap,
    enlarged,
    overlay,
    place,
    shrunk,
)
from explorer.networks.load import LoadedModel, from_module
from explorer.networks.preprocessing import Preprocess
from tests.conftest import random_image


def one_cell_a_pixel(height: int, width: int) -> Placement:
    return Placement((1.0, 1.0), (0.0, 0.0), (0, 0, height, width))


@dataclass
class View:
    """The least that can be laid on an image."""

    values: np.ndarray
    placement: Placement | None
    limits: tuple[tuple[float, float], ...] = ((0.0, 1.0),)
    signed: bool = False


def impulse(activation: Activation, row: int, column: int) -> np.ndarray:
    values = np.zeros(activation.shape[1:], np.float32)
    values[row, column] = 1
    return values


def peak(placed: np.ndarray) -> tuple[float, float]:
    """The middle of the highest plateau."""
    rows, columns = np.nonzero(placed >= placed.max() - 1e-6)
    return float(rows.mean()), float(columns.mean())


# Where a unit lies.

HEIGHT, WIDTH = 200, 300


def on_image(cell: float, axis: int) -> float:
    """Where a cell of the 224 px input lies on an image of 200×300: by hand.

    Short side to 256: 256×384. The middle 224: from row (256 − 224) / 2 = 16, column (384 − 224) / 2 = 80.
    """
    return (cell + (16, 80)[axis] + 0.5) * (200 / 256) - 0.5


@pytest.mark.parametrize("interpolation", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize(
    ("layer", "stride"),
    # Every kernel of ResNet-18 is odd and padded by half of it, so unit i of a stage is centred on stride · i.
    [("conv1", 2), ("maxpool", 4), ("layer1", 4), ("layer2", 8), ("layer3", 16), ("layer4", 32)],
)
def test_resnet_units_lie_at_the_centre_of_what_they_see(
    resnet18: LoadedModel, layer: str, stride: int, interpolation: str
) -> None:
    found = explorer.capture_activations(resnet18, random_image(0, HEIGHT, WIDTH), [layer])[layer]
    last = 224 // stride - 1
    for row, column in ((1, 2), (last // 2, last - 2), (last - 1, 1)):
        placed = place(impulse(found, row, column), found.placement, HEIGHT, WIDTH, interpolation)  # type: ignore[arg-type]
        assert placed.shape == (HEIGHT, WIDTH)
        assert peak(placed) == pytest.approx((on_image(stride * row, 0), on_image(stride * column, 1)), abs=1)


@pytest.mark.parametrize(
    ("layer", "stride", "start"),
    # TensorFlow pads an even input of stride 2 by k − 2 cells, the lesser half in front: for k = 3 nothing,
    # for k = 5 one. Either way the first unit is centred on cell 1 of its input, so the centre moves by
    # one input cell at each stride: 1, 1 + 2, 3 + 4, 7 + 8, 15 + 16.
    [("conv_stem", 2, 1), ("blocks.1", 4, 3), ("blocks.2", 8, 7), ("blocks.4", 16, 15), ("blocks.6", 32, 31)],
)
def test_units_of_the_bundled_network_lie_at_the_centre_of_what_they_see(
    bundled: LoadedModel, layer: str, stride: int, start: int
) -> None:
    assert bundled.preprocess.crop_px == 224
    assert bundled.preprocess.resize_px == 256
    found = explorer.capture_activations(bundled, random_image(0, HEIGHT, WIDTH), [layer])[layer]
    assert found.shape[1] == 224 // stride
    last = 224 // stride - 2
    for row, column in ((1, 2), (last - 1, 1)):
        placed = place(impulse(found, row, column), found.placement, HEIGHT, WIDTH)
        expected = on_image(start + stride * row, 0), on_image(start + stride * column, 1)
        assert peak(placed) == pytest.approx(expected, abs=1)


@pytest.mark.parametrize(("height", "width"), [(90, 140), (140, 90), (250, 131), (40, 60)])
@pytest.mark.parametrize("framing", ["crop", "stretch"])
def test_a_bright_dot_shines_where_it_is_through_the_whole_chain(
    height: int, width: int, framing: str
) -> None:
    # Kernels like tents, as wide as two strides: wherever between units the dot is, the units that see it
    # share it so that their centre of mass is the dot.
    class Tents(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Conv2d(3, 1, 3, stride=2, padding=1, bias=False)
            self.b = nn.Conv2d(1, 1, 7, stride=4, bias=False)
            for layer, tent in ((self.a, [1.0, 2, 1]), (self.b, [1.0, 2, 3, 4, 3, 2, 1])):
                layer.weight.data[:] = torch.outer(torch.tensor(tent), torch.tensor(tent))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.b(self.a(x)).mean((2, 3))

    preprocess = Preprocess(resize_px=140, crop_px=128, mean=(0.0,) * 3, std=(1.0,) * 3)
    model = from_module(Tents(), preprocess, ["a"], name="tents", weights="tents")
    image = np.zeros((height, width, 3), np.uint8)
    y, x = height // 2 - 7, width // 2 + 9
    image[y, x] = 255
    acts = explorer.capture_activations(model, image, ["a", "b"], framing=framing)  # type: ignore[arg-type]
    for act in acts.values():
        placed = place(act.values.mean(axis=0), act.placement, height, width).astype(np.float64)
        rows, columns = np.indices(placed.shape)
        centre = (placed * rows).sum() / placed.sum(), (placed * columns).sum() / placed.sum()
        assert centre == pytest.approx((y, x), abs=0.5)


@pytest.mark.parametrize("corner", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize(("height", "width"), [(60, 110), (110, 60)])
def test_a_red_corner_stays_red_and_in_its_corner(corner: tuple[int, int], height: int, width: int) -> None:
    image = np.full((height, width, 3), (0, 0, 200), np.uint8)
    rows = slice(0, 20) if corner[0] == 0 else slice(height - 20, height)
    columns = slice(0, 20) if corner[1] == 0 else slice(width - 20, width)
    image[rows, columns] = (250, 0, 0)

    class Red(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pick = nn.Conv2d(3, 3, 1, bias=False)
            self.pick.weight.data = torch.eye(3)[:, :, None, None]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.pick(x).mean((2, 3))

    preprocess = Preprocess(resize_px=48, crop_px=48, mean=(0.0,) * 3, std=(1.0,) * 3, framing="stretch")
    model = from_module(Red(), preprocess, list("rgb"), name="red", weights="ones")
    act = explorer.capture_activations(model, image, ["pick"])["pick"]
    red = explorer.reduce(act, "channel", channel=0)
    inside = np.zeros((height, width), bool)
    inside[rows, columns] = True

    # The activation of the red channel is where the red is, …
    placed = place(red.values, red.placement, height, width)
    assert placed[inside].mean() > 10 * placed[~inside].mean()
    # … laid over thinly, the picture's own red stays red and its blue blue, …
    thin = overlay(image, red, alpha=0.1).astype(int)
    assert (thin[inside][:, 0] > thin[inside][:, 2]).all()
    assert (thin[~inside][:, 2] > thin[~inside][:, 0]).all()
    # … and three values shown as colours are red, green and blue in this order.
    as_colours = View(act.values.transpose(1, 2, 0), act.placement, ((0.0, 1.0),) * 3)
    solid = overlay(image, as_colours, alpha=1.0).astype(int)
    deep_inside = solid[rows, columns][6:-6, 6:-6].reshape(-1, 3)
    assert np.abs(deep_inside - (250, 0, 0)).max() <= 2


# Resampling.


def by_hand(values: np.ndarray, placement: Placement, height: int, width: int, how: str) -> np.ndarray:
    """One pixel at a time: the cell under it, and between cells a straight line; at the edge the edge cell."""
    rows, columns = values.shape
    result = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            i, j = placement.to_cell(y, x)
            i, j = min(max(i, 0), rows - 1), min(max(j, 0), columns - 1)
            if how == "nearest":
                result[y, x] = values[round(i), round(j)]
                continue
            i0, j0 = min(int(i), rows - 2) if rows > 1 else 0, min(int(j), columns - 2) if columns > 1 else 0
            i1, j1 = min(i0 + 1, rows - 1), min(j0 + 1, columns - 1)
            top = values[i0, j0] * (1 - (j - j0)) + values[i0, j1] * (j - j0)
            bottom = values[i1, j0] * (1 - (j - j0)) + values[i1, j1] * (j - j0)
            result[y, x] = top * (1 - (i - i0)) + bottom * (i - i0)
    return result


@settings(max_examples=40)
@given(
    rows=st.integers(1, 6),
    columns=st.integers(1, 6),
    height=st.integers(8, 24),
    width=st.integers(8, 24),
    scale=st.tuples(st.floats(1.1, 9), st.floats(1.1, 9)),
    offset=st.tuples(st.floats(-6, 12), st.floats(-6, 12)),
    how=st.sampled_from(["nearest", "linear"]),
    seed=st.integers(0, 9),
)
def test_resampling_is_that_of_a_plain_loop(
    rows: int,
    columns: int,
    height: int,
    width: int,
    scale: tuple[float, float],
    offset: tuple[float, float],
    how: str,
    seed: int,
) -> None:
    values = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    placement = Placement(scale, offset, (0, 0, height, width))
    placed = place(values, placement, height, width, how)  # type: ignore[arg-type]
    expected = by_hand(values, placement, height, width, how)
    if how == "linear":
        # OpenCV may place a pixel within 1/32 of a cell, no worse.
        assert np.abs(placed - expected).max() <= np.ptp(values) * 2 / 32 + 1e-5
        return
    # A pixel on the border of two cells may belong to either.
    cells = [placement.to_cell(y, x) for y in range(height) for x in range(width)]
    clear = np.array([all(abs(c % 1 - 0.5) > 0.05 for c in cell) for cell in cells]).reshape(height, width)
    np.testing.assert_array_equal(placed[clear], expected[clear])


def test_on_its_own_grid_a_map_is_itself() -> None:
    values = np.random.default_rng(0).normal(size=(13, 17)).astype(np.float32)
    for how in ("nearest", "linear", "cubic"):
        np.testing.assert_allclose(
            place(values, one_cell_a_pixel(13, 17), 13, 17, how),
            values,
            atol=1e-6,  # type: ignore[arg-type]
        )


@given(
    values=st.lists(st.floats(-100, 100, width=32), min_size=30, max_size=30),
    scale=st.floats(0.3, 12),
    offset=st.floats(-10, 10),
)
def test_no_resampling_leaves_the_range(values: list[float], scale: float, offset: float) -> None:
    map_ = np.array(values, np.float32).reshape(5, 6)
    for how in ("nearest", "linear", "cubic"):
        placed = place(map_, Placement((scale, scale), (offset, offset), (0, 0, 20, 30)), 20, 30, how)  # type: ignore[arg-type]
        slack = 1e-5 * (1 + np.abs(map_).max())
        assert placed.min() >= map_.min() - slack
        assert placed.max() <= map_.max() + slack


def test_cubic_would_overshoot_and_is_clipped_colour_by_colour() -> None:
    step = np.zeros((6, 6, 3), np.float32)
    step[:, 3:, 0] = 1
    step[3:, :, 1] = 10
    placed = place(step, Placement((8, 8), (3.5, 3.5), (0, 0, 48, 48)), 48, 48, "cubic")
    assert placed[..., 0].max() == 1
    assert placed[..., 0].min() == 0
    assert placed[..., 1].max() == 10
    assert placed[..., 2].max() == 0


@pytest.mark.parametrize("finer", [2, 3, 4, 5])
def test_cells_finer_than_pixels_are_averaged_where_they_are(finer: int) -> None:
    # ``finer`` cells a pixel: pixel y covers cells finer·y to finer·y + finer − 1.
    size = 12
    placement = Placement((1 / finer,) * 2, ((1 - finer) / 2 / finer,) * 2, (0, 0, size, size))
    rng = np.random.default_rng(0)
    values = rng.normal(size=(size * finer, size * finer)).astype(np.float32)
    expected = values.reshape(size, finer, size, finer).mean(axis=(1, 3))
    placed = place(values, placement, size, size)
    np.testing.assert_allclose(placed[1:-1, 1:-1], expected[1:-1, 1:-1], atol=2e-2)
    # A stripe of single cells, seen at every n-th only, would be all or nothing.
    stripes = np.tile(np.array([1.0] + [0.0] * (finer - 1), np.float32), (size * finer, size))
    assert np.ptp(place(stripes, placement, size, size)[1:-1, 1:-1]) < 0.1


def test_a_window_is_a_part_of_the_whole() -> None:
    values = np.random.default_rng(0).normal(size=(7, 9)).astype(np.float32)
    placement = Placement((6.3, 4.1), (2.2, -1.0), (0, 0, 40, 35))
    whole = place(values, placement, 40, 35, "cubic")
    part = place(values, placement, 40, 35, "cubic", window=(5, 10, 33, 30))
    np.testing.assert_allclose(part, whole[5:33, 10:30], atol=1e-4)


def test_the_map_is_only_read() -> None:
    values = np.random.default_rng(0).normal(size=(7, 9)).astype(np.float32)
    before = values.copy()
    values.flags.writeable = False
    view = View(values, Placement((5, 5), (0, 0), (0, 0, 30, 40)))
    image = random_image(0, 30, 40)
    kept = image.copy()
    overlay(image, view)
    np.testing.assert_array_equal(values, before)
    np.testing.assert_array_equal(image, kept)


# Colours.


def test_a_colour_map_is_matplotlibs() -> None:
    for name in (*SEQUENTIAL, *DIVERGING):
        expected = (matplotlib.colormaps[name](np.arange(256))[:, :3] * 255).round()
        assert np.abs(colour_table(name).astype(int) - expected).max() <= 1


def test_values_get_the_colour_of_their_share_of_the_scale() -> None:
    values = np.array([[-5.0, 0.0, 1.0, 2.0, 3.0, 99.0]], np.float32)
    coloured = colourise(values, ((0.0, 4.0),), "gray")[0, :, 0]
    assert coloured.tolist() == pytest.approx([0, 0, 64, 128, 191, 255], abs=1)
    table = colour_table("magma")
    np.testing.assert_array_equal(colourise(values, ((0.0, 4.0),), "magma")[0, [0, 5]], table[[0, 255]])


def test_zero_is_the_middle_of_a_diverging_map() -> None:
    coloured = colourise(np.array([[-1.0, 0.0, 1.0]], np.float32), ((-1.0, 1.0),), "RdBu_r")[0].astype(int)
    assert coloured[0, 2] > coloured[0, 0]  # blue below
    assert coloured[2, 0] > coloured[2, 2]  # red above
    assert np.ptp(coloured[1]) <= 2  # grey at zero


def test_three_values_are_scaled_each_by_its_own_limits() -> None:
    values = np.array([[[0.0, -10.0, 5.0], [1.0, 10.0, 5.0], [0.5, 0.0, 5.0]]], np.float32)
    coloured = colourise(values, ((0.0, 1.0), (-10.0, 10.0), (5.0, 5.0)))[0]
    assert coloured.tolist()[:2] == [[0, 0, 128], [255, 255, 128]]
    assert np.abs(coloured[2].astype(int) - 128).max() <= 1


def test_a_flat_map_has_one_colour() -> None:
    for limits in ((3.0, 3.0), (0.0, 0.0), (5.0, 1.0)):
        coloured = colourise(np.full((4, 5), 3.0, np.float32), (limits,), "viridis")
        assert np.ptp(coloured.reshape(-1, 3), axis=0).max() == 0


def test_signed_maps_get_a_diverging_map_by_default() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    plain = View(np.zeros((8, 8), np.float32), one_cell_a_pixel(8, 8), ((-1.0, 1.0),), signed=True)
    assert default_colormap(plain) in DIVERGING
    grey = overlay(image, plain, alpha=1.0)
    assert np.ptp(grey.reshape(-1, 3).astype(int), axis=1).max() <= 2
    assert default_colormap(View(plain.values, plain.placement)) in SEQUENTIAL


# Blending.


def test_alpha_0_is_the_image_and_1_the_map() -> None:
    image = random_image(0, 30, 40)
    values = np.linspace(0, 1, 35, dtype=np.float32).reshape(5, 7)
    view = View(values, Placement((6, 6), (2.5, 2.5), (0, 0, 30, 40)))
    np.testing.assert_array_equal(overlay(image, view, alpha=0), image)
    solid = colourise(place(values, view.placement, 30, 40), view.limits, "viridis")
    np.testing.assert_array_equal(overlay(image, view, alpha=1), solid)
    half = (image.astype(float) + solid) / 2
    assert np.abs(overlay(image, view, alpha=0.5) - half).max() <= 1
    quarter = 0.75 * image.astype(float) + 0.25 * solid
    assert np.abs(overlay(image, view, alpha=0.25) - quarter).max() <= 1


def test_outside_of_what_the_network_saw_the_image_is_untouched() -> None:
    image = random_image(0, 50, 80)
    view = View(np.ones((5, 5), np.float32), Placement((10, 10), (4.5, 19.5), (3, 15, 47, 66)))
    result = overlay(image, view, alpha=0.8)
    seen = np.zeros((50, 80), bool)
    seen[3:47, 15:66] = True
    np.testing.assert_array_equal(result[~seen], image[~seen])
    assert (result[seen] != image[seen]).any(axis=-1).mean() > 0.95
    assert result.shape == image.shape
    assert result.dtype == np.uint8


def test_one_scale_shows_a_weak_map_weak() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    weak = View(np.full((8, 8), 1.0, np.float32), one_cell_a_pixel(8, 8), ((0.0, 1.0),))
    alone = overlay(image, weak, alpha=1, colormap="gray")
    beside_strong = overlay(image, weak, alpha=1, colormap="gray", limits=((0.0, 100.0),))
    assert alone.min() == 255
    assert beside_strong.max() <= 4


def test_nothing_seen_nothing_laid_over() -> None:
    image = random_image(0, 20, 30)
    view = View(np.ones((2, 2), np.float32), Placement((5, 5), (0, 0), (4, 4, 4, 4)))
    np.testing.assert_array_equal(overlay(image, view), image)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_an_opacity_out_of_range(alpha: float) -> None:
    with pytest.raises(ExplorerError, match="opacity"):
        overlay(random_image(0, 20, 30), View(np.ones((2, 2), np.float32), one_cell_a_pixel(20, 30)), alpha)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [({"colormap": "jet"}, "'jet' is unknown; choose one of"), ({"interpolation": "bicubic"}, "'bicubic'")],
)
def test_unknown_names(options: dict[str, str], sentence: str) -> None:
    view = View(np.ones((2, 2), np.float32), one_cell_a_pixel(20, 30))
    with pytest.raises(ExplorerError, match=sentence):
        overlay(random_image(0, 20, 30), view, **options)  # type: ignore[arg-type]


def test_a_view_of_another_image_is_refused() -> None:
    view = View(np.ones((5, 5), np.float32), Placement((10, 10), (0, 0), (0, 0, 50, 80)))
    with pytest.raises(ExplorerError, match="30×20 px is smaller than the one that the view was made of"):
        overlay(random_image(0, 20, 30), view)


def test_a_view_without_a_place_is_refused() -> None:
    with pytest.raises(ExplorerError, match="has no place on an image"):
        overlay(random_image(0, 20, 30), explorer.reduce(np.ones((4, 5, 5), np.float32), "mean"))


# Larger and smaller.


def test_enlarged_repeats_pixels() -> None:
    pixels = random_image(0, 10, 20)[::5, ::5].copy()  # 2×4
    np.testing.assert_array_equal(enlarged(pixels, 10), pixels.repeat(3, axis=0).repeat(3, axis=1))
    assert enlarged(pixels, 4) is pixels


def test_shrunk_averages_and_keeps_the_proportions() -> None:
    image = random_image(0, 40, 80)
    small = shrunk(image, 20)
    assert small.shape == (10, 20, 3)
    expected = image.reshape(10, 4, 20, 4, 3).mean(axis=(1, 3))
    assert np.abs(small - expected).max() <= 1
    assert shrunk(image, 80) is image
