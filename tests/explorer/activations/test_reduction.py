"""From channels to a picture: PCA as scikit-learn's, one sign, one scale, and no noise shown as signal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

import explorer
from explorer.activations.reduction import (
    PCABasis,
    Reduction,
    reduce,
    shared_limits,
    strongest_channels,
)
from explorer.errors import ExplorerError
from explorer.images.overlay import colourise

METHODS = ("pca", "component", "mean", "max", "energy", "channel", "nmf")


def random_map(channels: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """Channels that share a few causes, as a layer's do, each cause weaker than the one before."""
    rng = np.random.default_rng(seed)
    causes = min(6, channels, height * width - 1)
    strengths = 3.0 ** -np.arange(causes)
    positions = rng.normal(size=(height * width, causes)) * strengths
    mixing = np.linalg.qr(rng.normal(size=(channels, causes)))[0]
    noise = 1e-3 * rng.normal(size=(height * width, channels))
    values = positions @ mixing.T + noise + rng.normal(size=channels)
    return values.T.reshape(channels, height, width).astype(np.float32)


def scikit(values: np.ndarray, count: int) -> tuple[np.ndarray, PCA]:
    """scores (H, W, count) and the fitted PCA."""
    channels, height, width = values.shape
    pca = PCA(count, svd_solver="full")
    scores = pca.fit_transform(values.reshape(channels, -1).T.astype(np.float64))
    return scores.reshape(height, width, count), pca


@pytest.mark.parametrize(
    "shape", [(64, 14, 11), (512, 7, 7), (3, 20, 30), (49, 7, 7), (8, 1, 12), (2048, 4, 4)]
)
@pytest.mark.parametrize("order", ["channels first", "channels last"])
def test_pca_is_scikit_learns_up_to_sign(shape: tuple[int, int, int], order: str) -> None:
    values = random_map(*shape)
    if order == "channels last":
        values = np.ascontiguousarray(values.transpose(1, 2, 0)).transpose(2, 0, 1)
    view = reduce(values)
    scores, pca = scikit(values, 3)
    assert view.values.shape == (*shape[1:], 3)
    assert view.values.dtype == np.float32
    for i in range(3):
        ours, theirs = view.values[..., i], scores[..., i]
        sign = np.sign((ours * theirs).sum())
        np.testing.assert_allclose(ours, sign * theirs, atol=2e-4 * np.abs(theirs).max())
    np.testing.assert_allclose(view.explained_variance, pca.explained_variance_ratio_, rtol=1e-3)
    assert f"{pca.explained_variance_ratio_[0]:.1%}" in view.description


@settings(max_examples=60)
@given(
    channels=st.integers(1, 40),
    height=st.integers(1, 9),
    width=st.integers(2, 9),
    rank=st.integers(0, 4),
    seed=st.integers(0, 99),
)
def test_a_basis_is_orthonormal_and_shares_add_up_whatever_the_map(
    channels: int, height: int, width: int, rank: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(channels, rank)) @ rng.normal(size=(rank, height * width)) + 5
    values = values.reshape(channels, height, width).astype(np.float32)
    count = min(3, channels, height * width)
    basis = reduce(values).basis
    assert basis is not None
    assert basis.components.shape == (count, channels)
    np.testing.assert_allclose(basis.components @ basis.components.T, np.eye(count), atol=1e-5)
    shares = np.array(basis.explained_variance)
    assert (shares >= 0).all()
    assert shares.sum() <= 1 + 1e-5
    assert (np.diff(shares) <= 1e-6).all()
    # No more directions vary than the map has causes, and never more than positions less one.
    real = min(rank, channels, height * width - 1)
    assert (shares[real:] == 0).all()
    if rank <= 3:
        assert shares.sum() == pytest.approx(1 if real else 0, abs=1e-5)


def test_what_only_rounding_tells_apart_is_not_shown_as_colour() -> None:
    # One cause in 512 channels: the second and third component are nothing.
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(512, 1)) * rng.normal(size=(1, 49))).reshape(512, 7, 7).astype(np.float32)
    view = reduce(values)
    assert view.explained_variance == pytest.approx((1, 0, 0), abs=1e-6)
    painted = colourise(view.values, view.limits)
    assert np.ptp(painted[..., 0]) == 255
    assert np.ptp(painted[..., 1]) == 0
    assert np.ptp(painted[..., 2]) == 0
    second = reduce(values, "component", component=1)
    assert second.constant
    assert np.ptp(colourise(second.values, second.limits, "RdBu_r").reshape(-1, 3), axis=0).max() == 0


