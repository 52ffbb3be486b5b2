"""Runs and recipes in words, as lists and legends show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from training.config import SHEET, TrainConfig
from training.networks.layer_line import is_layer_line

DATASET_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "cifar10": "CIFAR-10",
        "cifar100": "CIFAR-100",
        "fashion_mnist": "Fashion-MNIST",
        "mnist": "MNIST",
        "shapes10": "Shapes-10",
    }
)
AUGMENTATION_TITLES: Mapping[str, str] = MappingProxyType(
    {"flip": "flip", "crop": "crop", "color_jitter": "colour jitter", "cutout": "cutout"}
)
_OTHERWISE = ("dataset", "data_dir", "network", "augmentation", "normalization", "mixup", "threads", "device")
"""Knobs that have their own words, or that change nothing but the speed."""


def dataset_title(config: TrainConfig) -> str:
    """What the images are called: ``CIFAR-10``, or the name of a folder."""
    if config.dataset == "folder":
        return Path(config.data_dir or "").stem or "folder"
    return DATASET_TITLES[config.dataset]


def network_title(network: str) -> str:
    """A network's name; one written layer by layer by how many it has."""
    if not is_layer_line(network):
        return network
    layers = [part for part in network.replace("\n", ",").split(",") if part.strip()]
    return f"own network of {len(layers)} layers"


def preparation(config: TrainConfig) -> str:
    """Augmentation and normalisation: ``plain``, or ``flip + crop, normalised``."""
    changes = [AUGMENTATION_TITLES[name] for name in config.augmentation]
    changes += [f"mixup {config.mixup:g}"] if config.mixup else []
    sentence = [" + ".join(changes)] if changes else []
    if config.normalization == "measured":
        sentence.append("normalised as measured")
    elif config.normalization:
        sentence.append("normalised to {:g} ± {:g}".format(*config.normalization))
    return ", ".join(sentence) or "plain"


def facets(config: TrainConfig) -> dict[str, str]:
    """Everything that a recipe says, in words by subject."""
    sentence = {
        "network": network_title(config.network),
        "data": dataset_title(config),
        "preparation": preparation(config),
    }
    for field in fields(TrainConfig):
        if field.name not in _OTHERWISE:
            sentence[field.name] = _knob(field.name, getattr(config, field.name))
    return sentence


def recipe_title(config: TrainConfig) -> str:
    """What a run trains, and where its recipe departs from the exercise sheet's."""
    usual, sentence = facets(SHEET), facets(config)
    title = f"{sentence.pop('network')} on {sentence.pop('data')}, {sentence.pop('preparation')}"
    return ", ".join([title, *(words for subject, words in sentence.items() if words != usual[subject])])


def legend_titles(configs: Sequence[TrainConfig]) -> list[str]:
    """Titles that tell these recipes apart: what all share is left out."""
    sentence = [facets(config) for config in configs]
    apart = [subject for subject in facets(SHEET) if len({words[subject] for words in sentence}) > 1]
    return [
        ", ".join(words[subject] for subject in apart) or recipe_title(config)
        for words, config in zip(sentence, configs, strict=True)
    ]


def _knob(name: str, value: Any) -> str:
    if name == "epochs":
        return _epochs(value)
    if name in ("max_train_images", "max_test_images"):
        kind = "training" if "train" in name else "test"
        return f"{value:,} {kind} images" if value else f"all {kind} images"
    return (
        f"{name.replace('_', ' ')} {value:g}"
        if isinstance(value, float)
        else f"{name.replace('_', ' ')} {value}"
    )


def _epochs(count: int) -> str:
    return f"{count} epoch" if count == 1 else f"{count} epochs"
