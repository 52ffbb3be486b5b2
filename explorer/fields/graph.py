"""Receptive fields through the graph of a network: each step's field from those of its inputs."""

from __future__ import annotations

from typing import Any

from torch import fx, nn

from explorer.fields.axis import Axis, Field, pixels, union
from explorer.layers.listing import GraphTrace


def graph_fields(traced: GraphTrace) -> dict[str, Field]:
    """The field of every named step, in one pass from input to output.

    A step that this program doesn't know is taken to mix all positions: a field is never claimed too small.
    """
    names = {node: name for name, node in traced.nodes.items()}
    fields: dict[fx.Node, Field] = {}
    for node in traced.graph.nodes:
        if node.op == "placeholder":
            fields[node] = pixels(traced.input_px, traced.input_px)
            continue
        inputs = [fields[n] for n in node.all_input_nodes if n in fields]
        if not inputs or "tensor_meta" not in node.meta:
            continue  # a parameter or a size
        name = names.get(node, node.name)
        field = _step(traced.module, node, union(inputs, name), name)
        layer = traced.layers.get(name)
        fields[node] = field.regrid(*layer.shape[1:], step=name) if layer else field
    return {names[node]: field for node, field in fields.items() if node in names}


def _step(module: nn.Module, node: fx.Node, field: Field, name: str) -> Field:
    if node.op == "call_module":
        return _through_module(module.get_submodule(str(node.target)), field, name)
    function = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    if function in ("max_pool2d", "avg_pool2d"):
        return _pooled_by_function(field, function, node)
    if function == "pad" and len(node.args) > 1 and len(_sequence(node.args[1])) == 4:
        return _padded(field, _sequence(node.args[1]))
    if function in ("adaptive_avg_pool2d", "adaptive_max_pool2d"):
        output_size = node.args[1] if len(node.args) > 1 else node.kwargs["output_size"]
        return _adaptive(field, output_size, name)
    return field if function in _POINTWISE_FUNCTIONS else _mixed(field, name)


_POINTWISE_FUNCTIONS = {
    *("add", "sub", "mul", "truediv", "neg", "pow", "abs", "exp", "clamp", "cat", "concat", "stack"),
    *("relu", "relu6", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh", "hardtanh", "hardsigmoid"),
    *("hardswish", "dropout", "stochastic_depth", "contiguous", "clone", "to", "float", "type_as", "expand"),
    # These may also mix or drop positions: then the map's grid changes, which is compared after every step.
    *("mean", "view", "reshape", "permute", "transpose", "flatten", "unflatten", "squeeze", "unsqueeze"),
    *("chunk", "split", "getitem", "getattr"),
}


def _mixed(field: Field, name: str) -> Field:
    return field._replace(mixed_by=field.mixed_by or name)


def _through_module(module: nn.Module, field: Field, name: str) -> Field:
    if type(module).__name__ in ("Conv2dSame", "MaxPool2dSame", "AvgPool2dSame"):
        return _same_padded(field, module)
    if isinstance(module, nn.Conv2d):
        return _convolved(field, module)
    if isinstance(module, nn.MaxPool2d):
        stride = module.stride or module.kernel_size
        return _windowed(field, module.kernel_size, stride, module.padding, module.dilation, module.ceil_mode)
    if isinstance(module, nn.AvgPool2d):
        stride = module.stride or module.kernel_size
        return _windowed(field, module.kernel_size, stride, module.padding, 1, module.ceil_mode)
    if isinstance(module, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d):
        return _adaptive(field, module.output_size, name)
    if isinstance(module, nn.ZeroPad2d | nn.ReflectionPad2d | nn.ReplicationPad2d):
        return _padded(field, module.padding)
    return field if _is_pointwise(module) else _mixed(field, name)


def _is_pointwise(module: nn.Module) -> bool:
    """Whether a module treats every position by itself, and so leaves fields as they are."""
    if isinstance(module, nn.LayerNorm):
        return len(module.normalized_shape) == 1  # over the channels of one position
    if isinstance(module, nn.Linear | nn.Flatten | nn.Identity | nn.modules.batchnorm._BatchNorm):
        return True  # Linear acts on each position's channels; on a flattened map it changes the grid
    if isinstance(module, nn.modules.dropout._DropoutNd):
        return True
    if isinstance(module, nn.MultiheadAttention | nn.Softmax | nn.LogSoftmax | nn.Softmin):
        return False
    if type(module).__module__ == "torch.nn.modules.activation":
        return True
    others = ("StochasticDepth", "Permute", "FrozenBatchNorm2d", "LocalResponseNorm", "ChannelShuffle")
    return type(module).__name__ in others


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

    return Field(axis(field.y, 0), axis(field.x, 1), field.mixed_by)


def _convolved(field: Field, conv: nn.Conv2d) -> Field:
    if conv.padding != "same":
        padding = 0 if conv.padding == "valid" else conv.padding
        return _windowed(field, conv.kernel_size, conv.stride, padding, conv.dilation)

    def axis(
        a: Axis, i: int
    ) -> Axis:  # torch's "same": stride 1; of an odd total the smaller half comes first
        k, d = conv.kernel_size[i], conv.dilation[i]
        return a.window(k, 1, d * (k - 1) // 2, d, a.units)

    return Field(axis(field.y, 0), axis(field.x, 1), field.mixed_by)


def _same_padded(field: Field, module: Any) -> Field:
    """TensorFlow's "same": as much padding as the stride needs, which depends on the size; less in front."""
    kernel, stride = _pair(module.kernel_size), _pair(module.stride)
    dilation = _pair(getattr(module, "dilation", 1))

    def axis(a: Axis, i: int) -> Axis:
        k, s, d = kernel[i], stride[i], dilation[i]
        count = -(-a.units // s)
        total = max((count - 1) * s + (k - 1) * d + 1 - a.units, 0)
        return a.window(k, s, total // 2, d, count)

    return Field(axis(field.y, 0), axis(field.x, 1), field.mixed_by)


def _padded(field: Field, padding: Any) -> Field:
    left, right, top, bottom = padding
    y, x = field.y, field.x
    return Field(
        y.window(1, 1, top, 1, y.units + top + bottom),
        x.window(1, 1, left, 1, x.units + left + right),
        field.mixed_by,
    )


def _pooled_by_function(field: Field, function: str, node: fx.Node) -> Field:
    dilation = ("dilation",) if function == "max_pool2d" else ()
    names = ("input", "kernel_size", "stride", "padding", *dilation, "ceil_mode")
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


def _adaptive(field: Field, output_size: Any, name: str) -> Field:
    rows, columns = (
        wanted or axis.units for wanted, axis in zip(_pair(output_size), (field.y, field.x), strict=True)
    )
    pooled = Field(field.y.adaptive(rows), field.x.adaptive(columns), field.mixed_by)
    over_everything = (rows == 1 < field.y.units) or (columns == 1 < field.x.units)
    return _mixed(pooled, name) if over_everything else pooled


def _pair(value: Any) -> tuple[int, int]:
    return (value[0], value[-1]) if isinstance(value, tuple | list) else (value, value)


def _sequence(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else ()
