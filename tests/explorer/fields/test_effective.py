"""The effective field against gradients that can be written down, and its share in the central half."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from explorer.errors import ExplorerError
from explorer.fields.effective import central_half, effective_receptive_field, share_within
from explorer.networks.load import LoadedModel, from_module, load_model
from explorer.networks.preprocessing import Preprocess

SIDE = 64


def averaging(depth: int, kernel: int = 3) -> LoadedModel:
    """A chain of depthwise averages: its gradient is the kernel convolved with itself, whatever the image."""
    layers = [nn.Conv2d(3, 3, kernel, padding=kernel // 2, groups=3, bias=False) for _ in range(depth)]
    for layer in layers:
        nn.init.constant_(layer.weight, 1 / kernel**2)
    preprocess = Preprocess(resize_px=SIDE, crop_px=SIDE, mean=(0.5,) * 3, std=(0.25,) * 3)
    return from_module(nn.Sequential(*layers), preprocess, ("a",), name="averages", weights="equal")


def pictures(count: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8) for _ in range(count)]


def test_a_chain_of_averages_gives_the_kernel_convolved_with_itself() -> None:
    """Luo et al. 2016: uniform kernels give the binomial's shape, ever narrower than the field with depth."""
    shares = []
    for depth in (1, 3, 6):
        found = effective_receptive_field(averaging(depth), str(depth - 1), pictures(2), unit=(30, 33))
        profile = np.ones(1)
        for _ in range(depth):
            profile = np.convolve(profile, np.ones(3) / 3)
        reference = np.zeros((SIDE, SIDE))
        reference[30 - depth : 31 + depth, 33 - depth : 34 + depth] = np.outer(profile, profile)
        np.testing.assert_allclose(found.values, reference / 1, atol=1e-7)
        assert found.field.size == (2 * depth + 1,) * 2
        assert found.inside_share == pytest.approx(1)
        shares.append(found.central_share)
    assert shares[0] == pytest.approx(1 / 4)  # one flat box: its central half is a quarter of it
    assert shares == sorted(shares)


def test_the_mean_over_images_is_the_mean_of_each() -> None:
    model = load_model("resnet18", weights=None, labels=["a", "b"])
    images = pictures(2)
    one, two, both = (effective_receptive_field(model, "layer1", i) for i in (images[:1], images[1:], images))
    assert both.images == 2
    np.testing.assert_allclose(both.values, (one.values + two.values) / 2, rtol=1e-5, atol=1e-9)
    assert not np.allclose(one.values, two.values)
    top, left, bottom, right = both.box
    outside = both.values.copy()
    outside[int(top + 0.5) : int(bottom + 0.5), int(left + 0.5) : int(right + 0.5)] = 0
    assert not outside.any()  # no pixel beyond the theoretical field moves the unit
    assert both.unit == (28, 28)
    assert both.central_share > 1 / 4


def test_it_equals_autograd_on_the_module_itself() -> None:
    model = load_model("resnet18", weights=None, labels=["a", "b"])
    image = pictures(1)
    found = effective_receptive_field(model, "conv1", image, unit=(0, 5))
    batch = model.preprocess(image[0]).requires_grad_()
    output = model.module.conv1(batch)
    (gradient,) = torch.autograd.grad(output[0, :, 0, 5].sum(), batch)
    np.testing.assert_allclose(found.values, gradient[0].abs().mean(0).numpy(), rtol=1e-5, atol=1e-9)
    assert found.box == (-3.5, 6.5, 3.5, 13.5)  # 7×7 around pixel (0, 10): three rows of it are padding


def test_it_leaves_the_model_as_it_was() -> None:
    model = averaging(2)
    model.module.train()
    with torch.inference_mode():
        effective_receptive_field(model, "1", pictures(1))
    assert all(m.training for m in model.module.modules())
    assert all(p.grad is None for p in model.module.parameters())


def test_a_unit_that_nothing_moves_has_no_shares() -> None:
    model = averaging(1)
    with torch.no_grad():
        for parameter in model.module.parameters():
            parameter.zero_()
    found = effective_receptive_field(model, "0", pictures(1))
    assert (found.total, found.central_share, found.inside_share) == (0, 0, 0)


def test_no_images_and_no_such_unit_are_refused() -> None:
    with pytest.raises(ExplorerError, match="give at least one image"):
        effective_receptive_field(averaging(1), "0", [])
    with pytest.raises(ExplorerError, match=r"unit \(64, 0\) is not in 0, a map of 64×64 units"):
        effective_receptive_field(averaging(1), "0", pictures(1), unit=(64, 0))


@settings(deadline=None)
@given(
    st.tuples(st.integers(-40, 60), st.integers(-40, 60)), st.tuples(st.integers(1, 80), st.integers(1, 80))
)
def test_shares_count_cut_pixels_in_part(corner: tuple[int, int], size: tuple[int, int]) -> None:
    """On a grid sixteen times as fine no pixel is cut: there plain counting gives the same."""
    values = np.random.default_rng(0).random((12, 15)).astype(np.float32)
    box = (
        corner[0] / 8 - 0.5,
        corner[1] / 8 - 0.5,
        (corner[0] + size[0]) / 8 - 0.5,
        (corner[1] + size[1]) / 8 - 0.5,
    )
    half = central_half(box)
    fine = np.kron(values, np.ones((32, 32)))
    for edges in (box, half):
        top, left, bottom, right = (max(0, round((edge + 0.5) * 32)) for edge in edges)
        assert share_within(values, edges) == pytest.approx(fine[top:bottom, left:right].sum() / fine.sum())
    assert (half[2] - half[0]) * (half[3] - half[1]) == pytest.approx(
        (box[2] - box[0]) * (box[3] - box[1]) / 4
    )
