"""What the page calls the knobs of a recipe: on its fields, and in messages about what was typed there."""

from __future__ import annotations

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


def in_labels(error: ExplorerError) -> ExplorerError:
    """The same about the field of the page, instead of the knob of :class:`~training.config.TrainConfig`.

    >>> rule, remedy = "is not a whole number", "choose one, such as 16"
    >>> print(in_labels(ExplorerError("batch_size None", rule, remedy, parameter="batch_size")))
    Batch size (empty) is not a whole number; choose one, such as 16
    """
    # What follows the comma says how it is filled in.
    return error.on_page(LABELS.get(error.parameter, "").partition(",")[0])
