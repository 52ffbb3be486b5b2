"""Pictures sorted into one folder per class, as a directory or as a zip of one.

Accepted layouts: ``class/picture`` (every fifth picture of a class, by name, becomes a test picture)
and ``train/class/picture`` with ``test/…`` or ``val/…``. A zip is read in place; nothing of it is
ever written to disk, so no name in it can reach outside.
"""

from __future__ import annotations

import hashlib
import stat
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from lzma import LZMAError
from operator import itemgetter
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile, ZipInfo

from explorer.errors import ExplorerError

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm"))
TRAIN_NAMES, TEST_NAMES = ("train", "training"), ("test", "val", "valid", "validation")
TEST_EVERY = 5
MAX_FILES = 500_000
MAX_ZIP_BYTES = 8 * 2**30
MAX_ZIP_RATIO = 100
"""Pictures hardly shrink in a zip; one that grows a hundredfold is a bomb."""
_ENCRYPTED = 0x1
# What zipfile and its decompressors raise on damage: a wrong sum, a lost end, a method that there isn't.
_DAMAGE = (BadZipFile, OSError, EOFError, RuntimeError, ValueError, zlib.error, LZMAError)


@dataclass(frozen=True)
class Picture:
    """Where a picture lies and which class it shows."""

    path: str
    label: int


@dataclass(frozen=True)
class Listing:
    """What a folder or zip holds: class names in order, pictures by split, and a name for that content."""

    labels: tuple[str, ...]
    train: tuple[Picture, ...]
    test: tuple[Picture, ...]
    fingerprint: str


@contextmanager
def open_folder(path: Path) -> Iterator[tuple[Listing, Callable[[str], bytes]]]:
    """The listing of a folder or zip, and a function that reads one picture's bytes.

    The function raises OSError or ExplorerError for a picture that cannot be read.

    Raises:
        ExplorerError: missing, not a folder or zip, encrypted, unsafe, too large, or not one folder per class.
    """
    if path.is_dir():
        files = {p.relative_to(path).as_posix(): p for p in sorted(path.rglob("*"))}
        sizes = {name: _stamp(p) for name, p in files.items() if _is_picture(name) and p.is_file()}
        yield _list(path, sizes), lambda name: (path / name).read_bytes()
    elif path.is_file():
        try:
            archive = ZipFile(path)
        except _DAMAGE as error:
            raise ExplorerError(
                f"{path}", f"is not a zip file ({error})", "give a folder or a zip of one"
            ) from error
        with archive:
            members = _checked_members(path, archive)
            sizes = {m.filename: f"{m.file_size} {m.CRC}" for m in members}
            yield _list(path, sizes), lambda name: _read_member(archive, name)
    else:
        remedy = "give a folder or zip with images by class"
        raise ExplorerError(f"data_dir {str(path)!r}", "does not exist", remedy, parameter="data_dir")


def _read_member(archive: ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except _DAMAGE as error:
        raise ExplorerError(
            f"{name!r} in the zip", f"is damaged ({error})", "make the zip anew, or leave it out"
        ) from error


def _stamp(path: Path) -> str:
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns}"


def _checked_members(path: Path, archive: ZipFile) -> list[ZipInfo]:
    members = [m for m in archive.infolist() if not m.is_dir()]
    for member in members:
        name = PurePosixPath(member.filename)
        link = stat.S_ISLNK(member.external_attr >> 16)
        if name.is_absolute() or ".." in name.parts or "\\" in member.filename or link:
            raise ExplorerError(
                f"{member.filename!r} in {path.name}",
                "points outside the zip",
                "make the zip anew from a plain folder",
            )
    total, packed = sum(m.file_size for m in members), sum(m.compress_size for m in members)
    if total > MAX_ZIP_BYTES or total > 2**20 + MAX_ZIP_RATIO * packed:
        raise ExplorerError(
            f"{path.name} with {total:,} bytes unpacked from {packed:,}",
            f"is over {MAX_ZIP_BYTES // 2**30} GiB or {MAX_ZIP_RATIO} times its packed size",
            "give a zip of ordinary pictures",
        )
    pictures = [m for m in sorted(members, key=lambda m: m.filename) if _is_picture(m.filename)]
    locked = next((m.filename for m in pictures if m.flag_bits & _ENCRYPTED), None)
    if locked is not None:
        raise ExplorerError(
            f"{locked!r} in {path.name}", "is encrypted", "make the zip anew without a password"
        )
    return pictures


