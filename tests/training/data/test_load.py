"""Data sets: what goes in comes out, and bad input gets value, rule and remedy."""

from __future__ import annotations

import gzip
import struct
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import CIFAR10, MNIST

from explorer.errors import ExplorerError
from explorer.networks.download import DownloadProgress
from tests.training.samples import md5, mounted_disk, pickled_archive, tiny_data
from training import Dataset, TrainConfig, channel_statistics, class_counts, gallery, load_dataset
from training.data.downloads import CLASSES, MIRROR_VARIABLE, archives
from training.data.folder import open_folder
from training.data.load import fit_square, is_on_disk
from training.data.opened import Choice, Opened
from training.data.shapes10 import LABELS, make_shapes
from training.report.page.data import class_table


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CNN_EXPLORER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def picture(color: tuple[int, int, int], size: tuple[int, int] = (40, 40)) -> bytes:
    out = BytesIO()
    Image.new("RGB", size, color).save(out, "PNG")
    return out.getvalue()


RED, BLUE = (255, 0, 0), (0, 0, 255)


def make_folder(root: Path, names: dict[str, bytes]) -> Path:
    for name, content in names.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def make_zip(path: Path, names: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return path


TEN = {
    f"{label}/{i}.png": picture(color) for label, color in (("sea", BLUE), ("rose", RED)) for i in range(5)
}


def of_folder(path: Path, **more: Any) -> Dataset:
    return load_dataset(TrainConfig(dataset="folder", data_dir=str(path), image_size=16, **more))


def test_shapes10_is_balanced_deterministic_and_a_prefix_of_itself() -> None:
    images, classes = make_shapes(700, train=True)
    assert images.shape == (700, 32, 32, 3)
    assert images.dtype == np.uint8
    assert np.bincount(classes).tolist() == [70] * len(LABELS)
    again, _ = make_shapes(30, train=True)
    assert np.array_equal(images[:30], again)
    other, _ = make_shapes(30, train=False)
    assert not np.array_equal(again, other)
    assert len({image.tobytes() for image in images}) == 700


def test_drawing_the_shapes_is_followed_and_can_be_cancelled(cache: Path) -> None:
    class Enough(Exception):
        pass

    def cancel(done: int, total: int) -> None:
        if done > total / 2:
            raise Enough

    with pytest.raises(Enough):
        load_dataset(TrainConfig(dataset="shapes10"), on_decode=cancel)
    assert not list(cache.rglob("*.rgb"))
    heard: list[tuple[int, int]] = []
    data = load_dataset(TrainConfig(dataset="shapes10"), on_decode=lambda *listed: heard.append(listed))
    count = len(data.train_images) + len(data.test_images)
    assert heard == [(done, count) for done in range(500, count + 1, 500)]


def test_arrays_are_made_once_and_memory_mapped_afterwards(cache: Path) -> None:
    config = TrainConfig(dataset="shapes10")
    first = load_dataset(config)
    stamps = {path: path.stat().st_mtime_ns for path in cache.rglob("*.rgb")}
    again = load_dataset(config)
    assert isinstance(again.train_images, np.memmap)
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.rgb")} == stamps
    assert again.fingerprint == first.fingerprint
    assert np.array_equal(again.train_images[:500], make_shapes(500, train=True)[0])
    small = load_dataset(TrainConfig(dataset="shapes10", max_train_images=25, max_test_images=10))
    assert sorted(np.bincount(small.train_classes)) == [2] * 5 + [3] * 5
    assert small.fingerprint != first.fingerprint


def test_a_full_disk_is_named_and_leaves_nothing_half_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mounted_disk(tmp_path / "disk") as disk:
        monkeypatch.setenv("CNN_EXPLORER_CACHE", str(disk))
        with pytest.raises(ExplorerError, match=r"No space left on device.*CNN_EXPLORER_CACHE"):
            load_dataset(TrainConfig(dataset="shapes10"))
        assert not list(disk.rglob("*.rgb"))


@pytest.mark.parametrize("as_zip", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("prefix", ["", "pets/"])
def test_one_subfolder_per_class_as_folder_and_as_zip(as_zip: bool, prefix: str, tmp_path: Path) -> None:
    names = {prefix + name: content for name, content in TEN.items()} | {
        "notes.txt": b"x",
        "__MACOSX/._0.png": b"",
    }
    data = of_folder(make_zip(tmp_path / "a.zip", names) if as_zip else make_folder(tmp_path / "a", names))
    assert data.labels == ("rose", "sea")
    assert class_counts(data) == {"rose": (4, 1), "sea": (4, 1)}
    for images, classes in ((data.train_images, data.train_classes), (data.test_images, data.test_classes)):
        for image, index in zip(images, classes, strict=True):
            assert (image == (RED, BLUE)[index]).all()


def test_train_and_test_folders_are_kept_apart(tmp_path: Path) -> None:
    names = {f"Train/{name}": content for name, content in TEN.items()} | {
        "val/rose/9.png": picture((9, 9, 9))
    }
    data = of_folder(make_folder(tmp_path / "a", names))
    assert class_counts(data) == {"rose": (5, 1), "sea": (5, 0)}
    assert (data.test_images == 9).all()


def test_a_changed_folder_is_read_anew(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "a", TEN)
    before = of_folder(folder)
    (folder / "rose" / "0.png").write_bytes(picture((200, 10, 10)))
    after = of_folder(folder)
    assert before.fingerprint != after.fingerprint


def test_broken_files_are_counted_and_named_and_skipped_on_request(tmp_path: Path) -> None:
    broken = {"rose/bad1.png": b"not a picture", "sea/0bad2.png": TEN["sea/0.png"][:30]}
    folder = make_folder(tmp_path / "a", TEN | broken)
    with pytest.raises(ExplorerError) as caught:
        of_folder(folder)
    for words in ("2 of 12 files", "rose/bad1.png", "sea/0bad2.png", "skip_broken=True"):
        assert words in str(caught.value)
    data = of_folder(folder, skip_broken=True)
    assert set(data.broken) == set(broken)
    assert len(data.train_images) + len(data.test_images) == 10
    assert all(
        (image == (RED, BLUE)[c]).all()
        for image, c in zip(data.train_images, data.train_classes, strict=True)
    )


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ({}, "holds no images"),
        ({"a.txt": b"x"}, "holds no images"),
        ({"cats/1.png": picture(RED), "cats/2.png": picture(RED)}, "only the class 'cats'"),
        ({"1.png": picture(RED), "2.png": picture(RED)}, "no subfolders"),
        ({"a/1.png": picture(RED), "b/1.png": picture(RED)}, "no test images; each class needs at least 5"),
    ],
)
def test_folders_that_cannot_be_learnt_from(names: dict[str, bytes], words: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(ExplorerError, match=words):
        of_folder(make_folder(tmp_path / "a", names))


@pytest.mark.parametrize("name", ["../out/1.png", "/abs/1.png", "a/../../1.png", "a\\..\\1.png"])
def test_a_zip_that_points_outside_is_refused(name: str, tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", TEN | {name: picture(RED)})
    with pytest.raises(ExplorerError, match="points outside the zip"):
        of_folder(path)


def test_a_zip_bomb_and_a_file_that_is_no_zip_are_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", TEN | {"rose/bomb.png": bytes(50_000_000)})
    with pytest.raises(ExplorerError, match=r"50,0\d\d,\d\d\d bytes unpacked .*100 times its packed size"):
        of_folder(path)
    (tmp_path / "b.zip").write_bytes(b"no zip")
    with pytest.raises(ExplorerError, match="is not a zip file"):
        of_folder(tmp_path / "b.zip")
    with pytest.raises(ExplorerError, match="does not exist"):
        of_folder(tmp_path / "nowhere")


def stored(path: Path, names: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return path


def overwrite(path: Path, place: int, content: bytes) -> None:
    raw = bytearray(path.read_bytes())
    raw[place : place + len(content)] = content
    path.write_bytes(raw)


HURT = b"rose/1.png"


def wrong_sum(path: Path) -> None:
    """A byte of the stored picture is another: BadZipFile."""
    overwrite(path, stored(path, TEN).read_bytes().find(HURT) + len(HURT) + 50, b"?")


def wrong_stream(path: Path) -> None:
    """What should be deflated isn't: zlib.error."""
    overwrite(path, make_zip(path, TEN).read_bytes().find(HURT) + len(HURT), b"\xff" * 35)


def lost_header(path: Path) -> None:
    """The member doesn't begin where the list at the end says: BadZipFile."""
    overwrite(path, stored(path, TEN).read_bytes().find(HURT) - 30, b"gone")


def unknown_method(path: Path) -> None:
    """The list, whose entries hold the name after 46 bytes, tells of a method that there isn't: NotImplementedError."""
    overwrite(path, stored(path, TEN).read_bytes().rfind(HURT) - 46 + 10, b"\x63\0")


def lost_end(path: Path) -> None:
    """The list says that the picture is longer than the file: EOFError."""
    overwrite(path, stored(path, TEN).read_bytes().rfind(HURT) - 46 + 20, struct.pack("<II", 10**6, 10**6))


@pytest.mark.parametrize("damage", [wrong_sum, wrong_stream, lost_header, unknown_method, lost_end])
def test_a_damaged_member_of_a_zip_is_a_broken_file_like_any_other(damage: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    damage(path)
    with pytest.raises(
        ExplorerError, match=r"1 of 10 files \(rose/1.png\) cannot be decoded .*skip_broken=True"
    ):
        of_folder(path)
    data = of_folder(path, skip_broken=True)
    assert data.broken == ("rose/1.png",)
    assert class_counts(data) == {"rose": (3, 1), "sea": (4, 1)}


@pytest.mark.parametrize("skip", [False, True])
def test_an_encrypted_zip_is_said_to_be_one(skip: bool, tmp_path: Path) -> None:
    raw = bytearray(stored(tmp_path / "a.zip", TEN).read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = raw.find(mark)
        while place >= 0:
            raw[place + flags] |= 1
            place = raw.find(mark, place + 1)
    (tmp_path / "a.zip").write_bytes(raw)
    with pytest.raises(ExplorerError, match=r"'rose/0.png' in a.zip is encrypted; .*without a password"):
        of_folder(tmp_path / "a.zip", skip_broken=skip)


def test_a_class_without_training_images_is_named(tmp_path: Path) -> None:
    broken = {f"moss/{i}.png": b"x" for i in range(10)}
    folder = make_folder(tmp_path / "a", TEN | broken)
    with pytest.raises(ExplorerError, match="10 of 20 files"):
        of_folder(folder)
    for _ in range(2):  # decoded now, and from the cache
        with pytest.raises(
            ExplorerError, match=r"the class 'moss' in 'a' has no training image .*remove its"
        ):
            of_folder(folder, skip_broken=True)
    split = {f"train/{name}": content for name, content in TEN.items()}
    unseen = {"test/rose/1.png": picture(RED), "test/moss/1.png": picture(RED)}
    with pytest.raises(ExplorerError, match=r"the class 'moss' in .* has test images and no training images"):
        of_folder(make_folder(tmp_path / "b", split | unseen))
    unseen |= {f"test/{i}/1.png": picture(RED) for i in range(6)}
    with pytest.raises(ExplorerError, match=r"each of the classes '0', '1', '2', '3', '4' and 2 more in"):
        of_folder(make_folder(tmp_path / "b", unseen))


def test_fewer_images_than_classes_can_be_looked_at(tmp_path: Path) -> None:
    choice = Choice("folder", str(make_folder(tmp_path / "a", TEN)), 16, False)
    opened = Opened(choice, of_folder(tmp_path / "a", max_train_images=1), (0.5,) * 3, (0.5,) * 3)
    table = class_table(opened)
    assert table.count("<img") == 1
    assert ">sea</th>" in table


def test_a_zip_whose_link_leaves_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("rose/1.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ExplorerError, match="points outside"), open_folder(path):
        pass


def test_pictures_keep_their_middle_and_their_proportions() -> None:
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = RED  # the middle square
    assert (fit_square(wide, 10) == RED).all()
    assert (fit_square(wide.swapaxes(0, 1).copy(), 10) == RED).all()
    exact = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    assert np.array_equal(fit_square(exact, 16), exact)


def test_mean_and_deviation_are_numpys_and_a_flat_channel_divides_by_one() -> None:
    data = tiny_data()
    mean, std = channel_statistics(data)
    pixels = data.train_images.reshape(-1, 3) / 255
    np.testing.assert_allclose(mean, pixels.mean(0), rtol=1e-9)
    np.testing.assert_allclose(std, pixels.std(0), rtol=1e-9)
    flat = Dataset(
        "x", ("a", "b"), np.full((4, 8, 8, 3), 51, np.uint8), np.array([0, 1, 0, 1]), *in_test(tiny_data())
    )
    assert channel_statistics(flat) == (pytest.approx((0.2,) * 3), (1.0,) * 3)


def test_the_gallery_shows_ten_of_each_class_without_repeats() -> None:
    data = tiny_data(150)
    shown = gallery(data, per_class=10, seed=3)
    assert tuple(shown) == data.labels
    for index, images in enumerate(shown.values()):
        own = {image.tobytes() for image in data.train_images[data.train_classes == index]}
        assert len({image.tobytes() for image in images}) == 10
        assert {image.tobytes() for image in images} <= own
    assert {len(images) for images in gallery(data, per_class=99).values()} == {15}


def in_test(data: Dataset) -> tuple[Any, ...]:
    return data.test_images, data.test_classes, data.fingerprint


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
