"""Which layers a network has, in execution order, and how to read their outputs.

A *layer* is a node of the traced graph: every call of a module, and every function between modules such as
``add``; a module that is called twice is two layers (``relu``, ``relu_1``). Names are those of torchvision's
``get_graph_node_names``, except that a name which is also a module's always means that module, and that
torchvision's own blocks (``MLP``, ``SqueezeExcitation``) are opened. Networks that can't be traced are read by
forward hooks, module by module.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol
from weakref import WeakKeyDictionary

import torch
from torch import fx, nn

from explorer.errors import ExplorerError, suggest
from explorer.layers.arrangement import arrangement, function_name
from explorer.layers.grids import Layout, Line
from explorer.layers.places import FollowPlaces
from explorer.layers.trace import ARRANGEMENT, Untraceable, traced_graph
from explorer.networks.hooks import as_leaf, capture, capture_on_the_way, evaluating, start_gradients_at
from explorer.networks.load import LoadedModel


@dataclass(frozen=True)
class Layer:
    """One step of a network.

    Attributes:
        name: as in torchvision's graph, for example ``layer1.0.relu_1``.
        kind: the module's class or the function's name, for example ``Conv2d`` or ``add``.
        shape: ``(C, H, W)`` of its output for one image; a vector of C values is ``(C, 1, 1)``.
        layout: how the network itself arranges that output.
        order: of tokens that don't come row by row: which of them is the first, the second, …
        lies: where rows and columns lie on the picture, as (start, stride) each, where that is regular.
    """

    name: str
    kind: str
    shape: tuple[int, int, int]
    layout: Layout = "channels_first"
    order: tuple[int, ...] | None = field(default=None, repr=False)
    lies: tuple[Line, Line] | None = field(default=None, repr=False, compare=False)

    @property
    def size_bytes(self) -> int:
        """Memory that its activation of one image takes, as float32."""
        channels, height, width = self.shape
        return 4 * channels * height * width

    @property
    def is_map(self) -> bool:
        """Whether it has a spatial extent: more than one position."""
        return self.shape[1] * self.shape[2] > 1


class Trace(Protocol):
    """A network taken apart once: its layers, and a way to run it and keep what they put out."""

    layers: dict[str, Layer]
    output: str
    """The layer whose output the network returns: its logits."""

    def run(self, batch: torch.Tensor, names: Iterable[str]) -> dict[str, torch.Tensor]:
        """The outputs of these layers, raw, after one forward pass."""
        ...

    def run_from(self, batch: torch.Tensor, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        """A layer's output, raw, and the logits as a function of it: what a gradient needs, and no more."""
        ...

    def run_on_the_way(self, batch: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
        """The outputs of these layers, raw, each a function of those before it."""
        ...


class GraphTrace:
    """A network whose graph torch.fx can trace: outputs are returned, not hooked, so threads never meet."""

    def __init__(self, module: nn.Module, graph: fx.Graph, names: dict[fx.Node, str], input_px: int) -> None:
        self.module = module
        self.graph = graph
        self.nodes = {name: node for node, name in names.items()}
        self.input_px = input_px
        self.layers = _graph_layers(module, graph, names)
        returned = next(n for n in reversed(graph.nodes) if n.op == "output").all_input_nodes[0]
        self.output = names[returned]
        self._extractors: dict[tuple[tuple[str, ...], str | None], fx.GraphModule] = {}

    def run(self, batch: torch.Tensor, names: Iterable[str]) -> dict[str, torch.Tensor]:
        """See :class:`Trace`. Steps behind the last layer asked for are not run."""
        return self._extractor(tuple(names))(batch)

    def run_from(self, batch: torch.Tensor, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        """See :class:`Trace`. Steps before the layer leave nothing behind for a backward pass."""
        outputs = self._extractor((name, self.output), leaf=name)(batch)
        return outputs[name], outputs[self.output]

    def run_on_the_way(self, batch: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
        """See :class:`Trace`."""
        return self._extractor(tuple(names))(batch)

    def _extractor(self, names: tuple[str, ...], leaf: str | None = None) -> fx.GraphModule:
        """A graph that returns these layers; gradients flow back to the layer ``leaf`` and no further."""
        if (known := self._extractors.get((names, leaf))) is not None:
            return known
        graph = fx.Graph()
        copies: dict[fx.Node, fx.Node] = {}
        graph.graph_copy(self.graph, copies)
        if leaf is not None:
            node = copies[self.nodes[leaf]]
            with graph.inserting_after(node):
                start = graph.call_function(as_leaf, (node,))
            node.replace_all_uses_with(start, delete_user_cb=lambda user: user is not start)
            copies[self.nodes[leaf]] = start
        graph.output({name: copies[self.nodes[name]] for name in names})
        extractor = fx.GraphModule(self.module, graph)
        extractor.graph.eliminate_dead_code()
        extractor.recompile()
        if len(self._extractors) >= 32:  # a program that asks for ever new combinations
            self._extractors.clear()
        self._extractors[names, leaf] = extractor
        return extractor


class HookTrace:
    """A network that can't be traced (its path depends on the data): read by forward hooks."""

    def __init__(self, module: nn.Module, batch: torch.Tensor) -> None:
        self.module = module
        self._paths = {path: type(m).__name__ for path, m in module.named_modules()}
        # The network's own output, under a name that none of its modules has.
        self.output = next(n for n in (f"output{i or ''}" for i in count()) if n not in self._paths)
        with FollowPlaces(batch) as places:
            seen = self.run(batch, None)
        arranged = {name: arrangement(output, places) for name, output in seen.items()}
        self.layers = {
            name: Layer(name, self._kind(name), *found) for name, found in arranged.items() if found
        }

    def run(self, batch: torch.Tensor, names: Iterable[str] | None) -> dict[str, torch.Tensor]:
        """See :class:`Trace`. A layer that this input's path doesn't lead to is missing."""
        with capture(self.module, None if names is None else set(names)) as seen:
            output = self.module(batch)
        return seen | {self.output: output}

    def run_from(self, batch: torch.Tensor, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        """See :class:`Trace`."""
        if name == self.output:
            logits = as_leaf(self.module(batch))
            return logits, logits
        with start_gradients_at(self.module, name) as seen:
            logits = self.module(batch)
        if name not in seen:
            raise not_reached(name)
        return seen[name], logits

    def run_on_the_way(self, batch: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
        """See :class:`Trace`."""
        with capture_on_the_way(self.module, set(names)) as seen:
            output = self.module(batch)
        return seen | {self.output: output}

    def _kind(self, name: str) -> str:
        if name == self.output:
            return self._paths[""]
        return self._paths.get(name) or self._paths[name.rpartition("_")[0]]


def not_reached(name: str) -> ExplorerError:
    """The error for a layer that exists but that the network's path for this image leaves out."""
    rule = "is not run for this image: the network's path depends on its input"
    return ExplorerError(f"layer {name!r}", rule, "choose another layer or another image")


_TRACES: WeakKeyDictionary[LoadedModel, Trace] = WeakKeyDictionary()
_TRACE_LOCK = threading.Lock()


def trace(model: LoadedModel) -> Trace:
    """The network taken apart; done once per loaded model, then remembered as long as the model lives."""
    if (known := _TRACES.get(model)) is not None:
        return known
    with _TRACE_LOCK:
        if model not in _TRACES:
            # Not inference_mode, ours or a caller's: tensors made while tracing must serve gradients later.
            with evaluating(model.module), torch.inference_mode(False), torch.no_grad():
                _TRACES[model] = _trace(model.module, model.preprocess.crop_px, model.preprocess.device)
        return _TRACES[model]


def list_layers(model: LoadedModel) -> list[Layer]:
    """Every layer whose output is a map or a vector, in execution order."""
    return list(trace(model).layers.values())


def find_layer(model: LoadedModel, name: str) -> Layer:
    """The layer of this name; a module's name (``layer1.0``) means its last step.

    Raises:
        ExplorerError: no such layer.
    """
    layers = trace(model).layers
    if name in layers:
        return layers[name]
    inside = [layer for layer in layers.values() if layer.name.startswith(name + ".")]
    if name and inside:
        return inside[-1]
    modules = {".".join(n.split(".")[:i]) for n in layers for i in range(1, n.count(".") + 1)}
    remedy = suggest(name, [*layers, *sorted(modules)], "explorer.list_layers(model)")
    raise ExplorerError(f"layer {name!r}", f"is not in {model.name}", remedy)


def channels_first(output: torch.Tensor, layer: Layer) -> torch.Tensor:
    """A layer's raw output for one image → ``(C, H, W)``, without copying."""
    channels, height, width = layer.shape
    value = output[0]
    if layer.layout == "channels_last":
        return value.permute(2, 0, 1)
    if layer.layout == "class_and_tokens":
        value = value[len(value) - height * width :]  # class and register tokens have no place on the image
    if layer.order is not None:
        value = value[torch.tensor(layer.order, device=value.device)]
    if layer.layout in ("tokens", "class_and_tokens"):
        return value.permute(1, 0).reshape(channels, height, width)
    return value.reshape(channels, height, width)


def stages(model: LoadedModel, at_most: int = 8) -> list[Layer]:
    """A few layers that tell the network's story: the last map of each part it is built of, first to last.

    None for a network without a map, such as one that flattens the picture at once.
    """
    every = [layer for layer in list_layers(model) if layer.is_map]
    # What has no more channels than the picture is mostly the picture itself, made ready.
    maps = [layer for layer in every if layer.shape[0] > 3] or every
    if not maps:
        return []
    listed: list[Layer] = []
    for depth in (1, 2, 3, 4):
        parts = list({".".join(layer.name.split(".")[:depth]): layer for layer in maps}.values())
        # relu, maxpool and bn1 beside conv1 say nothing new: of neighbours with one shape, keep the last.
        new = [a for a, b in zip(parts, [*parts[1:], None], strict=True) if b is None or a.shape != b.shape]
        listed = new if len(new) >= 4 else listed
        if listed:
            break
    # A transformer keeps one shape throughout.
    listed = listed or maps
    if len(listed) <= at_most:
        return listed
    step = (len(listed) - 1) / (at_most - 1)
    return [listed[round(i * step)] for i in range(at_most)]


def _trace(module: nn.Module, input_px: int, device: torch.device | str) -> Trace:
    noise = torch.rand(1, 3, input_px, input_px, generator=torch.Generator().manual_seed(0))
    batch = noise.to(device, memory_format=torch.channels_last)
    try:
        graph, names = traced_graph(module, batch)
    except Untraceable:
        return HookTrace(module, batch)
    return GraphTrace(module, graph, names, input_px)


def _nodes_fed_by_the_input(graph: fx.Graph) -> set[fx.Node]:
    """The nodes with tensors that depend on the image; the others are parameters and sizes, not layers."""
    fed = {image_node(graph)}
    for node in graph.nodes:
        if "tensor_meta" in node.meta and fed.intersection(node.all_input_nodes):
            fed.add(node)
    return fed


def image_node(graph: fx.Graph) -> fx.Node:
    """Where the image comes in: the first argument of ``forward``. Further ones are optional, and not given."""
    return next(node for node in graph.nodes if node.op == "placeholder")


def _is_identity(module: nn.Module, node: fx.Node) -> bool:
    return node.op == "call_module" and isinstance(module.get_submodule(str(node.target)), nn.Identity)


def _kind(module: nn.Module, node: fx.Node) -> str:
    if node.op == "call_module":
        return type(module.get_submodule(str(node.target))).__name__
    return function_name(node)


def _graph_layers(module: nn.Module, graph: fx.Graph, names: dict[fx.Node, str]) -> dict[str, Layer]:
    """The layers of a graph: every step that puts out a map or a vector of the image."""
    from_input = _nodes_fed_by_the_input(graph)
    return {
        names[node]: Layer(names[node], _kind(module, node), *node.meta[ARRANGEMENT])
        for node in graph.nodes
        if node in from_input
        and node in names
        and node.meta.get(ARRANGEMENT)
        and not _is_identity(module, node)
    }
