"""What the training lab's Keep buttons record, carried out again; runs that are done aren't trained anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import explorer
from explorer.activations.captions import number
from explorer.errors import ExplorerError
from explorer.session.steps import Session, Step, read_session, save_session
from explorer.workbench import Workbench
from notebooks_export import build_notebook, notebook_files, open_session, perform
from notebooks_export.kinds.parameters import MAX_EPOCHS, MAX_RUNS
from notebooks_export.kinds.registry import NAMES
from tests.notebooks_export.fresh_kernel import assert_shows_the_same, pixels
from tests.notebooks_export.samples import own_picture
from training import TrainConfig, load_dataset, load_trained, shipped_runs
from training.data.load import Dataset
from training.data.opened import Choice, DatasetCache
from training.report.comparison import group_runs
from training.report.inside import Scene, snapshots
from training.report.paper.inside import film_figure
from training.report.predictions import Predictions, predict_images, predict_test_images
from training.report.words import MOST_EPOCHS as MOST_RECORDED
from training.report.words import compare_histories, describe_film, recorded_history, recorded_rows
from training.results import EpochResult
from training.runs import folders as runs
from training.runs.catalogue import TrainedModels, facts_of, name_of
from training.runs.folders import Run
from training.runs.worker import work
from training.tabs import keeping

CONFIG = TrainConfig(
    dataset="shapes10", epochs=2, max_train_images=400, max_test_images=100, threads=1, device="cpu"
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three small runs: two seeds of one recipe, and one augmented."""
    folder = tmp_path_factory.mktemp("runs")
    configs = {
        "one": CONFIG,
        "two": replace(CONFIG, seed=1),
        "flipped": replace(CONFIG, augmentation=("flip",)),
    }
    for name, config in configs.items():
        work(runs.create(config, folder, name), on_epoch=lambda result: None)
    return folder


@pytest.fixture(scope="module")
def run(root: Path) -> Run:
    return runs.read_run(root / "one")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_dataset(CONFIG)


@pytest.fixture(scope="module")
def found(run: Run, data: Dataset) -> Predictions:
    return predict_test_images(run.folder, 2, data)


@pytest.fixture(scope="module")
def bench(root: Path) -> Workbench:
    return Workbench(offline=True, source=TrainedModels(root))


@pytest.fixture
def scene() -> Scene:
    return Scene(str(explorer.sample_images()["Tower"]), 3, "The explorer's picture")


def check(kept: tuple[Step, list[bytes]], root: Path | str = "runs") -> Step:
    """The step, after its notebook's code has given the same words and pixels."""
    step, files = kept
    session = Session().add(step, files)
    session = read_session(save_session(session), NAMES)
    build_notebook(session, runs=root)
    [again] = perform(session, anew=True, runs=root).steps
    assert again.text == step.text
    assert bool(again.picture) == bool(step.picture)
    if step.picture:
        assert np.array_equal(pixels(again.picture), pixels(step.picture))
    return step


def test_the_gallery_with_the_examples_on_screen() -> None:
    opened = DatasetCache(offline=True).open(Choice("shapes10"))
    first, other = (check(keeping.keep_gallery(opened, seed)) for seed in (0, 3))
    assert first.picture != other.picture
    assert other.arguments == {"config": {"dataset": "shapes10"}, "per_class": 10, "seed": 3}


def test_networks_by_name_and_layer_by_layer() -> None:
    # 6·(3·25 + 1) + 16·(6·25 + 1) + 120·401 + 84·121 + 10·85.
    assert "62,006 trainable parameters" in check(keeping.keep_network("lenet", 10, 32)).text
    own = "conv 8 3\nrelu\nglobalpool\nflatten\nlinear,"
    step = check(keeping.keep_network(own, 7, 32))
    assert f"{8 * (3 * 9 + 1) + 7 * 9} trainable parameters" in step.text
    long = ",\n".join(["conv 8 3 padding=1"] * 40 + ["flatten", "linear"])
    step = check(keeping.keep_network(long, 7, 32))
    [cell] = [c for c in build_notebook(Session(steps=(step,))).cells if c.id == "step-1-code"]
    assert max(map(len, cell.source.splitlines())) <= 96
    largest = keeping.keep_network("efficientnet_v2_l", 10, 64)[0]
    assert len(largest.text) > 90_000
    assert open_session(save_session(Session().add(largest))).steps[0].text == largest.text