def test_the_sign_is_ours_and_does_not_flip_with_small_changes() -> None:
    values = random_map(64, 12, 12)
    basis = reduce(values).basis
    # The rule: the sum of the cubed loadings is positive.
    assert ((basis.components.astype(np.float64) ** 3).sum(axis=1) > 0).all()
    rng = np.random.default_rng(1)
    for _ in range(20):
        other = values + 1e-3 * np.abs(values).max() * rng.normal(size=values.shape).astype(np.float32)
        again = reduce(other).basis
        assert (np.diag(basis.components @ again.components.T)[:2] > 0.99).all()
    turned = reduce(values[:, ::-1, ::-1]).basis
    np.testing.assert_allclose(np.abs(turned.components), np.abs(basis.components), atol=1e-3)
    assert (np.diag(turned.components @ basis.components.T) > 0.99).all()


def test_a_kept_basis_colours_two_maps_alike() -> None:
    first, second = random_map(32, 9, 13, seed=0), random_map(32, 7, 5, seed=1)
    kept = reduce(first).basis
    assert isinstance(kept, PCABasis)
    view = reduce(second, basis=kept)
    assert view.limits == reduce(first).limits
    # Where the second map has the first one's channel values, it gets the first one's scores.
    mixed = second.copy()
    mixed[:, 2, 3] = first[:, 4, 6]
    np.testing.assert_allclose(reduce(mixed, basis=kept).values[2, 3], reduce(first).values[4, 6], atol=1e-4)
    np.testing.assert_allclose(reduce(first, basis=kept).values, reduce(first).values, atol=1e-4)
    # And any other value is a plain projection.
    position = second[:, 1, 2].astype(np.float64)
    by_hand = [(position - kept.mean) @ component for component in kept.components.astype(np.float64)]
    np.testing.assert_allclose(view.values[1, 2], by_hand, atol=1e-4)
    assert "kept" in view.description


def test_with_a_kept_basis_the_shares_are_those_of_the_map_shown() -> None:
    first, second = random_map(16, 8, 8, seed=0), random_map(16, 8, 8, seed=1)
    kept = reduce(first).basis
    assert kept is not None
    positions = second.reshape(16, -1).T.astype(np.float64)
    total = positions.var(axis=0).sum()
    expected = [(positions @ c).var() / total for c in kept.components.astype(np.float64)]
    np.testing.assert_allclose(reduce(second, basis=kept).explained_variance, expected, rtol=1e-4)
    assert reduce(second, "component", component=1, basis=kept).explained_variance == pytest.approx(
        expected[1:2], rel=1e-4
    )


def test_a_basis_of_other_channels_is_refused() -> None:
    kept = reduce(random_map(16, 8, 8)).basis
    with pytest.raises(ExplorerError, match="16 channels doesn't fit 8 channels"):
        reduce(random_map(8, 8, 8), basis=kept)


def test_one_component_is_the_pcas_own_with_a_scale_around_zero() -> None:
    values = random_map(20, 9, 8)
    whole = reduce(values)
    for i in range(3):
        single = reduce(values, "component", component=i)
        np.testing.assert_allclose(single.values, whole.values[..., i], atol=1e-5)
        assert single.signed
        low, high = single.limits[0]
        assert low == -high
        assert high == pytest.approx(np.abs(single.values).max(), rel=1e-5)
        assert single.explained_variance == pytest.approx((whole.explained_variance[i],), rel=1e-4)
    fifth = reduce(values, "component", component=4)
    scores, _ = scikit(values, 5)
    np.testing.assert_allclose(np.abs(fifth.values), np.abs(scores[..., 4]), atol=1e-3)


@pytest.mark.parametrize("shape", [(5, 1, 2), (2, 6, 6), (1, 4, 4), (5, 1, 3)])
def test_where_there_are_fewer_than_three_components_the_other_colours_stay_flat(
    shape: tuple[int, int, int],
) -> None:
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    view = reduce(values)
    real = min(shape[0], shape[1] * shape[2] - 1)
    assert view.values.shape == (*shape[1:], 3)
    assert len(view.limits) == 3
    painted = colourise(view.values, view.limits)
    assert [int(np.ptp(painted[..., i])) > 0 for i in range(3)] == [i < real for i in range(3)]


