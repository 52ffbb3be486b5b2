"""A data set as four arrays: decoded once, kept on disk as ``uint8``, memory-mapped from then on."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image

from explorer.errors import ExplorerError, Suggestion
from explorer.images.decode import read_image
from explorer.whole_file import put_in_place
from training.config import TrainConfig
from training.data import shapes10
from training.data.downloads import OnDownload, adopt_archive, archives, is_present, load_torchvision
from training.data.folder import Listing, Picture, classes_in_words, open_folder

Images = NDArray[np.uint8]
Classes = NDArray[np.int64]
OnDecode = Callable[[int, int], None]
MAX_ARRAY_BYTES = 16 * 2**30
_LAYOUT = 2
"""Raise it when what is stored changes; older caches are then left alone."""


@dataclass(frozen=True)
class Dataset:
    """Images (n, S, S, 3) uint8 RGB with classes (n,) int64 in [0, len(labels)), by split.

    Every class has training images, short of a ``max_train_images`` below their number. ``fingerprint`` names the
    content; ``broken`` lists files left out because they cannot be decoded.
    """

    name: str
    labels: tuple[str, ...]
    train_images: Images
    train_classes: Classes
    test_images: Images
    test_classes: Classes
    fingerprint: str
    broken: tuple[str, ...] = ()


def cache_dir() -> Path:
    """Where decoded arrays and downloads go: ``$CNN_EXPLORER_CACHE`` or ``~/.cache/cnn-explorer``."""
    return Path(os.environ.get("CNN_EXPLORER_CACHE") or Path.home() / ".cache" / "cnn-explorer")


def load_dataset(
    config: TrainConfig,
    *,
    on_download: OnDownload | None = None,
    on_unpack: Callable[[], None] | None = None,
    on_decode: OnDecode | None = None,
) -> Dataset:
    """The data that ``config`` asks for: from the cache, else made, decoded or downloaded.

    ``on_unpack`` is called before an archive is unpacked; ``on_decode`` with (images done, images in all) while
    images are decoded, drawn or resized. Any of the three may raise to cancel.

    Raises:
        ExplorerError: see :mod:`training.data.folder` and :mod:`training.data.downloads`.
    """
    if config.dataset == "folder":
        source = Path(config.data_dir or "").expanduser()
        with open_folder(source) as (listing, read):
            key = f"folder-{listing.fingerprint}-{'skip' if config.skip_broken else 'all'}"
            make = partial(_from_folder, listing, read, config.image_size, config.skip_broken, on_decode)
            data = _cached(key, config.image_size, source.stem, make)
    elif config.dataset == "shapes10":
        make = partial(_from_shapes, config.image_size, on_decode)
        data = _cached(_shapes_key(), config.image_size, "shapes10", make)
    else:
        make = partial(_from_torchvision, config, on_download, on_unpack, on_decode)
        data = _cached(_torchvision_key(config.dataset), config.image_size, config.dataset, make)
    return _limited(data, config.max_train_images, config.max_test_images)


def is_on_disk(config: TrainConfig) -> bool:
    """Whether :func:`load_dataset` finds these images on this computer, and needs no download.

    Shapes-10 is drawn here, so always. A folder or archive that ``data_dir`` names counts if it exists; whether
    it can be read is known when it is opened.
    """
    if config.dataset == "shapes10":
        return True
    given = Path(config.data_dir).expanduser() if config.data_dir else None
    if config.dataset == "folder":
        return given is not None and given.exists()
    if (_arrays_folder(_torchvision_key(config.dataset), config.image_size) / _ABOUT).exists():
        return True
    home = given or _downloads_dir()
    return home.is_file() or is_present(config.dataset, home)


def class_counts(data: Dataset) -> dict[str, tuple[int, int]]:
    """Label → (training images, test images): the balance of the classes."""
    train = np.bincount(data.train_classes, minlength=len(data.labels))
    test = np.bincount(data.test_classes, minlength=len(data.labels))
    return {label: (int(a), int(b)) for label, a, b in zip(data.labels, train, test, strict=True)}


def channel_statistics(data: Dataset) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of R, G, B over the training pixels, in units of [0, 1]."""
    total, squares = np.zeros(3), np.zeros(3)
    for start in range(0, len(data.train_images), 4096):
        pixels = data.train_images[start : start + 4096].reshape(-1, 3).astype(np.float64) / 255
        total += pixels.sum(0)
        squares += (pixels**2).sum(0)
    count = data.train_images.size / 3
    mean = total / count
    deviation = np.sqrt((squares / count - mean**2).clip(min=0))
    # A channel that never changes carries nothing; dividing by 1 keeps it at zero.
    deviation[deviation < 1e-6] = 1.0
    return tuple(map(float, mean)), tuple(map(float, deviation))


