"""The form that says what is trained: network and recipe, with the exercise sheet's values to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import gradio as gr

from training.config import (
    AUGMENTATIONS,
    DEVICES,
    OPTIMIZERS,
    PRECISIONS,
    RECIPES,
    SCHEDULES,
    SHEET,
    TrainConfig,
)
from training.data.opened import Choice
from training.networks.build import LENET, list_networks
from training.tabs.entries import read_seeds
from training.tabs.labels import LABELS
from training.words import AUGMENTATION_TITLES

BUILDER = "layers"
_NETWORK_TITLES = {
    "lenet": "lenet · the exercise sheet's, 62,006 parameters",
    "wide": "wide · four convolutions, batch normalisation, dropout",
    "resnet9": "resnet9 · small residual network, 6.6 million",
}
NETWORKS = [
    *((title, name) for name, title in _NETWORK_TITLES.items()),
    ("Layer by layer: write your own", BUILDER),
    *((name, name) for name in list_networks() if name not in _NETWORK_TITLES),
]
RECIPE_TITLES = [
    ("The exercise sheet's, plain", "sheet"),
    ("The exercise sheet's, augmented and normalised", "sheet, augmented"),
    ("Small ResNet: over 90 % of CIFAR-10, an hour on two cores", "small resnet"),
]
NORMALIZATIONS = [
    ("None: inputs in [0, 1]", "none"),
    ("Mean 0.5, deviation 0.5", "half"),
    ("As measured on the data", "measured"),
]
Data = Mapping[Any, Any]


@dataclass(frozen=True)
class RecipeForm:
    """The components, named as the knobs of :class:`TrainConfig`; ``recipe`` fills all others."""

    recipe: gr.Dropdown
    network: gr.Dropdown
    layers: gr.Textbox
    epochs: gr.Number
    batch_size: gr.Number
    learning_rate: gr.Number
    augmentation: gr.CheckboxGroup
    normalization: gr.Radio
    optimizer: gr.Dropdown
    schedule: gr.Dropdown
    weight_decay: gr.Number
    momentum: gr.Number
    label_smoothing: gr.Number
    mixup: gr.Number
    max_train_images: gr.Number
    max_test_images: gr.Number
    precision: gr.Dropdown
    device: gr.Dropdown
    seeds: gr.Textbox

    @property
    def named(self) -> dict[str, Any]:
        """Knob → component."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @property
    def all(self) -> set[Any]:
        """Every component."""
        return set(self.named.values())

    def network_text(self, data: Data) -> str:
        """The network as a recipe names it: its name, or its layers in a line."""
        if data[self.network] != BUILDER:
            return str(data[self.network])
        # A single word would pass for a network's name; a trailing comma makes it a list of one layer.
        return (data[self.layers] or "").strip().rstrip(",") + ","

    def config(self, data: Data, choice: Choice) -> TrainConfig:
        """The recipe as filled in, with the first seed; raises ExplorerError that names the knob."""
        plain = (
            *("epochs", "batch_size", "learning_rate", "optimizer", "schedule", "weight_decay", "momentum"),
            *("label_smoothing", "mixup", "precision", "device"),
        )
        return replace(
            self.preparation(data, choice),
            network=self.network_text(data),
            seed=self.seed_list(data)[0],
            max_train_images=data[self.max_train_images] or None,
            max_test_images=data[self.max_test_images] or None,
            **{name: data[getattr(self, name)] for name in plain},
        )

    def preparation(self, data: Data, choice: Choice) -> TrainConfig:
        """What of the recipe decides how each training image is changed; all else as usual."""
        normalizations: dict[str, Any] = {"none": None, "half": (0.5, 0.5), "measured": "measured"}
        return replace(
            choice.config(),
            augmentation=tuple(name for name in AUGMENTATIONS if name in data[self.augmentation]),
            normalization=normalizations[data[self.normalization]],
        )

    def seed_list(self, data: Data) -> list[int]:
        """The seeds to train with, one run each."""
        return read_seeds(data[self.seeds] or "")

    def fill(self, name: str) -> dict[Any, Any]:
        """Updates that show a recipe of :data:`RECIPES`; data, layers, device and seeds stay."""
        recipe = RECIPES[name]
        kept = ("recipe", "layers", "device", "seeds", "normalization")
        values = {getattr(self, f.name): getattr(recipe, f.name) for f in fields(self) if f.name not in kept}
        values |= {
            self.max_train_images: recipe.max_train_images or 0,
            self.max_test_images: recipe.max_test_images or 0,
        }
        values[self.augmentation] = list(recipe.augmentation)
        values[self.normalization] = {None: "none", (0.5, 0.5): "half", "measured": "measured"}[
            recipe.normalization
        ]
        return values


