"""Class activation maps: a layer's activations, weighted by how the objective depends on them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch

from explorer.errors import ExplorerError
from explorer.fields.theoretical import receptive_field
from explorer.layers.gradients import gradient
from explorer.layers.listing import GraphTrace, Layer, channels_first, find_layer, list_layers, trace
from explorer.networks.load import LoadedModel
from explorer.saliency.method import AttributionMethod, Cell, MethodOptions, OnProgress, RawMap
from explorer.saliency.target_score import TargetScore


@dataclass(frozen=True)
class ClassActivationMap(MethodOptions):
    """What Grad-CAM and HiResCAM share.

    ``layer`` is the name of a layer or a module; None: the last map before pooling, :func:`default_cam_layer`.

    Raises:
        ExplorerError: ``layer`` is no name.
    """

    layer: str | None = None
    cell: ClassVar[Cell] = "position"

    def __post_init__(self) -> None:
        if self.layer is not None and not isinstance(self.layer, str):
            remedy = "give a name that explorer.list_layers(model) lists"
            raise ExplorerError(f"layer {self.layer!r}", "is no name", remedy)

    @abstractmethod
    def weights(self, slope: torch.Tensor) -> torch.Tensor:
        """What each activation counts, from the objective's gradient with respect to them, ``(C, h, w)``."""

    def explain(self, score: TargetScore, on_progress: OnProgress) -> RawMap:
        """One forward pass, and a backward pass as far as the layer; the values are ``(1, h, w)``."""
        model = score.model
        layer = find_layer(model, self.layer) if self.layer else default_cam_layer(model)
        output, logits = trace(model).run_from(score.batch, layer.name)
        slope = gradient(score.of(logits).sum(), output, model.name)
        if slope is None:
            rule = f"has no influence on what {model.name} puts out for this image"
            raise ExplorerError(f"layer {layer.name!r}", rule, "choose a layer on the way to the classes")
        weights = self.weights(channels_first(slope, layer))
        found = (weights * channels_first(output, layer)).sum(dim=0, keepdim=True)
        field = receptive_field(model, layer.name)
        return RawMap(found, logits.detach(), field.start, field.stride, layer=layer.name)


@dataclass(frozen=True)
class GradCAM(ClassActivationMap):
    """Grad-CAM (Selvaraju et al., 2017): each channel counts its mean slope, whatever the position.

    >>> GradCAM(layer="layer3")
    GradCAM(layer='layer3')
    """

    name: ClassVar[AttributionMethod] = "grad_cam"

    def weights(self, slope: torch.Tensor) -> torch.Tensor:
        """``(C, 1, 1)``."""
        return slope.mean(dim=(1, 2), keepdim=True)


@dataclass(frozen=True)
class HiResCAM(ClassActivationMap):
    """HiResCAM (Draelos and Carin, 2020): each activation counts its own slope."""

    name: ClassVar[AttributionMethod] = "hires_cam"

    def weights(self, slope: torch.Tensor) -> torch.Tensor:
        """``(C, h, w)``."""
        return slope


CAM_METHODS: tuple[AttributionMethod, ...] = (GradCAM.name, HiResCAM.name)
"""The methods that look at a layer."""


def default_cam_layer(model: LoadedModel) -> Layer:
    """Where a class activation map looks by default: the last map, just before the network gives up positions.

    In a transformer the last attention reads the class from one token alone, so it is the map before that.

    Raises:
        ExplorerError: the network has no layer with a map.
    """
    maps = [layer for layer in list_layers(model) if layer.is_map]
    if not maps:
        raise ExplorerError(f"network {model.name}", "has no layer with a map", "choose a gradient method")
    if maps[-1].layout == "class_and_tokens":
        return _before_last_attention(model, maps)
    # A pooling that leaves the grid as it is (VGG's, at its own input size) repeats the map before it.
    while len(maps) > 1 and maps[-1].kind.startswith("Adaptive") and maps[-2].shape == maps[-1].shape:
        maps.pop()
    return maps[-1]


def _before_last_attention(model: LoadedModel, maps: list[Layer]) -> Layer:
    # An attention puts out a tuple and so is no layer, but a step of the graph it is.
    taken_apart = trace(model)
    steps = list(taken_apart.nodes if isinstance(taken_apart, GraphTrace) else taken_apart.layers)
    kinds = {path: type(module).__name__ for path, module in model.module.named_modules()}
    attentions = [i for i, step in enumerate(steps) if "attention" in kinds.get(step, step).lower()]
    before = [layer for layer in maps if attentions and steps.index(layer.name) < attentions[-1]]
    return before[-1] if before else maps[0]
