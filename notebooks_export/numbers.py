"""What each kind of step has of maps and scales: read from the variables of its cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from explorer.overlay import default_colormap
from explorer.receptive_field_drawing import HEAT_COLORMAP, heat_limit
from explorer.session import Step
from notebooks_export.colour_bars import ColourBar, three_bars

_PARTS = {"nmf": ("part 1, red", "part 2, green", "part 3, blue")}
_COMPONENTS = ("PC1, red", "PC2, green", "PC3, blue")

Limits = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Numbers:
    """What a picture was made of.

    Attributes:
        arrays: name → values, a map's (H, W), (H, W, 3) for three components, (n, H, W) for n channels.
        bars: the scales of the picture's colours, unless a figure shows them itself.
        planes: of channels their numbers.
    """

    arrays: Mapping[str, np.ndarray]
    bars: Sequence[ColourBar] = ()
    planes: tuple[int, ...] = ()


def numbers_of(step: Step, scope: Mapping[str, Any]) -> Numbers:
    """Maps and scales of a step that was carried out; ``scope`` has the variables of its cell."""
    return _NUMBERS[step.function](step, scope) if step.function in _NUMBERS else Numbers({})


def _reduced(step: Step, scope: Mapping[str, Any]) -> Numbers:
    view = scope["view"]
    given = step.arguments
    return Numbers(
        {"map": view.values}, _bars(view, given.get("limits") or view.limits, given.get("colormap"))
    )


def _attributed(step: Step, scope: Mapping[str, Any]) -> Numbers:
    found = scope["found"]
    return Numbers({"map": found.map}, _bars(found, found.limits))


def _compared(step: Step, scope: Mapping[str, Any]) -> Numbers:
    pair = scope["pair"]
    views = {"a": pair.a, "b": pair.b, "difference": pair.difference}
    return Numbers({f"map-{name}": view.map for name, view in views.items()}, _bars(pair.a, pair.limits))


def _channels(step: Step, scope: Mapping[str, Any]) -> Numbers:
    grid = scope["grid"]
    bar = ColourBar(grid.limits[0], step.arguments.get("colormap") or grid.colormap)
    return Numbers({"channels": grid.values}, [bar], grid.channels)


def _vector(step: Step, scope: Mapping[str, Any]) -> Numbers:
    return Numbers({"values": scope["activation"].values.reshape(-1)})


def _side_by_side(step: Step, scope: Mapping[str, Any]) -> Numbers:
    compared = scope["compared"]
    maps = {f"map-{view.layer}": view.values for view in compared.views}
    if compared.limits:
        return Numbers(maps, [ColourBar(compared.limits[0], compared.colormap)])
    return Numbers(
        maps, [bar for view in compared.views for bar in _bars(view, view.limits, label=view.layer)]
    )


def _effective(step: Step, scope: Mapping[str, Any]) -> Numbers:
    values = scope["found"].values
    highest = heat_limit(values) ** 2  # the limit is that of the values' roots
    return Numbers({"map": values}, [ColourBar((0.0, highest), HEAT_COLORMAP, roots=True)] if highest else ())


def _convolved(step: Step, scope: Mapping[str, Any]) -> Numbers:
    output = scope["conv"].output
    return Numbers({"output": output}, planes=tuple(range(len(output))) if output.ndim > 2 else ())


def _confused(step: Step, scope: Mapping[str, Any]) -> Numbers:
    return Numbers({"confusion": scope["predictions"].confusion})


def _first_layer(step: Step, scope: Mapping[str, Any]) -> Numbers:
    values = scope["activation"].values
    return Numbers({"maps": values}, planes=tuple(range(len(values))))


_NUMBERS: Mapping[str, Callable[[Step, Mapping[str, Any]], Numbers]] = {
    "explorer.reduce": _reduced,
    "explorer.attribute": _attributed,
    "explorer.compare_classes": _compared,
    "explorer.channel_grid.channel_grid": _channels,
    "explorer.vector_view.largest_values": _vector,
    "explorer.layer_comparison.compare_layers": _side_by_side,
    "explorer.effective_receptive_field": _effective,
    "explorer.convolve": _convolved,
    "explorer.convolution_figures.window_figure": _convolved,
    "explorer.compare_downsampling": _convolved,
    "training.reports.predict_images": _confused,
    "training.reports.first_layer_figure": _first_layer,
}


def _bars(view: Any, limits: Limits, colormap: str | None = None, label: str = "") -> list[ColourBar]:
    """One scale, or those of red, green and blue; ``label`` says whose they are."""
    if len(limits) == 1:
        return [ColourBar(tuple(limits[0]), colormap or default_colormap(view), label)]  # type: ignore[arg-type]
    labels = _PARTS.get(view.method, _COMPONENTS)
    return three_bars(limits, [f"{label}: {one}" if label else one for one in labels])
