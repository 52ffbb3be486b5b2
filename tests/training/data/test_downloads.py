"""Data sets from the web, from a mirror and from archives that one has already."""

from __future__ import annotations

import gzip
import struct
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torchvision.datasets import CIFAR10, MNIST

from explorer.errors import ExplorerError
from explorer.networks.download import DownloadProgress
from tests.training.samples import md5, pickled_archive
from training import Dataset, TrainConfig, load_dataset
from training.data.downloads import CLASSES, MIRROR_VARIABLE, archives
from training.data.load import is_on_disk


@pytest.fixture
def small_cifar(monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, np.ndarray]:
    """An archive like CIFAR-10's with 20 images, and torchvision told its hashes."""
    pixels = np.random.default_rng(1).integers(0, 256, (20, 3, 32, 32), np.uint8)
    labels = [i % 10 for i in range(20)]
    archive, sums = pickled_archive(
        "cifar-10-batches-py",
        {
            "data_batch_1": {"data": pixels[:15].reshape(-1, 3072), "labels": labels[:15]},
            "test_batch": {"data": pixels[15:].reshape(-1, 3072), "labels": labels[15:]},
            "batches.meta": {"label_names": [f"class {i}" for i in range(10)]},
        },
    )
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(archive))
    monkeypatch.setattr(CIFAR10, "train_list", [["data_batch_1", sums["data_batch_1"]]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": sums["batches.meta"]})
    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/cifar-10-python.tar.gz")  # nobody listens there
    return archive, pixels.transpose(0, 2, 3, 1)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "served").mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "served")))
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{web.server_port}/"
    web.shutdown()
    thread.join()
    web.server_close()


def check_cifar(data: Dataset, pixels: np.ndarray) -> None:
    assert data.labels[3] == "class 3"
    assert np.array_equal(data.train_images, pixels[:15])
    assert np.array_equal(data.test_images, pixels[15:])
    assert data.train_classes.tolist() == [i % 10 for i in range(15)]


