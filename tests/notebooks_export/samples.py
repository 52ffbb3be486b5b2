"""What the tests of the export share: sessions with real results."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import explorer
from explorer.networks.load import LoadedModel
from explorer.session.network_file import network_file
from explorer.session.steps import Session, Step, content_hash
from notebooks_export import perform

TINY: dict[str, Any] = {
    "dataset": "shapes10",
    "epochs": 1,
    "max_train_images": 64,
    "max_test_images": 32,
    "threads": 1,
    "device": "cpu",
}
NEEDS_A_RUN = {"run.predictions"}
"""Kinds for which no network comes with the program: tested with a run of their own."""


def as_png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def own_picture() -> bytes:
    y, x = np.mgrid[:90, :140]
    return as_png(np.stack([x, 2 * y, (x + y) % 64], axis=-1).astype(np.uint8))


@cache
def own_network() -> LoadedModel:
    """A network as after training on three classes of one's own."""
    return explorer.load_model("squeezenet1_1", weights=None, labels=("ant", "bee", "Kätzchen"), seed=5)


def every_kind() -> Session:
    """A session with at least one step of every kind, without results."""
    own, weights = own_picture(), network_file(own_network())
    selection = {"model": "efficientnet_lite0", "image": "sample:Cheetah"}
    mine = {"model": "efficientnet_lite0", "image": content_hash(own), "framing": "stretch"}
    uploaded = {"model": f"squeezenet1_1:{content_hash(weights)}", "image": content_hash(own)}
    steps = (
        Step("text", title="What is asked", text="Describe it.", comment='It is\n\n- a "test"'),
        Step("network.modules", {"model": "lenet-cifar10-plain@10"}, title="Architecture"),
        Step("network.prediction", selection, title="Prediction"),
        Step("activation.map", {**selection, "layer": "blocks.2"}, title="Activations"),
        Step(
            "activation.map",
            {**mine, "layer": "blocks.4", "method": "mean", "shown": "map", "colormap": "magma"},
            title="The map alone",
        ),
        Step(
            "activation.map",
            {**mine, "layer": "conv_stem", "method": "channel", "channel": 3, "limits": [[-1, 1]]},
            title="One channel",
        ),
        Step(
            "activation.map",
            {**mine, "layer": "blocks.2", "basis_image": "sample:Cheetah", "method": "component"},
            title="Colours of another picture",
        ),
        Step(
            "activation.map",
            {**mine, "layer": "blocks.2", "basis_image": mine["image"], "basis_framing": "crop"},
            title="Colours of another framing",
        ),
        Step("activation.channels", {**selection, "layer": "blocks.3"}, title="Channels"),
        Step("activation.values", {**mine, "layer": "classifier"}, title="Values"),
        Step(
            "activation.layers",
            {**mine, "layers": ["conv_stem", "blocks.0", "blocks.3"], "one_scale": True},
            title="Side by side",
        ),
        Step("network.layers", {"model": "efficientnet_lite0"}, title="All layers"),
        Step("saliency.map", {**mine, "target": 1, "method": "gradient"}, title="Saliency"),
        Step("saliency.classes", {**selection, "targets": [293, 291], "layer": "blocks.5"}, title="Two"),
        Step("network.prediction", {**uploaded, "top": 3}, title="A network of one's own"),
        Step("saliency.map", {**uploaded, "target": 2}, title="What it looks at"),
        Step("receptive_field.layer", {"model": "efficientnet_lite0", "layer": "blocks.1"}),
        Step(
            "receptive_field.stack",
            {"layers": [["conv", 4, 2, 0, 1], ["max_pool", 2, 2, 0, 1]]},
        ),
        Step(
            "convolution.output",
            {
                "x": [[1, 0, 0.5], [0, 1, 0]],
                "kernel": [[1, 0], [0, 1]],
                "bias": -1,
                "windows": 2,
                "stride": [1, 1],
            },
        ),
        Step("convolution.reading", {"kernels": [[[1, 0], [0, 1]]], "bias": -1}),
        Step("convolution.size", {"size": 6, "kernel": 2, "stride": 2}),
        Step("data.gallery", {"config": TINY, "per_class": 2}),
        Step("network.untrained", {}),
        Step("run.history", {"configs": {"plain": TINY, "again": {**TINY, "seed": 1}}}, title="Trained"),
        Step(
            "data.augmentation",
            {"config": {**TINY, "augmentation": ["flip", "crop"]}, "count": 3},
        ),
        *_lab_steps(selection, mine),
    )
    return Session("Every kind of step", steps, {content_hash(own): own, content_hash(weights): weights})


def _lab_steps(selection: dict[str, str], mine: dict[str, str]) -> tuple[Step, ...]:
    """One of each kind that the labs alone keep."""
    field = "receptive_field.unit"
    convolution = {"x": [[1, 0, 2], [0, 1, 0]], "kernel": [[[1, 0], [0, 1]]], "bias": [-1]}
    recorded = {
        "plain": [[1, 0.25, 0.5, 2.5, 2.0], [2, 0.5, 0.5, None, 1.0]],
        "again": [[1, 0.5, 0.25, 2, 1]],
    }
    runs = {"configs": {"plain": TINY, "again": {**TINY, "augmentation": ["flip"]}}, "recorded": recorded}
    trained = {"model": "lenet-cifar10-plain@10"}
    return (
        Step(field, {**mine, "layer": "blocks.3", "unit": [1, 2]}, title="A unit"),
        Step(field, {**selection, "layer": "blocks.3", "pixel": [100, 200]}, title="A pixel"),
        Step(
            "receptive_field.effective",
            {**mine, "layer": "blocks.1", "unit": [20, 30], "others": ["Lion"]},
            title="An effective field",
        ),
        Step("receptive_field.network", trained, title="Fields of a run"),
        Step("receptive_field.catalogue", {"name": "alexnet"}, title="Fields of AlexNet"),
        Step(
            "receptive_field.stack",
            {"layers": [["conv", [1, 7], 1, [0, 3], 1]], "input_px": 32},
            title="A stack that isn't square",
        ),
        Step("convolution.window", {**convolution, "column": 1}, title="A window"),
        Step("convolution.downsampling", {**convolution, "padding": [1, 1]}, title="Pooling"),
        Step(
            "practice.exercise",
            {"seed": 4, "level": 2, "answer": [["1", "", "0,5"], ["$x$", "2", "0"]], "marked": True},
            title="An exercise with its marks",
        ),
        Step("practice.exercise", {"size": [3, 9], "asked": "size", "padding": 1}, title="Another"),
        Step("run.history", {**runs, "test_images": {"plain": 100}}, title="Curves of runs that are done"),
        Step("run.history", {**runs, "shown": "gap", "test_images": {"plain": 100, "again": 100}}),
        Step(
            "run.classes",
            {"config": TINY, "epoch": 2, "recorded": [["$a$", 0.25], ["Kätzchen", 1]], "classes": 3},
            title="Each class",
        ),
        Step(
            "run.epochs",
            {
                "models": {f"lenet-cifar10-augmented@{n}": share for n, share in ((0, None), (10, 0.6))},
                "image": mine["image"],
                "target": 3,
            },
            title="Over the epochs",
        ),
        Step("run.first_layer", {**mine, **trained}, title="The first layer"),
    )


@cache
def performed() -> Session:
    """The same with its results, computed once for all tests."""
    return perform(every_kind())


def files_below(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix()
