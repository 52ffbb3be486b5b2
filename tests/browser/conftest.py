"""A real browser on the real program: Debian's Chromium, driven by Playwright, on ``python launch.py``.

One program and one Chromium serve all tests of a process, and one page is used by test after test: each loads the
program anew, as by F5, and finds no storage and no cookie. What the page is made of is then downloaded and compiled
once: 2.5 s of processor time a page in place of 4.2.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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


class UsedPage:
    """The page that every test opens first; :meth:`leave` takes away what a test may have left in it."""

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._page: Any = None

    def take(self) -> Any:
        """The page, with nothing in it."""
        if self._page is None:
            self._page = self._browser.new_context().new_page()
        return self._page

    def leave(self) -> None:
        """Empty it: no program, routes, storage, cookies. A page that can't be emptied is closed."""
        page, context = self._page, self._page.context
        try:
            page.unroute_all(behavior="ignoreErrors")
            origin = page.evaluate("location.origin")
            page.goto("about:blank")
            context.clear_cookies()
            protocol = context.new_cdp_session(page)
            kept = {"origin": origin, "storageTypes": "local_storage,indexeddb,cache_storage,service_workers"}
            protocol.send("Storage.clearDataForOrigin", kept)
            protocol.detach()
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """Close it; the next test gets another."""
        if self._page is not None:
            self._page.context.close()
        self._page = None


@pytest.fixture(scope="session")
def used_page(browser: Any) -> Iterator[UsedPage]:
    """The page that tests use one after the other."""
    used = UsedPage(browser)
    yield used
    used.close()


class Complaints:
    """What pages say that they mustn't: errors on the console, requests to other computers."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._listening: list[tuple[Any, dict[str, Any]]] = []

    def listen(self, page: Any) -> None:
        """From now on until :meth:`stop`."""
        heard = {
            "console": lambda m: self.found.append(m.text) if m.type == "error" else None,
            "pageerror": lambda error: self.found.append(str(error)),
            "request": lambda r: (
                None if _is_local(r.url) else self.found.append(f"left this computer: {r.url}")
            ),
        }
        for event, heed in heard.items():
            page.on(event, heed)
        self._listening.append((page, heard))

    def reload(self, page: Any) -> None:
        """Load the page again; what the old one says of its broken connections while it ends is no complaint."""
        before = [*self.found]

        def forget(_: Any) -> None:
            self.found[:] = before

        page.once("framenavigated", forget)
        page.reload()

    def stop(self) -> None:
        """Listen no more."""
        for page, heard in self._listening:
            for event, heed in heard.items():
                page.remove_listener(event, heed)
        self._listening = []


@pytest.fixture
def complaints() -> Complaints:
    """Of the pages of one test."""
    return Complaints()


@pytest.fixture
def reload(complaints: Complaints) -> Callable[[Any], None]:
    """Load a page again, as by F5."""
    return complaints.reload


@pytest.fixture
def new_page(
    browser: Any, used_page: UsedPage, app_url: str, complaints: Complaints
) -> Iterator[Callable[..., Any]]:
    """Open pages; at the end none may have logged an error or asked anything outside this computer.

    The first is the one that all tests use; each further one is another person's, with storage of its own.
    """
    contexts: list[Any] = []
    taken = False

    def open_page(address: str = "", width: int = 1280, height: int = 800, dark: bool = False) -> Any:
        nonlocal taken
        if not taken:
            page, taken = used_page.take(), True
        else:
            contexts.append(browser.new_context())
            page = contexts[-1].new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme="dark" if dark else "light")
        page.set_default_timeout(30_000)
        complaints.listen(page)
        page.goto(app_url + address)
        return page

    yield open_page
    complaints.stop()
    for context in contexts:
        context.close()
    if taken:
        used_page.leave()
    assert not complaints.found


@contextmanager
def page_for_itself(browser: Any, url: str) -> Iterator[Any]:
    """A page that several tests share; at the end it may not have complained either."""
    complaints, context = Complaints(), browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(30_000)
    complaints.listen(page)
    page.goto(url)
    yield page
    complaints.stop()
    context.close()
    assert not complaints.found


@pytest.fixture
def page(new_page):
    """The app as it opens, with its first result on screen."""
    page = new_page()
    page.wait_for_selector("#activation img")
    return page


def _is_local(url: str) -> bool:
    return url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:"))
