"""Keep on pictures of one's own: what the Export tab saves is made again from the saved file alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.test_export_tab import tab
from tests.browser.test_keep_labs import SLOW, carried_out_again, choose_run, handed_over, keep
from tests.training.samples import zip_of_pictures
from training.config import TrainConfig
from training.runs import folders as runs
from training.runs.worker import work

NAME = "run on pets"


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    return zip_of_pictures(tmp_path / "pets.zip", ("Käfer", "dogs", "a fish"), 40, 50)


@pytest.fixture
def run_on_pets(app, pets: Path) -> Iterator[runs.Run]:
    """A run on them that has finished."""
    config = TrainConfig(dataset="folder", data_dir=str(pets), epochs=1, threads=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CNN_EXPLORER_CACHE", str(app.log.parent / "data"))
        folder = runs.create(config, app.log.parent / "data" / "runs", NAME)
        work(folder, on_epoch=lambda result: None)
    yield runs.read_run(folder)
    runs.delete(folder)


def test_pictures_of_ones_own(new_page, pets: Path, run_on_pets: runs.Run) -> None:
    page = new_page("?tab=training")
    rows = page.locator("#tr-data-table tbody tr")
    expect(rows).to_have_count(10, timeout=SLOW)
    page.get_by_role("combobox", name="Data set").click()
    page.get_by_role("option", name="Your own pictures, in one folder per class").click()
    page.locator("#tr-data-file input[type=file]").set_input_files(pets)
    expect(page.locator("#tr-data-file")).to_contain_text("pets", timeout=SLOW)
    page.get_by_role("button", name="Open these pictures").click()
    expect(rows).to_have_count(3, timeout=SLOW)
    keep(page, "tr-data-pin", 1)
    tab(page, "2 · Train")
    choose_run(page, "#tr-run", NAME)
    expect(page.locator("#tr-head")).to_contain_text("Finished: 1 epoch", timeout=SLOW)
    keep(page, "tr-watch-pin", 2)
    tab(page, "3 · Compare")
    choose_run(page, "#tr-mistakes-run", NAME)
    page.get_by_role("button", name="Test it").click()
    expect(page.locator("#tr-confusion-caption")).to_contain_text("of 6 test images are right", timeout=SLOW)
    keep(page, "tr-confusion-pin", 3)
    session = handed_over(page, 3)
    gallery, curves, confusion = session.steps
    assert "Käfer: " in confusion.text
    # The run's pictures are those that were opened: one file serves all.
    [content] = session.files
    [recipe] = curves.arguments["configs"].values()
    named = {
        knobs["data_dir"] for knobs in (gallery.arguments["config"], recipe, confusion.arguments["config"])
    }
    assert named == {f"own:{content}"}
    pets.unlink()
    carried_out_again(session, run_on_pets.folder.parent)
