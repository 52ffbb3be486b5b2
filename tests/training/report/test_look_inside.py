"""Trained runs in the explorer: named, listed, loaded at any epoch, compared, tested, looked into."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from explorer.activations.captions import number
from explorer.errors import ExplorerError
from explorer.workbench import Workbench
from tests.training.samples import TINY, read_weights, tiny_data
from training import shipped_runs, train
from training.data.opened import Choice, DatasetCache, Opened, is_here, keep_upload
from training.report.comparison import group_runs
from training.report.inside import Scene, kernel_pixels, snapshot, snapshots, spread_out
from training.report.mistakes import cell_images, confusions
from training.report.page.comparison import comparison_chart, comparison_table
from training.report.page.inside import film, first_layer, saliency_figure
from training.report.page.mistakes import draw_confusion, mistake_cards
from training.report.page.runs import class_bars, duration, run_charts, run_head
from training.report.predictions import Predictions, predict_test_images
from training.report.words import comparison_words
from training.results import Progress
from training.runs import folders as runs
from training.runs.catalogue import TrainedModels, facts_of, name_of
from training.tabs.lab import Lab

NAMES = {
    "first": TINY,
    "second": replace(TINY, seed=1),
    "augmented": replace(TINY, augmentation=("flip", "crop")),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three finished runs of three epochs: two seeds of one recipe, and an augmented one."""
    folder = tmp_path_factory.mktemp("runs")
    for name, config in NAMES.items():
        for _ in train(config, folder / name, data=tiny_data()):
            pass
        runs.write_status(folder / name, runs.FINISHED)
    return folder


@pytest.fixture(scope="module")
def models(root: Path) -> TrainedModels:
    return TrainedModels(root)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """The first test image of class 3, as a file."""
    data = tiny_data()
    index = int(np.flatnonzero(data.test_classes == 3)[0])
    path = tmp_path_factory.mktemp("pictures") / "star.png"
    Image.fromarray(data.test_images[index]).save(path)
    return Scene(str(path), 3, f"Test image {index}, star")


def test_every_run_is_listed_with_its_last_epoch_or_the_one_chosen(models: TrainedModels) -> None:
    listed = [name for _, name in models.choices()]
    shipped = [f"{folder.name}@10" for folder in shipped_runs()]
    assert sorted(listed) == sorted([f"{name}@3" for name in NAMES] + shipped)
    assert "second@1" in [name for _, name in models.choices("second@1")]
    words = {name: text for text, name in models.choices()}["augmented@3"]
    accuracy = runs.history(models.run("augmented").folder)[-1].test_accuracy
    assert f"epoch 3, {accuracy:.1%} test" in words
    assert "flip + crop" in words


def test_any_epoch_is_loaded_with_its_own_weights(models: TrainedModels, root: Path) -> None:
    assert models.versions("first@2") == {n: f"first@{n}" for n in range(4)}
    bench = Workbench(source=models)
    for epoch, name in models.versions("first@0").items():
        weights = read_weights(root / "first", epoch)
        for key, value in bench.model(name).module.state_dict().items():
            assert torch.equal(value, weights[key])
    assert bench.model("first@2") is bench.model("first@2")


@pytest.mark.parametrize(
    "name", ["first@9", "nobody@1", "resnet18", "../first@1", "first", "@1", ".@1", "first@x", ""]
)
def test_what_is_no_run_of_ours_is_left_to_others(models: TrainedModels, name: str) -> None:
    assert models.versions(name) == {}
    assert models.identity(name) is None


def test_weights_written_anew_are_loaded_anew(models: TrainedModels, root: Path) -> None:
    for _ in train(replace(TINY, epochs=1), root / "again", data=tiny_data()):
        pass
    bench = Workbench(source=models)
    before = bench.model("again@1")
    path = root / "again" / "epoch-0001.safetensors"
    path.write_bytes((root / "second" / "epoch-0001.safetensors").read_bytes())
    assert bench.model("again@1") is not before
    assert torch.equal(
        bench.model("again@1").module.state_dict()["conv1.weight"],
        read_weights(root / "second", 1)["conv1.weight"],
    )
    runs.delete(root / "again")


def test_facts_and_missing_runs(models: TrainedModels) -> None:
    facts = facts_of(models.run("first"))
    assert facts is not None
    assert (facts.train_images, facts.test_images, len(facts.labels)) == (200, 100, 10)
    with pytest.raises(ExplorerError, match="is not among the runs"):
        models.run("../first")


