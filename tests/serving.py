"""The program as its users start it: a second process, on a free port of this computer."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Running:
    """A served app: its address, its process, and the file with what it printed."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def printed(self) -> str:
        """Everything that it has said so far."""
        return self.log.read_text(errors="replace")


@contextmanager
def served(
    folder: Path,
    *options: str,
    command: Sequence[str] = (sys.executable, "launch.py"),
    place: Path = ROOT,
    **environment: str,
) -> Iterator[Running]:
    """Run ``python launch.py``, or another ``command`` in the folder ``place``, until the body is done.

    ``folder`` takes its log and its temporary files.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log.txt"
    line = [*command, "--no-browser", "--port", str(port), *options]
    env = (
        os.environ
        | {"GRADIO_TEMP_DIR": str(folder / "gradio"), "TORCH_HOME": str(folder / "torch")}
        | environment
    )
    with log.open("wb") as out:
        process = subprocess.Popen(line, cwd=place, env=env, stdout=out, stderr=subprocess.STDOUT)
        try:
            running = Running(f"http://127.0.0.1:{port}/", process, log)
            _wait_until_it_says(running, "The explorer is at")
            yield running
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_it_says(running: Running, words: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while words not in running.printed():
        if running.process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the app didn't start:\n{running.printed()}")
        time.sleep(0.1)


def status(url: str, data: bytes | None = None) -> int:
    """The HTTP status that a plain request gets."""
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