def test_augmentation_as_it_was_drawn() -> None:
    opened = DatasetCache(offline=True).open(Choice("shapes10"))
    step = check(keeping.keep_pairs(opened, ["flip", "crop"], 4))
    assert step.arguments["seed"] == 4
    assert pixels(step.picture).shape == (2 * 98 - 2, 6 * 98 - 2, 3)  # 6 pairs, thrice enlarged, 2 px apart
    with pytest.raises(ExplorerError, match="every image stays as it is"):
        keeping.keep_pairs(opened, [], 0)


def test_curves_of_a_run_are_recorded_not_trained_anew(run: Run) -> None:
    step = check(keeping.keep_curves(run))
    for result in runs.history(run.folder):
        line = f"epoch {result.epoch}: train {result.train_accuracy:.1%}, test {result.test_accuracy:.1%}"
        assert line in step.text
    [rows] = step.arguments["recorded"].values()
    assert rows[-1][:3] == [
        2,
        *(runs.history(run.folder)[-1].__dict__[k] for k in ("train_accuracy", "test_accuracy")),
    ]
    # The shipped runs' 50,000 images aren't even here.
    shipped = [check(keeping.keep_curves(runs.read_run(folder))) for folder in shipped_runs()]
    assert any("epoch 10: train 65.0%, test 60.8%" in step.text for step in shipped)


def test_each_class_as_it_was_recorded(run: Run, data: Dataset) -> None:
    for epoch, result in enumerate(runs.history(run.folder), start=1):
        step = check(keeping.keep_classes(run, epoch))
        assert step.text.startswith(f"Test accuracy by class after epoch {epoch}\n")
        for label, share in zip(data.labels, result.class_accuracy, strict=True):
            assert f"{label}: {share:.1%}" in step.text.splitlines()
    # Counted by somebody else: the last epoch's network on the test images.
    answers = predict_test_images(run.folder, 2, data)
    counts = answers.confusion
    assert [line.split(": ")[1] for line in step.text.splitlines()[1:]] == [
        f"{right / of:.1%}" for right, of in zip(counts.diagonal(), counts.sum(1), strict=True)
    ]
    with pytest.raises(ExplorerError, match="epoch 3 of the run 'one' has no results yet"):
        keeping.keep_classes(run, 3)
    shipped = check(keeping.keep_classes(runs.read_run(shipped_runs()[0]), 1))
    assert "cat: 24.9%" in shipped.text


