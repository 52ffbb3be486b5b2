"""Receptive fields through the graph of a network: each step's field from those of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeGuard, TypeVar

from torch import fx, nn
from torch.fx.passes.shape_prop import TensorMetadata

from explorer.fields.alone import tried_alone
from explorer.fields.axis import Axis, Field, evenly, pixels, union
from explorer.fields.step import Step, are_numbers, computed_over, mixed, sequence
from explorer.fields.windows import (
    adaptive,
    convolved,
    mirrored,
    padded,
    pooled,
    reaches_back,
    resized,
    sees_far_border,
    shuffled,
    transposed,
    unshuffled,
    windowed,
)
from explorer.layers.arrangement import PLACES, axis_order, function_name
from explorer.layers.listing import GraphTrace, image_node
from explorer.layers.trace import ARRANGEMENT

Known = TypeVar("Known", bound=nn.Module)


def graph_fields(traced: GraphTrace) -> dict[str, Field]:
    """The field of every named step, in one pass from input to output.

    A step that this program doesn't know is taken to mix all positions: a field is never claimed too small.
    """
    names = {node: name for name, node in traced.nodes.items()}
    image = image_node(traced.graph)
    fields: dict[fx.Node, Field] = {image: pixels(traced.input_px, traced.input_px)}
    mirrors: dict[fx.Node, _Mirror] = {}
    for node in traced.graph.nodes:
        known = [n for n in node.all_input_nodes if n in fields]
        if not known or "tensor_meta" not in node.meta:
            continue  # a parameter or a size
        name = names.get(node, node.name)
        shape, places = _given(traced, node, image)
        step = Step(traced.module, node, name, shape, _shape_of(node), places)
        window = _window(step)
        inputs = [
            mirrors[n].plain if n in mirrors and _reaches_back(window, mirrors[n]) else fields[n]
            for n in known
        ]
        before = union(inputs, name, traced.input_px)
        field = _step(step, before)
        if (mirroring := _mirroring(step)) is not None:
            padding, mode = mirroring
            field = mirrored(before, padding, mode)
            mirrors[node] = _Mirror(padded(before, padding), padding)
        arranged = node.meta.get(ARRANGEMENT)
        if arranged:
            rows, columns = arranged.shape[1:]
            lies = arranged.lies or evenly(traced.input_px, rows, columns)
            field = field.regrid(rows, columns, name, lies)
        fields[node] = field
    return {names[node]: field for node, field in fields.items() if node in names}


class _Mirror(NamedTuple):
    """Padding that repeats what lies inside: the field as if it were zeros, and how much there is on each side."""

    plain: Field
    padding: tuple[int, ...]


def _mirroring(step: Step) -> tuple[tuple[int, ...], str] | None:
    """How much a step pads with what lies inside, and whether it mirrors it or repeats the outermost."""
    if step.places != (2, 3):
        return None
    if step.node.op == "call_module":
        module = step.module.get_submodule(str(step.node.target))
        kinds = {nn.ReflectionPad2d: "reflect", nn.ReplicationPad2d: "replicate"}
        mode = next((kinds[kind] for kind in kinds if _computes_as(module, kind)), "")
        amounts = sequence(getattr(module, "padding", ()))
    elif function_name(step.node) == "pad":
        mode, amounts = step.argument(2, "mode", "constant"), sequence(step.argument(1, "pad"))
    else:
        return None
    is_known = mode in ("reflect", "replicate") and len(amounts) <= 4 and are_numbers(amounts)
    return ((*amounts, *[0] * (4 - len(amounts))), mode) if is_known else None


def _window(step: Step) -> tuple[Any, Any, Any] | None:
    """Kernel, dilation and padding of a convolution or pooling."""
    if step.node.op == "call_module":
        module = step.module.get_submodule(str(step.node.target))
        if any(_computes_as(module, kind) for kind in (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)):
            return module.kernel_size, getattr(module, "dilation", 1), module.padding
        return None
    match function_name(step.node):
        case "conv2d":
            return _kernel_of(step), step.argument(5, "dilation", 1), step.argument(4, "padding", 0)
        case "max_pool2d":
            dilation = step.argument(4, "dilation", 1)
            return step.argument(1, "kernel_size"), dilation, step.argument(3, "padding", 0)
        case "avg_pool2d":
            return step.argument(1, "kernel_size"), 1, step.argument(3, "padding", 0)
    return None


def _kernel_of(step: Step) -> tuple[int, ...] | None:
    """Rows and columns of the weights that a function was given."""
    weight = step.argument(1, "weight")
    meta = weight.meta.get("tensor_meta") if isinstance(weight, fx.Node) else None
    return tuple(meta.shape[2:]) if isinstance(meta, TensorMetadata) else None


def _reaches_back(window: tuple[Any, Any, Any] | None, mirror: _Mirror) -> bool:
    if window is None or window[0] is None or not are_numbers(*window[:2]):
        return False
    return reaches_back(*window, mirror.padding)


def _shape_of(node: fx.Node) -> tuple[int, ...]:
    meta = node.meta["tensor_meta"]
    return tuple(meta.shape) if isinstance(meta, TensorMetadata) else ()


def _given(
    traced: GraphTrace, node: fx.Node, image: fx.Node
) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """The shape of a step's first input, and its axes of rows and columns."""
    first = node.args[0] if node.args else next(iter(node.kwargs.values()), None)
    if not isinstance(first, fx.Node):
        return (), None
    if first is image:
        return (1, 3, traced.input_px, traced.input_px), (2, 3)
    meta = first.meta.get("tensor_meta")
    if not isinstance(meta, TensorMetadata):
        return (), None
    arranged = first.meta.get(ARRANGEMENT)
    return tuple(meta.shape), PLACES[arranged.layout] if arranged else None


