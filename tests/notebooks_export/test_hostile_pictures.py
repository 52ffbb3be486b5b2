"""A session's zip of pictures comes from a stranger: it can read, write and run nothing, and is refused in words."""

from __future__ import annotations

import io
import pickle
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from explorer.errors import ExplorerError
from explorer.session.picture_zip import check_picture_zip
from explorer.session.steps import Session, Step, content_hash, read_session, save_session
from notebooks_export import build_notebook, notebook_files, perform
from notebooks_export.kinds.registry import NAMES


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CNN_EXPLORER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def gallery_of(content: bytes, size: int = 32) -> Step:
    config = {"dataset": "folder", "data_dir": f"own:{content_hash(content)}", "image_size": size}
    return Step("data.gallery", {"config": config})


def png(side: int = 32, pixels: bytes | None = None) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    rows = zlib.compress(bytes((1 + 3 * side) * side)) if pixels is None else pixels
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


GOOD = {
    f"{split}/{name}/{n:06d}.png": png() for split in ("train", "test") for name in "ab" for n in range(2)
}


def zip_of(files: Mapping[str, bytes], packing: int = zipfile.ZIP_STORED, mode: int = stat.S_IFREG) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", packing) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type, entry.external_attr = packing, (mode | 0o644) << 16
            archive.writestr(entry, content)
    return made.getvalue()


def locked(content: bytes) -> bytes:
    """With the flag of a password at the last file."""
    place = content.rindex(b"PK\x01\x02") + 8
    return content[:place] + b"\x01\x08" + content[place + 2 :]


def overlapping(times: int) -> bytes:
    """Names whose content is one and the same stretch of the file."""
    files = GOOD | {f"train/a/{n:06d}.png": png() for n in range(2, times)}
    whole = io.BytesIO(zip_of(files))
    with zipfile.ZipFile(whole, "a") as archive:
        for entry in archive.infolist():
            entry.header_offset, entry.file_size, entry.compress_size = 0, 10**8, 10**8
        archive._didModify = True
    return whole.getvalue()


class _Harmful:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.touch, (Path("harmed"),)


HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "a pickle": pickle.dumps(_Harmful()),
    "no zip": b"PK\x03\x04" + bytes(200),
    "cut off": zip_of(GOOD)[:-300],
    "a path out of it": zip_of(GOOD | {"train/../../../harmed.png": png()}),
    "a class that is a path": zip_of(GOOD | {"train/../000000.png": png()}),
    "an absolute path": zip_of(GOOD | {"/tmp/harmed/000000.png": png()}),
    "a path of Windows": zip_of(GOOD | {"train/a\\..\\b/000000.png": png()}),
    "another file": zip_of(GOOD | {"train/a/harmed.py": b"import os"}),
    "a pickle for a picture": zip_of(GOOD | {"train/a/000002.png": pickle.dumps(_Harmful())}),
    "a folder": zip_of(GOOD | {"train/c/": b""}),
    "a bomb": zip_of(GOOD | {"train/a/000002.png": png() + bytes(200_000_000)}, zipfile.ZIP_DEFLATED),
    "a picture of many pixels": zip_of(GOOD | {"train/a/000002.png": png(60_000, b"")}),
    "pictures of two sizes": zip_of(GOOD | {"train/a/000002.png": png(64)}),
    "one class": zip_of({name: content for name, content in GOOD.items() if "/a/" in name}),
    "links": zip_of(GOOD, mode=stat.S_IFLNK),
    "a password": locked(zip_of(GOOD)),
    "files that overlap": overlapping(5),
    "another size": zip_of({name: png(64) for name in GOOD}),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_zips_are_refused_and_write_nothing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = HOSTILE[kind]
    (tmp_path / "cache").mkdir()
    monkeypatch.setenv("CNN_EXPLORER_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    session = Session(steps=(gallery_of(content),), files={content_hash(content): content})
    for action in (build_notebook, notebook_files, perform):
        with pytest.raises(ExplorerError) as caught:
            action(session)
        assert caught.value.remedy
    saved = save_session(session)
    if content[:4] == b"PK\x03\x04" and kind != "another size":
        with pytest.raises(ExplorerError, match=r"the pictures [0-9a-f]{12}… in the session file"):
            read_session(saved, NAMES)
    assert [path.name for path in tmp_path.rglob("*")] == ["cache"]


def test_the_same_zip_without_the_harm_is_fine(tmp_path: Path) -> None:
    for content in (zip_of(GOOD), zip_of({name: png(64) for name in GOOD})):
        size = check_picture_zip(content, "x").size_px
        session = Session(steps=(gallery_of(content, size),), files={content_hash(content): content})
        [step] = perform(read_session(save_session(session), NAMES)).steps
        assert step.picture


def test_a_picture_that_can_not_be_decoded_is_said() -> None:
    whole = zip_of(GOOD)
    place = whole.index(b"IDAT") + 6
    for content, words in (
        (zip_of(GOOD | {"train/a/000002.png": png(32, b"x")}), r"1 of 9 files .* cannot be decoded"),
        (whole[:place] + b"\xff" + whole[place + 1 :], "Bad CRC-32"),
    ):
        session = Session(steps=(gallery_of(content),), files={content_hash(content): content})
        with pytest.raises(ExplorerError, match=words):
            perform(session)


@pytest.mark.parametrize(
    "knobs",
    [
        {"dataset": "folder", "data_dir": "/etc"},
        {"dataset": "folder", "data_dir": "own:"},
        {"dataset": "folder", "data_dir": "own:../../etc/passwd"},
        {"dataset": "folder", "data_dir": f"own:{'0' * 63}\n"},
        {"dataset": "folder", "data_dir": f"own:{'0' * 64}/.."},
        {"dataset": "folder", "data_dir": ["own:"]},
        {"dataset": "folder"},
        {"dataset": "shapes10", "data_dir": f"own:{'0' * 64}"},
        {"dataset": "cifar10", "data_dir": "/etc"},
    ],
)
def test_references_that_are_none(knobs: dict[str, Any]) -> None:
    for step in (
        Step("data.gallery", {"config": knobs}),
        Step("data.augmentation", {"config": knobs}),
        Step("run.predictions", {"config": knobs, "model": "plain@1"}),
    ):
        with pytest.raises(ExplorerError, match="names a folder"):
            build_notebook(Session(steps=(step,)))
