"""Runs as real processes: start, watch, queue, stop, kill, resume, and never two in one folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from explorer.errors import ExplorerError
from tests.training.samples import TINY, assert_same_bits, read_weights
from training import TrainConfig, load_dataset, train
from training.__main__ import main
from training.loop.checkpoint import HISTORY, list_epochs, read_history
from training.results import EpochResult, Progress
from training.runs import folders as runs
from training.runs import worker
from training.runs.slots import is_owned, own_folder, take_slot
from training.runs.worker import Stopped, work

# Long enough (an epoch is some 0.4 s) to be caught in the middle of one.
SLOW = replace(TINY, max_train_images=8000, epochs=5)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CNN_EXPLORER_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("TRACKIO_DIR", str(tmp_path_factory.mktemp("trackio")))
        patch.setenv("OMP_NUM_THREADS", "1")
        load_dataset(SLOW)
        yield


def wait_for(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, f"still not: {what}"
        time.sleep(0.05)


def status(folder: Path) -> str:
    return runs.read_run(folder).status


def pid_of(folder: Path) -> int:
    """The run's process, found by its command line as a person would."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if str(folder.resolve()).encode() in words and b"training" in words:
            return int(entry.parent.name)
    raise AssertionError(f"no process for {folder}")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="finds processes in /proc")
def test_a_day_in_the_life_of_two_runs(tmp_path: Path) -> None:
    # One place: the first trains, the second waits its turn.
    first = runs.start(replace(SLOW, epochs=1000), tmp_path, name="first", slots=1)
    wait_for(lambda: status(first) == runs.RUNNING, "first running")
    second = runs.start(replace(SLOW, seed=1), tmp_path, name="second", slots=1)
    with pytest.raises(ExplorerError, match="'first' is running already; stop it first"):
        runs.resume(first)
    with pytest.raises(ExplorerError, match="'first' is running; stop it first"):
        runs.delete(first)

    wait_for(lambda: runs.read_run(first).progress is not None, "progress of first")
    progress = runs.read_run(first).progress
    assert progress is not None
    assert 0 < progress.step <= progress.steps == 500
    assert progress.images_per_second > 0
    wait_for(lambda: is_owned(second), "second's process in line")
    assert (status(first), status(second)) == (runs.RUNNING, runs.WAITING)
    assert [run.name for run in runs.list_runs(tmp_path)] == ["second", "first"]

    # Stopping one lets the other in; a kill in the middle of an epoch is noticed.
    runs.stop(first)
    wait_for(lambda: status(first) == runs.STOPPED, "first stopped")
    wait_for(lambda: read_history(second) != [], "an epoch of second")
    os.kill(pid_of(second), signal.SIGKILL)
    wait_for(lambda: status(second) == runs.INTERRUPTED, "second interrupted")

    # Both go on side by side; the killed one ends where an uninterrupted one ends.
    done = runs.read_run(first).epochs_done
    runs.resume(first, epochs=done + 1, slots=2)
    runs.resume(second, slots=2)
    wait_for(lambda: {status(first), status(second)} == {runs.FINISHED}, "both finished")
    assert [result.epoch for result in runs.history(first)] == list(range(1, done + 2))
    assert [result.epoch for result in runs.history(second)] == [1, 2, 3, 4, 5]
    list(train(replace(SLOW, seed=1), tmp_path / "else" / "where"))
    assert_same_bits(read_weights(second, 5), read_weights(tmp_path / "else" / "where", 5))
    assert "epoch   5" in runs.read_log(second)
    environment = json.loads((first / "environment.json").read_text())
    assert environment["torch"] == torch.__version__.split("+")[0]
    with pytest.raises(ExplorerError, match="has all its 5 epochs; resume it with epochs over 5"):
        runs.resume(second)
    runs.delete(first)
    assert [run.name for run in runs.list_runs(tmp_path)] == ["second"]


