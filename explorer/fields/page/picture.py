"""Receptive fields as pictures: on the image, on the map, under a heat map. SVG that follows the page's colours.

In these drawings one unit of length is one image pixel, or one cell of a map; the first one reaches from 0 to 1.
"""

from __future__ import annotations

import base64
import io
from html import escape

import numpy as np
from PIL import Image

from explorer.fields.display import HEAT_COLORMAP, MOST_MARGIN, heat_limit
from explorer.fields.theoretical import Box
from explorer.images.geometry import Placement
from explorer.images.overlay import colour_table, shrunk

_PICTURE_PX = 720
_MOST_GRID = 32


def draw_picture(
    pixels: np.ndarray,
    placement: Placement,
    label: str,
    *,
    box: Box | None = None,
    inner: Box | None = None,
    room: Box | None = None,
    pixel: tuple[float, float] | None = None,
    heat: np.ndarray | None = None,
) -> str:
    """The image with one field marked on it.

    Args:
        pixels: RGB ``uint8`` ``(H, W, 3)``.
        placement: from the network's input to the image.
        label: what a screen reader says.
        box: the field on the image, as pixel edges; dashed where the network was given nothing.
        inner: a second box within it.
        room: what the drawing makes room for, up to :data:`MOST_MARGIN`: the fields of all units, say, so that
            the image stays in its place while one looks at unit after unit. By default ``box``.
        pixel: (y, x) to mark.
        heat: ``(h, w)`` values from 0 up on the network's input.
    """
    height, width = pixels.shape[:2]
    view = _view(height, width, room or box)
    top, left, bottom, right = view
    parts = [
        _hatch(view) if view != (0, 0, height, width) else "",
        f'<image href="{_jpeg(pixels)}" width="{width}" height="{height}" preserveAspectRatio="none"/>',
    ]
    seen = placement.seen
    if seen != (0, 0, height, width):
        parts.append(_around((0, 0, height, width), seen, "rf-unseen"))
    if heat is not None:
        parts.append(_heat(heat, placement))
    if box:
        parts += _field(_shifted(box), seen, shade=heat is None)
    if inner:
        parts.append(_rect(_shifted(inner), "rf-inner"))
    if pixel:
        parts.append(_marker(pixel[0] + 0.5, pixel[1] + 0.5, max(height, width) / 40))
    return (
        f'<svg class="rf-picture" viewBox="{left:g} {top:g} {right - left:g} {bottom - top:g}" role="img" '
        f'aria-label="{escape(label)}" data-pick="picture">{"".join(parts)}</svg>'
    )


def draw_map(
    cells: np.ndarray,
    label: str,
    *,
    unit: tuple[int, int] | None = None,
    seeing: tuple[range, range] | None = None,
) -> str:
    """A layer's map, cell by cell, with one unit or the units that see a pixel outlined.

    Args:
        cells: RGB ``uint8`` ``(rows, columns, 3)``.
        label: what a screen reader says.
    """
    rows, columns = cells.shape[:2]
    parts = [
        f'<image href="{_png(cells)}" width="{columns}" height="{rows}" preserveAspectRatio="none" '
        'class="rf-cells"/>'
    ]
    if max(rows, columns) <= _MOST_GRID:
        lines = [f"M0 {y}H{columns}" for y in range(1, rows)] + [f"M{x} 0V{rows}" for x in range(1, columns)]
        parts.append(f'<path d="{"".join(lines)}" class="rf-grid"/>')
    if seeing and seeing[0] and seeing[1]:
        block = (seeing[0].start, seeing[1].start, seeing[0].stop, seeing[1].stop)
        parts += [_around((0, 0, rows, columns), block, "rf-shade"), _rect(block, "rf-inside")]
    if unit:
        cell = (unit[0], unit[1], unit[0] + 1, unit[1] + 1)
        parts += [_rect(cell, "rf-halo"), _rect(cell, "rf-unit")]
    place = f' data-row="{unit[0]}" data-column="{unit[1]}"' if unit else ""
    return (
        f'<svg class="rf-map" viewBox="0 0 {columns} {rows}" role="img" aria-label="{escape(label)}" '
        f'data-pick="map" data-rows="{rows}" data-columns="{columns}"{place}>{"".join(parts)}</svg>'
    )


