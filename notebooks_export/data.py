"""The numbers behind a step: maps as arrays and tables, runs as tables, pictures with their colour bar."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from explorer.architecture import LayerSummary
from explorer.errors import ExplorerError
from explorer.models import LoadedModel
from explorer.overlay import default_colormap
from explorer.session import Session, Step
from notebooks_export.calls import CALLS
from notebooks_export.checkout import commit
from notebooks_export.colour_bars import ColourBar, three_bars, with_colour_bars
from notebooks_export.replay import carry_out
from notebooks_export.run_table import run_table
from training.runs import DEFAULT_ROOT

_PARTS = {"nmf": ("part 1, red", "part 2, green", "part 3, blue")}
_COMPONENTS = ("PC1, red", "PC2, green", "PC3, blue")


@dataclass(frozen=True)
class Numbers:
    """What a picture was made of.

    Attributes:
        arrays: name → values, a map's (H, W), (H, W, 3) for three components, (n, H, W) for n channels.
        bars: the scales of the picture's colours; none where there are too many to be read.
        planes: of channels their numbers.
    """

    arrays: Mapping[str, np.ndarray]
    bars: Sequence[ColourBar] = ()
    planes: tuple[int, ...] = ()


def step_data(session: Session, position: int, *, runs: str | Path = DEFAULT_ROOT) -> dict[str, bytes]:
    """File name → content for one step.

    Always ``manifest.json``, and what there is of: ``picture.png``; ``picture.svg`` with its colour bar, or one
    each for red, green and blue; maps and vectors as ``.npy`` and ``.csv`` (several maps in one table: number of the
    component or channel, row, values); ``layers.csv``; ``runs.csv`` (see
    :func:`~notebooks_export.run_table.run_table`). Maps are computed again, since a session keeps pictures only;
    training runs that the step names are below ``runs``.

    Raises:
        ExplorerError: no such step, one without pictures and numbers, or as :func:`~notebooks_export.perform`.
    """
    if not 0 <= position < len(session.steps):
        raise ExplorerError(f"step {position + 1}", "is not in the session", "choose one from the list")
    step = session.steps[position]
    told: dict[str, Any] = {"function": step.function, "title": step.title, "arguments": dict(step.arguments)}
    files: dict[str, bytes] = {}
    if step.function in _NUMBERS:
        step, scope = carry_out(session, position, runs)
        found = _NUMBERS[step.function](step, scope)
        files = _number_files(found, step.picture)
        model = next(value for value in scope.values() if isinstance(value, LoadedModel))
        told |= {"weights": model.weights, "weights_sha256": weights_hash(model)}
    elif step.function == "explorer.architecture.architecture":
        files["layers.csv"] = _layer_table(carry_out(session, position, runs)[1]["rows"]).encode()
    elif step.function == "training.train":
        arguments = CALLS[step.function].check(step, position + 1)
        files["runs.csv"] = run_table(arguments, step.text, runs).encode()
    if step.picture:
        files["picture.png"] = step.picture
    if not files:
        remedy = "choose a step with a picture"
        raise ExplorerError(f"step {position + 1}", "has neither picture nor map", remedy)
    told |= {"versions": dict(step.versions), "commit": commit()}
    return {**files, "manifest.json": json.dumps(told, indent=2, ensure_ascii=False).encode()}


def weights_hash(model: LoadedModel) -> str:
    """SHA-256 over the names and values of all parameters and buffers."""
    whole = hashlib.sha256()
    for name, value in sorted(model.module.state_dict().items()):
        whole.update(name.encode())
        whole.update(value.detach().cpu().contiguous().numpy().tobytes())
    return whole.hexdigest()


def _number_files(found: Numbers, picture: bytes) -> dict[str, bytes]:
    files = {}
    for name, values in found.arrays.items():
        array = io.BytesIO()
        np.save(array, values, allow_pickle=False)
        files[f"{name}.npy"] = array.getvalue()
        table = io.StringIO()
        np.savetxt(table, _flat(values, found.planes), fmt="%.9g", delimiter=",")
        files[f"{name}.csv"] = table.getvalue().encode()
    if found.bars:
        files["picture.svg"] = with_colour_bars(picture, found.bars)
    return files


def _flat(values: np.ndarray, planes: Sequence[int]) -> np.ndarray:
    """A map as it is; of several, one below the other: number of the component (from 1) or channel, row, values."""
    if values.ndim < 3:
        return values
    maps = values if planes else np.moveaxis(values, -1, 0)
    count, height, width = maps.shape
    numbers = np.repeat(planes or range(1, count + 1), height)
    return np.column_stack([numbers, np.tile(np.arange(height), count), maps.reshape(-1, width)])


def _reduced(step: Step, scope: Mapping[str, Any]) -> Numbers:
    view = scope["view"]
    limits = step.arguments.get("limits") or view.limits
    if len(limits) > 1:
        return Numbers({"map": view.values}, three_bars(limits, _PARTS.get(view.method, _COMPONENTS)))
    return Numbers(
        {"map": view.values}, [_bar(limits, step.arguments.get("colormap") or default_colormap(view))]
    )


def _attributed(step: Step, scope: Mapping[str, Any]) -> Numbers:
    found = scope["found"]
    return Numbers({"map": found.map}, [_bar(found.limits, default_colormap(found))])


def _compared(step: Step, scope: Mapping[str, Any]) -> Numbers:
    pair = scope["pair"]
    views = {"a": pair.a, "b": pair.b, "difference": pair.difference}
    maps = {f"map-{name}": view.map for name, view in views.items()}
    return Numbers(maps, [_bar(pair.limits, default_colormap(pair.a))])


def _channels(step: Step, scope: Mapping[str, Any]) -> Numbers:
    grid = scope["grid"]
    bar = _bar(grid.limits, step.arguments.get("colormap") or grid.colormap)
    return Numbers({"channels": grid.values}, [bar], grid.channels)


def _vector(step: Step, scope: Mapping[str, Any]) -> Numbers:
    return Numbers({"values": scope["activation"].values.reshape(-1)})


def _side_by_side(step: Step, scope: Mapping[str, Any]) -> Numbers:
    compared = scope["compared"]
    maps = {f"map-{view.layer}": view.values for view in compared.views}
    if compared.limits:
        return Numbers(maps, [_bar(compared.limits, compared.colormap)])
    single = [view for view in compared.views if len(view.limits) == 1]
    return Numbers(maps, [_bar(view.limits, default_colormap(view), view.layer) for view in single])


_NUMBERS: Mapping[str, Callable[[Step, Mapping[str, Any]], Numbers]] = {
    "explorer.reduce": _reduced,
    "explorer.attribute": _attributed,
    "explorer.compare_classes": _compared,
    "explorer.channel_grid.channel_grid": _channels,
    "explorer.vector_view.largest_values": _vector,
    "explorer.layer_comparison.compare_layers": _side_by_side,
}


def _bar(limits: Sequence[Sequence[float]], colormap: str, label: str = "") -> ColourBar:
    [(low, high)] = limits
    return ColourBar((low, high), colormap, label)


def _layer_table(rows: Sequence[LayerSummary]) -> str:
    told = io.StringIO()
    table = csv.writer(told, lineterminator="\n")
    table.writerow(("layer", "kind", "settings", "channels", "height", "width", "parameters"))
    table.writerows((row.name, row.kind, row.settings, *row.shape, row.parameters) for row in rows)
    return told.getvalue()
