"""Pictures of one's own as a session holds them: a zip of small PNGs, one folder a class, for training and test.

They lie in it as ``train/CLASS/000000.png`` and ``test/CLASS/000000.png``, at the size at which they were used.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from explorer.errors import ExplorerError
from explorer.session.archive import pack

OWN_DATA = "own:"
"""In a step's recipe, before the SHA-256 of such a zip; alone it stands for pictures that stayed behind."""
MAX_PICTURES_BYTES = 100_000_000
"""All zips of pictures of one session together."""
MAX_PIXELS_BYTES = 2**30
"""Of one zip's pictures when they are decoded."""
SIZES_PX = (8, 512)
_MAX_CLASS = 120
_SAMPLE = 100
# Training passes over folders whose names begin so; a separator would make two folders of one.
_CLASS = rf"(?!\.|__MACOSX)[^/\\\x00-\x1f\x7f-\x9f\ud800-\udfff]{{1,{_MAX_CLASS}}}"
_NAME = re.compile(rf"(train|test)/({_CLASS})/[0-9]{{6}}\.png")
_PNG_START = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_REMEDY = "open the pictures under 1 · Data again, and keep the result anew"

Split = tuple[np.ndarray, np.ndarray]
"""Images (n, S, S, 3) uint8 RGB, and their classes (n,), ascending."""


@dataclass(frozen=True)
class PictureZip:
    """What such a zip holds: the classes in order, how many pictures, and their side."""

    labels: tuple[str, ...]
    count: int
    size_px: int


def picture_zip(labels: Sequence[str], splits: Mapping[str, Split]) -> bytes:
    """The pictures as a zip that training opens again as they are; equal ones give equal bytes.

    Args:
        labels: the classes' names, sorted.
        splits: ``"train"`` and ``"test"``.

    Raises:
        ExplorerError: more than a session may hold, a class without a picture, a name that a zip can't hold.
    """
    _check_labels(labels, splits)
    total = sum(len(images) for images, _ in splits.values())
    if (guessed := _guessed_size(splits, total)) > 1.25 * MAX_PICTURES_BYTES:
        raise too_large(f"{total:,} pictures (by a sample of them)", guessed)
    files: dict[str, bytes] = {}
    size = 0
    for split, (images, classes) in splits.items():
        for number, (image, index) in enumerate(zip(images, classes, strict=True)):
            content = _encoded(image)
            size += len(content)
            if size > MAX_PICTURES_BYTES:
                raise too_large(f"the first {len(files) + 1:,} of {total:,} pictures", size)
            files[f"{split}/{labels[index]}/{number:06d}.png"] = content
    content = pack(files)
    if len(content) > MAX_PICTURES_BYTES:
        raise too_large(f"{len(files):,} pictures", len(content))
    return content


def _guessed_size(splits: Mapping[str, Split], total: int) -> int:
    """Bytes of all pictures as PNG, from some: whoever has far too many needn't wait for all."""
    step = -(-total // _SAMPLE)
    some = [_encoded(image) for images, _ in splits.values() for image in images[::step]]
    return sum(map(len, some)) * total // len(some)


def _encoded(image: np.ndarray) -> bytes:
    encoded = io.BytesIO()
    Image.fromarray(np.asarray(image)).save(encoded, "PNG", compress_level=6)
    return encoded.getvalue()


def is_picture_zip(content: bytes) -> bool:
    """Whether it begins as a zip does."""
    return content[:4] == b"PK\x03\x04"


def check_picture_zip(content: bytes, what: str) -> PictureZip:
    """What is in a zip that :func:`picture_zip` made; ``what`` is its name for messages.

    Names, sizes and each picture's header are read; nothing is decoded, nothing written.

    Raises:
        ExplorerError: not such a zip, damaged, other files in it, or larger than a session may hold.
    """
    if len(content) > MAX_PICTURES_BYTES:
        raise too_large(what, len(content))
    if not is_picture_zip(content):
        raise ExplorerError(what, "is not a zip of pictures", _REMEDY)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _checked(archive, len(content), what)
    except ExplorerError:
        raise
    except Exception as error:  # zipfile raises several kinds, by what is broken
        reason = str(error) or type(error).__name__
        raise ExplorerError(what, f"is not a zip that can be read ({reason:.100})", _REMEDY) from error


def too_large(what: str, size: int) -> ExplorerError:
    """What to say of pictures, or several zips of them, beyond :data:`MAX_PICTURES_BYTES`."""
    return ExplorerError(
        f"{what} with {size / 1e6:,.0f} MB",
        f"can't be kept: a session holds up to {MAX_PICTURES_BYTES / 1e6:.0f} MB of your own pictures in all",
        "open fewer pictures, or the same at a smaller image size",
    )


def _checked(archive: zipfile.ZipFile, size: int, what: str) -> PictureZip:
    entries = archive.infolist()
    labels, sides = set(), set()
    for entry in entries:
        named = f"{entry.filename[:80]!r} in {what}"
        found = _NAME.fullmatch(entry.filename)
        if not found:
            raise ExplorerError(named, "doesn't belong there", _REMEDY)
        # As they are made: what isn't packed can't grow, and nothing else has to be unpacked to know its size.
        link = stat.S_ISLNK(entry.external_attr >> 16)
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 or link:
            rule = "is packed, locked or a link, which pictures of a session aren't"
            raise ExplorerError(named, rule, _REMEDY)
        labels.add(found[2])
        sides.add(_side(archive, entry, named))
    if len({entry.filename for entry in entries}) < len(entries):
        raise ExplorerError(what, "holds two files of the same name", _REMEDY)
    if sum(entry.file_size for entry in entries) > size:
        raise ExplorerError(what, "says that it holds more than it does", _REMEDY)
    if len(sides) != 1 or len(labels) < 2:
        rule = f"holds {len(labels)} classes of pictures with {len(sides)} different sizes, not of one size"
        raise ExplorerError(what, rule, _REMEDY)
    [side] = sides
    if (decoded := len(entries) * side * side * 3) > MAX_PIXELS_BYTES:
        rule = f"decode to {decoded:,} bytes, more than {MAX_PIXELS_BYTES:,}"
        raise ExplorerError(f"{len(entries):,} pictures in {what}", rule, "use fewer, or smaller ones")
    return PictureZip(tuple(sorted(labels)), len(entries), side)


def _side(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, named: str) -> int:
    """The side of a square PNG of RGB with 8 bits, from its header."""
    with archive.open(entry) as file:
        head = file.read(26)
    low, high = SIZES_PX
    if len(head) == 26 and head.startswith(_PNG_START):
        width, height, bits, colours = struct.unpack(">IIBB", head[16:26])
        if low <= width <= high and (height, bits, colours) == (width, 8, 2):
            return int(width)
    raise ExplorerError(named, f"is not a square PNG of {low} to {high} px a side", _REMEDY)


def _check_labels(labels: Sequence[str], splits: Mapping[str, Split]) -> None:
    seen = {int(index) for _, classes in splits.values() for index in np.unique(classes)}
    for index, label in enumerate(labels):
        if not re.fullmatch(_CLASS, label):
            rule = f"is not 1 to {_MAX_CLASS} characters that can be printed, without \\ and no dot in front"
            raise ExplorerError(f"the class {label!r:.150}", rule, "rename its folder")
        if index not in seen:
            raise ExplorerError(
                f"the class {label!r}", "has no picture that could be kept", "remove its folder"
            )