def test_two_runs_never_write_to_one_folder(tmp_path: Path) -> None:
    folder = runs.create(TINY, tmp_path, "one")
    with pytest.raises(ExplorerError, match="'one' exists already"):
        runs.create(TINY, tmp_path, "one")
    assert runs.create(TINY, tmp_path) != runs.create(TINY, tmp_path)
    code = "import sys, filelock; lock = filelock.FileLock(sys.argv[1]); lock.acquire()\n"
    code += "print('mine', flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(folder / ".lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"mine\n"
        before = (folder / runs.STATUS).read_bytes()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("training.runs.slots.LOCK_WAIT_S", 0.1)
            with pytest.raises(ExplorerError, match="is being written by another run"):
                work(folder, on_epoch=print)
        assert (folder / runs.STATUS).read_bytes() == before
        assert not (folder / HISTORY).exists()
    finally:
        holder.kill()
        holder.communicate()
    # Its lock went with it.
    with own_folder(folder):
        pass


def test_the_line_is_in_order_of_waiting_and_skips_the_dead(tmp_path: Path) -> None:
    early, late = runs.create(TINY, tmp_path, "b"), runs.create(TINY, tmp_path, "a")
    assert runs.is_next_in_line(late)  # nobody holds the earlier one
    with own_folder(early):
        assert not runs.is_next_in_line(late)
        assert runs.is_next_in_line(early)
        runs.write_status(early, runs.RUNNING)
        assert runs.is_next_in_line(late)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc to look at a process")
def test_a_run_does_not_inherit_the_sleepy_threads_of_the_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With sleeping threads a step of a small network takes more than twice as long on two cores.
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    folder = runs.start(replace(SLOW, epochs=1000), tmp_path, name="awake", slots=1)
    wait_for(lambda: status(folder) == runs.RUNNING, "running")
    environment = Path(f"/proc/{pid_of(folder)}/environ").read_bytes().split(b"\0")
    runs.stop(folder)
    wait_for(lambda: status(folder) == runs.STOPPED, "stopped")
    assert not [entry for entry in environment if entry.startswith(b"OMP_WAIT_POLICY")]
    assert b"OMP_NUM_THREADS=1" in environment


def test_a_folder_called_training_where_the_program_was_started_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A student's own, beside the notebook: Python would take it for ours."""
    mine = tmp_path / "homework" / "training"
    mine.mkdir(parents=True)
    for name in ("__init__.py", "__main__.py"):
        (mine / name).write_text("raise SystemExit('this is my homework')\n")
    monkeypatch.chdir(mine.parent)
    trap = subprocess.run([sys.executable, "-m", "training", "--help"], capture_output=True, text=True)
    assert "this is my homework" in trap.stderr
    folder = runs.start(replace(TINY, epochs=1), tmp_path / "runs", name="ours", slots=1)
    wait_for(lambda: status(folder) not in (runs.WAITING, runs.RUNNING), "an end")
    assert status(folder) == runs.FINISHED, runs.read_log(folder)


def test_a_waiting_run_can_be_stopped_and_places_are_given_back(tmp_path: Path) -> None:
    folder = runs.create(TINY, tmp_path, "waiting")
    with take_slot(tmp_path, 1, lambda: True, lambda: None):
        runs.stop(folder)
        with pytest.raises(Stopped):
            work(folder, slots=1, on_epoch=print)
    assert status(folder) == runs.STOPPED
    assert not (folder / runs.STOP).exists()  # it is answered
    work(folder, slots=1, on_epoch=lambda result: None)
    assert status(folder) == runs.FINISHED