def test_seeds_of_one_recipe_are_a_group_with_mean_and_spread(models: TrainedModels, root: Path) -> None:
    groups = group_runs([models.run(name) for name in NAMES])
    assert sorted(len(group.members) for group in groups) == [1, 2]
    pair = next(group for group in groups if len(group.members) == 2)
    values = [runs.history(root / name)[-1].test_accuracy for name in ("first", "second")]
    mean, deviation = sum(values) / 2, abs(values[0] - values[1]) / 2**0.5
    assert pair.mean(lambda history: history[-1].test_accuracy) == pytest.approx((mean, deviation))
    table = comparison_table(groups)
    assert f"{100 * mean:.1f} ± {100 * deviation:.1f} %" in table
    for quantity in ("accuracy", "loss", "gap"):
        figure = ElementTree.fromstring(comparison_chart(groups, quantity))
        assert len(list(figure.iter("polyline"))) == (2 if quantity == "gap" else 4)
    assert len(list(ElementTree.fromstring(comparison_chart(groups, "accuracy")).iter("polygon"))) == 1


def test_plain_and_augmented_are_recognised_as_a_pair(models: TrainedModels) -> None:
    sentence = comparison_words(group_runs([models.run("augmented"), models.run("first")]))
    assert len(sentence) == 3
    assert sentence[-1].startswith("Augmentation")
    other = comparison_words(group_runs([models.run("first"), models.run("second")]))
    assert len(other) == 1
    with pytest.raises(ExplorerError, match="no finished epoch"):
        group_runs([])


def test_a_moment_is_what_torch_computes(models: TrainedModels, root: Path, scene: Scene) -> None:
    bench = Workbench(source=models)
    shown = snapshot(bench, models.run("first"), 2, scene)
    weights = read_weights(root / "first", 2)
    pixels = np.asarray(Image.open(scene.image_path)).astype(np.float32) / 255
    batch = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    maps = functional.conv2d(batch, weights["conv1.weight"], weights["conv1.bias"])[0]
    assert shown.maps.values == pytest.approx(maps.numpy(), abs=1e-5)
    assert np.array_equal(shown.kernels, weights["conv1.weight"].numpy())
    assert shown.test_accuracy == runs.history(root / "first")[1].test_accuracy
    assert sum(p.probability for p in shown.predictions) == pytest.approx(1)
    assert (shown.saliency.target, shown.saliency.label) == (3, "star")


def test_the_film_has_a_column_for_each_epoch(models: TrainedModels, scene: Scene) -> None:
    heard: list[float] = []
    found = snapshots(Workbench(source=models), models.run("augmented"), scene, heard.append)
    assert [m.epoch for m in found] == [0, 1, 2, 3]
    assert heard == sorted(heard)
    shown = film(found, scene)
    assert all(f"<b>epoch {m.epoch}</b>" in shown for m in found)
    assert shown.count("<img") == 3 * len(found)
    assert f"{found[-1].saliency.probability:.1%}" in shown
    assert "before training" in first_layer(found[0], 1.0)
    assert first_layer(found[1], 1.0).count("<img") == 2 * 6
    assert f"the logit is {number(found[1].saliency.logit)}" in saliency_figure(
        found[1], tiny_data().test_images[0]
    )


def test_kernels_are_grey_at_zero() -> None:
    kernels = np.array([[[[-1.0]], [[0.0]], [[1.0]]]])  # one kernel of 1×1: R −1, G 0, B 1
    assert kernel_pixels(kernels, 1.0)[0, 0, 0].tolist() == [0, 128, 255]
    assert kernel_pixels(kernels, 2.0)[0, 0, 0].tolist() == [64, 128, 191]


def test_epochs_are_chosen_evenly_with_both_ends() -> None:
    assert spread_out(range(101), 8)[0] == 0
    assert spread_out(range(101), 8)[-1] == 100
    assert len(spread_out(range(101), 8)) == 8
    assert spread_out([0, 1, 10], 8) == [0, 1, 10]


def made_up() -> Predictions:
    random = np.random.default_rng(5)
    given = random.random((60, 4)).astype(np.float32)
    return Predictions(
        ("ant", "bee", "cat", "dog"), random.integers(0, 4, 60), given / given.sum(1, keepdims=True)
    )


def test_confusions_and_cells_against_loops() -> None:
    found = made_up()
    counted: dict[tuple[int, int], int] = {}
    for true, row in zip(found.classes, found.probabilities, strict=True):
        taken = max(range(4), key=lambda i: row[i])
        counted[int(true), taken] = counted.get((int(true), taken), 0) + 1
    wrong = {pair: count for pair, count in counted.items() if pair[0] != pair[1]}
    listed = confusions(found)
    assert {pair: wrong[pair] for _, pair in listed} == wrong
    assert [wrong[pair] for _, pair in listed] == sorted(wrong.values(), reverse=True)
    for pair, count in counted.items():
        members = cell_images(found, *pair)
        assert len(members) == count
        assert all(found.classes[m.index] == pair[0] for m in members)
        assert [m.probability for m in members] == sorted((m.probability for m in members), reverse=True)


