"""Keep in the labs: a field, a stack, a convolution, a data set, runs and their mistakes reach the Export tab."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from explorer.practice.exercises import make_exercise
from notebooks_export import open_session, perform
from tests.browser.parts import SLOW, keep, open_part
from tests.browser.test_export_tab import downloaded, steps, tab
from training.config import TrainConfig
from training.runs import folders as runs
from training.runs.worker import work

NAME = "kept run"


@pytest.fixture(scope="module")
def data_dir(app) -> Iterator[Path]:
    """Where the served program keeps its runs, with a small one that has finished; without it at the end."""
    folder = app.log.parent / "data"
    config = TrainConfig(dataset="shapes10", max_train_images=400, max_test_images=100, epochs=2, threads=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CNN_EXPLORER_CACHE", str(folder))
        run = runs.create(config, folder / "runs", NAME)
        work(run, on_epoch=lambda result: None)
    yield folder
    runs.delete(run)


def handed_over(page, count: int):
    """The session as the Export tab saves it."""
    tab(page, "Export")
    expect(steps(page)).to_have_count(count)
    page.locator("#export-save").click()
    page.wait_for_selector("#export-ready a", timeout=SLOW)
    return open_session(downloaded(page, "session.zip"))


def carried_out_again(session, runs_dir: Path | str = "runs") -> None:
    """The notebook's code gives the same words and pictures; threads may move a colour by one."""
    for kept, again in zip(session.steps, perform(session, anew=True, runs=runs_dir).steps, strict=True):
        assert again.text == kept.text
        assert bool(again.picture) == bool(kept.picture)
        if kept.picture:
            shown, made = (
                np.asarray(Image.open(io.BytesIO(s.picture)).convert("RGB"), np.int16) for s in (kept, again)
            )
            assert np.abs(shown - made).max() <= 2


def test_receptive_fields(new_page) -> None:
    page = new_page("?tab=receptive-field")
    page.wait_for_selector("#rf-picture svg", timeout=SLOW)
    page.locator("#rf-map svg").click(position={"x": 8, "y": 8})
    expect(page.locator("#rf-caption")).to_contain_text("row 0, column 0", timeout=SLOW)
    unit = page.locator("#rf-caption").inner_text()
    keep(page, "rf-picture-pin", 1)
    page.get_by_role("radio", name="Effective, this picture").check()
    expect(page.locator("#rf-caption")).to_contain_text("over 1 picture", timeout=SLOW)
    effective = page.locator("#rf-caption").inner_text()
    keep(page, "rf-picture-pin", 2)
    page.locator("#rf-picture svg").click()
    expect(page.locator("#rf-caption")).to_contain_text("is seen by", timeout=SLOW)
    pixel = page.locator("#rf-caption").inner_text()
    keep(page, "rf-picture-pin", 3)
    tab(page, "In this network")
    expect(page.locator("#rf-summary")).to_contain_text("efficientnet_lite0", timeout=SLOW)
    network = page.locator("#rf-summary").inner_text()
    keep(page, "rf-network-pin", 4)
    tab(page, "Build a stack")
    page.get_by_role("combobox", name="Start from").click()
    page.get_by_role("option", name="Sheet: two 4×4, stride 2").click()
    expect(page.locator("#rf-result")).to_contain_text("10×10 pixels")
    keep(page, "rf-stack-pin", 5)
    session = handed_over(page, 5)
    sentence = [" ".join(step.text.split()) for step in session.steps]
    assert sentence[:3] == [" ".join(words.split()) for words in (unit, effective, pixel)]
    assert sentence[3].startswith(" ".join(network.split()))
    assert sentence[4].endswith("1 + (4−1)·1·1 + (4−1)·1·2 = 10")
    carried_out_again(session)


