"""Which input pixels a unit can see, and where on the input it is centred.

The theoretical field follows from kernel sizes, strides, paddings and dilations alone (Araujo, Norris and
Sim, "Computing receptive fields of convolutional neural networks", 2019): per axis, one unit's field has
edges ``low`` and ``high``, the next unit's lie ``stride`` input pixels further. Where branches meet, a unit
sees what any of its branches sees: the union. Positions are input pixels, the first pixel's centre at 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from torch import fx, nn

from explorer.layers import GraphTrace, Layer, find_layer, trace
from explorer.models import LoadedModel


@dataclass(frozen=True)
class ReceptiveField:
    """What the units of a layer see, in input pixels; pairs are (y, x).

    Attributes:
        layer: the layer's name.
        size: height and width of one unit's field, which may be larger than the input; the whole input's
            if ``is_global``.
        stride: how far apart the fields of neighbouring units are.
        start: the centre of the field of unit (0, 0); 0 is the centre of the first pixel.
        local_size: the field along convolutions and pooling alone, leaving out steps that mix all positions.
        is_global: on the way lies a step that mixes all positions (squeeze-and-excitation, attention, a
            fully connected layer), or one that this program doesn't know.
    """

    layer: str
    size: tuple[int, int]
    stride: tuple[float, float]
    start: tuple[float, float]
    local_size: tuple[int, int]
    is_global: bool

    def centre(self, row: int, column: int) -> tuple[float, float]:
        """The input pixel (y, x) on which the field of unit (row, column) is centred."""
        return self.start[0] + self.stride[0] * row, self.start[1] + self.stride[1] * column

    def box(self, row: int, column: int) -> tuple[float, float, float, float]:
        """The local field of a unit as pixel edges (top, left, bottom, right); may reach beyond the input."""
        y, x = self.centre(row, column)
        h, w = self.local_size
        return y - h / 2, x - w / 2, y + h / 2, x + w / 2


def receptive_field(model: LoadedModel, layer: str) -> ReceptiveField:
    """The theoretical receptive field of a layer's units, through all branches.

    Raises:
        ExplorerError: no such layer.
    """
    return receptive_fields(model)[find_layer(model, layer).name]


_FIELDS: WeakKeyDictionary[LoadedModel, dict[str, ReceptiveField]] = WeakKeyDictionary()


def receptive_fields(model: LoadedModel) -> dict[str, ReceptiveField]:
    """The receptive field of every layer, in execution order; computed once per loaded model."""
    if model not in _FIELDS:
        taken_apart = trace(model)
        graph_fields: dict[str, Field] = (
            _propagate(taken_apart) if isinstance(taken_apart, GraphTrace) else {}
        )
        _FIELDS[model] = {
            name: _result(layer, graph_fields.get(name), model.preprocess.crop_px)
            for name, layer in taken_apart.layers.items()
        }
    return _FIELDS[model]


class Axis(NamedTuple):
    """One axis of a map: ``units`` of them; the first sees input pixels ``low`` to ``high``, the next a stride on."""

    low: float
    high: float
    stride: float
    units: int

    def window(self, kernel: int, stride: int, before: int, dilation: int, units: int) -> Axis:
        """Behind a convolution or pooling with ``before`` cells of padding in front, leaving ``units`` units."""
        low = self.low - before * self.stride
        reach = ((kernel - 1) * dilation - before) * self.stride
        return Axis(low, self.high + reach, self.stride * stride, units)

    def regrid(self, units: int) -> Axis:
        """Spread over another number of units, each seeing its share: for steps with no fixed window."""
        if units == self.units:
            return self
        ratio = self.units / units
        return Axis(self.low, self.high + (ratio - 1) * self.stride, self.stride * ratio, units)


class Field(NamedTuple):
    """What one unit sees along both axes, and whether some step on the way mixed all positions."""

    y: Axis
    x: Axis
    mixes: bool

    def regrid(self, rows: int, columns: int) -> Field:
        """Spread over another grid; a grid that changed without a window counts as mixing."""
        same = (rows, columns) == (self.y.units, self.x.units)
        return Field(self.y.regrid(rows), self.x.regrid(columns), self.mixes or not same)


def _result(layer: Layer, field: Field | None, input_px: int) -> ReceptiveField:
    rows, columns = layer.shape[1:]
    if field is None:
        pixel = Axis(0, 0, 1, input_px)
        field = Field(pixel, pixel, True)
    field = field.regrid(rows, columns)
    local = (round(field.y.high - field.y.low) + 1, round(field.x.high - field.x.low) + 1)
    return ReceptiveField(
        layer=layer.name,
        size=(input_px, input_px) if field.mixes else local,
        stride=(field.y.stride, field.x.stride),
        start=((field.y.low + field.y.high) / 2, (field.x.low + field.x.high) / 2),
        local_size=local,
        is_global=field.mixes,
    )


def _propagate(traced: GraphTrace) -> dict[str, Field]:
    """The field of every node of the graph, in one pass from input to output."""
    names = {node: name for name, node in traced.nodes.items()}
    fields: dict[fx.Node, Field] = {}
    for node in traced.graph.nodes:
        if node.op == "placeholder":
            pixel = Axis(0, 0, 1, traced.input_px)
            fields[node] = Field(pixel, pixel, False)
            continue
        inputs = [fields[n] for n in node.all_input_nodes if n in fields]
        if not inputs or "tensor_meta" not in node.meta:
            continue  # a parameter or a size
        field = _step(traced.module, node, inputs)
        layer = traced.layers.get(names.get(node, ""))
        fields[node] = field.regrid(*layer.shape[1:]) if layer else field
    return {names[node]: field for node, field in fields.items() if node in names}


def _step(module: nn.Module, node: fx.Node, inputs: list[Field]) -> Field:
    if node.op == "call_module":
        return _through_module(module.get_submodule(str(node.target)), _union(inputs))
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    if name in ("max_pool2d", "avg_pool2d"):
        return _pooled_by_function(_union(inputs), name, node)
    if name == "pad" and len(node.args) > 1 and len(_sequence(node.args[1])) == 4:
        return _padded(_union(inputs), _sequence(node.args[1]))
    if name == "adaptive_avg_pool2d":
        return _adaptive(_union(inputs), node.args[1] if len(node.args) > 1 else node.kwargs["output_size"])
    if name == "mean":
        return _union(inputs).regrid(1, 1)
    field = _union(inputs)
    return field if name in _POINTWISE_FUNCTIONS else field._replace(mixes=True)


_POINTWISE_FUNCTIONS = {
    *("add", "sub", "mul", "truediv", "neg", "clamp", "cat", "concat", "stack", "chunk", "split", "getitem"),
    *(
        "relu",
        "relu6",
        "hardtanh",
        "leaky_relu",
        "elu",
        "sigmoid",
        "hardsigmoid",
        "silu",
        "hardswish",
        "gelu",
    ),
    *("tanh", "dropout", "stochastic_depth", "contiguous", "clone", "to", "float", "type_as", "expand"),
    # These rearrange what is there; whether positions survived shows when the next map's grid is compared.
    *("view", "reshape", "permute", "transpose", "flatten", "unflatten", "squeeze", "unsqueeze", "getattr"),
}


def _pooled_by_function(field: Field, name: str, node: fx.Node) -> Field:
    is_max = name == "max_pool2d"
    names = ("input", "kernel_size", "stride", "padding", *(("dilation",) if is_max else ()), "ceil_mode")
    given = dict(zip(names, node.args, strict=False)) | dict(node.kwargs)
    kernel = given["kernel_size"]
    return _windowed(
        field,
        kernel,
        given.get("stride") or kernel,
        given.get("padding", 0),
        given.get("dilation", 1),
        bool(given.get("ceil_mode")),
    )


def _through_module(module: nn.Module, field: Field) -> Field:
    if (
        type(module).__name__ == "Conv2dSame"
    ):  # TensorFlow's padding: as much as the stride needs, less in front
        return _same_padded(field, module)
    if isinstance(module, nn.Conv2d):
        return _windowed(field, module.kernel_size, module.stride, _conv_padding(module), module.dilation)
    if isinstance(module, nn.MaxPool2d):
        stride = module.stride or module.kernel_size
        return _windowed(field, module.kernel_size, stride, module.padding, module.dilation, module.ceil_mode)
    if isinstance(module, nn.AvgPool2d):
        stride = module.stride or module.kernel_size
        return _windowed(field, module.kernel_size, stride, module.padding, 1, module.ceil_mode)
    if isinstance(module, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d):
        return _adaptive(field, module.output_size)
    if isinstance(module, nn.ZeroPad2d | nn.ReflectionPad2d | nn.ReplicationPad2d):
        return _padded(field, module.padding)
    return field if _is_pointwise(module) else field._replace(mixes=True)


def _is_pointwise(module: nn.Module) -> bool:
    """Whether a module treats every position by itself, and so leaves fields as they are."""
    if isinstance(module, nn.LayerNorm):
        return len(module.normalized_shape) == 1  # over the channels of one position
    if isinstance(module, nn.Linear | nn.Flatten | nn.Identity | nn.modules.batchnorm._BatchNorm):
        return True  # Linear acts on each position's channels; on a flattened map it changes the grid
    if isinstance(module, nn.modules.dropout._DropoutNd):
        return True
    home = type(module).__module__
    is_activation = home == "torch.nn.modules.activation" and not isinstance(module, nn.MultiheadAttention)
    return is_activation or type(module).__name__ in (
        "StochasticDepth",
        "Permute",
        "FrozenBatchNorm2d",
        "LocalResponseNorm",
    )


def _union(fields: Iterable[Field]) -> Field:
    """What a unit sees that several branches feed. Branches on a smaller grid are spread over all positions."""
    fields = list(fields)
    rows, columns = max(f.y.units for f in fields), max(f.x.units for f in fields)
    full = [f for f in fields if (f.y.units, f.x.units) == (rows, columns)]
    full = full or [fields[0].regrid(rows, columns)]
    first = full[0]
    aligned = all(f.y.stride == first.y.stride and f.x.stride == first.x.stride for f in full)
    return Field(
        y=first.y._replace(low=min(f.y.low for f in full), high=max(f.y.high for f in full)),
        x=first.x._replace(low=min(f.x.low for f in full), high=max(f.x.high for f in full)),
        mixes=len(full) < len(fields) or not aligned or any(f.mixes for f in fields),
    )


def _windowed(
    field: Field, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool = False
) -> Field:
    k, s, p, d = _pair(kernel), _pair(stride), _pair(padding), _pair(dilation)

    def axis(a: Axis, i: int) -> Axis:
        room = a.units + 2 * p[i] - d[i] * (k[i] - 1) - 1
        count = (-(-room // s[i]) if ceil_mode else room // s[i]) + 1
        if ceil_mode and (count - 1) * s[i] >= a.units + p[i]:
            count -= 1  # torch drops a window that would start in the padding behind the input
        return a.window(k[i], s[i], p[i], d[i], count)

    return Field(axis(field.y, 0), axis(field.x, 1), field.mixes)


def _same_padded(field: Field, conv: Any) -> Field:
    def axis(a: Axis, i: int) -> Axis:
        k, s, d = conv.kernel_size[i], conv.stride[i], conv.dilation[i]
        count = -(-a.units // s)
        total = max((count - 1) * s + (k - 1) * d + 1 - a.units, 0)
        return a.window(k, s, total // 2, d, count)

    return Field(axis(field.y, 0), axis(field.x, 1), field.mixes)


def _padded(field: Field, padding: Any) -> Field:
    left, right, top, bottom = padding
    y, x = field.y, field.x
    return Field(
        y.window(1, 1, top, 1, y.units + top + bottom),
        x.window(1, 1, left, 1, x.units + left + right),
        field.mixes,
    )


def _adaptive(field: Field, output_size: Any) -> Field:
    rows, columns = _pair(output_size)
    rows, columns = rows or field.y.units, columns or field.x.units
    return Field(field.y.regrid(rows), field.x.regrid(columns), field.mixes or (rows, columns) == (1, 1))


def _conv_padding(conv: nn.Conv2d) -> tuple[int, int]:
    if conv.padding == "valid":
        return 0, 0
    if conv.padding == "same":
        return conv.dilation[0] * (conv.kernel_size[0] - 1) // 2, conv.dilation[1] * (
            conv.kernel_size[1] - 1
        ) // 2
    return _pair(conv.padding)


def _pair(value: Any) -> tuple[int, int]:
    return (value[0], value[-1]) if isinstance(value, tuple | list) else (value, value)


def _sequence(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else ()
