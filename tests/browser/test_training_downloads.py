"""Data sets that come from the web or from an archive that one has: progress, a broken connection, a wrong MD5.

The program is set to a mirror on this computer, and told the MD5s of archives of a few hundred images.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect
from torchvision.datasets import CIFAR10, CIFAR100

from tests.conftest import FileServer
from tests.serving import Running, served
from tests.training.samples import md5, pickled_archive
from training.data.downloads import MIRROR_VARIABLE

WAIT_MS = 60_000
CIFAR10_FILE, CIFAR100_FILE = "cifar-10-python.tar.gz", "cifar-100-python.tar.gz"
# Python runs a module of this name at its start, in the program as in the processes of its runs.
TELL = """
import torchvision.datasets as sets
for kind, values in {values!r}.items():
    for name, value in values.items():
        setattr(getattr(sets, kind), name, value)
"""


class Halting(FileServer):
    """Stops in the middle of every file until :meth:`go_on` or :meth:`break_off` speaks to the newest request."""

    def __init__(self) -> None:
        self.halts = True
        self._heard = threading.Event()
        self._breaks = False
        super().__init__()

    def go_on(self) -> None:
        self._heard.set()

    def break_off(self) -> None:
        self._breaks = True
        self._heard.set()

    def _send(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        # One of its own for each request: whoever was hung up on must not take what is meant for the next.
        heard = self._heard = threading.Event()
        if not self.halts:
            heard.set()
        at = len(body) // 2
        request.wfile.write(body[:at])
        # A byte now and then, so that nobody gives up waiting.
        while not heard.wait(0.5) and not self.closing.is_set() and at < len(body) - 1:
            request.wfile.write(body[at : at + 1])
            at += 1
        if self._breaks:
            self._breaks = False
        else:
            request.wfile.write(body[at:])


def small_set(kind: str, train: int, test: int) -> tuple[bytes, dict[str, Any]]:
    """An archive like CIFAR's with so many images, and the attributes that tell torchvision of it."""
    pixels = np.random.default_rng(train).integers(0, 256, (train + test, 3072), np.uint8)
    ten = kind == "CIFAR10"
    classes = [i % (10 if ten else 100) for i in range(train + test)]
    key, names = ("labels", "label_names") if ten else ("fine_labels", "fine_label_names")
    archive, sums = pickled_archive(
        (CIFAR10 if ten else CIFAR100).base_folder,
        {
            "a": {"data": pixels[:train], key: classes[:train]},
            "b": {"data": pixels[train:], key: classes[train:]},
            "c": {names: [f"class {i}" for i in range(10 if ten else 100)]},
        },
    )
    meta = {"filename": "c", "key": names, "md5": sums["c"]}
    lists = {"train_list": [["a", sums["a"]]], "test_list": [["b", sums["b"]]]}
    return archive, {"tgz_md5": md5(archive), "meta": meta, **lists}


@pytest.fixture(scope="module")
def archives() -> dict[str, tuple[bytes, dict[str, Any]]]:
    return {"CIFAR10": small_set("CIFAR10", 500, 100), "CIFAR100": small_set("CIFAR100", 200, 100)}


@pytest.fixture(scope="module")
def mirror(archives: dict[str, tuple[bytes, dict[str, Any]]]) -> Iterator[Halting]:
    server = Halting()
    server.files = {CIFAR10_FILE: archives["CIFAR10"][0], "train-images-idx3-ubyte.gz": bytes(900)}
    yield server
    server.close()


@pytest.fixture(scope="module")
def online(
    tmp_path_factory: pytest.TempPathFactory,
    mirror: Halting,
    archives: dict[str, tuple[bytes, dict[str, Any]]],
) -> Iterator[Running]:
    """The program, with the mirror in place of the web."""
    folder = tmp_path_factory.mktemp("online")
    (folder / "told").mkdir()
    values = {kind: listed for kind, (_, listed) in archives.items()}
    (folder / "told" / "sitecustomize.py").write_text(TELL.format(values=values))
    environment = {
        MIRROR_VARIABLE: mirror.url,
        "PYTHONPATH": str(folder / "told"),
        "no_proxy": "127.0.0.1",
    }
    with served(folder, "--data-dir", str(folder / "data"), **environment) as running:
        yield running


@pytest.fixture(scope="module")
def app_url(online: Running) -> str:
    """The pages of this file are of this program."""
    return online.url


@pytest.fixture
def lab(new_page):
    """The data step, with the shapes on screen."""
    page = new_page("?tab=training&data=shapes10")
    expect(page.locator("#tr-data-table tbody tr").first).to_contain_text("circle", timeout=WAIT_MS)
    return page


def choose(page, title: str) -> None:
    page.get_by_role("combobox", name="Data set").click()
    page.get_by_role("option", name=re.compile(f"^{title} ·")).click()


