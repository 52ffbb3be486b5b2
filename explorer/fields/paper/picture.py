"""A receptive field drawn on the picture itself, in pixels: for notebooks and what is handed in."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from explorer.fields.display import HEAT_COLORMAP, MOST_MARGIN, heat_limit, on_image
from explorer.fields.theoretical import Box
from explorer.images.geometry import Placement
from explorer.images.overlay import colour_table, enlarged, shrunk

_SMALLEST_PX, _LARGEST_PX = 448, 1024
_ACCENT, _WHITE, _PAPER = (15, 118, 110), (255, 255, 255), (238, 241, 244)
_SHADE = 0.55


def field_picture(
    image_rgb: np.ndarray,
    placement: Placement,
    box: Box | None = None,
    *,
    inner: Box | None = None,
    heat: np.ndarray | None = None,
    pixel: tuple[int, int] | None = None,
) -> np.ndarray:
    """The picture with one field framed: solid where there are pixels, dashed where the unit sees padding.

    Args:
        image_rgb: ``(H, W, 3) uint8``.
        placement: from the network's input to the picture.
        box, inner: pixel edges on the network's input, as :meth:`ReceptiveField.box` gives them; the second dotted.
        heat: ``(h, w)`` values from 0 up on the network's input, laid over the picture in place of the shade.
        pixel: (row, column) of the picture, to mark.

    Returns:
        RGB ``uint8``: the picture at 448 to 1024 px on its longer side, and as much around it as the field reaches
        beyond it, up to 0.4 of its sides.
    """
    height, width = image_rgb.shape[:2]
    shown = shrunk(enlarged(image_rgb, _SMALLEST_PX), _LARGEST_PX)
    scale = (shown.shape[0] / height, shown.shape[1] / width)
    field = _scaled(box, placement, scale) if box else None
    top, left, bottom, right = _margins(field, shown.shape[0], shown.shape[1])
    canvas = np.empty((top + shown.shape[0] + bottom, left + shown.shape[1] + right, 3), np.uint8)
    canvas[...] = _PAPER
    seen = _pixels_of(placement.seen, scale)
    canvas[top : top + shown.shape[0], left : left + shown.shape[1]] = _lit(
        shown, seen, field if heat is None else None
    )
    page = Image.fromarray(canvas)
    if heat is not None:
        _lay_heat(page, heat, placement, scale, (top, left))
    draw = ImageDraw.Draw(page)
    if field:
        _draw_field(draw, _moved(field, top, left), _moved(seen, top, left))
    if inner:
        _dashed(draw, _moved(_scaled(inner, placement, scale), top, left), 2, 5)
    if pixel:
        _mark(
            draw, top + (pixel[0] + 0.5) * scale[0], left + (pixel[1] + 0.5) * scale[1], max(shown.shape) / 40
        )
    return np.asarray(page)


def _scaled(box: Box, placement: Placement, scale: tuple[float, float]) -> Box:
    """A box of the network's input as edges on the shown picture, the first pixel's at 0."""
    y0, x0, y1, x1 = (edge + 0.5 for edge in on_image(box, placement))
    return y0 * scale[0], x0 * scale[1], y1 * scale[0], x1 * scale[1]


def _pixels_of(seen: tuple[int, int, int, int], scale: tuple[float, float]) -> Box:
    return seen[0] * scale[0], seen[1] * scale[1], seen[2] * scale[0], seen[3] * scale[1]


def _moved(box: Box, down: int, across: int) -> Box:
    return box[0] + down, box[1] + across, box[2] + down, box[3] + across


def _margins(field: Box | None, height: int, width: int) -> tuple[int, int, int, int]:
    """Room above, to the left, below and to the right of the picture, in pixels."""
    if field is None:
        return 0, 0, 0, 0
    beyond = (-field[0], -field[1], field[2] - height, field[3] - width)
    most = (MOST_MARGIN * height, MOST_MARGIN * width) * 2
    top, left, bottom, right = (
        round(min(room + 4, largest)) if room > 0 else 0 for room, largest in zip(beyond, most, strict=True)
    )
    return top, left, bottom, right


def _lit(shown: np.ndarray, seen: Box, field: Box | None) -> np.ndarray:
    """The picture, pale where the network saw nothing, and less so outside of the field."""
    lit = np.array(shown)
    strength = np.zeros(shown.shape[:2], np.float32)
    if field is not None:
        strength[...] = _SHADE
        strength[_slices(field, shown.shape)] = 0
    outside = np.ones(shown.shape[:2], dtype=bool)
    outside[_slices(seen, shown.shape)] = False
    strength[outside] = 0.8
    pale = lit + (255 - lit.astype(np.float32)) * strength[..., None]
    return pale.round().astype(np.uint8)


def _slices(box: Box, shape: tuple[int, ...]) -> tuple[slice, slice]:
    y0, x0, y1, x1 = (round(edge) for edge in box)
    return slice(max(y0, 0), max(min(y1, shape[0]), 0)), slice(max(x0, 0), max(min(x1, shape[1]), 0))


def _lay_heat(
    page: Image.Image,
    heat: np.ndarray,
    placement: Placement,
    scale: tuple[float, float],
    move: tuple[int, int],
) -> None:
    """A heat map by the roots of its values, transparent where it is 0: only a field's middle would show else."""
    limit = heat_limit(heat)
    strength = np.clip(np.sqrt(heat) / limit, 0, 1) if limit else np.zeros_like(heat)
    colours = colour_table(HEAT_COLORMAP)[np.round(strength * 255).astype(np.uint8)]
    alpha = np.where(heat > 0, np.round(255 * (0.55 + 0.45 * strength)), 0).astype(np.uint8)
    whole = (-0.5, -0.5, heat.shape[0] - 0.5, heat.shape[1] - 0.5)
    y0, x0, y1, x1 = (round(edge) for edge in _moved(_scaled(whole, placement, scale), *move))
    size = (max(1, x1 - x0), max(1, y1 - y0))
    laid = Image.fromarray(colours).resize(size, Image.Resampling.NEAREST)
    mask = Image.fromarray(alpha).resize(size, Image.Resampling.NEAREST)
    page.paste(laid, (x0, y0), mask)


