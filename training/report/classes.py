"""How a run does on each class."""

from __future__ import annotations

import math
from collections.abc import Sequence

from training.results import EpochResult

MOST_CLASSES = 20
SHORT, LONG = 14, 32
"""Letters of a class's name: beside cells and small pictures, and beside bars."""


def short_name(label: str, most: int = SHORT) -> str:
    """A class's name in at most so many letters; the last is then an ellipsis.

    >>> short_name("bow tie"), short_name("n02123045 tabby cat")
    ('bow tie', 'n02123045 tab…')
    """
    return label if len(label) <= most else f"{label[: most - 1]}…"


def class_shares(result: EpochResult, labels: Sequence[str]) -> list[tuple[str, float]]:
    """(label, test accuracy) of the classes that have test images: all, or the worst first where there are many."""
    pairs = zip(labels, result.class_accuracy, strict=False)
    known = [(label, share) for label, share in pairs if not math.isnan(share)]
    if len(known) > MOST_CLASSES:
        known = sorted(known, key=lambda pair: pair[1])[:MOST_CLASSES]
    return known


def classes_title(epoch: int, classes: int) -> str:
    """What :func:`class_shares` of so many classes are."""
    fewest = f" (the {MOST_CLASSES} hardest of {classes})" if classes > MOST_CLASSES else ""
    return f"Test accuracy by class after epoch {epoch}{fewest}"
