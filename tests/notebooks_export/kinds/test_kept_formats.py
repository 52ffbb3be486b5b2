"""What was handed in long ago opens, exports and runs: files of earlier formats, saved by the code of their day."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import nbformat
import numpy as np
import pytest

from explorer.former_names import FORMER_NAMES
from explorer.session.steps import Session, Step, read_session, save_session
from notebooks_export import (
    build_notebook,
    build_submission,
    notebook_files,
    open_session,
    perform,
    step_data,
)
from notebooks_export.kinds.registry import KINDS, NAMES, TEXT
from tests.notebooks_export.fresh_kernel import outputs, pixels, run

ROOT = Path(__file__).parents[3]
DATA = ROOT / "tests" / "data"
FORMAT_1 = DATA / "session-format-1.zip"
RUNS_1 = DATA / "runs-format-1"
SHA256_1 = "a7231024500f48add8233c4caf26dd71f57cbf18a37f10423d87fcf72ddb5b3d"
FORMAT_1_KINDS = 30
FORMAT_2_NAMES = (
    "activation.channels",
    "activation.layers",
    "activation.map",
    "activation.values",
    "convolution.downsampling",
    "convolution.output",
    "convolution.reading",
    "convolution.size",
    "convolution.window",
    "data.augmentation",
    "data.gallery",
    "network.layers",
    "network.modules",
    "network.prediction",
    "network.untrained",
    "practice.exercise",
    "receptive_field.catalogue",
    "receptive_field.effective",
    "receptive_field.layer",
    "receptive_field.network",
    "receptive_field.stack",
    "receptive_field.unit",
    "run.classes",
    "run.epochs",
    "run.first_layer",
    "run.history",
    "run.predictions",
    "saliency.classes",
    "saliency.map",
    "text",
)
"""Kinds that sessions of format 2 name on disk; the list only grows."""
CHANGED_PICTURES: dict[str, str] = {
    "activation.values": "its bars are drawn by matplotlib, which smooths the edges of letters otherwise",
    "run.history": "its chart has the limits, ticks and legend that it has on screen; its words are as they were",
    "convolution.window": "padding is dashed, unread pixels are struck out and pictures say their scale, as on screen",
    "convolution.downsampling": "what is left out is pale, and a large map's outputs are pictures, as on screen",
    "practice.exercise": "the page's colours for right and wrong, more room for titles; its words are as they were",
    "A unit": "the field has the margin and the hatched room that it has on screen",
    "receptive_field.stack": "a short stack is a cone of units, a long one has centred bars, as on screen",
    "receptive_field.network": "the curve has the scale and the labels that it has on screen",
    "receptive_field.catalogue": "the curve has the scale and the labels that it has on screen",
    "Confusions": "the matrix is tinted by the root of each share, as on screen, and its words say so",
}
"""Title or kind of a step whose picture is meant to differ from the one that format 1 holds → why."""
CHANGED_WORDS: dict[str, str] = {"Confusions": "they say that the tint is by the root of each share"}
"""The same for words."""
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


@cache
def format_1() -> Session:
    return open_session(FORMAT_1)


@cache
def performed_anew() -> Session:
    return perform(format_1(), anew=True, runs=RUNS_1)


def test_the_file_of_format_1_is_the_one_that_was_saved_then() -> None:
    assert hashlib.sha256(FORMAT_1.read_bytes()).hexdigest() == SHA256_1


def test_format_1_holds_every_kind_that_there_was() -> None:
    held = {step.kind for step in format_1().steps}
    assert len(held) == FORMAT_1_KINDS
    assert held == {kind.name for kind in KINDS.values() if kind.former} | {TEXT}


def test_names_on_disk_are_nobody_elses_and_no_module_paths() -> None:
    former = [name for kind in KINDS.values() for name in kind.former]
    assert len({*former, *KINDS}) == len(former) + len(KINDS) == len(NAMES)
    for name in KINDS:
        assert re.fullmatch(r"text|[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*", name), name
        assert not name.startswith(("explorer", "training", "notebooks_export"))


def test_a_name_that_was_ever_on_disk_is_known_for_good() -> None:
    assert set(FORMAT_2_NAMES) <= set(NAMES)
    assert set(KINDS) <= set(FORMAT_2_NAMES), "a new kind's name goes on disk, and so into the list"


def test_format_1_saved_again_is_format_2_and_the_same() -> None:
    saved = save_session(format_1())
    assert b'"format": 2' in _json_of(saved)
    assert read_session(saved, NAMES) == format_1()


def _json_of(saved: bytes) -> bytes:
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(saved)) as archive:
        return archive.read("session.json")


def test_format_1_is_handed_in_as_it_is() -> None:
    session = format_1()
    made = build_submission(session, surname="Lovelace", matriculation_number="1815", runs=RUNS_1)
    assert made.filename == "Lovelace-1815.zip"
    shown = [cell for cell in build_notebook(session, runs=RUNS_1).cells if cell.cell_type == "code"][1:]
    steps = [step for step in session.steps if step.kind != TEXT]
    assert len(shown) == len(steps)
    for cell, step in zip(shown, steps, strict=True):
        assert "".join(o.text for o in cell.outputs if o.output_type == "stream") == step.text


@pytest.mark.parametrize("position", range(len(open_session(FORMAT_1).steps)))
def test_format_1_performed_anew_gives_the_same(position: int) -> None:
    then, now = format_1().steps[position], performed_anew().steps[position]
    assert (then.kind, then.arguments, then.title, then.comment) == (
        now.kind,
        now.arguments,
        now.title,
        now.comment,
    )
    if then.kind != TEXT:
        check_same(then, now)


def check_same(then: Step, now: Step) -> None:
    """The same words, numbers and pixels, as far as another processor adds in another order."""
    if not {then.title, then.kind} & set(CHANGED_WORDS):
        assert NUMBER.sub("#", then.text) == NUMBER.sub("#", now.text)
        numbers = [[float(n) for n in NUMBER.findall(step.text)] for step in (then, now)]
        assert numbers[0] == pytest.approx(numbers[1], rel=0.01, abs=0.011)
    assert bool(then.picture) == bool(now.picture)
    if then.picture and not {then.title, then.kind} & set(CHANGED_PICTURES):
        one, other = (pixels(picture).astype(int) for picture in (then.picture, now.picture))
        assert one.shape == other.shape
        assert (np.abs(one - other) > 12).mean() < 0.005


def test_the_numbers_of_a_run_trained_in_a_step_of_format_1_are_read_from_its_text() -> None:
    position = next(i for i, step in enumerate(format_1().steps) if step.title == "Trained")
    step = format_1().steps[position]
    assert not step.results
    table = step_data(format_1(), position, runs=RUNS_1)["runs.csv"].decode().splitlines()[1:]
    shown = re.findall(r"epoch (\d+): train ([\d.]+)%, test ([\d.]+)%", step.text)
    assert [row.split(",")[1] for row in table] == [epoch for epoch, _, _ in shown]
    for row, (_, train, test) in zip(table, shown, strict=True):
        assert [float(share) for share in row.split(",")[2:4]] == pytest.approx(
            [float(train) / 100, float(test) / 100], abs=5e-4
        )


def test_a_run_trained_in_a_step_keeps_its_numbers() -> None:
    step = next(step for step in performed_anew().steps if step.title == "Trained")
    histories = step.results["histories"]
    assert list(histories) == list(step.arguments["configs"])
    for title, rows in histories.items():
        for epoch, train, test, *losses in rows:
            assert f"{title}\n" in step.text
            assert f"epoch {epoch}: train {train:.1%}, test {test:.1%}" in step.text
            assert all(loss > 0 for loss in losses)


def test_another_names_steps_still_export() -> None:
    """A session made in Python by a kind's former name."""
    old, new = (Step(name, {"size": 6, "kernel": 2}) for name in ("explorer.derive_size", "convolution.size"))
    one, other = (perform(Session(steps=(step,))).steps[0].text for step in (old, new))
    assert one == other


