"""Networks that aren't on the disk yet, and networks of one's own, in the browser."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import expect
from safetensors.torch import save_file

import explorer
from tests.browser.parts import open_part
from tests.browser.test_look_inside import choose
from tests.serving import served

SIZE_BYTES = 2_000_000


class _SlowMirror(BaseHTTPRequestHandler):
    """Sends two megabytes of noughts as any file, at a pace that a person can watch."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(SIZE_BYTES))
        self.end_headers()
        try:
            for _ in range(20):
                self.wfile.write(bytes(SIZE_BYTES // 20))
                time.sleep(self.server.pause_s)
        except ConnectionError:
            pass  # whoever asked has gone away, as one test means to

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def mirror() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _SlowMirror)
    server.pause_s = 0.4
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_download_shows_progress_is_cancelled_resumed_and_checked(mirror, browser, tmp_path):
    address = f"http://127.0.0.1:{mirror.server_address[1]}/weights"
    with served(tmp_path, CNN_EXPLORER_WEIGHTS_MIRROR=address) as app:
        page = browser.new_page()
        page.goto(app.url)
        page.wait_for_selector("#activation img")
        choose(page, "Network", "squeezenet1_1")
        bar = page.get_by_role("progressbar")
        expect(bar).to_be_visible()
        page.wait_for_function("() => Number(document.querySelector('.working')?.ariaValueNow) > 10")
        page.get_by_role("button", name="Cancel the download").click()
        expect(page.locator("#status")).to_contain_text("stopped")
        network = page.get_by_role("combobox", name="Network", exact=True)
        expect(network).to_have_value("efficientnet_lite0  ·  4.7 M parameters")
        part = tmp_path / "torch" / "hub" / "checkpoints" / "squeezenet1_1-b8a52dc0.pth.part"
        assert 0 < part.stat().st_size < SIZE_BYTES

        mirror.pause_s = 0.0
        choose(page, "Network", "squeezenet1_1")
        # Noughts aren't SqueezeNet: the hash says so, nothing is loaded, the old network stays.
        expect(page.get_by_text("b8a52dc0", exact=False).first).to_be_visible()
        expect(page.locator("#predictions")).to_contain_text("cheetah")
        assert not part.with_suffix("").exists()
        page.close()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SqueezeNet with three classes of its own."""
    model = explorer.load_model("squeezenet1_1", weights=None, labels=["ant", "bee", "cat"])
    path = tmp_path_factory.mktemp("own") / "insects.safetensors"
    save_file({k: v.contiguous() for k, v in model.module.state_dict().items()}, path)
    return path


def load_file(page, architecture: str, file: Path, labels: str = "") -> None:
    if not page.get_by_role("button", name="Load these weights").is_visible():
        open_part(page, "Framing and your own weights", role="button")
    choose(page, "Architecture of your weights", architecture)
    previous = page.locator("#own-weights").get_by_role("button", name="Clear")
    if previous.count():
        previous.first.click()
    page.locator("#own-weights input[type=file]").set_input_files(str(file))
    expect(page.locator("#own-weights")).to_contain_text(file.stem)
    page.get_by_label("Class names, one per line (optional)").fill(labels)
    page.get_by_role("button", name="Load these weights").click()


def test_own_weights_with_own_labels(page, checkpoint):
    load_file(page, "squeezenet1_1", checkpoint, "ant\nbee\ncat")
    expect(page.locator("#predictions")).to_contain_text("bee")
    expect(page.locator("#status")).to_contain_text("insects")
    expect(page.locator("#activation-caption")).to_contain_text("features.")
    open_part(page, "Saliency")
    expect(page.locator("#saliency-caption")).to_contain_text("class")
    page.get_by_role("combobox", name="Class", exact=True).click()
    expect(page.get_by_role("option")).to_have_count(3)
    # An address can't name these weights; their layers and classes, in another network, would be others.
    page.wait_for_function("() => !/[?&](model|layer|class|a|b)=/.test(location.search)")


def test_weights_that_hold_code_or_fit_another_network_are_refused(page, checkpoint, tmp_path):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    bad = tmp_path / "bad.pth"
    bad.write_bytes(pickle.dumps({"weight": Trap()}))
    load_file(page, "squeezenet1_1", bad)
    expect(page.get_by_text("could run code", exact=False).first).to_be_visible()
    assert not (tmp_path / "sprung").exists()
    load_file(page, "alexnet", checkpoint)
    expect(page.get_by_text("is not a checkpoint of alexnet", exact=False).first).to_be_visible()
    expect(page.locator("#predictions")).to_contain_text("cheetah")
