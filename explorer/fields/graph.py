"""Receptive fields through the graph of a network: each step's field from those of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple, TypeGuard, TypeVar

from torch import fx, nn
from torch.fx.node import map_aggregate
from torch.fx.passes.shape_prop import TensorMetadata

from explorer.fields.axis import Axis, Field, evenly, pixels, union
from explorer.layers.arrangement import PLACES, axis_order, function_name
from explorer.layers.listing import GraphTrace, image_node
from explorer.layers.trace import ARRANGEMENT, NUMBERS

Known = TypeVar("Known", bound=nn.Module)


class Step(NamedTuple):
    """One step of a graph: what computes it, and where its input has rows and columns.

    Attributes:
        module: the network.
        node: the step.
        name: as in the list of layers.
        shape: of its first input; () where that is no tensor.
        output: the shape of its output.
        places: the input's axes of rows and columns: (2, 3) for channels first, (1, 2) for channels last, (1,) for
            tokens; ``None`` where the input is no layer's output, so that nobody knows.
    """

    module: nn.Module
    node: fx.Node
    name: str
    shape: tuple[int, ...]
    output: tuple[int, ...]
    places: tuple[int, ...] | None

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        """What the function was given, by position (the input's is 0) or by name."""
        given = self.node.kwargs.get(name, default)
        if len(self.node.args) > position:
            given = self.node.args[position]
        return _known(given)

    def axes(self, wanted: Any) -> tuple[int, ...]:
        """Axes of the input, counted from the front; ``None`` is all of them."""
        if wanted is None:
            return tuple(range(len(self.shape)))
        listed = wanted if isinstance(wanted, tuple | list) else (wanted,)
        return tuple(axis % len(self.shape) for axis in listed) if self.shape else ()

    def last_axes(self, count: int) -> range:
        """The last ``count`` axes of the input."""
        return range(len(self.shape) - count, len(self.shape))

    def touches_places(self, axes: Iterable[int]) -> bool:
        """Whether one of these axes is, or may be, one of rows or columns."""
        touched = set(axes)
        if self.places is None:
            return not self.shape or bool(touched - {0})
        return bool(touched.intersection(self.places))


def _known(given: Any) -> Any:
    """An argument, with the numbers in it that the network computed from sizes on the way."""
    return map_aggregate(
        given, lambda part: part.meta.get(NUMBERS, part) if isinstance(part, fx.Node) else part
    )


def graph_fields(traced: GraphTrace) -> dict[str, Field]:
    """The field of every named step, in one pass from input to output.

    A step that this program doesn't know is taken to mix all positions: a field is never claimed too small.
    """
    names = {node: name for name, node in traced.nodes.items()}
    image = image_node(traced.graph)
    fields: dict[fx.Node, Field] = {image: pixels(traced.input_px, traced.input_px)}
    for node in traced.graph.nodes:
        inputs = [fields[n] for n in node.all_input_nodes if n in fields]
        if not inputs or "tensor_meta" not in node.meta:
            continue  # a parameter or a size
        name = names.get(node, node.name)
        shape, places = _given(traced, node, image)
        step = Step(traced.module, node, name, shape, _shape_of(node), places)
        field = _step(step, union(inputs, name, traced.input_px))
        arranged = node.meta.get(ARRANGEMENT)
        if arranged:
            rows, columns = arranged.shape[1:]
            lies = arranged.lies or evenly(traced.input_px, rows, columns)
            field = field.regrid(rows, columns, name, lies)
        fields[node] = field
    return {names[node]: field for node, field in fields.items() if node in names}


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
    return field if function in _POINTWISE_FUNCTIONS else _mixed(field, step.name)


_POINTWISE_FUNCTIONS = {
    *("add", "sub", "mul", "truediv", "neg", "pow", "abs", "exp", "clamp", "cat", "concat", "stack"),
    *("relu", "relu6", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh", "hardtanh", "hardsigmoid"),
    *("hardswish", "dropout", "stochastic_depth", "contiguous", "clone", "to", "float", "type_as", "expand"),
    "expand_as",
    # These may also mix or drop positions: then the map's grid changes, which is compared after every step.
    *("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "getattr", "view_as", "reshape_as"),
}


def _mixed(field: Field, name: str) -> Field:
    return field._replace(mixed_by=field.mixed_by or name)


def _computed_over(axes: Iterable[int], step: Step, field: Field) -> Field:
    """Behind a step that computes something of these axes: of the channels of each position, or over positions."""
    return _mixed(field, step.name) if step.touches_places(axes) else field


def _through_module(step: Step, module: nn.Module, field: Field) -> Field:
    if type(module).__name__ in ("Conv2dSame", "MaxPool2dSame", "AvgPool2dSame"):
        return _same_padded(field, module)
    if _computes_as(module, nn.Conv2d):
        return _mixed(field, step.name) if _sees_far_border(module) else _convolved(field, module)
    if _computes_as(module, nn.MaxPool2d):
        stride = module.stride or module.kernel_size
        return _windowed(field, module.kernel_size, stride, module.padding, module.dilation, module.ceil_mode)
    if _computes_as(module, nn.AvgPool2d):
        stride = module.stride or module.kernel_size
        return _windowed(field, module.kernel_size, stride, module.padding, 1, module.ceil_mode)
    if isinstance(module, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d):
        return _adaptive(field, module.output_size, step.name)
    if isinstance(module, nn.ZeroPad2d | nn.ConstantPad2d):
        return _padded(field, module.padding)
    if isinstance(module, nn.ReflectionPad2d | nn.ReplicationPad2d):
        return _mirrored(step, field, module.padding)
    if _computes_as(module, nn.ConvTranspose2d):
        return _transposed(step, field, module.kernel_size, module.stride, module.padding, module.dilation)
    if isinstance(module, nn.Upsample):  # its derived classes set its mode
        return _resized(step, field, module.mode, module.align_corners)
    if isinstance(module, nn.PixelShuffle):
        return _shuffled(step, field, module.upscale_factor)
    if isinstance(module, nn.PixelUnshuffle):
        return _unshuffled(step, field, module.downscale_factor)
    if isinstance(module, nn.LayerNorm):
        return _computed_over(step.last_axes(len(module.normalized_shape)), step, field)
    if isinstance(module, nn.Linear):  # of a flattened map it changes the grid
        return _computed_over(step.last_axes(1), step, field)
    return field if _is_pointwise(module) else _mixed(field, step.name)


def _sees_far_border(conv: nn.Conv2d) -> bool:
    """Whether units at a border see more than lies around them: what wraps around, or is mirrored from far inside."""
    if conv.padding_mode == "zeros" or not any(conv._reversed_padding_repeated_twice):
        return False
    reach = [d * (k - 1) for k, d in zip(conv.kernel_size, conv.dilation, strict=True)]
    left, right, top, bottom = conv._reversed_padding_repeated_twice
    too_far = 2 * max(top, bottom) > reach[0] or 2 * max(left, right) > reach[1]
    return conv.padding_mode == "circular" or too_far


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
    if type(module).__module__ == "torch.nn.modules.activation":
        return True
    others = ("StochasticDepth", "FrozenBatchNorm2d", "LocalResponseNorm", "ChannelShuffle")
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

    return field._replace(y=axis(field.y, 0), x=axis(field.x, 1))


def _convolved(field: Field, conv: nn.Conv2d) -> Field:
    if conv.padding != "same":
        padding = 0 if conv.padding == "valid" else conv.padding
        return _windowed(field, conv.kernel_size, conv.stride, padding, conv.dilation)

    def axis(
        a: Axis, i: int
    ) -> Axis:  # torch's "same": stride 1; of an odd total the smaller half comes first
        k, d = conv.kernel_size[i], conv.dilation[i]
        return a.window(k, 1, d * (k - 1) // 2, d, a.units)

    return field._replace(y=axis(field.y, 0), x=axis(field.x, 1))


def _same_padded(field: Field, module: Any) -> Field:
    """TensorFlow's "same": as much padding as the stride needs, which depends on the size; less in front."""
    kernel, stride = _pair(module.kernel_size), _pair(module.stride)
    dilation = _pair(getattr(module, "dilation", 1))

    def axis(a: Axis, i: int) -> Axis:
        k, s, d = kernel[i], stride[i], dilation[i]
        count = -(-a.units // s)
        total = max((count - 1) * s + (k - 1) * d + 1 - a.units, 0)
        return a.window(k, s, total // 2, d, count)

    return field._replace(y=axis(field.y, 0), x=axis(field.x, 1))


def _padded(field: Field, padding: Any) -> Field:
    left, right, top, bottom = padding
    y, x = field.y, field.x
    return field._replace(
        y=y.window(1, 1, top, 1, y.units + top + bottom),
        x=x.window(1, 1, left, 1, x.units + left + right),
    )


def _max_pool2d(step: Step, field: Field) -> Field:
    return _pooled(step, field, step.argument(4, "dilation", 1), step.argument(5, "ceil_mode", False))


def _avg_pool2d(step: Step, field: Field) -> Field:
    return _pooled(step, field, 1, step.argument(4, "ceil_mode", False))


def _pooled(step: Step, field: Field, dilation: Any, ceil_mode: Any) -> Field:
    kernel, padding = step.argument(1, "kernel_size"), step.argument(3, "padding", 0)
    stride = step.argument(2, "stride") or kernel
    if not _are_numbers(kernel, stride, padding, dilation):
        return _mixed(field, step.name)
    return _windowed(field, kernel, stride, padding, dilation, bool(ceil_mode))


def _conv2d(step: Step, field: Field) -> Field:
    weight = step.argument(1, "weight")
    stride, padding = step.argument(3, "stride", 1), step.argument(4, "padding", 0)
    dilation = step.argument(5, "dilation", 1)
    meta = weight.meta.get("tensor_meta") if isinstance(weight, fx.Node) else None
    if not isinstance(meta, TensorMetadata) or not _are_numbers(stride, padding, dilation):
        return _mixed(field, step.name)
    return _windowed(field, tuple(meta.shape[2:]), stride, padding, dilation)


def _batch_norm(step: Step, field: Field) -> Field:
    """With statistics of its own, each position by itself; else they are those of this picture."""
    training = step.argument(5, "training", False)
    return (
        _mixed(field, step.name)
        if step.argument(1, "running_mean") is None or training is not False
        else field
    )


def _layer_norm(step: Step, field: Field) -> Field:
    normalised = _sequence(step.argument(1, "normalized_shape"))
    return _computed_over(step.last_axes(max(len(normalised), 1)), step, field)


def _linear(step: Step, field: Field) -> Field:
    return _computed_over(step.last_axes(1), step, field)


def _over_axes(step: Step, field: Field) -> Field:
    return _computed_over(step.axes(step.argument(1, "dim")), step, field)


def _normalised(step: Step, field: Field) -> Field:
    return _computed_over(step.axes(step.argument(2, "dim", 1)), step, field)


def _split(step: Step, field: Field) -> Field:
    return _computed_over(step.axes(step.argument(2, "dim", 0)), step, field)


def _reordered(step: Step, field: Field, order: Sequence[int]) -> Field:
    """Rows and columns may go elsewhere, but not change places."""
    # Where nobody knows, the last two axes of the map's sides are taken for its rows and columns.
    places = step.places
    if places is None:
        on_grid = step.shape[-2:] == (field.y.units, field.x.units)
        places = (len(order) - 2, len(order) - 1) if on_grid else ()
    where = [order.index(axis) for axis in places]
    return field if where == sorted(where) else _mixed(field, step.name)


def _getitem(step: Step, field: Field) -> Field:
    """A part of a map: ``x[:, :, ::2, 1:]``. A part of a list is what it was."""
    wanted = step.argument(1, "index")
    if not step.shape:
        return field
    listed = wanted if isinstance(wanted, tuple) else (wanted,)
    if step.places is None or Ellipsis in listed:
        return field if all(part in (Ellipsis, slice(None)) for part in listed) else _mixed(field, step.name)
    parts = [*listed, *[slice(None)] * (len(step.shape) - len(listed))]
    if all(parts[place] == slice(None) for place in step.places):
        return field
    if len(step.places) != 2 or not all(_is_plain(parts[place]) for place in step.places):
        return _mixed(field, step.name)
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
    amounts = _sequence(step.argument(1, "pad"))
    rows_and_columns = step.places == (2, 3) and len(amounts) <= 4 and _are_numbers(amounts)
    mode = step.argument(2, "mode", "constant")
    if not rows_and_columns or mode == "circular":
        return _mixed(field, step.name)
    padding = (*amounts, *[0] * (4 - len(amounts)))
    return _padded(field, padding) if mode == "constant" else _mirrored(step, field, padding)


def _mirrored(step: Step, field: Field, padding: Any) -> Field:
    """Padded with what lies inside: only windows that reach as far inside as outside see no more than their box."""
    left, right, top, bottom = padding
    for user in step.node.users:
        window = step.module.get_submodule(str(user.target)) if user.op == "call_module" else None
        if not isinstance(window, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            return _mixed(field, step.name)
        kernel, dilation = _pair(window.kernel_size), _pair(getattr(window, "dilation", 1))
        reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        if 2 * max(top, bottom) > reach[0] or 2 * max(left, right) > reach[1]:
            return _mixed(field, step.name)
    return _padded(field, padding)


def _transposed(step: Step, field: Field, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Field:
    """A transposed convolution: input unit i is written to the units i·s − p to i·s − p + d·(k − 1)."""
    k, s, p, d = _pair(kernel), _pair(stride), _pair(padding), _pair(dilation)

    def ends(i: int) -> Ends:
        return Ends(Fraction(p[i] - d[i] * (k[i] - 1), s[i]), Fraction(p[i], s[i]), Fraction(1, s[i]))

    return _grown(step, field, ends)


def _conv_transpose2d(step: Step, field: Field) -> Field:
    weight, stride = step.argument(1, "weight"), step.argument(3, "stride", 1)
    padding, dilation = step.argument(4, "padding", 0), step.argument(7, "dilation", 1)
    meta = weight.meta.get("tensor_meta") if isinstance(weight, fx.Node) else None
    if not isinstance(meta, TensorMetadata) or not _are_numbers(stride, padding, dilation):
        return _mixed(field, step.name)
    return _transposed(step, field, tuple(meta.shape[2:]), stride, padding, dilation)


def _interpolate(step: Step, field: Field) -> Field:
    mode, corners = step.argument(3, "mode", "nearest"), step.argument(4, "align_corners")
    if step.argument(6, "antialias", False):
        return _mixed(field, step.name)
    return _resized(step, field, mode, corners)


def _resized(step: Step, field: Field, mode: str, align_corners: Any) -> Field:
    """Enlarged or made smaller by its nearest units, or by weights of two or four of them."""
    if mode not in ("nearest", "nearest-exact", "bilinear", "bicubic") or step.places != (2, 3):
        return _mixed(field, step.name)

    def ends(i: int) -> Ends:
        before, after = step.shape[2 + i], step.output[2 + i]
        ratio = Fraction(before, after)
        if mode == "nearest":  # unit ⌊u·r⌋
            return Ends(-1 + Fraction(1, ratio.denominator), Fraction(0), ratio)
        if mode == "nearest-exact":  # unit ⌊(u + ½)·r⌋
            return Ends(ratio / 2 - 1 + Fraction(1, 2 * ratio.denominator), ratio / 2, ratio)
        if align_corners:
            ratio, first = Fraction(before - 1, max(after - 1, 1)), Fraction(0)
        else:
            first = ratio / 2 - Fraction(1, 2)
        # Between ⌊x⌋ and ⌊x⌋ + 1, for cubes one more on either side. At the border x is moved to the first unit.
        wider = 1 if mode == "bicubic" else 0
        moved = max(Fraction(0), -first)
        lower = first - 1 + Fraction(1, 2 * ratio.denominator) - wider
        return Ends(lower, first + 1 + wider + moved, ratio)

    return _grown(step, field, ends)


def _shuffled(step: Step, field: Field, factor: Any) -> Field:
    """Channels become a patch of positions each."""
    if step.places != (2, 3) or not _are_numbers(factor):
        return _mixed(field, step.name)
    return _grown(step, field, lambda i: Ends(Fraction(1, factor) - 1, Fraction(0), Fraction(1, factor)))


def _unshuffled(step: Step, field: Field, factor: Any) -> Field:
    """Patches of positions become channels."""
    if step.places != (2, 3) or not _are_numbers(factor):
        return _mixed(field, step.name)
    return _windowed(field, factor, factor, 0, 1)


class Ends(NamedTuple):
    """Between which units of the map before those lie that unit 0 sees, and how far on those of the next are."""

    before: Fraction
    after: Fraction
    stride: Fraction


def _grown(step: Step, field: Field, ends: Callable[[int], Ends]) -> Field:
    rows, columns = step.output[2:]
    y, x = field.y.grown(*ends(0), rows), field.x.grown(*ends(1), columns)
    return field._replace(y=y, x=x)


def _adaptive_pool2d(step: Step, field: Field) -> Field:
    return _adaptive(field, step.argument(1, "output_size"), step.name)


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
    "pixel_shuffle": lambda step, field: _shuffled(step, field, step.argument(1, "upscale_factor")),
    "pixel_unshuffle": lambda step, field: _unshuffled(step, field, step.argument(1, "downscale_factor")),
}


def _are_numbers(*values: Any) -> bool:
    """Whether all are known before the network runs, not computed on the way."""
    flat = [number for value in values for number in (_sequence(value) or (value,))]
    return all(isinstance(number, int) for number in flat)


def _adaptive(field: Field, output_size: Any, name: str) -> Field:
    rows, columns = (
        wanted or axis.units for wanted, axis in zip(_pair(output_size), (field.y, field.x), strict=True)
    )
    pooled = field._replace(y=field.y.adaptive(rows), x=field.x.adaptive(columns))
    over_everything = (rows == 1 < field.y.units) or (columns == 1 < field.x.units)
    return _mixed(pooled, name) if over_everything else pooled


def _pair(value: Any) -> tuple[int, int]:
    return (value[0], value[-1]) if isinstance(value, tuple | list) else (value, value)


def _sequence(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else ()