def _step(step: Step, field: Field) -> Field:
    if (order := axis_order(step.module, step.node, len(step.shape))) is not None:
        return _reordered(step, field, order)
    if step.node.op == "call_module":
        return _through_module(step, step.module.get_submodule(str(step.node.target)), field)
    function = function_name(step.node)
    if (known := _FUNCTIONS.get(function)) is not None:
        return known(step, field)
    return field if function in _POINTWISE_FUNCTIONS else mixed(field, step.name)


_POINTWISE_FUNCTIONS = {
    *("add", "sub", "mul", "truediv", "neg", "pow", "abs", "exp", "clamp", "cat", "concat", "stack"),
    *("relu", "relu6", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh", "hardtanh", "hardsigmoid"),
    *("hardswish", "dropout", "stochastic_depth", "contiguous", "clone", "to", "float", "type_as", "expand"),
    "expand_as",
    # These may also mix or drop positions: then the map's grid changes, which is compared after every step.
    *("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "getattr", "view_as", "reshape_as"),
}


def _through_module(step: Step, module: nn.Module, field: Field) -> Field:
    if _computes_as(module, nn.Conv2d):
        return mixed(field, step.name) if sees_far_border(module) else convolved(field, module)
    if _computes_as(module, nn.MaxPool2d):
        stride = module.stride or module.kernel_size
        return windowed(field, module.kernel_size, stride, module.padding, module.dilation, module.ceil_mode)
    if _computes_as(module, nn.AvgPool2d):
        stride = module.stride or module.kernel_size
        return windowed(field, module.kernel_size, stride, module.padding, 1, module.ceil_mode)
    if _computes_as(module, nn.AdaptiveAvgPool2d) or _computes_as(module, nn.AdaptiveMaxPool2d):
        return adaptive(field, module.output_size, step.name)
    if _computes_as(module, nn.ConstantPad2d) or _computes_as(module, nn.ZeroPad2d):
        return padded(field, module.padding)
    if _computes_as(module, nn.ConvTranspose2d):
        return transposed(step, field, module.kernel_size, module.stride, module.padding, module.dilation)
    if _computes_as(module, nn.Upsample):  # its derived classes set its mode
        scale = None if module.recompute_scale_factor else module.scale_factor
        return resized(step, field, module.mode, module.align_corners, scale)
    if _computes_as(module, nn.PixelShuffle):
        return shuffled(step, field, module.upscale_factor)
    if _computes_as(module, nn.PixelUnshuffle):
        return unshuffled(step, field, module.downscale_factor)
    if _computes_as(module, nn.LayerNorm):
        return computed_over(step.last_axes(len(module.normalized_shape)), step, field)
    if _computes_as(module, nn.Linear):  # of a flattened map it changes the grid
        return computed_over(step.last_axes(1), step, field)
    if _is_pointwise(module):
        return field
    rule = tried_alone(step, module)
    return rule(field) if rule else mixed(field, step.name)


def _computes_as(module: nn.Module, known: type[Known]) -> TypeGuard[Known]:
    """Whether a module is of this class, or of one derived from it that computes the same."""
    own = ("forward", "_conv_forward", "_check_input_dim")
    return isinstance(module, known) and all(
        getattr(type(module), name, None) is getattr(known, name, None) for name in own
    )


def _is_pointwise(module: nn.Module) -> bool:
    """Whether a module treats every position by itself, and so leaves fields as they are."""
    norms = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
    if isinstance(module, norms):
        # Without running statistics it takes them from this picture, all positions of it.
        return any(_computes_as(module, norm) for norm in norms) and module.running_mean is not None
    if isinstance(module, nn.Flatten | nn.Identity | nn.modules.dropout._DropoutNd):
        return True
    if isinstance(module, nn.MultiheadAttention | nn.Softmax | nn.LogSoftmax | nn.Softmin):
        return False
    return type(module).__module__ == "torch.nn.modules.activation"


def _max_pool2d(step: Step, field: Field) -> Field:
    return pooled(step, field, step.argument(4, "dilation", 1), step.argument(5, "ceil_mode", False))


def _avg_pool2d(step: Step, field: Field) -> Field:
    return pooled(step, field, 1, step.argument(4, "ceil_mode", False))


def _conv2d(step: Step, field: Field) -> Field:
    kernel, stride, padding = _kernel_of(step), step.argument(3, "stride", 1), step.argument(4, "padding", 0)
    dilation = step.argument(5, "dilation", 1)
    if kernel is None or not are_numbers(stride, padding, dilation):
        return mixed(field, step.name)
    return windowed(field, kernel, stride, padding, dilation)


def _batch_norm(step: Step, field: Field) -> Field:
    """With statistics of its own, each position by itself; else they are those of this picture."""
    training = step.argument(5, "training", False)
    return (
        mixed(field, step.name)
        if step.argument(1, "running_mean") is None or training is not False
        else field
    )


def _layer_norm(step: Step, field: Field) -> Field:
    normalised = sequence(step.argument(1, "normalized_shape"))
    return computed_over(step.last_axes(max(len(normalised), 1)), step, field)


def _linear(step: Step, field: Field) -> Field:
    return computed_over(step.last_axes(1), step, field)


def _over_axes(step: Step, field: Field) -> Field:
    return computed_over(step.axes(step.argument(1, "dim")), step, field)


def _normalised(step: Step, field: Field) -> Field:
    return computed_over(step.axes(step.argument(2, "dim", 1)), step, field)


def _split(step: Step, field: Field) -> Field:
    return computed_over(step.axes(step.argument(2, "dim", 0)), step, field)


def _reordered(step: Step, field: Field, order: Sequence[int]) -> Field:
    """Rows and columns may go elsewhere, but not change places."""
    # Where nobody knows, the last two axes of the map's sides are taken for its rows and columns.
    places = step.places
    if places is None:
        on_grid = step.shape[-2:] == (field.y.units, field.x.units)
        places = (len(order) - 2, len(order) - 1) if on_grid else ()
    where = [order.index(axis) for axis in places]
    return field if where == sorted(where) else mixed(field, step.name)


def _getitem(step: Step, field: Field) -> Field:
    """A part of a map: ``x[:, :, ::2, 1:]``. A part of a list is what it was."""
    wanted = step.argument(1, "index")
    if not step.shape:
        return field
    listed = wanted if isinstance(wanted, tuple) else (wanted,)
    if step.places is None or Ellipsis in listed:
        return field if all(part in (Ellipsis, slice(None)) for part in listed) else mixed(field, step.name)
    parts = [*listed, *[slice(None)] * (len(step.shape) - len(listed))]
    if all(parts[place] == slice(None) for place in step.places):
        return field
    if len(step.places) != 2 or not all(_is_plain(parts[place]) for place in step.places):
        return mixed(field, step.name)
    rows, columns = (parts[place] for place in step.places)
    return field._replace(y=_sliced(field.y, rows), x=_sliced(field.x, columns))


def _is_plain(part: Any) -> bool:
    """A slice with numbers known beforehand, forwards."""
    if not isinstance(part, slice):
        return False
    known = all(end is None or isinstance(end, int) for end in (part.start, part.stop, part.step))
    return known and (part.step is None or part.step > 0)


def _sliced(axis: Axis, part: slice) -> Axis:
    first, end, by = part.indices(axis.units)
    return axis.window(1, by, -first, 1, len(range(first, end, by)))


def _pad(step: Step, field: Field) -> Field:
    amounts = sequence(step.argument(1, "pad"))
    rows_and_columns = step.places == (2, 3) and len(amounts) <= 4 and are_numbers(amounts)
    mode = step.argument(2, "mode", "constant")
    if not rows_and_columns or mode != "constant":
        return mixed(field, step.name)
    return padded(field, (*amounts, *[0] * (4 - len(amounts))))


def _conv_transpose2d(step: Step, field: Field) -> Field:
    kernel, stride = _kernel_of(step), step.argument(3, "stride", 1)
    padding, dilation = step.argument(4, "padding", 0), step.argument(7, "dilation", 1)
    if kernel is None or not are_numbers(stride, padding, dilation):
        return mixed(field, step.name)
    return transposed(step, field, kernel, stride, padding, dilation)


def _interpolate(step: Step, field: Field) -> Field:
    mode, corners = step.argument(3, "mode", "nearest"), step.argument(4, "align_corners")
    if step.argument(6, "antialias", False):
        return mixed(field, step.name)
    scale = None if step.argument(5, "recompute_scale_factor") else step.argument(2, "scale_factor")
    return resized(step, field, mode, corners, scale)


def _adaptive_pool2d(step: Step, field: Field) -> Field:
    return adaptive(field, step.argument(1, "output_size"), step.name)


_FUNCTIONS: dict[str, Callable[[Step, Field], Field]] = {
    "max_pool2d": _max_pool2d,
    "avg_pool2d": _avg_pool2d,
    "adaptive_avg_pool2d": _adaptive_pool2d,
    "adaptive_max_pool2d": _adaptive_pool2d,
    "conv2d": _conv2d,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "linear": _linear,
    **dict.fromkeys(("mean", "sum", "amax", "amin", "var", "std", "softmax", "log_softmax"), _over_axes),
    "normalize": _normalised,
    "chunk": _split,
    "split": _split,
    "getitem": _getitem,
    "pad": _pad,
    "conv_transpose2d": _conv_transpose2d,
    "interpolate": _interpolate,
    "pixel_shuffle": lambda step, field: shuffled(step, field, step.argument(1, "upscale_factor")),
    "pixel_unshuffle": lambda step, field: unshuffled(step, field, step.argument(1, "downscale_factor")),
}
