"""Where fields are easily claimed too small or needlessly the whole picture: each against autograd's own answer.

The reference knows nothing of kernels: the pixels that a unit sees are those with a gradient other than zero.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import explorer
from explorer.fields.theoretical import receptive_field
from explorer.networks.preprocessing import Preprocess

PX = 24


class Net(nn.Module):
    """A convolution, what is looked at, and a head; ``looked_at`` is the map behind it."""

    def __init__(self, step: Callable[[Net, torch.Tensor], torch.Tensor], **parts: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.looked_at = nn.ReLU()
        self.head = nn.Linear(6, 4)
        self.step = step
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.looked_at(10 + self.step(self, self.stem(x)))  # never in the flat part
        return self.head(x.mean((2, 3)))


class Doubled(nn.Conv2d):
    """A convolution that isn't what its class says."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) + x.mean((2, 3), keepdim=True)


class Renamed(nn.Conv2d):
    """A convolution under another name."""


class Whitened(nn.BatchNorm2d):
    """Normalises by the picture's own numbers, whatever was learnt."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.instance_norm(x)


class NormOverChannels(nn.LayerNorm):
    """As timm has it: of a map with its channels first, what its class would take over the width."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class NormOverRows(nn.LayerNorm):
    """What its class takes over the last axis, over the rows."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.transpose(2, 3)).transpose(2, 3)


class Standardised(nn.Conv2d):
    """Another weight than the one it holds, and padded as TensorFlow would."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return F.conv2d(F.pad(x, (0, 1, 0, 1)), weight, self.bias, self.stride)


class Scaled(nn.Module):
    """Holds weights and no modules: one step of the graph."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((6, 1, 1), 0.3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale


class WeightedByAll(Scaled):
    """As local as the other by its looks."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale * x.mean((2, 3), keepdim=True)