@pytest.mark.kernel
def test_a_notebook_that_names_modules_of_before_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it was handed in, beside its files, in a fresh kernel with the program of today."""
    notebook = nbformat.read(DATA / "notebook-format-1.ipynb", as_version=4)
    setup = next(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert "from training.reports import" in setup
    run(notebook, notebook_files(format_1(), runs=RUNS_1), tmp_path, monkeypatch)
    steps = [step for step in format_1().steps if step.kind != TEXT]
    for step, (text, picture) in zip(steps, outputs(notebook), strict=True):
        check_same(step, replace(step, text=text, picture=picture))


def test_names_of_before_are_public_names_of_today() -> None:
    code = "\n".join(
        f"from {module} import {old}; assert {old}.__name__ == {new!r}, {old}"
        for module, names in FORMER_NAMES.items()
        for old, new in names.items()
    )
    code = f"import explorer\noverlay = explorer.overlay\n{code}\nassert explorer.overlay.function is overlay"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)
    alone = "from training.figures import tile; assert tile.__name__ == 'tile'"  # nothing was imported before
    subprocess.run([sys.executable, "-c", alone], cwd=ROOT, check=True, timeout=120)
    refused = subprocess.run(
        [sys.executable, "-c", "import explorer\nfrom explorer.captions import nothing"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "cannot import name 'nothing' from 'explorer.captions'" in refused.stderr
