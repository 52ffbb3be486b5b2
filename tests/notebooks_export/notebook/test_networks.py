"""Networks that steps name go along: training runs, wherever they are kept, and files of one's own."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from explorer.errors import ExplorerError
from explorer.session.steps import Session, Step, content_hash, read_session, save_session
from notebooks_export import (
    __main__ as command,
)
from notebooks_export import build_notebook, build_submission, notebook_files, perform, step_data
from notebooks_export.kinds.registry import NAMES
from notebooks_export.notebook.networks import network_code
from tests.notebooks_export.fresh_kernel import pixels
from tests.notebooks_export.samples import own_network, own_picture, performed
from tests.training.samples import TINY, tiny_data
from training import epochs_of, load_trained, train, trained_runs
from training.runs.folders import create

SECRET = "where-my-images-lie"
NAME = "mine, lr=0.1+flip"
LOOK = {"model": f"{NAME}@1", "image": "sample:Cheetah"}
SESSION = Session(
    "My own run",
    (
        Step("network.prediction", {**LOOK, "top": 3}, title="What it says"),
        Step("activation.map", {**LOOK, "layer": "conv1", "method": "mean"}, title="A map"),
    ),
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs elsewhere, with one that was trained for an epoch."""
    root = tmp_path_factory.mktemp("elsewhere") / "runs"
    config = replace(TINY, epochs=1, dataset="folder", data_dir=f"/home/ada/{SECRET}/insects")
    list(train(config, create(config, root, NAME), data=tiny_data()))
    return root


@pytest.fixture(scope="module")
def done(runs: Path) -> Session:
    return perform(SESSION, runs=runs)


def test_a_run_kept_elsewhere_is_found_there_and_nowhere_else(runs: Path, done: Session) -> None:
    labels = load_trained(runs / NAME).labels
    assert any(label in done.steps[0].text for label in labels)
    assert step_data(done, 1, runs=runs)["map.npy"].startswith(b"\x93NUMPY")
    assert build_notebook(done, runs=runs).cells
    for action in (build_notebook, perform, notebook_files):
        with pytest.raises(
            ExplorerError, match="is gone from the training runs in runs; put the run's folder"
        ):
            action(SESSION)


