"""A data set on paper: images of each class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from training.report.sheet import Image, tile

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def gallery_figure(images: Mapping[str, Image]) -> Figure:
    """A row of images (n, S, S, 3) for each label."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 0.56 * len(images)), layout="constrained", facecolor="white")
    for row, (label, shown) in enumerate(images.items(), start=1):
        axes = figure.add_subplot(len(images), 1, row, xticks=[], yticks=[])
        axes.imshow(tile(shown, columns=len(shown)))
        axes.set_ylabel(label, rotation=0, ha="right", va="center", parse_math=False)
    return figure
