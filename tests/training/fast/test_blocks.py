"""The compiled blocks are convolution, ReLU and max-pooling: forward and backward as PyTorch's in double precision."""

from __future__ import annotations

import contextlib
import copy
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.training.samples import mounted_disk
from training.fast.blocks import (
    FEW_CHANNELS,
    FEW_IMAGES,
    FEW_MULTIPLICATIONS,
    LARGEST_KERNEL,
    ConvBlocks,
    split_off_blocks,
)
from training.networks.layer_line import build_layers

ROOT = Path(__file__).parents[3]
IMAGES = torch.Size((16, 3, 32, 32))
SHEET = "conv 6 5, relu, maxpool 2, conv 16 5, relu, maxpool 2, flatten, linear"
LINES = {
    "the sheet's": (SHEET, 32),
    "pooling before the ReLU": ("conv 6 5, maxpool 2, relu, conv 16 5, maxpool 2, relu, flatten, linear", 32),
    "1 × 1": ("conv 4 1, relu, maxpool 2, flatten, linear", 8),
    "an even kernel": ("conv 4 2, relu, maxpool 2, conv 5 4, relu, maxpool 2, flatten, linear", 20),
    "padding and an odd side": (
        "conv 5 3 padding=1, relu, maxpool 2, conv 7 3 padding=2, relu, maxpool 2, flatten, linear",
        15,
    ),
    "padding wider than the kernel": ("conv 3 3 padding=4, relu, maxpool 2, flatten, linear", 9),
    "three blocks": (
        "conv 4 3 padding=1, relu, maxpool 2, conv 15 3, relu, maxpool 2, conv 3 7 padding=3, relu, maxpool 2, "
        "flatten, linear",
        32,
    ),
    "the largest kernel": (f"conv 4 {LARGEST_KERNEL}, relu, maxpool 2, flatten, linear", 10),
}


def close(ours: Tensor, exact: Tensor, what: str) -> None:
    """Within what float32 leaves of sums of some thousands: a few millionths of the largest number."""
    scale = float(exact.abs().max()) or 1.0
    assert float((ours.double() - exact).abs().max()) <= 5e-6 * scale, what


