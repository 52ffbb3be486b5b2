"""Augmentation against torchvision's transforms, given the same draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import functional as tv

from training.data.augmentation import CROP_PADDING_PX, Draws, augment, draw

FILL = torch.tensor([0.1, 0.2, 0.3])


def some_images(count: int, size: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(
        0, 256, (count, size, size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.sampled_from([8, 13, 32]),
    names=st.sampled_from([("flip",), ("crop",), ("flip", "crop"), ("crop", "flip")]),
)
def test_flip_and_crop_equal_torchvision_bit_for_bit(seed: int, size: int, names: tuple[str, ...]) -> None:
    images = some_images(5, size, seed % 1000)
    draws = draw(names, 5, size, torch.Generator().manual_seed(seed))
    ours = augment(images, draws, FILL)
    for index in range(5):
        image = images[index].permute(2, 0, 1)
        if draws.shift is not None:
            top, left = draws.shift[index].tolist()
            image = tv.crop(tv.pad(image, [CROP_PADDING_PX] * 4), top, left, size, size)
        if draws.flip is not None and draws.flip[index]:
            image = tv.hflip(image)
        assert torch.equal(ours[index], tv.convert_image_dtype(image, torch.float32))


def test_a_flip_swaps_left_and_right_and_nothing_else() -> None:
    image = torch.zeros(1, 8, 8, 3, dtype=torch.uint8)
    image[0, :, 0, 0] = 255  # a red left edge
    image[0, 0, :, 1] = 255  # a green top edge
    flipped = augment(image, Draws(flip=torch.tensor([True])), FILL)[0]
    assert flipped[0, :, 7].eq(1).all()
    assert flipped[0, :, :7].eq(0).all()
    assert flipped[1, 0].eq(1).all()
    assert flipped[2].eq(0).all()


def test_color_jitter_equals_torchvision_in_the_same_order() -> None:
    images = some_images(6, 16)
    draws = draw(("color_jitter",), 6, 16, torch.Generator().manual_seed(3))
    assert draws.jitter is not None
    ours = augment(images, draws, FILL)
    for index in range(6):
        brightness, contrast, saturation = draws.jitter[index].tolist()
        image = images[index].permute(2, 0, 1).float() / 255
        image = tv.adjust_contrast(tv.adjust_brightness(image, brightness), contrast)
        torch.testing.assert_close(ours[index], tv.adjust_saturation(image, saturation), atol=1e-6, rtol=0)


def test_cutout_leaves_the_fill_in_half_the_side_and_clips_at_the_border() -> None:
    images = some_images(2, 16)
    centers = torch.tensor([[8, 5], [0, 15]])
    ours = augment(images, Draws(hole=centers), FILL).numpy()
    for index, (cy, cx) in enumerate(centers.tolist()):
        for y in range(16):
            for x in range(16):
                inside = -4 <= y - cy < 4 and -4 <= x - cx < 4
                wanted = FILL.numpy() if inside else images[index, y, x].numpy().astype(np.float32) / 255
                np.testing.assert_allclose(ours[index, :, y, x], wanted, atol=1e-7)


def test_without_augmentation_images_are_only_scaled() -> None:
    images = some_images(3, 8)
    assert torch.equal(augment(images, Draws(), FILL), images.permute(0, 3, 1, 2) / 255)


def test_draws_cover_their_range_and_taking_some_keeps_them_together() -> None:
    draws = draw(("flip", "crop", "color_jitter", "cutout"), 4000, 32, torch.Generator().manual_seed(0))
    assert draws.flip is not None
    assert draws.shift is not None
    assert draws.jitter is not None
    assert draws.hole is not None
    assert set(draws.shift.flatten().tolist()) == set(range(9))
    assert set(draws.hole.flatten().tolist()) == set(range(32))
    # 4000 fair coins: six standard deviations are 6·sqrt(4000)/2 ≈ 190.
    assert abs(int(draws.flip.sum()) - 2000) < 190
    assert draws.jitter.min() >= 0.8
    assert draws.jitter.max() <= 1.2
    positions = torch.tensor([7, 3])
    some = draws.take(positions)
    assert some.shift is not None
    assert torch.equal(some.shift, draws.shift[[7, 3]])


@pytest.mark.parametrize("names", [("flip",), ("crop",), ("cutout",), ("color_jitter",)])
def test_the_input_is_left_alone(names: tuple[str, ...]) -> None:
    images = some_images(4, 16)
    before = images.clone()
    augment(images, draw(names, 4, 16, torch.Generator().manual_seed(1)), FILL)
    assert torch.equal(images, before)
