"""What the page costs the browser and the server: opened, tab by tab, with another picture, in headless Chromium.

    python -m benchmarks.page [--runs 5] [--beside CHECKOUT]

Runs the real app as a second process with its bundled network; ``--beside`` serves another checkout, too, and the two
take turns. Processor time is that of the browser's renderer and of the server's process.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks.timing import HEAD, row
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.serving import ROOT, Running, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TABS = (
    "Side by side",
    "Saliency",
    "Two classes",
    "Receptive field",
    "Network",
    "Convolution",
    "Training",
    "Export",
)
QUIET_MS = 2500
"""How long the page is watched after each step: everything that the step sets off has come by then."""


@dataclass(frozen=True)
class Step:
    """What a step cost: milliseconds of processor time, and how often the page asked the server."""

    name: str
    browser_ms: float
    server_ms: float
    requests: int


@dataclass
class Visitor:
    """One page of one program, and what it has cost so far."""

    app: Running
    page: Page
    asked: list[str] = field(default_factory=list)

    def costs(self) -> tuple[float, float]:
        """Milliseconds of processor time of the renderer and of the server since they began."""
        metrics = self._protocol.send("Performance.getMetrics")["metrics"]
        renderer = next(metric["value"] for metric in metrics if metric["name"] == "ProcessTime")
        server = psutil.Process(self.app.process.pid).cpu_times()
        return 1000 * renderer, 1000 * (server.user + server.system)

    def __post_init__(self) -> None:
        self._protocol = self.page.context.new_cdp_session(self.page)
        self._protocol.send("Performance.enable")
        self.page.on("request", lambda r: self.asked.append(r.url) if r.method == "POST" else None)

    def steps(self) -> Iterator[Step]:
        """Open the page, each tab, then another picture."""
        yield self._measured("the page opens", lambda: self.page.goto(self.app.url))
        for tab in TABS:
            button = self.page.get_by_role("tab", name=tab, exact=True)
            yield self._measured("a tab opens", button.click)
        self.page.get_by_role("tab", name="Activations", exact=True).click()
        self.page.wait_for_timeout(QUIET_MS)
        another = self.page.locator("#samples button").nth(1)
        yield self._measured("another picture", another.click)

    def _measured(self, name: str, act: Callable[[], object]) -> Step:
        before = self.costs()
        self.asked.clear()
        act()
        self.page.wait_for_timeout(QUIET_MS)
        after = self.costs()
        return Step(name, after[0] - before[0], after[1] - before[1], len(self.asked))


def visited(browser: Browser, app: Running) -> list[Step]:
    """All steps of a visitor who comes to a page that the browser has seen before."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(app.url)
    page.wait_for_selector("#activation img")
    page.goto("about:blank")
    found = list(Visitor(app, page).steps())
    context.close()
    return found


def medians(steps: list[Step]) -> dict[str, float]:
    """``what: which cost`` → its median."""
    found: dict[str, float] = {}
    for name in dict.fromkeys(step.name for step in steps):
        same = [step for step in steps if step.name == name]
        found[f"{name}: browser"] = statistics.median(step.browser_ms for step in same)
        found[f"{name}: server"] = statistics.median(step.server_ms for step in same)
        found[f"{name}: requests"] = statistics.median(step.requests for step in same)
    return found


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--beside", type=Path, metavar="CHECKOUT")
    options = parser.parse_args()
    checkouts = [ROOT, *([options.beside.resolve()] if options.beside else [])]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        apps = [
            stack.enter_context(served(folder / str(number), "--offline", place=place))
            for number, place in enumerate(checkouts)
        ]
        browser = stack.enter_context(sync_playwright()).chromium.launch(
            executable_path=CHROMIUM, args=ARGUMENTS
        )
        steps: list[list[Step]] = [[] for _ in apps]
        for _ in range(options.runs):
            for number, app in enumerate(apps):
                steps[number] += visited(browser, app)
        browser.close()
    ours, *others = (medians(found) for found in steps)
    print(HEAD)
    for claim, value in ours.items():
        unit = "×" if claim.endswith("requests") else "ms"
        print(row(claim, value, others[0][claim] if others else None, "", unit))


if __name__ == "__main__":
    main()
