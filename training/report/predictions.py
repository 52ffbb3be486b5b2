"""What a trained network answers to the images that it is tested on."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from explorer.errors import ExplorerError
from explorer.networks.load import LoadedModel
from training.data.batches import Split, make_normalization
from training.data.load import Dataset, load_dataset
from training.loop.checkpoint import list_epochs, load_checkpoint
from training.loop.evaluation import BATCH_IMAGES, predict_split
from training.runs.trained import rebuild


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


def predict_images(model: LoadedModel, data: Dataset) -> Predictions:
    """What a trained network says of every test image of a data set.

    Raises:
        ExplorerError: the data set has other classes.
    """
    if tuple(data.labels) != tuple(model.labels):
        remedy = "give the data set that the network was trained on"
        raise ExplorerError(f"the data set {data.name!r}", "has other classes than the network", remedy)
    device = torch.device("cpu")
    split = Split(torch.from_numpy(np.array(data.test_images)), torch.from_numpy(np.array(data.test_classes)))
    normalize = make_normalization(model.preprocess.mean, model.preprocess.std, device)
    # A copy: the loaded network is shared, and stays as it is.
    network = deepcopy(model.module).to(device).to(memory_format=torch.channels_last)
    answers = [logits.softmax(1).numpy() for logits, _ in predict_split(network, split, normalize)]
    return Predictions(data.labels, np.array(data.test_classes), np.concatenate(answers))
