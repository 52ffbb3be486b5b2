"""What the page calls the knobs of a recipe: on its fields, and in messages about what was typed there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from explorer.errors import ExplorerError

LABELS: Mapping[str, str] = MappingProxyType(
    {
        "recipe": "Recipe",
        "network": "Network to train",
        "layers": "Layers, one a line",
        "epochs": "Epochs",
        "batch_size": "Batch size",
        "learning_rate": "Learning rate",
        "augmentation": "Augmentation of the training images",
        "normalization": "Normalisation of the channels",
        "optimizer": "Optimiser",
        "schedule": "Learning-rate schedule",
        "weight_decay": "Weight decay",
        "momentum": "Momentum (sgd)",
        "label_smoothing": "Label smoothing",
        "mixup": "Mixup alpha",
        "max_train_images": "Training images, 0 for all",
        "max_test_images": "Test images, 0 for all",
        "precision": "Precision",
        "device": "Device",
        "seeds": "Seeds",
        "image_size": "Resized to, in pixels",
    }
)
_NUMBERS = (
    *("epochs", "batch_size", "learning_rate", "weight_decay", "momentum", "label_smoothing", "mixup"),
    *("max_train_images", "max_test_images", "image_size"),
)
_COUNTED = ("max_train_images", "max_test_images")


def in_labels(error: ExplorerError) -> ExplorerError:
    """The same about the fields of the page, instead of the knobs of :class:`~training.config.TrainConfig`.

    >>> print(in_labels(ExplorerError("batch_size None", "is not a whole number", "choose one, such as 16")))
    Batch size (empty) is not a whole number; choose one, such as 16
    """
    error = error.on_page()
    value, remedy = _labelled(error.value), _labelled(error.remedy)
    found = re.match(rf"({'|'.join(_NUMBERS)}) (.+)", error.value)
    if found:
        value = f"{_short(found[1])} {'(empty)' if found[2] == 'None' else _labelled(found[2])}"
        if found[1] in _COUNTED and remedy.startswith("choose one"):
            remedy += ", or 0 for all"
    return ExplorerError(value, _labelled(error.rule), remedy)


def _labelled(text: str) -> str:
    """Names that no sentence would have, those with an underscore, as the page has them."""
    return re.sub(r"\b[a-z]+(?:_[a-z]+)+\b", lambda word: _short(word[0]), text)


def _short(knob: str) -> str:
    return LABELS[knob].partition(",")[0] if knob in LABELS else knob
