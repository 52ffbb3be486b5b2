"""Every layer's field in twelve networks of the catalogue, against the pixels that really reach its units.

The reference never looks at a kernel's numbers: it takes the network as it was built, makes it linear with
nothing that could cancel (positive weights, average pooling, no activation, no normalisation), and lights
single pixels. In a linear network the output of a unit for one lit pixel *is* its gradient with respect to
that pixel, so the pixels with a gradient other than zero are those that light the unit up. One forward pass
then tells of all layers at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import torch
from torch import fx, nn
from torchvision.models.feature_extraction import NodePathTracer

from explorer.fields.theoretical import receptive_fields
from explorer.layers.listing import Layer, list_layers
from explorer.networks.load import load_model

NETWORKS = {  # (long, short) side of the lit input: the field must fit into the long one, the kernels into both
    "alexnet": (640, 96),
    "vgg16": (640, 32),
    "squeezenet1_0": (640, 64),
    "googlenet": (2048, 32),
    "inception_v3": (3072, 96),
    "resnet18": (1024, 32),
    "resnet50": (1024, 32),
    "mobilenet_v3_large": (1536, 32),
    "efficientnet_lite0": (2048, 32),
    "shufflenet_v2_x1_0": (1536, 32),
    "convnext_tiny": (2560, 32),
    "densenet121": (4608, 32),
}
PUBLISHED = {
    "alexnet": {"features.12": (195, 195)},
    "vgg16": {"features.30": (212, 212)},
    "resnet18": {"layer1.1.relu_1": (43, 43), "layer4.1.relu_1": (435, 435)},
    "resnet50": {"layer4.2.relu_2": (427, 427)},
}
LARGEST_STRIDE = 32
NEEDS_ALL_CHANNELS = "shufflenet_v2_x1_0"  # it splits and shuffles them; elsewhere one channel shows as much


class Spread(nn.Module):
    """A convolution from all channels of its window to ``channels`` equal ones, with equal positive weights."""

    def __init__(self, conv: nn.Conv2d, channels: int) -> None:
        super().__init__()
        weight = torch.ones(1, 1, *conv.kernel_size, dtype=torch.float64)
        conv.weight = nn.Parameter(weight / weight.numel(), requires_grad=False)
        conv.bias, conv.groups, conv.in_channels, conv.out_channels = None, 1, 1, 1
        self.conv, self.channels = conv, channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x.mean(1, keepdim=True)).expand(-1, self.channels, -1, -1)


class SpreadLinear(nn.Module):
    """The same for the linear layers that ConvNeXt applies to each position, channels last."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(-1, keepdim=True)


