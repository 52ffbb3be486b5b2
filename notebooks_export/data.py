"""The numbers behind a step: maps as arrays and tables, runs as tables, pictures with their colour bar."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.architecture import LayerSummary
from explorer.attribution import Attribution, ClassComparison
from explorer.errors import ExplorerError
from explorer.models import LoadedModel
from explorer.session import Session, Step
from notebooks_export.calls import CALLS, TEXT
from notebooks_export.checkout import commit
from notebooks_export.colour_bars import figure_with_bars, with_colour_bars
from notebooks_export.numbers import Numbers, numbers_of
from notebooks_export.replay import FIGURE, carry_out
from notebooks_export.run_table import run_table
from training.data import is_on_disk
from training.figures import accuracy_figure
from training.reports import recorded_history, runs_figure
from training.runs import DEFAULT_ROOT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NEEDS_DATA = {"training.gallery", "training.figures.augmentation_pairs", "training.reports.predict_images"}
"""Kinds that open the images of a training run."""


def step_data(session: Session, position: int, *, runs: str | Path = DEFAULT_ROOT) -> dict[str, bytes]:
    """File name → content for one step.

    Always ``manifest.json``, and what there is of: ``picture.png``; ``picture.svg``, the same with the scales of its
    colours, figures drawn anew with lines and words; maps and vectors as ``.npy`` and ``.csv`` (several maps in one
    table: number of the component or channel, row, values); ``layers.csv``; ``runs.csv`` (see
    :func:`~notebooks_export.run_table.run_table`). Maps are computed again, since a session keeps pictures only;
    training runs that the step names are below ``runs``. Nothing is trained and nothing downloaded: where a data
    set isn't on this computer, the SVG holds the picture alone.

    Raises:
        ExplorerError: no such step, one without pictures and numbers, or as :func:`~notebooks_export.perform`.
    """
    if not 0 <= position < len(session.steps):
        raise ExplorerError(f"step {position + 1}", "is not in the session", "choose one from the list")
    step = session.steps[position]
    told: dict[str, Any] = {
        "function": step.function,
        "title": step.title,
        "arguments": CALLS[step.function].arguments(step),
    }
    files: dict[str, bytes] = {}
    if step.function == "training.train":
        files = _run_files(step, position, runs)
    elif step.function != TEXT and _is_quick(step, position):
        step, scope = carry_out(session, position, runs)
        files = _number_files(numbers_of(step, scope), step.picture, scope.get(FIGURE))
        if step.function == "explorer.architecture.architecture":
            files["layers.csv"] = _layer_table(scope["rows"]).encode()
        if seen := _explained(scope.values()):
            told["explained"] = seen
        models = {
            value.weights: weights_hash(value) for value in scope.values() if isinstance(value, LoadedModel)
        }
        if len(models) == 1:
            told |= dict(zip(("weights", "weights_sha256"), *models.items(), strict=True))
        elif models:
            told["weights_sha256"] = models
    elif step.picture:
        files["picture.svg"] = with_colour_bars(step.picture, ())
    if step.picture:
        files["picture.png"] = step.picture
    if not files:
        remedy = "choose a step with a picture"
        raise ExplorerError(f"step {position + 1}", "has neither picture nor map", remedy)
    told |= {"versions": dict(step.versions), "commit": commit()}
    return {**files, "manifest.json": json.dumps(told, indent=2, ensure_ascii=False).encode()}


def _explained(found: Iterable[object]) -> list[dict[str, Any]]:
    """Class, method and layer of what explains a class: which layer Grad-CAM chose stands in no argument."""
    pairs = [value for value in found if isinstance(value, ClassComparison)]
    maps = [value for value in found if isinstance(value, Attribution)]
    return [
        {"class": one.target, "label": one.label, "method": one.method, "layer": one.layer or None}
        for one in (*maps, *(side for pair in pairs for side in (pair.a, pair.b)))
    ]


def _is_quick(step: Step, position: int) -> bool:
    """Whether it needs no images that would first have to be downloaded; one's own are in the session."""
    if step.function not in _NEEDS_DATA:
        return True
    config = CALLS[step.function].check(step, position + 1)["config"]
    return config.dataset == "folder" or is_on_disk(config)


def _run_files(step: Step, position: int, runs: str | Path) -> dict[str, bytes]:
    """Runs as a table, and their curves drawn anew from what was recorded, or from what the step says."""
    arguments = CALLS[step.function].check(step, position + 1)
    table = run_table(arguments, step.text, runs)
    files = {"runs.csv": table.encode()}
    if step.picture:
        files["picture.svg"] = figure_with_bars(_curves(arguments, table))
    return files


def _curves(arguments: Mapping[str, Any], table: str) -> Figure:
    """The figure of the step's own cell."""
    rows: dict[str, list[list[float | None]]] = {}
    for title, *numbers in list(csv.reader(io.StringIO(table)))[1:]:
        rows.setdefault(title, []).append([float(number) if number else None for number in numbers])
    histories = {title: recorded_history(found) for title, found in rows.items()}
    shown = arguments["shown"]
    if arguments["recorded"] is None or shown == "epochs":
        return accuracy_figure(histories)
    return runs_figure(
        arguments["configs"], histories, ("accuracy", "loss") if shown == "curves" else (shown,)
    )


def weights_hash(model: LoadedModel) -> str:
    """SHA-256 over the names and values of all parameters and buffers."""
    whole = hashlib.sha256()
    for name, value in sorted(model.module.state_dict().items()):
        whole.update(name.encode())
        whole.update(value.detach().cpu().contiguous().numpy().tobytes())
    return whole.hexdigest()


def _number_files(found: Numbers, picture: bytes, figure: Figure | None) -> dict[str, bytes]:
    files = {}
    for name, values in found.arrays.items():
        array = io.BytesIO()
        np.save(array, values, allow_pickle=False)
        files[f"{name}.npy"] = array.getvalue()
        table = io.StringIO()
        np.savetxt(table, _flat(values, found.planes), fmt="%.9g", delimiter=",")
        files[f"{name}.csv"] = table.getvalue().encode()
    if figure is not None:
        files["picture.svg"] = figure_with_bars(figure)
    elif picture:
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


def _layer_table(rows: Sequence[LayerSummary]) -> str:
    told = io.StringIO()
    table = csv.writer(told, lineterminator="\n")
    table.writerow(("layer", "kind", "settings", "channels", "height", "width", "parameters"))
    table.writerows((row.name, row.kind, row.settings, *row.shape, row.parameters) for row in rows)
    return told.getvalue()
