"""What the colours of a map with three values a position mean: the same names, colours and ranges on page and paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from explorer.activations.reduction import Reduction

CHANNELS: tuple[tuple[str, tuple[int, int, int]], ...] = (
    ("red", (255, 0, 0)),
    ("green", (0, 255, 0)),
    ("blue", (0, 0, 255)),
)
"""Name and colour of each channel at the end of its scale, RGB, as :func:`explorer.colourise` paints it."""
_PARTS = {"nmf": "part {}"}
_COMPONENTS = "PC{}"


@dataclass(frozen=True)
class ComponentScale:
    """One of the three scales of a map: the colour runs from black at the lowest value to ``colour`` at the highest.

    Attributes:
        label: which component it is, and its colour in words: ``PC1, red``.
        colour: RGB, each in [0, 255].
        limits: (lowest, highest) value.
    """

    label: str
    colour: tuple[int, int, int]
    limits: tuple[float, float]

    @property
    def colour_unit(self) -> tuple[float, float, float]:
        """The colour as matplotlib takes it: RGB, each in [0, 1]."""
        red, green, blue = self.colour
        return red / 255, green / 255, blue / 255


def component_scales(
    view: Reduction, limits: Sequence[tuple[float, float]] | None = None
) -> tuple[ComponentScale, ...]:
    """The scales of red, green and blue, without those in which nothing varies.

    ``limits`` are (lowest, highest) of each of the three, instead of the view's own.

    >>> [scale.label for scale in component_scales(view)]
    ['PC1, red', 'PC2, green', 'PC3, blue']
    """
    name = _PARTS.get(view.method, _COMPONENTS)
    return tuple(
        ComponentScale(f"{name.format(number)}, {word}", colour, (low, high))
        for number, ((word, colour), (low, high)) in enumerate(
            zip(CHANNELS, limits or view.limits, strict=True), start=1
        )
        if low < high
    )
