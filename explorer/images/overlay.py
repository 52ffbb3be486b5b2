"""A map on the image: placed where it belongs, coloured, blended. The only place that uses OpenCV."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, get_args

import cv2
import numpy as np

from explorer.errors import ExplorerError

Interpolation = Literal["nearest", "linear", "cubic"]
SEQUENTIAL = ("viridis", "magma", "inferno", "cividis", "gray")
DIVERGING = ("RdBu_r", "PuOr_r", "PiYG", "coolwarm")
"""Perceptual colour maps of matplotlib: for values from zero up, and for signed values around zero."""

_FLAGS = {"nearest": cv2.INTER_NEAREST, "linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}


def place(
    values: np.ndarray,
    placement: Any,
    height: int,
    width: int,
    interpolation: Interpolation = "linear",
    window: tuple[int, int, int, int] | None = None,
) -> np.ndarray:
    """Resample a map onto an image's pixels, each cell's centre on the pixel that its placement names.

    Args:
        values: ``(h, w)`` or ``(h, w, 3)``, floating point.
        placement: ``.scale`` and ``.offset`` in (y, x): pixel = scale · cell + offset.
        height, width: the image's size in pixels.
        interpolation: between cell centres. Beyond the outermost centres the edge cells are continued.
            Cubic is clipped to the range of the map, which it would otherwise leave.
        window: (top, left, bottom, right): make only these pixels of the image.

    Returns:
        float32 ``(height, width[, 3])``, or of the window's size.

    Raises:
        ExplorerError: unknown interpolation.
    """
    if interpolation not in _FLAGS:
        remedy = f"choose one of {', '.join(get_args(Interpolation))}"
        raise ExplorerError(f"interpolation {interpolation!r}", "is unknown", remedy)
    top, left, bottom, right = window or (0, 0, height, width)
    values = np.ascontiguousarray(values, dtype=np.float32)
    (scale_y, scale_x), (offset_y, offset_x) = placement.scale, placement.offset
    shift_x = shift_y = 0.0
    # Where cells are finer than pixels, average the cells under each pixel first, or they would alias.
    finer = (max(1, round(1 / scale_x)), max(1, round(1 / scale_y)))
    if max(finer) > 1 and interpolation != "nearest":
        values = cv2.blur(values, finer, borderType=cv2.BORDER_REPLICATE)
        # An even number of cells has no middle one: OpenCV's mean stands half a cell behind.
        shift_x, shift_y = (0.5 * (n % 2 == 0) for n in finer)
    to_cell = np.array(
        [
            [1 / scale_x, 0, (left - offset_x) / scale_x + shift_x],
            [0, 1 / scale_y, (top - offset_y) / scale_y + shift_y],
        ]
    )
    placed = cv2.warpAffine(
        values,
        to_cell,
        (right - left, bottom - top),
        flags=_FLAGS[interpolation] | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if interpolation == "cubic":
        placed = np.clip(placed, values.min(axis=(0, 1)), values.max(axis=(0, 1)))
    return placed


def colourise(
    values: np.ndarray, limits: tuple[tuple[float, float], ...], colormap: str = "viridis"
) -> np.ndarray:
    """Values → RGB ``uint8`` ``(H, W, 3)``: by a colour map, or three values as red, green and blue.

    >>> colourise(np.array([[0.0, 1.0, 2.0]]), ((0.0, 2.0),), "gray")[..., 0].tolist()
    [[0, 128, 255]]

    ``limits``: the (lowest, highest) value of the scale, one pair per channel; values beyond are clipped. A
    scale without extent shows the middle of the colour map.
    """
    if values.ndim == 3:
        unit = np.stack([_unit(values[..., i], *limits[i]) for i in range(3)], axis=-1)
        return cv2.convertScaleAbs(unit, alpha=255)
    return _through(colour_table(colormap), cv2.convertScaleAbs(_unit(values, *limits[0]), alpha=255))


@cache
def colour_table(colormap: str) -> np.ndarray:
    """The 256 colours of a colour map of matplotlib, RGB ``uint8`` ``(256, 3)``.

    Raises:
        ExplorerError: none of those offered.
    """
    if colormap not in (*SEQUENTIAL, *DIVERGING):
        remedy = f"choose one of {', '.join((*SEQUENTIAL, *DIVERGING))}"
        raise ExplorerError(f"colour map {colormap!r}", "is unknown", remedy)
    import matplotlib

    table: np.ndarray = matplotlib.colormaps[colormap](np.arange(256), bytes=True)[:, :3]
    return np.ascontiguousarray(table)


def overlay(
    image: np.ndarray,
    view: Any,
    alpha: float = 0.5,
    *,
    colormap: str | None = None,
    interpolation: Interpolation = "linear",
    limits: tuple[tuple[float, float], ...] | None = None,
    fade: bool = False,
) -> np.ndarray:
    """Lay a Reduction or an Attribution over the image that it was made from.

    >>> overlay(image, view, alpha=0.6).shape == image.shape
    True

    Args:
        image: RGB ``uint8`` ``(H, W, 3)``.
        view: has ``values`` (or ``map``), ``placement``, ``limits`` and ``signed``.
        alpha: opacity in [0, 1]; 0 is the image, 1 the map.
        colormap: for single values; by default viridis, or RdBu_r for signed values.
        limits: a colour scale instead of the view's own, for instance one shared by several maps.
        fade: for single values: the opacity grows with the distance from zero, up to ``alpha`` at the end of the
            scale, so that the image shows where the map says nothing.

    Returns:
        RGB ``uint8`` ``(H, W, 3)`` at the image's own resolution. Pixels that the network never saw, outside
        its crop, stay as they are.

    Raises:
        ExplorerError: opacity outside [0, 1], unknown colour map or interpolation, a view without placement,
            or one of another, larger image.
    """
    if not 0 <= alpha <= 1:
        raise ExplorerError(f"opacity {alpha:g}", "is out of range", "choose from 0 (image) to 1 (map)")
    height, width = image.shape[:2]
    result = image.copy()
    if view.placement is None:
        remedy = "reduce an Activation, not its values, or give the view a placement"
        raise ExplorerError("a view of a plain array", "has no place on an image", remedy)
    top, left, bottom, right = view.placement.seen
    if bottom > height or right > width:
        rule = f"is smaller than the one that the view was made of ({right}×{bottom} px or more)"
        raise ExplorerError(f"an image of {width}×{height} px", rule, "give the view's own image")
    if bottom > top and right > left:
        # An Attribution's values are on the image's grid already; its map is what is to be placed.
        cells = getattr(view, "map", view.values)
        placed = place(cells, view.placement, height, width, interpolation, view.placement.seen)
        scale = limits or view.limits
        coloured = colourise(placed, scale, colormap or default_colormap(view))
        seen = result[top:bottom, left:right]
        if fade and placed.ndim == 2:
            reach = max(abs(scale[0][0]), abs(scale[0][1]))
            strength = _unit(np.abs(placed), 0, reach) if reach > 0 else np.zeros_like(placed)
            seen[...] = cv2.blendLinear(
                coloured, np.ascontiguousarray(seen), alpha * strength, 1 - alpha * strength
            )
        else:
            seen[...] = cv2.addWeighted(np.ascontiguousarray(seen), 1 - alpha, coloured, alpha, 0)
    return result


def default_colormap(view: Any) -> str:
    """The name of a colour map: diverging around zero for signed values, else one that grows evenly in lightness."""
    return DIVERGING[0] if view.signed else SEQUENTIAL[0]


def enlarged(pixels: np.ndarray, at_least_px: int) -> np.ndarray:
    """A small picture with every pixel made a square of n×n, so that its long side is at least ``at_least_px``.

    >>> enlarged(np.zeros((7, 5, 3), np.uint8), 20).shape
    (21, 15, 3)
    """
    times = -(-at_least_px // max(pixels.shape[:2]))
    if times <= 1:
        return pixels
    return cv2.resize(pixels, None, fx=times, fy=times, interpolation=cv2.INTER_NEAREST)


def shrunk(pixels: np.ndarray, at_most_px: int) -> np.ndarray:
    """A picture made smaller, by averaging, until its long side is at most ``at_most_px``."""
    height, width = pixels.shape[:2]
    factor = at_most_px / max(height, width)
    if factor >= 1:
        return pixels
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _unit(values: np.ndarray, low: float, high: float) -> np.ndarray:
    if high <= low:
        return np.full_like(values, 0.5, dtype=np.float32)
    scaled = (values - np.float32(low)) * np.float32(1 / (high - low))
    return np.clip(scaled, 0, 1, out=scaled)


def _through(table: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Each index's colour; OpenCV's look-up wants the image in three channels."""
    return cv2.LUT(cv2.merge([index] * 3), table[None])