def test_convolutions(new_page) -> None:
    page = new_page("?tab=convolution")
    page.wait_for_selector("#cv-step svg", timeout=SLOW)
    page.get_by_label("Stride", exact=True).fill("2")
    expect(page.locator("#cv-step")).to_contain_text("Output of w1, 2×3", timeout=SLOW)
    page.locator("#cv-step .cv-stepper").press("ArrowRight")
    expect(page.locator("#cv-step")).to_contain_text("row 1, column 2")
    keep(page, "cv-step-pin", 1)
    tab(page, "Stride and pooling")
    expect(page.locator("#cv-downsampling")).to_contain_text("average-pooling")
    keep(page, "cv-downsampling-pin", 2)
    tab(page, "Output size")
    expect(page.locator("#cv-size")).to_contain_text("⌊4 / 2⌋ = 2")
    keep(page, "cv-size-pin", 3)
    tab(page, "Read it off")
    expect(page.locator("#cv-reading")).to_contain_text("stencil")
    keep(page, "cv-reading-pin", 4)
    tab(page, "Practice")
    keep(page, "cv-practice-pin", 5)
    for (row, column), value in np.ndenumerate(make_exercise().solution):
        typed = "7" if (row, column) == (1, 2) else f"{value:g}"
        page.get_by_label(f"Your answer, row {row + 1}, column {column + 1}", exact=True).fill(typed)
    page.get_by_role("button", name="Check my answer").click()
    expect(page.locator("#cv-behind")).to_contain_text("Row 2, column 3: 7 should be", timeout=SLOW)
    keep(page, "cv-practice-pin", 6)
    # A cell that was changed since is kept as it stands, without the marks of before.
    page.get_by_label("Your answer, row 2, column 3: wrong", exact=True).fill("8")
    keep(page, "cv-practice-pin", 7)
    session = handed_over(page, 7)
    window, pooling, size, reading, blank, marked, changed = session.steps
    # The sheet's first row is 1 0 0 1 1 0, its second 0 1 0 0 0 1; the second window begins at column 3.
    assert "w1, row 1, column 2: 0·1 + 1·0 + 0·0 + 0·1 + (-1) = -1 → 0" in window.text
    assert window.picture
    assert pooling.picture
    assert "Whole steps that fit: ⌊4 / 2⌋ = 2" in size.text
    assert "fires exactly where both of its ones meet ones" in reading.text
    assert blank.arguments == {"seed": 1, "level": 1, "asked": "relu"}
    total = make_exercise().solution.size
    assert f"{total - 1} of {total} cells right" in marked.text
    assert "row 2, column 3: 7 is wrong" in marked.text
    assert changed.arguments["answer"][1][2] == "8"
    assert "right" not in changed.text
    carried_out_again(session)


def test_data_networks_and_runs(new_page, data_dir) -> None:
    page = new_page("?tab=training")
    page.wait_for_selector("#tr-data-table table", timeout=SLOW)
    before = page.locator("#tr-data-table img").first.get_attribute("src")
    page.get_by_role("button", name="Show other examples").click()
    expect(page.locator("#tr-data-table img").first).not_to_have_attribute("src", before or "")
    keep(page, "tr-data-pin", 1)
    tab(page, "2 · Train")
    open_part(page, "Layers and parameters", role="button")
    expect(page.locator("#tr-layer-table")).to_contain_text("linear", ignore_case=True, timeout=SLOW)
    keep(page, "tr-network-pin", 2)
    expect(page.locator("#tr-pairs-pin")).to_be_hidden()
    page.get_by_role("checkbox", name="flip").check()
    expect(page.locator("#tr-pairs img")).to_have_count(2)
    keep(page, "tr-pairs-pin", 3)
    choose_run(page, "#tr-run", NAME)
    expect(page.locator("#tr-head")).to_contain_text("Finished: 2 epochs", timeout=SLOW)
    keep(page, "tr-watch-pin", 4)
    bars = page.locator("#tr-classes li").all_inner_texts()
    keep(page, "tr-classes-pin", 5)
    session = handed_over(page, 5)
    gallery, network, pairs, curves, classes = session.steps
    assert [f"{label}\n{share:.0%}" for label, share in classes.arguments["recorded"]] == [
        re.sub(r"\s*\n\s*", "\n", text) for text in bars
    ]
    assert gallery.arguments["seed"] == 1
    assert "62,006 trainable parameters" in network.text
    assert pairs.arguments["config"]["augmentation"] == ["flip"]
    for result in runs.history(data_dir / "runs" / NAME):
        line = f"epoch {result.epoch}: train {result.train_accuracy:.1%}, test {result.test_accuracy:.1%}"
        assert line in curves.text.splitlines()
    carried_out_again(session)


