"""A recorded step is the step itself: the same weights as PyTorch's ordinary loop, bit for bit where PyTorch
computes all of it, and within float32's rounding where the first blocks are compiled."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn, optim
from torch.nn import functional

from tests.training.samples import KITCHEN_SINK, TINY, assert_same_bits, tiny_data
from training.fast.recording import RecordedStep, is_recordable
from training.loop import setup
from training.networks.build import LENET, build_network

WITHOUT_BLOCKS = LENET.replace("maxpool 2, conv", "maxpool 2 stride=2 padding=1, conv")
"""The sheet's but for its first pooling, so that none of its layers is compiled."""
MIXED = "conv 5 3 padding=1 stride=2, tanh, avgpool 2, conv 7 3, gelu, flatten, linear 12, sigmoid, linear"
CLOSE = {"rtol": 1e-3, "atol": 2e-5}
OPTIMIZERS = {
    "adam": lambda parameters: optim.Adam(parameters, 1e-2, weight_decay=1e-3, fused=True),
    "adamw": lambda parameters: optim.AdamW(parameters, 1e-2, weight_decay=1e-1, fused=True),
    "sgd": lambda parameters: optim.SGD(parameters, 1e-2, 0.9, 0, 1e-3, True, fused=True),
}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("line", [WITHOUT_BLOCKS, MIXED, LENET], ids=["sheet's layers", "mixed", "sheet"])
def test_the_weights_are_those_of_the_ordinary_loop(line: str, optimizer: str) -> None:
    exact = line != LENET
    torch.manual_seed(1)
    network = build_network(line, 10, 32).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    ordinary = copy.deepcopy(network)
    # Flat areas, as white backgrounds are: all numbers that a pooling compares are equal there.
    images = (torch.rand(40, 32, 32, 3) * (torch.arange(32) > 12).view(1, 32, 1, 1)).permute(0, 3, 1, 2)
    classes = torch.randint(0, 10, (40,))
    ours, theirs = (OPTIMIZERS[optimizer](n.parameters()) for n in (network, ordinary))
    step = RecordedStep(network, ours, label_smoothing=0.1)
    for number in range(6):
        rate = 0.01 / (number + 1)  # a schedule changes it from step to step
        ours.param_groups[0]["lr"] = theirs.param_groups[0]["lr"] = rate
        part = slice(0, 16) if number % 3 else slice(16, 23)  # the last batch of an epoch is smaller
        logits = step(images[part], classes[part])
        theirs.zero_grad()
        expected = ordinary(images[part])
        functional.cross_entropy(expected, classes[part], label_smoothing=0.1).backward()
        theirs.step()
        torch.testing.assert_close(logits, expected, **({"rtol": 0, "atol": 0} if exact else CLOSE))
    if exact:
        assert_same_bits(dict(network.state_dict()), dict(ordinary.state_dict()))
    torch.testing.assert_close(dict(network.state_dict()), dict(ordinary.state_dict()), **CLOSE)
    for one, other in zip(ours.state.values(), theirs.state.values(), strict=True):
        torch.testing.assert_close(one, other, **({"rtol": 0, "atol": 0} if exact else CLOSE))


def test_it_goes_on_with_weights_that_were_put_in_later() -> None:
    network = build_network(LENET, 10, 32)
    step = RecordedStep(network, optim.Adam(network.parameters(), fused=True))
    images, classes = torch.rand(4, 3, 32, 32), torch.arange(4)
    step(images, classes)
    network.load_state_dict(build_network(LENET, 10, 32).state_dict())
    expected = network(images).detach()
    torch.testing.assert_close(step(images, classes), expected)


def test_the_logits_of_a_step_stay_what_they_were_when_the_next_one_runs() -> None:
    """A chunk's logits are counted when all its steps are done; these are the block's own maps."""
    network = build_network("conv 10 7, relu, maxpool 2, flatten", 10, 8)
    step = RecordedStep(network, optim.SGD(network.parameters(), 0.1))
    images, classes = torch.rand(2, 4, 3, 8, 8), torch.arange(4)
    expected = network(images[0]).detach()
    first = step(images[0], classes)
    step(images[1], classes)
    torch.testing.assert_close(first, expected)


def test_preparing_changes_neither_weights_nor_what_the_first_step_does() -> None:
    images, classes, ends = torch.rand(4, 3, 32, 32), torch.arange(4), []
    for prepared in (True, False):
        torch.manual_seed(0)
        network = build_network(LENET, 10, 32)
        step = RecordedStep(network, optim.Adam(network.parameters(), fused=True))
        if prepared:
            before = copy.deepcopy(dict(network.state_dict()))
            step.prepare(4, 32)
            assert_same_bits(dict(network.state_dict()), before)
        step(images, classes)
        ends.append(dict(network.state_dict()))
    assert_same_bits(*ends)


@pytest.mark.parametrize(
    "layer", [nn.Dropout(0.5), nn.BatchNorm2d(3), nn.ReLU(inplace=True)], ids=lambda layer: repr(layer)
)
def test_what_draws_numbers_keeps_statistics_or_overwrites_is_not_recorded(layer: nn.Module) -> None:
    assert is_recordable(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))
    assert not is_recordable(nn.Sequential(layer, nn.Conv2d(3, 4, 3)))


def test_a_network_of_ones_own_is_not_recorded_for_its_forward_may_decide_anew_each_time() -> None:
    class Own(nn.Sequential):
        pass

    assert not is_recordable(Own(nn.Conv2d(3, 4, 3)))


@pytest.mark.parametrize(
    ("config", "recorded"),
    [
        (TINY, True),
        (replace(TINY, mixup=0.2), False),
        (replace(TINY, precision="bfloat16"), False),
        (KITCHEN_SINK, False),
    ],
    ids=["sheet", "mixup", "bfloat16", "batch normalisation"],
)
def test_only_plain_steps_are_recorded(config, recorded: bool) -> None:
    trainee = setup.prepare(config, tiny_data(), None, resume=False)
    assert (trainee.recorded is not None) == recorded
