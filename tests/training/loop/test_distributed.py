"""Two gloo processes train what one trains."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from hypothesis import given
from hypothesis import strategies as st

from tests.training.samples import TINY, read_weights, zip_of_pictures
from training import distributed, load_dataset, train
from training.__main__ import main
from training.runs import folders as runs

ROOT = Path(__file__).parents[3]


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data and metrics of the test's own, in its processes too."""
    monkeypatch.setenv("CNN_EXPLORER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))


LAUNCHER = [
    sys.executable,
    "-m",
    "torch.distributed.run",
    "--standalone",
    "--nproc-per-node",
    "2",
    "--no-python",
]


def by_two_processes(*command: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Two processes of ``command`` by ``torchrun`` in ``folder``, to their end."""
    return subprocess.run(
        [*LAUNCHER, sys.executable, *command],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@given(start=st.integers(0, 1000), count=st.integers(0, 100), world=st.integers(1, 9))
def test_the_slices_of_all_processes_make_up_the_batch(start: int, count: int, world: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distributed, "world_size", lambda: world)
        covered: list[int] = []
        for rank in range(world):
            patch.setattr(distributed, "rank", lambda rank=rank: rank)
            part = distributed.my_slice(start, start + count)
            assert part.stop - part.start in (count // world, -(-count // world))
            covered += range(part.start, part.stop)
    assert covered == list(range(start, start + count))


@pytest.mark.skipif(not dist.is_gloo_available(), reason="this torch has no gloo")
def test_two_processes_equal_one_within_float_tolerance(tmp_path: Path, caches: None) -> None:
    # 203 images: batches of 15 are cut unevenly, and the last one has 8. Plain SGD, for Adam would
    # blow up the last digits of gradients near zero.
    config = replace(
        TINY, max_train_images=203, batch_size=15, optimizer="sgd", learning_rate=0.05, mixup=0.3,
        augmentation=("flip", "crop"), normalization=(0.5, 0.25), epochs=2,
    )  # fmt: skip
    load_dataset(config)
    folder = runs.create(config, tmp_path, "two")
    done = by_two_processes("-m", "training", "--folder", str(folder))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("epoch ") == 2  # the first process alone speaks

    results = list(train(config, tmp_path / "one"))
    one, two = read_weights(tmp_path / "one", 2), read_weights(folder, 2)
    moved = {name: (one[name] - weight).abs().max() for name, weight in read_weights(folder, 0).items()}
    for name in one:
        torch.testing.assert_close(two[name], one[name], atol=float(moved[name]) * 1e-3, rtol=0)
    for ours, theirs in zip(runs.history(folder), results, strict=True):
        assert ours.train_loss == pytest.approx(theirs.train_loss, rel=1e-4)
        assert ours.test_loss == pytest.approx(theirs.test_loss, rel=1e-4)
        assert ours.train_accuracy == pytest.approx(theirs.train_accuracy, abs=0.011)
    assert runs.read_run(folder).status == runs.FINISHED


@pytest.mark.slow
@pytest.mark.skipif(not dist.is_gloo_available(), reason="this torch has no gloo")
def test_a_mistake_is_told_once_and_ends_all_processes(tmp_path: Path) -> None:
    done = by_two_processes(
        *("-m", "training", "--dataset", "shapes10", "--epochs", "0", "--runs-dir", str(tmp_path))
    )
    assert done.returncode != 0
    assert done.stderr.count("error: epochs 0 is not a whole number from 1") == 1
    # torchrun's own report names its processes; none of ours died of another's silence.
    assert "gloo" not in done.stderr.lower()
    assert "training/" not in done.stderr


def test_before_the_processes_are_joined_the_first_one_tells_what_all_of_them_find(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    missing = "mps" if torch.cuda.is_available() else "cuda"
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        assert main(["--device", missing, "--runs-dir", str(tmp_path)]) == 1
        listed = capsys.readouterr().err
        assert (
            listed.startswith(f"error: device '{missing}' is not on this machine")
            if rank == "0"
            else not listed
        )


@pytest.mark.slow
@pytest.mark.skipif(not dist.is_gloo_available(), reason="this torch has no gloo")
def test_what_only_the_second_process_finds_it_tells_itself(tmp_path: Path, caches: None) -> None:
    """Another machine may lack the pictures; here the second process looks for them elsewhere."""
    pictures = zip_of_pictures(tmp_path / "pets.zip", ("cat", "dog"), 32, 32)
    other = tmp_path / "other machine"
    other.mkdir()
    by_rank = f"import os, runpy; os.environ['RANK'] == '1' and os.chdir({str(other)!r}); "
    program = by_rank + "runpy.run_module('training', run_name='__main__', alter_sys=True)"
    options = ["--dataset", "folder", "--data-dir", pictures.name, "--runs-dir", str(tmp_path / "runs")]
    done = by_two_processes("-c", program, *options, "--batch-size", "4", folder=tmp_path)
    assert done.returncode != 0
    assert "error: " in done.stderr
    assert "pets.zip" in done.stderr
