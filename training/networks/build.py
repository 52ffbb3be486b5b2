"""Networks to train: the sheet's, a wider one, a small ResNet, torchvision's, or layer by layer.

:func:`build_network` takes a name or a line such as ``"conv 6 5, relu, maxpool 2, flatten, linear"``;
:func:`describe` gives each layer's output shape and number of parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from explorer.errors import ExplorerError, Suggestion, suggest
from explorer.networks.architectures import build_from_zoo
from explorer.networks.hooks import evaluating
from training.networks.layer_line import build_layers, is_layer_line

LENET = (
    "conv 6 5, relu, maxpool 2, conv 16 5, relu, maxpool 2, flatten, "
    "linear 120, relu, linear 84, relu, linear"
)
"""The exercise sheet's: 62 006 parameters for 10 classes at 32 px (after LeCun et al., 1998)."""

WIDE = (
    "conv 32 3 padding=1, batchnorm, relu, conv 32 3 padding=1, batchnorm, relu, maxpool 2, "
    "conv 64 3 padding=1, batchnorm, relu, conv 64 3 padding=1, batchnorm, relu, maxpool 2, "
    "flatten, dropout 0.5, linear 128, relu, linear"
)


class Residual(nn.Module):
    """``x + body(x)`` (He et al., 2015)."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Scale(nn.Module):
    """Multiply by a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


def _conv_unit(channels_in: int, channels_out: int, pool: bool = False) -> nn.Sequential:
    unit = nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    )
    if pool:
        unit.append(nn.MaxPool2d(2))
    return unit


def resnet9(classes: int) -> nn.Sequential:
    """The nine-layer ResNet of D. Page, "How to train your ResNet" (2018), 6.6 million parameters.

    90.85 % of CIFAR-10's test images (as JPEG of quality 75) with the recipe "small resnet", seed 0.
    """
    return nn.Sequential(
        _conv_unit(3, 64),
        _conv_unit(64, 128, pool=True),
        Residual(nn.Sequential(_conv_unit(128, 128), _conv_unit(128, 128))),
        _conv_unit(128, 256, pool=True),
        _conv_unit(256, 512, pool=True),
        Residual(nn.Sequential(_conv_unit(512, 512), _conv_unit(512, 512))),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(512, classes, bias=False),
        Scale(0.125),
    )


OWN: Mapping[str, Callable[[int, int], nn.Module]] = MappingProxyType(
    {
        "lenet": lambda classes, size: build_layers(LENET, classes, size),
        "wide": lambda classes, size: build_layers(WIDE, classes, size),
        "resnet9": lambda classes, size: resnet9(classes),
    }
)


def list_networks() -> list[str]:
    """Every name that :func:`build_network` knows: ours first, then torchvision's classifiers."""
    return [*OWN, *torchvision.models.list_models(module=torchvision.models)]


def build_network(name: str, classes: int, image_size: int = 32) -> nn.Module:
    """A network with fresh random weights that maps (n, 3, S, S) to (n, classes) logits.

    ``name``: one of :func:`list_networks`, or layers in a line (see :mod:`training.networks.layer_line`).
    ``image_size``: S in pixels. Weights come from torch's global random state.

    Raises:
        ExplorerError: an unknown name, or layers that do not fit together or into ``image_size``.
    """
    if is_layer_line(name):
        return build_layers(name, classes, image_size)
    if name not in list_networks():
        remedy = suggest(name, list_networks(), "training.list_networks()")
        raise ExplorerError(f"network {name!r}", "is unknown", remedy, parameter="network")
    network = OWN[name](classes, image_size) if name in OWN else _from_torchvision(name, classes, image_size)
    _check_fits(network, name, image_size)
    return network


def _from_torchvision(name: str, classes: int, image_size: int) -> nn.Module:
    options: dict[str, Any] = {"num_classes": classes}
    if name.startswith("vit_"):
        options["image_size"] = image_size
    if name in ("googlenet", "inception_v3"):
        # Without these they return a tuple while training, and warn about their slow initialisation.
        options |= {"aux_logits": False, "init_weights": False}
    try:
        return build_from_zoo(name, **options)
    except (RuntimeError, ValueError, AssertionError) as error:
        raise _does_not_fit(name, image_size, error) from error


def _check_fits(network: nn.Module, name: str, image_size: int) -> None:
    try:
        with evaluating(network), torch.no_grad():
            network(torch.zeros(1, 3, image_size, image_size))
    except (RuntimeError, ValueError, AssertionError) as error:
        raise _does_not_fit(name, image_size, error) from error


def _does_not_fit(name: str, image_size: int, error: Exception) -> ExplorerError:
    made_for = "224 is what torchvision's were made for"
    remedy = Suggestion(
        f"choose a larger image_size ({made_for}) or another network",
        # The page has a size for these alone.
        on_page=f"choose another network, or pictures of your own, Resized to more pixels ({made_for})",
    )
    rule = f"does not fit ({str(error).splitlines()[0]})"
    return ExplorerError(f"network {name!r} at {image_size} px", rule, remedy, parameter="network")


@dataclass(frozen=True)
class LayerRow:
    """One layer of a table: dotted name, class name, output (C, H, W) or (features,), trainable parameters.

    ``shape`` is None where the order of the layers does not follow from the module tree.
    """

    name: str
    kind: str
    shape: tuple[int, ...] | None
    parameters: int


def describe(network: nn.Module, image_size: int = 32) -> list[LayerRow]:
    """One row per layer with its output shape and trainable parameters, in order.

    A ``nn.Sequential`` is listed layer by layer with shapes, with what it nests and what :class:`Residual` wraps;
    any other network is listed by its leaf modules, without shapes.
    """
    if not isinstance(network, nn.Sequential):
        leaves = [(n, m) for n, m in network.named_modules() if n and not any(m.children())]
        return [LayerRow(n, type(m).__name__, None, count_parameters(m)) for n, m in leaves]
    rows: list[LayerRow] = []
    with evaluating(network), torch.no_grad():
        x = torch.zeros(1, 3, image_size, image_size, device=next(network.parameters()).device)
        _run_through(network, "", x, rows)
    return rows


def _run_through(layer: nn.Module, name: str, x: Tensor, rows: list[LayerRow]) -> Tensor:
    """What a layer makes of ``x``; its row, or those of the layers in it and, where it adds to them, its own."""
    if isinstance(layer, nn.Sequential):
        for child, inner in layer.named_children():
            x = _run_through(inner, f"{name}.{child}".lstrip("."), x, rows)
        return x
    own = count_parameters(layer)
    if isinstance(layer, Residual):
        x, own = x + _run_through(layer.body, f"{name}.body", x, rows), 0
    else:
        x = layer(x)
    rows.append(LayerRow(name, type(layer).__name__, tuple(x.shape[1:]), own))
    return x


def count_parameters(network: nn.Module) -> int:
    """Trainable parameters: how many numbers the optimiser changes."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
