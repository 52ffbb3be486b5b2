"""What a network says about an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from explorer.networks.hooks import evaluating
from explorer.networks.load import LoadedModel
from explorer.networks.preprocessing import Framing


@dataclass(frozen=True)
class Prediction:
    """One class and how probable the network holds it: softmax of all logits, in [0, 1]."""

    index: int
    label: str
    probability: float
    logit: float


def predict(
    model: LoadedModel, image: np.ndarray, top: int = 5, *, framing: Framing | None = None
) -> list[Prediction]:
    """The ``top`` most probable classes of ``image`` ``(H, W, 3) uint8``, the most probable first."""
    with evaluating(model.module), torch.inference_mode():
        logits = model.module(model.preprocess(image, framing))[0].float().cpu().numpy()
    return ranked(model, logits, top)


def ranked(model: LoadedModel, logits: np.ndarray, top: int = 5) -> list[Prediction]:
    """The ``top`` most probable classes from logits ``(classes,)`` that are known already."""
    exponents = np.exp(logits.astype(np.float64) - logits.max())
    probabilities = exponents / exponents.sum()
    best = np.argsort(-logits, kind="stable")[:top]
    return [Prediction(int(i), model.labels[i], float(probabilities[i]), float(logits[i])) for i in best]
