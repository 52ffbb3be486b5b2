"""What a step has of maps and scales, and how families read them from the variables of a cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from explorer.activations.legend import component_scales
from explorer.images.overlay import default_colormap
from notebooks_export.paper.colour_bars import ColourBar, three_bars

Scope = Mapping[str, Any]
"""The variables of a cell that was carried out."""
Limits = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Numbers:
    """What a picture was made of.

    Attributes:
        arrays: name → values, a map's (H, W), (H, W, 3) for three components, (n, H, W) for n channels.
        bars: the scales of the picture's colours, unless a figure shows them itself.
        planes: of channels their numbers.
        tables: file name → CSV, of what is no array.
    """

    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    bars: Sequence[ColourBar] = ()
    planes: tuple[int, ...] = ()
    tables: Mapping[str, str] = field(default_factory=dict)


def scales(view: Any, limits: Limits, colormap: str | None = None, label: str = "") -> list[ColourBar]:
    """One scale, or those of red, green and blue; ``label`` says whose they are."""
    if len(limits) == 1:
        low, high = limits[0]
        return [ColourBar((low, high), colormap or default_colormap(view), label)]
    return three_bars(component_scales(view, limits), label)
