"""Which layers a network has, in execution order, and how to read their outputs.

A *layer* is a node of the traced graph: every call of a module, and every function between modules such as
``add``; a module that is called twice is two layers (``relu``, ``relu_1``). Names are those of torchvision's
``get_graph_node_names``. Networks that can't be traced are read by forward hooks, module by module.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp, TensorMetadata
from torchvision.models.feature_extraction import NodePathTracer

from explorer.errors import ExplorerError, suggest
from explorer.hooks import as_leaf, capture, evaluating, start_gradients_at
from explorer.models import LoadedModel

Layout = Literal["channels_first", "channels_last", "tokens", "class_and_tokens", "vector"]


@dataclass(frozen=True)
class Layer:
    """One step of a network.

    Attributes:
        name: as in torchvision's graph, for example ``layer1.0.relu_1``.
        kind: the module's class or the function's name, for example ``Conv2d`` or ``add``.
        shape: ``(C, H, W)`` of its output for one image; a vector of C values is ``(C, 1, 1)``.
        layout: how the network itself arranges that output.
    """

    name: str
    kind: str
    shape: tuple[int, int, int]
    layout: Layout = "channels_first"

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


class GraphTrace:
    """A network whose graph torch.fx can trace: outputs are returned, not hooked, so threads never meet."""

    def __init__(self, module: nn.Module, graph: fx.Graph, names: dict[fx.Node, str], input_px: int) -> None:
        self.module = module
        self.graph = graph
        self.nodes = {name: node for node, name in names.items()}
        from_input = _nodes_fed_by_the_input(graph)
        outputs = (
            (name, _kind(module, node), _shape(node))
            for name, node in self.nodes.items()
            if node in from_input and not _is_identity(module, node)
        )
        layers = _spatial_layers(outputs, input_px)
        self.layers = {layer.name: layer for layer in layers}
        self.input_px = input_px
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

    def __init__(self, module: nn.Module, input_px: int, device: torch.device | str) -> None:
        self.module = module
        self.output = "output"
        seen = self.run(torch.zeros(1, 3, input_px, input_px, device=device), None)
        modules = dict(module.named_modules())

        def kind(name: str) -> str:
            if name == self.output:
                return type(module).__name__
            return type(modules[name] if name in modules else modules[name.rpartition("_")[0]]).__name__

        layers = _spatial_layers(((name, kind(name), tuple(t.shape)) for name, t in seen.items()), input_px)
        self.layers = {layer.name: layer for layer in layers}

    def run(self, batch: torch.Tensor, names: Iterable[str] | None) -> dict[str, torch.Tensor]:
        """See :class:`Trace`."""
        with capture(self.module, None if names is None else set(names)) as seen:
            seen[self.output] = self.module(batch)
        return seen

    def run_from(self, batch: torch.Tensor, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        """See :class:`Trace`."""
        with start_gradients_at(self.module, name) as seen:
            logits = self.module(batch)
        return seen[name], logits


_TRACES: WeakKeyDictionary[LoadedModel, Trace] = WeakKeyDictionary()
_TRACE_LOCK = threading.Lock()


def trace(model: LoadedModel) -> Trace:
    """The network taken apart; done once per loaded model, then remembered as long as the model lives."""
    if (known := _TRACES.get(model)) is not None:
        return known
    with _TRACE_LOCK:
        if model not in _TRACES:
            # Not inference_mode: tensors made while tracing must serve gradients later.
            with evaluating(model.module), torch.no_grad():
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
        value = value[1:]  # the class token has no place on the image
    if layer.layout in ("tokens", "class_and_tokens"):
        return value.permute(1, 0).reshape(channels, height, width)
    return value.reshape(channels, height, width)


def stages(model: LoadedModel, at_most: int = 8) -> list[Layer]:
    """A few layers that tell the network's story: the last map of each part it is built of, first to last."""
    maps = [layer for layer in list_layers(model) if layer.is_map and layer.shape[0] > 3]
    told: list[Layer] = []
    for depth in (1, 2, 3, 4):
        parts = list({".".join(layer.name.split(".")[:depth]): layer for layer in maps}.values())
        # relu, maxpool and bn1 beside conv1 say nothing new: of neighbours with one shape, keep the last.
        new = [a for a, b in zip(parts, [*parts[1:], None], strict=True) if b is None or a.shape != b.shape]
        told = new if len(new) >= 4 else told
        if told:
            break
    # A transformer keeps one shape throughout.
    told = told or maps
    if len(told) <= at_most:
        return told
    step = (len(told) - 1) / (at_most - 1)
    return [told[round(i * step)] for i in range(at_most)]