def both_ways(
    network: nn.Sequential, images: Tensor, upstream: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Our maps (n, O, S, S) and all gradients in one line, for a fixed gradient from above."""
    convolutions, _ = split_off_blocks(network, images.shape)
    blocks = ConvBlocks(convolutions, images.shape)
    maps = blocks.forward(images).clone()
    if upstream is None:
        upstream = torch.ones(maps.shape).permute(3, 0, 1, 2)
    gradients = blocks.backward(upstream.permute(1, 2, 3, 0).contiguous())
    return maps.permute(3, 0, 1, 2), torch.cat([g.flatten() for g in gradients])


def exactly(network: nn.Sequential, images: Tensor, upstream: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The same by PyTorch's own layers in double precision."""
    blocks = copy.deepcopy(nn.Sequential(*list(network.children())[:-2])).double()
    maps = blocks(images.double())
    upstream = torch.ones_like(maps) if upstream is None else upstream.double()
    gradients = torch.autograd.grad(maps, list(blocks.parameters()), upstream)
    return maps.detach(), torch.cat([g.flatten() for g in gradients])


@pytest.mark.parametrize(
    ("line", "count"), [*((line, 3) for line in LINES), *(("the sheet's", n) for n in (1, 16, FEW_IMAGES))]
)
def test_maps_and_gradients_are_those_of_convolution_relu_and_pooling(line: str, count: int) -> None:
    text, side = LINES[line]
    torch.manual_seed(0)
    network = build_layers(text, 10, side).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = torch.rand(count, side, side, 3).permute(0, 3, 1, 2)  # channels last, as they come
    upstream = torch.randn_like(exactly(network, images)[0]).float()
    (maps, gradients), (exact_maps, exact_gradients) = (
        way(network, images, upstream) for way in (both_ways, exactly)
    )
    close(maps, exact_maps, "maps")
    close(gradients, exact_gradients, "gradients")


def test_of_equal_pixels_the_first_gets_the_gradient() -> None:
    """A white background makes all four pixels of a window equal; then PyTorch's choice is the first."""
    network = build_layers(SHEET, 10, 32)
    images = torch.ones(4, 3, 32, 32)
    images[2:, :, 5:20, 9:14] = torch.rand(2, 3, 15, 5)
    with torch.no_grad():  # so that every window is open, and the choice shows in the weights' gradients
        network[0].bias.fill_(1.0)
    close(both_ways(network, images)[1], exactly(network, images)[1], "gradients")


def test_what_the_relu_holds_back_gets_no_gradient() -> None:
    network = build_layers("conv 6 5, relu, maxpool 2, flatten, linear", 10, 32)
    with torch.no_grad():
        network[0].weight.zero_()
        network[0].bias.copy_(torch.tensor([-1.0, 0.0, -1e-30, 1e-30, 1.0, -5.0]))
    maps, gradients = both_ways(network, torch.rand(3, 3, 32, 32))
    open_ones = torch.tensor(
        [False, False, False, True, True, False]
    )  # at 0 exactly it is shut, as in PyTorch
    assert torch.equal(maps.amax((0, 2, 3)) > 0, open_ones)
    assert torch.equal(gradients[-6:], open_ones * float(3 * 14 * 14))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", ["weight", "picture"])
def test_what_is_no_number_comes_through(bad: float, where: str) -> None:
    """Or a run that has gone wrong would go on as if it had not."""
    network, images = build_layers(SHEET, 10, 32), torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        (network[3].weight if where == "weight" else images)[0, 0, 2, 2] = bad
    maps = both_ways(network, images)[0]
    exact = exactly(network, images)[0]
    assert not torch.isfinite(exact).all()
    assert torch.equal(torch.isnan(maps), torch.isnan(exact))
    assert torch.equal(torch.isinf(maps), torch.isinf(exact))


def test_weights_changed_in_place_count_at_the_next_call() -> None:
    network, images = build_layers(SHEET, 10, 32), torch.rand(2, 3, 32, 32)
    convolutions, _ = split_off_blocks(network, images.shape)
    blocks = ConvBlocks(convolutions, images.shape)
    before = blocks.forward(images).clone()
    with torch.no_grad():
        network[0].weight.mul_(-1)
    after = blocks.forward(images).permute(3, 0, 1, 2)
    assert not torch.equal(before.permute(3, 0, 1, 2), after)
    close(after, exactly(network, images)[0], "maps")


def _conv(**changed: object) -> nn.Conv2d:
    return nn.Conv2d(**{"in_channels": 3, "out_channels": 6, "kernel_size": 5, **changed})  # type: ignore[arg-type]


NO_BLOCK = {
    "many channels": [_conv(in_channels=FEW_CHANNELS + 1), nn.ReLU(), nn.MaxPool2d(2)],
    "stride": [_conv(stride=2), nn.ReLU(), nn.MaxPool2d(2)],
    "dilation": [_conv(dilation=2), nn.ReLU(), nn.MaxPool2d(2)],
    "groups": [_conv(groups=3), nn.ReLU(), nn.MaxPool2d(2)],
    "a large kernel": [_conv(kernel_size=LARGEST_KERNEL + 1), nn.ReLU(), nn.MaxPool2d(2)],
    "an oblong kernel": [_conv(kernel_size=(5, 3)), nn.ReLU(), nn.MaxPool2d(2)],
    "oblong padding": [_conv(padding=(1, 2)), nn.ReLU(), nn.MaxPool2d(2)],
    "padding by name": [_conv(padding="same"), nn.ReLU(), nn.MaxPool2d(2)],
    "mirrored padding": [_conv(padding=1, padding_mode="reflect"), nn.ReLU(), nn.MaxPool2d(2)],
    "no bias": [_conv(bias=False), nn.ReLU(), nn.MaxPool2d(2)],
    "another nonlinearity": [_conv(), nn.GELU(), nn.MaxPool2d(2)],
    "another pooling": [_conv(), nn.ReLU(), nn.AvgPool2d(2)],
    "a larger pooling": [_conv(), nn.ReLU(), nn.MaxPool2d(3)],
    "overlapping pooling": [_conv(), nn.ReLU(), nn.MaxPool2d(2, stride=1)],
    "padded pooling": [_conv(), nn.ReLU(), nn.MaxPool2d(2, padding=1)],
    "pooling rounded up": [_conv(), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)],
    "two ReLUs": [_conv(), nn.ReLU(), nn.ReLU()],
    "no pooling": [_conv(), nn.ReLU()],
}


@pytest.mark.parametrize("layers", NO_BLOCK.values(), ids=NO_BLOCK)
def test_other_layers_stay_with_pytorch(layers: list[nn.Module]) -> None:
    network = nn.Sequential(*layers, nn.Flatten())
    assert split_off_blocks(network, IMAGES) == ([], network)