def toast(page, words: str):
    return page.get_by_test_id("toast-body").filter(has_text=words)


def test_a_download_shows_progress_stops_breaks_and_goes_on_where_it_stopped(lab, mirror, archives, reload):
    size = len(archives["CIFAR10"][0])
    choose(lab, "CIFAR-10")
    expect(lab.locator("#tr-data-about")).to_contain_text("Its host is slow")
    download = lab.get_by_role("button", name="Download 170 MB")
    bar = lab.get_by_role("progressbar", name=re.compile(r"^Downloading: [12] of 2 MB"))

    download.click()
    expect(bar).to_be_visible(timeout=WAIT_MS)
    lab.get_by_role("button", name="Cancel").locator("visible=true").click()
    expect(lab.get_by_text("Stopped; what has come is kept.")).to_be_visible(timeout=WAIT_MS)
    expect(lab.locator("#tr-data-table tbody tr").first).to_contain_text("circle")

    download.click()
    expect(bar).to_be_visible(timeout=WAIT_MS)
    mirror.break_off()
    expect(toast(lab, f"The file {CIFAR10_FILE} can't be downloaded")).to_be_visible(timeout=WAIT_MS)
    expect(lab.locator("#tr-data-table tbody tr").first).to_contain_text("circle")
    expect(lab.get_by_role("combobox", name="Data set")).to_have_value(re.compile("^CIFAR-10"))

    download.click()
    expect(bar).to_be_visible(timeout=WAIT_MS)
    mirror.go_on()
    expect(lab.locator("#tr-data-words")).to_contain_text("500 training and 100 test images", timeout=WAIT_MS)
    expect(lab.locator("#tr-data-table tbody tr")).to_have_count(10)
    expect(lab.locator("#tr-data-table tbody tr").first).to_contain_text("class 0")
    # Asked for once from the start, then twice for what was missing.
    asked = [wanted for name, wanted in mirror.requests if name == CIFAR10_FILE]
    assert asked[0] == ""
    first, second = (int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) for wanted in asked[1:])
    assert size // 2 <= first < second < size
    # Now it is here: nothing is offered any more, and a reload opens it again.
    expect(lab.locator("#tr-data-open")).to_be_hidden()
    expect(lab.get_by_role("combobox", name="Data set")).to_have_value("CIFAR-10 · on this computer")
    reload(lab)
    expect(lab.locator("#tr-data-table tbody tr").first).to_contain_text("class 0", timeout=WAIT_MS)
    assert len(mirror.requests) == 3


def test_a_download_with_the_wrong_md5_is_not_kept(lab, mirror, online):
    mirror.halts = False
    choose(lab, "MNIST")
    lab.get_by_role("button", name="Download 12 MB").click()
    sentence = toast(lab, "The download of train-images-idx3-ubyte.gz has a md5 that doesn't begin with")
    expect(sentence).to_be_visible(timeout=WAIT_MS)
    expect(sentence).to_contain_text("try again")
    expect(lab.locator("#tr-data-table tbody tr").first).to_contain_text("circle")
    kept = online.log.parent / "data" / "downloads" / "MNIST" / "raw"
    assert list(kept.iterdir()) == []


def test_an_archive_that_one_has_already_is_uploaded_and_checked(lab, archives, mirror, tmp_path: Path):
    before = list(mirror.requests)
    archive = archives["CIFAR100"][0]
    (tmp_path / "broken.tar.gz").write_bytes(archive[:-1000])
    (tmp_path / "mine.tar.gz").write_bytes(archive)
    choose(lab, "CIFAR-100")
    expect(lab.get_by_role("button", name="Download 169 MB")).to_be_visible(timeout=WAIT_MS)
    upload = lab.locator("#tr-data-file input[type=file]")
    upload.set_input_files(tmp_path / "broken.tar.gz")
    expect(lab.locator("#tr-data-file")).to_contain_text("broken", timeout=WAIT_MS)
    opening = lab.get_by_role("button", name="Open this archive")
    opening.click()
    sentence = toast(lab, f"does not have the MD5 {md5(archive)}")
    expect(sentence).to_be_visible(timeout=WAIT_MS)
    expect(lab.locator("#tr-data-table tbody tr").first).to_contain_text("circle")

    lab.locator("#tr-data-file").get_by_role("button", name=re.compile("clear|remove", re.I)).first.click()
    expect(lab.get_by_role("button", name="Download 169 MB")).to_be_visible(timeout=WAIT_MS)
    upload.set_input_files(tmp_path / "mine.tar.gz")
    expect(lab.locator("#tr-data-file")).to_contain_text("mine", timeout=WAIT_MS)
    opening.click()
    expect(lab.locator("#tr-data-words")).to_contain_text("200 training and 100 test images", timeout=WAIT_MS)
    expect(lab.locator("#tr-data-table")).to_contain_text("class 42")
    assert mirror.requests == before