def test_cifar10_is_downloaded_with_progress(
    small_cifar: tuple[bytes, np.ndarray], server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, pixels = small_cifar
    (tmp_path / "served" / "cifar-10-python.tar.gz").write_bytes(archive)
    monkeypatch.setattr(CIFAR10, "url", f"{server}cifar-10-python.tar.gz")
    seen: list[object] = []
    data = load_dataset(
        TrainConfig(),
        on_download=seen.append,
        on_unpack=lambda: seen.append("unpack"),
        on_decode=lambda done, total: seen.append((done, total)),
    )
    check_cifar(data, pixels)
    assert seen[-3:] == [DownloadProgress(len(archive), len(archive)), "unpack", (len(pixels), len(pixels))]


def test_archives_come_from_a_mirror_that_the_computer_is_set_to_use(
    small_cifar: tuple[bytes, np.ndarray], server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, pixels = small_cifar
    monkeypatch.setenv(MIRROR_VARIABLE, f"{server}sets/")
    (tmp_path / "served" / "sets").mkdir()
    (tmp_path / "served" / "sets" / "cifar-10-python.tar.gz").write_bytes(archive)
    check_cifar(load_dataset(TrainConfig()), pixels)
    # MNIST and Fashion-MNIST have files of the same names.
    addresses = [a.download_url for name in CLASSES for a in archives(name)]
    assert len(set(addresses)) == len(addresses)
    assert f"{server}sets/FashionMNIST/raw/t10k-labels-idx1-ubyte.gz" in addresses
    # Without the mirror it is the same data set: nothing is asked for again.
    monkeypatch.delenv(MIRROR_VARIABLE)
    assert archives("cifar10")[0].download_url == CIFAR10.url
    check_cifar(load_dataset(TrainConfig()), pixels)


def test_what_needs_no_download_is_known_before(
    small_cifar: tuple[bytes, np.ndarray], cache: Path, tmp_path: Path
) -> None:
    archive, _ = small_cifar
    own = tmp_path / "own"
    own.mkdir()
    for config, there in (
        (TrainConfig(dataset="shapes10"), True),
        (TrainConfig(), False),
        (TrainConfig(data_dir=str(own)), False),
        (TrainConfig(data_dir=str(own / "cifar-10-python.tar.gz")), False),
        (TrainConfig(dataset="folder", data_dir=str(own)), True),
        (TrainConfig(dataset="folder", data_dir=str(own / "nowhere")), False),
        (TrainConfig(dataset="mnist"), False),
    ):
        assert is_on_disk(config) == there, config
    (own / "cifar-10-python.tar.gz").write_bytes(archive)
    assert is_on_disk(TrainConfig(data_dir=str(own)))
    assert is_on_disk(TrainConfig(data_dir=str(own / "cifar-10-python.tar.gz")))
    assert not is_on_disk(TrainConfig())
    load_dataset(TrainConfig(data_dir=str(own)))
    # Now the decoded arrays are here, at 32 px; and what torchvision unpacked, to be decoded at any size.
    (own / "cifar-10-python.tar.gz").unlink()
    assert is_on_disk(TrainConfig())
    assert not is_on_disk(TrainConfig(image_size=16))
    assert is_on_disk(TrainConfig(image_size=16, data_dir=str(own)))
    assert load_dataset(TrainConfig(image_size=16, data_dir=str(own))).train_images.shape[1:3] == (16, 16)
    (own / "cifar-10-batches-py" / "test_batch").unlink()
    assert not is_on_disk(TrainConfig(image_size=24, data_dir=str(own)))


def test_a_good_archive_takes_the_place_of_a_broken_one(
    small_cifar: tuple[bytes, np.ndarray], cache: Path, tmp_path: Path
) -> None:
    archive, pixels = small_cifar
    (cache / "downloads").mkdir(parents=True)
    (cache / "downloads" / "cifar-10-python.tar.gz").write_bytes(archive[:99])
    with pytest.raises(ExplorerError, match="does not have the MD5"):
        load_dataset(TrainConfig())
    (tmp_path / "mine.tgz").write_bytes(archive)
    check_cifar(load_dataset(TrainConfig(data_dir=str(tmp_path / "mine.tgz"))), pixels)
    assert not list((cache / "downloads").glob(".*"))


@pytest.mark.parametrize("how", ["in its folder", "by name"])
def test_an_archive_that_one_has_already_is_used(
    how: str, small_cifar: tuple[bytes, np.ndarray], tmp_path: Path
) -> None:
    archive, pixels = small_cifar
    own = tmp_path / "own"
    own.mkdir()
    path = own / ("cifar-10-python.tar.gz" if how == "in its folder" else "my copy.tgz")
    path.write_bytes(archive)
    check_cifar(load_dataset(TrainConfig(data_dir=str(own if how == "in its folder" else path))), pixels)


@pytest.mark.parametrize("how", ["in its folder", "by name"])
def test_an_archive_with_the_wrong_md5_is_refused(
    how: str, small_cifar: tuple[bytes, np.ndarray], tmp_path: Path
) -> None:
    archive, _ = small_cifar
    path = tmp_path / "cifar-10-python.tar.gz"
    path.write_bytes(archive[:-100])
    with pytest.raises(ExplorerError, match=rf"does not have the MD5 {md5(archive)}.*incomplete"):
        load_dataset(TrainConfig(data_dir=str(tmp_path if how == "in its folder" else path)))
    assert path.read_bytes() == archive[:-100]


def test_without_a_connection_the_user_learns_what_to_put_where(
    small_cifar: tuple[bytes, np.ndarray], cache: Path
) -> None:
    with pytest.raises(ExplorerError) as caught:
        load_dataset(TrainConfig())
    for words in ("cifar-10-python.tar.gz", str(cache / "downloads"), "slow", "shapes10"):
        assert words in str(caught.value)


def test_the_hash_that_cifar10s_archive_must_have_is_the_published_one() -> None:
    assert CIFAR10.tgz_md5 == "c58f30108f718f92721af3b95e74349a"


@pytest.fixture
def small_mnist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A folder with archives like MNIST's, of ten training and two test images, and torchvision told their hashes."""
    pixels = np.random.default_rng(2).integers(1, 256, (12, 28, 28), np.uint8)
    classes = np.arange(12, dtype=np.uint8) % 10
    resources = []
    for prefix, part in (("train", slice(0, 10)), ("t10k", slice(10, 12))):
        count = len(classes[part])
        for name, content in (
            (
                f"{prefix}-images-idx3-ubyte",
                struct.pack(">4i", 0x803, count, 28, 28) + pixels[part].tobytes(),
            ),
            (f"{prefix}-labels-idx1-ubyte", struct.pack(">2i", 0x801, count) + classes[part].tobytes()),
        ):
            packed = gzip.compress(content)
            (tmp_path / "MNIST" / "raw").mkdir(parents=True, exist_ok=True)
            (tmp_path / "MNIST" / "raw" / f"{name}.gz").write_bytes(packed)
            resources.append((f"{name}.gz", md5(packed)))
    monkeypatch.setattr(MNIST, "resources", resources)
    monkeypatch.setattr(MNIST, "mirrors", ["http://127.0.0.1:9/"])  # nobody listens there
    return tmp_path, pixels


def test_mnist_digits_get_a_border_and_three_channels(small_mnist: tuple[Path, np.ndarray]) -> None:
    folder, pixels = small_mnist
    data = load_dataset(TrainConfig(dataset="mnist", data_dir=str(folder)))
    assert data.train_images.shape == (10, 32, 32, 3)
    assert np.array_equal(data.train_images[:, 2:30, 2:30, 1], pixels[:10])
    border = data.train_images.copy()
    border[:, 2:30, 2:30] = 0
    assert not border.any()
    assert data.test_classes.tolist() == [0, 1]


@pytest.mark.parametrize("left", ["nothing", "some", "no head"])
def test_an_unpacking_of_mnist_that_was_cut_short_is_done_anew(
    left: str, small_mnist: tuple[Path, np.ndarray]
) -> None:
    folder, pixels = small_mnist
    raw = folder / "MNIST" / "raw"
    for packed in list(raw.glob("*.gz")):
        whole = gzip.decompress(packed.read_bytes())
        packed.with_suffix("").write_bytes(
            {"nothing": b"", "some": whole[:-5], "no head": b"\xff" * 99}[left]
        )
    data = load_dataset(TrainConfig(dataset="mnist", data_dir=str(folder)))
    assert np.array_equal(data.train_images[:, 2:30, 2:30, 1], pixels[:10])


def test_an_unpacking_cut_short_without_its_archive_asks_for_it(small_mnist: tuple[Path, np.ndarray]) -> None:
    folder, _ = small_mnist
    raw = folder / "MNIST" / "raw"
    for packed in list(raw.glob("*.gz")):
        packed.with_suffix("").write_bytes(b"")
        packed.unlink()
    with pytest.raises(ExplorerError, match=r"train-images-idx3-ubyte.gz already, put it into"):
        load_dataset(TrainConfig(dataset="mnist", data_dir=str(folder)))
    assert len(list(raw.iterdir())) == 4  # nothing was taken away
