"""What the numbers of a run say: the gap between training and test in words, spreads, mistakes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from explorer.errors import ExplorerError
from training.config import TrainConfig, comparable
from training.report.numbers import POINTS, hundredths
from training.results import EpochResult

History = Sequence[EpochResult]


@dataclass(frozen=True)
class Gap:
    """Train minus test accuracy, by epoch; shares in [−1, 1].

    ``noise`` is two standard errors of the last test accuracy: what chance does with so many test
    images. ``opened_at`` is the first epoch from which on the gap stays above it, None if it doesn't.
    """

    by_epoch: tuple[float, ...]
    noise: float
    opened_at: int | None
    widest: float
    widest_at: int
    last: float


def measure_gap(history: History, test_images: int) -> Gap:
    """The gap of one run; raises ExplorerError for an empty history."""
    if not history:
        raise ExplorerError("the run", "has no finished epoch", "let it train for one epoch first")
    gaps = [result.train_accuracy - result.test_accuracy for result in history]
    accuracy = history[-1].test_accuracy
    noise = 2 * math.sqrt(accuracy * (1 - accuracy) / test_images)
    opened = None
    for result, gap in zip(reversed(history), reversed(gaps), strict=True):
        if gap <= noise:
            break
        opened = result.epoch
    widest = int(np.argmax(gaps))
    return Gap(tuple(gaps), noise, opened, gaps[widest], history[widest].epoch, gaps[-1])


def explain_gap(history: History, test_images: int, *, augmented: bool = False) -> str:
    """The gap of one run in words, from its own numbers."""
    gap, last = measure_gap(history, test_images), history[-1]
    sentence = [
        f"After {_count(last.epoch, 'epoch')} the network is right on {last.train_accuracy:.1%} of the training "
        f"images and {last.test_accuracy:.1%} of the test images: a gap of {_points(gap.last)}."
    ]
    chance = f"chance alone moves the accuracy on {test_images:,} test images by ±{_points(gap.noise)}"
    if gap.opened_at is not None:
        sentence.append(
            f"It opened in epoch {gap.opened_at} ({chance}) and was widest in epoch {gap.widest_at}, at "
            f"{_points(gap.widest)}. From there on the network also learns what is peculiar to the training "
            f"images and does not carry over: it overfits. {_test_trend(history, gap.noise)}"
        )
    elif gap.last < -gap.noise:
        harder = "on augmented, so harder images, and " if augmented else ""
        sentence.append(
            f"Test is ahead: training accuracy is counted {harder}over the whole epoch, while the weights still "
            f"improve; test accuracy after it. No overfitting shows. {_test_trend(history, gap.noise)}"
        )
    else:
        sentence.append(f"That is within what chance does ({chance}): no overfitting shows yet.")
        sentence.append(_test_trend(history, gap.noise))
    return " ".join(sentence)


def compare_gaps(plain: History, augmented: History, test_images: int) -> str:
    """What augmentation did, in words, from two runs that differ in nothing else but it and normalisation."""
    return compare_seeds([plain], [augmented], test_images)


def compare_seeds(plain: Sequence[History], augmented: Sequence[History], test_images: int) -> str:
    """The same from several runs each, a history per seed: of means, after the epochs that all of them have.

    Chance is two standard errors: of accuracies on ``test_images``, and of means over so many seeds. The seeds
    share their test images, so that more of them make only the second smaller.

    Raises:
        ExplorerError: a run without a finished epoch.
    """
    shortest = min(len(history) for history in (*plain, *augmented))
    if shortest == 0:
        raise ExplorerError("the run", "has no finished epoch", "let it train for one epoch first")
    before, after = (_Side.of([h[:shortest] for h in side], test_images) for side in (plain, augmented))
    many = len(plain) + len(augmented) > 2
    gap_noise = _noise_of_difference(before, after, [s.gaps for s in (before, after)])
    noise = _noise_of_difference(before, after, [s.tests for s in (before, after)])
    seeds = f"; means over {_seeds(len(plain), len(augmented))}" if many else ""
    gap_words = (
        f"Augmentation {_gap_change(before.gap, after.gap, gap_noise)} "
        f"(training {before.train:.1%} → {after.train:.1%}{seeds})."
    )
    change = after.test - before.test
    chance = f"chance (±{_points(noise)}{', the spread over seeds included' if many else ''})"
    if abs(change) <= noise:
        verdict = f"Test accuracy differs by {_points(change, signed=True)}, within {chance}"
    else:
        direction = "gains" if change > 0 else "loses"
        verdict = f"Test accuracy {direction} {_points(abs(change))}, more than {chance}"
    best = (
        "the augmented runs were, on average, best in their last epoch, so more epochs may help them"
        if len(augmented) > 1
        else "the augmented run was best in its last epoch, so more epochs may help it"
    )
    more = f"; {best}" if after.best_last else ""
    return f"{gap_words} {verdict}{more}. An image doesn't look the same each time, so there is less to learn by heart."


def plain_and_augmented(recipes: Sequence[TrainConfig]) -> list[tuple[int, int]]:
    """Positions of each augmented recipe's plain counterpart, and of itself.

    They differ in nothing but augmentation and normalisation. Of several plain ones it is the likest, so that it
    doesn't matter in which order the runs were chosen.
    """
    pairs = []
    for place, wanted in enumerate(recipes):
        plain = [
            n
            for n, recipe in enumerate(recipes)
            if not recipe.augmentation and _bare(recipe) == _bare(wanted)
        ]
        if wanted.augmentation and plain:
            pairs.append((min(plain, key=lambda n: _unlikeness(recipes[n], wanted)), place))
    return pairs


def _bare(config: TrainConfig) -> TrainConfig:
    return replace(comparable(config), augmentation=(), normalization=None, mixup=0.0)


def _unlikeness(one: TrainConfig, other: TrainConfig) -> tuple[bool, bool, str]:
    return one.normalization != other.normalization, one.mixup != other.mixup, repr(one)


@dataclass(frozen=True)
class _Side:
    """The last epoch of one recipe: means over its seeds, and the values behind them.

    ``noise`` is two standard errors of a test accuracy on so many images.
    """

    train: float
    test: float
    gap: float
    tests: list[float]
    gaps: list[float]
    noise: float
    best_last: bool

    @classmethod
    def of(cls, histories: Sequence[History], test_images: int) -> _Side:
        # fmean rounds once, at the end: the order of the seeds doesn't show.
        curve = [fmean(r.test_accuracy for r in results) for results in zip(*histories, strict=True)]
        tests = [history[-1].test_accuracy for history in histories]
        trains = [history[-1].train_accuracy for history in histories]
        gaps = [a - b for a, b in zip(trains, tests, strict=True)]
        test, train = fmean(tests), fmean(trains)
        noise = 2 * math.sqrt(test * (1 - test) / test_images)
        return cls(train, test, train - test, tests, gaps, noise, curve.index(max(curve)) == len(curve) - 1)


def _noise_of_difference(one: _Side, other: _Side, values: Sequence[Sequence[float]]) -> float:
    """Two standard errors of the difference: errors of the test images and of the seeds add in quadrature.

    The spread over seeds is pooled, so that a recipe with one seed is taken to spread like the other.
    """
    freedom = sum(len(side) - 1 for side in values)
    squares = sum(float(np.var(side)) * len(side) for side in values)
    variance = squares / freedom * sum(1 / len(side) for side in values) if freedom else 0.0
    return math.hypot(one.noise, other.noise, 2 * math.sqrt(variance))


def _gap_change(before: float, after: float, noise: float) -> str:
    """What became of the gap; below zero, test is ahead."""
    before, after = round(before, 3), round(after, 3)  # as they are shown
    if abs(after - before) <= noise:
        sign = ", where below zero test is ahead" if min(before, after) < 0 else ""
        return f"hardly changes the gap, from {_points(before)} to {_points(after)}{sign}"
    if before >= 0 and after >= 0:
        moved = "narrows" if after < before else "widens"
        return f"{moved} the gap, from {_points(before)} to {_points(after)}"
    if before >= 0:
        return f"narrows the gap, from {_points(before)} to none: test is ahead by {_points(-after)}"
    if after >= 0:
        return f"opens a gap of {_points(after)}, where test was ahead by {_points(-before)}"
    moved = "further ahead" if after < before else "less far ahead"
    return f"leaves no gap to close: test is {moved}, by {_points(-after)} after {_points(-before)}"


def _seeds(plain: int, augmented: int) -> str:
    return (
        f"{_count(plain, 'seed')} each" if plain == augmented else f"{plain} and {_count(augmented, 'seed')}"
    )


def _test_trend(history: History, noise: float) -> str:
    best = max(history, key=lambda result: result.test_accuracy)
    last = history[-1]
    if best.test_accuracy - last.test_accuracy > noise:
        return (
            f"Test accuracy was best in epoch {best.epoch} ({best.test_accuracy:.1%}) and has fallen since."
        )
    if len(history) > 1 and best is last:
        return "Test accuracy was best in the last epoch."
    return f"Test accuracy has stood near its best ({best.test_accuracy:.1%}, epoch {best.epoch})."


def _points(share: float, *, signed: bool = False) -> str:
    return hundredths(share, POINTS, plus=signed)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
