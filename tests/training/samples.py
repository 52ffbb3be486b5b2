"""Small data and recipes that the training tests share."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from training import Dataset, TrainConfig
from training.data.shapes10 import LABELS, make_shapes
from training.loop.checkpoint import weights_path

TINY = TrainConfig(
    dataset="shapes10", epochs=3, max_train_images=200, max_test_images=100, device="cpu", threads=1
)

NORMED = "conv 8 5, batchnorm, relu, maxpool 4, flatten, dropout 0.3, linear"
KITCHEN_SINK = replace(
    TINY,
    network=NORMED,
    epochs=2,
    optimizer="sgd",
    learning_rate=0.02,
    schedule="one_cycle",
    weight_decay=1e-4,
    label_smoothing=0.1,
    mixup=0.4,
    augmentation=("flip", "crop", "color_jitter", "cutout"),
    normalization="measured",
)


def tiny_data(train: int = 200, test: int = 100) -> Dataset:
    """A few Shapes-10 images, straight from memory."""
    images, classes = make_shapes(1000, train=True)
    other, others = make_shapes(500, train=False)
    return Dataset(
        "shapes10", LABELS, images[:train], classes[:train], other[:test], others[:test], f"tiny {train}"
    )


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def pickled_archive(folder: str, entries: Mapping[str, Any]) -> tuple[bytes, dict[str, str]]:
    """A tar.gz with each entry as a pickle in ``folder``, as CIFAR's archives are, and the MD5 of each file."""
    packed, sums = BytesIO(), {}
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, entry in entries.items():
            content = pickle.dumps(entry)
            sums[name] = md5(content)
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(content)
            archive.addfile(info, BytesIO(content))
    return packed.getvalue(), sums


def read_weights(folder: Path, epoch: int) -> dict[str, torch.Tensor]:
    return load_file(weights_path(folder, epoch))


def assert_same_bits(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        assert np.array_equal(one[name].numpy(), other[name].numpy()), name


@contextmanager
def mounted_disk(folder: Path) -> Iterator[Path]:
    """A file system of 1.3 MB in ``folder``; skips the test where one cannot be mounted."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1300k", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine lets us mount nothing")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def zip_of_pictures(path: Path, labels: Iterable[str], height: int, width: int) -> Path:
    """A zip of one folder per class, ten pictures each."""
    random = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        for label in labels:
            for number in range(10):
                picture = BytesIO()
                Image.fromarray(random.integers(0, 255, (height, width, 3), np.uint8)).save(picture, "PNG")
                archive.writestr(f"pets/{label}/{number}.png", picture.getvalue())
    return path
