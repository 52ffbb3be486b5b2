"""What is said of runs follows from their numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from sklearn.metrics import confusion_matrix

from explorer.errors import ExplorerError
from tests.training.samples import TINY, tiny_data
from training import EpochResult, train
from training.data.examples import augmentation_pairs
from training.networks.build import build_network
from training.report.explain import compare_gaps, compare_seeds, explain_gap, measure_gap
from training.report.inside import first_weights, kernel_pixels
from training.report.paper.runs import accuracy_figure
from training.report.predictions import confident_mistakes, predict_test_images
from training.report.sheet import square, strip, tile
from training.report.spread import by_recipe, spread
from training.runs import folders as runs


def history(train_accuracy: list[float], test_accuracy: list[float]) -> list[EpochResult]:
    pairs = enumerate(zip(train_accuracy, test_accuracy, strict=True), 1)
    return [EpochResult(epoch, a, b, 1.0, 1.0, 1.0, 1.0, 1e-3, (b,)) for epoch, (a, b) in pairs]


OVERFIT = history([0.40, 0.55, 0.62, 0.70], [0.45, 0.54, 0.58, 0.60])
HELD = history([0.35, 0.48, 0.54, 0.58], [0.44, 0.53, 0.58, 0.615])


def test_the_gap_is_dated_from_where_it_stays_above_chance() -> None:
    gap = measure_gap(OVERFIT, 10_000)
    assert gap.by_epoch == pytest.approx((-0.05, 0.01, 0.04, 0.10))
    assert gap.noise == pytest.approx(2 * math.sqrt(0.6 * 0.4 / 10_000))  # 0.98 points: epoch 2 is just above
    assert (gap.opened_at, gap.widest_at) == (2, 4)
    assert (gap.widest, gap.last) == (pytest.approx(0.1), pytest.approx(0.1))
    assert measure_gap(OVERFIT, 100).opened_at == 4  # ±9.8 points: only the last is above
    assert measure_gap(HELD, 10_000).opened_at is None
    closed_again = history([0.6, 0.6, 0.6], [0.5, 0.5, 0.6])
    assert measure_gap(closed_again, 10_000).opened_at is None
    with pytest.raises(ExplorerError, match="no finished epoch"):
        measure_gap([], 100)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=12),
    st.integers(1, 10**6),
)
def test_from_the_opening_on_every_gap_is_above_chance_and_the_one_before_is_not(
    pairs: list[tuple[float, float]], images: int
) -> None:
    runs = history([a for a, _ in pairs], [b for _, b in pairs])
    gap = measure_gap(runs, images)
    opened = gap.opened_at if gap.opened_at is not None else len(runs) + 1
    assert all(value > gap.noise for value in gap.by_epoch[opened - 1 :])
    assert opened == 1 or gap.by_epoch[opened - 2] <= gap.noise
    assert explain_gap(runs, images)


def test_the_words_carry_the_numbers() -> None:
    words = explain_gap(OVERFIT, 10_000)
    for part in (
        "After 4 epochs",
        "70.0%",
        "60.0%",
        "10.0 points",
        "epoch 2",
        "±1.0 points",
        "best in the last epoch",
    ):
        assert part in words
    ahead = explain_gap(HELD, 10_000, augmented=True)
    assert "Test is ahead" in ahead
    assert "augmented" in ahead
    assert "No overfitting" in ahead
    assert "within what chance does" in explain_gap(history([0.5], [0.5]), 100)
    fallen = explain_gap(history([0.5, 0.7, 0.9], [0.5, 0.6, 0.5]), 10_000)
    assert "best in epoch 2 (60.0%) and has fallen since" in fallen


def test_plain_and_augmented_are_compared_with_chance_in_mind() -> None:
    words = compare_gaps(OVERFIT, HELD, 10_000)
    assert "narrows the gap, from 10.0 points to none: test is ahead by 3.5 points" in words
    assert "hardly changes the gap" in compare_gaps(OVERFIT, HELD, 100)  # ±14 points by chance
    assert "70.0% → 58.0%" in words
    noise = 100 * math.hypot(2 * math.sqrt(0.6 * 0.4 / 1e4), 2 * math.sqrt(0.615 * 0.385 / 1e4))
    assert f"gains 1.5 points, more than chance (±{noise:.1f} points)" in words
    assert "within chance" in compare_gaps(OVERFIT, HELD, 1000)
    assert "mean" not in words
    assert "seeds" not in words


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (0.10, 0.05, "narrows the gap, from 10.0 points to 5.0 points"),
        (0.05, 0.10, "widens the gap, from 5.0 points to 10.0 points"),
        (0.008, -0.053, "narrows the gap, from 0.8 points to none: test is ahead by 5.3 points"),
        (-0.053, 0.02, "opens a gap of 2.0 points, where test was ahead by 5.3 points"),
        (-0.02, -0.053, "test is further ahead, by 5.3 points after 2.0 points"),
        (-0.053, -0.02, "test is less far ahead, by 2.0 points after 5.3 points"),
        (
            0.001,
            -0.002,
            "hardly changes the gap, from 0.1 points to −0.2 points, where below zero test is ahead",
        ),
        (0.002, 0.001, "hardly changes the gap, from 0.2 points to 0.1 points ("),
    ],
)
def test_a_gap_below_zero_is_test_ahead(before: float, after: float, words: str) -> None:
    assert words in compare_gaps(history([0.5 + before], [0.5]), history([0.5 + after], [0.5]), 100_000)


def test_several_seeds_are_compared_by_their_means_and_their_spread_is_chance_too() -> None:
    plain = [history([0.6, 0.70], [0.5, test]) for test in (0.50, 0.54, 0.58)]
    augmented = [history([0.5, 0.60, 0.9], [0.5, test, 0.9]) for test in (0.56, 0.60, 0.64)]
    images = 10**9  # the test images' own chance vanishes
    words = compare_seeds(plain, augmented, images)
    assert words == compare_seeds(plain[::-1], [augmented[i] for i in (1, 2, 0)], images)
    # Deviations of 0.04 each: 2·sqrt(0.04²·(1/3 + 1/3)) = 6.53 points, above the 6.0 between the means.
    assert "(training 70.0% → 60.0%; means over 3 seeds each)" in words
    assert "differs by +6.0 points, within chance (±6.5 points, the spread over seeds included)" in words
    # Gaps of 0.16 and 0.00 ± the same deviation.
    assert "narrows the gap, from 16.0 points to 0.0 points" in words
    assert "the augmented runs were, on average, best in their last epoch" in words
    # The first of each alone would have been told to gain.
    assert "gains 6.0 points, more than chance" in compare_gaps(plain[0], augmented[0][:2], images)
    # One seed beside three is taken to spread as they do: 2·sqrt(0.04²·(1 + 1/3)) = 9.24 points.
    lone = compare_seeds(plain, augmented[1:2], images)
    assert "within chance (±9.2 points" in lone
    assert "means over 3 and 1 seed)" in lone


def test_the_spread_over_seeds_is_numpys() -> None:
    three = [
        history([0.5, 0.6], [0.4, 0.5]),
        history([0.5, 0.6], [0.5, 0.55]),
        history([0.5] * 3, [0.3, 0.6, 0.7]),
    ]
    curve = spread(three)
    assert (curve.epochs, curve.runs) == ((1, 2), 3)
    assert curve.mean == pytest.approx((0.4, 0.55))
    assert curve.deviation == pytest.approx(
        (np.std([0.4, 0.5, 0.3], ddof=1), np.std([0.5, 0.55, 0.6], ddof=1))
    )
    assert spread(three[:1]).deviation == (0.0, 0.0)
    with pytest.raises(ExplorerError, match="no finished epoch in common"):
        spread([three[0], []])


def test_runs_that_differ_only_in_their_seed_or_where_they_ran_belong_together(tmp_path: Path) -> None:
    configs = [
        TINY,
        replace(TINY, seed=5),
        replace(TINY, threads=2, device="auto", data_dir="/elsewhere"),
        replace(TINY, epochs=9),
    ]
    for number, config in enumerate(configs):
        runs.create(config, tmp_path, str(number))
    groups = by_recipe(runs.list_runs(tmp_path))
    shared = replace(TINY, threads=None, device="auto")
    assert {config: {run.name for run in group} for config, group in groups.items()} == {
        shared: {"0", "1", "2"},
        replace(shared, epochs=9): {"3"},
    }


def test_pictures_of_ones_own_are_told_apart_by_their_folder(tmp_path: Path) -> None:
    for number, place in enumerate(("cats", "dogs", "cats")):
        own = replace(TINY, dataset="folder", data_dir=place, seed=number)
        runs.create(own, tmp_path, str(number))
    groups = by_recipe(runs.list_runs(tmp_path))
    assert sorted(sorted(run.name for run in group) for group in groups.values()) == [["0", "2"], ["1"]]


def test_confusion_and_mistakes_follow_from_the_predictions(tmp_path: Path) -> None:
    data = tiny_data()
    config = replace(TINY, learning_rate=3e-3, normalization=(0.5, 0.25))
    *_, last = train(config, tmp_path, data=data)
    predictions = predict_test_images(tmp_path, data=data)
    assert predictions.probabilities.shape == (100, 10)
    np.testing.assert_allclose(predictions.probabilities.sum(1), 1, rtol=1e-5)
    picked = predictions.probabilities.argmax(1)
    assert np.array_equal(
        predictions.confusion, confusion_matrix(data.test_classes, picked, labels=range(10))
    )
    shares = predictions.confusion.diagonal() / predictions.confusion.sum(1)
    assert last.class_accuracy == pytest.approx(tuple(shares))
    assert last.test_accuracy == pytest.approx((picked == data.test_classes).mean())

    mistakes = confident_mistakes(predictions, 5)
    assert [m.probability for m in mistakes] == sorted((m.probability for m in mistakes), reverse=True)
    assert len({m.index for m in mistakes}) == 5
    for m in mistakes:
        assert m.true_class == data.test_classes[m.index] != m.predicted_class
        assert m.probability == predictions.probabilities[m.index].max() >= m.true_probability
    wrong = np.flatnonzero(picked != data.test_classes)
    assert mistakes[0].probability == predictions.probabilities[wrong].max()
    with pytest.raises(ExplorerError, match="other classes"):
        predict_test_images(tmp_path, data=replace(data, labels=("x",)))


def test_figures_have_labelled_axes_and_a_legend_in_both_themes() -> None:
    for dark in (False, True):
        figure = accuracy_figure({"plain": OVERFIT, "augmented": HELD}, dark=dark)
        (axes,) = figure.axes
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "accuracy (%)")
        names = [text.get_text() for text in axes.get_legend().get_texts()]
        assert names == ["plain, train", "plain, test", "augmented, train", "augmented, test"]
        assert axes.lines[1].get_ydata().tolist() == pytest.approx([45, 54, 58, 60])
        ink = axes.xaxis.label.get_color()
        assert (sum(int(to_hex(ink)[i : i + 2], 16) for i in (1, 3, 5)) > 3 * 128) == dark
        figure.savefig("/dev/null", format="png")


def test_tiles_lie_in_reading_order() -> None:
    images = [np.full((2, 2, 3), value, np.uint8) for value in (10, 20, 30)]
    sheet = tile(images, columns=2, gap_px=1, scale=2)
    assert sheet.shape == (9, 9, 3)
    assert (sheet[:4, :4] == 10).all()
    assert (sheet[:4, 5:] == 20).all()
    assert (sheet[5:, :4] == 30).all()
    assert (sheet[5:, 5:] == 255).all()


def test_gaps_are_white_on_paper_and_let_the_page_through_on_screen() -> None:
    images = [np.full((2, 2, 3), value, np.uint8) for value in (10, 20, 30)]
    for arrange, columns in ((strip, 3), (square, 2)):
        white, clear = arrange(images, scale=3), arrange(images, scale=3, fill=None)
        assert np.array_equal(white, tile(images, columns, gap_px=2, scale=3))
        assert clear.shape == (*white.shape[:2], 4)
        is_picture = clear[..., 3] == 255
        assert is_picture.sum() == len(images) * 6 * 6
        assert np.array_equal(white[is_picture], clear[is_picture][:, :3])
        assert (white[~is_picture] == 255).all()


def test_pairs_show_the_original_beside_its_augmented_self() -> None:
    data = tiny_data()
    originals = {image.tobytes() for image in data.train_images}
    pairs = augmentation_pairs(data, replace(TINY, augmentation=("flip",)), count=12, seed=1)
    assert len(pairs) == 12
    kinds = set()
    for original, changed in pairs:
        assert original.tobytes() in originals
        same, flipped = np.array_equal(changed, original), np.array_equal(changed, original[:, ::-1])
        assert same or flipped
        kinds.add(flipped)
    assert kinds == {False, True}
    for original, changed in augmentation_pairs(data, TINY, count=3):
        assert np.array_equal(original, changed)


def test_kernels_share_one_scale_with_zero_in_the_middle() -> None:
    network = build_network("lenet", 10)
    with torch.no_grad():
        network[0].weight.zero_()
        network[0].weight[0, 0] = 0.5
        network[0].weight[1, 2] = -0.25
    kernels = kernel_pixels(first_weights(network), 0.5)
    assert kernels.shape == (6, 5, 5, 3)
    assert (kernels[0, ..., 0] == 255).all()
    assert set(kernels[1, ..., 2].flat) == {round(127.5 - 127.5 / 2)}
    assert set(kernels[2].flat) == {128}
    assert first_weights(build_network("flatten, linear", 10)) is None
