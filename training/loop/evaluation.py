"""How good a network is on images it was not trained on, in eval mode and large batches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.networks.hooks import evaluating
from training import distributed
from training.data.batches import Normalization, Split, test_chunks

BATCH_IMAGES = 1000


def predict_split(
    network: nn.Module,
    split: Split,
    normalize: Normalization,
    autocast: AbstractContextManager[Any] | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits (n, classes) float32 and true classes (n,), batch by batch, of this process's share."""
    with evaluating(network), torch.inference_mode(), autocast or nullcontext():
        for images, classes in test_chunks(split, normalize, BATCH_IMAGES):
            yield network(images).float(), classes


def evaluate(
    network: nn.Module,
    split: Split,
    classes: int,
    normalize: Normalization,
    autocast: AbstractContextManager[Any] | None = None,
) -> tuple[Tensor, float]:
    """Confusion matrix (classes, classes) int64 [true, predicted] and mean loss in nats.

    Under several processes each takes its share of the images; all get the same answer.
    """
    device = split.images.device
    matrix = torch.zeros(classes * classes, dtype=torch.int64, device=device)
    loss = torch.zeros((), device=device)
    for logits, truth in predict_split(network, split, normalize, autocast):
        matrix += torch.bincount(truth * classes + logits.argmax(1), minlength=len(matrix))
        loss += functional.cross_entropy(logits, truth, reduction="sum")
    distributed.add_up(matrix)
    distributed.add_up(loss)
    return matrix.view(classes, classes).cpu(), float(loss) / len(split)
