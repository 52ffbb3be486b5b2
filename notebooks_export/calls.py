"""The public functions that a step may name, with what each may be given. Nothing else is ever called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from explorer import channel_grid, vector_view
from explorer.attribution import Method as AttributionMethod
from explorer.attribution import Objective
from explorer.errors import ExplorerError
from explorer.overlay import DIVERGING, SEQUENTIAL, Interpolation
from explorer.preprocessing import Framing
from explorer.reduction import Method as View
from explorer.session import Step
from notebooks_export import arguments as allow
from notebooks_export import cells, cells_layers
from notebooks_export.arguments import Check
from notebooks_export.cells import Given
from notebooks_export.lab_calls import LAB_CALLS


@dataclass(frozen=True)
class Call:
    """One public function: its parameters with their checks, defaults, and how a call of it is written.

    ``model`` and ``image`` are parameters like others; the notebook loads what they name once, at its top.
    """

    parameters: Mapping[str, Check]
    defaults: Mapping[str, Any]
    imports: tuple[str, ...]
    write: Callable[[Given], list[str]]

    def arguments(self, step: Step) -> dict[str, Any]:
        """All arguments as a session names them, those that were left at their defaults too."""
        return {**self.defaults, **step.arguments}

    def check(self, step: Step, number: int) -> dict[str, Any]:
        """All arguments in their one form; raises ExplorerError for one too many, too few or wrong."""
        if extra := set(step.arguments) - set(self.parameters):
            rule, remedy = f"isn't known to {step.function}", f"use {', '.join(self.parameters) or 'none'}"
            raise ExplorerError(f"argument {min(extra)!r:.80} of step {number}", rule, remedy)
        given = self.arguments(step)
        if missing := [name for name in self.parameters if name not in given]:
            rule, remedy = "is missing", "add it, or remove the step"
            raise ExplorerError(f"argument {missing[0]!r} of step {number}", rule, remedy)
        return {
            name: check(f"{name} of step {number}", given[name]) for name, check in self.parameters.items()
        }


_NETWORK: dict[str, Check] = {"model": allow.model_reference}
_LOOK: dict[str, Check] = {
    **_NETWORK,
    "image": allow.image_reference,
    "framing": allow.one_of(*get_args(Framing)),
}
_SHOWN: dict[str, Check] = {"alpha": allow.number(0, 1), "shown": allow.one_of("overlay", "map")}
_EXPLAIN: dict[str, Check] = {
    "method": allow.one_of(*get_args(AttributionMethod)),
    "objective": allow.one_of(*get_args(Objective)),
    "layer": allow.optional(allow.layer_name),
    "alpha": allow.number(0, 1),
}
_COLORMAP = allow.optional(allow.one_of(*SEQUENTIAL, *DIVERGING))
_CLASS = allow.whole(0, 99_999)
_EXPLAINED = {"framing": "crop", "objective": "logit", "layer": None, "alpha": 0.9, "shown": "overlay"}
_PAIR = allow.several(allow.number(-1e30, 1e30), 2, 2)

TEXT = "text"
CALLS: Mapping[str, Call] = {
    TEXT: Call({}, {}, (), lambda given: []),
    "explorer.load_model": Call(_NETWORK, {}, (), cells.architecture),
    "explorer.architecture.architecture": Call(
        _NETWORK,
        {},
        (
            "from explorer.architecture import architecture",
            "from explorer.architecture_text import describe_network, table_text",
        ),
        cells_layers.table,
    ),
    "explorer.predict": Call(
        {**_LOOK, "top": allow.whole(1, 100)}, {"framing": "crop", "top": 5}, (), cells.predict
    ),
    "explorer.reduce": Call(
        {
            **_LOOK,
            **_SHOWN,
            "layer": allow.layer_name,
            "method": allow.one_of(*get_args(View)),
            "channels": allow.whole(1, 100_000),
            "channel": allow.whole(0, 100_000),
            "component": allow.whole(0, 100),
            "colormap": _COLORMAP,
            "interpolation": allow.one_of(*get_args(Interpolation)),
            "limits": allow.optional(allow.several(_PAIR, 1, 3)),
            # The picture whose principal components, found at the same layer, are the colours.
            "basis_image": allow.optional(allow.image_reference),
            "basis_framing": allow.one_of(*get_args(Framing)),
        },
        {
            "framing": "crop",
            "alpha": 0.6,
            "shown": "overlay",
            "method": "pca",
            "channels": 10,
            "channel": 0,
            "component": 0,
            "colormap": None,
            "interpolation": "linear",
            "limits": None,
            "basis_image": None,
            "basis_framing": "crop",
        },
        (
            "from explorer.captions import describe_activation",
            "from explorer.overlay import colourise, default_colormap, enlarged",
        ),
        cells_layers.reduce,
    ),
    "explorer.channel_grid.channel_grid": Call(
        {
            **_LOOK,
            "layer": allow.layer_name,
            "count": allow.whole(1, 64),
            "colormap": _COLORMAP,
        },
        {"framing": "crop", "count": channel_grid.COUNT, "colormap": None},
        ("from explorer.channel_grid import channel_grid, describe_grid, grid_picture",),
        cells_layers.channel_grid,
    ),
    "explorer.vector_view.largest_values": Call(
        {**_LOOK, "layer": allow.layer_name, "count": allow.whole(1, 100)},
        {"framing": "crop", "count": vector_view.COUNT},
        ("from explorer.vector_view import bars_picture, describe_values, largest_values",),
        cells_layers.vector,
    ),
    "explorer.layer_comparison.compare_layers": Call(
        {
            **_LOOK,
            "layers": allow.several(allow.layer_name, 1, 9),
            "method": allow.one_of(*get_args(View)),
            "one_scale": allow.flag,
        },
        {"framing": "crop", "method": "mean", "one_scale": False},
        ("from explorer.layer_comparison import compare_layers, describe_layers, layers_picture",),
        cells_layers.side_by_side,
    ),
    "explorer.attribute": Call(
        {**_LOOK, **_EXPLAIN, **_SHOWN, "target": _CLASS, "signed": allow.flag},
        {**_EXPLAINED, "method": "gradient", "signed": True},
        (
            "from explorer.captions import describe_attribution",
            "from explorer.overlay import colourise, default_colormap, enlarged",
        ),
        cells.attribute,
    ),
    "explorer.compare_classes": Call(
        {**_LOOK, **_EXPLAIN, "targets": allow.several(_CLASS, 2, 2)},
        {**{k: v for k, v in _EXPLAINED.items() if k != "shown"}, "method": "grad_cam"},
        ("import numpy as np", "from explorer.captions import describe_comparison"),
        cells.compare,
    ),
    **{name: Call(*parts) for name, parts in LAB_CALLS.items()},
}