def _draw_field(draw: ImageDraw.ImageDraw, field: Box, seen: Box) -> None:
    inside = (
        max(field[0], seen[0]),
        max(field[1], seen[1]),
        min(field[2], seen[2]),
        min(field[3], seen[3]),
    )
    if any(abs(a - b) > 0.5 for a, b in zip(inside, field, strict=True)):
        _dashed(draw, field, 3, 8)
    if inside[0] < inside[2] and inside[1] < inside[3]:
        y0, x0, y1, x1 = (round(edge) for edge in inside)
        draw.rectangle((x0 - 1, y0 - 1, x1, y1), outline=_WHITE, width=5)
        draw.rectangle((x0, y0, x1 - 1, y1 - 1), outline=_ACCENT, width=3)
    y, x = (field[0] + field[2]) / 2, (field[1] + field[3]) / 2
    _cross(draw, y, x, 8)


def _dashed(draw: ImageDraw.ImageDraw, box: Box, width: int, dash: int) -> None:
    """An outline in dashes; edges beyond the page stay beyond it."""
    y0, x0, y1, x1 = (round(edge) for edge in box)
    most_x, most_y = (side + dash for side in draw.im.size)
    for x in range(max(x0, x0 % (2 * dash) - 2 * dash), min(x1, most_x), 2 * dash):
        for y in (y0, y1 - 1):
            draw.line((x, y, min(x + dash, x1), y), fill=_ACCENT, width=width)
    for y in range(max(y0, y0 % (2 * dash) - 2 * dash), min(y1, most_y), 2 * dash):
        for x in (x0, x1 - 1):
            draw.line((x, y, x, min(y + dash, y1)), fill=_ACCENT, width=width)


def _cross(draw: ImageDraw.ImageDraw, y: float, x: float, arm: float) -> None:
    for colour, width in (((0, 0, 0), 4), (_WHITE, 2)):
        draw.line((x - arm, y, x + arm, y), fill=colour, width=width)
        draw.line((x, y - arm, x, y + arm), fill=colour, width=width)


def _mark(draw: ImageDraw.ImageDraw, y: float, x: float, radius: float) -> None:
    for colour, width in (((0, 0, 0), 5), (_WHITE, 3)):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour, width=width)
    _cross(draw, y, x, radius)
