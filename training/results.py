"""What training yields: one result an epoch, and the progress in between."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class EpochResult:
    """One epoch, after it.

    Accuracies are shares in [0, 1], losses mean cross-entropy in nats. The training figures are
    counted *while* training, in train mode, on the augmented images and with weights that still
    change; the test figures afterwards, in eval mode, on the images as they are.
    ``class_accuracy`` is the test accuracy of each label (NaN for a class without test images).
    ``learning_rate`` is the last step's. ``seconds`` includes the evaluation, ``images_per_second`` not.
    """

    epoch: int
    train_accuracy: float
    test_accuracy: float
    train_loss: float
    test_loss: float
    seconds: float
    images_per_second: float
    learning_rate: float
    class_accuracy: tuple[float, ...]

    def __str__(self) -> str:
        return (
            f"epoch {self.epoch:3d}  train {self.train_accuracy:6.1%}  test {self.test_accuracy:6.1%}  "
            f"loss {self.train_loss:.3f} / {self.test_loss:.3f}  "
            f"{self.seconds:.1f} s, {self.images_per_second:,.0f} images/s"
        )


@dataclass(frozen=True)
class DataFacts:
    """What a network must know of the data it was trained on.

    ``mean`` and ``std`` (per channel) are what normalises inputs in [0, 1]; (0, 0, 0) and (1, 1, 1)
    where the recipe asks for none. ``fingerprint`` names the images' content.
    """

    labels: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    train_images: int
    test_images: int
    fingerprint: str


@dataclass(frozen=True)
class Progress:
    """Where a run is within an epoch: ``step`` of ``steps`` done in ``epoch`` (from 1) of ``epochs``.

    Accuracy and loss are of this epoch so far; ``seconds_left`` is for the whole run, by this epoch's pace.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    train_accuracy: float
    train_loss: float
    images_per_second: float
    learning_rate: float
    seconds_left: float


def result_from_json(text: str) -> EpochResult:
    """The inverse of ``json.dumps(asdict(result))``; raises ValueError for anything else."""
    try:
        values = json.loads(text)
        values["class_accuracy"] = tuple(values["class_accuracy"])
        result = EpochResult(**values)
    except (TypeError, KeyError) as error:
        raise ValueError(f"{text[:40]!r} is no result of an epoch") from error
    numbers = (*(value for name, value in values.items() if name != "class_accuracy"), *result.class_accuracy)
    if not isinstance(result.epoch, int) or not all(isinstance(number, int | float) for number in numbers):
        raise ValueError(f"{text[:40]!r} has words where numbers belong")
    return result


def facts_from_json(text: str) -> DataFacts:
    """The inverse of ``json.dumps(asdict(facts))``; raises ValueError for anything else."""
    try:
        values: dict[str, Any] = json.loads(text)
        for name in ("labels", "mean", "std"):
            values[name] = tuple(values[name])
        return DataFacts(**values)
    except (TypeError, KeyError) as error:
        raise ValueError(f"{text[:40]!r} does not describe a data set") from error
