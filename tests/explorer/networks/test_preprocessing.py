"""Preprocessing: the tensor is torchvision's own, and its cells lie on the image where they are said to."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

from explorer.errors import ExplorerError
from explorer.networks.catalogue import catalogue, torchvision_weights
from explorer.networks.load import LoadedModel
from explorer.networks.preprocessing import Preprocess
from tests.conftest import random_image

PLAIN = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def each_preset_once() -> list[str]:
    """One network for every preprocessing that torchvision's best weights ask for."""
    first: dict[str, str] = {}
    for name, info in catalogue().items():
        if info.url is not None:
            first.setdefault(repr(torchvision_weights(name).transforms()), name)
    return sorted(first.values())


@pytest.mark.parametrize("name", each_preset_once())
@pytest.mark.parametrize("size", [(300, 200), (200, 301), (96, 640)])
def test_the_tensor_is_torchvisions_to_the_last_bit(name: str, size: tuple[int, int]) -> None:
    image = random_image(3, *size)
    theirs = torchvision_weights(name).transforms()
    ours = Preprocess.from_torchvision(theirs)
    assert torch.equal(ours(image), theirs(Image.fromarray(image))[None])


def test_stretch_takes_the_whole_image() -> None:
    image = random_image(1, 60, 150)
    batch = Preprocess(resize_px=40, crop_px=32, framing="stretch", **PLAIN)(image)
    pil = F.resize(Image.fromarray(image), [32, 32], InterpolationMode.BILINEAR)
    assert torch.equal(batch, F.to_tensor(pil)[None])


def test_framing_can_be_chosen_for_one_call() -> None:
    image = random_image(1, 60, 150)
    by_default = Preprocess(resize_px=40, crop_px=32, **PLAIN)
    stretched = Preprocess(resize_px=40, crop_px=32, framing="stretch", **PLAIN)
    assert torch.equal(by_default(image, "stretch"), stretched(image))
    assert torch.equal(stretched(image, "crop"), by_default(image))
    assert by_default.placement(60, 150, "stretch") == stretched.placement(60, 150)


def positions_seen(
    height: int, width: int, resize_px: int, crop_px: int, framing: str
) -> tuple[np.ndarray, np.ndarray]:
    """The image row and column that each cell of the input shows, by sending the coordinates themselves through.

    Resampling keeps a straight ramp straight but for its discrete weights, so the value that arrives in a cell
    is the position it was taken from. Where its window reaches over the image's edge: NaN.
    """
    found = []
    for axis, size in ((0, height), (1, width)):
        shape = (1, height, 1) if axis == 0 else (1, 1, width)
        ramp = torch.arange(size, dtype=torch.float64).reshape(shape).expand(1, height, width)
        if framing == "stretch":
            seen = F.resize(ramp, [crop_px, crop_px], antialias=True)
        else:
            seen = F.center_crop(F.resize(ramp, [resize_px], antialias=True), [crop_px])
        line = (seen[0, :, 0] if axis == 0 else seen[0, 0]).numpy()
        window = 1.5 * max(1.0, float(np.diff(line).max()))
        found.append(np.where((line > window) & (line < size - 1 - window), line, np.nan))
    return found[0], found[1]


@settings(max_examples=200)
@given(
    height=st.integers(20, 400),
    width=st.integers(20, 400),
    crop=st.integers(16, 64),
    extra=st.integers(0, 30),
    framing=st.sampled_from(["crop", "stretch"]),
)
def test_cells_lie_on_the_pixels_they_were_taken_from(
    height: int, width: int, crop: int, extra: int, framing: str
) -> None:
    preprocess = Preprocess(resize_px=crop + extra, crop_px=crop, framing=framing, **PLAIN)  # type: ignore[arg-type]
    placement = preprocess.placement(height, width)
    rows, columns = positions_seen(height, width, crop + extra, crop, framing)
    cells = np.arange(crop)
    ys, xs = placement.to_image(cells, cells)  # type: ignore[arg-type]
    assert np.nanmax(np.abs(ys - rows), initial=0) < 0.15
    assert np.nanmax(np.abs(xs - columns), initial=0) < 0.15
    back = placement.to_cell(*placement.to_image(3, 5))
    assert back == pytest.approx((3, 5))