def test_runs_compared_their_mistakes_and_a_look_inside(new_page, data_dir) -> None:
    page = new_page("?tab=training")
    page.wait_for_selector("#tr-data-table table", timeout=SLOW)
    tab(page, "3 · Compare")
    expect(page.locator("#tr-compare-table tbody tr").first).to_be_visible(timeout=SLOW)
    page.get_by_role("radio", name="Gap between training and test").check()
    keep(page, "tr-compare-pin", 1)
    expect(page.locator("#tr-confusion-pin")).to_be_hidden()
    choose_run(page, "#tr-mistakes-run", NAME)
    page.get_by_role("button", name="Test it").click()
    expect(page.locator("#tr-confusion-caption")).to_contain_text(
        "of 100 test images are right", timeout=SLOW
    )
    right = re.match(r"\d+", page.locator("#tr-confusion-caption").inner_text())
    keep(page, "tr-confusion-pin", 2)
    surest = page.locator(".tr-mistake").first.get_attribute("data-index")
    keep(page, "tr-mistakes-pin", 3)
    tab(page, "4 · Look inside")
    choose_run(page, "#tr-inside-run", NAME)
    expect(page.locator("#tr-inside-first")).to_contain_text("after epoch 2", timeout=SLOW)
    page.locator("#tr-inside-epoch input[type=range]").fill("1")
    expect(page.locator("#tr-inside-saliency")).to_contain_text("after epoch 1", timeout=SLOW)
    keep(page, "tr-inside-first-pin", 4)
    keep(page, "tr-inside-saliency-pin", 5)
    expect(page.locator("#tr-inside-film")).to_contain_text("over 3 of its epochs", timeout=SLOW)
    strip = page.locator("table.tr-film tr").all_inner_texts()
    keep(page, "tr-film-pin", 6)
    # Opened in the explorer, its results are kept there.
    page.get_by_role("button", name="Open in the explorer").click()
    expect(page.locator("#status")).to_contain_text("epoch 1", timeout=SLOW)
    page.wait_for_selector("#activation img", timeout=SLOW)
    expect(page.locator("#activation-caption")).to_contain_text("relu", timeout=SLOW)
    keep(page, "activation-pin", 7)
    session = handed_over(page, 7)
    compared, matrix, mistakes, first, saliency, film, opened = session.steps
    assert compared.arguments["shown"] == "gap"
    assert right
    assert matrix.text.startswith(f"{right[0]} of 100 test images are right")
    assert mistakes.text.startswith(f"test image {surest}: ")
    assert {s.arguments["model"] for s in (first, saliency, opened)} == {f"{NAME}@1"}
    assert first.text.startswith("conv1, all 6 channels")
    assert list(film.arguments["models"]) == [f"{NAME}@{epoch}" for epoch in (0, 1, 2)]
    says, _, reached = (line.split("\t")[1:] for line in strip[-3:])
    for line, sentence, test in zip(film.text.splitlines(), says, reached, strict=False):
        assert f"says {sentence};" in line
        assert line.endswith(f"test {test}")
    carried_out_again(session, data_dir / "runs")


def choose_run(page, where: str, name: str) -> None:
    box = page.locator(f"{where} input").first
    expect(box).not_to_have_value("", timeout=SLOW)
    if name in box.input_value():  # chosen again, it would be shown anew while the test goes on
        return
    box.click()
    page.get_by_role("option").filter(has_text=name).click()