def in_a_terminal(folder: Path) -> subprocess.Popen[str]:
    """``python -m training --folder`` as somebody types it."""
    command = [sys.executable, "-m", "training", "--folder", str(folder)]
    return subprocess.Popen(
        command, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_a_wish_to_stop_is_for_the_process_that_it_was_meant_for(tmp_path: Path) -> None:
    folder = runs.create(replace(TINY, epochs=2), tmp_path, "mine")
    # Asked twice, or killed before it could answer: the wish outlives the process that it was for.
    runs.write_status(folder, runs.STOPPED)
    runs.stop(folder)
    time.sleep(0.1)
    process = in_a_terminal(folder)
    sentence, _ = process.communicate(timeout=120)
    assert process.returncode == 0, sentence
    assert status(folder) == runs.FINISHED
    assert not (folder / runs.STOP).exists()

    # While it starts, before it holds its folder: this one is heeded.
    late = runs.create(replace(SLOW, epochs=1000), tmp_path, "late")
    process = in_a_terminal(late)
    time.sleep(0.1)
    assert not is_owned(late)
    runs.stop(late)
    sentence, _ = process.communicate(timeout=120)
    assert process.returncode == 130, sentence
    assert (status(late), read_history(late)) == (runs.STOPPED, [])


def test_a_run_that_the_page_set_off_heeds_what_was_asked_before_its_process_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = runs.create(TINY, tmp_path)
    runs.write_status(folder, runs.WAITING, started_at=time.time() - 1)
    runs.stop(folder)
    monkeypatch.setattr(worker, "_process_start", lambda: time.time() + 1)
    with pytest.raises(Stopped):
        work(folder, slots=1, on_epoch=print)


def test_a_failure_is_on_record_with_its_reason(tmp_path: Path) -> None:
    folder = runs.create(replace(TINY, batch_size=500), tmp_path)
    with pytest.raises(ExplorerError):
        work(folder, on_epoch=print)
    run = runs.read_run(folder)
    assert run.status == runs.FAILED
    assert "batch_size 500 is larger than the 200 training images" in run.message


def test_the_corrected_command_may_have_the_name_of_one_that_trained_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (
        "--dataset shapes10 --epochs 1 --device cpu --threads 1 --max-train-images 200 --max-test-images 100"
    )
    typed = [*words.split(), "--name", "mine", "--runs-dir", str(tmp_path)]
    assert main([*typed, "--batch-size", "5000"]) == 1
    assert "batch_size 5000 is larger than the 200 training images" in capsys.readouterr().err
    assert main([*typed, "--batch-size", "50"]) == 0
    run = runs.read_run(tmp_path / "mine")
    assert (run.status, run.config.batch_size, run.epochs_done) == (runs.FINISHED, 50, 1)
    # What was trained, or put there by somebody, stays.
    assert main(typed) == 1
    assert "'mine' exists already" in capsys.readouterr().err
    assert main([*typed[:-3], "noted", *typed[-2:], "--batch-size", "5000"]) == 1
    (tmp_path / "noted" / "notes.txt").write_text("why it failed")
    with pytest.raises(ExplorerError, match="'noted' exists already"):
        runs.create(TINY, tmp_path, "noted")
    runs.create(TINY, tmp_path, "waiting")
    with pytest.raises(ExplorerError, match="'waiting' exists already"):
        runs.create(TINY, tmp_path, "waiting")


def test_the_status_can_be_told_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = runs.create(TINY, tmp_path)
    size = (folder / runs.STATUS).stat().st_size

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(runs, "write_whole", full)
    runs.write_status(folder, runs.FAILED, "no room left on the disk" * 100)
    assert runs.read_run(folder).status == runs.FAILED
    assert (folder / runs.STATUS).stat().st_size == size
    runs.write_progress(folder, Progress(1, 1, 1, 1, 0.0, 0.0, 0.0, 0.0, 0.0))


def test_a_run_of_which_a_file_is_open_stays_to_be_deleted_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, where nobody may remove what somebody reads."""
    folder = runs.create(TINY, tmp_path, "mine")
    runs.write_status(folder, runs.STOPPED)
    (folder / "notes").mkdir()
    (folder / "notes" / "mine.txt").touch()
    (folder / runs.LOG).write_text("said")
    remove = runs.remove_file

    def refuse(path: Path) -> None:
        if path.name == runs.LOG:
            raise PermissionError(13, "another program has it open", str(path))
        remove(path)

    with monkeypatch.context() as patch:
        patch.setattr(runs, "remove_file", refuse)
        with pytest.raises(ExplorerError, match=r"log.txt of run 'mine' can't be removed \(another program"):
            runs.delete(folder)
    assert [run.name for run in runs.list_runs(tmp_path)] == ["mine"]
    assert runs.read_run(folder).config == TINY
    runs.delete(folder)
    assert not folder.exists()


def test_strange_folders_and_names_are_told_apart_from_runs(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{")
    assert runs.list_runs(tmp_path) == []
    assert runs.list_runs(tmp_path / "nowhere") == []
    for number, content in enumerate((b'{"augmentation": null}', b'{"network": 3}', b"\xff\xfe", b"[]")):
        (tmp_path / f"damaged {number}").mkdir()
        (tmp_path / f"damaged {number}" / "config.json").write_bytes(content)
    good = runs.create(TINY, tmp_path, "good")
    (good / runs.STATUS).write_text('{"status": "waiting", "queued_at": null, "started_at": "soon"}')
    (good / HISTORY).write_text('{"epoch": 1}\n')
    (good / "epoch-best.safetensors").touch()
    [run] = runs.list_runs(tmp_path)
    assert (run.name, run.status, run.epochs_done) == ("good", runs.INTERRUPTED, 0)
    assert list_epochs(good) == []
    assert runs.is_next_in_line(good)
    with pytest.raises(ExplorerError, match="holds no run"):
        runs.read_run(tmp_path / "empty")
    for name in ("../up", "a/b", "", ".hidden", "x" * 101, "nul\0"):
        with pytest.raises(ExplorerError, match="plain name"):
            runs.create(TINY, tmp_path, name)


def test_the_command_line_is_the_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "--dataset shapes10 --augmentation flip crop --normalization 0.5 0.25 --epochs 1 --seed 7 --device cpu"
    words += f" --threads 1 --max-train-images 200 --max-test-images 100 --name mine --runs-dir {tmp_path}"
    assert main(words.split()) == 0
    config = TrainConfig(
        dataset="shapes10", augmentation=("flip", "crop"), normalization=(0.5, 0.25), epochs=1, seed=7, device="cpu",
        threads=1, max_train_images=200, max_test_images=100,
    )  # fmt: skip
    run = runs.read_run(tmp_path / "mine")
    assert (run.config, run.status, run.epochs_done) == (config, runs.FINISHED, 1)
    assert "epoch   1" in capsys.readouterr().out
    assert main(["--list", "--runs-dir", str(tmp_path)]) == 0
    assert "finished" in capsys.readouterr().out
    assert main(["--folder", str(tmp_path / "mine"), "--seed", "8"]) == 1
    assert "changes the recipe" in capsys.readouterr().err
    assert main(["--dataset", "shapes11", "--runs-dir", str(tmp_path)]) == 1
    assert "did you mean 'shapes10'" in capsys.readouterr().err
    assert main(["--normalization", "half", "--runs-dir", str(tmp_path)]) == 1
    assert len(runs.list_runs(tmp_path)) == 1


def test_the_librarys_train_and_a_run_are_the_same(tmp_path: Path) -> None:
    folder = runs.create(TINY, tmp_path / "runs")
    work(folder, on_epoch=lambda result: None)
    list(train(TINY, tmp_path / "library"))
    assert_same_bits(read_weights(folder, 3), read_weights(tmp_path / "library", 3))


def test_until_its_first_step_a_run_says_that_it_is_being_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first training on a computer compiles for some seconds; without a word they would look like a fault."""
    folder = runs.create(TINY, tmp_path)
    sentence = []

    def attended(*given: Any, on_progress: Callable[[Progress], None], **more: Any) -> Iterator[EpochResult]:
        sentence.append(runs.read_run(folder).message)

        def report(progress: Progress) -> None:
            on_progress(progress)
            sentence.append(runs.read_run(folder).message)

        return train(*given, on_progress=report, **more)

    monkeypatch.setattr(worker, "train", attended)
    work(folder, on_epoch=lambda result: None)
    assert sentence[0] == "preparing the first step"
    assert sentence[1:]
    assert not any(sentence[1:])
