"""A real browser on the real program: Debian's Chromium, driven by Playwright, on ``python launch.py``."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import Running, served

WAIT_MS = 20_000
"""How long a page may take to show what a test expects: other work may hold this machine's cores."""

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say clearly when there is no browser; where one is required, its absence is a failure."""
    if CHROMIUM:
        return
    if os.environ.get("REQUIRE_BROWSER"):
        raise pytest.UsageError("REQUIRE_BROWSER is set, and no Chromium was found: install it first")
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="no Chromium on this computer: browser tests not run"))


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The program, offline, with its own folders."""
    folder = tmp_path_factory.mktemp("app")
    with served(folder, "--offline", "--data-dir", str(folder / "data")) as running:
        yield running


@pytest.fixture(scope="session")
def app_url(app: Running) -> str:
    """Where the program is served."""
    return app.url


@pytest.fixture
def root(app: Running) -> Iterator[Path]:
    """Where the served program keeps its runs; at the end nothing trains there any more."""
    from training.runs import folders as runs

    folder = app.log.parent / "data" / "runs"
    yield folder
    end = time.monotonic() + 60
    while alive := [run for run in runs.list_runs(folder) if run.is_alive]:
        assert time.monotonic() < end, alive
        for run in alive:
            runs.stop(run.folder)
        time.sleep(0.2)


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """One Chromium for all tests."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def new_page(browser, app_url) -> Iterator[object]:
    """Open pages; at the end none may have logged an error or asked anything outside this computer."""
    contexts, complaints = [], []

    def open_page(address: str = "", width: int = 1280, height: int = 800, dark: bool = False):
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda r: None if _is_local(r.url) else complaints.append(f"left this computer: {r.url}"),
        )
        page.goto(app_url + address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


@pytest.fixture
def page(new_page):
    """The app as it opens, with its first result on screen."""
    page = new_page()
    page.wait_for_selector("#activation img")
    return page


def _is_local(url: str) -> bool:
    return url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:"))