def build_first() -> tuple[dict[str, Any], gr.HTML]:
    """The knobs that everybody sets, and the place for what they make of the network."""
    recipe = gr.Dropdown(
        RECIPE_TITLES, value="sheet", label=LABELS["recipe"], elem_id="tr-recipe", filterable=False
    )
    network = gr.Dropdown(NETWORKS, value="lenet", label=LABELS["network"], elem_id="tr-network")
    parameters = gr.HTML(padding=False, elem_id="tr-parameters")
    layers = gr.Textbox(
        LENET.replace(", ", "\n"),
        label=LABELS["layers"],
        info="conv CHANNELS KERNEL [stride= padding= dilation=] · maxpool or avgpool SIZE · globalpool · flatten · "
        "linear FEATURES · relu gelu tanh sigmoid · batchnorm · dropout SHARE. The last linear needs no number.",
        lines=12,
        max_lines=24,
        visible=False,
        elem_id="tr-layers",
    )
    with gr.Row():
        epochs = _number("epochs", SHEET.epochs)
        batch_size = _number("batch_size", SHEET.batch_size)
        learning_rate = _number("learning_rate", SHEET.learning_rate)
    knobs = {
        "recipe": recipe,
        "network": network,
        "layers": layers,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
    }
    return knobs, parameters


def build_preparation() -> dict[str, Any]:
    """What happens to the images on their way into the network."""
    augmentation = gr.CheckboxGroup(
        [(title, name) for name, title in AUGMENTATION_TITLES.items()],
        label=LABELS["augmentation"],
        elem_id="tr-augmentation",
    )
    normalization = gr.Radio(NORMALIZATIONS, value="none", label=LABELS["normalization"])
    return {"augmentation": augmentation, "normalization": normalization}


def build_rest(device: str) -> dict[str, Any]:
    """The other knobs."""
    with gr.Row():
        optimizer = gr.Dropdown(
            list(OPTIMIZERS), value=SHEET.optimizer, label=LABELS["optimizer"], min_width=110
        )
        schedule = gr.Dropdown(list(SCHEDULES), value=SHEET.schedule, label=LABELS["schedule"], min_width=110)
    with gr.Row():
        weight_decay = _number("weight_decay", SHEET.weight_decay)
        momentum = _number("momentum", SHEET.momentum)
    with gr.Row():
        label_smoothing = _number("label_smoothing", SHEET.label_smoothing)
        mixup = _number("mixup", SHEET.mixup)
    with gr.Row():
        max_train = _number("max_train_images", 0)
        max_test = _number("max_test_images", 0)
    with gr.Row():
        precision = gr.Dropdown(
            list(PRECISIONS), value=SHEET.precision, label=LABELS["precision"], min_width=110
        )
        chosen = gr.Dropdown(list(DEVICES), value=device, label=LABELS["device"], min_width=110)
    seeds = gr.Textbox(
        "0", label=LABELS["seeds"], info="Several, such as 0, 1, 2: one run each", elem_id="tr-seeds"
    )
    return {
        "optimizer": optimizer,
        "schedule": schedule,
        "weight_decay": weight_decay,
        "momentum": momentum,
        "label_smoothing": label_smoothing,
        "mixup": mixup,
        "max_train_images": max_train,
        "max_test_images": max_test,
        "precision": precision,
        "device": chosen,
        "seeds": seeds,
    }


def _number(knob: str, value: float) -> gr.Number:
    # Without a precision of 0, which would make 2.5 epochs 2 without a word: the recipe refuses them.
    return gr.Number(value, label=LABELS[knob], min_width=90)