def test_of_many_classes_the_hardest_are_kept(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = tuple(f"class\x07 {n}" for n in range(30))
    accuracy = (float("nan"), *(n / 30 for n in range(29, 0, -1)))
    result = replace(runs.history(run.folder)[0], class_accuracy=accuracy)
    facts = facts_of(run)
    assert facts
    monkeypatch.setattr(runs, "history", lambda folder: [result])
    monkeypatch.setattr(keeping, "facts_of", lambda run: replace(facts, labels=labels))
    step = check(keeping.keep_classes(run, 1))
    first, *rows = step.text.splitlines()
    assert first.endswith("(the 20 hardest of 30)")
    assert rows == [f"class\ufffd {30 - n}: {n / 30:.1%}" for n in range(1, 21)]


def test_classes_are_measured_again_only_when_asked(run: Run) -> None:
    step, _ = keeping.keep_classes(run, 1)
    notebook = build_notebook(Session(steps=(step,)))
    setup, cell = (c.source for c in notebook.cells if c.cell_type == "code")
    names: dict[str, Any] = {}
    body = cell.replace("train_again = False", "train_again = True").replace("Image.open(file)", "")
    exec(f"{setup}\n{body}", names)
    # One thread, one seed: the same run.
    assert [(label, round(share, 6)) for label, share in names["recorded"]] == [
        tuple(pair) for pair in step.arguments["recorded"]
    ]


def test_classes_of_pictures_that_stayed_behind_say_what_training_again_needs() -> None:
    recorded = {"epoch": 1, "recorded": [["cat", 0.5]], "classes": 1}
    for config, sentence in (
        ({"dataset": "folder", "data_dir": "own:"}, True),
        ({"dataset": "shapes10"}, False),
    ):
        step = Step("run.classes", {"config": config, **recorded})
        [cell] = [c for c in build_notebook(Session(steps=(step,))).cells if c.id == "step-1-code"]
        assert ("put the folder of the pictures" in cell.source) == sentence


def test_training_again_is_a_word_away(run: Run) -> None:
    step, _ = keeping.keep_curves(run)
    notebook = build_notebook(Session(steps=(step,)))
    setup, cell = (c.source for c in notebook.cells if c.cell_type == "code")
    assert "train_again = False  # True trains anew" in cell
    names: dict[str, Any] = {}
    body = cell.replace("train_again = False", "train_again = True").replace("Image.open(file)", "")
    exec(f"{setup}\n{body}", names)
    [again] = names["histories"].values()
    assert [r.epoch for r in again] == [1, 2]
    # One thread, one seed: the same run, bit for bit.
    assert [r.test_accuracy for r in again] == [r.test_accuracy for r in runs.history(run.folder)]


def test_long_runs_are_thinned_out(run: Run) -> None:
    result = runs.history(run.folder)[0]
    history = [replace(result, epoch=epoch) for epoch in range(1, 1001)]
    rows = recorded_rows(history, 1000)
    assert len(rows) == MOST_RECORDED == MAX_EPOCHS
    assert (rows[0][0], rows[-1][0]) == (1, 1000)
    assert keeping.MOST_RUNS == MAX_RUNS


def test_losses_that_exploded_leave_a_gap() -> None:
    result = EpochResult(1, 0.5, 0.25, float("nan"), float("inf"), 1.0, 1.0, 0.1, ())
    rows = recorded_rows([result])
    assert rows == [[1, 0.5, 0.25, None, None]]
    [again] = recorded_history(rows)
    assert (again.train_accuracy, again.test_accuracy) == (0.5, 0.25)
    assert np.isnan(again.train_loss)


@pytest.mark.parametrize("quantity", ["accuracy", "loss", "gap"])
def test_runs_compared(root: Path, quantity: str) -> None:
    groups = group_runs([runs.read_run(root / name) for name in ("one", "two", "flipped")])
    step = check(keeping.keep_comparison(groups, quantity))
    assert step.arguments["shown"] == quantity
    assert set(step.arguments["test_images"].values()) == {100}
    assert len(step.arguments["configs"]) == 3
    assert "(2 seeds)" in step.text
    assert "Augmentation" in step.text


def test_the_table_of_a_comparison_has_mean_and_spread() -> None:
    def history(test: float) -> list[EpochResult]:
        return recorded_history([[1, 0.5, 0.9, 1.0, 1.0], [2, 0.75, test, 0.5, 1.0]])

    configs = {"a, seed 0": CONFIG, "a, seed 1": replace(CONFIG, seed=1), "b": replace(CONFIG, epochs=3)}
    listed = compare_histories(
        configs, {"a, seed 0": history(0.5), "a, seed 1": history(0.7), "b": history(0.25)}, {}
    )
    a, b = (" ".join(line.split()) for line in listed.splitlines()[1:])
    # Mean 0.6 and deviation sqrt(2·0.1²/1) = 0.1414 of the test accuracy; the gap is 0.75 − that.
    assert a == "a (2 seeds) 2 75.0 ± 0.0 % 60.0 ± 14.1 % 15.0 ± 14.1 points 90.0 ± 0.0 %"
    assert b == "b 2 75.0 % 25.0 % 50.0 points 90.0 %"


def test_a_loaded_network_answers_as_the_run_does(run: Run, data: Dataset, found: Predictions) -> None:
    model = load_trained(run.folder, 2)
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    again = predict_images(model, data)
    assert np.array_equal(again.probabilities, found.probabilities)
    assert all(
        np.array_equal(before[name], value) and value.stride() == before[name].stride()
        for name, value in model.module.state_dict().items()
    )
    with pytest.raises(ExplorerError, match="has other classes"):
        predict_images(load_trained(shipped_runs()[0]), data)


def test_the_confusion_matrix_and_the_mistakes(
    run: Run, data: Dataset, found: Predictions, root: Path
) -> None:
    step = check(keeping.keep_confusion(run, 2, None, found, data), root)
    right = int((found.probabilities.argmax(1) == found.classes).sum())
    assert f"{right} of 100 test images are right" in step.text
    step = check(keeping.keep_mistakes(run, 2, None, found, data, None), root)
    wrong = np.flatnonzero(found.probabilities.argmax(1) != found.classes)
    surest = wrong[found.probabilities[wrong].max(1).argmax()]
    assert step.text.startswith(f"test image {surest}: {found.labels[found.classes[surest]]} ")
    assert len(step.text.splitlines()) == keeping.MOST_MISTAKES
    cell = np.unravel_index(found.confusion.argmax(), found.confusion.shape)
    step = check(keeping.keep_mistakes(run, 2, None, found, data, (int(cell[0]), int(cell[1]))), root)
    assert len(step.text.splitlines()) == min(found.confusion.max(), keeping.MOST_MISTAKES)
    empty = np.argwhere(found.confusion == 0)[0]
    with pytest.raises(ExplorerError, match="no images"):
        keeping.keep_mistakes(run, 2, None, found, data, (int(empty[0]), int(empty[1])))


def test_one_epoch_looked_into(bench: Workbench, run: Run, root: Path, scene: Scene) -> None:
    for epoch in (0, 2):
        layer = check(keeping.keep_first_layer(bench, run, epoch, scene), root)
        assert "conv1, all 6 channels. Above, its 5×5 kernels" in layer.text
        saliency = check(keeping.keep_saliency(bench, run, epoch, scene), root)
        assert saliency.arguments["model"] == name_of(run, epoch)
        assert saliency.arguments["target"] == scene.target
    assert saliency.title.endswith("after epoch 2")


def test_the_strip_of_epochs(bench: Workbench, run: Run, root: Path, scene: Scene) -> None:
    step = check(keeping.keep_film(bench, run, scene, (0, 1, 2)), root)
    assert list(step.arguments["models"]) == ["one@0", "one@1", "one@2"]
    reached = {r.epoch: r.test_accuracy for r in runs.history(run.folder)}
    image = explorer.read_image(scene.image_path)
    for epoch, line in enumerate(step.text.splitlines()[:3]):
        model = load_trained(run.folder, epoch)
        answers = explorer.predict(model, image, top=10)
        [target] = [answer for answer in answers if answer.index == scene.target]
        says, probability, test = line.split("; ")
        assert says == f"epoch {epoch}: says {answers[0].label} {answers[0].probability:.0%}"
        assert probability == f"{target.label} {target.probability:.1%}"
        assert test == ("test –" if epoch == 0 else f"test {reached[epoch]:.1%}")
    last = step.text.splitlines()[3]
    largest = max(
        float(load_trained(run.folder, n).module.state_dict()["conv1.weight"].abs().max()) for n in range(3)
    )
    assert f"kernels to ±{number(largest)}," in last
    # What is on screen: another look at a moment later gives the epochs that were shown.
    fewer = check(keeping.keep_film(bench, run, scene, (0, 2)), root)
    assert [line.split(":")[0] for line in fewer.text.splitlines()[:2]] == ["epoch 0", "epoch 2"]
    assert pixels(fewer.picture).shape[1] < pixels(step.picture).shape[1]


def test_a_strip_without_kernels_of_three_colours(bench: Workbench, run: Run, scene: Scene) -> None:
    found = snapshots(bench, run, scene)
    with_kernels, without = film_figure(found), film_figure([replace(m, kernels=None) for m in found])
    assert (len(with_kernels.axes), len(without.axes)) == (3 * 3, 2 * 3)
    sentence = describe_film([replace(m, kernels=None) for m in found])
    assert "kernels" not in sentence
    assert f"maps to ±{number(max(float(np.abs(m.maps.values).max()) for m in found))}, saliency" in sentence


def test_a_strip_on_a_picture_of_ones_own(bench: Workbench, run: Run, root: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.png"
    path.write_bytes(own_picture())
    step = check(keeping.keep_film(bench, run, Scene(str(path), 0, "The explorer's picture"), (1, 2)), root)
    assert step.title == "The explorer's picture, over 2 epochs of one"


def test_the_strip_names_what_is_gone(bench: Workbench, run: Run, root: Path, scene: Scene) -> None:
    step, files = keeping.keep_film(bench, run, scene, (0, 2))
    session = Session().add(step, files)
    assert {name for name in notebook_files(session, runs=root) if name.startswith("runs/")} == {
        "runs/one/config.json",
        "runs/one/epoch-0000.safetensors",
        "runs/one/epoch-0002.safetensors",
    }
    models = {**step.arguments["models"], "one@7": 0.5}
    with pytest.raises(ExplorerError, match="'one@7' of step 1"):
        build_notebook(
            Session(steps=(replace(step, arguments={**step.arguments, "models": models}),)), runs=root
        )


def test_in_a_fresh_kernel_from_the_files_beside_the_notebook(
    bench: Workbench,
    run: Run,
    data: Dataset,
    found: Predictions,
    scene: Scene,
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = Session()
    for step, files in (
        keeping.keep_confusion(run, 2, None, found, data),
        keeping.keep_mistakes(run, 2, None, found, data, None),
        keeping.keep_curves(run),
        keeping.keep_classes(run, 2),
        keeping.keep_film(bench, run, scene, (0, 1, 2)),
    ):
        session = session.add(step, files)
    notebook = build_notebook(session, runs=root)
    assert_shows_the_same(notebook, notebook_files(session, runs=root), tmp_path, monkeypatch)


def test_a_run_without_an_epoch_has_no_curves(tmp_path: Path) -> None:
    folder = runs.create(CONFIG, tmp_path, "new")
    with pytest.raises(ExplorerError, match="no finished epoch"):
        keeping.keep_curves(runs.read_run(folder))
