"""From ``python launch.py`` to the first answered request, beside the emptiest page one can serve.

    python -m benchmarks.startup [--runs 5]

The peer imports torch, torchvision and gradio, as the app must, and serves a page with one line of text. Both start
as second processes and are asked every 20 ms until they answer; they take turns.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from benchmarks.timing import HEAD, row

ROOT = Path(__file__).parents[1]
EMPTY = """
import os, sys
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
import torch, torchvision, gradio as gr
with gr.Blocks(analytics_enabled=False) as app:
    gr.Markdown("# Hello")
app.launch(server_port=int(sys.argv[1]), ssr_mode=False, run_history=False, quiet=True)
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def seconds_to_answer(command: list[str], port: int) -> float:
    start = time.perf_counter()
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            while time.perf_counter() - start < 120:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as response:
                        response.read()
                    return time.perf_counter() - start
                except (urllib.error.URLError, ConnectionError):
                    time.sleep(0.02)
            raise TimeoutError(f"no answer from {command}")
        finally:
            process.kill()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    ours, peer = [], []
    for turn in range(runs + 1):  # the first one fills the disk cache
        port = free_port()
        app = seconds_to_answer([sys.executable, "launch.py", "--no-browser", "--port", str(port)], port)
        port = free_port()
        empty = seconds_to_answer([sys.executable, "-c", EMPTY, str(port)], port)
        if turn:
            ours.append(app)
            peer.append(empty)
    print(HEAD)
    print(
        row(
            "start to first answer; peer: torch, torchvision, gradio and an empty page",
            statistics.median(ours),
            statistics.median(peer),
            "at most 1.3",
            "s",
        )
    )


if __name__ == "__main__":
    main()
