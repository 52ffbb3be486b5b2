"""A receptive field drawn on the picture itself, in pixels: for notebooks and what is handed in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from explorer.convolution.palette import LIGHT
from explorer.fields.display import (
    HALO,
    SHADE,
    STROKES,
    UNSEEN,
    FieldPart,
    from_corner,
    heat_box,
    heat_colours,
    on_image,
    part_within,
    view_of,
)
from explorer.fields.theoretical import Box
from explorer.images.geometry import Placement
from explorer.images.overlay import enlarged, shrunk

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SMALLEST_PX, _LARGEST_PX = 448, 1024
_DPI = 64  # a power of two: pixels divided by it are exact
_POINTS = 72 / _DPI  # of a pixel


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

    >>> from explorer.images.geometry import Placement
    >>> image = np.full((500, 600, 3), 200, np.uint8)
    >>> field_picture(image, Placement((1, 1), (0, 0), (0, 0, 500, 600)), (99.5, 299.5, 199.5, 339.5)).shape
    (500, 600, 3)
    """
    shown = shrunk(enlarged(image_rgb, _SMALLEST_PX), _LARGEST_PX)
    height, width = shown.shape[:2]
    scale = (height / image_rgb.shape[0], width / image_rgb.shape[1])
    field = None if box is None else _scaled(from_corner(on_image(box, placement)), scale)
    view = view_of(height, width, field)
    seen = _scaled(placement.seen, scale)
    lit = _lit(shown, seen, field if heat is None else None)
    if heat is not None:
        lit = _with_heat(lit, heat, _scaled(heat_box(heat, placement), scale))
    canvas = _Canvas(lit, view)
    if field:
        _draw_field(canvas.axes, field, seen)
    if inner:
        _outline(canvas.axes, _scaled(from_corner(on_image(inner, placement)), scale), "inner")
    if pixel:
        y, x = (pixel[0] + 0.5) * scale[0], (pixel[1] + 0.5) * scale[1]
        _mark(canvas.axes, y, x, max(height, width) / 40)
    return canvas.pixels()


class _Canvas:
    """A picture with room around it, to draw on with matplotlib: one unit of its axes is one pixel.

    The picture's own pixels stay as they are. Room is hatched, as on the page.
    """

    def __init__(self, picture: np.ndarray, view: Box) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.patches import Rectangle

        height, width = picture.shape[:2]
        top, left, bottom, right = (round(edge) for edge in view)
        figure = Figure(
            figsize=((right - left) / _DPI, (bottom - top) / _DPI), dpi=_DPI, facecolor=LIGHT.ground
        )
        self._canvas = FigureCanvasAgg(figure)
        if (bottom - top, right - left) != (height, width):
            figure.add_artist(
                Rectangle(
                    (0, 0),
                    1,
                    1,
                    facecolor=LIGHT.ground,
                    edgecolor=LIGHT.line,
                    hatch="//",
                    linewidth=0,
                    zorder=-2,
                )
            )
        figure.figimage(picture, xo=-left, yo=bottom - height, origin="upper", zorder=-1)
        self.axes = figure.add_axes((0, 0, 1, 1))
        self.axes.set_axis_off()
        self.axes.set_xlim(left, right)
        self.axes.set_ylim(bottom, top)

    def pixels(self) -> np.ndarray:
        """What was drawn, RGB ``uint8`` ``(H, W, 3)``."""
        self._canvas.draw()
        return np.asarray(self._canvas.buffer_rgba())[..., :3].copy()


def _scaled(box: Box, scale: tuple[float, float]) -> Box:
    """From the picture's pixels to those of what is shown, both in edges from the corner."""
    return box[0] * scale[0], box[1] * scale[1], box[2] * scale[0], box[3] * scale[1]


def _lit(shown: np.ndarray, seen: Box, field: Box | None) -> np.ndarray:
    """The picture, pale where the network saw nothing, and less so outside of the field."""
    strength = np.zeros(shown.shape[:2], np.float32)
    if field is not None:
        strength[...] = SHADE
        strength[_slices(field, shown.shape)] = 0
    outside = np.ones(shown.shape[:2], dtype=bool)
    outside[_slices(seen, shown.shape)] = False
    strength[outside] = UNSEEN
    pale = shown + (255 - shown.astype(np.float32)) * strength[..., None]
    return pale.round().astype(np.uint8)


def _slices(box: Box, shape: tuple[int, ...]) -> tuple[slice, slice]:
    y0, x0, y1, x1 = (round(edge) for edge in box)
    return slice(max(y0, 0), max(min(y1, shape[0]), 0)), slice(max(x0, 0), max(min(x1, shape[1]), 0))


def _with_heat(shown: np.ndarray, heat: np.ndarray, place: Box) -> np.ndarray:
    """A heat map laid over the picture, cell by cell."""
    y0, x0, y1, x1 = (round(edge) for edge in place)
    size = (max(1, x1 - x0), max(1, y1 - y0))
    laid = Image.fromarray(heat_colours(heat), "RGBA").resize(size, Image.Resampling.NEAREST)
    page = Image.fromarray(shown)
    page.paste(laid, (x0, y0), laid)
    return np.asarray(page)


def _draw_field(axes: Axes, field: Box, seen: Box) -> None:
    inside = part_within(field, seen)
    if inside is None or any(abs(a - b) > 0.5 for a, b in zip(inside, field, strict=True)):
        _outline(axes, field, "beyond")
    if inside:
        _outline(axes, inside, "inside", halo=True)
    _cross(axes, (field[0] + field[2]) / 2, (field[1] + field[3]) / 2, 8)


def _outline(axes: Axes, box: Box, part: FieldPart, *, halo: bool = False) -> None:
    """A frame whose line lies within the box, on whole pixels."""
    from matplotlib.patches import Rectangle

    stroke = STROKES[part]
    y0, x0, y1, x1 = (round(edge) for edge in box)
    half = stroke.width / 2
    common: dict[str, Any] = {"fill": False, "antialiased": False, "joinstyle": "miter", "snap": False}
    # Dashes are counted in widths of their line.
    dashes = (0, tuple(length / stroke.width for length in stroke.dashes)) if stroke.dashes else "solid"
    place = ((x0 + half, y0 + half), x1 - x0 - stroke.width, y1 - y0 - stroke.width)
    if halo:
        axes.add_patch(
            Rectangle(*place, edgecolor="white", linewidth=(stroke.width + HALO) * _POINTS, **common)
        )
    axes.add_patch(
        Rectangle(
            *place, edgecolor=LIGHT.accent, linewidth=stroke.width * _POINTS, linestyle=dashes, **common
        )
    )


def _cross(axes: Axes, y: float, x: float, arm: float) -> None:
    for xs, ys in (((x - arm, x + arm), (y, y)), ((x, x), (y - arm, y + arm))):
        axes.plot(xs, ys, **_white(2))


def _mark(axes: Axes, y: float, x: float, radius: float) -> None:
    from matplotlib.patches import Circle

    line = _white(3)
    axes.add_patch(
        Circle(
            (x, y),
            radius,
            fill=False,
            edgecolor=line["color"],
            linewidth=line["linewidth"],
            path_effects=line["path_effects"],
        )
    )
    _cross(axes, y, x, radius)


def _white(width: float) -> dict[str, Any]:
    """A white line of ``width`` px with a black edge, to be seen on any picture."""
    from matplotlib.patheffects import withStroke

    return {
        "color": "white",
        "linewidth": width * _POINTS,
        "path_effects": [withStroke(linewidth=(width + HALO) * _POINTS, foreground="black")],
    }
