"""A look at the old run that comes late, on a slow line, doesn't bring it back over the one that was just started."""

from __future__ import annotations

import json
import re
import time

import pytest
from playwright.sync_api import expect

from tests.browser.parts import open_part
from training.runs import folders as runs

WAIT_MS = 90_000
ADDRESS = "?tab=training&epochs=4000&max_train_images=4000&max_test_images=500"


def ends_with(name: str) -> re.Pattern[str]:
    """A run in the list, by its name at the end."""
    return re.compile(rf"· +{re.escape(name)}$")


@pytest.mark.slow
def test_a_late_look_at_the_old_run_leaves_the_new_one_chosen(new_page, root):
    before = {run.name for run in runs.list_runs(root)}
    page = new_page(ADDRESS)
    page.wait_for_selector("#tr-data-table table", timeout=WAIT_MS)
    open_part(page, "2 · Train")
    start, head = page.get_by_role("button", name="Start training"), page.locator("#tr-head")
    start.click()
    expect(head).to_contain_text("images/s", timeout=WAIT_MS)
    (old,) = [run.name for run in runs.list_runs(root) if run.name not in before]
    box = page.get_by_role("combobox", name="Run", exact=True)
    expect(box).to_have_value(ends_with(old))

    # The page asks beside the queue once a second: an answer about the old run is held back …
    held = []

    def hold(route):
        asked = json.loads(route.request.post_data or "{}").get("data", [])
        if not held and asked and asked[0] == old:
            held.append((route, route.fetch()))
        else:
            route.continue_()

    page.route("**/gradio_api/run/**", hold)
    end = time.monotonic() + 30
    while not held and time.monotonic() < end:
        page.wait_for_timeout(100)
    start.click()
    expect(box).not_to_have_value(ends_with(old), timeout=WAIT_MS)
    (new,) = [run.name for run in runs.list_runs(root) if run.name not in {*before, old}]
    # … and comes when the new one is there.
    route, answer = held[0]
    route.fulfill(response=answer)
    page.wait_for_timeout(500)
    expect(box).to_have_value(ends_with(new))
    expect(head).to_contain_text("Of the other runs, 1 trains", timeout=WAIT_MS)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(head).to_contain_text("Stopped", timeout=WAIT_MS)
    status = {run.name: run.status for run in runs.list_runs(root)}
    assert (status[old], status[new]) == (runs.RUNNING, runs.STOPPED)
