"""Files that appear whole or not at all, on every system: what a reader or a crash sees is the old one or the new one.

Windows refuses to replace or remove a file that somebody has open. A reader of ours has one open for an instant, a
virus scanner or an indexer for a moment: there we try again for a while, then say what is in the way.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

T = TypeVar("T")
PART = ".part"
"""How the names of files end that aren't whole yet; they begin with a dot."""
_OURS = re.compile(r"\.[0-9a-f]{16}\.part")
PATIENCE_S = 2.0
"""How long a file may be open elsewhere on Windows before we give up."""
_AGAIN_S = 0.02
_REFUSES_OPEN_FILES = os.name == "nt"


def write_whole(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Put ``content`` at ``path``; see :func:`whole_file`."""
    with whole_file(path, durable=durable) as file:
        file.write(content)


def write_once(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path`` unless a file is there: for names that follow from what a file holds.

    Its folder is made, too.

    Raises:
        OSError: as :func:`whole_file`.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_whole(path, content, durable=False)
    except PermissionError:
        # Somebody else wrote the same meanwhile, and it is being read.
        if not path.exists():
            raise


@contextmanager
def whole_file(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """A file to write into that becomes ``path`` when the block ends; if it ends by an error, nothing has changed.

    Until then it lies in the same folder, under a name that no other thread or process uses; see
    :func:`remove_parts`.

    Args:
        durable: wait until the disk has it, so that it survives a power cut, too. Not for what is made anew anyway.

    Raises:
        OSError: no room, no such folder, or no right to write there; ``path`` is open elsewhere, on Windows.
    """
    scratch = path.with_name(f".{secrets.token_hex(8)}{PART}")
    try:
        with scratch.open("wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        put_in_place(scratch, path, durable=durable)
    except BaseException:
        with suppress(OSError):
            scratch.unlink()
        raise


def put_in_place(scratch: Path, path: Path, *, durable: bool = True) -> None:
    """Let the file ``scratch`` be the one at ``path``, in place of any that is there; both on one disk.

    A folder, too, where there is none at ``path``.

    Raises:
        OSError: as :func:`whole_file`.
    """
    _patiently(lambda: os.replace(scratch, path), path)
    if durable:
        _sync_folder(path.parent)


def remove_file(path: Path) -> None:
    """Remove the file if there is one.

    Raises:
        OSError: no right to; or it is open elsewhere, on Windows.
    """
    _patiently(lambda: path.unlink(missing_ok=True), path)


def remove_parts(folder: Path) -> None:
    """Remove what processes left in ``folder`` that were killed while they wrote. Nobody else may be writing there."""
    for left in folder.glob(f".*{PART}"):
        if _OURS.fullmatch(left.name):
            with suppress(OSError):
                left.unlink()


def read_bytes(path: Path) -> bytes:
    """What a file holds, also while others replace it time and again.

    Raises:
        OSError: there is none, or no right to read it.
    """
    return _patiently(path.read_bytes, path)


def _patiently(act: Callable[[], T], path: Path) -> T:
    """Act, on Windows again and again while somebody else has ``path`` open, or is just replacing it."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return act()
        except PermissionError as error:
            if not _REFUSES_OPEN_FILES:
                raise
            if time.monotonic() >= end:
                raise PermissionError(error.errno, "another program has it open", str(path)) from error
        time.sleep(_AGAIN_S)


def _sync_folder(folder: Path) -> None:
    """A rename is safe from power loss once its folder is on disk; not every system can do that."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
