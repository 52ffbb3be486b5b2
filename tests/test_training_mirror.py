"""Runs in trackio: complete, never doubled, and never in the way."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from tests.training_samples import TINY
from training import mirror, runs
from training.worker import work


def rows(folder: Path) -> list[tuple[str, int]]:
    """(run, step) of every metric on record, from trackio's own database file."""
    (path,) = folder.glob("cnn-explorer*.db")
    with sqlite3.connect(path) as database:
        found = database.execute("SELECT run_name, step FROM metrics ORDER BY run_name, step").fetchall()
    database.close()
    return [(str(name), int(step)) for name, step in found]


def test_a_resumed_run_is_in_trackio_once_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Read once, at the first import, for the whole session: never the user's own folder.
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "db"))
    trackio = pytest.importorskip("trackio")
    monkeypatch.setattr("trackio.utils.TRACKIO_DIR", tmp_path / "db")
    monkeypatch.setattr("trackio.sqlite_storage.TRACKIO_DIR", tmp_path / "db")
    monkeypatch.setattr(trackio, "TRACKIO_DIR", tmp_path / "db")
    first = runs.create(replace(TINY, epochs=2), tmp_path, "first")
    other = runs.create(replace(TINY, epochs=1), tmp_path, "other")
    for folder in (first, other):
        work(folder, on_epoch=lambda result: None)
    assert rows(tmp_path / "db") == [("first", 1), ("first", 2), ("other", 1)]
    # As after a kill between a checkpoint and its entry: the files know of more epochs than trackio.
    (first / "config.json").write_text(replace(TINY, epochs=3).to_json())
    work(first, on_epoch=lambda result: None)
    assert rows(tmp_path / "db") == [("first", 1), ("first", 2), ("first", 3), ("other", 1)]


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
