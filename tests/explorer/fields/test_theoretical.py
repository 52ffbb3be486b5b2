"""Receptive fields through small networks of every kind, against gradients; which units see a pixel."""

from __future__ import annotations

from math import ceil, floor

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision import models as zoo

from explorer.errors import ExplorerError
from explorer.fields.axis import Axis
from explorer.fields.graph import graph_fields
from explorer.fields.theoretical import ReceptiveField, receptive_field, receptive_fields, share_inside
from explorer.layers.listing import GraphTrace, trace
from explorer.networks.load import LoadedModel, from_module, load_model
from explorer.networks.preprocessing import Preprocess

SIDE = 96


def loaded(module: nn.Module, px: int = SIDE) -> LoadedModel:
    preprocess = Preprocess(resize_px=px, crop_px=px, mean=(0.5,) * 3, std=(0.5,) * 3)
    return from_module(module, preprocess, ("a", "b"), name="own", weights="ones")


class Chain(nn.Module):
    """Layers in a row, ending in a map."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.fill_(1.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def seen_by(module: nn.Module, row: int, column: int, px: int = SIDE) -> tuple[int, int, int, int]:
    """First row, first column, last row, last column of the pixels with a gradient, by autograd."""
    x = torch.ones(1, 3, px, px, requires_grad=True)
    (gradient,) = torch.autograd.grad(module(x)[0, :, row, column].sum(), x)
    rows, columns = gradient[0].sum(0).nonzero().unbind(1)
    return int(rows.min()), int(columns.min()), int(rows.max()), int(columns.max())


@st.composite
def windows(draw: st.DrawFn) -> nn.Module:
    """A convolution or average-pooling with every number drawn apart for both axes."""
    kernel = (draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    if draw(st.booleans()):
        padding = (draw(st.integers(0, kernel[0] // 2)), draw(st.integers(0, kernel[1] // 2)))
        return nn.AvgPool2d(kernel, stride, padding, ceil_mode=draw(st.booleans()))
    padding = (draw(st.integers(0, 4)), draw(st.integers(0, 4)))
    dilation = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    return nn.Conv2d(3, 3, kernel, stride, padding, dilation, bias=False)


@settings(max_examples=40, deadline=None)
@given(st.lists(windows(), min_size=1, max_size=3))
def test_asymmetric_windows_strides_and_dilations_against_the_gradient(layers: list[nn.Module]) -> None:
    network = Chain(*layers)
    with torch.no_grad():
        rows, columns = network(torch.ones(1, 3, SIDE, SIDE)).shape[2:]
    traced = trace(loaded(network))
    assert isinstance(traced, GraphTrace)
    field = graph_fields(traced)[f"layers.{len(layers) - 1}"]
    assert (field.y.units, field.x.units) == (rows, columns)
    row, column = rows // 2, columns // 2
    top, left, bottom, right = seen_by(network, row, column)
    for axis, unit, low, high in ((field.y, row, top, bottom), (field.x, column, left, right)):
        # A field that sticks out of the input is cut there; the whole one is compared below, on all networks.
        assert max(0, axis.low + unit * axis.stride) == low
        assert min(SIDE - 1, axis.high + unit * axis.stride) == high


def test_dilation_moves_the_start() -> None:
    """From PITFALLS of this arithmetic: start += ((k − 1)·d/2 − p)·jump, and the jump here is 2."""
    network = Chain(nn.Conv2d(3, 3, 3, stride=2, padding=1), nn.Conv2d(3, 3, 3, padding=1, dilation=3))
    field = receptive_field(loaded(network), "layers.1")
    start = (3 - 1) * 1 / 2 - 1 + ((3 - 1) * 3 / 2 - 1) * 2
    assert field.start == (start, start) == (4, 4)
    assert field.size == (3 + (3 - 1) * 3 * 2,) * 2
    assert seen_by(network, 10, 10)[0] == field.centre(10, 10)[0] - (field.size[0] - 1) / 2


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize(("kernel", "dilation"), [(2, 1), (4, 1), (3, 2), (2, 3)])
def test_padding_same_puts_the_smaller_half_in_front(kernel: int, dilation: int) -> None:
    network = Chain(nn.Conv2d(3, 3, kernel, padding="same", dilation=dilation, bias=False))
    field = receptive_field(loaded(network), "layers.0")
    top, left, bottom, right = seen_by(network, 40, 40)
    assert not field.is_global
    assert field.box(40, 40) == (top - 0.5, left - 0.5, bottom + 0.5, right + 0.5)


def test_padding_of_its_own_on_four_different_sides() -> None:
    network = Chain(nn.ZeroPad2d((1, 2, 3, 0)), nn.Conv2d(3, 3, 3, bias=False))
    traced = trace(loaded(network))
    assert isinstance(traced, GraphTrace)
    field = graph_fields(traced)["layers.1"]
    top, left, bottom, right = seen_by(network, 40, 40)
    assert (field.y.low + 40, field.x.low + 40) == (top, left)
    assert (field.y.high + 40, field.x.high + 40) == (bottom, right)


class Branches(nn.Module):
    """A skip, a narrow and a wide branch; then a sum, and the concatenation of two paths with other strides."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Conv2d(3, 3, (1, 7), padding=(0, 3))
        self.tall = nn.Conv2d(3, 3, (9, 1), padding=(2, 0))
        self.pad = nn.ZeroPad2d((0, 0, 2, 2))
        self.down = nn.Conv2d(3, 3, 1, stride=2)
        self.pool = nn.AvgPool2d(3, 2, 1)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.fill_(1.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        added = x + self.wide(x) + self.tall(self.pad(x))
        return torch.cat([self.down(added), self.pool(added)], dim=1)


def test_branches_take_the_union() -> None:
    network = Branches()
    model = loaded(network)
    assert receptive_field(model, "add_1").size == (9, 7)
    field = receptive_field(model, "cat")
    assert field.size == (9 + 2, 7 + 2)
    top, left, bottom, right = seen_by(network, 20, 20)
    assert field.box(20, 20) == (top - 0.5, left - 0.5, bottom + 0.5, right + 0.5)
    # The 1×1 of stride 2 alone sees what was added, and nothing around it.
    assert receptive_field(model, "down").size == (9, 7)


class SqueezeAndExcite(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.before = nn.Conv2d(3, 3, 3, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.scale = nn.Conv2d(3, 3, 1)
        self.after = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.before(x)
        return self.after(x * self.scale(self.pool(x)).sigmoid())


def test_squeeze_and_excitation_makes_the_field_global_and_keeps_the_local_one() -> None:
    torch.manual_seed(0)
    network = SqueezeAndExcite()
    fields = receptive_fields(loaded(network))
    assert not fields["before"].is_global
    assert fields["mul"].is_global
    assert fields["mul"].mixed_by == fields["after"].mixed_by == "pool"
    assert fields["after"].local_size == (5, 5)
    assert fields["after"].size == (SIDE, SIDE)
    assert seen_by(network, 40, 40) == (0, 0, SIDE - 1, SIDE - 1)


@pytest.mark.parametrize(
    ("step", "is_global"),
    [
        (nn.GroupNorm(1, 3), True),
        (nn.InstanceNorm2d(3), True),
        (nn.LayerNorm([3, SIDE, SIDE]), True),
        (nn.BatchNorm2d(3), False),
        (nn.Hardswish(), False),
        (nn.Dropout2d(), False),
        (nn.LocalResponseNorm(3), False),
        (nn.ChannelShuffle(3), False),
        (nn.Softmax(dim=-1), True),
    ],
)
def test_what_mixes_all_positions_and_what_does_not(step: nn.Module, is_global: bool) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 3, 1), step).eval()
    field = receptive_fields(loaded(network))["1"]
    assert field.is_global == is_global
    x = torch.rand(1, 3, SIDE, SIDE, requires_grad=True)
    # Squared, since the gradient of a sum over a normalised vector is 0.
    (gradient,) = torch.autograd.grad(network(x)[0, :, 5, 5].square().sum(), x)
    reached = int((gradient[0].abs().sum(0) > 0).sum())
    assert (reached > SIDE) if is_global and not isinstance(step, nn.Softmax) else (reached <= SIDE)


class DataDependent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.conv(x)
        return y if y.sum() > 0 else y.relu()


def test_a_network_that_cannot_be_traced_is_measured() -> None:
    field = receptive_field(loaded(DataDependent()), "conv")
    assert (field.source, field.is_global) == ("measured", False)
    assert (field.size, field.start) == ((3, 3), (0, 0))
    assert field.units == (SIDE, SIDE)


@settings(max_examples=80, deadline=None)
@given(units=st.integers(1, 40), wanted=st.integers(1, 40))
def test_adaptive_pooling_against_the_gradient(units: int, wanted: int) -> None:
    axis = Axis(0, 0, 1, units).adaptive(wanted)
    x = torch.ones(1, 1, units, requires_grad=True)
    pooled = F.adaptive_avg_pool1d(x, wanted)[0, 0]
    supports = [torch.autograd.grad(u, x, retain_graph=True)[0][0, 0].nonzero()[:, 0] for u in pooled]
    assert axis.units == wanted
    # Each window lies in its field, and on either side one reaches to the end of it.
    before = [int(support.min()) - (axis.low + axis.stride * i) for i, support in enumerate(supports)]
    behind = [axis.high + axis.stride * i - int(support.max()) for i, support in enumerate(supports)]
    assert min(before) == pytest.approx(0, abs=1e-9)
    assert min(behind) == pytest.approx(0, abs=1e-9)
    if units % wanted == 0:
        assert max(*before, *behind) == pytest.approx(0, abs=1e-9)


def test_resnet50_with_the_stride_in_the_first_1x1_as_in_the_original() -> None:
    """483, where torchvision's own, with the stride in the 3×3, has 427: each 3×3 after a moved stride counts twice."""
    network = zoo.resnet50(num_classes=2)
    for stage in (network.layer2, network.layer3, network.layer4):
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    moved = sum((3 - 1) * jump for jump in (4, 8, 16))
    assert receptive_field(loaded(network, 224), "layer4").size == (427 + moved, 427 + moved) == (483, 483)


def test_the_sheets_answers_through_a_network() -> None:
    three = Chain(*[nn.Conv2d(3, 3, 3) for _ in range(3)])
    two = Chain(*[nn.Conv2d(3, 3, 4, stride=2) for _ in range(2)])
    assert receptive_field(loaded(three), "layers.2").size == (1 + 2 + 2 + 2,) * 2 == (7, 7)
    assert receptive_field(loaded(two), "layers.1").size == (4 + (4 - 1) * 2,) * 2 == (10, 10)


fields_strategy = st.builds(
    lambda size, stride, start, units: ReceptiveField(
        "a layer",
        size,
        stride,
        tuple(s + (z % 2 == 0) / 2 for s, z in zip(start, size, strict=True)),
        units,
        size,
    ),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(-9, 9), st.integers(-9, 9)),
    st.tuples(st.integers(1, 8), st.integers(1, 8)),
)


