"""Runs in trackio: complete, never doubled, and never in the way."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.training.samples import TINY
from training.runs import folders as runs
from training.runs import mirror
from training.runs.worker import work


def rows(folder: Path) -> list[tuple[str, int]]:
    """(run, step) of every metric on record, from trackio's own database file."""
    (path,) = folder.glob("cnn-explorer*.db")
    with sqlite3.connect(path) as database:
        found = database.execute("SELECT run_name, step FROM metrics ORDER BY run_name, step").fetchall()
    database.close()
    return [(str(name), int(step)) for name, step in found]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where trackio keeps its records in this test: never the user's own folder."""
    folder = tmp_path / "db"
    # Read once, at the first import, for the whole session.
    monkeypatch.setenv("TRACKIO_DIR", str(folder))
    trackio = pytest.importorskip("trackio")
    monkeypatch.setattr("trackio.utils.TRACKIO_DIR", folder)
    monkeypatch.setattr("trackio.sqlite_storage.TRACKIO_DIR", folder)
    monkeypatch.setattr(trackio, "TRACKIO_DIR", folder)
    return folder


@contextmanager
def shown(database: Path, log: Path) -> Iterator[str]:
    """The address of ``trackio show --project cnn-explorer`` in a second process, until the body is done."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "trackio.cli", "show", "--project", "cnn-explorer"]
    alone = {"HF_HUB_OFFLINE": "1", "BROWSER": "true", "GRADIO_SERVER_PORT": str(port)}
    env = {**os.environ, **alone, "TRACKIO_DIR": str(database), "no_proxy": "127.0.0.1"}
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=env, stdout=out, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + 60
        while f"127.0.0.1:{port}" not in log.read_text():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the dashboard didn't start:\n{log.read_text()}")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def ask(address: str, **arguments: str) -> Any:
    request = urllib.request.Request(
        address, json.dumps(arguments).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as response:
        return json.load(response)["data"]


def test_a_resumed_run_is_in_trackio_once_and_whole(tmp_path: Path, database: Path) -> None:
    first = runs.create(replace(TINY, epochs=2), tmp_path, "first")
    other = runs.create(replace(TINY, epochs=1), tmp_path, "other")
    for folder in (first, other):
        work(folder, on_epoch=lambda result: None)
    assert rows(database) == [("first", 1), ("first", 2), ("other", 1)]
    # As after a kill between a checkpoint and its entry: the files know of more epochs than trackio.
    (first / "config.json").write_text(replace(TINY, epochs=3).to_json())
    work(first, on_epoch=lambda result: None)
    assert rows(database) == [("first", 1), ("first", 2), ("first", 3), ("other", 1)]


def test_trackio_show_lists_our_runs_with_their_numbers(tmp_path: Path, database: Path) -> None:
    folder = runs.create(replace(TINY, epochs=2), tmp_path, "plain and small")
    work(folder, on_epoch=lambda result: None)
    past = runs.history(folder)
    with shown(database, tmp_path / "log.txt") as address:
        (record,) = ask(f"{address}/api/get_runs_for_project", project="cnn-explorer")
        assert record["name"] == "plain and small"
        (config,) = ask(f"{address}/api/get_run_configs", project="cnn-explorer").values()
        assert (config["network"], config["dataset"], config["seed"]) == ("lenet", "shapes10", 0)
        logged = ask(f"{address}/api/get_logs", project="cnn-explorer", run="plain and small")
        for name in ("train_accuracy", "test_accuracy", "train_loss", "test_loss", "learning_rate"):
            assert [entry[name] for entry in logged] == [getattr(result, name) for result in past]
        assert [entry["step"] for entry in logged] == [1, 2]
        assert "epoch" not in logged[0]
        with urllib.request.urlopen(f"{address}/?project=cnn-explorer", timeout=30) as page:
            assert b"<html" in page.read()


def test_a_dashboard_that_breaks_is_noted_once_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def locked(*_: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(mirror, "find_spec", lambda name: object())
    monkeypatch.setattr(mirror, "_begin", locked)
    folder = runs.create(TINY, tmp_path)
    work(folder, on_epoch=lambda result: None)
    assert runs.read_run(folder).status == runs.FINISHED
    assert capsys.readouterr().err.count("trackio is left out from here on: database is locked") == 1
