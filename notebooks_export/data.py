"""The numbers behind a step: maps as arrays and tables, runs as tables, pictures with their colour bar."""

from __future__ import annotations

import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from explorer.errors import ExplorerError
from explorer.models import LoadedModel
from explorer.overlay import default_colormap
from explorer.session import Session, Step
from notebooks_export.replay import carry_out
from training.runs import DEFAULT_ROOT

_EPOCH = re.compile(r"epoch (\d+): train ([\d.]+)%, test ([\d.]+)%")
_MAPS = ("explorer.reduce", "explorer.attribute", "explorer.compare_classes")
_DPI = 100


def step_data(session: Session, position: int, *, runs: str | Path = DEFAULT_ROOT) -> dict[str, bytes]:
    """File name → content for one step.

    Always ``manifest.json``, and what there is of: ``picture.png``; ``picture.svg`` with its colour bar;
    ``map.npy`` and ``map.csv`` (for two classes one each of a, b and their difference); ``runs.csv`` with accuracies
    in percent, to the digit that the step shows. Maps are computed again, since a session keeps pictures only; training
    runs that the step names are below ``runs``.

    Raises:
        ExplorerError: no such step, one without pictures and numbers, or as :func:`~notebooks_export.perform`.
    """
    if not 0 <= position < len(session.steps):
        raise ExplorerError(f"step {position + 1}", "is not in the session", "choose one from the list")
    step = session.steps[position]
    told: dict[str, Any] = {"function": step.function, "title": step.title, "arguments": dict(step.arguments)}
    files: dict[str, bytes] = {}
    if step.function in _MAPS:
        step, scope = carry_out(session, position, runs)
        files = _map_files(step, scope)
        model = next(value for value in scope.values() if isinstance(value, LoadedModel))
        told |= {"weights": model.weights, "weights_sha256": weights_hash(model)}
    elif step.function == "training.train":
        files["runs.csv"] = _runs(step.text).encode()
    if step.picture:
        files["picture.png"] = step.picture
    if not files:
        remedy = "choose a step with a picture"
        raise ExplorerError(f"step {position + 1}", "has neither picture nor map", remedy)
    told["versions"] = dict(step.versions)
    return {**files, "manifest.json": json.dumps(told, indent=2, ensure_ascii=False).encode()}


def weights_hash(model: LoadedModel) -> str:
    """SHA-256 over the names and values of all parameters and buffers."""
    whole = hashlib.sha256()
    for name, value in sorted(model.module.state_dict().items()):
        whole.update(name.encode())
        whole.update(value.detach().cpu().contiguous().numpy().tobytes())
    return whole.hexdigest()


def _map_files(step: Step, scope: dict[str, Any]) -> dict[str, bytes]:
    if step.function == "explorer.compare_classes":
        pair = scope["pair"]
        views, limits = {"a": pair.a, "b": pair.b, "difference": pair.difference}, pair.limits
        maps = {f"map-{name}": view.map for name, view in views.items()}
        view = pair.a
    else:
        view = scope["view"] if step.function == "explorer.reduce" else scope["found"]
        maps = {"map": getattr(view, "map", view.values)}
        limits = step.arguments.get("limits") or view.limits
    files = {}
    for name, values in maps.items():
        array = io.BytesIO()
        np.save(array, values, allow_pickle=False)
        files[f"{name}.npy"] = array.getvalue()
        if values.ndim == 2:
            table = io.StringIO()
            np.savetxt(table, values, fmt="%.9g", delimiter=",")
            files[f"{name}.csv"] = table.getvalue().encode()
    if len(limits) == 1:
        colormap = step.arguments.get("colormap") or default_colormap(view)
        files["picture.svg"] = with_colour_bar(step.picture, limits[0], colormap)
    return files


def with_colour_bar(picture: bytes, limits: tuple[float, float], colormap: str) -> bytes:
    """A picture beside its scale with numbers, as SVG; the pixels inside are as they are."""
    import matplotlib
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    height, width = pixels.shape[:2]
    figure = Figure(figsize=(width / _DPI + 1.2, height / _DPI + 0.3), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(pixels, interpolation="none")
    axes.set_axis_off()
    figure.colorbar(ScalarMappable(Normalize(*limits), colormap), ax=axes)
    drawn = io.BytesIO()
    # Without a date, and with names that don't change: equal pictures give equal bytes.
    with matplotlib.rc_context({"svg.hashsalt": "picture", "image.composite_image": False}):
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()


def _runs(text: str) -> str:
    lines, title = ["run,epoch,train_accuracy_percent,test_accuracy_percent"], ""
    for line in text.splitlines():
        found = _EPOCH.fullmatch(line)
        if found:
            quoted = title.replace('"', '""')
            lines.append(f'"{quoted}",{found[1]},{found[2]},{found[3]}')
        else:
            title = line
    return "\n".join(lines) + "\n"
