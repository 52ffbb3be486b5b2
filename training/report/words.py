"""Runs, and what networks get right and wrong, in lines of text with every number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from torch import nn

from explorer.activations.captions import number
from explorer.activations.capture import Activation
from explorer.text_table import aligned
from training.config import TrainConfig
from training.report.classes import classes_title
from training.report.comparison import SUMMARY_HEADS, Group, group_recorded, summary
from training.report.explain import compare_seeds, explain_gap, plain_and_augmented
from training.report.inside import MOST_KERNELS, Scales, Snapshot, first_weights, scales, spread_out
from training.report.matrix import MATRIX_WORDS
from training.report.mistakes import confusions
from training.report.predictions import Mistake, Predictions
from training.results import EpochResult

_MOST_EXPLAINED = 2
Histories = Mapping[str, Sequence[EpochResult]]
Row = Sequence[float | None]
MOST_EPOCHS = 120
"""Epochs of a run that a notebook writes out."""


def recorded_history(rows: Sequence[Row]) -> list[EpochResult]:
    """The results of a run that is done, from (epoch, training accuracy, test accuracy, training loss, test loss).

    Accuracies in [0, 1]; ``None`` and what isn't recorded become NaN.
    """
    results = []
    for epoch, *numbers in rows:
        train, test, train_loss, test_loss = (math.nan if v is None else float(v) for v in numbers)
        unknown = (math.nan, math.nan, math.nan)  # seconds, images per second, learning rate
        results.append(EpochResult(int(epoch or 0), train, test, train_loss, test_loss, *unknown, ()))
    return results


def recorded_rows(history: Sequence[EpochResult], last: int | None = None) -> list[list[float | None]]:
    """What :func:`recorded_history` reads back, as a notebook writes it out: of long runs evenly chosen epochs.

    ``last`` is the last epoch of the longest run that is shown beside this one.
    """
    chosen = set(spread_out(range(1, (last or history[-1].epoch) + 1), MOST_EPOCHS))
    rows = []
    for result in history:
        numbers = (result.train_accuracy, result.test_accuracy, result.train_loss, result.test_loss)
        if result.epoch in chosen:
            known = (round(number, 6) if math.isfinite(number) else None for number in numbers)
            rows.append([result.epoch, *known])
    return rows


def describe_histories(histories: Histories) -> str:
    """Every epoch's accuracies, run by run."""
    lines = []
    for title, results in histories.items():
        lines.append(title)
        lines += [
            f"epoch {result.epoch}: train {result.train_accuracy:.1%}, test {result.test_accuracy:.1%}"
            for result in results
        ]
    return "\n".join(lines)


def compare_histories(
    configs: Mapping[str, TrainConfig], histories: Histories, test_images: Mapping[str, int]
) -> str:
    """The last epochs in a table, mean ± spread over seeds, and the gap between training and test in words.

    Args:
        configs: title → recipe.
        test_images: title → how many images the test accuracy was counted on; without, nothing is said of a run's gap.
    """
    groups = group_recorded(configs, histories, test_images)
    rows = [("recipe", *SUMMARY_HEADS), *((group.label, *summary(group)) for group in groups)]
    return "\n\n".join([aligned(rows, left=1, gap=3), *comparison_words(groups)])


def comparison_words(groups: Sequence[Group]) -> list[str]:
    """The gap of the first groups, each from its first run, and what augmentation did where two differ in it alone."""
    sentences = []
    for group in groups[:_MOST_EXPLAINED]:
        first = group.by_seed[0]
        if first.test_images is not None:
            augmented = bool(first.config.augmentation)
            words = explain_gap(first.history, first.test_images, augmented=augmented)
            sentences.append(f"{first.title}: {words}" if len(groups) > 1 else words)
    pairs = plain_and_augmented([group.config for group in groups])
    for plain, augmented_one in ((groups[one], groups[other]) for one, other in pairs):
        images = plain.by_seed[0].test_images
        if images is not None:
            words = compare_seeds(plain.distinct, augmented_one.distinct, images)
            both = f"{augmented_one.label}, against {plain.label}: "
            sentences.append(f"{both if len(pairs) > 1 else ''}{words}")
    return sentences


