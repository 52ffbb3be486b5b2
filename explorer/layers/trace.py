"""A network's computation as a graph, by torch.fx: traced once, checked against the network itself."""

from __future__ import annotations

import operator
import re
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torchvision.models.feature_extraction import NodePathTracer

from explorer.layers.arrangement import arrangement
from explorer.layers.places import FollowPlaces
from explorer.networks.hooks import call_name

ARRANGEMENT = "arrangement"
NUMBERS = "numbers"


class Untraceable(Exception):
    """This network can't be told by a graph, or not by one that puts out what the network does."""


def traced_graph(module: nn.Module, batch: torch.Tensor) -> tuple[fx.Graph, dict[fx.Node, str]]:
    """The graph of a network that is in eval mode, and the nodes' names.

    For ``batch``, nodes hold the shape of their output, under :data:`ARRANGEMENT` how it arranges a map, and under
    :data:`NUMBERS` what is computed from sizes.
    No step of the graph writes into the output of another: each output is what it was when it was made.

    Raises:
        Untraceable: the path through the network depends on its input, or it writes into its own tensors
            in a way that can't be taken out.
    """
    tracer = _OwnThreadTracer(leaf_modules=_own_leaves(module))
    try:
        graph = tracer.trace(module)
        rewritten = _write_nothing_in_place(graph)
        with FollowPlaces(batch) as places:
            rehearsal = _Rehearsal(fx.GraphModule(module, graph), places)
            output = rehearsal.propagate(batch)
    except Exception as error:
        # fx gives up with nearly every kind of error. One that is the network's own will come again.
        raise Untraceable(str(error)) from error
    if rehearsal.wrote_into_inputs:
        raise Untraceable("a step writes into its input")
    # Where the result of writing in place is thrown away and the overwritten tensor used, nothing in
    # the graph connects the two: it would compute something else than the network.
    if rewritten and not _same(output, module(batch)):
        raise Untraceable("the graph's output is not the network's")
    return graph, _node_names(tracer.node_to_qualname, {path for path, _ in module.named_modules()})


class _OwnThreadTracer(NodePathTracer):
    """The tracer inside torchvision's ``create_feature_extractor``, made safe for many threads.

    That function itself traces in train mode, too, and leaves every submodule's mode set to the root's. And
    while fx traces, it patches ``nn.Module`` for the whole process: a network that another thread runs at
    that moment would end up in this graph, or fail.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._owner = threading.get_ident()
        self._last_number: dict[str, int] = {}
        self._names: dict[int, str] | None = None

    def _get_node_qualname(self, module_qualname: str, node: fx.Node) -> str:
        """torchvision's names, which it finds by comparing each with all before: seconds for a large network."""
        name = module_qualname
        if node.op != "call_module":
            name = f"{name}.{node}" if name else str(node)
        base = _without_number(name)
        if (last := self._last_number.get(base)) is not None:
            base = f"{base}_{last + 1}"
        self._last_number[base] = 0
        if (unnumbered := _without_number(base)) != base:
            self._last_number[unnumbered] = int(base[len(unnumbered) + 1 :])
        return base

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if threading.get_ident() != self._owner:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        if threading.get_ident() != self._owner:
            return attr_val
        # torch.fx looks through all parameters for each that is used: seconds for a large network.
        if (name := self._parameter_names().get(id(attr_val))) is None:
            return super().getattr(attr, attr_val, parameter_proxy_cache)
        if name not in parameter_proxy_cache:
            parameter_proxy_cache[name] = self.create_proxy("get_attr", name, (), {})
        return parameter_proxy_cache[name]

    def _parameter_names(self) -> dict[int, str]:
        if self._names is None:
            named = [*self.root.named_parameters()]
            if self.proxy_buffer_attributes:
                named += self.root.named_buffers()
            self._names = {id(tensor): name for name, tensor in reversed(named)}
        return self._names