def _is_picture(name: str) -> bool:
    """By its suffix, and not among what macOS and file managers leave behind."""
    path = PurePosixPath(name)
    return path.suffix.lower() in SUFFIXES and not any(
        part.startswith(("__MACOSX", ".")) for part in path.parts
    )


def _list(root: Path, sizes: dict[str, str]) -> Listing:
    if not sizes:
        kinds = " ".join(sorted(SUFFIXES))
        raise ExplorerError(f"{root}", "holds no images", f"add files ({kinds}) in one subfolder per class")
    if len(sizes) > MAX_FILES:
        raise ExplorerError(
            f"{root}", f"holds {len(sizes):,} images, over {MAX_FILES:,}", "give a smaller folder"
        )
    splits = _split(_without_common_folder([(PurePosixPath(p).parts, p) for p in sizes]))
    labels = tuple(sorted({label for pictures in splits.values() for label, _ in pictures}))
    if len(labels) < 2:
        found = f"only the class {labels[0]!r}" if labels else "no subfolders"
        raise ExplorerError(
            f"{root}", f"has {found}", "put the images of each class into a subfolder of its own"
        )
    # Class by class, whatever order a file system or a zip has: the same pictures make the same data set.
    train, test = (
        tuple(Picture(path, labels.index(name)) for name, path in sorted(splits[s], key=itemgetter(0)))
        for s in ("train", "test")
    )
    for split, pictures in (("training", train), ("test", test)):
        if not pictures:
            raise ExplorerError(
                f"{root}",
                f"has no {split} images",
                f"each class needs at least {TEST_EVERY} images, or train/ and test/",
            )
    taught = {picture.label for picture in train}
    untaught = [label for index, label in enumerate(labels) if index not in taught]
    if untaught:
        raise ExplorerError(
            f"{classes_in_words(untaught)} in {root}",
            "has test images and no training images",
            "add a folder of the same name beside the other training classes, or remove it",
        )
    content = [(picture.path, sizes[picture.path]) for picture in (*train, *test)]
    digest = hashlib.sha256(repr(content).encode()).hexdigest()
    return Listing(labels, train, test, digest[:16])


def classes_in_words(labels: Sequence[str]) -> str:
    """``the class 'cat'``, or each of the first few of them."""
    if len(labels) == 1:
        return f"the class {labels[0]!r}"
    more = f" and {len(labels) - 5} more" if len(labels) > 5 else ""
    return f"each of the classes {', '.join(map(repr, labels[:5]))}{more}"


Parted = list[tuple[tuple[str, ...], str]]


def _without_common_folder(files: Parted) -> Parted:
    """A zip of ``pets/`` often begins every name with ``pets/``; that level says nothing."""
    while True:
        first = {parts[0] for parts, _ in files}
        deep = all(len(parts) >= 3 for parts, _ in files)
        if len(first) != 1 or not deep or first <= set(TRAIN_NAMES + TEST_NAMES):
            return files
        files = [(parts[1:], path) for parts, path in files]


def _split(files: Parted) -> dict[str, list[tuple[str, str]]]:
    """(class name, path) by split. Pictures outside any class folder are left out."""
    found: dict[str, list[tuple[str, str]]] = {"train": [], "test": []}
    if any(parts[0].lower() in TRAIN_NAMES and len(parts) >= 3 for parts, _ in files):
        for parts, path in files:
            split = {n: s for s, names in (("train", TRAIN_NAMES), ("test", TEST_NAMES)) for n in names}.get(
                parts[0].lower()
            )
            if split and len(parts) >= 3:
                found[split].append((parts[1], path))
        return found
    seen: dict[str, int] = {}
    for parts, path in files:
        if len(parts) >= 2:
            seen[parts[0]] = seen.get(parts[0], 0) + 1
            found["test" if seen[parts[0]] % TEST_EVERY == 0 else "train"].append((parts[0], path))
    return found