@pytest.mark.parametrize(("height", "width"), [(120, 200), (200, 120), (40, 70), (64, 64)])
@pytest.mark.parametrize("framing", ["crop", "stretch"])
def test_a_marked_pixel_arrives_where_the_placement_says(height: int, width: int, framing: str) -> None:
    preprocess = Preprocess(resize_px=72, crop_px=64, framing=framing, **PLAIN)  # type: ignore[arg-type]
    placement = preprocess.placement(height, width)
    top, left, bottom, right = placement.seen
    for share_y, share_x in ((0.2, 0.3), (0.5, 0.5), (0.7, 0.85)):
        y, x = int(top + share_y * (bottom - top)), int(left + share_x * (right - left))
        image = np.zeros((height, width, 3), np.uint8)
        image[y - 2 : y + 3, x - 2 : x + 3] = 255
        response = preprocess(image)[0].sum(dim=0).numpy().astype(np.float64)
        rows, columns = np.indices(response.shape)
        centre = (response * rows).sum() / response.sum(), (response * columns).sum() / response.sum()
        assert placement.to_image(*centre) == pytest.approx((y, x), abs=0.1)


@pytest.mark.parametrize(("height", "width"), [(50, 90), (90, 50), (200, 130), (64, 64), (300, 301)])
@pytest.mark.parametrize("framing", ["crop", "stretch"])
def test_seen_is_what_the_network_sees(height: int, width: int, framing: str) -> None:
    preprocess = Preprocess(resize_px=72, crop_px=64, framing=framing, **PLAIN)  # type: ignore[arg-type]
    top, left, bottom, right = preprocess.placement(height, width).seen
    assert 0 <= top < bottom <= height
    assert 0 <= left < right <= width
    image = random_image(5, height, width)
    before = preprocess(image)

    def matters(rows: slice, columns: slice) -> bool:
        changed = image.copy()
        changed[rows, columns] = 255 - changed[rows, columns]
        return not torch.equal(preprocess(changed), before)

    inside_rows, inside_columns = slice(top, bottom), slice(left, right)
    assert matters(slice(top, top + 1), inside_columns)
    assert matters(slice(bottom - 1, bottom), inside_columns)
    assert matters(inside_rows, slice(left, left + 1))
    assert matters(inside_rows, slice(right - 1, right))
    # A cell just inside the crop is interpolated from pixels up to one cell (or one pixel) further out.
    reach = 2 + int(max(1.0, *preprocess.placement(height, width).scale))
    everything = slice(None)
    if top > reach:
        assert not matters(slice(0, top - reach), everything)
        assert not matters(slice(bottom + reach, None), everything)
    if left > reach:
        assert not matters(everything, slice(0, left - reach))
        assert not matters(everything, slice(right + reach, None))


def test_an_image_of_the_networks_own_size_is_seen_as_it_is(bundled: LoadedModel) -> None:
    image, preprocess = random_image(2, 224, 224), bundled.preprocess
    batch = preprocess(image, "stretch")[0].permute(1, 2, 0).numpy()
    seen = batch * np.array(preprocess.std) + np.array(preprocess.mean)
    np.testing.assert_array_equal(np.rint(255 * seen), image)


def test_the_batch_is_float32_and_normalised() -> None:
    grey = np.full((40, 60, 3), 128, np.uint8)
    batch = Preprocess(resize_px=32, crop_px=32, mean=(0.5, 0.4, 0.3), std=(0.5, 0.25, 0.1))(grey)
    assert batch.shape == (1, 3, 32, 32)
    assert batch.dtype == torch.float32
    value = 128 / 255
    for channel, expected in enumerate(((value - 0.5) / 0.5, (value - 0.4) / 0.25, (value - 0.3) / 0.1)):
        assert batch[0, channel].flatten().tolist() == pytest.approx([expected] * 32 * 32, abs=1e-6)


def test_an_unknown_framing_is_refused() -> None:
    with pytest.raises(ExplorerError, match="'zoom' is unknown; choose 'crop' or 'stretch'"):
        Preprocess(resize_px=32, crop_px=32, **PLAIN)(random_image(0), "zoom")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((40, 50), np.uint8),
        np.zeros((40, 50, 3), np.float32),
        np.zeros((40, 50, 4), np.uint8),
        "pug.jpg",
    ],
)
def test_what_is_no_image_is_sent_to_read_image(image: object) -> None:
    with pytest.raises(ExplorerError, match="read_image"):
        Preprocess(resize_px=32, crop_px=32, **PLAIN)(image)  # type: ignore[arg-type]