def describe_classes(epoch: int, shares: Sequence[tuple[str, float]], classes: int) -> str:
    """The test accuracy of each class after an epoch, a line a class.

    Args:
        shares: (label, accuracy in [0, 1]), as :func:`training.report.classes.class_shares` picks them.
        classes: of how many classes they are.
    """
    return "\n".join([classes_title(epoch, classes), *(f"{label}: {share:.1%}" for label, share in shares)])


def describe_confusion(predictions: Predictions) -> str:
    """How many test images are right, how many of each class, and the most frequent confusions."""
    counts = predictions.confusion
    right, total = int(counts.diagonal().sum()), int(counts.sum())
    lines = [f"{right:,} of {total:,} test images are right ({right / total:.1%}). {MATRIX_WORDS}"]
    lines += [
        f"{label}: {counts[index, index]} of {counts[index].sum()} right"
        for index, label in enumerate(predictions.labels)
    ]
    often = [words for words, _ in confusions(predictions, 5)]
    return "\n".join(lines + ([f"Most often: {', '.join(often)}."] if often else []))


def describe_mistakes(mistakes: Sequence[Mistake], labels: Sequence[str]) -> str:
    """A line per image: what it is, what it was taken for, and how probable the network held both."""
    return "\n".join(
        f"test image {m.index}: {labels[m.true_class]} {m.true_probability:.1%}, "
        f"taken for {labels[m.predicted_class]} {m.probability:.1%}"
        for m in mistakes
    )


def describe_first_layer(network: nn.Module, activation: Activation) -> str:
    """What :func:`first_layer_figure` draws, with its numbers."""
    count, height, width = activation.shape
    many = f"the first {MOST_KERNELS} of {count}" if count > MOST_KERNELS else f"all {count}"
    sentence = f"{activation.layer}, {many} channels."
    weights = first_weights(network)
    if weights is not None:
        largest = number(float(np.abs(weights).max()))
        sentence += (
            f" Above, its {weights.shape[2]}×{weights.shape[3]} kernels over red, green and blue: weights from "
            f"{number(float(weights.min()))} to {number(float(weights.max()))}; grey is 0, white {largest}, "
            f"black −{largest}."
        )
    values = activation.values
    return sentence + (
        f" Below, their {height}×{width} maps on this picture: red positive, blue negative; values from "
        f"{number(float(values.min()))} to {number(float(values.max()))}."
    )


def describe_film(found: Sequence[Snapshot]) -> str:
    """An epoch a line: what the network says, the probability of the target, the accuracy on all test images.

    Args:
        found: as :func:`training.report.inside.look_inside` gives them, at least one.
    """
    label = found[-1].saliency.label
    lines = [
        f"epoch {m.epoch}: says {m.answer.label} {m.answer.probability:.0%}; {label} {m.saliency.probability:.1%}; "
        f"test {reached(m)}"
        for m in found
    ]
    return "\n".join([*lines, scales_words(scales(found), label)])


def reached(m: Snapshot) -> str:
    """The accuracy on all test images in words; a dash where it isn't known."""
    return "–" if m.test_accuracy is None else f"{m.test_accuracy:.1%}"


def scales_words(ends: Scales, label: str) -> str:
    """What the rows of :func:`film` show, and where their colours end."""
    kernels = "" if ends.kernels is None else f"kernels to ±{number(ends.kernels)}, "
    return (
        f"Each row has one scale: {kernels}maps to ±{number(ends.maps)}, saliency of "
        f"{label} to ±{number(ends.saliency)}. Then what the network says, the probability of {label}, and the "
        "accuracy on all test images."
    )
