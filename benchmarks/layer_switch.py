"""A layer switch as the user feels it: from the click on the list to the picture on screen, in headless Chromium.

    python -m benchmarks.layer_switch [--runs 40]

Runs the real app as a second process with its bundled network and a 640×427 picture, all layers captured. The click
is Playwright's; the end is the first frame in which the new picture is loaded.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.timing import HEAD, row
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.serving import served

LAYERS = ("blocks.1.1.add", "blocks.2.1.add", "blocks.3.2.add", "blocks.4.2.add", "blocks.5.3.add")
_LOADED = """before => {
  const image = document.querySelector('#activation img');
  return image && image.src !== before && image.complete && image.naturalWidth > 0;
}"""


def switches(page, runs: int) -> list[float]:
    seconds = []
    for turn in range(runs + len(LAYERS)):
        layer = LAYERS[turn % len(LAYERS)]
        page.get_by_role("combobox", name="Layer", exact=True).click()
        option = page.get_by_role("option").filter(has_text=f"{layer} ").first
        option.wait_for()
        before = page.locator("#activation img").get_attribute("src")
        start = time.perf_counter()
        option.click()
        page.wait_for_function(_LOADED, arg=before, polling="raf")
        if turn >= len(LAYERS):
            seconds.append(time.perf_counter() - start)
        page.wait_for_timeout(150)
    return seconds


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=40)
    runs = parser.parse_args().runs
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder), "--offline") as app,
        sync_playwright() as p,
    ):
        browser = p.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"{app.url}?image=Temple")
        page.wait_for_selector("#activation img")
        page.wait_for_timeout(1000)
        found = switches(page, runs)
        browser.close()
    print(HEAD)
    print(row("layer switch, click to picture", 1000 * statistics.median(found), None, "at most 150 ms"))


if __name__ == "__main__":
    main()
