"""Class activation maps: a layer's activations, weighted by how the objective depends on them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
from weakref import WeakKeyDictionary

import torch

from explorer.errors import ExplorerError
from explorer.fields.theoretical import receptive_field
from explorer.layers.gradients import gradient
from explorer.layers.listing import Layer, channels_first, find_layer, list_layers, trace
from explorer.networks.hooks import evaluating
from explorer.networks.load import LoadedModel
from explorer.saliency.method import AttributionMethod, Cell, MethodOptions, OnProgress, RawMap
from explorer.saliency.target_score import TargetScore


@dataclass(frozen=True)
class ClassActivationMap(MethodOptions):
    """What Grad-CAM and HiResCAM share.

    ``layer`` is the name of a layer or a module; None: the last map that the classes depend on,
    :func:`default_cam_layer`.

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
    """Where a class activation map looks by default: the last map that the classes depend on.

    That is tried on the network: behind the last attention of a transformer, for example, the class is read from one
    token alone, and the tokens of the picture, though still a map, count for nothing.

    Raises:
        ExplorerError: the network has no layer with a map, or none that its classes depend on.
    """
    if (known := _LAST_MAPS.get(model)) is None:
        known = _LAST_MAPS[model] = _last_map(model)
    return known


_LAST_MAPS: WeakKeyDictionary[LoadedModel, Layer] = WeakKeyDictionary()

_TRIED_FIRST = 64
"""Maps from the end that are tried together; those of the whole network take memory, and are seldom needed."""


def _last_map(model: LoadedModel) -> Layer:
    layers = list_layers(model)
    maps = [layer for layer in layers if layer.is_map]
    if not maps:
        raise ExplorerError(f"network {model.name}", "has no layer with a map", "choose a gradient method")
    # A last layer that starts at zero, as those of vision transformers do, depends on nothing: what it is given does.
    vectors = [layer.name for layer in layers if not layer.is_map]
    for candidates in dict.fromkeys((tuple(maps[-_TRIED_FIRST:]), tuple(maps))):
        for output in dict.fromkeys((trace(model).output, *vectors[:-4:-1])):
            if depended_on := _depended_on(model, candidates, output):
                return _before_idle_pooling(maps, depended_on[-1])
    raise ExplorerError(
        f"network {model.name}",
        "has no map that its classes depend on",
        f"choose a layer by its name, such as {maps[-1].name!r}, or a gradient method",
    )


def _depended_on(model: LoadedModel, maps: Sequence[Layer], output: str) -> list[Layer]:
    """Those of the maps whose positions change what the layer ``output`` puts out."""
    side, device = model.preprocess.crop_px, model.preprocess.device
    generator = torch.Generator().manual_seed(0)
    with evaluating(model.module), torch.inference_mode(False), torch.enable_grad():
        noise = torch.randn(1, 3, side, side, generator=generator)
        batch = noise.to(device, memory_format=torch.channels_last).requires_grad_()
        outputs = trace(model).run_on_the_way(batch, {output, *(layer.name for layer in maps)})
        given = outputs.get(output)
        on_the_way = [layer for layer in maps if layer.name in outputs and outputs[layer.name].requires_grad]
        if given is None or not given.requires_grad or not on_the_way:
            return []
        weights = torch.randn(given.shape, generator=generator).to(device)
        slopes = torch.autograd.grad(
            (given * weights).sum(), [outputs[layer.name] for layer in on_the_way], allow_unused=True
        )
    return [
        layer
        for layer, slope in zip(on_the_way, slopes, strict=True)
        if slope is not None and bool(channels_first(slope, layer).abs().sum() > 0)
    ]


def _before_idle_pooling(maps: Sequence[Layer], found: Layer) -> Layer:
    """A pooling that leaves the grid as it is (VGG's, at its own input size) repeats the map before it."""
    before = maps[: maps.index(found) + 1]
    while len(before) > 1 and before[-1].kind.startswith("Adaptive") and before[-2].shape == before[-1].shape:
        before = before[:-1]
    return before[-1]