@dataclass(frozen=True)
class _Made:
    """What a source delivers before it goes to disk: for each split an image iterator and its classes."""

    labels: tuple[str, ...]
    train: Iterator[Images | None]
    train_classes: Classes
    train_names: list[str]
    test: Iterator[Images | None]
    test_classes: Classes
    test_names: list[str]


def _cached(key: str, size: int, name: str, make: Callable[[], _Made]) -> Dataset:
    folder = _arrays_folder(key, size)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Several processes may start on the same data at once: one makes it, the others wait.
        with FileLock(f"{folder}.lock"):
            if not (folder / _ABOUT).exists():
                _write(folder, make(), size)
    except OSError as error:
        raise ExplorerError(
            f"the decoded images in {folder.parent}",
            f"cannot be written ({error.strerror or error})",
            "make room there or set CNN_EXPLORER_CACHE to another folder",
        ) from error
    about = json.loads((folder / _ABOUT).read_text())
    train_classes, test_classes = (np.load(folder / f"{split}.npy") for split in _SPLITS)
    _refuse_untaught(name, about["labels"], train_classes)
    return Dataset(
        name,
        tuple(about["labels"]),
        _map_images(folder / "train.rgb", len(train_classes), size),
        train_classes,
        _map_images(folder / "test.rgb", len(test_classes), size),
        test_classes,
        about["fingerprint"],
        tuple(about["broken"]),
    )


def _refuse_untaught(name: str, labels: list[str], train_classes: Classes) -> None:
    """A class whose pictures were all broken can be neither shown nor learnt."""
    there = np.bincount(train_classes, minlength=len(labels))
    untaught = [label for label, count in zip(labels, there, strict=True) if count == 0]
    if untaught:
        raise ExplorerError(
            f"{classes_in_words(untaught)} in {name!r}",
            "has no training image that can be decoded",
            "replace its images, or remove its folder",
        )


def _arrays_folder(key: str, size: int) -> Path:
    return cache_dir() / f"arrays-{_LAYOUT}" / f"{key}-{size}px"


_ABOUT = "about.json"
_SPLITS = ("train", "test")


def _map_images(path: Path, count: int, size: int) -> Images:
    return np.memmap(path, np.uint8, mode="r", shape=(count, size, size, 3))


