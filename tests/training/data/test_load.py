"""Data sets: what goes in comes out, and is kept for the next time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer.errors import ExplorerError
from tests.training.data.pictures import RED, TEN, make_folder, of_folder
from tests.training.samples import mounted_disk, tiny_data
from training import Dataset, TrainConfig, channel_statistics, gallery, load_dataset
from training.data.load import fit_square
from training.data.opened import Choice, Opened
from training.data.shapes10 import LABELS, make_shapes
from training.report.page.data import class_table


def in_test(data: Dataset) -> tuple[Any, ...]:
    return data.test_images, data.test_classes, data.fingerprint


def test_shapes10_is_balanced_deterministic_and_a_prefix_of_itself() -> None:
    images, classes = make_shapes(700, train=True)
    assert images.shape == (700, 32, 32, 3)
    assert images.dtype == np.uint8
    assert np.bincount(classes).tolist() == [70] * len(LABELS)
    again, _ = make_shapes(30, train=True)
    assert np.array_equal(images[:30], again)
    other, _ = make_shapes(30, train=False)
    assert not np.array_equal(again, other)
    assert len({image.tobytes() for image in images}) == 700


def test_drawing_the_shapes_is_followed_and_can_be_cancelled(cache: Path) -> None:
    class Enough(Exception):
        pass

    def cancel(done: int, total: int) -> None:
        if done > total / 2:
            raise Enough

    with pytest.raises(Enough):
        load_dataset(TrainConfig(dataset="shapes10"), on_decode=cancel)
    assert not list(cache.rglob("*.rgb"))
    heard: list[tuple[int, int]] = []
    data = load_dataset(TrainConfig(dataset="shapes10"), on_decode=lambda *listed: heard.append(listed))
    count = len(data.train_images) + len(data.test_images)
    assert heard == [(done, count) for done in range(500, count + 1, 500)]


def test_arrays_are_made_once_and_memory_mapped_afterwards(cache: Path) -> None:
    config = TrainConfig(dataset="shapes10")
    first = load_dataset(config)
    stamps = {path: path.stat().st_mtime_ns for path in cache.rglob("*.rgb")}
    again = load_dataset(config)
    assert isinstance(again.train_images, np.memmap)
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.rgb")} == stamps
    assert again.fingerprint == first.fingerprint
    assert np.array_equal(again.train_images[:500], make_shapes(500, train=True)[0])
    small = load_dataset(TrainConfig(dataset="shapes10", max_train_images=25, max_test_images=10))
    assert sorted(np.bincount(small.train_classes)) == [2] * 5 + [3] * 5
    assert small.fingerprint != first.fingerprint


def test_a_full_disk_is_named_and_leaves_nothing_half_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mounted_disk(tmp_path / "disk") as disk:
        monkeypatch.setenv("CNN_EXPLORER_CACHE", str(disk))
        with pytest.raises(ExplorerError, match=r"No space left on device.*CNN_EXPLORER_CACHE"):
            load_dataset(TrainConfig(dataset="shapes10"))
        assert not list(disk.rglob("*.rgb"))


def test_fewer_images_than_classes_can_be_looked_at(tmp_path: Path) -> None:
    choice = Choice("folder", str(make_folder(tmp_path / "a", TEN)), 16, False)
    opened = Opened(choice, of_folder(tmp_path / "a", max_train_images=1), (0.5,) * 3, (0.5,) * 3)
    table = class_table(opened)
    assert table.count("<img") == 1
    assert ">sea</th>" in table


def test_pictures_keep_their_middle_and_their_proportions() -> None:
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = RED  # the middle square
    assert (fit_square(wide, 10) == RED).all()
    assert (fit_square(wide.swapaxes(0, 1).copy(), 10) == RED).all()
    exact = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    assert np.array_equal(fit_square(exact, 16), exact)


def test_mean_and_deviation_are_numpys_and_a_flat_channel_divides_by_one() -> None:
    data = tiny_data()
    mean, std = channel_statistics(data)
    pixels = data.train_images.reshape(-1, 3) / 255
    np.testing.assert_allclose(mean, pixels.mean(0), rtol=1e-9)
    np.testing.assert_allclose(std, pixels.std(0), rtol=1e-9)
    flat = Dataset(
        "x", ("a", "b"), np.full((4, 8, 8, 3), 51, np.uint8), np.array([0, 1, 0, 1]), *in_test(tiny_data())
    )
    assert channel_statistics(flat) == (pytest.approx((0.2,) * 3), (1.0,) * 3)


def test_the_gallery_shows_ten_of_each_class_without_repeats() -> None:
    data = tiny_data(150)
    shown = gallery(data, per_class=10, seed=3)
    assert tuple(shown) == data.labels
    for index, images in enumerate(shown.values()):
        own = {image.tobytes() for image in data.train_images[data.train_classes == index]}
        assert len({image.tobytes() for image in images}) == 10
        assert {image.tobytes() for image in images} <= own
    assert {len(images) for images in gallery(data, per_class=99).values()} == {15}