def test_the_matrix_shows_shares_of_each_row() -> None:
    found = made_up()
    drawing = ElementTree.fromstring(draw_confusion(found, (1, 2)))
    cells = [group for group in drawing.iter("g") if "data-row" in group.attrib]
    assert len(cells) == 16
    for row in range(4):
        shares = [
            float(cell.find("text").text)
            for cell in cells
            if cell.attrib["data-row"] == str(row) and cell.find("text") is not None
        ]
        assert sum(shares) == pytest.approx(100, abs=2.5)  # each rounded to a whole percent
    assert len([rect for rect in drawing.iter("rect") if rect.attrib.get("class") == "tr-marked"]) == 1


def test_mistakes_are_buttons_that_know_their_image(models: TrainedModels) -> None:
    data = tiny_data()
    found = predict_test_images(models.run("first").folder, 3, data)
    pair = confusions(found)[0][1]
    members = cell_images(found, *pair)
    cards = mistake_cards(members, found.labels, data)
    assert [int(index) for index in re.findall(r'data-index="(\d+)"', cards)] == [m.index for m in members]
    assert found.labels[pair[0]] in cards


def test_a_run_says_where_it_is(models: TrainedModels, root: Path) -> None:
    run = models.run("first")
    history = runs.history(run.folder)
    assert "Finished: 3 epochs" in run_head(run, history)
    waiting = replace(run, status=runs.WAITING)
    others = [replace(waiting, folder=root / "x"), replace(waiting, folder=root / "y")]
    running = replace(run, status=runs.RUNNING, progress=Progress(3, 3, 4, 9, 0.5, 1.0, 100.0, 0.001, 5.0))
    head = ElementTree.fromstring(run_head(running, history, [running, *others]))
    sentence = ["".join(part.itertext()) for part in head.iter("p")][1:]
    assert sentence[0].endswith("learning rate 0.001")
    assert sentence[1:] == ["Of the other runs, 2 wait."]
    stopped = replace(run, status=runs.STOPPED, epochs_done=1, message="on request")
    assert "Stopped after 1 of 3 epochs: on request." in run_head(stopped, history)
    charts = ElementTree.fromstring(run_charts([(run, history)]))
    assert [len(list(figure.iter("polyline"))) for figure in charts] == [2, 2]
    fresh = replace(others[0], epochs_done=0)
    assert run_charts([(fresh, []), (run, history)]).count("<li>") == 4  # nothing of the one that waits
    assert run_charts([(fresh, [])]).count("<li>") == 4
    bars = class_bars(history[-1], [f"class {i}" for i in range(10)])
    assert bars.count("<li>") == 10
    assert f"{history[-1].class_accuracy[4]:.0%}" in bars


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "under 1 s"), (45.4, "45 s"), (200, "3 min 20 s"), (7500, "2 h 05 min"), (59.7, "1 min 00 s")],
)
def test_durations_read_like_speech(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_run_is_tested_on_other_images_of_the_same_classes_only(
    models: TrainedModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNN_EXPLORER_CACHE", str(tmp_path))
    data = tiny_data()
    opened = Opened(Choice("folder", str(tmp_path)), data, (0.5,) * 3, (0.2,) * 3)
    away = replace(TINY, dataset="cifar10")
    datasets = DatasetCache()
    assert datasets.images_of(away, data.labels, opened) is data
    with pytest.raises(ExplorerError, match="aren't on this computer"):
        datasets.images_of(away, ("cat", "dog"), opened)
    with pytest.raises(ExplorerError, match="aren't on this computer"):
        datasets.images_of(away, data.labels)
    assert not is_here(Choice("cifar10"))
    with pytest.raises(ExplorerError, match="offline mode"):
        DatasetCache(offline=True).open(Choice("cifar10"))


def test_predictions_are_asked_once(models: TrainedModels) -> None:
    lab = Lab(Workbench(source=models), models, DatasetCache(), "cpu", typed_paths=False)
    run, data = models.run("first"), tiny_data()
    assert lab.predictions(run, 3, data) is lab.predictions(run, 3, data)
    assert lab.predictions(run, 2, data) is not lab.predictions(run, 3, data)
    with pytest.raises(ExplorerError, match="larger than the"):
        lab.check(replace(TINY, batch_size=201), Choice("shapes10"))


def test_uploads_are_kept_once_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNN_EXPLORER_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "my pets (1).zip"
    file.write_bytes(b"some content")
    kept = keep_upload(file)
    file.unlink()
    assert kept.read_bytes() == b"some content"
    assert kept.name == "my-pets-1-.zip"
    file.write_bytes(b"some content")
    assert keep_upload(file) == kept
    file.write_bytes(b"other content")
    assert keep_upload(file) != kept


def test_names_of_networks_round_trip(models: TrainedModels) -> None:
    run = models.run("second")
    assert set(models.versions(name_of(run, 1)).values()) == {name_of(run, epoch) for epoch in range(4)}
