"""What the numbers of a run say: the gap between training and test in words, spreads, mistakes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from explorer.errors import ExplorerError
from training.batches import Split, make_normalization
from training.checkpoint import list_epochs, load_checkpoint
from training.config import TrainConfig
from training.data import Dataset, load_dataset
from training.evaluation import BATCH_IMAGES, predict_split
from training.results import EpochResult
from training.runs import Run
from training.trained import rebuild

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
    said = [
        f"After {_count(last.epoch, 'epoch')} the network is right on {last.train_accuracy:.1%} of the training "
        f"images and {last.test_accuracy:.1%} of the test images: a gap of {_points(gap.last)}."
    ]
    chance = f"chance alone moves the accuracy on {test_images:,} test images by ±{_points(gap.noise)}"
    if gap.opened_at is not None:
        said.append(
            f"It opened in epoch {gap.opened_at} ({chance}) and was widest in epoch {gap.widest_at}, at "
            f"{_points(gap.widest)}. From there on the network also learns what is peculiar to the training "
            f"images and does not carry over: it overfits. {_test_trend(history, gap.noise)}"
        )
    elif gap.last < -gap.noise:
        harder = "on augmented, so harder images, and " if augmented else ""
        said.append(
            f"Test is ahead: training accuracy is counted {harder}over the whole epoch, while the weights still "
            f"improve; test accuracy after it. No overfitting shows. {_test_trend(history, gap.noise)}"
        )
    else:
        said.append(f"That is within what chance does ({chance}): no overfitting shows yet.")
        said.append(_test_trend(history, gap.noise))
    return " ".join(said)


def compare_gaps(plain: History, augmented: History, test_images: int) -> str:
    """What augmentation did, in words, from two runs that differ in nothing else but it and normalisation."""
    before, after = measure_gap(plain, test_images), measure_gap(augmented, test_images)
    change = augmented[-1].test_accuracy - plain[-1].test_accuracy
    # Both accuracies are uncertain, and their errors add in quadrature.
    noise = math.hypot(before.noise, after.noise)
    moved = "narrows" if after.last < before.last else "widens"
    if abs(after.last - before.last) <= noise:
        moved = "hardly changes"
    gap_words = (
        f"Augmentation {moved} the gap, from {_points(before.last)} to {_points(after.last)} "
        f"(training {plain[-1].train_accuracy:.1%} → {augmented[-1].train_accuracy:.1%})."
    )
    if abs(change) <= noise:
        verdict = (
            f"Test accuracy differs by {_points(change, signed=True)}, within chance (±{_points(noise)})"
        )
    else:
        direction = "gains" if change > 0 else "loses"
        verdict = f"Test accuracy {direction} {_points(abs(change))}, more than chance (±{_points(noise)})"
    best = max(augmented, key=lambda result: result.test_accuracy)
    more = (
        "; the augmented run was best in its last epoch, so more epochs may help it"
        if best is augmented[-1]
        else ""
    )
    return f"{gap_words} {verdict}{more}. No image is seen twice alike, so there is less to learn by heart."


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
    return f"{100 * share:{'+' if signed else ''}.1f} points".replace("-", "−")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


@dataclass(frozen=True)
class Spread:
    """One quantity over several seeds: mean and standard deviation (n − 1) by epoch, for ``runs`` runs."""

    epochs: tuple[int, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    runs: int


def spread(histories: Sequence[History], quantity: str = "test_accuracy") -> Spread:
    """Mean ± spread of ``quantity`` (a field of EpochResult) over the epochs that all runs have."""
    shortest = min((len(history) for history in histories), default=0)
    if shortest == 0:
        raise ExplorerError(
            "the runs to compare", "have no finished epoch in common", "let each train for one epoch"
        )
    values = np.array([[getattr(result, quantity) for result in history[:shortest]] for history in histories])
    deviation = values.std(axis=0, ddof=1) if len(histories) > 1 else np.zeros(shortest)
    epochs = tuple(result.epoch for result in histories[0][:shortest])
    return Spread(epochs, tuple(values.mean(axis=0).tolist()), tuple(deviation.tolist()), len(histories))


def by_recipe(runs: Sequence[Run]) -> dict[TrainConfig, list[Run]]:
    """Runs that differ in nothing but the seed, together, under their recipe with seed 0."""
    groups: dict[TrainConfig, list[Run]] = {}
    for run in runs:
        groups.setdefault(replace(run.config, seed=0), []).append(run)
    return groups


@dataclass(frozen=True)
class Predictions:
    """What a network says of every test image: ``probabilities`` (n, classes) float32, rows summing to 1;
    ``classes`` (n,) the truth, in the order of the data set."""

    labels: tuple[str, ...]
    classes: NDArray[np.int64]
    probabilities: NDArray[np.float32]

    @property
    def confusion(self) -> NDArray[np.int64]:
        """How often class [row] was taken for class [column]."""
        count = len(self.labels)
        pairs = self.classes * count + self.probabilities.argmax(1)
        return np.bincount(pairs, minlength=count * count).reshape(count, count)


@dataclass(frozen=True)
class Mistake:
    """A test image taken for another class: its index in the test set, both classes, both probabilities."""

    index: int
    true_class: int
    predicted_class: int
    probability: float
    true_probability: float


def predict_test_images(
    folder: str | Path,
    epoch: int | None = None,
    data: Dataset | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Predictions:
    """The answers of a run's network after ``epoch`` (default: its last) to all its test images.

    ``data``: instead of loading what the run was trained on. ``on_progress`` is called with the share
    done, in [0, 1]; an exception from it ends the work.
    """
    folder = Path(folder)
    if epoch is None:
        epoch = max(list_epochs(folder), default=0)
    saved = load_checkpoint(folder, epoch)
    data = data if data is not None else load_dataset(saved.config)
    if data.labels != saved.data.labels:
        raise ExplorerError(
            f"the data set {data.name!r}", "has other classes than the run", "give the run's own"
        )
    device = torch.device("cpu")
    split = Split(torch.from_numpy(np.array(data.test_images)), torch.from_numpy(np.array(data.test_classes)))
    normalize = make_normalization(saved.data.mean, saved.data.std, device)
    network = rebuild(saved).to(memory_format=torch.channels_last)
    answers = []
    for number, (logits, _) in enumerate(predict_split(network, split, normalize), 1):
        answers.append(logits.softmax(1).numpy())
        if on_progress:
            on_progress(min(1.0, number * BATCH_IMAGES / len(split)))
    return Predictions(data.labels, np.array(data.test_classes), np.concatenate(answers))


def confident_mistakes(predictions: Predictions, count: int = 12) -> list[Mistake]:
    """The wrong answers given with the highest probability, most confident first."""
    picked = predictions.probabilities.argmax(1)
    rows = np.arange(len(picked))
    sure = predictions.probabilities[rows, picked]
    wrong = np.flatnonzero(picked != predictions.classes)
    worst = wrong[np.argsort(-sure[wrong], kind="stable")][:count]
    return [
        Mistake(
            index=int(i),
            true_class=int(predictions.classes[i]),
            predicted_class=int(picked[i]),
            probability=float(sure[i]),
            true_probability=float(predictions.probabilities[i, predictions.classes[i]]),
        )
        for i in worst
    ]
