"""Which outputs are maps, and which of their axes are rows, columns and channels: by graph and by hooks alike.

What is expected is written down from how each step is built. That rows and columns are those of the picture is checked
against the network itself: a corner of the picture that becomes brighter changes that corner of the map most.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import explorer
from explorer.layers.listing import GraphTrace, HookTrace, Layer, channels_first, trace
from explorer.networks.preprocessing import Preprocess

PX, C = 32, 16
"""With a stride of 2 a map has 16 rows, 16 columns and 16 channels: its size tells nothing."""

Step = Callable[["Net", Tensor], Tensor]


class Here(nn.Module):
    """Marks an output, and changes nothing of it."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 1


class Net(nn.Module):
    """A convolution to 16 maps of 16 × 16, a step, what is looked at, and a head."""

    def __init__(self, step: Step, untraceable: bool, **parts: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, C, 3, stride=2, padding=1)
        self.here = Here()
        self.head = nn.Linear(1, 4)
        self.step, self.untraceable = step, untraceable
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        if self.untraceable and float(x.sum()) == 0.125:  # a path that depends on the picture
            x = -x
        x = self.here(self.step(self, x))
        return self.head(x.flatten(1).mean(1, keepdim=True))


def looked_at(
    step: Step, untraceable: bool, parts: dict[str, nn.Module]
) -> tuple[explorer.LoadedModel, Layer | None]:
    preprocess = Preprocess(PX, PX, (0.5,) * 3, (0.25,) * 3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for part in parts.values():
            for module in part.modules():
                if hasattr(module, "reset_parameters"):
                    module.reset_parameters()
        net = Net(step, untraceable, **parts)
    model = explorer.from_module(net, preprocess, list("abcd"), name="net", weights="random")
    assert isinstance(trace(model), HookTrace if untraceable or step is written_into_zeros else GraphTrace)
    return model, next(
        (layer for name, layer in trace(model).layers.items() if name in ("here", "here.mul")), None
    )


def tokens(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)


def grid(x: Tensor, rows: int = 16) -> Tensor:
    return x.transpose(1, 2).unflatten(2, (rows, -1))


def with_tokens_in_front(x: Tensor, count: int) -> Tensor:
    return torch.cat([torch.ones(1, count, x.shape[2]), x], 1)


def heads(x: Tensor, count: int) -> Tensor:
    """(1, N, C) → (1, heads, N, C / heads)."""
    return x.unflatten(2, (count, -1)).transpose(1, 2)


def attention(x: Tensor, count: int = 1) -> tuple[Tensor, Tensor]:
    """The weights of self-attention (1, heads, N, N), and what they find, (1, N, C)."""
    each = heads(x, count)
    weights = (each @ each.transpose(2, 3) + 0.1).softmax(3)
    return weights, (weights @ each).transpose(1, 2).flatten(2)


def windows(x: Tensor, side: int = 4) -> Tensor:
    """(1, H, W, C) → (windows, side · side, C)."""
    cut = x.unflatten(2, (-1, side)).unflatten(1, (-1, side))
    return cut.transpose(2, 3).flatten(0, 2).flatten(1, 2)


def put_together(x: Tensor, rows: int = 16, side: int = 4) -> Tensor:
    """The windows of a map of 16 × 16, back in their places."""
    cut = x.unflatten(1, (side, side)).unflatten(0, (rows // side, rows // side))
    return cut.transpose(1, 2).flatten(2, 3).flatten(0, 1).unsqueeze(0)


def in_shifted_windows(x: Tensor) -> Tensor:
    """Attention as in Swin: windows that go round the picture's border."""
    shifted = torch.roll(x.permute(0, 2, 3, 1), (-2, -2), (1, 2))
    each = windows(shifted)
    found = (each @ each.transpose(1, 2)).softmax(2) @ each
    return torch.roll(put_together(found), (2, 2), (1, 2))


def by_channels(x: Tensor) -> tuple[Tensor, Tensor]:
    """Attention between channels, as in XCiT: a matrix (1, heads, d, d), and what it finds, (1, N, C)."""
    each = heads(tokens(x), 2)
    weights = (each.transpose(2, 3) @ each).softmax(3)
    return weights, (each @ weights).transpose(1, 2).flatten(2)


def written_into_zeros(net: Net, x: Tensor) -> Tensor:
    """Which torch.fx can't follow."""
    room = torch.zeros(1, 2 * C, 16, 16)
    room[:, :C] = x
    room[:, C:] = 2 * x
    return room


FIRST, LAST = "channels_first", "channels_last"

MAPS: dict[str, tuple[Step, tuple[int, int, int], str, dict[str, nn.Module]]] = {
    "channels first": (lambda net, x: x, (C, 16, 16), FIRST, {}),
    "a rectangle": (lambda net, x: x[:, :, ::2], (C, 8, 16), FIRST, {}),
    "a row": (lambda net, x: x.mean(2, keepdim=True), (C, 1, 16), FIRST, {}),
    "channels last": (lambda net, x: x.permute(0, 2, 3, 1), (C, 16, 16), LAST, {}),
    "channels last of a rectangle": (
        lambda net, x: x[:, :, :, ::2].permute(0, 2, 3, 1),
        (C, 16, 8),
        LAST,
        {},
    ),
    "there and back": (lambda net, x: x.permute(0, 2, 3, 1).permute(0, 3, 1, 2), (C, 16, 16), FIRST, {}),
    "a layer norm over channels": (
        lambda net, x: net.part(x.permute(0, 2, 3, 1)),
        (C, 16, 16),
        LAST,
        {"part": nn.LayerNorm(C)},
    ),
    "padded": (lambda net, x: F.pad(x, (1, 2, 3, 4)), (C, 23, 19), FIRST, {}),
    "padded by mirroring": (lambda net, x: F.pad(x, (2, 2, 2, 2), mode="reflect"), (C, 20, 20), FIRST, {}),
    "padded in a circle, convolved": (
        lambda net, x: net.part(x),
        (8, 16, 16),
        FIRST,
        {"part": nn.Conv2d(C, 8, 3, padding=1, padding_mode="circular")},
    ),
    "tokens": (lambda net, x: tokens(x), (C, 16, 16), "tokens", {}),
    "tokens of a rectangle": (lambda net, x: tokens(x[:, :, :4]), (C, 4, 16), "tokens", {}),
    "a class token": (lambda net, x: with_tokens_in_front(tokens(x), 1), (C, 16, 16), "class_and_tokens", {}),
    "five registers": (
        lambda net, x: with_tokens_in_front(tokens(x), 5),
        (C, 16, 16),
        "class_and_tokens",
        {},
    ),
    "behind a linear layer": (
        lambda net, x: net.part(with_tokens_in_front(tokens(x), 2)),
        (24, 16, 16),
        "class_and_tokens",
        {"part": nn.Linear(C, 24)},
    ),
    "behind an attention": (
        lambda net, x: attention(with_tokens_in_front(tokens(x), 1), 4)[1],
        (C, 16, 16),
        "class_and_tokens",
        {},
    ),
    "behind one of torch's": (
        lambda net, x: F.scaled_dot_product_attention(*[heads(tokens(x), 2)] * 3).transpose(1, 2).flatten(2),
        (C, 16, 16),
        "tokens",
        {},
    ),
    "behind torch's module": (
        lambda net, x: net.part(tokens(x), tokens(x), tokens(x))[0],
        (C, 16, 16),
        "tokens",
        {"part": nn.MultiheadAttention(C, 2, batch_first=True)},
    ),
    "behind an attention to fewer": (
        lambda net, x: attention_to(tokens(x), tokens(x[:, :, ::4, ::4])),
        (C, 16, 16),
        "tokens",
        {},
    ),
    "behind an attention between channels": (lambda net, x: by_channels(x)[1], (C, 16, 16), "tokens", {}),
    "put together from windows": (
        lambda net, x: put_together(windows(x.permute(0, 2, 3, 1))),
        (C, 16, 16),
        LAST,
        {},
    ),
    "attention in shifted windows": (lambda net, x: in_shifted_windows(x), (C, 16, 16), LAST, {}),
    "tokens in the order of windows": (
        lambda net, x: windows(x.permute(0, 2, 3, 1)).flatten(0, 1).unsqueeze(0),
        (C, 16, 16),
        "tokens",
        {},
    ),
    "mixed along tokens, added": (
        lambda net, x: tokens(x) + net.part(tokens(x).transpose(1, 2)).transpose(1, 2),
        (C, 16, 16),
        "tokens",
        {"part": nn.Sequential(nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 256))},
    ),
    "patches as channels": (
        lambda net, x: torch.cat(
            [x[:, :, ::2, ::2], x[:, :, 1::2, ::2], x[:, :, ::2, 1::2], x[:, :, 1::2, 1::2]], 1
        ),
        (4 * C, 8, 8),
        FIRST,
        {},
    ),
    "channels as patches": (lambda net, x: F.pixel_shuffle(x, 2), (C // 4, 32, 32), FIRST, {}),
    "made larger": (lambda net, x: F.interpolate(x, scale_factor=2), (C, 32, 32), FIRST, {}),
    "made larger, smoothly": (
        lambda net, x: F.interpolate(x, size=(40, 24), mode="bicubic"),
        (C, 40, 24),
        FIRST,
        {},
    ),
    "made larger by a transposed convolution": (
        lambda net, x: net.part(x),
        (4, 33, 33),
        FIRST,
        {"part": nn.ConvTranspose2d(C, 4, 3, stride=2)},
    ),
    "written into zeros": (written_into_zeros, (2 * C, 16, 16), FIRST, {}),
    "a vector made a map": (
        lambda net, x: net.grown(net.part(x.flatten(1)).unflatten(1, (8, 2, 2))),
        (5, 4, 4),
        FIRST,
        {"part": nn.Linear(C * 256, 32), "grown": nn.ConvTranspose2d(8, 5, 2, stride=2)},
    ),
    "a window wider than the map": (
        lambda net, x: net.part(x[:, :, ::4, ::4]),
        (C, 4, 4),
        FIRST,
        {"part": nn.Conv2d(C, C, 7, padding=3, groups=C)},
    ),
    "a gate of a padded map": (
        lambda net, x: gated(F.pad(x, (1, 2, 3, 4)), 1) + gated(F.pad(x, (0, 3, 7, 0)), 1),
        (C, 23, 19),
        FIRST,
        {},
    ),
    "fifty gates": (lambda net, x: gated(x, 50), (C, 16, 16), FIRST, {}),
    "sixty attentions": (lambda net, x: attended(x, 60), (C, 16, 16), "tokens", {}),
}

NO_MAPS: dict[str, tuple[Step, dict[str, nn.Module]]] = {
    "fetched through a mirrored grid": (
        lambda net, x: F.grid_sample(
            x,
            F.affine_grid(torch.tensor([[[-1.0, 0, 0], [0, 1, 0]]]), [1, C, 16, 16], False),
            align_corners=False,
        ),
        {},
    ),
    "rows sorted": (lambda net, x: torch.sort(x, 3)[0], {}),
    "rows scattered": (
        lambda net, x: torch.zeros(1, C, 16, 16).index_copy(2, torch.arange(15, -1, -1), x),
        {},
    ),
    "weights of an attention": (lambda net, x: attention(tokens(x), 2)[0], {}),
    "weights of an attention with one head, as tokens": (lambda net, x: attention(tokens(x))[0][0], {}),
    "weights of one with as many heads as channels": (
        lambda net, x: attention(tokens(x[:, :, :4, :4]), 16)[0],
        {},
    ),
    "weights between channels": (lambda net, x: by_channels(x)[0], {}),
    "windows": (lambda net, x: windows(x.permute(0, 2, 3, 1)), {}),
    "patches unfolded": (
        lambda net, x: (
            x.unflatten(2, (8, 2)).unflatten(4, (8, 2)).permute(0, 1, 3, 5, 2, 4).flatten(4).flatten(2, 3)
        ),
        {},
    ),
    "frequencies": (lambda net, x: torch.fft.fft2(x).abs(), {}),
    "rows and columns exchanged": (lambda net, x: x.transpose(2, 3), {}),
    "upside down": (lambda net, x: x.flip(2), {}),
    "the last rows in front": (lambda net, x: torch.roll(x, 8, 2), {}),
    "tokens as channels": (lambda net, x: tokens(x).unsqueeze(2), {}),
    "tokens mixed": (
        lambda net, x: net.part(x.flatten(2)).unflatten(2, (4, 4)),
        {"part": nn.Linear(256, 16)},
    ),
}


def attention_to(x: Tensor, fewer: Tensor) -> Tensor:
    return (x @ fewer.transpose(1, 2)).softmax(2) @ fewer


def gated(x: Tensor, times: int) -> Tensor:
    for _ in range(times):
        x = x * x.mean((2, 3), keepdim=True).sigmoid().expand_as(x)
    return x


def attended(x: Tensor, times: int) -> Tensor:
    found = tokens(x)
    for _ in range(times):
        found = attention(found, 2)[1]
    return found


@pytest.mark.parametrize("untraceable", [False, True], ids=["graph", "hooks"])
@pytest.mark.parametrize(("step", "shape", "layout", "parts"), MAPS.values(), ids=MAPS)
def test_maps_are_read_as_they_are_arranged(
    step: Step, shape: tuple[int, int, int], layout: str, parts: dict[str, nn.Module], untraceable: bool
) -> None:
    _, layer = looked_at(step, untraceable, parts)
    assert layer is not None
    assert (layer.shape, layer.layout) == (shape, layout)


@pytest.mark.parametrize("untraceable", [False, True], ids=["graph", "hooks"])
@pytest.mark.parametrize(("step", "parts"), NO_MAPS.values(), ids=NO_MAPS)
def test_what_is_no_map_is_not_offered_as_one(
    step: Step, parts: dict[str, nn.Module], untraceable: bool
) -> None:
    _, layer = looked_at(step, untraceable, parts)
    assert layer is None or not layer.is_map


LOCAL = [
    *("channels first", "a rectangle", "channels last", "channels last of a rectangle", "padded", "tokens"),
    *(
        "tokens of a rectangle",
        "a class token",
        "five registers",
        "behind a linear layer",
        "channels as patches",
    ),
    *(
        "put together from windows",
        "patches as channels",
        "made larger",
        "written into zeros",
        "there and back",
    ),
    *("made larger by a transposed convolution", "made larger, smoothly"),
]


@pytest.mark.parametrize("name", LOCAL)
def test_a_part_of_the_picture_is_that_part_of_the_map(name: str) -> None:
    step, _, _, parts = MAPS[name]
    model, layer = looked_at(step, False, parts)
    assert layer is not None
    plain = torch.zeros(1, 3, PX, PX)
    for top, left in ((0, 0), (0, 1), (1, 0), (1, 1)):
        brighter = plain.clone()
        brighter[:, :, 16 * top + 4 : 16 * top + 8, 16 * left + 4 : 16 * left + 8] = 1
        change = (read(model, layer, brighter) - read(model, layer, plain)).abs().sum(0)
        rows, columns = change.shape
        if name == "tokens of a rectangle" and top:  # of which only the upper rows were kept
            continue
        high, wide = (1 if name == "tokens of a rectangle" else 2), 2
        parts_of_map = change[: rows // high * high, : columns // wide * wide]
        shares = parts_of_map.unflatten(1, (wide, -1)).unflatten(0, (high, -1)).sum((1, 3))
        strongest = divmod(int(shares.argmax()), wide)
        assert strongest == (top, left), name


def read(model: explorer.LoadedModel, layer: Layer, batch: Tensor) -> Tensor:
    with torch.no_grad():
        return channels_first(trace(model).run(batch, [layer.name])[layer.name], layer)


def test_following_places_changes_no_value() -> None:
    step, _, _, parts = MAPS["attention in shifted windows"]
    model, layer = looked_at(step, False, parts)
    assert layer is not None
    picture = torch.rand(1, 3, PX, PX, generator=torch.Generator().manual_seed(1))
    kept: list[Any] = []
    handle = model.module.here.register_forward_hook(lambda module, given, output: kept.append(output))
    with torch.no_grad():
        model.module(picture)
    handle.remove()
    torch.testing.assert_close(
        trace(model).run(picture, [layer.name])[layer.name], kept[0], rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("untraceable", [False, True], ids=["graph", "hooks"])
def test_what_sees_everything_lies_where_its_units_do(untraceable: bool) -> None:
    """Not evenly over the picture: unit i of a convolution with a stride of 2 lies at pixel 2·i."""
    model, layer = looked_at(lambda net, x: attention(tokens(x), 2)[1], untraceable, {})
    assert layer is not None
    field = explorer.receptive_field(model, layer.name)
    assert field.is_global
    assert field.start == pytest.approx((0, 0))
    assert field.stride == pytest.approx((2, 2))
    smaller = lambda net, x: attention_to(tokens(x[:, :, 1::4, 2::4]), tokens(x))  # noqa: E731
    model, layer = looked_at(smaller, untraceable, {})
    assert layer is not None
    field = explorer.receptive_field(model, layer.name)
    assert field.start == pytest.approx((2, 4))
    assert field.stride == pytest.approx((8, 8))


def test_a_map_of_the_pictures_own_size_lies_where_its_units_do() -> None:
    """Unit i of a convolution with a stride of 2 lies at 2·i; made twice as large, unit i at i − ½."""
    model, layer = looked_at(lambda net, x: F.interpolate(x, scale_factor=2.0), True, {})
    assert layer is not None
    field = explorer.receptive_field(model, layer.name)
    assert field.units == (PX, PX)
    assert (field.start, field.stride) == ((-0.5, -0.5), (1, 1))