class Forgiving(Scaled):
    """What is no number doesn't spread, though every position matters."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale * torch.nan_to_num(x).mean((2, 3), keepdim=True)


class WeightedByTheMiddle(Scaled):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        middle = x[:, :, PX // 2 : PX // 2 + 1, PX // 2 : PX // 2 + 1]
        return x * self.scale * (1 + middle)


class Averaging(Scaled):
    """Goes on with its statistics in eval mode."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(6, 1, 1))
        self.calls, self.last = 0, torch.zeros(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.mean.mul_(0.9).add_(0.1 * x.mean((0, 2, 3)).view(6, 1, 1))
        self.calls, self.last = self.calls + 1, x
        return x * self.scale - self.mean


def seen_by_gradient(model: explorer.LoadedModel, row: int, column: int) -> np.ndarray:
    """Which pixels change unit (row, column) of ``looked_at``: (H, W), boolean."""
    module, kept = model.module, []
    generator = torch.Generator().manual_seed(3)
    picture = torch.rand(1, 3, PX, PX, generator=generator).requires_grad_()
    handle = module.get_submodule("looked_at").register_forward_hook(lambda m, i, o: kept.append(o))
    module(picture)
    handle.remove()
    unit = kept[0][0, :, row, column]
    (gradient,) = torch.autograd.grad((unit * torch.rand(len(unit), generator=generator)).sum(), picture)
    return (gradient[0].abs().sum(0) > 1e-9).numpy()


def loaded(net: Net) -> explorer.LoadedModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for part in net.modules():
            if hasattr(part, "reset_parameters"):
                part.reset_parameters()
    preprocess = Preprocess(PX, PX, (0.5,) * 3, (0.25,) * 3)
    return explorer.from_module(net.eval(), preprocess, ["a", "b", "c", "d"], name="net", weights="random")


SEES_MORE = {
    "gate by the mean of a row": Net(lambda net, x: x * x.mean(3, keepdim=True)),
    "gate by the mean of a column": Net(lambda net, x: x * x.mean(2, keepdim=True)),
    "linear over the width": Net(lambda net, x: net.part(x), part=nn.Linear(PX, PX)),
    "layer norm over the width": Net(lambda net, x: net.part(x), part=nn.LayerNorm(PX)),
    "layer norm over all": Net(lambda net, x: net.part(x), part=nn.LayerNorm([6, PX, PX])),
    "rows and columns change places": Net(
        lambda net, x: net.part(x.transpose(2, 3)), part=nn.Conv2d(6, 6, 1)
    ),
    "the same by permute": Net(lambda net, x: net.part(x.permute(0, 1, 3, 2)), part=nn.Conv2d(6, 6, 1)),
    "tokens mixed": Net(
        lambda net, x: net.part(x.flatten(2)).unflatten(2, (PX, PX)), part=nn.Linear(PX * PX, PX * PX)
    ),
    "circular padding": Net(
        lambda net, x: net.part(x), part=nn.Conv2d(6, 6, 3, padding=1, padding_mode="circular")
    ),
    "mirrored further than the kernel reaches": Net(
        lambda net, x: net.part(x), part=nn.Conv2d(6, 6, 3, padding=8, padding_mode="reflect")
    ),
    "the last rows in front": Net(
        lambda net, x: net.part(torch.cat([x[:, :, 4:], x[:, :, :4]], 2)), part=nn.Conv2d(6, 6, 1)
    ),
    "circular padding by a function": Net(
        lambda net, x: net.part(F.pad(x, (1, 1, 1, 1), mode="circular")), part=nn.Conv2d(6, 6, 3)
    ),
    "batch norm without statistics": Net(
        lambda net, x: net.part(x), part=nn.BatchNorm2d(6, track_running_stats=False)
    ),
    "the same by a function": Net(lambda net, x: F.batch_norm(x, None, None, training=True)),
    "derived from Conv2d": Net(lambda net, x: net.part(x), part=Doubled(6, 6, 3, padding=1)),
    "derived from BatchNorm2d": Net(lambda net, x: net.part(x), part=Whitened(6)),
    "derived from LayerNorm, over the rows": Net(lambda net, x: net.part(x), part=NormOverRows(PX)),
    "weights of its own and the mean of all": Net(lambda net, x: net.part(x), part=WeightedByAll()),
    "a mean that leaves out what is no number": Net(lambda net, x: x * x.nanmean((2, 3), keepdim=True)),
    "the same in a module with weights": Net(lambda net, x: net.part(x), part=Forgiving()),
    "larger than the mean": Net(lambda net, x: torch.fmax(x, x.mean((2, 3), keepdim=True))),
    "weighted by the position in the middle": Net(lambda net, x: net.part(x), part=WeightedByTheMiddle()),
    "halves of the rows added": Net(
        lambda net, x: net.part(torch.cat([x.chunk(2, 2)[0] + x.chunk(2, 2)[1], x.chunk(2, 2)[1]], 2)),
        part=nn.Conv2d(6, 6, 1),
    ),
}


@pytest.mark.parametrize("net", SEES_MORE.values(), ids=SEES_MORE)
def test_what_sees_more_is_not_claimed_local(net: Net) -> None:
    model = loaded(net)
    field = receptive_field(model, "looked_at")
    outside = 0
    for row, column in ((0, 0), (5, 17), (PX // 2, PX // 2), (PX - 1, PX - 1)):
        seen = seen_by_gradient(model, row, column)
        top, left, bottom, right = field.box(row, column)
        y, x = np.mgrid[:PX, :PX]
        outside += (seen & ~((y > top) & (y < bottom) & (x > left) & (x < right))).sum()
    assert outside > 0, "the example shows what it is for"
    assert field.is_global


LOCAL = {
    "padding by a computed amount": Net(
        lambda net, x: F.pad(x, (x.shape[3] // 6, 0, x.shape[2] // 6, 0))[:, :, : x.shape[2], : x.shape[3]]
    ),
    "batch norm by a function": Net(
        lambda net, x: F.batch_norm(x, net.part.running_mean, net.part.running_var), part=nn.BatchNorm2d(6)
    ),
    "convolution by a function": Net(
        lambda net, x: F.conv2d(x, net.part.weight, stride=2, padding=2), part=nn.Conv2d(6, 6, 5)
    ),
    "every second position": Net(lambda net, x: x[:, :, ::2, ::2]),
    "from the third position on": Net(lambda net, x: x[:, :, 2:, 3:]),
    "constant padding": Net(
        lambda net, x: net.part(F.pad(x, (2, 1, 1, 2), value=3.0)), part=nn.Conv2d(6, 6, 4)
    ),
    "a module that pads": Net(
        lambda net, x: net.part(net.pad(x)), part=nn.Conv2d(6, 6, 3), pad=nn.ConstantPad2d(1, 2.0)
    ),
    "channels last for a while": Net(
        lambda net, x: net.part(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), part=nn.Linear(6, 6)
    ),
    "norm over the channels": Net(
        lambda net, x: net.part(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), part=nn.LayerNorm(6)
    ),
    "channels shuffled": Net(lambda net, x: x.view(1, 2, 3, PX, PX).transpose(1, 2).reshape(1, 6, PX, PX)),
    "derived, and the same": Net(lambda net, x: net.part(x), part=Renamed(6, 6, 3, padding=1)),
    "derived from LayerNorm, over the channels": Net(lambda net, x: net.part(x), part=NormOverChannels(6)),
    "derived from Conv2d, its weight made anew": Net(
        lambda net, x: net.part(x), part=Standardised(6, 6, 3, stride=2)
    ),
    "weights of its own": Net(lambda net, x: net.part(x), part=Scaled()),
    "mirrored, then blurred by a function": Net(
        lambda net, x: F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), net.part.weight, stride=2),
        part=nn.Conv2d(6, 6, 3),
    ),
    "a norm by the neighbouring channels": Net(lambda net, x: net.part(x), part=nn.LocalResponseNorm(3)),
    "gate by the mean of the channels": Net(lambda net, x: x * x.mean(1, keepdim=True)),
}


@pytest.mark.parametrize("net", LOCAL.values(), ids=LOCAL)
def test_what_is_local_is_claimed_to_the_pixel(net: Net) -> None:
    model = loaded(net)
    field = receptive_field(model, "looked_at")
    assert field.source == "worked out"
    rows, columns = field.units
    for row, column in ((rows // 2, columns // 2), (rows // 2 - 1, columns // 2 + 1)):
        lit = np.argwhere(seen_by_gradient(model, row, column))
        top, left, bottom, right = field.box(row, column)
        assert tuple(lit.min(0) - 0.5) == (top, left)
        assert tuple(lit.max(0) + 0.5) == (bottom, right)


@pytest.mark.parametrize(("mode", "wider"), [("reflect", 6), ("replicate", 3)])
def test_padding_that_repeats_what_lies_inside(mode: str, wider: int) -> None:
    """Its units in the padding see what lies inside: the regular field holds that, and is wider for all by as much."""
    model = loaded(Net(lambda net, x: F.pad(x, (3, 3, 3, 3), mode=mode)))
    field = receptive_field(model, "looked_at")
    assert field.source == "worked out"
    assert field.size == (3 + 2 * wider,) * 2
    for row, column in ((0, 0), (2, 28), (PX // 2, PX // 2), (PX + 5, PX + 5)):
        lit = np.argwhere(seen_by_gradient(model, row, column))
        top, left, bottom, right = field.box(row, column)
        assert (lit.min(0) - 0.5 >= (top, left)).all()
        assert (lit.max(0) + 0.5 <= (bottom, right)).all()


@pytest.mark.parametrize(
    "net",
    [
        Net(
            lambda net, x: net.part(net.pad(x)), part=nn.Conv2d(6, 6, 3, padding=1), pad=nn.ReflectionPad2d(1)
        ),
        Net(
            lambda net, x: net.part(net.pad(x)),
            part=nn.Conv2d(6, 6, 5, padding="same"),
            pad=nn.ReplicationPad2d(2),
        ),
        Net(lambda net, x: F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), 3, 1, 1)),
    ],
)
def test_mirrored_padding_before_a_window_that_pads_as_well(net: Net) -> None:
    """Its padding moves the windows outwards: there they see further inside than their box."""
    every_unit_is_inside(loaded(net))


@pytest.mark.parametrize("factor", [0.5, 0.7, 1.3, 1.7])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic"])
def test_resizing_by_a_factor_that_gives_no_whole_size(mode: str, factor: float) -> None:
    """torch goes by the factor, not by the sizes that come of it."""
    every_unit_is_inside(
        loaded(Net(lambda net, x: F.interpolate(x[:, :, 1:, 1:], scale_factor=factor, mode=mode)))
    )


def every_unit_is_inside(model: explorer.LoadedModel) -> None:
    field = receptive_field(model, "looked_at")
    assert field.source == "worked out"
    rows, columns = field.units
    for row in (0, 1, rows // 2, rows - 2, rows - 1):
        lit = np.argwhere(seen_by_gradient(model, row, columns - 1 - row % columns))
        top, left, bottom, right = field.box(row, columns - 1 - row % columns)
        assert (lit.min(0) - 0.5 >= (top - 1e-6, left - 1e-6)).all(), (row, lit.min(0), field)
        assert (lit.max(0) + 0.5 <= (bottom + 1e-6, right + 1e-6)).all(), (row, lit.max(0), field)


def test_looking_leaves_no_trace() -> None:
    net = Net(lambda net, x: net.part(x), part=Averaging())
    model = loaded(net)
    explorer.list_layers(model)
    before, calls, last = net.part.mean.clone(), net.part.calls, net.part.last
    receptive_field(model, "looked_at")
    assert torch.equal(net.part.mean, before)
    assert (net.part.calls, net.part.last) == (calls, last)


@pytest.mark.parametrize("prefix", [1, 2, 5])
def test_tokens_in_front_have_no_place_on_the_picture(prefix: int) -> None:
    """Class, distillation and register tokens; an optional argument of ``forward`` is no picture."""

    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(3, 8, 4, stride=4)
            self.first = nn.Parameter(torch.randn(1, prefix, 8))
            self.block = nn.Linear(8, 8)
            self.head = nn.Linear(8, 4)

        def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
            x = self.patches(x).flatten(2).transpose(1, 2)
            x = self.block(torch.cat([self.first, x], 1))
            if mask is not None:
                x = x * mask
            return self.head(x[:, 0])

    preprocess = Preprocess(PX, PX, (0.5,) * 3, (0.25,) * 3)
    model = explorer.from_module(Tokens().eval(), preprocess, list("abcd"), name="tokens", weights="random")
    (block,) = (layer for layer in explorer.list_layers(model) if layer.name == "block")
    assert block.shape == (8, PX // 4, PX // 4)
    picture = np.random.default_rng(0).integers(0, 256, (PX, PX, 3), np.uint8)
    activation = explorer.capture_activations(model, picture, ["block"])["block"]
    with torch.no_grad():
        batch = model.preprocess(picture)
        wanted = model.module.block(model.module.patches(batch).flatten(2).transpose(1, 2))
    assert np.allclose(activation.values, wanted[0].T.reshape(8, PX // 4, PX // 4).numpy(), atol=1e-5)
