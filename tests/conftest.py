"""What many tests share: networks without a download, a picture, and a web server on this computer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image, ImageOps

import explorer
from explorer.networks.load import LoadedModel
from explorer.networks.preprocessing import Preprocess

# The same examples on every run and every computer, and no verdict on how fast it is.
settings.register_profile("repeatable", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("repeatable")

SMALL = Preprocess(resize_px=72, crop_px=64, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


MARKED = {
    "browser": ("browser/",),
    "process": (
        *("test_launch.py", "test_package.py", "test_screens.py", "explorer/test_allocator.py"),
        *("explorer/test_shadowing.py", "training/runs/test_folders.py", "training/loop/test_distributed.py"),
        *("training/loop/test_checkpoint.py", "training/fast/test_blocks.py"),
    ),
    "kernel": ("notebooks_export/notebook/test_colab.py",),
    "hand_in": (
        *("notebooks_export/paper/test_pdf.py", "notebooks_export/notebook/test_step_data.py"),
        *("notebooks_export/notebook/test_own_pictures.py", "notebooks_export/sheet/test_exercise_sheet.py"),
        "notebooks_export/keeping/",
    ),
    "catalogue": (
        *("explorer/networks/test_catalogue.py", "explorer/fields/test_networks.py"),
        "explorer/layers/test_listing.py::test_every_family",
    ),
}
"""Marker → where the tests that it is for lie, below tests/; a kernel's are known by their names, too."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks tests by where they lie; what has no mark is fast. The longest come first, so that no process is left with
    them at the end."""
    for item in items:
        place = item.nodeid.removeprefix("tests/")
        for mark, places in MARKED.items():
            if place.startswith(places) or (mark == "kernel" and "fresh_kernel" in item.name):
                item.add_marker(mark)
        if not any(item.get_closest_marker(mark) for mark in (*MARKED, "slow")):
            item.add_marker("fast")
    items.sort(key=lambda item: [item.get_closest_marker(mark) is None for mark in ("browser", "process")])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says at the end what wasn't run, so that nothing is passed over silently."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.write_line(
            f"{len(skipped)} tests were not run here; the lines SKIPPED say which and why."
        )


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Sums in one order, so that results that should be equal are equal to the last bit."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def bundled() -> LoadedModel:
    """The network with real ImageNet weights that needs no download."""
    return explorer.load_model("efficientnet_lite0")


@pytest.fixture(scope="session")
def resnet18() -> LoadedModel:
    """ResNet-18 as it is before training, the same each time."""
    return explorer.load_model("resnet18", weights=None, seed=0)


@pytest.fixture(scope="session")
def small_resnet18() -> LoadedModel:
    """The same architecture looking at 64×64 px: a dozen times as fast. BatchNorm's numbers are as after training."""
    from torchvision.models import resnet18 as build

    generator = torch.Generator().manual_seed(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        module = build(weights=None)
    for name, value in module.state_dict().items():
        if name.endswith("running_mean"):
            value.copy_(0.3 * torch.randn(value.shape, generator=generator))
        elif name.endswith("running_var") or ("bn" in name and name.endswith("weight")):
            value.copy_(0.5 + torch.rand(value.shape, generator=generator))
    labels = [f"class {i}" for i in range(1000)]
    return explorer.from_module(module, SMALL, labels, name="resnet18 at 64 px", weights="random")


@pytest.fixture(scope="session")
def cheetah() -> np.ndarray:
    """A photograph, RGB, wider than high."""
    return explorer.read_image(explorer.sample_images()["Cheetah"])


@pytest.fixture(scope="session")
def picture() -> np.ndarray:
    """A small picture, 90×140: smooth patches with edges, nothing symmetric."""
    y, x = np.mgrid[:90, :140].astype(np.float64)
    red = 127 + 120 * np.sin(x / 17) * np.cos(y / 23)
    green = 255 * ((x // 20 + y // 15) % 2)
    blue = 255 * np.exp(-((x - 40) ** 2 + (y - 60) ** 2) / 600)
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


@pytest.fixture(scope="session")
def mosaic() -> np.ndarray:
    """A picture 224×224 with an obelisk (682) above on the left and a cheetah (293) below on the right."""
    upper, lower = (("Tower", "Temple"), ("Lion", "Cheetah"))
    return np.vstack([np.hstack([_square(sample) for sample in row]) for row in (upper, lower)])


def _square(sample: str) -> np.ndarray:
    """The middle of a sample picture, 112×112."""
    with Image.open(explorer.sample_images()[sample]) as file:
        return np.asarray(ImageOps.fit(file.convert("RGB"), (112, 112)))


def random_image(seed: int, height: int = 70, width: int = 90) -> np.ndarray:
    """Noise in blocks of 10 px: every seed another picture."""
    blocks = np.random.default_rng(seed).integers(0, 256, (-(-height // 10), -(-width // 10), 3), np.uint8)
    return blocks.repeat(10, axis=0).repeat(10, axis=1)[:height, :width].copy()


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that hang up: the tests make them do so."""


class FileServer:
    """A web server that hands out ``files``, as well or as badly as a test wants.

    Attributes:
        files: name → content.
        break_after: close the connection after so many bytes of a response, once.
        hang_after: send so many bytes, then nothing more.
        ignore_range: send everything from the start, whatever was asked for.
        tell_length: send a Content-Length.
        requests: (name, Range header or "") of each request, in order.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.break_after: int | None = None
        self.hang_after: int | None = None
        self.ignore_range = False
        self.tell_length = True
        self.requests: list[tuple[str, str]] = []
        self.closing = threading.Event()
        self._server = _QuietServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it is, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop, wait for the end, free the port."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """One response, as well or as badly as the attributes say."""
        name = request.path.rpartition("/")[2]
        wanted = request.headers.get("Range", "")
        self.requests.append((name, wanted))
        if name not in self.files:
            request.send_error(404)
            return
        content = self.files[name]
        start = 0 if self.ignore_range or not wanted else int(wanted.removeprefix("bytes=").removesuffix("-"))
        if wanted and not self.ignore_range and start >= len(content):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(content)}")
            request.end_headers()
            return
        body = content[start:]
        request.send_response(206 if start else 200)
        if self.tell_length:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        self._send(request, body)

    def _send(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        if self.hang_after is not None:
            request.wfile.write(body[: self.hang_after])
            request.wfile.flush()
            self.closing.wait(60)
        elif self.break_after is not None:
            request.wfile.write(body[: self.break_after])
            self.break_after = None
        else:
            for at in range(0, len(body), 1 << 16):
                request.wfile.write(body[at : at + (1 << 16)])
                time.sleep(0)


@pytest.fixture
def file_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A web server on this computer, asked directly whatever proxy is set."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = FileServer()
    yield server
    server.close()


@pytest.fixture
def weights_folder(tmp_path: Path) -> Iterator[Path]:
    """An empty folder for downloaded weights, in place of the user's own."""
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(tmp_path / "hub"))
    yield tmp_path / "hub" / "checkpoints"
    torch.hub.set_dir(before)
