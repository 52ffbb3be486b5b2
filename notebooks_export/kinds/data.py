"""Images to train on: examples of each class, and what augmentation makes of some."""

from __future__ import annotations

from typing import Annotated

from notebooks_export.kinds.cell import Given, figure_shown, literal, written
from notebooks_export.kinds.kind import Kind
from notebooks_export.kinds.parameters import Parameters, Recipe, Seed, whole


class Gallery(Parameters):
    """``per_class`` images of each class; the recipe says which data set."""

    config: Recipe
    per_class: Annotated[int, whole(1, 20)] = 10
    seed: Seed = 0


class Augmentation(Parameters):
    """``count`` images, each beside what the recipe's augmentation makes of it."""

    config: Recipe
    count: Annotated[int, whole(1, 12)] = 6
    seed: Seed = 0


def _gallery(given: Given) -> list[str]:
    """Images of each class with its label."""
    return [
        f"data = training.load_dataset({literal(given['config'])})",
        f"images = {written('training.gallery', 'data', per_class=given['per_class'], seed=given['seed'])}",
        *figure_shown("training.gallery_figure(images)"),
    ]


def _augmentation(given: Given) -> list[str]:
    """Images above what augmentation makes of them."""
    options = {name: given[name] for name in ("count", "seed")}
    pairs = written("training.augmentation_pairs", "training.load_dataset(config)", "config", **options)
    return [
        f"config = {literal(given['config'])}",
        f"pairs = {pairs}",
        "originals, changed = zip(*pairs)",
        "pixels = training.tile([*originals, *changed], columns=len(pairs), scale=3)",
        "Image.fromarray(pixels)",
    ]


KINDS = (
    Kind("data.gallery", Gallery, _gallery, former=("training.gallery",), opens_images=True),
    Kind(
        "data.augmentation",
        Augmentation,
        _augmentation,
        former=("training.figures.augmentation_pairs",),
        opens_images=True,
    ),
)