def test_the_notebook_runs_with_nothing_but_what_lies_beside_it(
    runs: Path, done: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in notebook_files(done, runs=runs).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    assert next(iter(trained_runs())) == NAME
    assert epochs_of(trained_runs()[NAME]) == [1]
    # As an exported notebook does it: from the folder that it lies in.
    again = perform(done, anew=True)
    for before, after in zip(done.steps, again.steps, strict=True):
        assert before.text == after.text
        assert not before.picture or np.array_equal(pixels(before.picture), pixels(after.picture))
    scope: dict[str, object] = {}
    exec(build_notebook(done).cells[1].source, scope)
    assert scope["trained"].labels == load_trained(runs / NAME).labels


def test_the_folder_of_the_images_stays_here(runs: Path, done: Session) -> None:
    assert SECRET in (runs / NAME / "config.json").read_text()
    made = build_submission(done, surname="Ada", matriculation_number="1234567", runs=runs)
    assert made == build_submission(done, surname="Ada", matriculation_number="1234567", runs=runs)
    with zipfile.ZipFile(io.BytesIO(made.content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert {f"Ada-1234567/runs/{NAME}/{name}" for name in ("config.json", "epoch-0001.safetensors")} < set(
        files
    )
    assert not [name for name, content in files.items() if SECRET.encode() in content]
    listed = json.loads(files[f"Ada-1234567/runs/{NAME}/config.json"])
    assert listed["data_dir"] == "insects"


def test_the_command_finds_runs_where_it_is_told(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "s.zip"
    saved.write_bytes(save_session(SESSION))
    out = tmp_path / "out"
    assert command.main([str(saved), "--out", str(out)]) == 2
    assert "is gone" in capsys.readouterr().err
    assert command.main([str(saved), "--out", str(out), "--runs", str(tmp_path / "none")]) == 2
    assert "is not a folder" in capsys.readouterr().err
    assert not out.exists()
    assert command.main([str(saved), "--out", str(out), "--runs", str(runs)]) == 0
    assert (out / "runs" / NAME / "epoch-0001.safetensors").exists()
    # Whoever has only what was handed in makes it all again from that.
    saved = out / "session.zip"
    assert command.main([str(saved), "--out", str(tmp_path / "2"), "--runs", str(out / "runs")]) == 0
    assert (tmp_path / "2" / "report.pdf").read_bytes() == (out / "report.pdf").read_bytes()


def test_a_run_that_was_deleted_meanwhile(runs: Path, done: Session, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path / "runs")
    assert build_notebook(done, runs=tmp_path / "runs").cells
    shutil.rmtree(tmp_path / "runs" / NAME)
    with pytest.raises(ExplorerError) as caught:
        build_notebook(done, runs=tmp_path / "runs")
    assert f"'{NAME}@1' of step 2" in caught.value.value
    assert "is gone" in caught.value.rule
    assert "put the run's folder back, or remove the step" in caught.value.remedy
    assert read_session(save_session(done), NAMES) == done


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, None], ids=["empty", "garbage", "cut short"])
def test_damaged_weights_are_not_handed_in(
    runs: Path, done: Session, tmp_path: Path, content: bytes | None
) -> None:
    shutil.copytree(runs, tmp_path / "runs")
    weights = tmp_path / "runs" / NAME / "epoch-0001.safetensors"
    weights.write_bytes(weights.read_bytes()[:-40] if content is None else content)
    with pytest.raises(ExplorerError, match="choose another epoch or train again"):
        build_submission(done, surname="Ada", matriculation_number="1815", runs=tmp_path / "runs")


def test_shipped_runs_need_nothing_beside() -> None:
    step = Step("network.modules", {"model": "lenet-cifar10-plain@10"})
    assert notebook_files(Session(steps=(step,))) == {}


def test_a_network_of_ones_own_lies_beside_the_notebook_with_its_names() -> None:
    files = notebook_files(performed())
    [weights] = [name for name in files if name.endswith(".safetensors")]
    assert files[weights.replace(".safetensors", ".txt")].decode().splitlines() == list(own_network().labels)
    setup = next(cell for cell in build_notebook(performed()).cells if cell.cell_type == "code").source
    assert f"explorer.load_model(\n    'squeezenet1_1',\n    '{weights}'," in setup
    made = build_submission(performed(), surname="Ada", matriculation_number="1234567").content
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert content_hash(archive.read(f"Ada-1234567/{weights}"))[:16] in weights


def test_a_network_that_is_gone_or_is_none() -> None:
    for content in (b"", own_picture(), b"\x80\x04cos\nsystem\n"):
        reference = f"squeezenet1_1:{content_hash(content)}"
        step = Step("network.prediction", {"model": reference, "image": "sample:Cheetah"})
        with pytest.raises(ExplorerError, match="is not in the session any more"):
            build_notebook(Session(steps=(step,)))
        for action in (build_notebook, perform, notebook_files):
            with pytest.raises(ExplorerError, match="is not a safetensors file"):
                action(Session(steps=(step,), files={content_hash(content): content}))


@pytest.mark.parametrize(
    "model",
    [
        "squeezenet1_1:",
        "squeezenet1_1:abc",
        "squeezenet1_1:../../etc/passwd",
        f"no_network:{'0' * 64}",
        f":{'0' * 64}",
        f"squeezenet1_1:{'0' * 64}@1",
        f"squeezenet1_1:{'0' * 63}\n",
        f"{NAME}@",
        f"{NAME}@-1",
        f"{NAME}@¹",
        f"../{NAME}@1",
        ".hidden@1",
        "a/b@1",
        "a\\b@1",
        "a'b@1",
    ],
)
def test_references_that_are_none(model: str, runs: Path) -> None:
    step = Step("network.prediction", {"model": model, "image": "sample:Cheetah"})
    with pytest.raises(ExplorerError, match="is neither in the catalogue nor"):
        build_notebook(Session(steps=(step,)), runs=runs)


def test_code_of_each_kind() -> None:
    assert network_code("resnet18") == "explorer.load_model('resnet18')"
    assert network_code("a b@12") == "training.load_trained(training.trained_runs()['a b'], epoch=12)"
    assert "'networks/0123456789abcdef.safetensors'" in network_code(f"alexnet:{'0123456789abcdef' * 4}")
