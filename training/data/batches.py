"""From a data set to batches on the device: an epoch's plan, fixed by the seed, and the tensors it names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from training.config import TrainConfig
from training.data.augmentation import Draws, augment, draw, to_float
from training.data.load import Dataset, channel_statistics
from training.distributed import my_slice

# Pixels prepared at once: enough that the cost per call vanishes, few enough for the CPU's cache, and
# for progress and a wish to stop to come through soon.
_CHUNK_PIXELS_CPU, _CHUNK_PIXELS_GPU = 256 * 32 * 32, 8192 * 32 * 32
ORDER, MODULES, WEIGHTS = 0, 1, 2
"""Purposes for :func:`seed_for`."""


def seed_for(seed: int, epoch: int, purpose: int) -> int:
    """An independent seed per epoch and purpose, so that a resumed epoch draws what it would have drawn."""
    return int(np.random.SeedSequence([seed, epoch, purpose]).generate_state(1, np.uint64)[0] >> np.uint64(1))


@dataclass(frozen=True)
class Split:
    """Images (n, S, S, 3) uint8 and classes (n,) int64, resident on the device."""

    images: Tensor
    classes: Tensor

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True)
class Normalization:
    """``(x − mean) / std`` per channel for x in [0, 1]; (3,) float32 each."""

    mean: Tensor
    std: Tensor
    is_identity: bool

    def __call__(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) in [0, 1] → normalised; in place where the memory is channels-last, as ours is."""
        if self.is_identity:
            return images
        # Row by row the three numbers repeat: long runs that the processor's vector units like.
        width = images.shape[3]
        rows = images.permute(0, 2, 3, 1).reshape(-1, width * 3)
        rows.sub_(self.mean.repeat(width)).div_(self.std.repeat(width))
        return rows.view(images.shape[0], -1, width, 3).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Chunk:
    """Some whole batches, ready for the network; under mixup with the second class and the first's share.

    ``images`` (n, 3, S, S) float32 channels-last, ``classes`` (n,); ``partners`` (n,) and ``shares`` (n,)
    or None; ``parts`` are this process's batches within, ``batch_sizes`` those of all processes together.
    """

    images: Tensor
    classes: Tensor
    partners: Tensor | None
    shares: Tensor | None
    parts: list[slice]
    batch_sizes: list[int]


def to_device(data: Dataset, device: torch.device) -> tuple[Split, Split]:
    """Both splits copied once into the device's memory."""
    parts = ((data.train_images, data.train_classes), (data.test_images, data.test_classes))
    train, test = (
        Split(torch.from_numpy(np.array(i)).to(device), torch.from_numpy(np.array(c)).to(device))
        for i, c in parts
    )
    return train, test


def normalization_for(config: TrainConfig, data: Dataset) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel that ``config`` asks for; (0, 1) where it asks for none."""
    if config.normalization is None:
        return (0.0,) * 3, (1.0,) * 3
    if config.normalization == "measured":
        return channel_statistics(data)
    mean, std = config.normalization
    return (float(mean),) * 3, (float(std),) * 3


def make_normalization(
    mean: tuple[float, ...], std: tuple[float, ...], device: torch.device
) -> Normalization:
    """The normalisation by ``mean`` and ``std``, three numbers each, on ``device``."""
    identity = all(m == 0 for m in mean) and all(s == 1 for s in std)
    return Normalization(torch.tensor(mean, device=device), torch.tensor(std, device=device), identity)


def train_chunks(train: Split, config: TrainConfig, normalize: Normalization, epoch: int) -> Iterator[Chunk]:
    """The batches of ``epoch``, shuffled and augmented; the last may be smaller.

    Every process draws the same plan for all images and prepares its own slice of each batch.
    """
    device, count, size = train.images.device, len(train), config.batch_size
    generator = torch.Generator().manual_seed(seed_for(config.seed, epoch, ORDER))
    order = torch.randperm(count, generator=generator)
    draws = draw(config.augmentation, count, config.image_size, generator)
    shares = _draw_shares(config, epoch, count)
    for start, stop in _chunk_bounds(train.images, size):
        bounds = [(first, min(first + size, stop)) for first in range(start, stop, size)]
        mine = [my_slice(*bound) for bound in bounds]
        positions = torch.cat([torch.arange(part.start, part.stop) for part in mine])
        images, classes = _prepare(train, order, draws, positions, normalize)
        partners = part_shares = None
        if shares is not None:
            ahead = torch.cat([_next_in_batch(part, bound) for part, bound in zip(mine, bounds, strict=True)])
            others, partners = _prepare(train, order, draws, ahead, normalize)
            part_shares = shares[positions].to(device)
            images = torch.lerp(others, images, part_shares.view(-1, 1, 1, 1))
        edges = np.cumsum([0] + [part.stop - part.start for part in mine])
        parts = [slice(int(a), int(b)) for a, b in pairwise(edges)]
        yield Chunk(images, classes, partners, part_shares, parts, [last - first for first, last in bounds])


def test_chunks(test: Split, normalize: Normalization, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """This process's share of the test images, normalised, with their classes."""
    mine = my_slice(0, len(test))
    for start in range(mine.start, mine.stop, batch_size):
        part = slice(start, min(start + batch_size, mine.stop))
        yield normalize(to_float(test.images[part])), test.classes[part]


def _chunk_bounds(images: Tensor, batch_size: int) -> list[tuple[int, int]]:
    pixels = _CHUNK_PIXELS_CPU if images.device.type == "cpu" else _CHUNK_PIXELS_GPU
    count = len(images)
    chunk = max(1, pixels // images[0, ..., 0].numel() // batch_size) * batch_size
    return [(start, min(start + chunk, count)) for start in range(0, count, chunk)]


def _prepare(
    train: Split, order: Tensor, draws: Draws, positions: Tensor, normalize: Normalization
) -> tuple[Tensor, Tensor]:
    device = train.images.device
    index = order[positions].to(device)
    images = train.images.flatten(1).index_select(0, index).view(-1, *train.images.shape[1:])
    fill = normalize.mean
    return normalize(augment(images, draws.take(positions).to(device), fill)), train.classes[index]


def _next_in_batch(part: slice, bound: tuple[int, int]) -> Tensor:
    """Positions one further round the batch: the order is random already, so the partners are."""
    first, last = bound
    return first + (torch.arange(part.start, part.stop) - first + 1) % (last - first)


def _draw_shares(config: TrainConfig, epoch: int, count: int) -> Tensor | None:
    if config.mixup == 0:
        return None
    random = np.random.default_rng([config.seed, epoch, MODULES])
    return torch.from_numpy(random.beta(config.mixup, config.mixup, count).astype(np.float32))
