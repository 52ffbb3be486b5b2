"""A run survives what machines do: a kill, a half-written epoch, a full disk."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from explorer.errors import ExplorerError
from tests.training.samples import KITCHEN_SINK, TINY, assert_same_bits, mounted_disk, read_weights, tiny_data
from training import load_trained, train
from training.loop import checkpoint
from training.loop.checkpoint import list_epochs, read_history, weights_path

ROOT = Path(__file__).parents[3]


def in_a_process(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``code`` with our imports at hand."""
    head = "import sys\nfrom tests.training.samples import *\n"
    head += "from training import train\n"
    command = [sys.executable, "-c", head + code, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


KILL = """
import os, signal
def kill(progress):
    if progress.epoch == 2 and progress.step > 3:
        os.kill(os.getpid(), signal.SIGKILL)
list(train(KITCHEN_SINK, sys.argv[1], data=tiny_data(600), on_progress=kill))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_in_the_middle_of_an_epoch_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    config, data = KITCHEN_SINK, tiny_data(600)
    killed = in_a_process(KILL, str(tmp_path / "killed"))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert list_epochs(tmp_path / "killed") == [0, 1]
    rest = list(train(config, tmp_path / "killed", resume=True, data=data))
    assert [result.epoch for result in rest] == list(range(2, config.epochs + 1))
    whole = list(train(config, tmp_path / "whole", data=data))
    assert_same_bits(
        read_weights(tmp_path / "killed", config.epochs), read_weights(tmp_path / "whole", config.epochs)
    )
    history = read_history(tmp_path / "killed")
    assert [r.epoch for r in history] == [r.epoch for r in whole]
    assert [(r.train_accuracy, r.test_loss) for r in history] == [
        (r.train_accuracy, r.test_loss) for r in whole
    ]


def test_an_epoch_counts_only_once_weights_and_optimizer_are_there(tmp_path: Path) -> None:
    """A kill between the two files, and one between them and the history."""
    list(train(replace(TINY, epochs=1), tmp_path / "a", data=tiny_data()))
    list(train(TINY, tmp_path / "b", data=tiny_data()))
    weights_path(tmp_path / "a", 2).write_bytes(weights_path(tmp_path / "b", 2).read_bytes())
    history = tmp_path / "a" / checkpoint.HISTORY
    history.write_text('{"epoch": 1, "train_acc')
    assert read_history(tmp_path / "a") == []
    rest = list(train(TINY, tmp_path / "a", resume=True, data=tiny_data()))
    assert [r.epoch for r in rest] == [2, 3]
    assert [r.epoch for r in read_history(tmp_path / "a")] == [1, 2, 3]
    assert [r.epoch for r in read_history(tmp_path / "a", after=2)] == [3]
    assert_same_bits(read_weights(tmp_path / "a", 3), read_weights(tmp_path / "b", 3))


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process may grow beyond ``size`` bytes."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_no_room_while_saving_keeps_the_last_good_epoch_and_says_so(tmp_path: Path) -> None:
    """Weights of 250 KB fit under the limit, the optimiser's 500 KB after epoch 1 do not."""
    with (
        largest_file(400_000),
        pytest.raises(
            ExplorerError, match=r"epoch 1 .*no room left on the disk; epoch 0 is safely there: free some"
        ),
    ):
        list(train(TINY, tmp_path / "run", data=tiny_data()))
    assert not list((tmp_path / "run").glob(".*.part"))
    list(train(TINY, tmp_path / "run", resume=True, data=tiny_data()))
    list(train(TINY, tmp_path / "whole", data=tiny_data()))
    assert_same_bits(read_weights(tmp_path / "run", 3), read_weights(tmp_path / "whole", 3))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted_disk(tmp_path / "disk") as folder:
        yield folder


def test_a_full_disk_keeps_the_last_good_epoch_and_says_so(small_disk: Path, tmp_path: Path) -> None:
    """Epochs of 250 KB and an optimiser of 500 KB, old and new: the third epoch finds no room."""
    with pytest.raises(ExplorerError, match=r"epoch 2 .*no room left.*epoch 1 is safely there"):
        list(train(TINY, small_disk / "run", data=tiny_data()))
    weights_path(small_disk / "run", 0).unlink()
    assert checkpoint.last_complete_epoch(small_disk / "run") == 1
    list(train(TINY, tmp_path / "whole", data=tiny_data()))
    assert_same_bits(read_weights(small_disk / "run", 1), read_weights(tmp_path / "whole", 1))


def test_a_folder_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    epochs = train(TINY, tmp_path, data=tiny_data())
    next(epochs)
    monkeypatch.setattr("explorer.whole_file.os.replace", refuse)
    with pytest.raises(ExplorerError, match=r"epoch 2 .*Read-only file system.*epoch 1 is safely there"):
        next(epochs)


def test_an_epoch_whose_result_alone_was_not_noted_is_said_to_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    epochs = train(TINY, tmp_path / "run", data=tiny_data())
    next(epochs)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "_append", full)
        with pytest.raises(ExplorerError) as caught:
            next(epochs)
    words = (
        f"the result of epoch 2 in {tmp_path / 'run'} could not be saved: there is no room left on the disk; "
    )
    assert str(caught.value) == f"{words}epoch 2 is safely there: free some space and resume"
    rest = list(train(TINY, tmp_path / "run", resume=True, data=tiny_data()))
    assert [result.epoch for result in rest] == [3]
    assert [result.epoch for result in read_history(tmp_path / "run")] == [1, 2, 3]
    monkeypatch.setattr(checkpoint, "write_whole", full)
    with pytest.raises(ExplorerError, match=r"the recipe and the history in .* epoch 3 is safely there"):
        list(train(replace(TINY, epochs=4), tmp_path / "run", resume=True, data=tiny_data()))


