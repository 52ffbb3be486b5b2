"""A training step recorded once and replayed for every batch, for networks so small that bookkeeping counts.

With few channels and small batches, a fifth of a step's time goes into finding out what to compute: modules
call modules, autograd builds its graph and walks it backwards. All that comes out the same for each batch. Here
the first batch of a shape is traced to the flat list of tensor operations, forward and backward, that it
consists of; later batches only run that list. They are the same kernels on the same numbers in the same order,
but that a ReLU before a max-pooling is taken behind it, where there is a quarter as much to do: the weights are
equal bit for bit.

Convolution blocks with few channels, as the exercise sheet's network begins with, are computed before that list
by :mod:`training.fast.blocks`, in a third of the time and equal within the rounding of float32.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, fx, nn, optim
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.graph import CodeGen
from torch.nn import functional
from torch.optim.adam import adam

# What these compute depends on their input and weights alone: no random numbers, no statistics kept from batch
# to batch, the same in training and evaluation.
_STATELESS = (
    nn.Sequential,
    nn.Conv2d,
    nn.Linear,
    nn.ReLU,
    nn.GELU,
    nn.Tanh,
    nn.Sigmoid,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
    nn.Flatten,
)
Pass = Callable[[Tensor, Tensor], tuple[Tensor, list[Tensor]]]
"""From images and classes to logits and the gradient of each parameter."""


def is_recordable(network: nn.Module) -> bool:
    """Whether every step of ``network`` runs the same operations: a plain sequence of stateless layers."""
    return all(
        type(module) in _STATELESS and not getattr(module, "inplace", False) for module in network.modules()
    )


class RecordedStep:
    """One optimiser step on the mean cross-entropy of a batch; a recording for each shape of batch."""

    def __init__(self, network: nn.Module, optimizer: optim.Optimizer, label_smoothing: float = 0.0) -> None:
        self._network, self._optimizer, self._smoothing = _pooled_first(network), optimizer, label_smoothing
        self._parameters = list(network.parameters())
        self._weights = [parameter.detach() for parameter in self._parameters]
        self._passes: dict[torch.Size, Pass] = {}

    def prepare(self, count: int, size: int) -> None:
        """Record for batches of ``count`` pictures of ``size`` × ``size`` ahead of the first: it can take seconds."""
        images = torch.zeros(count, size, size, 3).permute(0, 3, 1, 2)
        self._passes[images.shape] = self._record(images, torch.zeros(count, dtype=torch.int64))

    def __call__(self, images: Tensor, classes: Tensor) -> Tensor:
        """Change the weights by one step; returns the logits ``(n, classes)`` from before it.

        ``images``: ``(n, 3, S, S)`` as the network takes them; ``classes``: ``(n,)`` int64.
        """
        both_ways = self._passes.get(images.shape)
        if both_ways is None:
            both_ways = self._passes[images.shape] = self._record(images, classes)
        with torch.inference_mode():
            logits, gradients = both_ways(images, classes)
        self._update(gradients)
        return logits

    def _record(self, images: Tensor, classes: Tensor) -> Pass:
        # Here and not above, for it brings in numba, which takes a while and which nothing but training needs.
        from training.fast.blocks import ConvBlocks, split_off_blocks

        convolutions, rest = split_off_blocks(self._network, images.shape)
        # An epoch's last and smaller batch comes later: a step an epoch is not worth compiling.
        if not convolutions or self._passes:
            return _Replay(self._network, self._smoothing, images, classes)
        blocks = ConvBlocks(convolutions, images.shape)
        maps = blocks.forward(images)
        replay = _Replay(nn.Sequential(_BatchFirst(), rest), self._smoothing, maps, classes, passes_back=True)

        def both_ways(images: Tensor, classes: Tensor) -> tuple[Tensor, list[Tensor]]:
            logits, (passed, *gradients) = replay(blocks.forward(images), classes)
            return logits, blocks.backward(passed) + gradients

        return both_ways

    def _update(self, gradients: list[Tensor]) -> None:
        if isinstance(self._optimizer, optim.Adam) and self._optimizer.state:
            self._adam(gradients)
            return
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient
        self._optimizer.step()
        self._optimizer.zero_grad()

    @torch.no_grad()
    def _adam(self, gradients: list[Tensor]) -> None:
        """``optimizer.step()`` by torch's functional form: for ten small tensors half its time is hooks."""
        (group,) = self._optimizer.param_groups
        state: list[dict[str, Any]] = [self._optimizer.state[parameter] for parameter in self._parameters]
        adam(
            self._weights,
            gradients,
            [s["exp_avg"] for s in state],
            [s["exp_avg_sq"] for s in state],
            [],
            [s["step"] for s in state],
            fused=group["fused"],
            amsgrad=group["amsgrad"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=group["maximize"],
            decoupled_weight_decay=group["decoupled_weight_decay"],
        )


class _Replay:
    """Logits and gradients by the operations that one batch of its shape was traced to."""

    def __init__(
        self, network: nn.Module, smoothing: float, x: Tensor, classes: Tensor, passes_back: bool = False
    ) -> None:
        """``passes_back``: the first of the gradients is that of ``x``."""
        named = dict(network.named_parameters())
        self._weights = [parameter.detach() for parameter in named.values()]
        count, start = len(named), 0 if passes_back else 1

        def logits_and_gradients(x: Tensor, *given: Tensor) -> tuple[Tensor, ...]:
            weights, classes = given[:count], given[count]
            logits = functional_call(network, dict(zip(named, weights, strict=True)), (x,))
            loss = functional.cross_entropy(logits, classes, label_smoothing=smoothing)
            sources = (x, *weights)[start:]
            gradients = torch.autograd.grad(loss, sources)
            return logits.detach(), *(_laid_out_as(s, g) for s, g in zip(sources, gradients, strict=True))

        traced = make_fx(logits_and_gradients)(
            x.detach().requires_grad_(passes_back), *named.values(), classes
        )
        _without_aliases(traced.graph)
        traced.graph.set_codegen(CodeGen())  # plain arguments: no trees to take apart on each call
        traced.recompile()
        self._run = cast(Callable[..., tuple[Tensor, ...]], traced.forward)

    def __call__(self, x: Tensor, classes: Tensor) -> tuple[Tensor, list[Tensor]]:
        logits, *gradients = self._run(x, *self._weights, classes)
        return logits, gradients


class _BatchFirst(nn.Module):
    """(C, H, W, n) → (n, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        # Never a view: what follows may be one, and the blocks overwrite their maps at the next step.
        return x.permute(3, 0, 1, 2).clone(memory_format=torch.contiguous_format)


def _pooled_first(network: nn.Module) -> nn.Module:
    """``network`` with the same layers, each ReLU that stands before a max-pooling moved behind it.

    The largest of some numbers is positive where it was before, and passes the same gradients back.
    """
    if type(network) is not nn.Sequential:
        return network
    layers = list(network)
    for place, (first, second) in enumerate(pairwise(tuple(layers))):
        if isinstance(first, nn.ReLU) and isinstance(second, nn.MaxPool2d):
            layers[place], layers[place + 1] = second, first
    return nn.Sequential(*layers)


def _laid_out_as(weight: Tensor, gradient: Tensor) -> Tensor:
    """``gradient`` in the memory layout of its weight, which fused optimisers take for granted."""
    if gradient.stride() == weight.stride():
        return gradient
    return torch.empty_like(weight).copy_(gradient)


def _without_aliases(graph: fx.Graph) -> None:
    """Drop operations that give a tensor a second name: the recording writes into none."""
    aten = torch.ops.aten
    for node in list(graph.nodes):
        if node.target in (aten.alias.default, aten.detach.default):
            node.replace_all_uses_with(node.args[0])
    for node in list(graph.nodes):
        source = node.args[0] if node.target is aten.t.default else None
        if isinstance(source, fx.Node) and source.target is aten.t.default:
            node.replace_all_uses_with(source.args[0])
    graph.eliminate_dead_code()
