"""The trained networks that come with the program: whole, small, and as good as their history says."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

import explorer
from tests.training.samples import TINY, tiny_data
from training import count_parameters, epochs_of, load_trained, shipped_runs, train, trained_runs
from training.runs import folders as runs

ARCHIVE = Path(__file__).parents[3].parent / "shared" / "data" / "cifar10-jpeg.tar.xz"
CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
# The sheet's settings after ten epochs, as measured independently: train, test.
EXPECTED = {"lenet-cifar10-plain": (0.656, 0.607), "lenet-cifar10-augmented": (0.581, 0.616)}
FOLDERS = {folder.name: folder for folder in shipped_runs()}


def test_both_of_the_sheets_runs_are_shipped_and_small() -> None:
    assert set(FOLDERS) == set(EXPECTED)
    size = sum(path.stat().st_size for folder in FOLDERS.values() for path in folder.iterdir())
    assert size < 1_200_000


@pytest.mark.parametrize("name", EXPECTED)
def test_it_is_the_sheets_network_with_its_recipe_and_history(name: str) -> None:
    folder = FOLDERS[name]
    run = runs.read_run(folder)
    assert (run.status, run.epochs_done) == (runs.FINISHED, 10)
    assert (run.config.dataset, run.config.data_dir) == ("cifar10", None)
    assert (run.config.batch_size, run.config.learning_rate, run.config.optimizer) == (16, 0.001, "adam")
    last = runs.history(folder)[-1]
    assert (last.train_accuracy, last.test_accuracy) == pytest.approx(EXPECTED[name], abs=0.015)
    card = (folder / "card.md").read_text()
    assert f"{last.train_accuracy:.1%}".replace("%", " %") in card
    assert f"{last.test_accuracy:.1%}".replace("%", " %") in card
    for epoch in epochs_of(folder):
        model = load_trained(folder, epoch)
        assert count_parameters(model.module) in (0, 62_006)  # the explorer freezes what it looks at
        assert sum(p.numel() for p in model.module.parameters()) == 62_006
        assert model.labels == CIFAR


def test_own_runs_come_before_the_shipped_ones_once_they_have_a_checkpoint(tmp_path: Path) -> None:
    assert list(trained_runs(tmp_path)) == sorted(EXPECTED)
    runs.create(TINY, tmp_path, "only waiting")
    next(train(TINY, runs.create(TINY, tmp_path, "begun"), data=tiny_data()))
    assert list(trained_runs(tmp_path)) == ["begun", *sorted(EXPECTED)]
    assert epochs_of(trained_runs(tmp_path)["begun"]) == [0, 1]


def test_the_explorer_looks_inside_it() -> None:
    model = load_trained(FOLDERS["lenet-cifar10-augmented"])
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    seen = explorer.capture_activations(model, image, layers=["conv1", "conv2"])
    assert [seen[name].values.shape for name in ("conv1", "conv2")] == [(6, 28, 28), (16, 10, 10)]
    predictions = explorer.predict(model, image, top=10)
    assert {p.label for p in predictions} == set(CIFAR)
    assert sum(p.probability for p in predictions) == pytest.approx(1, abs=1e-5)


@pytest.mark.skipif(not ARCHIVE.exists(), reason="the CIFAR-10 images are not here")
def test_it_is_as_good_on_real_images_as_its_history_says() -> None:
    images, classes = [], []
    taken = dict.fromkeys(CIFAR, 0)
    with tarfile.open(ARCHIVE, "r|xz") as archive:
        for member in archive:
            *_, split, label, _ = ("", "", *Path(member.name).parts)
            if split == "test" and member.isfile() and taken[label] < 100:
                taken[label] += 1
                content = archive.extractfile(member)
                assert content is not None
                images.append(explorer.read_image(content.read()))
                classes.append(CIFAR.index(label))
                if len(images) == 1000:
                    break
    assert len(images) == 1000
    for folder in FOLDERS.values():
        model = load_trained(folder)
        with torch.no_grad():
            batch = torch.cat([model.preprocess(image) for image in images])
            accuracy = float((model.module(batch).argmax(1) == torch.tensor(classes)).float().mean())
        wanted = runs.history(folder)[-1].test_accuracy
        # Three standard errors of 1000 images.
        assert accuracy == pytest.approx(wanted, abs=3 * (wanted * (1 - wanted) / 1000) ** 0.5)
