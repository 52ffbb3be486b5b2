"""What page and paper both go by: the colours of an effective field, and where a field lies on the picture."""

from __future__ import annotations

import numpy as np

from explorer.fields.theoretical import Box
from explorer.images.geometry import Placement

HEAT_COLORMAP = "magma"


HEAT_QUANTILE = 0.995


MOST_MARGIN = (
    0.4  # of the image's sides: of larger fields a part isn't drawn, or the image would become small
)


def on_image(box: Box, placement: Placement) -> Box:
    """A box of the network's input as pixel edges of the image."""
    top, left = placement.to_image(box[0], box[1])
    bottom, right = placement.to_image(box[2], box[3])
    return top, left, bottom, right


def heat_limit(values: np.ndarray) -> float:
    """Where the colours of a heat map end: the root of a value that few pixels lie above.

    Colours tell roots, or all but the middle of a field would be dark.
    """
    positive = values[values > 0]
    return float(np.sqrt(np.quantile(positive, HEAT_QUANTILE))) if positive.size else 0.0
