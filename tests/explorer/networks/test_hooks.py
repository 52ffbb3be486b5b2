"""Modes and hooks: as they were, whatever happens in between."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest
import torch
from torch import nn

from explorer.networks.hooks import call_name, capture, evaluating, start_gradients_at, switch_off_inplace
from tests.sample_networks import Branching, Plain


def hooks_on(module: nn.Module) -> int:
    """How many hooks of any kind hang on a module and its submodules."""
    kinds = [
        name for name in vars(module) if name.endswith("_hooks") and isinstance(getattr(module, name), dict)
    ]
    assert "_forward_hooks" in kinds
    assert "_backward_hooks" in kinds
    return sum(len(getattr(m, kind)) for m in module.modules() for kind in kinds)


def test_each_submodules_own_mode_comes_back() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 3, 1), nn.Sequential(nn.BatchNorm2d(3), nn.Dropout()), nn.BatchNorm2d(3)
    )
    module.train()
    module[1].eval()
    module[1][1].train()
    flags = [m.training for m in module.modules()]
    assert len(set(flags)) == 2
    with evaluating(module):
        assert not any(m.training for m in module.modules())
    assert [m.training for m in module.modules()] == flags


def test_modes_come_back_after_an_error() -> None:
    module = nn.Sequential(nn.BatchNorm2d(3))
    with pytest.raises(ZeroDivisionError), evaluating(module):
        1 / 0  # noqa: B018
    assert module.training
    assert module[0].training


def test_the_last_of_several_users_restores_the_modes() -> None:
    module = nn.BatchNorm2d(3)
    inside, leave = threading.Barrier(2, timeout=20), threading.Event()

    def stay() -> None:
        with evaluating(module):
            inside.wait()
            leave.wait(20)
            assert not module.training

    with ThreadPoolExecutor(1) as pool:
        with evaluating(module):
            result = pool.submit(stay)
            inside.wait()
        assert not module.training  # the other one is still at it
        leave.set()
        result.result(20)
    assert module.training


def test_batch_norm_learns_nothing_while_evaluated() -> None:
    module = nn.BatchNorm2d(3)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    with evaluating(module):
        module(torch.randn(2, 3, 8, 8))
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())


def test_in_place_is_switched_off_at_every_depth() -> None:
    module = nn.Sequential(
        nn.ReLU(inplace=True), nn.Sequential(nn.Dropout(inplace=True), nn.SiLU(inplace=True))
    )
    switch_off_inplace(module)
    assert not any(getattr(m, "inplace", False) for m in module.modules())
    x = torch.tensor([-1.0])
    module.eval()(x)
    assert x.item() == -1


def test_calls_are_counted_and_never_take_another_modules_name() -> None:
    assert [call_name("relu", i, {"relu"}) for i in range(3)] == ["relu", "relu_1", "relu_2"]
    paths = {"relu", "relu_1", "relu_3"}
    assert [call_name("relu", i, paths) for i in range(3)] == ["relu", "relu_2", "relu_4"]


def test_captured_are_the_outputs_in_order_of_execution() -> None:
    module = Branching()
    x = torch.randn(1, 3, 20, 20)
    with capture(module) as seen, torch.no_grad():
        logits = module(x)
    assert list(seen) == ["first", "relu", "second", "relu_1", "fc"]
    with torch.no_grad():
        first = module.first(x)
        assert torch.equal(seen["first"], first)  # before the relu wrote into it
        assert seen["first"].min() < 0
        second = module.second(first.clamp(min=0))
        assert torch.equal(seen["relu"], first.clamp(min=0))
        assert torch.equal(seen["relu_1"], second.clamp(min=0))
    assert torch.equal(seen["fc"], logits)


def test_only_the_layers_asked_for_are_kept() -> None:
    module = Branching()
    with capture(module, {"relu_1"}) as seen, torch.no_grad():
        module(torch.randn(1, 3, 20, 20))
    assert list(seen) == ["relu_1"]


class Broken(Plain):
    """Fails half way."""

    def between(self, x: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("half way")


@pytest.mark.parametrize("how", ["capture", "start_gradients_at"])
@pytest.mark.parametrize("network", [Plain, Broken])
def test_no_hook_is_left(how: str, network: type[Plain]) -> None:
    module = network()
    context = capture(module) if how == "capture" else start_gradients_at(module, "second")
    try:
        with context:
            assert hooks_on(module) > 0
            module(torch.randn(1, 3, 20, 20))
    except RuntimeError as error:
        if "half way" not in str(error):
            raise
    assert hooks_on(module) == 0


@pytest.mark.parametrize("name", ["first", "relu", "second", "relu_1"])
def test_a_gradient_starts_at_the_call_that_was_named(name: str) -> None:
    module = Branching().requires_grad_(False)
    module.relu.inplace = False
    x = torch.randn(1, 3, 20, 20, generator=torch.Generator().manual_seed(1))
    with start_gradients_at(module, name) as seen:
        logits = module(x)
    (gradient,) = torch.autograd.grad(logits[0, 2], seen[name])

    def rest(value: torch.Tensor) -> torch.Tensor:
        """The network from there on, written out."""
        steps = [("first", torch.relu), ("relu", module.second), ("second", torch.relu)]
        for step in (
            [f for known, f in steps[[n for n, _ in steps].index(name) :]] if name != "relu_1" else []
        ):
            value = step(value)
        return module.fc(value.mean((2, 3)))

    start = seen[name].detach().requires_grad_()
    (expected,) = torch.autograd.grad(rest(start)[0, 2], start)
    assert torch.allclose(gradient, expected, atol=1e-7)
    assert gradient.abs().max() > 0


def test_captures_of_many_threads_never_cross() -> None:
    module = Branching().eval()
    inputs = [torch.randn(1, 3, 20, 20, generator=torch.Generator().manual_seed(i)) for i in range(32)]

    def run(x: torch.Tensor) -> dict[str, torch.Tensor]:
        with torch.no_grad(), capture(module) as seen:
            module(x)
        return dict(seen)

    alone = [run(x) for x in inputs]
    start = threading.Barrier(32, timeout=60)

    def together(x: torch.Tensor) -> list[dict[str, torch.Tensor]]:
        start.wait()
        return [run(x) for _ in range(5)]

    with ThreadPoolExecutor(32) as pool:
        for mine, expected in zip(pool.map(together, inputs), alone, strict=True):
            for seen in mine:
                assert list(seen) == list(expected)
                assert all(torch.equal(seen[k], expected[k]) for k in expected)
    assert hooks_on(module) == 0


class MapAndSize(NamedTuple):
    found: torch.Tensor
    size: torch.Size


class Sized(nn.Conv2d):
    """Returns its map's size as well, as a named tuple."""

    def forward(self, x: torch.Tensor) -> MapAndSize:  # type: ignore[override]
        found = super().forward(x)
        return MapAndSize(found, found.shape[2:])


class WithSizes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Sized(3, 4, 3), Sized(4, 5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.first(x)
        assert first.size == first.found.shape[2:]
        return self.second(first.found)[0].mean((2, 3))


def test_of_several_outputs_the_first_is_the_layers() -> None:
    module, x = WithSizes(), torch.rand(1, 3, 9, 9)
    with capture(module) as seen:
        module(x)
    assert [(name, tuple(found.shape)) for name, found in seen.items()] == [
        ("first", (1, 4, 7, 7)),
        ("second", (1, 5, 5, 5)),
    ]
    with start_gradients_at(module, "first") as seen:
        module(x).sum().backward()
    kept = seen["first"]
    assert kept.grad is not None
    expected = torch.autograd.grad(module.second(kept)[0].mean((2, 3)).sum(), kept)[0]
    torch.testing.assert_close(kept.grad, expected)
