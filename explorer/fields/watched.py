"""Running a network for what its maps show of a changed input, so that looking leaves no trace in it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import fx, nn

from explorer.layers.listing import GraphTrace, Layer, channels_first, trace
from explorer.networks.hooks import capture, evaluating
from explorer.networks.load import LoadedModel

See = Callable[[torch.Tensor], torch.Tensor]
"""From a map (C, H, W) to what is kept of it, (H, W)."""

_MORE_CALLS = 10
"""A network read by hooks that calls this many times as many modules as it has layers is not waited for."""


def maps_of(model: LoadedModel, names: Collection[str] | None = None) -> dict[str, Layer]:
    """The layers that are maps; ``names``: of these only."""
    layers = trace(model).layers.items()
    return {name: layer for name, layer in layers if layer.is_map and (names is None or name in names)}


def watch(
    model: LoadedModel, maps: Mapping[str, Layer], batch: torch.Tensor, see: See
) -> dict[str, torch.Tensor]:
    """What is seen of each map when the network is given this input; a pass ends behind the last of them."""
    taken, module = trace(model), trial_copy(model.module)
    batch = batch.to(model.preprocess.device, memory_format=torch.channels_last)
    with evaluating(module), torch.no_grad():
        if isinstance(taken, GraphTrace):
            watched = _Watched(taken, module, maps, see)
            with suppress(_Enough):
                watched.run(batch)
            return watched.seen
        # A loop that ends when a number is small enough doesn't end at what is none.
        with capture(module, set(maps), most_calls=_MORE_CALLS * len(taken.layers)) as outputs:
            last = module(batch)
        outputs |= {taken.output: last} if taken.output in maps else {}
        return {name: see(channels_first(output, maps[name])) for name, output in outputs.items()}


def trial_copy(module: nn.Module) -> nn.Module:
    """The same network with the same weights in memory, and everything else its own.

    What it counts, caches or averages while it is tried, be it no numbers, doesn't reach the one that was given.
    """
    shared = {id(parameter): parameter for parameter in module.parameters()}
    try:
        return copy.deepcopy(module, shared)
    except Exception:  # what can't be copied, such as a file that it holds, is tried itself
        return module


class _Enough(Exception):
    """The steps that follow are of no interest."""


class _Watched(fx.Interpreter):
    """Runs a graph step by step and keeps of each map only what is to be seen."""

    def __init__(self, taken: GraphTrace, module: nn.Module, maps: Mapping[str, Layer], see: See) -> None:
        super().__init__(fx.GraphModule(module, taken.graph))
        self.extra_traceback = False  # stopping early is no failure to tell of
        self.seen: dict[str, torch.Tensor] = {}
        self._see = see
        self._maps = {taken.nodes[name]: layer for name, layer in maps.items()}

    def run_node(self, n: fx.Node) -> Any:
        """What the step puts out."""
        output = super().run_node(n)
        if (layer := self._maps.get(n)) is not None:
            self.seen[layer.name] = self._see(channels_first(output, layer))
            if len(self.seen) == len(self._maps):
                raise _Enough
        return output
