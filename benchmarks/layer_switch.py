"""A layer switch as the user feels it: from the click on the list to the picture on screen, in headless Chromium.

    python -m benchmarks.layer_switch [--runs 40]

Runs the real app as a second process with its bundled network and a 640×427 picture, all layers captured. The clock
is the page's own: from the press of the mouse on a layer's name to the first frame with the new picture decoded.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.timing import HEAD, row
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.serving import served

if TYPE_CHECKING:
    from playwright.sync_api import Page

LAYERS = ("blocks.1.1.add", "blocks.2.1.add", "blocks.3.2.add", "blocks.4.2.add", "blocks.5.3.add")
# Inside the page: from the press of the mouse to the first frame that shows the new picture.
_WATCH = """() => {
  window.switched = [];
  let pressed = 0;
  document.addEventListener("mousedown", () => { pressed = performance.now(); }, true);
  new MutationObserver((changes) => {
    for (const change of changes) {
      if (change.target.tagName !== "IMG" || !change.target.closest("#activation")) continue;
      const shown = () => requestAnimationFrame(() => window.switched.push(performance.now() - pressed));
      change.target.decode().then(shown);
    }
  }).observe(document.body, { subtree: true, attributes: true, attributeFilter: ["src"] });
}"""


def switches_ms(page: Page, runs: int) -> list[float]:
    page.evaluate(_WATCH)
    for turn in range(runs + len(LAYERS)):
        layer = LAYERS[turn % len(LAYERS)]
        page.get_by_role("combobox", name="Layer", exact=True).click()
        page.get_by_role("option").filter(has_text=f"{layer} ").first.click()
        page.wait_for_function("turn => window.switched.length > turn", arg=turn)
        page.wait_for_timeout(150)
    return page.evaluate("window.switched")[len(LAYERS) :]


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
        found = switches_ms(page, runs)
        browser.close()
    print(HEAD)
    print(row("layer switch, click to picture", statistics.median(found), None, "at most 150 ms"))


if __name__ == "__main__":
    main()
