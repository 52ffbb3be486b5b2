"""What the training lab's screens say: in the words of their fields, and when something fails that nobody foresaw."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from markupsafe import Markup

from explorer.errors import ExplorerError
from tests.training.samples import TINY, tiny_data
from training import TrainConfig, build_network
from training.data.examples import augmentation_pairs
from training.data.load import _refuse_broken, _write_split
from training.data.opened import Choice, Opened
from training.loop.setup import check_sizes
from training.tabs.data_step import _Opening
from training.tabs.entries import read_seeds
from training.tabs.keeping import keep_pairs
from training.tabs.lab import with_progress
from training.tabs.labels import LABELS, in_labels
from training.tabs.recipe_form import RecipeForm


@pytest.mark.parametrize(
    ("knob", "value", "sentence"),
    [
        ("batch_size", None, "Batch size (empty) is not a whole number"),
        ("epochs", 2.5, "Epochs 2.5 is not a whole number"),
        ("learning_rate", None, "Learning rate (empty) is not a number"),
        ("max_train_images", -5, "Training images -5 is not a whole number"),
        ("momentum", 2, "Momentum (sgd) 2 is not a number"),
        ("image_size", 3, "Resized to 3 is not a whole number"),
    ],
)
def test_messages_name_the_field_that_was_filled(knob: str, value: Any, sentence: str) -> None:
    with pytest.raises(ExplorerError) as caught:
        replace(TINY, **{knob: value})
    error = in_labels(caught.value)
    assert str(error).startswith(sentence)
    assert str(error).endswith("or 0 for all") == (knob == "max_train_images")


def test_messages_about_no_field_stay_and_know_of_the_page() -> None:
    error = ExplorerError("seed 'one'", "is not a whole number", "write, for example, 0")
    assert str(in_labels(error)) == str(error)
    with pytest.raises(ExplorerError) as caught:
        build_network("vgg11", 10, 16)
    assert "image_size" not in str(in_labels(caught.value))
    with pytest.raises(ExplorerError) as caught:
        build_network("lennet", 10)
    assert "did you mean 'lenet'" in str(in_labels(caught.value))
    assert "list_networks" not in str(in_labels(caught.value))


@pytest.mark.parametrize(
    "refuse",
    [
        *(
            lambda knob=knob: replace(TINY, **{knob: -1})
            for knob in LABELS
            if knob in TrainConfig.__dataclass_fields__
        ),
        lambda: check_sizes(replace(TINY, batch_size=201), tiny_data()),
        lambda: check_sizes(replace(TINY, image_size=64), tiny_data()),
        lambda: build_network("vgg11", 10, 16),
        lambda: build_network("lennet", 10),
        lambda: build_network("conv 8 99, flatten, linear", 10),
        lambda: read_seeds("one"),
        lambda: _write_split(Path(), "train", iter(()), np.zeros(10**8, np.int64), [], 512),
        lambda: list(_refuse_broken(iter([None]), ["a.png"])),
    ],
)
def test_the_page_never_says_a_knobs_name_in_python(refuse: Callable[[], Any]) -> None:
    with pytest.raises(ExplorerError) as caught:
        refuse()
    assert caught.value.parameter
    assert not re.findall(r"[a-z]+_[a-z]+", str(in_labels(caught.value)))


def test_every_field_of_the_form_has_a_label() -> None:
    assert set(RecipeForm.__dataclass_fields__) <= set(LABELS)


def drained(steps: Iterator[Any]) -> list[Any]:
    """What a handler told the page before it failed."""
    listed: list[Any] = []
    with pytest.raises(gr.Error) as caught:
        listed.extend(steps)  # what came before the error stays in the list
    assert "This failed unexpectedly (KeyError: 'a<b')" in Markup(caught.value.message).unescape()
    assert "<" not in caught.value.message
    assert caught.value.print_exception  # into the log
    assert isinstance(caught.value.__cause__, KeyError)
    return listed


def failing(*args: Any) -> Any:
    report = args[-1]
    report(0.0, "Opening the images")
    raise KeyError("a<b")


def test_what_nobody_foresaw_takes_the_progress_away_and_is_said() -> None:
    listed = drained(with_progress(lambda report: failing(lambda *listed: report(listed)), 2))
    assert "Opening the images" in listed[0][-1]
    assert listed[-1][-1] == ""
    data = SimpleNamespace(working=gr.HTML(), chosen=gr.State(None))
    opening = _Opening(SimpleNamespace(datasets=SimpleNamespace(open=failing, reopen=failing)), data)
    updates = drained(opening.show(Choice("shapes10"), None))
    assert updates[-1] == {data.working: ""}


def test_kept_pairs_are_cut_out_as_training_cuts() -> None:
    opened = Opened(Choice("shapes10"), tiny_data(), (0.4, 0.5, 0.6), (0.2, 0.2, 0.2))
    kept, _ = keep_pairs(opened, ["cutout"], 3, (0.5, 0.5))
    assert kept.arguments["config"]["normalization"] == [0.5, 0.5]
    wanted = TrainConfig(dataset="shapes10", augmentation=("cutout",), normalization=(0.5, 0.5))
    _, changed = augmentation_pairs(opened.data, wanted, 6, 3)[0]
    assert (changed == 128).all(-1).sum() >= 8 * 8  # a grey square, at least a quarter of it within the image