def _view(height: int, width: int, room: Box | None) -> Box:
    """What the drawing shows: the image, and as much around it as leaves the image large enough."""
    if room is None:
        return 0, 0, height, width
    top, left, bottom, right = _shifted(room)
    y, x = MOST_MARGIN * height, MOST_MARGIN * width
    edge_y, edge_x = 0.02 * height, 0.02 * width  # so that an outline isn't cut in half
    return (
        max(top - edge_y, -y) if top < 0 else 0,
        max(left - edge_x, -x) if left < 0 else 0,
        min(bottom + edge_y, height + y) if bottom > height else height,
        min(right + edge_x, width + x) if right > width else width,
    )


def _field(box: Box, seen: tuple[int, int, int, int], shade: bool) -> list[str]:
    """The box: solid where there are pixels, dashed beyond them; a cross at its centre."""
    inside = (
        max(box[0], seen[0]),
        max(box[1], seen[1]),
        min(box[2], seen[2]),
        min(box[3], seen[3]),
    )
    parts = []
    if inside[0] < inside[2] and inside[1] < inside[3]:
        if shade:
            parts.append(_around(seen, inside, "rf-shade"))
        parts.append(_rect(inside, "rf-inside"))
    if inside != box:
        parts.append(_rect(box, "rf-beyond"))
    y, x, arm = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, max(seen[2:]) / 60
    parts.append(
        f'<path d="M{x - arm:g} {y:g}h{2 * arm:g}M{x:g} {y - arm:g}v{2 * arm:g}" class="rf-centre"/>'
    )
    return parts


def _hatch(view: Box) -> str:
    top, left, bottom, right = view
    step = max(bottom - top, right - left) / 60
    return (
        f'<defs><pattern id="rf-hatch" width="{step:g}" height="{step:g}" patternUnits="userSpaceOnUse" '
        f'patternTransform="rotate(45)"><path d="M0 0V{step:g}" class="rf-hatch-line"/></pattern></defs>'
        + _rect(view, "rf-outside")
    )


def _heat(values: np.ndarray, placement: Placement) -> str:
    """A heat map on the network's input, transparent where it is 0."""
    limit = heat_limit(values)
    strength = np.clip(np.sqrt(values) / limit, 0, 1) if limit else np.zeros_like(values)
    table = colour_table(HEAT_COLORMAP)
    colours = table[np.round(strength * 255).astype(np.uint8)]
    alpha = np.where(values > 0, np.round(255 * (0.55 + 0.45 * strength)), 0).astype(np.uint8)
    (top, left), (bottom, right) = (
        placement.to_image(-0.5, -0.5),
        placement.to_image(values.shape[0] - 0.5, values.shape[1] - 0.5),
    )
    return (
        f'<image href="{_png(np.dstack([colours, alpha]))}" x="{left + 0.5:g}" y="{top + 0.5:g}" '
        f'width="{right - left:g}" height="{bottom - top:g}" preserveAspectRatio="none"/>'
    )


def _around(outer: Box, inner: Box, style: str) -> str:
    """Everything of one box that isn't in another."""

    def ring(box: Box) -> str:
        return f"M{box[1]:g} {box[0]:g}H{box[3]:g}V{box[2]:g}H{box[1]:g}Z"

    return f'<path d="{ring(outer)}{ring(inner)}" fill-rule="evenodd" class="{style}"/>'


def _rect(box: Box, style: str) -> str:
    top, left, bottom, right = box
    return (
        f'<rect x="{left:g}" y="{top:g}" width="{right - left:g}" height="{bottom - top:g}" class="{style}"/>'
    )


def _marker(y: float, x: float, radius: float) -> str:
    return (
        f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" class="rf-ring"/>'
        f'<path d="M{x - radius:g} {y:g}h{2 * radius:g}M{x:g} {y - radius:g}v{2 * radius:g}" class="rf-centre"/>'
    )


def _shifted(box: Box) -> Box:
    """From pixel centres at whole numbers to pixel edges at whole numbers."""
    return box[0] + 0.5, box[1] + 0.5, box[2] + 0.5, box[3] + 0.5


def _jpeg(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(shrunk(pixels, _PICTURE_PX)).save(file, "JPEG", quality=85, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def _png(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
