"""What a trained network gets wrong: its confusions, most frequent first, and the images of one of them."""

from __future__ import annotations

import numpy as np

from training.report.matrix import MATRIX_WORDS
from training.report.predictions import Mistake, Predictions

Pair = tuple[int, int]


def confusions(predictions: Predictions, most: int = 30) -> list[tuple[str, Pair]]:
    """(words, (true class, taken for)) of the most frequent confusions."""
    counts = predictions.confusion
    wrong = counts - np.diag(counts.diagonal())
    found = []
    for index in np.argsort(-wrong.ravel(), kind="stable")[:most]:
        row, column = divmod(int(index), len(counts))
        if wrong[row, column]:
            words = f"{predictions.labels[row]} for {predictions.labels[column]}"
            found.append((f"{words} ({wrong[row, column]} of {counts[row].sum()})", (row, column)))
    return found


def confusion_words(predictions: Predictions) -> str:
    """How many are right, and the most frequent confusions with their counts."""
    counts = predictions.confusion
    right, total = int(counts.diagonal().sum()), int(counts.sum())
    often = ", ".join(words for words, _ in confusions(predictions, 3))
    return f"{right:,} of {total:,} test images are right ({right / total:.1%}). {MATRIX_WORDS}" + (
        f" Most often it takes {often}." if often else ""
    )


def cell_images(predictions: Predictions, true_class: int, taken_for: int) -> list[Mistake]:
    """The images of one cell of the matrix, the surest first; on the diagonal they are no mistakes."""
    given = predictions.probabilities
    members = np.flatnonzero((predictions.classes == true_class) & (given.argmax(1) == taken_for))
    order = members[np.argsort(-given[members, taken_for], kind="stable")]
    return [
        Mistake(int(i), true_class, taken_for, float(given[i, taken_for]), float(given[i, true_class]))
        for i in order
    ]
