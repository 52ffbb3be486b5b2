"""Task 4 of the sheet, activation and saliency maps, for whatever network is looked at.

The sheet asks for the first and the third convolution, a deep layer and two classes. Where a network hasn't got
them, the step shows what comes closest, or another network, and says so in its words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from explorer.errors import ExplorerError
from explorer.layers.listing import list_layers, stages
from explorer.networks.load import LoadedModel
from explorer.networks.predictions import predict
from explorer.networks.preprocessing import Framing
from explorer.session.steps import Step

_FIRST = "principal components as colours"
_THIRD = "mean of the first 10 channels"


@dataclass(frozen=True)
class Network:
    """A network and how steps name it."""

    reference: str
    model: LoadedModel

    @property
    def title(self) -> str:
        """What readers know it by: a file's hash tells them nothing."""
        return self.reference.partition(":")[0]


@dataclass(frozen=True)
class Chosen:
    """A layer, which one it is in words, and what is to be said of it where it isn't the one asked for."""

    layer: str
    title: str
    remark: str = ""


def looking(
    network: Network,
    spare: Callable[[], Network],
    picture: Mapping[str, Any],
    pixels: np.ndarray,
    discussion: Callable[[str, str, str], Step],
) -> list[Step]:
    """The steps of task 4.

    Args:
        spare: the network for tasks that ``network`` can't do at all; asked for only then.
        picture: the arguments of a step that name the picture and its framing.
        pixels: the picture, ``(H, W, 3) uint8``.
        discussion: (number, title, question) → a step to be written.
    """
    return [
        Step("network.modules", {"model": network.reference}, "4.1 The network's architecture"),
        *_maps(network, spare, picture),
        discussion("4.4", "As a person would?", "Does it match how a person would recognise the image?"),
        *_classes(network, spare, picture, pixels),
        discussion("4.5", "Why the maps differ", "Why do the maps of the two classes differ?"),
    ]


def _maps(network: Network, spare: Callable[[], Network], picture: Mapping[str, Any]) -> list[Step]:
    chosen, remark = layers_of(network.model), ""
    if chosen is None:
        other = spare()
        remark = f"{network.title} has no layer with positions, so there is no map to look at. Shown is {other.title}."
        network, chosen = other, layers_of(other.model)
    if chosen is None:
        raise ExplorerError(f"network {network.title!r}", "has no layer with positions", "choose another")
    first, third, deep = chosen
    selection = {"model": network.reference, **picture}

    def step(layer: Chosen, title: str, **settings: Any) -> Step:
        sentence = " ".join(filter(None, (remark, layer.remark)))
        return Step(
            "activation.map", {**selection, "layer": layer.layer, **settings}, title, comment=sentence
        )

    return [
        step(first, f"4.2 and 4.3 After {first.title}: {_FIRST}", shown="map"),
        step(third, f"4.2 and 4.3 After {third.title}: {_THIRD}", method="mean", shown="map"),
        step(deep, "4.4 A deep layer on top of the image"),
    ]


def layers_of(model: LoadedModel) -> tuple[Chosen, Chosen, Chosen] | None:
    """What stands for the first and the third convolution and for a deep layer; None without any map."""
    maps = [layer for layer in list_layers(model) if layer.is_map]
    if not maps:
        return None
    # timm's have classes of their own.
    kinds = {type(module).__name__ for module in model.module.modules() if isinstance(module, nn.Conv2d)}
    convolutions = [layer.name for layer in maps if layer.kind in kinds]
    listed = [layer.name for layer in stages(model)]
    deep = Chosen(listed[-2] if len(listed) > 1 else listed[-1], "a deep layer")
    if not convolutions:
        none = "The network has no convolution that makes a map."
        first, middle = maps[0].name, listed[len(listed) // 2]
        return (
            Chosen(first, f"layer {first}", f"{none} This is its first map."),
            Chosen(middle, f"layer {middle}", f"{none} This is one half-way through it."),
            deep,
        )
    first_one = Chosen(convolutions[0], "the first convolution")
    if len(convolutions) > 2:
        return first_one, Chosen(convolutions[2], "the third convolution"), deep
    if len(convolutions) == 2:
        last = "The network has two convolutions only: this is its last."
        return first_one, Chosen(convolutions[1], "the second convolution", last), deep
    middle = listed[len(listed) // 2]
    only = f"The network has one convolution only: in place of the third, this is layer {middle}."
    return first_one, Chosen(middle, f"layer {middle}", only), deep


def _classes(
    network: Network, spare: Callable[[], Network], picture: Mapping[str, Any], pixels: np.ndarray
) -> list[Step]:
    """What the network says, and what speaks for the two classes that it holds most probable."""
    remark = ""
    if len(network.model.labels) < 2:
        other = spare()
        remark = f"{network.title} knows one class only, and two are asked for. Shown is {other.title}."
        network = other
    selection = {"model": network.reference, **picture}
    first, second = (
        found.index for found in predict(network.model, pixels, 2, framing=picture.get("framing"))
    )
    both = {**selection, "targets": [first, second]}
    flat = layers_of(network.model) is None
    return [
        Step("network.prediction", selection, "4.5 What the network says", comment=remark),
        *[
            Step(
                "saliency.map",
                {**selection, "target": target, "objective": "loss"},
                f"4.5 Saliency of class {target}",
            )
            for target in (first, second)
        ],
        Step(
            "saliency.classes",
            both | ({"method": "gradient"} if flat else {}),
            "4.5 Both classes on one scale",
            comment="Grad-CAM needs a layer with positions, which the network hasn't got: these are gradients."
            if flat
            else "",
        ),
    ]


def framed(picture: str, framing: Framing) -> dict[str, Any]:
    """A step's arguments for a picture; the usual framing needs no saying."""
    return {"image": picture} if framing == "crop" else {"image": picture, "framing": framing}
