"""A session as a Jupyter notebook: words, code that calls the public API, and the results already in it."""

from __future__ import annotations

import ast
import base64
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from explorer.errors import ExplorerError
from explorer.images.decode import FORMATS
from explorer.session.steps import Session, Step, versions
from notebooks_export.kinds.cell import PICTURES, Given, named_networks
from notebooks_export.kinds.parameters import SAMPLE
from notebooks_export.kinds.registry import TEXT, find_kind
from notebooks_export.notebook.networks import check_networks, network_code, network_files, network_name
from notebooks_export.notebook.own_data import check_own_data, own_data_files, placed
from notebooks_export.notebook.running import HOW, POINTER
from notebooks_export.paper.words import plain, with_formulas
from training.runs.folders import DEFAULT_ROOT

_SUFFIX = {
    "JPEG": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "TIFF": "tiff",
    "PPM": "ppm",
}
_PYTHON = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
}
"""What Jupyter and Colab go by when they open the file."""
OWN_WORDS = "Write your discussion here."
_IMPORTS = {
    "explorer": "import explorer",
    "io": "import io",
    "np": "import numpy as np",
    "training": "import training",
    "Path": "from pathlib import Path",
    "Image": "from PIL import Image",
}
"""What a cell may name without making it: public names of the program, and these."""


def build_notebook(session: Session, *, runs: str | Path = DEFAULT_ROOT) -> nbformat.NotebookNode:
    """The notebook of a session; nothing is computed, the results are those that the steps carry.

    What it reads lies beside it: see :func:`notebook_files`. Training runs that steps name are below ``runs``.

    Raises:
        ExplorerError: an empty session, an unknown kind, an argument that isn't allowed, a step whose picture, data
            or run is gone. The session stays as it is.
    """
    given = check_steps(session, runs)
    setup = setup_code(session, given)
    cells = [new_markdown_cell(_heading(session, POINTER if setup else ""), id="title")]
    if setup:
        cells.append(new_code_cell(setup, id="setup", execution_count=1))
    for number, (step, arguments) in enumerate(zip(session.steps, given, strict=True), start=1):
        cells.append(new_markdown_cell(_words(step, number), id=f"step-{number}-words"))
        if find_kind(step.kind, f"step {number}").name == TEXT:
            continue
        cells.append(_code_cell(step, step_code(step, arguments), number))
    if setup:
        cells.append(new_markdown_cell(HOW, id="run-again"))
    notebook = new_notebook(cells=cells, metadata={**_PYTHON, "title": session.title})
    nbformat.validate(notebook)
    return notebook


def check_steps(session: Session, runs: str | Path = DEFAULT_ROOT) -> list[Given]:
    """Every step's arguments, complete, with the variables of its network and picture.

    Raises:
        ExplorerError: as :func:`build_notebook`.
    """
    if not session.steps:
        raise ExplorerError(
            "an empty session", "has nothing to hand in", "keep a result, or take the exercise sheet"
        )
    checked = []
    for number, step in enumerate(session.steps, start=1):
        checked.append(find_kind(step.kind, f"step {number}").check(step, number))
        _check_present(session, checked[-1], number)
    numbers = {name: number for number, row in enumerate(checked, start=1) for name in named_networks(row)}
    check_networks(session, numbers, runs)
    check_own_data(session, checked)
    models, images = _variables(session, checked)
    return [
        Given(
            row,
            models.get(row.get("model", ""), ""),
            images.get(row.get("image") or "", ""),
            images.get(row.get("basis_image") or "", ""),
            tuple(models[name] for name in row.get("models", ())),
        )
        for row in checked
    ]


def step_code(step: Step, given: Given) -> str:
    """The code of one step's cell."""
    return "\n".join(find_kind(step.kind, "the step").cell(placed(given)))


def imports(code: Iterable[str]) -> list[str]:
    """The import lines that these cells need, in order."""
    trees = [node for cell in code for node in ast.walk(ast.parse(cell))]
    used = {node.id for node in trees if isinstance(node, ast.Name)}
    return [line for name, line in _IMPORTS.items() if name in used]


def setup_code(session: Session, given: list[Given]) -> str:
    """The first cell: imports, then each network and each picture once."""
    loads: dict[str, str] = {}
    for row in given:
        loads |= {name: f"{name} = {network_code(reference)}" for name, reference in row.networks.items()}
    for row in given:
        for variable, reference in row.pictures.items():
            loads[variable] = f"{variable} = explorer.read_image({_image_code(session, reference)})"
    cells = [step_code(step, row) for step, row in zip(session.steps, given, strict=True)]
    lines = imports([*loads.values(), *cells])
    return "\n".join([*lines, *(["", *loads.values()] if loads else [])])


def notebook_files(session: Session, *, runs: str | Path = DEFAULT_ROOT) -> dict[str, bytes]:
    """What a session's notebook reads: path beside the notebook → content.

    Pictures, data and networks of the user's own, and of training runs the recipe and the epochs that are looked into.

    Raises:
        ExplorerError: as :func:`build_notebook`.
    """
    given = check_steps(session, runs)
    pictures = {reference for row in given for reference in row.pictures.values()} & set(session.files)
    networks = sorted({reference for row in given for reference in row.networks.values()})
    return {
        **{_image_path(name, session.files[name]): session.files[name] for name in sorted(pictures)},
        **network_files(session, networks, runs),
        **own_data_files(session, given),
    }


