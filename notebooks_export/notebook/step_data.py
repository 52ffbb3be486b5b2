"""The numbers behind a step: maps as arrays and tables, runs as tables, pictures with their colour bar."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.errors import ExplorerError
from explorer.networks.load import LoadedModel
from explorer.saliency.attribution import Attribution, ClassComparison
from explorer.session.steps import Session, Step
from notebooks_export.kinds.cell import FIGURE
from notebooks_export.kinds.kind import Kind
from notebooks_export.kinds.numbers import Numbers
from notebooks_export.kinds.registry import TEXT, find_kind
from notebooks_export.notebook.checkout import commit
from notebooks_export.notebook.perform import carry_out
from notebooks_export.paper.colour_bars import figure_with_bars, with_colour_bars
from training.data.load import is_on_disk
from training.runs.folders import DEFAULT_ROOT

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def step_data(session: Session, position: int, *, runs: str | Path = DEFAULT_ROOT) -> dict[str, bytes]:
    """File name → content for one step.

    Always ``manifest.json``, and what there is of: ``picture.png``; ``picture.svg``, the same with the scales of its
    colours, figures drawn anew with lines and words; maps and vectors as ``.npy`` and ``.csv`` (several maps in one
    table: number of the component or channel, row, values); ``layers.csv``; ``runs.csv`` (see
    :func:`~notebooks_export.kinds.run_table.run_table`). Maps are computed again, since a session keeps pictures only;
    training runs that the step names are below ``runs``. Nothing is trained and nothing downloaded: where a data
    set isn't on this computer, the SVG holds the picture alone.

    Raises:
        ExplorerError: no such step, one without pictures and numbers, or as :func:`~notebooks_export.perform`.
    """
    if not 0 <= position < len(session.steps):
        raise ExplorerError(f"step {position + 1}", "is not in the session", "choose one from the list")
    step = session.steps[position]
    kind = find_kind(step.kind, f"step {position + 1}")
    manifest: dict[str, Any] = {"kind": kind.name, "title": step.title, "arguments": kind.arguments(step)}
    files: dict[str, bytes] = {}
    if kind.record is not None:
        files = kind.record(kind.check(step, position + 1), step, runs)
    elif kind.name != TEXT and _is_quick(kind, step, position):
        step, scope = carry_out(session, position, runs)
        found = kind.numbers(step.arguments, scope) if kind.numbers else Numbers()
        files = _number_files(found, step.picture, scope.get(FIGURE))
        if seen := _explained(scope.values()):
            manifest["explained"] = seen
        models = {
            value.weights: weights_hash(value) for value in scope.values() if isinstance(value, LoadedModel)
        }
        if len(models) == 1:
            manifest |= dict(zip(("weights", "weights_sha256"), *models.items(), strict=True))
        elif models:
            manifest["weights_sha256"] = models
    elif step.picture:
        files["picture.svg"] = with_colour_bars(step.picture, ())
    if step.picture:
        files["picture.png"] = step.picture
    if not files:
        remedy = "choose a step with a picture"
        raise ExplorerError(f"step {position + 1}", "has neither picture nor map", remedy)
    manifest |= {"versions": dict(step.versions), "commit": commit()}
    return {**files, "manifest.json": json.dumps(manifest, indent=2, ensure_ascii=False).encode()}


def _explained(found: Iterable[object]) -> list[dict[str, Any]]:
    """Class, method and layer of what explains a class: which layer Grad-CAM chose stands in no argument."""
    pairs = [value for value in found if isinstance(value, ClassComparison)]
    maps = [value for value in found if isinstance(value, Attribution)]
    return [
        {"class": one.target, "label": one.label, "method": one.method, "layer": one.layer or None}
        for one in (*maps, *(side for pair in pairs for side in (pair.a, pair.b)))
    ]


def _is_quick(kind: Kind, step: Step, position: int) -> bool:
    """Whether it needs no images that would first have to be downloaded; one's own are in the session."""
    if not kind.opens_images:
        return True
    config = kind.check(step, position + 1)["config"]
    return config.dataset == "folder" or is_on_disk(config)


def weights_hash(model: LoadedModel) -> str:
    """SHA-256 over the names and values of all parameters and buffers."""
    whole = hashlib.sha256()
    for name, value in sorted(model.module.state_dict().items()):
        whole.update(name.encode())
        whole.update(value.detach().cpu().contiguous().numpy().tobytes())
    return whole.hexdigest()


def _number_files(found: Numbers, picture: bytes, figure: Figure | None) -> dict[str, bytes]:
    files = {name: table.encode() for name, table in found.tables.items()}
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
