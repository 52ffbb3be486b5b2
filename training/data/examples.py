"""Images of a data set to look at: some of each class, and what augmentation makes of some."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from training.config import TrainConfig
from training.data.augmentation import augment, draw
from training.data.batches import normalization_for
from training.data.load import Dataset, Images

Pixels = NDArray[np.uint8]


def augmentation_pairs(
    data: Dataset, config: TrainConfig, count: int = 6, seed: int = 0
) -> list[tuple[Pixels, Pixels]]:
    """(original, augmented) training images (S, S, 3), as the recipe's augmentation would change them."""
    generator = torch.Generator().manual_seed(seed)
    index = torch.randperm(len(data.train_classes), generator=generator)[:count].sort().values.numpy()
    images = torch.from_numpy(np.array(data.train_images[index]))
    draws = draw(config.augmentation, len(images), images.shape[1], generator)
    fill = torch.tensor(normalization_for(config, data)[0])
    changed = augment(images, draws, fill).mul(255).round().to(torch.uint8).permute(0, 2, 3, 1)
    return list(zip(images.numpy(), changed.numpy(), strict=True))


def gallery(data: Dataset, per_class: int = 10, seed: int = 0) -> dict[str, Images]:
    """Label → up to ``per_class`` training images (n, S, S, 3), drawn without replacement."""
    random = np.random.default_rng(seed)
    shown = {}
    for index, label in enumerate(data.labels):
        members = np.flatnonzero(data.train_classes == index)
        picked = random.permutation(members)[:per_class]
        shown[label] = np.array(data.train_images[np.sort(picked)])
    return shown
