"""Runs, data and mistakes on paper: figures that hold their numbers."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from explorer.activations.capture import Activation
from explorer.errors import ExplorerError
from explorer.images.geometry import Placement
from training.config import TrainConfig
from training.data.load import Dataset
from training.report.explain import compare_seeds
from training.report.paper.data import gallery_figure
from training.report.paper.inside import first_layer_figure
from training.report.paper.mistakes import confusion_figure, mistakes_figure
from training.report.paper.runs import accuracy_figure, classes_figure, runs_figure
from training.report.predictions import Mistake
from training.report.words import compare_histories, describe_first_layer, recorded_history

CONFIG = TrainConfig()


def history(*tests: float):
    return recorded_history([[epoch, 0.9, test, 0.2, 0.4] for epoch, test in enumerate(tests, start=1)])


def test_curves_of_one_run() -> None:
    accuracy, loss = runs_figure({"a": CONFIG}, {"a": history(0.5, 0.75)}).axes
    train, test = accuracy.lines
    assert list(train.get_ydata()) == [90, 90]
    assert list(test.get_ydata()) == [50, 75]
    assert (train.get_linestyle(), test.get_linestyle()) == ("--", "-")
    assert [text.get_text() for text in accuracy.get_legend().get_texts()] == ["train", "test"]
    assert [list(line.get_ydata()) for line in loss.lines] == [[0.2, 0.2], [0.4, 0.4]]


def test_seeds_are_judged_together_on_paper_as_on_screen() -> None:
    """The same run twice, and another number of threads, set nothing apart."""
    plain = {f"plain, seed {n}": replace(CONFIG, seed=n, threads=n + 1) for n in (0, 1)}
    augmented = {f"flip, seed {n}": replace(CONFIG, seed=n, augmentation=("flip",)) for n in (0, 1)}
    configs = plain | {"plain again": replace(CONFIG, threads=3)} | augmented
    histories = {title: history(0.5, 0.4 + 0.1 * configs[title].seed) for title in configs}
    sentence = [
        compare_histories(
            configs, {title: histories[title] for title in titles}, dict.fromkeys(configs, 1000)
        )
        for titles in (configs, [*reversed(list(plain)), *list(configs)[2:]])
    ]
    for text in sentence:
        assert "plain (2 seeds)" in text
        assert text.count("means over 2 seeds") == 1
        assert compare_seeds(*[[histories[t] for t in runs] for runs in (plain, augmented)], 1000) in text


def test_seeds_make_one_curve_with_a_band() -> None:
    configs = {"a, seed 0": CONFIG, "a, seed 1": replace(CONFIG, seed=1), "b": replace(CONFIG, epochs=3)}
    histories = {"a, seed 0": history(0.4, 0.5), "a, seed 1": history(0.6, 0.7), "b": history(0.1)}
    [axes] = runs_figure(configs, histories, ("accuracy",)).axes
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["a (2 seeds), train", "a (2 seeds), test", "b, train", "b, test"]
    assert axes.lines[1].get_ydata() == pytest.approx([50, 60])
    [band] = axes.collections
    # Two values 20 points apart deviate by 20/√2.
    assert band.get_paths()[0].get_extents().ymin == pytest.approx(50 - 20 / 2**0.5)
    [axes] = runs_figure(configs, histories, ("gap",)).axes
    assert axes.lines[0].get_ydata() == pytest.approx([40, 30])


def test_a_row_of_images_for_each_label() -> None:
    images = {"a": np.zeros((3, 8, 8, 3), np.uint8), "b": np.full((3, 8, 8, 3), 9, np.uint8)}
    figure = gallery_figure(images)
    assert [axes.get_ylabel() for axes in figure.axes] == ["a", "b"]
    assert figure.axes[1].images[0].get_array().min() == 9


def test_mistakes_with_their_names() -> None:
    shown = np.arange(7 * 64 * 3, dtype=np.uint8).reshape(7, 8, 8, 3)
    classes = np.zeros(7, np.int64)
    data = Dataset("made", ("cat", "dog"), shown, classes, shown, classes, "print")
    mistakes = [Mistake(index, 0, 1, 0.75, 0.125) for index in range(7)]
    figure = mistakes_figure(mistakes, data.labels, data)
    drawn = [axes for axes in figure.axes if axes.images]
    assert len(drawn) == 7
    assert np.array_equal(drawn[6].images[0].get_array(), shown[6])
    assert (drawn[6].get_title(), drawn[6].get_xlabel()) == ("cat 12.5%", "dog 75.0%")
    with pytest.raises(ExplorerError, match="no images"):
        mistakes_figure([], data.labels, data)


@pytest.mark.parametrize("colours", [3, 1])
def test_the_first_layers_kernels_above_their_maps(colours: int) -> None:
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.Conv2d(colours, 4, 3))
    with torch.no_grad():
        network[0].weight.copy_(torch.randn(network[0].weight.shape, generator=generator))
    values = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
    whole = Placement((1.0, 1.0), (0.0, 0.0), (0, 0, 5, 6))
    activation = Activation(layer="0", kind="Conv2d", values=values, placement=whole)
    drawn = [axes.images[0].get_array() for axes in first_layer_figure(network, activation).axes]
    maps = drawn[-4:]
    assert np.array_equal(np.stack(maps), values)
    assert len(drawn) == (8 if colours == 3 else 4)
    words = describe_first_layer(network, activation)
    assert ("3×3 kernels over red, green and blue" in words) == (colours == 3)
    assert "5×6 maps" in words


def test_dollars_in_names_are_no_formula() -> None:
    name = r"5$ or \notacommand$"
    images = np.zeros((1, 8, 8, 3), np.uint8)
    data = Dataset(name, (name, "b"), images, np.zeros(1, np.int64), images, np.zeros(1, np.int64), "print")
    found = {name: history(0.5)}
    for figure in (
        gallery_figure({name: images}),
        mistakes_figure([Mistake(0, 0, 1, 0.75, 0.125)], data.labels, data),
        confusion_figure(np.eye(2, dtype=np.int64), data.labels),
        accuracy_figure(found),
        runs_figure({name: CONFIG}, found),
        runs_figure({name: CONFIG}, found, ("gap",)),
        classes_figure(1, [(name, 0.5), ("b", 0.25)], 2),
    ):
        figure.savefig(io.BytesIO())
