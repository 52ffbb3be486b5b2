"""A baseline and its variant side by side, as a person starts, watches, stops and resumes them."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.parts import open_part
from training.config import TrainConfig
from training.runs import folders as runs

WAIT_MS = 90_000
POINTS = """n => {
  const curves = [...document.querySelectorAll('#tr-charts figure:first-child svg g')];
  return curves.filter(g => g.querySelectorAll('circle').length >= n).length === 4;
}"""


def legend(page) -> set[str]:
    """The curves of the accuracy chart, by name, without their last values."""
    items = page.locator("#tr-charts figure").first.locator("figcaption li").all_inner_texts()
    return {re.match(r".*, (train|test)\b", item.strip())[0] for item in items}


@pytest.mark.slow
def test_a_baseline_and_its_variant_side_by_side(new_page, root, reload):
    before = {run.name for run in runs.list_runs(root)}
    page = new_page("?tab=training&epochs=4000&max_train_images=4000&max_test_images=500")
    page.wait_for_selector("#tr-data-table table", timeout=WAIT_MS)
    open_part(page, "2 · Train")
    page.get_by_role("button", name=re.compile("^Start two")).click()
    # Two runs that differ in what the button says, and in nothing else.
    page.wait_for_function(POINTS, arg=2, timeout=WAIT_MS)
    begun = [run for run in runs.list_runs(root) if run.name not in before]
    plain, variant = sorted((run.config for run in begun), key=lambda config: len(config.augmentation))
    wanted = TrainConfig(
        dataset="shapes10", epochs=4000, max_train_images=4000, max_test_images=500, threads=plain.threads
    )
    assert plain == wanted
    assert (variant.augmentation, variant.normalization) == (("flip", "crop"), (0.5, 0.5))
    assert {run.status for run in begun} == {runs.RUNNING}
    curves = legend(page)
    assert len(curves) == 4
    assert {"plain, train", "plain, test"} < curves

    # What trains is shown again after a reload: both, and still growing.
    reload(page)
    page.wait_for_function(POINTS, arg=3, timeout=WAIT_MS)
    assert legend(page) == curves
    expect(page.locator("#tr-head")).to_contain_text("Of the other runs, 1 trains")

    # Stopping one leaves the other; resumed, both are shown again.
    head, run_box = page.locator("#tr-head"), page.get_by_role("combobox", name="Run", exact=True)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(head).to_contain_text("Stopped after", timeout=WAIT_MS)
    expect(head).to_contain_text("Of the other runs, 1 trains")
    done = int(re.search(r"Stopped after (\d+) of 4000", head.inner_text())[1])
    assert done >= 3
    assert legend(page) == curves
    page.get_by_label("Up to epoch", exact=True).fill(str(done + 2))
    page.get_by_role("button", name=re.compile("^Resume")).click()
    expect(head).to_contain_text(f"Finished: {done + 2} epochs", timeout=WAIT_MS)
    (ended,) = [run for run in runs.list_runs(root) if run.name not in before and not run.is_alive]
    assert [result.epoch for result in runs.history(ended.folder)] == list(range(1, done + 3))

    # The other one, chosen from the list, still trains, and stops when it is told to.
    (other,) = [run for run in runs.list_runs(root) if run.is_alive]
    run_box.click()
    page.get_by_role("option").filter(has_text=re.compile(f"{re.escape(other.name)}$")).click()
    expect(head).to_contain_text("of 4000", timeout=WAIT_MS)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(head).to_contain_text("Stopped after", timeout=WAIT_MS)
    assert not any(run.is_alive for run in runs.list_runs(root))