class One(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.new_ones(1, 1, 1, 1)


def linear_step(child: nn.Module, all_channels: bool) -> nn.Module | None:
    """What takes a step's place: linear, with the same window and nothing negative. ``None``: look inside."""
    if isinstance(child, nn.Conv2d):
        return Spread(child, child.out_channels if all_channels else 1)
    if isinstance(child, nn.Linear):
        return SpreadLinear()
    if isinstance(child, nn.MaxPool2d):
        return nn.AvgPool2d(child.kernel_size, child.stride, child.padding, child.ceil_mode)
    if isinstance(child, nn.AvgPool2d) or type(child).__name__ in ("Permute", "StochasticDepth"):
        return child
    if type(child).__name__ == "SqueezeExcitation":  # its scales, which mix all positions, become 1
        child.avgpool, child.fc1, child.fc2 = One(), nn.Identity(), nn.Identity()
        child.activation = child.scale_activation = nn.Identity()
        return child
    if not list(child.children()):
        return nn.Identity()
    return None


def make_linear(module: nn.Module, all_channels: bool) -> None:
    for name, child in module.named_children():
        step = linear_step(child, all_channels)
        if step is None:
            make_linear(child, all_channels)
        else:
            setattr(module, name, step)
    if hasattr(module, "layer_scale"):
        module.layer_scale = nn.Parameter(torch.ones(1, 1, 1, dtype=torch.float64), requires_grad=False)
    if hasattr(module, "transform_input"):
        module.transform_input = False  # would add a constant to every pixel


class Measured(NamedTuple):
    """One axis of a layer's field, as the lit pixels showed it."""

    size: int
    stride: float
    start: float


class LitUnits(fx.Interpreter):
    """Runs a network and keeps, of every step, only which units along the long axis differ from zero."""

    def __init__(self, module: nn.Module, layers: list[Layer], long_axis: int) -> None:
        tracer = NodePathTracer(leaf_modules=[Spread, SpreadLinear, One])
        graph = tracer.trace(module)
        super().__init__(fx.GraphModule(module, graph))
        by_name = {layer.name: layer for layer in layers}
        self.wanted = {node.name: by_name.get(name) for node, name in tracer.node_to_qualname.items()}
        self.long_axis = long_axis
        self.lit: dict[str, torch.Tensor] = {}

    def run_node(self, n: fx.Node) -> object:
        output = super().run_node(n)
        if (layer := self.wanted.get(n.name)) is not None:
            rows_columns = (1, 2) if layer.layout == "channels_last" else (2, 3)
            others = tuple({1, 2, 3} - {rows_columns[self.long_axis]})
            self.lit[layer.name] = (output != 0).any(dim=others)
        return output


def measure(network: nn.Module, layers: list[Layer], side: tuple[int, int], axis: int) -> dict[str, Measured]:
    """Light 32 neighbouring pixels on the long axis one after the other, then the next 32 all at once."""
    long, short = side
    first = long // 2 - LARGEST_STRIDE
    batch = torch.zeros(LARGEST_STRIDE + 1, 1, long, short, dtype=torch.float64)
    for i in range(LARGEST_STRIDE):
        batch[i, 0, first + i, short // 2] = 1.0
    batch[-1, 0, first + LARGEST_STRIDE : first + 2 * LARGEST_STRIDE, short // 2] = 1.0
    run = LitUnits(network, layers, axis)
    run.run(batch if axis == 0 else batch.transpose(2, 3).contiguous())
    return {name: from_lit(lit, first, name) for name, lit in run.lit.items()}


def from_lit(lit: torch.Tensor, first: int, name: str) -> Measured:
    """From which units (columns) light up for which pixel (rows; the last row: for the next 32 together).

    Over a whole stride of pixels every phase occurs: the lowest pixel of unit u is the least of those that
    light u but no later unit, moved back to unit 0; likewise the highest.
    """
    assert not lit[:, [0, -1]].any(), f"the field of {name} reaches the border of its map: lengthen the input"
    near, far = lit[:-1], lit[-1]
    stride = LARGEST_STRIDE / (int(far.nonzero().max()) - int(near.any(dim=0).nonzero().max()))
    lows, highs = [], []
    for pixel, units in enumerate(near):
        if units.any():  # strides larger than the kernel pass pixels by
            seen = units.nonzero()
            lows.append(first + pixel - stride * int(seen.max()))
            highs.append(first + pixel - stride * int(seen.min()))
    low, high = min(lows), max(highs)
    return Measured(size=round(high - low) + 1, stride=stride, start=(low + high) / 2)


def scales_the_input(layer: Layer) -> bool:
    """GoogLeNet and Inception first shift each colour by a constant: steps of one pixel, made non-linear by it."""
    return re.fullmatch(r"(unsqueeze|mul|add|cat)(_\d+)?", layer.name) is not None


@pytest.fixture(autouse=True)
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights are replaced by ones: to draw random numbers for them first would take most of the time."""

    def zero(tensor: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
        with torch.no_grad():
            return tensor.zero_()

    def reset(self: nn.Conv2d | nn.Linear) -> None:
        for parameter in self.parameters():
            zero(parameter)

    for layer in (nn.Conv2d, nn.Linear):
        monkeypatch.setattr(layer, "reset_parameters", reset)
    for fill in ("normal_", "kaiming_normal_", "trunc_normal_", "uniform_", "kaiming_uniform_"):
        monkeypatch.setattr(nn.init, fill, zero)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Hundreds of small steps: threads would wait for each other more than they work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_map_layer_of_a_network(name: str) -> None:
    model = load_model(name, weights=None)
    fields = receptive_fields(model)
    maps = [layer for layer in list_layers(model) if layer.is_map]
    layers = [layer for layer in maps if not scales_the_input(layer)]
    make_linear(model.module, all_channels=name == NEEDS_ALL_CHANNELS)
    with torch.inference_mode():
        measured = [measure(model.module, layers, NETWORKS[name], axis) for axis in (0, 1)]
    wrong = {}
    for layer in layers:
        field = fields[layer.name]
        ours = [Measured(field.local_size[i], field.stride[i], field.start[i]) for i in (0, 1)]
        reference = [along.get(layer.name) for along in measured]
        if ours != reference:
            wrong[layer.name] = (ours, reference)
    assert not wrong
    for layer in maps:
        if scales_the_input(layer):
            assert fields[layer.name].size == fields[layer.name].stride == (1, 1)
            assert fields[layer.name].start == (0, 0)
    for layer, (y, x) in PUBLISHED.get(name, {}).items():
        assert fields[layer].size == (y, x)