def _write(folder: Path, made: _Made, size: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        part = Path(scratch) / "arrays"
        part.mkdir()
        broken = _write_split(part, "train", made.train, made.train_classes, made.train_names, size)
        broken += _write_split(part, "test", made.test, made.test_classes, made.test_names, size)
        about = {"labels": made.labels, "broken": broken, "fingerprint": _digest(part)}
        (part / _ABOUT).write_text(json.dumps(about))
        put_in_place(part, folder)


def _digest(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()[:16]


def _write_split(
    folder: Path, split: str, images: Iterator[Images | None], classes: Classes, names: list[str], size: int
) -> list[str]:
    """Pixels one after another into a plain file; returns the names of broken images, left out.

    Not through a memory map: on a full disk that ends the process, a plain write raises an error.
    """
    if len(classes) * size * size * 3 > MAX_ARRAY_BYTES:
        rule = f"need over {MAX_ARRAY_BYTES // 2**30} GiB"
        remedy = Suggestion("lower image_size", on_page="choose fewer pixels a side")
        what = f"{len(classes):,} images of {size} px"
        raise ExplorerError(what, rule, remedy, parameter="image_size")
    kept: list[int] = []
    broken: list[str] = []
    with (folder / f"{split}.rgb").open("wb") as file:
        for index, image in enumerate(images):
            if image is None:
                broken.append(names[index])
            else:
                file.write(image.tobytes())
                kept.append(index)
    if not kept:
        raise ExplorerError(f"the {split} images", "are all broken", "replace them")
    np.save(folder / f"{split}.npy", classes[kept])
    return broken


def _from_folder(
    listing: Listing, read: Callable[[str], bytes], size: int, skip: bool, on_decode: OnDecode | None
) -> _Made:
    everything = _decode_all([*listing.train, *listing.test], read, size, on_decode)
    if not skip:
        everything = _refuse_broken(everything, [p.path for p in (*listing.train, *listing.test)])
    return _Made(
        listing.labels,
        islice(everything, len(listing.train)),
        np.array([p.label for p in listing.train], np.int64),
        [p.path for p in listing.train],
        everything,
        np.array([p.label for p in listing.test], np.int64),
        [p.path for p in listing.test],
    )


def _decode_all(
    pictures: list[Picture], read: Callable[[str], bytes], size: int, on_decode: OnDecode | None
) -> Iterator[Images | None]:
    """Images in order; None for one that cannot be decoded. Decoding releases the GIL, so threads help."""

    def decode(picture: Picture) -> Images | None:
        try:
            return fit_square(read_image(read(picture.path)), size)
        except (ExplorerError, OSError):
            return None

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(pictures), 1024):
            yield from pool.map(decode, pictures[start : start + 1024])
            if on_decode:
                on_decode(min(start + 1024, len(pictures)), len(pictures))


def _refuse_broken(images: Iterator[Images | None], names: list[str]) -> Iterator[Images | None]:
    """All images, or the error that counts and names the broken ones."""
    broken = []
    for name, image in zip(names, images, strict=True):
        if image is None:
            broken.append(name)
        yield image
    if broken:
        shown = ", ".join(broken[:5]) + (f" and {len(broken) - 5} more" if len(broken) > 5 else "")
        remedy = Suggestion(
            "remove or replace them, or set skip_broken=True to train without them",
            on_page="remove or replace them, or leave broken files out",
        )
        what = f"{len(broken)} of {len(names)} files ({shown})"
        raise ExplorerError(what, "cannot be decoded as images", remedy, parameter="skip_broken")


def fit_square(image: Images, size: int) -> Images:
    """RGB (H, W, 3) → (size, size, 3): the middle square, resized (bilinear, antialiased)."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = image[top : top + side, left : left + side]
    if side == size:
        return middle
    return np.asarray(Image.fromarray(middle).resize((size, size), Image.Resampling.BILINEAR))


def _shapes_key() -> str:
    source = Path(shapes10.__file__).read_bytes()
    return f"shapes10-{hashlib.sha256(source).hexdigest()[:16]}"


def _from_shapes(size: int, on_decode: OnDecode | None) -> _Made:
    first, second = shapes10.TRAIN_IMAGES, shapes10.TEST_IMAGES
    tell = on_decode or (lambda done, total: None)
    train, train_classes = shapes10.make_shapes(
        first, train=True, on_progress=lambda drawn: tell(drawn, first + second)
    )
    test, test_classes = shapes10.make_shapes(
        second, train=False, on_progress=lambda drawn: tell(first + drawn, first + second)
    )
    resize = partial(map, partial(fit_square, size=size))
    return _Made(shapes10.LABELS, resize(train), train_classes, [], resize(test), test_classes, [])


def _torchvision_key(name: str) -> str:
    return f"{name}-{hashlib.sha256(repr(archives(name)).encode()).hexdigest()[:16]}"


def _downloads_dir() -> Path:
    return cache_dir() / "downloads"


def _from_torchvision(
    config: TrainConfig,
    on_download: OnDownload | None,
    on_unpack: Callable[[], None] | None,
    on_decode: OnDecode | None,
) -> _Made:
    home = _downloads_dir()
    folder = Path(config.data_dir).expanduser() if config.data_dir else home
    if folder.is_file():
        folder = adopt_archive(config.dataset, folder, home)
    labels, (train, train_classes), (test, test_classes) = load_torchvision(
        config.dataset, folder, on_download, on_unpack
    )
    fitted = _fitted(chain(train, test), len(train) + len(test), config.image_size, on_decode)
    return _Made(labels, islice(fitted, len(train)), train_classes, [], fitted, test_classes, [])


def _fitted(images: Iterable[Images], count: int, size: int, on_decode: OnDecode | None) -> Iterator[Images]:
    for number, image in enumerate(images, 1):
        yield _fit_digit_or_photo(image, size)
        if on_decode and (number % 1024 == 0 or number == count):
            on_decode(number, count)


def _fit_digit_or_photo(image: Images, size: int) -> Images:
    """MNIST's grey 28 px get a border of 2 px at 32 px, as LeNet-5 had it; all else is resized."""
    if image.ndim == 2:
        margin = (size - image.shape[0]) // 2
        if 0 < margin <= 4 and image.shape[0] + 2 * margin == size:
            image = np.pad(image, margin)
        image = np.repeat(image[..., None], 3, axis=2)
    return fit_square(image, size)


def _limited(data: Dataset, max_train: int | None, max_test: int | None) -> Dataset:
    if max_train is None and max_test is None:
        return data
    train, test = _evenly(data.train_classes, max_train), _evenly(data.test_classes, max_test)
    return Dataset(
        data.name,
        data.labels,
        data.train_images[train],
        data.train_classes[train],
        data.test_images[test],
        data.test_classes[test],
        f"{data.fingerprint}-{len(train)}-{len(test)}",
        data.broken,
    )


def _evenly(classes: Classes, limit: int | None) -> NDArray[np.intp]:
    """The first ``limit`` positions in turns of one per class, ascending."""
    if limit is None or limit >= len(classes):
        return np.arange(len(classes))
    rank = np.empty(len(classes), np.int64)
    for index in np.unique(classes):
        members = np.flatnonzero(classes == index)
        rank[members] = np.arange(len(members))
    return np.sort(np.lexsort((classes, rank))[:limit])
