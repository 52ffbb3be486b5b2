"""Shapes-10: ten drawn shape classes with clutter, made on the spot, so that training needs no download.

Every image is a filled shape of random size, place, tilt and colour on a shaded background, with
bars and dots of other colours before and behind it, and noise. Image ``i`` of a split depends only on
the split, its block of 500 and the seed below: a shorter set is a prefix of a longer one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

LABELS = ("circle", "square", "triangle", "star", "ring", "cross", "crescent", "heart", "arrow", "bow tie")
TRAIN_IMAGES, TEST_IMAGES = 8000, 2000
SIDE_PX = 32
_BLOCK = 500
_SEED = 10_2026

Floats = NDArray[np.floating[Any]]


def make_shapes(
    count: int, *, train: bool, on_progress: Callable[[int], None] = lambda drawn: None
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """``count`` images (count, 32, 32, 3) uint8 RGB and their classes (count,) int64 in [0, 10).

    Class of image ``i`` is ``i % 10``: every prefix is balanced. ``on_progress`` hears how many are drawn;
    it may raise to cancel.
    """
    blocks = []
    for start in range(0, count, _BLOCK):
        blocks.append(_make_block(start // _BLOCK, train))
        on_progress(min(start + _BLOCK, count))
    images = np.concatenate(blocks) if blocks else np.zeros((0, SIDE_PX, SIDE_PX, 3), np.uint8)
    return images[:count], np.arange(count, dtype=np.int64) % len(LABELS)


def _make_block(index: int, train: bool) -> NDArray[np.uint8]:
    random = np.random.default_rng([_SEED, int(train), index])
    y, x = np.mgrid[0:SIDE_PX, 0:SIDE_PX].astype(np.float32)
    images = _background(random, y, x)
    for _ in range(2):
        _paint(images, _bar(random, y, x), _colors(random))
    _paint(images, _shapes(random, y, x), _colors(random, away_from=images.mean((1, 2))))
    _paint(images, _dot(random, y, x), _colors(random))
    images += random.normal(0, 0.04, images.shape).astype(np.float32)
    return (images.clip(0, 1) * 255).round().astype(np.uint8)


def _uniform(random: np.random.Generator, low: float, high: float) -> Floats:
    return random.uniform(low, high, (_BLOCK, 1, 1)).astype(np.float32)


def _colors(random: np.random.Generator, away_from: Floats | None = None) -> Floats:
    """(block, 3) in [0, 1]; at least 0.35 apart from ``away_from`` in one channel."""
    colors = random.uniform(0, 1, (_BLOCK, 3)).astype(np.float32)
    if away_from is not None:
        near = np.abs(colors - away_from).max(1) < 0.35
        colors[near] = np.where(away_from[near] > 0.5, away_from[near] - 0.45, away_from[near] + 0.45)
    return colors


def _background(random: np.random.Generator, y: Floats, x: Floats) -> Floats:
    one, other = _colors(random), _colors(random)
    angle = _uniform(random, 0, 2 * np.pi)
    ramp = 0.5 + (np.cos(angle) * (y - 15.5) + np.sin(angle) * (x - 15.5)) / 44
    return one[:, None, None] * ramp[..., None] + other[:, None, None] * (1 - ramp[..., None])


def _paint(images: Floats, distance: Floats, colors: Floats) -> None:
    """Colour what lies inside (negative signed distance in pixels), its edge softened over one pixel."""
    cover = (0.5 - distance).clip(0, 1)[..., None]
    images += cover * (colors[:, None, None] - images)


def _bar(random: np.random.Generator, y: Floats, x: Floats) -> Floats:
    angle, offset = _uniform(random, 0, np.pi), _uniform(random, -14, 14)
    across = np.cos(angle) * (y - 15.5) + np.sin(angle) * (x - 15.5) - offset
    return np.abs(across) - _uniform(random, 0.5, 1.5)


def _dot(random: np.random.Generator, y: Floats, x: Floats) -> Floats:
    across = np.hypot(y - _uniform(random, 0, 32), x - _uniform(random, 0, 32))
    return across - _uniform(random, 1, 3)


def _shapes(random: np.random.Generator, y: Floats, x: Floats) -> Floats:
    """Signed distances (block, 32, 32) of one shape per image, class = position % 10."""
    radius, tilt = _uniform(random, 7, 11), _uniform(random, -0.4, 0.4)
    v, u = y - _uniform(random, 11, 20), x - _uniform(random, 11, 20)
    v, u = np.cos(tilt) * v - np.sin(tilt) * u, np.sin(tilt) * v + np.cos(tilt) * u
    v, u = v / radius, u / radius
    distance = np.empty((_BLOCK, SIDE_PX, SIDE_PX), np.float32)
    for kind, shape in enumerate(_SHAPES):
        picked = slice(kind, None, len(LABELS))
        distance[picked] = shape(u[picked], v[picked])
    return distance * radius


def _circle(u: Floats, v: Floats) -> Floats:
    return np.hypot(u, v) - 0.9


def _square(u: Floats, v: Floats) -> Floats:
    return np.maximum(np.abs(u), np.abs(v)) - 0.8


def _triangle(u: Floats, v: Floats) -> Floats:
    return np.maximum(v - 0.7, 0.87 * np.abs(u) - 0.5 * v - 0.45)


def _star(u: Floats, v: Floats) -> Floats:
    angle = np.arctan2(u, -v)
    return np.hypot(u, v) - (0.68 + 0.34 * np.cos(5 * angle))


def _ring(u: Floats, v: Floats) -> Floats:
    return np.abs(np.hypot(u, v) - 0.72) - 0.22


def _cross(u: Floats, v: Floats) -> Floats:
    a, b = np.abs(u), np.abs(v)
    return np.minimum(np.maximum(a - 0.95, b - 0.3), np.maximum(a - 0.3, b - 0.95))


def _crescent(u: Floats, v: Floats) -> Floats:
    return np.maximum(np.hypot(u, v) - 0.95, 0.8 - np.hypot(u - 0.45, v))


def _heart(u: Floats, v: Floats) -> Floats:
    a = np.abs(u)
    lobes = np.hypot(a - 0.45, v + 0.35) - 0.5
    tip = np.maximum(0.75 * a + 0.65 * v - 0.62, -v - 0.35)
    return np.minimum(lobes, tip)


def _arrow(u: Floats, v: Floats) -> Floats:
    head = np.maximum(v - 0.05, 0.75 * np.abs(u) - 0.66 * v - 0.66)
    shaft = np.maximum(np.abs(u) - 0.25, np.abs(v - 0.4) - 0.55)
    return np.minimum(head, shaft)


def _bow_tie(u: Floats, v: Floats) -> Floats:
    return np.maximum(np.abs(u) - 0.95, np.abs(v) - 0.1 - 0.75 * np.abs(u))


_SHAPES = (_circle, _square, _triangle, _star, _ring, _cross, _crescent, _heart, _arrow, _bow_tie)
