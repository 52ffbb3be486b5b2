"""Random changes to training images, as a few tensor operations over a whole batch, on its device.

Drawing and applying are apart: :func:`draw` makes every random number of an epoch on the CPU, so
that a seed means the same images on every device and in every process; :func:`augment` is then a
pure function. Flip and crop are torchvision's ``hflip`` and ``pad`` + ``crop``, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional

CROP_PADDING_PX = 4
JITTER = 0.2
"""Brightness, contrast and saturation are scaled by a factor in [1 − JITTER, 1 + JITTER]."""
GRAY = (0.2989, 0.587, 0.114)
"""ITU-R 601 luma, to torchvision's digits."""


@dataclass(frozen=True)
class Draws:
    """The random numbers of ``n`` images; None where that change is off.

    ``flip`` (n,) bool; ``shift`` (n, 2) int64, the crop's top and left in [0, 8];
    ``jitter`` (n, 3) float32 factors for brightness, contrast, saturation;
    ``hole`` (n, 2) int64, the cut-out square's centre (y, x) in pixels.
    """

    flip: Tensor | None = None
    shift: Tensor | None = None
    jitter: Tensor | None = None
    hole: Tensor | None = None

    def take(self, positions: Tensor) -> Draws:
        """The draws at ``positions`` (m,) int64, in that order."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        return Draws(**{name: None if part is None else part[positions] for name, part in parts.items()})

    def to(self, device: torch.device) -> Draws:
        """The same on ``device``."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        return Draws(**{name: None if part is None else part.to(device) for name, part in parts.items()})


def draw(names: tuple[str, ...], count: int, size_px: int, generator: torch.Generator) -> Draws:
    """Random numbers for ``count`` images of ``size_px`` × ``size_px``, for the changes in ``names``.

    Each kind is drawn only if it is named, always in the same order.
    """
    flip = shift = jitter = hole = None
    if "flip" in names:
        flip = torch.rand(count, generator=generator) < 0.5
    if "crop" in names:
        shift = torch.randint(0, 2 * CROP_PADDING_PX + 1, (count, 2), generator=generator)
    if "color_jitter" in names:
        jitter = torch.empty(count, 3).uniform_(1 - JITTER, 1 + JITTER, generator=generator)
    if "cutout" in names:
        hole = torch.randint(0, size_px, (count, 2), generator=generator)
    return Draws(flip, shift, jitter, hole)


def augment(images_u8: Tensor, draws: Draws, hole_fill: Tensor) -> Tensor:
    """Augmented images for the network, before normalisation.

    ``images_u8``: (n, H, W, 3) uint8, H = W. ``hole_fill``: (3,) in [0, 1], what cut-out leaves:
    the mean that normalisation maps to zero (DeVries and Taylor, 2017). Returns (n, 3, H, W)
    float32 in [0, 1], channels-last in memory. Order: crop, flip, jitter (brightness, contrast,
    saturation), cut-out.
    """
    if draws.flip is not None or draws.shift is not None:
        images_u8 = _crop_and_flip(images_u8, draws.shift, draws.flip)
    images = to_float(images_u8)
    if draws.jitter is not None:
        images = color_jitter(images, draws.jitter)
    if draws.hole is not None:
        images = cutout(images, draws.hole, hole_fill)
    return images


def to_float(images_u8: Tensor) -> Tensor:
    """(n, H, W, 3) uint8 → (n, 3, H, W) float32 in [0, 1], without moving a byte between layouts."""
    return images_u8.permute(0, 3, 1, 2).float().div_(255)


def _crop_and_flip(images: Tensor, shift: Tensor | None, flip: Tensor | None) -> Tensor:
    """(n, S, S, 3) uint8 → the same shape. A row of a crop lies in one piece in the padded image, so whole
    rows are fetched: several times as fast as pixels."""
    count, size, _, channels = images.shape
    if shift is not None:
        margin = CROP_PADDING_PX
        padded = functional.pad(images, (0, 0, margin, margin, margin, margin))
        side = padded.shape[1]
        # Every run of ``size`` pixels, beginning at any pixel: a view, nothing is copied.
        runs = padded.as_strided((count * side * side - size + 1, size * channels), (channels, 1))
        first = torch.arange(count, device=images.device).view(-1, 1) * (side * side)
        top = torch.arange(size, device=images.device).view(1, -1) + shift[:, :1]
        images = runs.index_select(0, (first + top * side + shift[:, 1:]).flatten()).view_as(images)
    if flip is not None:
        mirrored = flip.nonzero()[:, 0]
        images = images.index_copy(0, mirrored, images[mirrored].flip(2))  # (n, H, W, 3): dimension 2 is x
    return images


def color_jitter(images: Tensor, factors: Tensor) -> Tensor:
    """Brightness, contrast and saturation as torchvision's ``adjust_*``, a factor per image.

    ``images``: (n, 3, H, W) in [0, 1]; ``factors``: (n, 3). torchvision's ``ColorJitter`` also
    shuffles the order of the three; here it is fixed.
    """
    brightness, contrast, saturation = (f.view(-1, 1, 1, 1) for f in factors.unbind(1))
    images = (images * brightness).clamp_(0, 1)
    images = _blend(images, _gray(images).mean(dim=(1, 2, 3), keepdim=True), contrast)
    return _blend(images, _gray(images), saturation)


def _gray(images: Tensor) -> Tensor:
    red, green, blue = images.unbind(1)
    return (GRAY[0] * red + GRAY[1] * green + GRAY[2] * blue).unsqueeze(1)


def _blend(images: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    return (factor * images + (1 - factor) * other).clamp_(0, 1)


def cutout(images: Tensor, centers: Tensor, fill: Tensor) -> Tensor:
    """A square of half the side, clipped at the border, filled (DeVries and Taylor, 2017).

    ``images``: (n, 3, H, W); ``centers``: (n, 2) pixel (y, x); ``fill``: (3,).
    """
    size = images.shape[-1]
    half = size // 4
    line = torch.arange(size, device=images.device)
    inside_y = (line - centers[:, :1] >= -half) & (line - centers[:, :1] < half)
    inside_x = (line - centers[:, 1:] >= -half) & (line - centers[:, 1:] < half)
    hole = inside_y[:, None, :, None] & inside_x[:, None, None, :]
    return torch.where(hole, fill.view(1, 3, 1, 1), images)
