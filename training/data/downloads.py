"""CIFAR and MNIST through torchvision, with our own download: progress, resume, hash check, or your archive."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from types import MappingProxyType
from typing import Any

import numpy as np
import torchvision.datasets as sets
from numpy.typing import NDArray

from explorer.errors import ExplorerError, Suggestion
from explorer.networks.download import Checksum, DownloadProgress, download
from explorer.whole_file import remove_file, whole_file

MIRROR_VARIABLE = "CNN_EXPLORER_DATA_MIRROR"
"""Names a web folder with the archives, each at its path of :func:`archives`, in place of the slow hosts."""
_COPIED_AT_ONCE = 2**20
OnDownload = Callable[[DownloadProgress], None]
Split = tuple[NDArray[np.uint8], NDArray[np.int64]]
CLASSES: Mapping[str, Any] = MappingProxyType(
    {
        "cifar10": sets.CIFAR10,
        "cifar100": sets.CIFAR100,
        "mnist": sets.MNIST,
        "fashion_mnist": sets.FashionMNIST,
    }
)


# What torchvision stumbles over in files that are cut short or others: missing, empty, of no or a wrong kind.
_DAMAGE = (
    OSError,
    RuntimeError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AssertionError,
    UnpicklingError,
)


@dataclass(frozen=True)
class Archive:
    """One file of a data set: where it is on the web, its MD5, and its path below the data folder."""

    url: str
    md5: str
    path: str

    @property
    def download_url(self) -> str:
        """Where it comes from: its own host, or the mirror that this computer is set to use."""
        mirror = os.environ.get(MIRROR_VARIABLE)
        return f"{mirror.rstrip('/')}/{self.path}" if mirror else self.url


def archives(name: str) -> list[Archive]:
    """The files that make up a data set, to torchvision's addresses and hashes."""
    kind = CLASSES[name]
    if hasattr(kind, "tgz_md5"):
        return [Archive(kind.url, kind.tgz_md5, kind.filename)]
    folder = f"{kind.__name__}/raw"
    return [Archive(kind.mirrors[0] + file, md5, f"{folder}/{file}") for file, md5 in kind.resources]


def is_present(name: str, data_dir: Path) -> bool:
    """Whether ``data_dir`` holds every archive of a data set, or what torchvision unpacked from them.

    Looks at names only: what is in the files is checked when they are opened.
    """
    kind = CLASSES[name]
    packed = [archive.path for archive in archives(name)]
    if hasattr(kind, "tgz_md5"):
        unpacked = [f"{kind.base_folder}/{file}" for file, _ in (*kind.train_list, *kind.test_list)]
    else:
        unpacked = [path.removesuffix(".gz") for path in packed]
    return any(all((data_dir / path).is_file() for path in paths) for paths in (packed, unpacked))


def load_torchvision(
    name: str,
    data_dir: Path,
    on_download: OnDownload | None = None,
    on_unpack: Callable[[], None] | None = None,
) -> tuple[tuple[str, ...], Split, Split]:
    """Labels, training and test split of ``name``: images (n, H, W, 3) or (n, H, W) uint8, classes (n,).

    ``data_dir`` holds, or will hold, the archive or what was unpacked from it. ``on_unpack`` is called before
    torchvision checks and unpacks the archives, which takes seconds and says nothing.

    Raises:
        ExplorerError: no connection, an archive whose MD5 is wrong, or no room to unpack it.
    """
    kind = CLASSES[name]
    packed = [] if _is_unpacked(kind, data_dir) else archives(name)
    for archive in packed:
        _fetch(archive, data_dir, on_download)
    if on_unpack:
        on_unpack()
    try:
        for archive in packed:
            _drop_unpacked(archive, data_dir)
        train, test = (kind(data_dir, train=part, download=True) for part in (True, False))
    except _DAMAGE as error:
        raise ExplorerError(
            f"{name} in {data_dir}",
            f"cannot be unpacked ({error})",
            "make room there, or delete it and try again",
        ) from error
    return tuple(train.classes), _arrays(train), _arrays(test)


def adopt_archive(name: str, archive_path: Path, data_dir: Path) -> Path:
    """Take an archive that the user already has; returns the folder that :func:`load_torchvision` wants.

    Raises:
        ExplorerError: its MD5 is wrong, or the data set has several archives.
    """
    wanted = archives(name)
    if len(wanted) != 1:
        raise ExplorerError(
            f"{archive_path}", f"is one file, but {name} has {len(wanted)}", "give their folder"
        )
    _check_md5(archive_path, wanted[0])
    target = data_dir / wanted[0].path
    if not target.exists() or not _has_md5(target, wanted[0]):
        # Whole or not at all: another process may look for it, and the disk may be full.
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive_path.open("rb") as source, whole_file(target) as copy:
            shutil.copyfileobj(source, copy, _COPIED_AT_ONCE)
    return data_dir


def _is_unpacked(kind: Any, data_dir: Path) -> bool:
    try:
        kind(data_dir, train=True, download=False)
        kind(data_dir, train=False, download=False)
    except _DAMAGE:
        return False
    return True


def _drop_unpacked(archive: Archive, data_dir: Path) -> None:
    """Make room for what ``archive``, whose MD5 is right, unpacks to: torchvision takes any MNIST file for whole,
    even one that an unpacking cut short left empty."""
    if archive.path.endswith("-ubyte.gz"):
        remove_file(data_dir / archive.path.removesuffix(".gz"))


def _fetch(archive: Archive, data_dir: Path, on_download: OnDownload | None) -> None:
    path = data_dir / archive.path
    if path.exists():
        _check_md5(path, archive)
        return
    try:
        download(archive.download_url, path, checksum=Checksum("md5", archive.md5), on_progress=on_download)
    except ExplorerError as error:
        slow = (
            f"{error.remedy}. The host is slow: CIFAR's 170 MB can take an hour, and a broken download goes on where "
            f"it stopped. If you have {path.name} already, "
        )
        remedy = Suggestion(
            f"{slow}put it into {path.parent} or name it as data_dir; dataset 'shapes10' needs no download",
            on_page=f"{slow}give it here; Shapes-10 needs no download",
        )
        raise ExplorerError(error.value, error.rule, remedy, parameter="dataset") from error


def _has_md5(path: Path, archive: Archive) -> bool:
    return Checksum("md5", archive.md5).matches(path)


def _check_md5(path: Path, archive: Archive) -> None:
    if not _has_md5(path, archive):
        raise ExplorerError(
            f"{path}",
            f"does not have the MD5 {archive.md5}",
            "it is incomplete or another file: delete it to download it again, or replace it",
        )


def _arrays(data: Any) -> Split:
    return np.asarray(data.data, dtype=np.uint8), np.asarray(data.targets, dtype=np.int64)