class _Rehearsal(ShapeProp):
    """Runs a graph step by step, notes shapes and maps, and whether any step wrote into what it was given."""

    def __init__(self, graph: fx.GraphModule, places: FollowPlaces) -> None:
        super().__init__(graph)
        self.wrote_into_inputs = False
        self._places = places

    def run_node(self, n: fx.Node) -> Any:
        given = [t for t in map(self.env.get, n.all_input_nodes) if isinstance(t, torch.Tensor)]
        versions = [t._version for t in given]
        result = super().run_node(n)
        self.wrote_into_inputs |= versions != [t._version for t in given]
        if isinstance(result, torch.Tensor):
            n.meta[ARRANGEMENT] = arrangement(result, self._places)
        elif _are_numbers(result):
            n.meta[NUMBERS] = result
        return result


def _are_numbers(result: object) -> bool:
    """A size, or something computed from one; never tensors, which a note would keep in memory."""
    listed = result if isinstance(result, tuple) else (result,)
    return all(isinstance(number, int) for number in listed)


def _without_number(name: str) -> str:
    base, _, number = name.rpartition("_")
    return base if base and number.isdecimal() and number.isascii() else name


def _own_leaves(module: nn.Module) -> list[type[nn.Module]]:
    """Modules that hold weights themselves and no others are one step, whoever wrote them."""
    return list(
        {type(m) for m in module.modules() if not list(m.children()) and list(m.parameters(recurse=False))}
    )


def _node_names(named: Mapping[fx.Node, str], paths: Collection[str]) -> dict[fx.Node, str]:
    """torchvision's names, but a module's first call always has the module's own path.

    torchvision counts ``ln_1`` and ``ln_2`` of a vision transformer as two calls of ``ln``, and so gives the
    name of the first to the second.
    """
    names: dict[fx.Node, str] = {}
    calls: Counter[str] = Counter()
    taken = set(paths)
    for node, name in named.items():
        if node.op == "placeholder":
            continue
        if node.op == "call_module":
            path = str(node.target)
            name = call_name(path, calls[path], paths)
            calls[path] += 1
        elif name in taken:
            base = re.sub(r"_\d+$", "", name)
            name = next(n for i in range(1, len(named) + 1) if (n := f"{base}_{i}") not in taken)
        names[node] = name
        taken.add(name)
    return names


_IN_PLACE_OPERATORS = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
    operator.ifloordiv: operator.floordiv,
    operator.imod: operator.mod,
    operator.ipow: operator.pow,
    operator.imatmul: operator.matmul,
}


def _write_nothing_in_place(graph: fx.Graph) -> bool:
    """Rewrite ``out += identity``, ``F.relu(x, inplace=True)`` and ``x.add_(y)`` to leave their input alone.

    Returns whether anything had to be rewritten.
    """
    found = False
    for node in graph.nodes:
        target: Any = node.target
        if node.op == "call_function":
            if node.kwargs.get("inplace"):
                node.update_kwarg("inplace", False)
                found = True
            name = getattr(target, "__name__", "")
            beside = _IN_PLACE_OPERATORS.get(target) or _without_underscore(name, (torch, F))
            node.target = beside or target
            found |= beside is not None
        elif node.op == "call_method" and _without_underscore(target, (torch.Tensor,)):
            node.target = target.removesuffix("_")
            found = True
    return found


def _without_underscore(name: str, homes: tuple[Any, ...]) -> Callable[..., Any] | None:
    """The function that does what ``relu_`` does, beside its input; ``None`` if that isn't such a name."""
    if not name.endswith("_") or name.endswith("__"):
        return None
    beside = (getattr(home, name.removesuffix("_"), None) for home in homes)
    return next((function for function in beside if callable(function)), None)


def _same(ours: object, theirs: object) -> bool:
    if not (isinstance(ours, torch.Tensor) and isinstance(theirs, torch.Tensor)):
        return True
    reach = float(theirs.abs().max()) if theirs.numel() else 0.0
    return ours.shape == theirs.shape and torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5 * reach)