def test_much_work_stays_with_pytorch_which_shares_it_out_to_all_cores() -> None:
    network = build_layers("conv 16 5, relu, maxpool 2, flatten, linear", 10, 64)
    most = FEW_MULTIPLICATIONS // (60 * 60 * 16 * 3 * 5 * 5)
    assert 1 < most < FEW_IMAGES
    assert split_off_blocks(network, torch.Size((most, 3, 64, 64)))[0] == [network[0]]
    assert split_off_blocks(network, torch.Size((most + 1, 3, 64, 64))) == ([], network)


def test_so_do_large_batches_however_small_the_work() -> None:
    network = build_layers("conv 4 3, relu, maxpool 2, flatten, linear", 10, 8)
    assert split_off_blocks(network, torch.Size((FEW_IMAGES, 3, 8, 8)))[0] == [network[0]]
    assert split_off_blocks(network, torch.Size((FEW_IMAGES + 1, 3, 8, 8))) == ([], network)


def test_blocks_end_where_the_first_other_layer_begins() -> None:
    line = "conv 4 3, relu, maxpool 2, conv 4 3, tanh, maxpool 2, conv 4 3, relu, maxpool 2, flatten, linear"
    network = build_layers(line, 10, 40)
    found, rest = split_off_blocks(network, torch.Size((16, 3, 40, 40)))
    assert found == [network[0]]
    assert list(rest) == list(network)[3:]


def test_a_layer_that_stands_twice_counts_twice() -> None:
    relu, pool, first, second = nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3)
    found, rest = split_off_blocks(nn.Sequential(first, relu, pool, second, relu, pool, nn.Flatten()), IMAGES)
    assert found == [first, second]
    assert len(list(rest)) == 1


def test_a_map_too_small_to_pool_is_left_to_pytorch_which_says_so() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    assert split_off_blocks(network, torch.Size((2, 3, 3, 3))) == ([], network)


TWO_BLOCKS_BOTH_WAYS = f"""
import torch
from training.fast import kernels
from training.fast.blocks import ConvBlocks, split_off_blocks
from training.networks.layer_line import build_layers

shape = torch.Size((4, 3, 32, 32))
convolutions, _ = split_off_blocks(build_layers({SHEET!r}, 10, 32), shape)
ConvBlocks(convolutions, shape)
stats = [function.stats for function in (kernels.convolve_and_pool, kernels.pass_back)]
print(sum(len(s.cache_hits) for s in stats), sum(len(s.cache_misses) for s in stats))
"""


def hits_and_misses(kept_in: Path) -> list[str]:
    """How many of the two functions a fresh process found compiled, and how many it had to compile."""
    command, surroundings = (
        [sys.executable, "-c", TWO_BLOCKS_BOTH_WAYS],
        {**os.environ, "NUMBA_CACHE_DIR": str(kept_in)},
    )
    return subprocess.run(
        command, cwd=ROOT, env=surroundings, capture_output=True, text=True, check=True
    ).stdout.split()


def test_compiled_once_and_kept_on_disk(tmp_path: Path) -> None:
    """A second process finds what the first one compiled: the wait of some seconds is for the first run ever."""
    assert hits_and_misses(tmp_path) == ["0", "2"]
    assert hits_and_misses(tmp_path) == ["2", "0"]


@pytest.mark.slow
def test_where_nothing_can_be_kept_it_is_compiled_all_the_same(tmp_path: Path) -> None:
    nowhere = tmp_path / "a file"
    nowhere.touch()
    assert hits_and_misses(nowhere / "below") == ["0", "2"]


@pytest.mark.slow
def test_a_full_disk_ends_no_training(tmp_path: Path) -> None:
    with mounted_disk(tmp_path / "disk") as disk:
        with (disk / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(bytes(4096))
        assert hits_and_misses(disk) == ["0", "2"]


def test_written_out_in_loops_small_whole_numbers_come_out_to_the_last_bit() -> None:
    network = build_layers("conv 2 3 padding=1, relu, maxpool 2, flatten, linear", 10, 8)
    images, weight = torch.randint(-3, 4, (2, 3, 8, 8)).float(), torch.randint(-3, 4, (2, 3, 3, 3)).float()
    bias = torch.tensor([1.0, -2.0])
    with torch.no_grad():
        network[0].weight.copy_(weight)
        network[0].bias.copy_(bias)
    maps = both_ways(network, images)[0]
    padded = functional.pad(images, (1, 1, 1, 1))

    def convolved(n: int, o: int, y: int, x: int) -> float:
        return float((padded[n, :, y : y + 3, x : x + 3] * weight[o]).sum() + bias[o])

    for n, o, y, x in itertools.product(range(2), range(2), range(4), range(4)):
        window = [convolved(n, o, 2 * y + down, 2 * x + right) for down in (0, 1) for right in (0, 1)]
        assert float(maps[n, o, y, x]) == max(0.0, *window)
