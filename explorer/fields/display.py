"""What page and paper both go by when they draw a field on a picture: colours of a heat map, lines, shades, margins."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from explorer.fields.theoretical import Box
from explorer.images.geometry import Placement
from explorer.images.overlay import colour_table

HEAT_COLORMAP = "magma"
HEAT_QUANTILE = 0.995
MOST_MARGIN = 0.4
"""Of the image's sides: of larger fields a part isn't drawn, or the image would become small."""
SHADE, UNSEEN = 0.55, 0.8
"""How much of the ground lies over the picture outside of a field, and over what the network never saw."""
_EDGE = 0.02  # of the image's sides, behind the field: an outline isn't to be cut in half

FieldPart = Literal["inside", "beyond", "inner"]


class Stroke(NamedTuple):
    """A line, in pixels of the screen or of the picture: its width, and its dashes and gaps if it has some."""

    width: float
    dashes: tuple[float, ...] = ()


STROKES: dict[FieldPart, Stroke] = {
    "inside": Stroke(3),
    "beyond": Stroke(3, (7, 5)),
    "inner": Stroke(2, (2, 4)),
}
"""A field where there are pixels, what the network sees only as padding, and a part of special interest."""
HALO = 2
"""How much wider than its line the white beneath a solid frame is, so that it shows on any picture."""


def on_image(box: Box, placement: Placement) -> Box:
    """A box of the network's input as pixel edges of the image."""
    top, left = placement.to_image(box[0], box[1])
    bottom, right = placement.to_image(box[2], box[3])
    return top, left, bottom, right


def from_corner(box: Box) -> Box:
    """From pixel edges, the first pixel reaching from −0.5 to 0.5, to the same with its corner at 0."""
    return box[0] + 0.5, box[1] + 0.5, box[2] + 0.5, box[3] + 0.5


def view_of(height: float, width: float, room: Box | None) -> Box:
    """What a drawing shows: the image, and as much around it as leaves the image large enough.

    Args:
        height, width: the image's.
        room: what is to be seen, in edges from the image's corner; None for the image alone.
    """
    if room is None:
        return 0, 0, height, width
    top, left, bottom, right = room
    y, x, edge_y, edge_x = MOST_MARGIN * height, MOST_MARGIN * width, _EDGE * height, _EDGE * width
    return (
        max(top - edge_y, -y) if top < 0 else 0,
        max(left - edge_x, -x) if left < 0 else 0,
        min(bottom + edge_y, height + y) if bottom > height else height,
        min(right + edge_x, width + x) if right > width else width,
    )


def part_within(box: Box, seen: Box) -> Box | None:
    """The part of a box that lies in another; None where there is none."""
    inside = (max(box[0], seen[0]), max(box[1], seen[1]), min(box[2], seen[2]), min(box[3], seen[3]))
    return inside if inside[0] < inside[2] and inside[1] < inside[3] else None


def heat_limit(values: np.ndarray) -> float:
    """Where the colours of a heat map end: the root of a value that few pixels lie above.

    Colours tell roots, or all but the middle of a field would be dark.
    """
    positive = values[values > 0]
    return float(np.sqrt(np.quantile(positive, HEAT_QUANTILE))) if positive.size else 0.0


def heat_colours(values: np.ndarray) -> np.ndarray:
    """(h, w) values from 0 up as RGBA ``uint8`` ``(h, w, 4)``, transparent where they are 0."""
    limit = heat_limit(values)
    strength = np.clip(np.sqrt(values) / limit, 0, 1) if limit else np.zeros_like(values)
    colours = colour_table(HEAT_COLORMAP)[np.round(strength * 255).astype(np.uint8)]
    alpha = np.where(values > 0, np.round(255 * (0.55 + 0.45 * strength)), 0).astype(np.uint8)
    return np.dstack([colours, alpha])


def heat_box(values: np.ndarray, placement: Placement) -> Box:
    """Where a heat map on the network's input lies on the image, in edges from its corner."""
    return from_corner(on_image((-0.5, -0.5, values.shape[0] - 0.5, values.shape[1] - 0.5), placement))
