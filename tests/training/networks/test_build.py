"""Networks: counts from arithmetic, shapes, and errors that name the layer and the size."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from explorer.errors import ExplorerError
from training import build_network, count_parameters, describe, list_networks
from training.networks.build import LENET
from training.networks.layer_line import build_layers


def test_the_sheets_network_has_the_sheets_layers_and_parameters() -> None:
    rows = describe(build_network("lenet", 10))
    conv1, conv2 = 6 * (3 * 5 * 5 + 1), 16 * (6 * 5 * 5 + 1)
    dense = [120 * (16 * 5 * 5 + 1), 84 * (120 + 1), 10 * (84 + 1)]
    assert [row.parameters for row in rows if row.parameters] == [conv1, conv2, *dense]
    assert sum(row.parameters for row in rows) == 62_006
    assert [row.shape for row in rows if row.kind in ("Conv2d", "MaxPool2d")] == [
        (6, 28, 28),
        (6, 14, 14),
        (16, 10, 10),
        (16, 5, 5),
    ]


def test_the_sheets_network_computes_what_plain_torch_layers_compute() -> None:
    ours = build_network("lenet", 10)
    plain = nn.Sequential(
        nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2, 2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2, 2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    plain.load_state_dict(dict(zip(plain.state_dict(), ours.state_dict().values(), strict=True)))
    x = torch.rand(4, 3, 32, 32)
    assert torch.equal(ours(x), plain(x))


@pytest.mark.parametrize("name", ["lenet", "wide", "resnet9", "resnet18", "googlenet", "vit_b_16"])
def test_networks_map_images_to_one_logit_per_class(name: str) -> None:
    network = build_network(name, 7, 32).train()
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 7)


def test_describe_counts_every_parameter_once_and_keeps_the_mode() -> None:
    for name in ("wide", "resnet9", "resnet18"):
        network = build_network(name, 10).train()
        rows = describe(network)
        assert sum(row.parameters for row in rows) == count_parameters(network)
        assert all(module.training for module in network.modules())
    assert "conv1" in {row.name for row in rows}


def test_the_small_resnet_is_listed_layer_by_layer_with_shapes() -> None:
    rows = {row.name: row for row in describe(build_network("resnet9", 10))}
    convolutions = [row for row in rows.values() if row.kind == "Conv2d"]
    # "Nine layers": eight convolutions and the linear one; widths and pools as in the paper's source.
    widths = [3, 64, 128, 128, 128, 256, 512, 512, 512]
    assert [row.parameters for row in convolutions] == [9 * a * b for a, b in pairwise(widths)]
    sides = [32, 32, 16, 16, 16, 8, 4, 4]  # a unit pools after its ReLU
    assert [row.shape for row in convolutions] == list(zip(widths[1:], sides, sides, strict=True))
    assert list(rows)[:3] == ["0.0", "0.1", "0.2"]
    assert rows["2.body.1.2"].kind == "ReLU"
    assert rows["2"].shape == rows["2.body.1.2"].shape == (128, 16, 16)
    assert rows["2"].parameters == 0


@settings(deadline=None, max_examples=60)
@given(
    kernel=st.integers(1, 6),
    stride=st.integers(1, 3),
    padding=st.integers(0, 3),
    dilation=st.integers(1, 3),
    pool=st.integers(1, 4),
    size=st.integers(8, 24),
)
def test_built_shapes_are_what_running_it_gives_or_the_layer_is_named(
    kernel: int, stride: int, padding: int, dilation: int, pool: int, size: int
) -> None:
    conv = f"conv 4 {kernel} stride={stride} padding={padding} dilation={dilation}"
    line = f"{conv}, relu, maxpool {pool}, flatten, linear"
    after_conv = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    if after_conv < 1 or after_conv < pool:
        position = 1 if after_conv < 1 else 3
        with pytest.raises(ExplorerError, match=f"layer {position} .*input of at least"):
            build_layers(line, 3, size)
        return
    network = build_layers(line, 3, size)
    assert network(torch.rand(2, 3, size, size)).shape == (2, 3)
    assert describe(network, size)[0].shape == (4, after_conv, after_conv)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "conv 6 5, relu, maxpool 2, conv 16 15, flatten, linear",
            ["layer 4", "15×15", "6×14×14", "at most 14"],
        ),
        ("conv 6 5, linear", ["layer 2", "6×28×28", "flatten", "4704"]),
        ("flatten, conv 6 5, linear", ["layer 2", "3072", "before 'flatten'"]),
        ("conv 6 5, flatten", ["4704", "10 classes", "flatten, linear"]),
        ("flatten, linear 12", ["12", "10 classes"]),
        ("conv 6, flatten, linear", ["layer 1", "1 numbers, not 2", "conv CHANNELS KERNEL"]),
        ("conv 0 5, flatten, linear", ["layer 1", "channels 0"]),
        ("conv six 5, flatten, linear", ["layer 1", "'six'"]),
        ("conv 6 5 stride=0, flatten, linear", ["layer 1", "stride 0"]),
        ("conv 6 5 groups=2, flatten, linear", ["layer 1", "'groups'", "stride, padding, dilation"]),
        ("konv 6 5, flatten, linear", ["layer 1", "did you mean 'conv'"]),
        ("maxpool 2 padding=2, flatten, linear", ["layer 1", "more than half"]),
        ("flatten, dropout 1, linear", ["layer 2", "[0, 1)"]),
        ("flatten, linear 60000, linear", ["layer 2", "parameters"]),
        (" , ,", ["empty"]),
    ],
)
def test_a_line_that_does_not_fit_is_answered_with_layer_and_size(line: str, words: list[str]) -> None:
    with pytest.raises(ExplorerError) as caught:
        build_network(line, 10, 32)
    for word in words:
        assert word in str(caught.value)


def test_unknown_and_unfitting_networks_are_explained() -> None:
    with pytest.raises(ExplorerError, match="did you mean 'lenet'"):
        build_network("lennet", 10)
    with pytest.raises(ExplorerError, match=r"'alexnet' at 32 px.*larger image_size") as caught:
        build_network("alexnet", 10, 32)
    # The page has no such knob, but for pictures of one's own.
    assert "choose another network, or pictures of your own, Resized to" in str(caught.value.on_page())
    assert list_networks()[0] == "lenet"
    assert LENET.count(",") == 11


@pytest.mark.parametrize("name", ["regnet_x_400mf", "swin_v2_t", "vit_b_32"])
def test_torchvisions_networks_are_described_without_taking_memory(name: str) -> None:
    with torch.device("meta"):
        on_meta = build_network(name, 7, 224)
    assert all(parameter.is_meta for parameter in on_meta.parameters())
    assert count_parameters(on_meta) == count_parameters(build_network(name, 7, 224))
