"""Small pictures beside each other in one: arrays in, an array out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def tile(
    images: Sequence[Image] | Image, columns: int, gap_px: int = 2, scale: int = 1, fill: int | None = 255
) -> Image:
    """Equally large images (n, S, S, 3) in rows of ``columns``, enlarged pixel by pixel by ``scale``.

    Args:
        gap_px: pixels between two images, after the enlargement.
        fill: the grey of the gaps, 0 to 255; None leaves them transparent.

    Returns:
        (H, W, 3) uint8 RGB; with transparent gaps (H, W, 4) RGBA.
    """
    count, size = len(images), images[0].shape[0]
    rows, step = -(-count // columns), size * scale + gap_px
    channels = 3 if fill is not None else 4
    sheet = np.full((rows * step - gap_px, columns * step - gap_px, channels), fill or 0, np.uint8)
    for index, image in enumerate(images):
        y, x = index // columns * step, index % columns * step
        place = sheet[y : y + size * scale, x : x + size * scale]
        place[..., :3] = image.repeat(scale, 0).repeat(scale, 1)
        place[..., 3:] = 255
    return sheet


def strip(images: Sequence[Image] | Image, scale: int = 1, fill: int | None = 255) -> Image:
    """The images in one row, apart by a sixteenth of their size; see :func:`tile`."""
    return tile(images, len(images), _gap(images, scale), scale, fill)


def square(images: Sequence[Image] | Image, scale: int = 1, fill: int | None = 255) -> Image:
    """The images in about as many rows as columns, apart by a sixteenth of their size; see :func:`tile`."""
    return tile(images, math.ceil(len(images) ** 0.5), _gap(images, scale), scale, fill)


def _gap(images: Sequence[Image] | Image, scale: int) -> int:
    return max(2, images[0].shape[0] * scale // 16)
