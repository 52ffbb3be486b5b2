"""Files appear whole or not at all; where a system refuses to replace what is open, we wait, and then say so."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from explorer import whole_file as module
from explorer.whole_file import (
    put_in_place,
    read_bytes,
    remove_file,
    remove_parts,
    whole_file,
    write_once,
    write_whole,
)

REPLACE = os.replace


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, but less patient."""
    monkeypatch.setattr(module, "_REFUSES_OPEN_FILES", True)
    monkeypatch.setattr(module, "PATIENCE_S", 0.2)


def refused(times: int, act: Callable[..., Any]) -> Callable[..., Any]:
    """``act``, but the first so many times as Windows does with a file that somebody has open."""
    left = [times]

    def act_later(*given: Any, **more: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise PermissionError(errno.EACCES, "Access is denied")
        return act(*given, **more)

    return act_later


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_made_or_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    for content in (b"", b"one", bytes(10**6), b"two"):
        for durable in (True, False):
            write_whole(tmp_path / "a.bin", content, durable=durable)
            assert (tmp_path / "a.bin").read_bytes() == content
    assert names(tmp_path) == ["a.bin"]


def test_it_may_be_read_by_whom_files_of_this_user_may_be_read(tmp_path: Path) -> None:
    (tmp_path / "usual").write_bytes(b"")
    write_whole(tmp_path / "whole", b"")
    assert stat.S_IMODE((tmp_path / "whole").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "usual").stat().st_mode
    )


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt(), ValueError("no")])
def test_what_breaks_off_changes_nothing(tmp_path: Path, error: BaseException) -> None:
    write_whole(tmp_path / "a", b"old")

    def broken_off() -> None:
        with whole_file(tmp_path / "a") as file:
            file.write(b"half of the n")
            file.flush()
            raise error

    with pytest.raises(type(error)):
        broken_off()
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "nowhere" / "a", b"new")


def test_readers_see_one_or_the_other(tmp_path: Path) -> None:
    path, contents = tmp_path / "a", [bytes([n]) * 100_000 for n in range(4)]
    write_whole(path, contents[0])
    done = threading.Event()
    seen: set[bytes] = set()

    def watch() -> None:
        while not done.is_set():
            seen.add(read_bytes(path))

    threads = [threading.Thread(target=watch)]
    threads += [
        threading.Thread(target=lambda c=c: [write_whole(path, c, durable=False) for _ in range(50)])
        for c in contents
    ]
    for thread in threads:
        thread.start()
    for thread in threads[1:]:
        thread.join()
    done.set()
    threads[0].join()
    assert seen <= set(contents)
    assert names(tmp_path) == ["a"]


@pytest.mark.usefixtures("windows")
def test_a_file_that_is_open_for_an_instant_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_whole(tmp_path / "a", b"old")
    monkeypatch.setattr(module.os, "replace", refused(3, os.replace))
    write_whole(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    for name in ("read_bytes", "unlink"):
        monkeypatch.setattr(Path, name, refused(3, getattr(Path, name)))
    assert read_bytes(tmp_path / "a") == b"new"
    remove_file(tmp_path / "a")
    assert names(tmp_path) == []


@pytest.mark.usefixtures("windows")
def test_a_file_that_stays_open_is_said_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_whole(tmp_path / "a", b"old")
    monkeypatch.setattr(module.os, "replace", refused(10**6, os.replace))
    with pytest.raises(PermissionError, match="another program has it open") as caught:
        write_whole(tmp_path / "a", b"new")
    assert caught.value.filename == str(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_elsewhere_a_refusal_is_one_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.name == "nt":
        pytest.skip("Windows waits")
    refusals = refused(1, os.replace)
    monkeypatch.setattr(module.os, "replace", refusals)
    with pytest.raises(PermissionError, match="Access is denied"):
        write_whole(tmp_path / "a", b"new")
    write_whole(tmp_path / "a", b"new")  # the one refusal was not waited for


@pytest.mark.usefixtures("windows")
def test_what_is_named_by_its_content_is_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "digest" / "a"
    write_once(path, b"same")
    before = path.stat().st_mtime_ns
    write_once(path, b"same")
    assert path.stat().st_mtime_ns == before

    def meanwhile(source: Path, target: Path) -> None:
        Path(target).write_bytes(b"same")
        raise PermissionError(errno.EACCES, "Access is denied")

    other = tmp_path / "digest" / "b"
    monkeypatch.setattr(module.os, "replace", meanwhile)
    write_once(other, b"same")  # another page was faster, and it is being read
    assert other.read_bytes() == b"same"
    monkeypatch.setattr(module.os, "replace", refused(10**6, REPLACE))
    with pytest.raises(PermissionError):
        write_once(tmp_path / "digest" / "c", b"same")


def test_a_folder_is_put_in_place_too(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    write_whole(tmp_path / "scratch" / "a", b"1")
    put_in_place(tmp_path / "scratch", tmp_path / "whole")
    assert names(tmp_path) == ["whole"]
    remove_file(tmp_path / "nothing")  # there is nothing to remove


def test_what_a_killed_process_left_is_removed_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.os, "replace", lambda *_: None)  # killed before
    write_whole(tmp_path / "a", b"1")
    others = [".mine.part", "a.part", ".0123456789abcdef.txt"]
    for name in others:
        (tmp_path / name).touch()
    assert len(names(tmp_path)) == 1 + len(others)
    remove_parts(tmp_path)
    assert names(tmp_path) == sorted(others)
