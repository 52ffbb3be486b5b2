"""Handing in what is one's own: training runs, wherever they are kept, and networks from a file."""

from __future__ import annotations

import io
import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from safetensors.torch import save_file

import explorer
from explorer.session.steps import Session
from notebooks_export import open_session, perform
from tests.browser.test_export_tab import downloaded, field, steps, tab, upload
from tests.browser.test_look_inside import choose
from tests.browser.test_own_networks import load_file
from tests.training.samples import TINY, tiny_data
from training import train
from training.runs.folders import create

SLOW = 120_000


@pytest.fixture
def runs(app) -> Iterator[Path]:
    """Where the program keeps its runs, told by ``--data-dir``; with two of one's own."""
    root = app.log.parent / "data" / "runs"
    names = {"export-base": TINY, "export-flipped": replace(TINY, augmentation=("flip",))}
    for name, config in names.items():
        list(
            train(replace(config, epochs=1), create(replace(config, epochs=1), root, name), data=tiny_data())
        )
    yield root
    for name in names:
        shutil.rmtree(root / name, ignore_errors=True)


def hand_in(page) -> dict[str, bytes]:
    field(page, "export-surname").fill("Lovelace")
    field(page, "export-number").fill("1234567")
    page.locator("#export-submit").click()
    page.wait_for_selector("#export-ready a", timeout=SLOW)
    with zipfile.ZipFile(io.BytesIO(downloaded(page, "Lovelace-1234567.zip"))) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def alike(kept: Session, again: Session) -> bool:
    """Equal but for what several threads may move: a colour by a step or two."""
    for before, after in zip(kept.steps, again.steps, strict=True):
        assert before.text == after.text
        shown, made = (
            np.asarray(Image.open(io.BytesIO(s.picture)).convert("RGB"), np.int16) for s in (before, after)
        )
        assert np.abs(shown - made).max() <= 2
    return True


@pytest.mark.slow
def test_the_sheet_with_runs_of_ones_own(new_page, runs: Path) -> None:
    page = new_page("?tab=export")
    page.wait_for_selector("#export-sheet")
    choose(page, "Task 3.3: baseline", "export-base")
    choose(page, "Task 3.4: variant", "export-flipped")
    page.locator("#export-sheet").click()
    expect(steps(page).filter(has_text="3.4 Both models")).to_be_visible(timeout=SLOW)
    steps(page).filter(has_text="3.4 Both models").click()
    for name in ("export-base", "export-flipped"):
        last = json.loads((runs / name / "history.jsonl").read_text().splitlines()[-1])
        sentence = f"epoch 1: train {last['train_accuracy']:.1%}, test {last['test_accuracy']:.1%}"
        expect(page.locator("#export-shown")).to_contain_text(sentence)
    expect(page.locator("#export-picture img")).to_be_visible()

    # Deleted meanwhile: said, and nothing of the session is lost.
    count = steps(page).count()
    shutil.rmtree(runs / "export-flipped")
    page.locator("#export-sheet").click()
    expect(page.get_by_text("Run 'export-flipped' is not among the runs")).to_be_visible()
    expect(steps(page)).to_have_count(count)
    expect(page.locator("#export-working [role=progressbar]")).to_have_count(0)
    # Entering anew lists what there is, and falls back on the shipped run.
    tab(page, "Saliency")
    tab(page, "Export")
    expect(page.get_by_role("combobox", name="Task 3.4: variant")).to_have_value("The shipped run")
    expect(page.get_by_role("combobox", name="Task 3.3: baseline")).to_have_value(
        re.compile(r" on Shapes-10, plain.*  ·  export-base$")
    )


def test_the_sheet_on_the_run_that_is_looked_at(new_page, runs: Path) -> None:
    page = new_page("?model=export-base@1&tab=export")
    page.wait_for_selector("#export-sheet")
    expect(page.locator("#export-sheet")).to_be_enabled()
    page.get_by_label("With the picture and network I am looking at").check()
    page.locator("#export-sheet").click()
    third = steps(page).filter(has_text="After the second convolution")
    expect(third).to_be_visible(timeout=SLOW)
    third.click()
    expect(field(page, "export-comment")).to_have_value(re.compile("two convolutions only"))
    expect(page.locator("#export-shown")).to_contain_text("conv2 (Conv2d), 16 × 10 × 10")
    # The notebook reads the run, which therefore comes with it.
    page.locator("#export-files").click()
    expect(page.locator("#export-ready")).to_contain_text("the files it reads", timeout=SLOW)
    with zipfile.ZipFile(io.BytesIO(downloaded(page, "notebook.zip"))) as archive:
        assert {"notebook.ipynb", "runs/export-base/config.json"} <= set(archive.namelist())


def test_a_look_into_a_run_of_ones_own(new_page, runs: Path, tmp_path: Path) -> None:
    page = new_page("?model=export-base@1")
    page.wait_for_selector("#activation img")
    page.locator("#activation-pin").click()
    expect(page.get_by_text("step 1 in the Export tab")).to_be_visible()
    tab(page, "Export")
    files = hand_in(page)
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    kept = open_session(files["session.zip"])
    assert kept.steps[0].arguments["model"] == "export-base@1"
    assert alike(kept, perform(kept, anew=True, runs=tmp_path / "runs"))
    shutil.rmtree(runs / "export-base")
    page.locator("#export-submit").click()
    expect(page.get_by_text("is gone from the training runs", exact=False).first).to_be_visible()
    expect(steps(page)).to_have_count(1)


def test_a_network_from_a_file_of_ones_own(page, new_page, tmp_path: Path) -> None:
    model = explorer.load_model("squeezenet1_1", weights=None, labels=["ant", "bee", "cat"])
    save_file(
        {name: value.contiguous() for name, value in model.module.state_dict().items()},
        tmp_path / "insects.safetensors",
    )
    load_file(page, "squeezenet1_1", tmp_path / "insects.safetensors", "ant\nbee\ncat")
    expect(page.locator("#predictions")).to_contain_text("bee")
    expect(page.locator("#activation-caption")).to_contain_text("features.")
    page.locator("#activation-pin").click()
    expect(page.get_by_text("step 1 in the Export tab")).to_be_visible()
    tab(page, "Export")
    files = hand_in(page)
    [weights] = [name for name in files if name.startswith("networks/") and name.endswith(".safetensors")]
    assert files[weights.replace(".safetensors", ".txt")].decode() == "ant\nbee\ncat\n"
    (tmp_path / "again.safetensors").write_bytes(files[weights])
    again = explorer.load_model("squeezenet1_1", tmp_path / "again.safetensors").module.state_dict()
    assert all(value.equal(again[name]) for name, value in model.module.state_dict().items())
    kept = open_session(files["session.zip"])
    assert alike(kept, perform(kept, anew=True))

    # Opened by somebody who never had the file: another page, to which it was never given.
    other = new_page("?tab=export")
    (tmp_path / "session.zip").write_bytes(files["session.zip"])
    upload(other, tmp_path / "session.zip")
    expect(steps(other)).to_have_count(1)
    steps(other).first.click()
    other.locator("#export-numbers").click()
    other.wait_for_selector("#export-ready a", timeout=SLOW)
    assert downloaded(other, "map.npy").startswith(b"\x93NUMPY")
