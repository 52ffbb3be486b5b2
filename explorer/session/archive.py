"""ZIP files that are data and nothing else: equal content gives equal bytes, and reading one writes nothing."""

from __future__ import annotations

import io
import re
import stat
import zipfile
from collections.abc import Mapping

from explorer.errors import ExplorerError

MAX_BYTES = 256 * 2**20
MAX_FILES = 2000
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first date that the format knows

# Pictures are compressed already and weights are noise: trying costs seconds and gains nothing. They begin with
# PNG's signature, a zip's (of pictures, or a session), or the length of safetensors' header and the header.
_DENSE = re.compile(rb"\x89PNG\r\n\x1a\n|PK\x03\x04|[\0-\xff]{4}\0{4}\{")


def pack(files: Mapping[str, bytes]) -> bytes:
    """A ZIP of name → content, sorted by name: the same files give the same bytes, on any computer, at any time."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # as on Unix, also when it is made elsewhere
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            dense = _DENSE.match(files[name])
            entry.compress_type = zipfile.ZIP_STORED if dense else zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name])
    return packed.getvalue()


def unpack(data: bytes, allowed: re.Pattern[str], what: str) -> dict[str, bytes]:
    """The files of a ZIP, in memory: nothing is written to disk.

    Args:
        data: the ZIP's bytes.
        allowed: the names that may occur in it, in full.
        what: the ZIP's name for messages.

    Raises:
        ExplorerError: not a ZIP or damaged, a name that isn't allowed (a path out of it, a folder), a link, an
            encrypted file, the same name twice, too many files, or more than :data:`MAX_BYTES` unpacked.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            _check(entries, allowed, what)
            return _read(archive, entries, what)
    except ExplorerError:
        raise
    # The decoders raise these, by what is broken.
    except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError, EOFError, ValueError, RuntimeError) as error:
        raise _damaged(what, error) from error
    except Exception as error:  # zlib.error and lzma.LZMAError have no common base
        raise _damaged(what, error) from error


def _check(entries: list[zipfile.ZipInfo], allowed: re.Pattern[str], what: str) -> None:
    remedy = "choose a file that this program has saved"
    if len(entries) > MAX_FILES:
        raise ExplorerError(what, f"holds {len(entries):,} files, more than {MAX_FILES:,}", remedy)
    if len({entry.filename for entry in entries}) < len(entries):
        raise ExplorerError(what, "holds two files of the same name", remedy)
    for entry in entries:
        name = f"{entry.filename[:80]!r} in {what}"
        if not allowed.fullmatch(entry.filename):
            raise ExplorerError(name, "doesn't belong there", remedy)
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            raise ExplorerError(name, "is a link or a device, not a file", remedy)
    if (total := sum(entry.file_size for entry in entries)) > MAX_BYTES:
        raise _too_large(what, total)


def _read(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], what: str) -> dict[str, bytes]:
    files, left = {}, MAX_BYTES
    for entry in entries:
        with archive.open(entry) as file:
            # What an entry says of its size may be a lie; one byte more than is left shows it.
            content = file.read(left + 1)
        left -= len(content)
        if left < 0:
            raise _too_large(what, MAX_BYTES + 1)
        files[entry.filename] = content
    return files


def _too_large(what: str, size: int) -> ExplorerError:
    rule = f"unpacks to {size:,} bytes or more; up to {MAX_BYTES:,} are read"
    return ExplorerError(what, rule, "remove some of its steps, or use smaller pictures")


def _damaged(what: str, error: Exception) -> ExplorerError:
    reason = str(error) or type(error).__name__
    return ExplorerError(
        what, f"is not a ZIP that can be read ({reason})", "save it again, or choose another"
    )