# Constant maps, single positions, broken values.


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(64, 56, 56), (512, 7, 7), (3, 5, 4), (1, 9, 9), (300, 14, 14)])
def test_a_constant_map_is_said_and_shown_to_be_constant(method: str, shape: tuple[int, int, int]) -> None:
    level = np.random.default_rng(0).normal(size=(shape[0], 1, 1)).astype(np.float32) * 100
    view = reduce(np.broadcast_to(level, shape).copy(), method)  # type: ignore[arg-type]
    assert view.constant
    assert np.isfinite(view.values).all()
    painted = colourise(view.values, view.limits)
    assert np.ptp(painted.reshape(-1, 3), axis=0).max() == 0


@pytest.mark.parametrize("method", METHODS)
def test_all_zero_is_fine(method: str) -> None:
    view = reduce(np.zeros((8, 5, 6), np.float32), method)  # type: ignore[arg-type]
    assert view.constant
    assert not view.values.any()


@pytest.mark.parametrize("method", METHODS)
def test_a_map_that_varies_is_not_called_constant(method: str) -> None:
    assert not reduce(np.abs(random_map(8, 6, 5)), method).constant  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["pca", "component"])
def test_a_single_position_has_no_principal_components(method: str) -> None:
    with pytest.raises(ExplorerError, match="1×1 positions has no principal components; choose"):
        reduce(np.ones((512, 1, 1), np.float32), method)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["mean", "max", "energy", "channel", "nmf"])
def test_other_views_of_a_single_position(method: str) -> None:
    assert reduce(np.ones((512, 1, 1), np.float32), method).values.shape[:2] == (1, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(method: str, bad: float) -> None:
    values = random_map(8, 6, 5)
    values[2, 3, 1:3] = bad
    with pytest.raises(ExplorerError, match="2 values NaN or infinite"):
        reduce(values, method)  # type: ignore[arg-type]


# The other views.


def test_mean_of_the_first_channels() -> None:
    values = random_map(24, 6, 5)
    by_hand = np.zeros((6, 5))
    for channel in range(10):
        by_hand += values[channel].astype(np.float64) / 10
    view = reduce(values, "mean")
    np.testing.assert_allclose(view.values, by_hand, atol=1e-5)
    assert view.description == "mean of the first 10 of 24 channels"
    np.testing.assert_allclose(reduce(values, "mean", channels=1).values, values[0])
    every = reduce(values, "mean", channels=99)
    np.testing.assert_allclose(every.values, values.mean(axis=0), atol=1e-5)
    assert "all 24" in every.description


def test_max_energy_and_single_channel() -> None:
    values = random_map(9, 4, 7)
    np.testing.assert_array_equal(reduce(values, "max").values, values.max(axis=0))
    by_hand = np.sqrt(sum(values[c].astype(np.float64) ** 2 for c in range(9)))
    np.testing.assert_allclose(reduce(values, "energy").values, by_hand, rtol=1e-5)
    np.testing.assert_array_equal(reduce(values, "channel", channel=8).values, values[8])


def test_the_scale_spans_the_values_and_zero() -> None:
    positive = reduce(
        np.full((1, 2, 2), 3.0, np.float32) + np.arange(4, dtype=np.float32).reshape(1, 2, 2), "max"
    )
    assert positive.limits == ((0.0, 6.0),)
    assert not positive.signed
    mixed = reduce(np.array([[[-5.0, 2.0]]], np.float32), "max")
    assert mixed.limits == ((-5.0, 5.0),)
    assert mixed.signed


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int32])
def test_any_kind_of_number(dtype: type) -> None:
    values = (10 * random_map(6, 5, 4)).astype(dtype)
    for method in METHODS:
        view = reduce(values, method)  # type: ignore[arg-type]
        assert view.values.dtype == np.float32
    assert strongest_channels(values)


