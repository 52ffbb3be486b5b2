"""What a checkpoint holds, before a network is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer.networks.architectures import TRAINING_HEADS, architecture_shapes
from explorer.networks.catalogue import catalogue
from explorer.networks.checkpoint_file import read_file
from explorer.networks.checkpoint_names import (
    Found,
    collections_of_tensors,
    find_weights,
    is_complete,
)


@dataclass(frozen=True)
class CheckpointInfo:
    """A file of weights.

    Attributes:
        keys: under which it holds tensors; "" is its top.
        chosen: the key of the weights that :func:`explorer.load_model` takes unless it is told another.
        prefix: what stands before their names.
        ignored: names of tensors beside them that are no part of the network.
        metadata: plain values at the top of the file, such as ``epoch`` and ``arch``.
        architecture: the network of the catalogue whose names and shapes they have; "" if there is none.
        classes: how many it tells apart; 0 where no architecture is known.
    """

    keys: tuple[str, ...]
    chosen: str
    prefix: str
    ignored: tuple[str, ...]
    metadata: Mapping[str, Any]
    architecture: str
    classes: int


def inspect_checkpoint(file: str | Path) -> CheckpointInfo:
    """Look into a file of weights: which sets it holds, and of which network of the catalogue.

    Names and shapes are compared with every network of the catalogue, those first that the file names itself: seconds.

    Raises:
        ExplorerError: no such file, damaged, another format, or more than data in it.
    """
    path = Path(file)
    loaded = read_file(path)
    found = collections_of_tensors(loaded, f"the file {path.name!r}")
    metadata = {
        str(key): value for key, value in loaded.items() if isinstance(value, str | int | float | bool | None)
    }
    named = str(metadata.get("arch") or metadata.get("architecture") or "")
    names = sorted(catalogue(), key=lambda name: name != named)
    for name in names:
        own = architecture_shapes(name)
        weights, *_ = find_weights(found, own, optional=TRAINING_HEADS)
        if is_complete(weights, own, TRAINING_HEADS) and (classes := _classes(weights, own)):
            return CheckpointInfo(
                tuple(found), weights.key, weights.prefix, weights.ignored, metadata, name, classes
            )
    return CheckpointInfo(tuple(found), next(iter(found)), "", (), metadata, "", 0)


def _classes(weights: Found, own: Mapping[str, tuple[int, ...]]) -> int:
    """How many classes there are if all shapes are this architecture's but for their number; else 0."""
    classes = 0
    for name, tensor in weights.tensors.items():
        shape, wanted = tuple(tensor.shape), own.get(name)
        if shape == wanted:
            classes = classes or (1000 if shape[:1] == (1000,) else 0)
        elif wanted is not None and wanted[:1] == (1000,) and shape[1:] == wanted[1:] and len(shape):
            classes = shape[0]
        else:
            return 0
    return classes
