"""A layer's strongest channels side by side on one colour scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from explorer.activations.captions import number
from explorer.activations.reduction import reduce, strongest_channels
from explorer.images.contact_sheet import contact_sheet
from explorer.images.overlay import DIVERGING, SEQUENTIAL, colourise, enlarged

COUNT = 24
COLUMNS = 6
TILE_PX = 112


@dataclass(frozen=True, eq=False)
class ChannelGrid:
    """Some channels of one layer, the strongest first, to be shown on one scale.

    Attributes:
        layer: the layer's name.
        channels: the numbers of the channels shown, counted from 0.
        total: how many the layer has.
        values: ``(n, H, W)`` float32, the channels' own values.
        limits: the (lowest, highest) value of the colour scale that all share; symmetric where values are signed.
        signed: some value is below zero: use a diverging colour map.
    """

    layer: str
    channels: tuple[int, ...]
    total: int
    values: np.ndarray
    limits: tuple[tuple[float, float], ...]
    signed: bool

    @property
    def colormap(self) -> str:
        """The one that suits the values."""
        return DIVERGING[0] if self.signed else SEQUENTIAL[0]


def channel_grid(activation: Any, count: int = COUNT) -> ChannelGrid:
    """The ``count`` channels of an Activation, ``(C, H, W)``, with the largest mean of squares.

    >>> channel_grid(activation, 3).values.shape
    (3, 28, 28)

    Raises:
        ExplorerError: values that are no numbers.
    """
    strongest = strongest_channels(activation, count)
    values = np.stack([reduce(activation, "channel", channel=channel).values for channel in strongest])
    low, high = float(values.min()), float(values.max())
    reach = max(-low, high)
    limits = ((-reach, reach) if low < 0 else (0.0, high),)
    return ChannelGrid(activation.layer, tuple(strongest), activation.shape[0], values, limits, low < 0)


def describe_channel_grid(grid: ChannelGrid) -> str:
    """Which channels are shown, and how.

    >>> describe_channel_grid(channel_grid(activation, 3))[:41]
    'blocks.2.1.add: the 3 of 40 channels with'
    """
    return (
        f"{grid.layer}: the {len(grid.channels)} of {grid.total} channels with the largest mean of "
        "squares, the strongest first, all on one scale; below each its number and its highest value."
    )


def tiles(grid: ChannelGrid, colormap: str | None = None) -> list[tuple[np.ndarray, str]]:
    """(picture with every cell a square, RGB ``uint8``; ``#number: highest value``) for each channel."""
    chosen = colormap or grid.colormap
    return [
        (
            enlarged(colourise(values, grid.limits, chosen), TILE_PX),
            f"#{channel}: {number(float(values.max()))}",
        )
        for channel, values in zip(grid.channels, grid.values, strict=True)
    ]


def channel_grid_picture(grid: ChannelGrid, colormap: str | None = None) -> np.ndarray:
    """All tiles with their captions as one picture, RGB ``uint8`` ``(H, W, 3)``; None: the grid's own colour map."""
    pictures, captions = zip(*tiles(grid, colormap), strict=True)
    return contact_sheet(pictures, captions, COLUMNS)
