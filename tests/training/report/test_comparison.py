"""Runs beside each other: what is said of them doesn't depend on the order in which they were chosen."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict, replace
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.training.samples import TINY
from training import EpochResult, TrainConfig
from training.loop.checkpoint import HISTORY
from training.report import comparison
from training.report.comparison import group_runs
from training.report.page.comparison import comparison_chart, comparison_table
from training.report.spread import spread
from training.report.words import comparison_words
from training.runs import folders as runs

FLIPPED = replace(TINY, augmentation=("flip", "crop"))


@pytest.fixture(autouse=True)
def facts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run was tested on a thousand images."""
    monkeypatch.setattr(comparison, "facts_of", lambda run: SimpleNamespace(test_images=1000))


def choose(root: Path, made: Mapping[str, tuple[TrainConfig, list[float]]]) -> list[runs.Run]:
    """Runs named ``made`` whose test accuracy went that way, ten points behind the training accuracy."""
    for name, (config, tests) in made.items():
        folder = runs.create(config, root, name)
        results = [
            EpochResult(epoch, test + 0.1, test, 1.0, 1.0, 1.0, 1.0, 1e-3, (test,))
            for epoch, test in enumerate(tests, 1)
        ]
        (folder / HISTORY).write_text("".join(f"{json.dumps(asdict(r))}\n" for r in results))
    return [runs.read_run(root / name) for name in made]


def test_the_verdict_is_of_all_seeds_whatever_their_order(tmp_path: Path) -> None:
    chosen = choose(
        tmp_path,
        {
            "p0": (TINY, [0.3, 0.40]),
            "p1": (replace(TINY, seed=1), [0.3, 0.60]),
            "p2": (replace(TINY, seed=2, threads=2), [0.3, 0.50]),
            "a0": (FLIPPED, [0.3, 0.55]),
            "a1": (replace(FLIPPED, seed=1, device="auto"), [0.3, 0.45]),
        },
    )
    listed = {comparison_words(group_runs(list(order)))[-1] for order in permutations(chosen)}
    [words] = listed
    # Means of 50.0 % on either side; seed 0 alone would gain 15 points.
    assert "Test accuracy differs by" in words
    assert "0.0 points, within chance" in words
    assert "means over 3 and 2 seeds)" in words


def test_one_seed_each_is_said_as_ever(tmp_path: Path) -> None:
    groups = group_runs(choose(tmp_path, {"a": (FLIPPED, [0.3, 0.55]), "p": (TINY, [0.3, 0.40])}))
    *_, words = comparison_words(groups)
    assert words.startswith("Augmentation hardly changes the gap, from 10.0 points to 10.0 points (training")
    assert (
        "Test accuracy gains 15.0 points, more than chance (±4.4 points); the augmented run was best" in words
    )


def test_the_same_recipe_and_seed_twice_is_one_seed(tmp_path: Path) -> None:
    chosen = choose(
        tmp_path,
        {
            "once": (TINY, [0.3, 0.5]),
            "again": (replace(TINY, threads=2), [0.3, 0.5]),
            "cut short": (TINY, [0.3]),
            "other": (replace(TINY, seed=4), [0.3, 0.7]),
        },
    )
    [twice] = group_runs(chosen[:3])
    assert twice.seeds == "1 seed in 3 runs"
    assert twice.mean(lambda history: history[-1].test_accuracy) == (0.5, 0.0)
    assert "±" not in comparison_table([twice])
    assert "<polygon" not in comparison_chart([twice], "accuracy")
    for order in permutations(chosen):
        [group] = group_runs(list(order))
        assert group.seeds == "2 seeds in 4 runs"
        assert group.mean(lambda history: history[-1].test_accuracy) == pytest.approx(
            (0.6, statistics.stdev([0.5, 0.7]))
        )
        assert spread(group.distinct).epochs == (1, 2)
        assert [member.run.name for member in group.by_seed] == ["again", "other"]


def test_every_augmented_recipe_is_held_against_the_likest_plain_one(tmp_path: Path) -> None:
    normed = {"normalization": (0.5, 0.5)}
    chosen = choose(
        tmp_path,
        {
            "plain": (TINY, [0.40]),
            "normed": (replace(TINY, **normed), [0.50]),
            "both": (replace(FLIPPED, **normed), [0.60]),
            "flip": (replace(TINY, augmentation=("flip",)), [0.41]),
        },
    )
    for order in permutations(chosen):
        listed = comparison_words(group_runs(list(order)))[2:]
        assert len(listed) == 2
        flip, both = sorted(listed, key=lambda words: "crop" in words)
        assert flip.startswith("flip, against plain: Augmentation")
        assert "differs by +1.0 points" in flip
        assert both.startswith("flip + crop, normalised to 0.5 ± 0.5, against normalised to 0.5 ± 0.5: ")
        assert "gains 10.0 points" in both