def _trace(module: nn.Module, input_px: int, device: torch.device | str) -> Trace:
    # The tracer inside torchvision's create_feature_extractor, used directly: that function traces in train
    # mode, too, and leaves every submodule's mode set to the root's.
    tracer = NodePathTracer(leaf_modules=_own_leaves(module))
    try:
        graph = tracer.trace(module)
    except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError, AttributeError, IndexError, KeyError):
        return HookTrace(module, input_px, device)
    _write_nothing_in_place(graph)
    batch = torch.zeros(1, 3, input_px, input_px, device=device).to(memory_format=torch.channels_last)
    ShapeProp(fx.GraphModule(module, graph)).propagate(batch)
    names = {node: name for node, name in tracer.node_to_qualname.items() if node.op != "placeholder"}
    return GraphTrace(module, graph, names, input_px)


def _own_leaves(module: nn.Module) -> list[type[nn.Module]]:
    """Modules that hold weights themselves and no others are one step, whoever wrote them."""
    return list(
        {type(m) for m in module.modules() if not list(m.children()) and list(m.parameters(recurse=False))}
    )


_IN_PLACE_OPERATORS = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
}


def _write_nothing_in_place(graph: fx.Graph) -> None:
    """Rewrite ``out += identity``, ``F.relu(x, inplace=True)`` and ``x.add_(y)`` to leave their input alone."""
    for node in graph.nodes:
        if node.op == "call_function":
            node.target = _IN_PLACE_OPERATORS.get(node.target, node.target)
            if node.kwargs.get("inplace"):
                node.update_kwarg("inplace", False)
        elif node.op == "call_method" and node.target.endswith("_") and not node.target.endswith("__"):
            node.target = node.target.removesuffix("_")


def _nodes_fed_by_the_input(graph: fx.Graph) -> set[fx.Node]:
    """The nodes with tensors that depend on the image; the others are parameters and sizes, not layers."""
    fed: set[fx.Node] = set()
    for node in graph.nodes:
        if node.op == "placeholder" or (
            "tensor_meta" in node.meta and fed.intersection(node.all_input_nodes)
        ):
            fed.add(node)
    return fed


def _is_identity(module: nn.Module, node: fx.Node) -> bool:
    return node.op == "call_module" and isinstance(module.get_submodule(str(node.target)), nn.Identity)


def _kind(module: nn.Module, node: fx.Node) -> str:
    if node.op == "call_module":
        return type(module.get_submodule(str(node.target))).__name__
    return (
        str(node.target)
        if isinstance(node.target, str)
        else getattr(node.target, "__name__", str(node.target))
    )


def _shape(node: fx.Node) -> tuple[int, ...] | None:
    meta = node.meta.get("tensor_meta")
    return tuple(meta.shape) if isinstance(meta, TensorMetadata) else None


def _spatial_layers(outputs: Iterable[tuple[str, str, tuple[int, ...] | None]], input_px: int) -> list[Layer]:
    """Decide for each output how it is arranged; leave out what is neither a map nor a vector."""
    layers = []
    grid = (input_px, input_px)
    for name, kind, shape in outputs:
        found = None if shape is None or shape[0] != 1 else _arrangement(shape, grid)
        if found is None:
            continue
        layers.append(Layer(name, kind, *found))
        if layers[-1].is_map:
            grid = layers[-1].shape[1:]
    return layers


def _arrangement(shape: tuple[int, ...], grid: tuple[int, int]) -> tuple[tuple[int, int, int], Layout] | None:
    """``(C, H, W)`` and the layout of an output, given the grid of the last map before it.

    The input is square, so all maps are: equal sides tell (N, C, H, W) from (N, H, W, C). Maps never grow
    in a classifier, which tells them from attention's matrices. Tokens of a transformer are a map if
    there are as many as the last map had positions.
    """
    positions = grid[0] * grid[1]
    if len(shape) == 4 and shape[2] == shape[3] <= grid[0]:
        return (shape[1], shape[2], shape[3]), "channels_first"
    if len(shape) == 4 and shape[1] == shape[2] <= grid[0]:
        return (shape[3], shape[1], shape[2]), "channels_last"
    if len(shape) == 3 and shape[1] == positions:
        return (shape[2], *grid), "tokens"
    if len(shape) == 3 and shape[1] == positions + 1:
        return (shape[2], *grid), "class_and_tokens"
    if len(shape) == 2:
        return (shape[1], 1, 1), "vector"
    return None
