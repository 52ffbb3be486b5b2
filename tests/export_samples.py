"""What the tests of the export share: sessions with real results."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from explorer.session import Session, Step, content_hash
from notebooks_export import perform

TINY: dict[str, Any] = {
    "dataset": "shapes10",
    "epochs": 1,
    "max_train_images": 64,
    "max_test_images": 32,
    "threads": 1,
    "device": "cpu",
}


def as_png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def own_picture() -> bytes:
    y, x = np.mgrid[:90, :140]
    return as_png(np.stack([x, 2 * y, (x + y) % 64], axis=-1).astype(np.uint8))


def every_kind() -> Session:
    """A session with at least one step of every kind, without results."""
    own = own_picture()
    look = {"model": "efficientnet_lite0", "image": "sample:Cheetah"}
    mine = {"model": "efficientnet_lite0", "image": content_hash(own), "framing": "stretch"}
    steps = (
        Step("text", title="What is asked", text="Describe it.", comment='It is\n\n- a "test"'),
        Step("explorer.load_model", {"model": "lenet-cifar10-plain@10"}, title="Architecture"),
        Step("explorer.predict", look, title="Prediction"),
        Step("explorer.reduce", {**look, "layer": "blocks.2"}, title="Activations"),
        Step(
            "explorer.reduce",
            {**mine, "layer": "blocks.4", "method": "mean", "shown": "map", "colormap": "magma"},
            title="The map alone",
        ),
        Step(
            "explorer.reduce",
            {**mine, "layer": "conv_stem", "method": "channel", "channel": 3, "limits": [[-1, 1]]},
            title="One channel",
        ),
        Step("explorer.attribute", {**mine, "target": 1, "method": "gradient"}, title="Saliency"),
        Step("explorer.compare_classes", {**look, "targets": [293, 291], "layer": "blocks.5"}, title="Two"),
        Step("explorer.receptive_field", {"model": "efficientnet_lite0", "layer": "blocks.1"}),
        Step(
            "explorer.receptive_field_stack.stack_fields",
            {"layers": [["conv", 4, 2, 0, 1], ["max_pool", 2, 2, 0, 1]]},
        ),
        Step(
            "explorer.convolve",
            {
                "x": [[1, 0, 0.5], [0, 1, 0]],
                "kernel": [[1, 0], [0, 1]],
                "bias": -1,
                "windows": 2,
                "stride": [1, 1],
            },
        ),
        Step("explorer.read_off", {"kernels": [[[1, 0], [0, 1]]], "bias": -1}),
        Step("explorer.derive_size", {"size": 6, "kernel": 2, "stride": 2}),
        Step("training.gallery", {"config": TINY, "per_class": 2}),
        Step("training.build_network", {}),
        Step("training.train", {"configs": {"plain": TINY, "again": {**TINY, "seed": 1}}}),
        Step(
            "training.figures.augmentation_pairs",
            {"config": {**TINY, "augmentation": ["flip", "crop"]}, "count": 3},
        ),
    )
    return Session("Every kind of step", steps, {content_hash(own): own})


@cache
def performed() -> Session:
    """The same with its results, computed once for all tests."""
    return perform(every_kind())


def files_below(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix()