def picture_size(content: bytes) -> tuple[int, int]:
    """(width, height) in pixels."""
    with Image.open(io.BytesIO(content)) as opened:
        return opened.size


def _heading(session: Session, pointer: str) -> str:
    title = plain(_one_line(session.title)) or "Session"
    return f"# {title}\n\nMade with CNN Explorer; {_made_with(session)}. {pointer}".rstrip()


def _made_with(session: Session) -> str:
    """The versions that the steps' results were computed with; of a session without results, this computer's."""
    made: dict[frozenset[tuple[str, str]], list[int]] = {}
    for number, step in enumerate(session.steps, start=1):
        if step.versions:
            made.setdefault(frozenset(step.versions.items()), []).append(number)
    if not made:
        return _listed(versions())
    listed = [
        (_numbers(numbers), _listed(session.steps[numbers[0] - 1].versions)) for numbers in made.values()
    ]
    return listed[0][1] if len(listed) == 1 else "; ".join(f"{which}: {what}" for which, what in listed)


def _listed(packages: Mapping[str, str]) -> str:
    return plain(_one_line(", ".join(f"{package} {number}" for package, number in packages.items())))


def _numbers(numbers: list[int]) -> str:
    """Steps as read: ``steps 1 to 3 and 7``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    spans = [f"{run[0]} to {run[-1]}" if len(run) > 2 else " and ".join(map(str, run)) for run in runs]
    listed = ", ".join(spans[:-1]) + (" and " if len(spans) > 1 else "") + spans[-1]
    return f"step{'s' if len(numbers) > 1 else ''} {listed}"


def _words(step: Step, number: int) -> str:
    title = plain(_one_line(step.title)) or plain(step.kind)
    # A title with a number of its own, such as a task's, needs none of ours.
    parts = [f"## {title}" if title[0].isdigit() else f"## {number}. {title}"]
    if find_kind(step.kind, "the step").name == TEXT:
        parts += [with_formulas(step.text)] if step.text else []
        parts.append(with_formulas(step.comment) or f"*{OWN_WORDS}*")
    elif step.comment:
        parts.append(with_formulas(step.comment))
    return "\n\n".join(parts)


def _one_line(text: str) -> str:
    return " ".join(filter(None, map(str.strip, text.splitlines())))


def _code_cell(step: Step, code: str, number: int) -> nbformat.NotebookNode:
    outputs = []
    if step.text:
        outputs.append(new_output("stream", name="stdout", text=step.text.rstrip("\n") + "\n"))
    metadata: dict[str, Any] = {}
    if step.picture:
        width, height = picture_size(step.picture)
        data = {
            "image/png": base64.b64encode(step.picture).decode("ascii"),
            "text/plain": f"<a picture of {width}×{height} pixels>",
        }
        outputs.append(new_output("execute_result", execution_count=number + 1, data=data))
        metadata["caption"] = step.title or step.kind
    return new_code_cell(
        code, id=f"step-{number}-code", execution_count=number + 1, outputs=outputs, metadata=metadata
    )


def _check_present(session: Session, arguments: Mapping[str, Any], number: int) -> None:
    for name in PICTURES:
        image = arguments.get(name) or ""
        if image and not image.startswith(SAMPLE) and image not in session.files:
            rule, remedy = (
                "is not in the session any more",
                "remove the step, or keep it again from the screen",
            )
            raise ExplorerError(f"the picture {image[:12]}… of step {number}", rule, remedy)


def _variables(session: Session, rows: list[dict[str, Any]]) -> tuple[dict[str, str], dict[str, str]]:
    """Network → variable and picture → variable, each named once, by what it is."""
    models: dict[str, str] = {}
    images: dict[str, str] = {}
    taken = {
        "activations",
        "activation",
        "view",
        "picture",
        "found",
        "pair",
        "panels",
        "field",
        "layers",
        "data",
        "images",
    }
    taken |= {"explorer", "training", "network", "conv", "x", "kernel", "config", "configs", "file", "figure"}

    def fresh(wanted: str) -> str:
        name, count = wanted, 1
        while name in taken:
            count += 1
            name = f"{wanted}_{count}"
        taken.add(name)
        return name

    for row in rows:
        for model in named_networks(row):
            if model not in models:
                models[model] = fresh(network_name(model))
        for image in filter(None, map(row.get, PICTURES)):
            if image not in images:
                sample = image.startswith(SAMPLE)
                images[image] = fresh(image.removeprefix(SAMPLE).lower() if sample else "image")
    return models, images


def _image_code(session: Session, reference: str) -> str:
    if reference.startswith(SAMPLE):
        return f"explorer.sample_images()[{reference.removeprefix(SAMPLE)!r}]"
    return repr(_image_path(reference, session.files[reference]))


def _image_path(name: str, content: bytes) -> str:
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
            suffix = _SUFFIX.get(opened.format or "", "png")
    except Exception as error:  # Pillow's decoders raise nearly every kind
        rule, remedy = f"can't be read ({error})", "remove the steps that use it"
        raise ExplorerError(f"the picture {name[:12]}… of the session", rule, remedy) from error
    return f"images/{name[:16]}.{suffix}"