def test_nmf_is_non_negative_rebuilds_and_repeats_itself() -> None:
    rng = np.random.default_rng(0)
    parts, mixing = rng.random((54, 3)), rng.random((3, 20))
    values = (parts @ mixing).T.reshape(20, 9, 6).astype(np.float32)
    view = reduce(values, "nmf")
    assert view.values.shape == (9, 6, 3)
    assert view.values.min() >= 0
    assert all(low == 0 and high > 0 for low, high in view.limits)
    # Three parts made it, so three parts rebuild it.
    share = float(view.description.split("rebuild ")[1].split("%")[0])
    assert share > 99
    sizes = np.square(view.values.reshape(-1, 3)).sum(axis=0)
    assert list(sizes) == sorted(sizes, reverse=True)


def test_nmf_neither_needs_nor_moves_the_global_random_numbers() -> None:
    values = np.abs(random_map(20, 9, 6))
    np.random.seed(1)  # noqa: NPY002
    first = reduce(values, "nmf").values
    after_first = np.random.random(3)  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    np.testing.assert_array_equal(np.random.random(3), after_first)  # noqa: NPY002
    np.testing.assert_array_equal(reduce(values, "nmf").values, first)


def test_nmf_says_that_negative_values_count_as_nothing() -> None:
    values = random_map(8, 6, 5)
    view = reduce(values, "nmf")
    assert "negative values count as 0" in view.description
    np.testing.assert_array_equal(view.values, reduce(np.maximum(values, 0), "nmf").values)
    assert not reduce(-np.abs(values), "nmf").values.any()


def test_strongest_channels_by_a_plain_loop() -> None:
    values = random_map(30, 6, 5)
    strengths = [(float((values[c].astype(np.float64) ** 2).mean()), c) for c in range(30)]
    by_hand = [c for _, c in sorted(strengths, key=lambda pair: (-pair[0], pair[1]))]
    assert strongest_channels(values, 16) == by_hand[:16]
    assert strongest_channels(values, 99) == by_hand
    assert strongest_channels(np.ones((4, 3, 3), np.float32)) == [0, 1, 2, 3]


def test_one_scale_for_several_maps() -> None:
    def view(*values: float) -> Reduction:
        return reduce(np.array([[values]], np.float32), "max")

    weak, strong, signed = view(1, 2), view(0, 200), view(-300, 5)
    assert shared_limits([weak, strong]) == (0, 200)
    assert shared_limits([weak, signed]) == (-300, 300)
    assert shared_limits([weak]) == (0, 2)


# Arguments.


@pytest.mark.parametrize(
    ("method", "options", "sentence"),
    [
        ("pcaa", {}, "'pcaa' is unknown"),
        ("channel", {"channel": 8}, "channel 8 is not one of the 8; choose from 0 to 7"),
        ("channel", {"channel": -1}, "channel -1"),
        ("component", {"component": 8}, "component 8"),
        ("component", {"component": -1}, "component -1"),
        ("mean", {"channels": 0}, "0 channels"),
        ("mean", {"channels": -3}, "-3 channels"),
    ],
)
def test_numbers_out_of_range(method: str, options: dict[str, int], sentence: str) -> None:
    with pytest.raises(ExplorerError, match=sentence):
        reduce(random_map(8, 6, 5), method, **options)  # type: ignore[arg-type]


def test_a_component_that_few_positions_can_not_have() -> None:
    with pytest.raises(ExplorerError, match="choose from 0 to 3"):
        reduce(random_map(64, 2, 2), "component", component=4)


@pytest.mark.parametrize("shape", [(5, 5), (1, 3, 5, 5), (0, 5, 5), (3, 0, 5)])
def test_what_is_no_map(shape: tuple[int, ...]) -> None:
    with pytest.raises(ExplorerError, match="not \\(C, H, W\\)"):
        reduce(np.zeros(shape, np.float32))


@dataclass
class Something:
    values: np.ndarray
    layer: str = "layer3"
    placement: str = "there"


@pytest.mark.parametrize("method", METHODS)
def test_layer_and_placement_are_carried_on(method: str) -> None:
    view = explorer.reduce(Something(random_map(8, 6, 5)), method)  # type: ignore[arg-type]
    assert (view.layer, view.placement, view.method) == ("layer3", "there", method)


@pytest.mark.parametrize("method", METHODS)
def test_the_activation_is_only_read(method: str) -> None:
    values = random_map(8, 6, 5)
    before = values.copy()
    values.flags.writeable = False
    reduce(values, method)  # type: ignore[arg-type]
    np.testing.assert_array_equal(values, before)