@pytest.mark.parametrize(
    "line",
    [
        '{"epoch": 1}',
        "{}",
        "[]",
        "null",
        "{1",
        '{"epoch": 1, "class_accuracy": 3}',
        '{"epoch": 1, "unknown": 2, "class_accuracy": []}',
        "\xff\xfe",
    ],
)
def test_a_damaged_line_of_the_history_is_passed_over(tmp_path: Path, line: str) -> None:
    list(train(replace(TINY, epochs=2), tmp_path, data=tiny_data()))
    path = tmp_path / checkpoint.HISTORY
    first, second = path.read_text().splitlines()
    path.write_bytes(f"{first}\n{line}\n{second}\n".encode("latin-1"))
    assert [result.epoch for result in read_history(tmp_path)] == [1, 2]
    words = first.replace('"epoch": 1', '"epoch": "1"')
    wrong = first.replace('"test_loss": ', '"test_loss": null, "was": ')
    path.write_text(f"{words}\n{wrong}\n{second}\n")
    assert [result.epoch for result in read_history(tmp_path)] == [2]


def test_files_beside_the_checkpoints_are_no_epochs(tmp_path: Path) -> None:
    list(train(replace(TINY, epochs=1), tmp_path, data=tiny_data()))
    for name in ("best", "0001 (copy)", "-001", "1", ""):
        (tmp_path / f"epoch-{name}.safetensors").write_bytes(b"mine")
    weights_path(tmp_path, 12345).touch()
    assert list_epochs(tmp_path) == [0, 1, 12345]


def test_a_folder_with_a_run_is_neither_overwritten_nor_continued_with_another_recipe(tmp_path: Path) -> None:
    list(train(replace(TINY, epochs=1), tmp_path, data=tiny_data()))
    with pytest.raises(ExplorerError, match="already holds a run; resume it or choose another folder"):
        next(train(TINY, tmp_path, data=tiny_data()))
    with pytest.raises(ExplorerError, match=r"learning_rate \(was 0.001, is 0.01\) changed"):
        next(train(replace(TINY, learning_rate=0.01), tmp_path, resume=True, data=tiny_data()))
    with pytest.raises(ExplorerError, match="data set 'shapes10' changed"):
        next(train(TINY, tmp_path, resume=True, data=tiny_data(150)))


def test_a_checkpoint_is_a_plain_state_dict_that_tells_how_it_was_made(tmp_path: Path) -> None:
    config = replace(TINY, epochs=1, normalization=(0.5, 0.25))
    (result,) = train(config, tmp_path, data=tiny_data())
    model = load_trained(tmp_path)
    assert_same_bits(load_file(weights_path(tmp_path, 1)), model.module.state_dict())
    assert model.labels[0] == "circle"
    assert model.preprocess.mean == (0.5, 0.5, 0.5)
    saved = checkpoint.load_checkpoint(tmp_path, 1)
    assert (saved.config, saved.result) == (config, result)
    with safe_open(weights_path(tmp_path, 1), framework="pt") as file:
        assert "lenet" in file.metadata()["config"]


def test_the_explorers_view_of_a_trained_network_is_the_trainers(tmp_path: Path) -> None:
    """Accuracy through LoadedModel.preprocess, image by image, is the accuracy in the history."""
    config = replace(TINY, epochs=2, learning_rate=3e-3, normalization=(0.4, 0.2))
    results = list(train(config, tmp_path, data=tiny_data()))
    data = tiny_data()
    for result in results:
        model = load_trained(tmp_path, result.epoch)
        with torch.no_grad():
            hits = [
                int(model.module(model.preprocess(image)).argmax()) == label
                for image, label in zip(data.test_images, data.test_classes, strict=True)
            ]
        assert sum(hits) / len(hits) == pytest.approx(result.test_accuracy, abs=0.011)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="sees open files in /proc")
def test_no_file_of_a_run_stays_open_while_its_network_is_looked_at(tmp_path: Path) -> None:
    """Windows would let nobody delete the run, nor the optimiser's file be dropped after the next epoch."""
    list(train(replace(TINY, epochs=1), tmp_path, data=tiny_data()))
    held = [
        load_trained(tmp_path, 1),
        checkpoint.load_checkpoint(tmp_path, 1),
        checkpoint.load_optimizer(tmp_path, 1),
    ]
    opened = {os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}
    mapped = Path("/proc/self/maps").read_text()
    assert len(held) == 3
    for path in tmp_path.iterdir():
        assert str(path) not in opened
        assert path.name not in mapped


def test_a_resumed_run_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    list(train(replace(TINY, epochs=1), tmp_path, data=tiny_data()))
    (tmp_path / ".0123456789abcdef.part").write_bytes(b"half an epoch")
    list(train(replace(TINY, epochs=2), tmp_path, resume=True, data=tiny_data()))
    assert not list(tmp_path.glob(".*.part"))


def test_missing_and_damaged_epochs_are_explained(tmp_path: Path) -> None:
    with pytest.raises(ExplorerError, match="holds no checkpoint"):
        load_trained(tmp_path)
    list(train(replace(TINY, epochs=1), tmp_path, data=tiny_data()))
    with pytest.raises(ExplorerError, match=r"epoch 7 is not in .*epochs there: 0, 1"):
        load_trained(tmp_path, 7)
    whole = weights_path(tmp_path, 1).read_bytes()
    for broken in (whole[:1000], b"", b"not safetensors at all", whole[:8] + b"x" + whole[9:]):
        weights_path(tmp_path, 1).write_bytes(broken)
        with pytest.raises(ExplorerError, match="damaged"):
            load_trained(tmp_path, 1)