@settings(deadline=None)
@given(field=fields_strategy, y=st.integers(-5, 60), x=st.integers(-5, 60))
def test_the_units_that_see_a_pixel_are_those_whose_box_holds_it(
    field: ReceptiveField, y: int, x: int
) -> None:
    rows, columns = field.units_seeing(y, x)
    for row, column in np.ndindex(*field.units):
        top, left, bottom, right = field.box(row, column)
        assert (row in rows and column in columns) == (top < y < bottom and left < x < right)


@given(field=fields_strategy, row=st.integers(0, 7), column=st.integers(0, 7))
def test_how_much_of_a_field_lies_on_the_input(field: ReceptiveField, row: int, column: int) -> None:
    top, left, bottom, right = box = field.box(row, column)
    covered = [
        (ceil(top) <= y <= floor(bottom)) and (ceil(left) <= x <= floor(right)) for y, x in np.ndindex(20, 30)
    ]
    area = field.local_size[0] * field.local_size[1]
    assert share_inside(box, 20, 30) == pytest.approx(sum(covered) / area)


def test_a_unit_that_the_map_does_not_have_is_refused_with_its_range() -> None:
    model = load_model("resnet18", weights=None)
    field = receptive_field(model, "layer4")
    with pytest.raises(ExplorerError, match=r"unit \(7, 0\) is not in layer4.*7×7.*from 0 to 6"):
        field.check_unit(7, 0)
    field.check_unit(6, 6)
    with pytest.raises(ExplorerError, match="did you mean 'layer4'"):
        receptive_field(model, "layr4")
