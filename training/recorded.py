"""A training step recorded once and replayed for every batch, for networks so small that bookkeeping counts.

With the exercise sheet's network at batch 16, a fifth of a step's time goes into finding out what to compute:
modules call modules, autograd builds its graph and walks it backwards. All that comes out the same for each
batch. Here the first batch of a shape is traced to the flat list of tensor operations, forward and backward,
that it consists of; later batches only run that list. They are the same kernels on the same numbers in the
same order, but that a ReLU before a max-pooling is taken behind it, where there is a quarter as much to do:
the weights are equal bit for bit.
"""

from __future__ import annotations

from collections import OrderedDict
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
Replay = Callable[..., tuple[Tensor, ...]]


def is_recordable(network: nn.Module) -> bool:
    """Whether every step of ``network`` runs the same operations: a plain sequence of stateless layers."""
    return all(
        type(module) in _STATELESS and not getattr(module, "inplace", False) for module in network.modules()
    )


class RecordedStep:
    """One optimiser step on the mean cross-entropy of a batch; a recording for each shape of batch."""

    def __init__(self, network: nn.Module, optimizer: optim.Optimizer, label_smoothing: float = 0.0) -> None:
        self._network, self._optimizer, self._smoothing = _pooled_first(network), optimizer, label_smoothing
        named = dict(network.named_parameters())
        self._names, self._parameters = list(named), list(named.values())
        self._weights = [parameter.detach() for parameter in self._parameters]
        self._replays: dict[torch.Size, Replay] = {}

    def __call__(self, images: Tensor, classes: Tensor) -> Tensor:
        """Change the weights by one step; returns the logits ``(n, classes)`` from before it.

        ``images``: ``(n, 3, S, S)`` as the network takes them; ``classes``: ``(n,)`` int64.
        """
        replay = self._replays.get(images.shape)
        if replay is None:
            replay = self._replays[images.shape] = self._record(images, classes)
        with torch.inference_mode():
            logits, *gradients = replay(*self._weights, images, classes)
        self._update(gradients)
        return logits

    def _record(self, images: Tensor, classes: Tensor) -> Replay:
        count = len(self._parameters)

        def logits_and_gradients(*given: Tensor) -> tuple[Tensor, ...]:
            weights, (x, y) = given[:count], given[count:]
            logits = functional_call(self._network, dict(zip(self._names, weights, strict=True)), (x,))
            loss = functional.cross_entropy(logits, y, label_smoothing=self._smoothing)
            gradients = torch.autograd.grad(loss, weights)
            return logits.detach(), *(_laid_out_as(w, g) for w, g in zip(weights, gradients, strict=True))

        traced = make_fx(logits_and_gradients)(*self._parameters, images, classes)
        _without_aliases(traced.graph)
        traced.graph.set_codegen(CodeGen())  # plain arguments: no trees to take apart on each call
        traced.recompile()
        return cast(Replay, traced.forward)

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


def _pooled_first(network: nn.Module) -> nn.Module:
    """``network`` with the same layers, each ReLU that stands before a max-pooling moved behind it.

    The largest of some numbers is positive where it was before, and passes the same gradients back.
    """
    layers = list(network.named_children())
    for place, ((_, first), (_, second)) in enumerate(pairwise(tuple(layers))):
        if isinstance(first, nn.ReLU) and isinstance(second, nn.MaxPool2d):
            layers[place], layers[place + 1] = layers[place + 1], layers[place]
    return nn.Sequential(OrderedDict(layers)) if type(network) is nn.Sequential else network


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
