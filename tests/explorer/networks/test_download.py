"""Downloads from a real web server: whole and checked, or not at all; and what broke goes on where it was."""

from __future__ import annotations

import errno
import hashlib
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest

from explorer.errors import ExplorerError
from explorer.networks.download import CHUNK_BYTES, Checksum, DownloadProgress, download, iter_download
from tests.conftest import FileServer

CONTENT = np.random.default_rng(0).bytes(3 * CHUNK_BYTES + 1234)
SHA256 = Checksum("sha256", hashlib.sha256(CONTENT).hexdigest()[:8])


@pytest.fixture
def server(file_server: FileServer) -> FileServer:
    file_server.files["weights.pth"] = CONTENT
    return file_server


def fetch(server: FileServer, path: Path, **options: object) -> Path:
    return download(f"{server.url}/weights.pth", path, **options)  # type: ignore[arg-type]


def test_the_file_arrives_whole_and_its_progress_grows(server: FileServer, tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "weights.pth"
    seen: list[DownloadProgress] = []
    assert fetch(server, path, checksum=SHA256, on_progress=seen.append) == path
    assert path.read_bytes() == CONTENT
    assert [p.total_bytes for p in seen] == [len(CONTENT)] * len(seen)
    done = [p.done_bytes for p in seen]
    assert done == sorted(done)
    assert done[0] == 0
    assert done[-1] == len(CONTENT)
    assert len(seen) > 3
    assert [p.name for p in path.parent.iterdir()] == ["weights.pth"]


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_both_kinds_of_checksum(server: FileServer, tmp_path: Path, algorithm: str) -> None:
    right = Checksum(algorithm, hashlib.new(algorithm, CONTENT).hexdigest())  # type: ignore[arg-type]
    assert fetch(server, tmp_path / "a", checksum=right).read_bytes() == CONTENT
    wrong = Checksum(algorithm, "0" * 8)  # type: ignore[arg-type]
    with pytest.raises(ExplorerError, match=algorithm):
        fetch(server, tmp_path / "b", checksum=wrong)


def test_a_wrong_hash_leaves_nothing(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(ExplorerError) as caught:
        fetch(server, tmp_path / "weights.pth", checksum=Checksum("sha256", "deadbeef"))
    sentence = str(caught.value)
    assert "weights.pth" in sentence
    assert "deadbeef" in sentence
    assert "try again" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_a_broken_connection_goes_on_where_it_was(server: FileServer, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    server.break_after = 2 * CHUNK_BYTES + 10
    with pytest.raises(ExplorerError, match="broke after") as caught:
        fetch(server, path, checksum=SHA256)
    assert "try again" in caught.value.remedy
    assert not path.exists()
    have = (tmp_path / "weights.pth.part").stat().st_size
    assert 0 < have < len(CONTENT)

    seen: list[DownloadProgress] = []
    fetch(server, path, checksum=SHA256, on_progress=seen.append)
    assert path.read_bytes() == CONTENT
    assert server.requests[-1] == ("weights.pth", f"bytes={have}-")
    assert seen[0] == DownloadProgress(have, len(CONTENT))
    assert not (tmp_path / "weights.pth.part").exists()


def test_a_server_without_ranges_starts_over(server: FileServer, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    (tmp_path / "weights.pth.part").write_bytes(CONTENT[:1000])
    server.ignore_range = True
    assert fetch(server, path, checksum=SHA256).read_bytes() == CONTENT


def test_a_part_that_is_the_whole_file_is_taken(server: FileServer, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    (tmp_path / "weights.pth.part").write_bytes(CONTENT)
    assert fetch(server, path, checksum=SHA256).read_bytes() == CONTENT


def test_a_part_longer_than_the_file_is_thrown_away(server: FileServer, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    (tmp_path / "weights.pth.part").write_bytes(CONTENT + b"of another version")
    assert fetch(server, path).read_bytes() == CONTENT


@pytest.mark.parametrize("have", [0, 1000])
def test_a_length_that_is_not_told_stays_unknown(server: FileServer, tmp_path: Path, have: int) -> None:
    server.tell_length = False
    (tmp_path / "weights.pth.part").write_bytes(CONTENT[:have])
    seen: list[DownloadProgress] = []
    path = fetch(server, tmp_path / "weights.pth", checksum=SHA256, on_progress=seen.append)
    assert path.read_bytes() == CONTENT
    assert {p.total_bytes for p in seen} == {0}
    assert seen[-1].done_bytes == len(CONTENT)


def test_a_server_that_hangs_is_given_up(server: FileServer, tmp_path: Path) -> None:
    server.hang_after = CHUNK_BYTES
    with pytest.raises(ExplorerError, match="timed out") as caught:
        fetch(server, tmp_path / "weights.pth", timeout_s=0.3)
    assert str(tmp_path) in caught.value.remedy
    assert not (tmp_path / "weights.pth").exists()


def test_nothing_is_waited_for_without_end(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[object] = []
    plain = urllib.request.urlopen

    def watched(*args: object, **options: object) -> object:
        waits.append(options.get("timeout"))
        return plain(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("urllib.request.urlopen", watched)
    fetch(server, tmp_path / "a")
    fetch(server, tmp_path / "b", timeout_s=3.5)
    assert waits == [20.0, 3.5]


def test_no_server_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    gone = FileServer()
    gone.close()
    with pytest.raises(ExplorerError, match="can't be downloaded") as caught:
        fetch(gone, tmp_path / "weights.pth")
    assert gone.url in str(caught.value)
    assert f"put the file into {tmp_path}" in caught.value.remedy


def test_a_file_that_the_server_does_not_have(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(ExplorerError, match="Not Found"):
        download(f"{server.url}/other.pth", tmp_path / "other.pth")


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://example.org/x", "weights.pth"])
def test_only_the_web(address: str, tmp_path: Path) -> None:
    with pytest.raises(ExplorerError, match="http"):
        download(address, tmp_path / "x")


def test_cancelling_keeps_what_has_come(server: FileServer, tmp_path: Path) -> None:
    class Cancelled(Exception):
        pass

    seen: list[int] = []

    def cancel(progress: DownloadProgress) -> None:
        seen.append(progress.done_bytes)
        if progress.done_bytes >= 2 * CHUNK_BYTES:
            raise Cancelled

    path = tmp_path / "weights.pth"
    with pytest.raises(Cancelled):
        fetch(server, path, checksum=SHA256, on_progress=cancel)
    assert not path.exists()
    assert (tmp_path / "weights.pth.part").stat().st_size == seen[-1] < len(CONTENT)
    # And the next one isn't kept waiting.
    assert fetch(server, path, checksum=SHA256).read_bytes() == CONTENT
    assert server.requests[-1][1] == f"bytes={seen[-1]}-"


def test_a_full_disk_is_told_as_such(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(ExplorerError, match="No space left") as caught:
        fetch(server, tmp_path / "weights.pth")
    assert "room" in caught.value.remedy


def test_a_folder_that_can_not_be_made(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ExplorerError, match="can't be written"):
        fetch(server, tmp_path / "file" / "weights.pth")


def test_two_who_want_one_file_do_not_write_into_each_others_part(server: FileServer, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    first = iter_download(f"{server.url}/weights.pth", path, checksum=SHA256)
    next(first)
    next(first)  # the first is under way, and rests
    waiting = threading.Event()

    def second() -> Path:
        return fetch(server, path, checksum=SHA256, on_progress=lambda _: waiting.set())

    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(second)
        assert waiting.wait(20)
        assert not result.done()
        for _ in first:
            pass
        assert result.result(20).read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_a_host_that_sends_a_byte_now_and_then_can_be_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Trickling(FileServer):
        def _send(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
            for at in range(len(body)):
                request.wfile.write(body[at : at + 1])
                if self.closing.wait(0.05):
                    return

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Trickling()
    server.files["weights.pth"] = CONTENT
    try:
        coming = iter_download(f"{server.url}/weights.pth", tmp_path / "weights.pth", checksum=SHA256)
        seen = [next(coming).done_bytes for _ in range(4)]
        coming.close()
    finally:
        server.close()
    # Whole chunks would take it hours.
    assert 0 == seen[0] < seen[1] < seen[2] < seen[3] < CHUNK_BYTES
    assert (tmp_path / "weights.pth.part").read_bytes() == CONTENT[: seen[3]]
