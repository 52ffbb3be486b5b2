"""Receptive fields as pictures: on the image, on the map, under a heat map. SVG that follows the page's colours.

In these drawings one unit of length is one image pixel, or one cell of a map; the first one reaches from 0 to 1.
"""

from __future__ import annotations

import base64
import io

import numpy as np
from markupsafe import Markup
from PIL import Image

from explorer.fields.display import (
    HALO,
    SHADE,
    STROKES,
    UNSEEN,
    FieldPart,
    from_corner,
    heat_box,
    heat_colours,
    part_within,
    view_of,
)
from explorer.fields.theoretical import Box
from explorer.images.geometry import Placement
from explorer.images.overlay import shrunk

_PICTURE_PX = 720
_MOST_GRID = 32
_IMAGE = Markup(
    '<image href="{}" x="{:g}" y="{:g}" width="{:g}" height="{:g}" preserveAspectRatio="none" class="{}"/>'
)


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
) -> Markup:
    """The image with one field marked on it.

    Args:
        pixels: RGB ``uint8`` ``(H, W, 3)``.
        placement: from the network's input to the image.
        label: what a screen reader says.
        box: the field on the image, as pixel edges; dashed where the network was given nothing.
        inner: a second box within it.
        room: what the drawing makes room for, up to :data:`~explorer.fields.display.MOST_MARGIN`: the fields of all
            units, say, so that the image stays in its place while one looks at unit after unit. By default ``box``.
        pixel: (y, x) to mark.
        heat: ``(h, w)`` values from 0 up on the network's input.
    """
    height, width = pixels.shape[:2]
    wanted = room or box
    view = view_of(height, width, from_corner(wanted) if wanted else None)
    top, left, bottom, right = view
    whole = (0, 0, height, width)
    parts = [_hatch(view)] if view != whole else []
    parts.append(_IMAGE.format(_jpeg(pixels), 0, 0, width, height, ""))
    seen = placement.seen
    if seen != whole:
        parts.append(_around(whole, seen, UNSEEN))
    if heat is not None:
        y0, x0, y1, x1 = heat_box(heat, placement)
        parts.append(_IMAGE.format(_png(heat_colours(heat)), x0, y0, x1 - x0, y1 - y0, ""))
    if box:
        parts += _field(from_corner(box), seen, shade=heat is None)
    if inner:
        parts.append(_stroke(from_corner(inner), "inner"))
    if pixel:
        parts.append(_marker(pixel[0] + 0.5, pixel[1] + 0.5, max(height, width) / 40))
    return Markup(
        '<svg class="rf-picture" viewBox="{:g} {:g} {:g} {:g}" role="img" aria-label="{}" data-pick="picture">{}</svg>'
    ).format(left, top, right - left, bottom - top, label, Markup("").join(parts))


def draw_map(
    cells: np.ndarray,
    label: str,
    *,
    unit: tuple[int, int] | None = None,
    seeing: tuple[range, range] | None = None,
) -> Markup:
    """A layer's map, cell by cell, with one unit or the units that see a pixel outlined.

    Args:
        cells: RGB ``uint8`` ``(rows, columns, 3)``.
        label: what a screen reader says.
        unit: (row, column) to outline; the page's script takes it for the one that keys move.
        seeing: rows and columns of units to outline, as :func:`~explorer.units_seeing` gives them.
    """
    rows, columns = cells.shape[:2]
    parts = [_IMAGE.format(_png(cells), 0, 0, columns, rows, "rf-cells")]
    if max(rows, columns) <= _MOST_GRID:
        lines = [f"M0 {y}H{columns}" for y in range(1, rows)] + [f"M{x} 0V{rows}" for x in range(1, columns)]
        parts.append(_path("".join(lines), "rf-grid"))
    if seeing and seeing[0] and seeing[1]:
        block = (seeing[0].start, seeing[1].start, seeing[0].stop, seeing[1].stop)
        parts += [_around((0, 0, rows, columns), block, SHADE), _stroke(block, "inside")]
    place = Markup("")
    if unit:
        cell = (unit[0], unit[1], unit[0] + 1, unit[1] + 1)
        parts += [_rect(cell, "rf-halo"), _rect(cell, "rf-unit")]
        place = Markup(' data-row="{}" data-column="{}"').format(*unit)
    return Markup(
        '<svg class="rf-map" viewBox="0 0 {columns} {rows}" role="img" aria-label="{label}" data-pick="map" '
        'data-rows="{rows}" data-columns="{columns}"{place}>{content}</svg>'
    ).format(rows=rows, columns=columns, label=label, place=place, content=Markup("").join(parts))


def _field(box: Box, seen: Box, shade: bool) -> list[Markup]:
    """The box: solid where there are pixels, dashed beyond them; a cross at its centre."""
    inside = part_within(box, seen)
    parts = []
    if inside != box:
        parts.append(_stroke(box, "beyond"))
    if inside:
        if shade:
            parts.insert(0, _around(seen, inside, SHADE))
        parts += [_rect(inside, "rf-frame-halo", STROKES["inside"].width + HALO), _stroke(inside, "inside")]
    y, x, arm = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, max(seen[2:]) / 60
    return [*parts, _cross(y, x, arm)]


def _hatch(view: Box) -> Markup:
    top, left, bottom, right = view
    step = max(bottom - top, right - left) / 60
    return Markup(
        '<defs><pattern id="rf-hatch" width="{step:g}" height="{step:g}" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><path d="M0 0V{step:g}" class="rf-hatch-line"/></pattern></defs>{}'
    ).format(_rect(view, "rf-outside"), step=step)


def _around(outer: Box, inner: Box, opacity: float) -> Markup:
    """The ground over everything of one box that isn't in another."""

    def ring(box: Box) -> str:
        return f"M{box[1]:g} {box[0]:g}H{box[3]:g}V{box[2]:g}H{box[1]:g}Z"

    return Markup('<path d="{}{}" fill-rule="evenodd" class="rf-shade" opacity="{}"/>').format(
        ring(outer), ring(inner), opacity
    )


def _stroke(box: Box, part: FieldPart) -> Markup:
    """The outline of a part of a field."""
    stroke = STROKES[part]
    return _rect(box, f"rf-{part}", stroke.width, " ".join(f"{length:g}" for length in stroke.dashes))


def _rect(box: Box, style: str, width: float | None = None, dashes: str = "") -> Markup:
    """A rectangle; the width of its line and its dashes are its own, or those of the style sheet."""
    top, left, bottom, right = box
    line = Markup("") if width is None else Markup(' stroke-width="{:g}"').format(width)
    if dashes:
        line += Markup(' stroke-dasharray="{}"').format(dashes)
    return Markup('<rect x="{:g}" y="{:g}" width="{:g}" height="{:g}" class="{}"{}/>').format(
        left, top, right - left, bottom - top, style, line
    )


def _marker(y: float, x: float, radius: float) -> Markup:
    ring = Markup('<circle cx="{:g}" cy="{:g}" r="{:g}" class="rf-ring"/>').format(x, y, radius)
    return ring + _cross(y, x, radius)


def _cross(y: float, x: float, arm: float) -> Markup:
    return _path(f"M{x - arm:g} {y:g}h{2 * arm:g}M{x:g} {y - arm:g}v{2 * arm:g}", "rf-centre")


def _path(d: str, style: str) -> Markup:
    return Markup('<path d="{}" class="{}"/>').format(d, style)


def _jpeg(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(shrunk(pixels, _PICTURE_PX)).save(file, "JPEG", quality=85, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def _png(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
