"""Random networks: what is claimed of a unit is never less than what it sees, nor more but for listed reasons.

The reference is autograd: of a network with positive weights and nothing that cuts off, the pixels that a unit sees are
those with a gradient other than zero. Networks are grown from a grammar: convolutions and pooling of all kinds,
paddings, maps that grow, branches, gates, axes that change places.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import explorer
from explorer.errors import ExplorerError
from explorer.fields.theoretical import ReceptiveField, receptive_fields
from explorer.layers.listing import find_layer
from explorer.networks.preprocessing import Preprocess

PX, C = 40, 4

GLOBAL = {
    "squeeze and excitation": "a unit sees the mean of all positions",
    "row gate": "a unit sees its whole row",
    "sum along the row": "a unit sees its row up to itself",
    "exchanged": "rows become columns: no box moves along with the unit",
    "shifted round": "rows from the lower border lie at the upper one",
    "circular": "a unit at the border sees the opposite border",
    "mirrored": "with a padding wider than the kernel, a unit at the border sees what lies opposite it",
    "instance norm": "a unit sees the mean of all positions",
}
"""Steps behind which a field is the whole picture, and why."""

LARGER = {
    "grown": "neighbours see different things by turns: the field is the smallest regular one around them",
    "uneven": "windows of an adaptive pooling differ in length: the longest is claimed",
    "smooth": "as grown; and a weight of 0 at a border counts as seeing",
}
"""Steps behind which a field may be larger than need be, and why."""


@dataclass(frozen=True)
class Block:
    """A part of a network; ``reason``: the entry of GLOBAL or LARGER that it needs."""

    make: Callable[[], nn.Module]
    reason: str = ""


class Do(nn.Module):
    """A function as a module, followed by one more step, so that it is a layer."""

    def __init__(self, function: Callable[..., Tensor], *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *self.parts) * 1


def conv(kernel: Any, **options: Any) -> nn.Conv2d:
    return nn.Conv2d(C, C, kernel, **options)


def seen_sum(x: Tensor) -> Tensor:
    """What a gate is, without a curve that might be flat."""
    return x.mean((2, 3), keepdim=True)


@st.composite
def convolutions(draw: st.DrawFn) -> Block:
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    options = {
        "stride": draw(st.integers(1, 2)),
        "padding": draw(st.integers(0, 2)),
        "dilation": draw(st.integers(1, 2)),
        "groups": draw(st.sampled_from([1, 2, C])),
    }
    return Block(lambda: conv(kernel, **options))


@st.composite
def pools(draw: st.DrawFn) -> Block:
    kernel, stride = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    padding, ceil_mode = draw(st.integers(0, kernel // 2)), draw(st.booleans())
    return Block(lambda: nn.AvgPool2d(kernel, stride, padding, ceil_mode))


@st.composite
def branches(draw: st.DrawFn) -> Block:
    first, second = draw(st.sampled_from([1, 3, 5])), draw(st.sampled_from([(1, 7), (5, 1), (3, 3)]))
    side = (second[0] // 2, second[1] // 2)

    def make() -> nn.Module:
        if draw_cat:
            return Do(
                lambda x, a, b, c: c(torch.cat([a(x), b(x)], 1)),
                conv(first, padding=first // 2),
                conv(second, padding=side),
                nn.Conv2d(2 * C, C, 1),
            )
        return Do(lambda x, a, b: x + a(b(x)), conv(first, padding=first // 2), conv(second, padding=side))

    draw_cat = draw(st.booleans())
    return Block(make)


def a_step(function: Callable[..., Tensor], *parts: Callable[[], nn.Module], reason: str = "") -> Block:
    return Block(lambda: Do(function, *(part() for part in parts)), reason)


LOCAL_STEPS = [
    a_step(lambda x: x[:, :, ::2, 1::2]),
    a_step(lambda x: x[:, :, 1:, :-2]),
    a_step(lambda x: F.pad(x, (1, 2, 0, 3))),
    a_step(lambda x: F.pad(x, (x.shape[3] // 8, 0, 0, 0))),
    a_step(lambda x: x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)),
    a_step(lambda x, a: a(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), lambda: nn.Linear(C, C)),
    a_step(lambda x, a: x * a(x), lambda: conv(3, padding=1)),
    a_step(
        lambda x, a: x + a(x.flatten(2).transpose(1, 2)).transpose(1, 2).view_as(x), lambda: nn.Linear(C, C)
    ),
    a_step(lambda x, a: a(torch.cat([x, x[:, :1]], 1)), lambda: nn.Conv2d(C + 1, C, (3, 1))),
    Block(lambda: nn.BatchNorm2d(C)),
    Block(lambda: nn.PixelUnshuffle(1)),
    Block(lambda: nn.Softplus()),
]

LARGER_STEPS = [
    Block(lambda: nn.ConvTranspose2d(C, C, 2, stride=2), "grown"),
    Block(lambda: nn.ConvTranspose2d(C, C, 4, stride=2, padding=1), "grown"),
    Block(lambda: nn.ConvTranspose2d(C, C, 3, stride=2, padding=1, output_padding=1), "grown"),
    Block(lambda: nn.Upsample(scale_factor=2), "grown"),
    a_step(lambda x, a: F.pixel_shuffle(a(x), 2), lambda: nn.Conv2d(C, 4 * C, 1), reason="grown"),
    Block(lambda: nn.Upsample(scale_factor=2, mode="bilinear"), "smooth"),
    a_step(
        lambda x: F.interpolate(x, size=(x.shape[2] + 5, x.shape[3] + 3), mode="bilinear"), reason="smooth"
    ),
    Block(lambda: nn.AdaptiveAvgPool2d((7, 9)), "uneven"),
]

GLOBAL_STEPS = [
    a_step(lambda x, a: x * a(seen_sum(x)), lambda: conv(1), reason="squeeze and excitation"),
    a_step(lambda x: x * x.mean(3, keepdim=True), reason="row gate"),
    a_step(lambda x, a: a(x.transpose(2, 3)), lambda: conv(1), reason="exchanged"),
    a_step(lambda x, a: a(torch.roll(x, x.shape[2] // 2, 2)), lambda: conv(1), reason="shifted round"),
    Block(lambda: conv(3, padding=1, padding_mode="circular"), "circular"),
    Block(lambda: conv(1, padding=3, padding_mode="reflect"), "mirrored"),
    Block(lambda: nn.InstanceNorm2d(C), "instance norm"),
    a_step(lambda x: x.cumsum(3), reason="sum along the row"),
]

BLOCKS = st.one_of(
    convolutions(),
    convolutions(),
    pools(),
    branches(),
    st.sampled_from(LOCAL_STEPS),
    st.sampled_from(LARGER_STEPS),
    st.sampled_from(GLOBAL_STEPS),
)


class Net(nn.Module):
    def __init__(self, blocks: list[Block]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, C, 1)
        self.blocks = nn.ModuleList(block.make() for block in blocks)
        self.head = nn.Linear(C, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean((2, 3)))


def with_positive_weights(net: Net) -> Net:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(0.5 + torch.rand(parameter.shape, generator=generator))
    return net.eval()


def support(output: Tensor, picture: Tensor, row: int, column: int) -> tuple[int, int, int, int]:
    """First and last row and column of the pixels with a gradient; (0, -1, 0, -1) if there are none."""
    weights = torch.rand(C, generator=torch.Generator().manual_seed(1))
    (slope,) = torch.autograd.grad(
        (output[0, :, row, column] * weights).sum(), picture, retain_graph=True, allow_unused=True
    )
    lit = np.argwhere(slope[0].abs().sum(0).numpy() > 0) if slope is not None else np.empty((0, 2))
    if not len(lit):
        return 0, -1, 0, -1
    (top, left), (bottom, right) = lit.min(0), lit.max(0)
    return int(top), int(bottom), int(left), int(right)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(BLOCKS, min_size=1, max_size=5))
def test_claims_are_what_units_see(blocks: list[Block]) -> None:
    net = with_positive_weights(Net(blocks))
    picture = torch.rand(1, 3, PX, PX, generator=torch.Generator().manual_seed(2)) + 0.5
    kept: list[Tensor] = []
    handles = [block.register_forward_hook(lambda m, i, output: kept.append(output)) for block in net.blocks]
    try:
        net(picture)
    except RuntimeError:
        return  # a kernel larger than what is left of the map
    model = explorer.from_module(
        net, Preprocess(PX, PX, (0.5,) * 3, (0.25,) * 3), ["a", "b"], name="random", weights="random"
    )
    kept.clear()
    net(picture.requires_grad_())
    for handle in handles:
        handle.remove()
    outputs = list(kept)
    reasons: set[str] = set()
    fields = receptive_fields(model)
    for i, (block, output) in enumerate(zip(blocks, outputs, strict=True)):
        reasons |= {block.reason} - {""}
        try:
            field = fields[find_layer(model, f"blocks.{i}").name]
        except ExplorerError:
            assert reasons & GLOBAL.keys() or 1 in output.shape[2:], "only what lies out of order is no map"
            continue
        if output.shape[2] * output.shape[3] > 1:
            compare(field, output, picture, reasons)


def compare(field: ReceptiveField, output: Tensor, picture: Tensor, reasons: set[str]) -> None:
    rows, columns = output.shape[2:]
    assert field.units == (rows, columns)
    if field.is_global:
        assert reasons & GLOBAL.keys() or sees_nearly_all(output, picture), f"{field} though {reasons}"
        return
    middle = rows // 2, columns // 2
    for row, column in {(0, 0), (rows - 1, columns - 1), (rows // 3, 0), (0, columns // 3), middle}:
        top, bottom, left, right = support(output, picture, row, column)
        claimed = field.box(row, column)
        if bottom >= top:
            assert claimed[0] < top <= bottom < claimed[2], (field, row, column, (top, bottom))
            assert claimed[1] < left <= right < claimed[3], (field, row, column, (left, right))
    if reasons & {*GLOBAL, *LARGER}:
        return
    inside = [
        (row, column) for row in range(rows) for column in range(columns) if is_inside(field.box(row, column))
    ]
    for row, column in inside[len(inside) // 2 :][:1]:
        top, bottom, left, right = support(output, picture, row, column)
        exact = (top - 0.5, left - 0.5, bottom + 0.5, right + 0.5)
        assert field.box(row, column) == exact, (field, row, column)


def is_inside(box: tuple[float, float, float, float]) -> bool:
    return min(box[:2]) >= -0.5 and max(box[2:]) <= PX - 0.5


def sees_nearly_all(output: Tensor, picture: Tensor) -> bool:
    """A field without an edge on the picture can't be told from the whole of it."""
    rows, columns = output.shape[2:]
    top, bottom, left, right = support(output, picture, rows // 2, columns // 2)
    return bottom - top >= PX // 2 or right - left >= PX // 2
