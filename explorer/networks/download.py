"""One file from the network to the disk: with progress, a time-out, a hash check, and resumed if it broke."""

from __future__ import annotations

import hashlib
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Literal
from weakref import WeakValueDictionary

from explorer.errors import ExplorerError
from explorer.whole_file import put_in_place, remove_file

CHUNK_BYTES = 1 << 18
TELL_S = 0.1
WAIT_S = 0.2


@dataclass(frozen=True)
class DownloadProgress:
    """How far a download is. ``total_bytes`` is 0 where the server doesn't say."""

    done_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class Checksum:
    """What a file's hash must be, or begin with (torchvision's file names carry eight or ten digits)."""

    algorithm: Literal["sha256", "md5"]
    prefix: str

    def matches(self, path: Path) -> bool:
        """Whether the file at ``path`` has this hash."""
        with path.open("rb") as file:
            return hashlib.file_digest(file, self.algorithm).hexdigest().startswith(self.prefix)


def download(
    url: str,
    path: Path,
    *,
    checksum: Checksum | None = None,
    on_progress: Callable[[DownloadProgress], None] | None = None,
    timeout_s: float = 20.0,
) -> Path:
    """Fetch ``url`` into ``path`` and return it; :func:`iter_download` with a callback for the progress."""
    for progress in iter_download(url, path, checksum=checksum, timeout_s=timeout_s):
        if on_progress:
            on_progress(progress)
    return path


def iter_download(
    url: str, path: Path, *, checksum: Checksum | None = None, timeout_s: float = 20.0
) -> Iterator[DownloadProgress]:
    """Fetch ``url`` into ``path``, yielding progress; the caller may stop at any step.

    What has come so far stays in ``<name>.part``; the next try goes on from there if the server can.
    ``path`` itself appears whole and checked, or not at all.

    Args:
        timeout_s: seconds without a byte after which we give up.

    Raises:
        ExplorerError: no connection, a refusal, a broken connection, a wrong hash, no room on the disk.
    """
    part = path.with_name(path.name + ".part")
    lock = _lock_of(path)
    waited = False
    while not lock.acquire(timeout=WAIT_S):
        # Somebody else in this program fetches the same file: two would write into one part.
        waited = True
        yield DownloadProgress(_size(part), 0)
    try:
        if waited and path.is_file():
            return
        yield from _fetch_and_check(url, path, part, checksum, timeout_s)
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise ExplorerError(
            f"the file {path.name}",
            f"can't be downloaded from {url} ({reason})",
            f"check the connection and try again, or put the file into {path.parent}",
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise ExplorerError(
            f"the file {path.name}",
            f"can't be written to {path.parent} ({reason})",
            "make room there, try again",
        ) from error
    finally:
        lock.release()


_LOCKS: WeakValueDictionary[Path, threading.Lock] = WeakValueDictionary()
_LOCKS_LOCK = threading.Lock()


def _lock_of(path: Path) -> threading.Lock:
    with _LOCKS_LOCK:
        return _LOCKS.setdefault(path.absolute(), threading.Lock())


def _fetch_and_check(
    url: str, path: Path, part: Path, checksum: Checksum | None, timeout_s: float
) -> Iterator[DownloadProgress]:
    path.parent.mkdir(parents=True, exist_ok=True)
    yield from _fetch(url, part, timeout_s)
    if checksum and not checksum.matches(part):
        remove_file(part)
        raise ExplorerError(
            f"the download of {path.name}",
            f"has a {checksum.algorithm} that doesn't begin with {checksum.prefix}",
            "it was damaged or changed on the way and is deleted: try again",
        )
    put_in_place(part, path)


def _size(part: Path) -> int:
    try:
        return part.stat().st_size
    except FileNotFoundError:
        return 0


def _fetch(url: str, part: Path, timeout_s: float) -> Iterator[DownloadProgress]:
    if not url.startswith(("https://", "http://")):
        raise ExplorerError(f"the address {url!r}", "is not http or https", "give a web address")
    have = _size(part)
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310
    try:
        response: HTTPResponse = urllib.request.urlopen(request, timeout=timeout_s)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code != 416:  # "range not satisfiable": the part is already the whole file
            raise
        whole = error.headers.get("Content-Range", "").rpartition("/")[2]
        error.close()
        if whole.isdigit() and int(whole) != have:  # longer than the file: it is of another one
            part.unlink()
            yield from _fetch(url, part, timeout_s)
            return
        yield DownloadProgress(have, have)
        return
    with response:
        if response.status != 206:  # the server sends everything from the start
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else 0
        with part.open("ab" if have else "wb") as file:
            yield DownloadProgress(have, total)
            reported, told_bytes = time.monotonic(), have
            # What there is, be it one byte: waiting for a whole chunk of a slow host, nobody could stop this.
            while chunk := response.read1(CHUNK_BYTES):
                file.write(chunk)
                have += len(chunk)
                if have - told_bytes >= CHUNK_BYTES or time.monotonic() - reported >= TELL_S:
                    yield DownloadProgress(have, total)
                    reported, told_bytes = time.monotonic(), have
        if have > told_bytes:
            yield DownloadProgress(have, total)
        if have < total:
            raise HTTPException(f"the connection broke after {have:,} of {total:,} bytes")
