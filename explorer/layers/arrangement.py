"""How a step arranges a map: which axis of its output holds channels, which rows, which columns.

Followed from step to step where that is certain: from convolutions and pooling, which have channels first by
definition, through whatever keeps or permutes axes. Guessed from sizes only where nothing is known.
"""

from __future__ import annotations

from typing import Any, Literal

from torch import fx, nn

Layout = Literal["channels_first", "channels_last", "tokens", "class_and_tokens", "vector"]
Arrangement = tuple[tuple[int, int, int], Layout]
"""``(C, H, W)``, and the layout."""

PLACES: dict[Layout, tuple[int, ...]] = {
    "channels_first": (2, 3),
    "channels_last": (1, 2),
    "tokens": (1,),
    "class_and_tokens": (1,),
    "vector": (),
}
"""The axes of a step's output that hold rows and columns; of tokens one holds both."""

_REARRANGE = {
    *("permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis", "Permute"),
    *("view", "reshape", "flatten", "unflatten", "Flatten", "Unflatten", "squeeze", "unsqueeze", "stack"),
    *("einsum", "matmul"),
}
"""Steps behind which an axis may be another one."""


def function_name(node: fx.Node) -> str:
    """The name of the function or method that a step calls."""
    target = node.target
    return target if isinstance(target, str) else getattr(target, "__name__", str(target))


def certain_arrangement(
    module: nn.Module, node: fx.Node, shape: tuple[int, ...] | None, kind: str, given: Arrangement | None
) -> Arrangement | None:
    """What a step's output is by definition, or by following that of its input, where ``given`` is certain.

    Convolutions and pooling say where channels are. A layer norm or Linear says only which axis is last, and so what
    is known of its input comes first.
    """
    defined = _defined(module, node, shape)
    if defined and defined[1] == "channels_first":
        return defined
    followed = _kept(shape, given, kind, may_grow=True) or _reordered(module, node, shape, given)
    return followed or defined


def likely_arrangement(
    module: nn.Module,
    node: fx.Node,
    shape: tuple[int, ...] | None,
    kind: str,
    given: Arrangement | None,
    grid: tuple[int, int],
) -> Arrangement | None:
    """The same by following an input that was guessed itself, or guessed from the map's size."""
    followed = _kept(shape, given, kind, may_grow=False) or _reordered(module, node, shape, given)
    return followed or guessed_arrangement(shape, grid, kind)


def _kept(
    shape: tuple[int, ...] | None, given: Arrangement | None, kind: str, *, may_grow: bool
) -> Arrangement | None:
    """That of a map with as many channels as the one that the step was given, and, but for padding, no more positions.

    Whatever their numbers: rectangles, and maps with as many channels as rows, are read right, too.
    """
    if not shape or len(shape) != 4 or shape[0] != 1 or given is None or kind in _REARRANGE:
        return None
    (channels, rows, columns), layout = given
    if rows * columns == 1:
        return None
    if layout not in ("channels_first", "channels_last"):
        return None
    now = (shape[1], *shape[2:]) if layout == "channels_first" else (shape[3], *shape[1:3])
    fits = now[0] == channels and (may_grow or (now[1] <= rows and now[2] <= columns))
    return ((now[0], now[1], now[2]), layout) if fits else None


def _defined(module: nn.Module, node: fx.Node, shape: tuple[int, ...] | None) -> Arrangement | None:
    """That of a step that is defined on maps: convolutions and pooling have channels first, Linear has them last."""
    if not shape or len(shape) != 4 or shape[0] != 1:
        return None
    if node.op == "call_module":
        step = module.get_submodule(str(node.target))
        first = isinstance(step, _CHANNELS_FIRST_MODULES)
        last = type(step) is nn.Linear or (type(step) is nn.LayerNorm and len(step.normalized_shape) == 1)
    else:
        name = function_name(node)
        first, last = name in _CHANNELS_FIRST_FUNCTIONS, name == "linear"
    if first:
        return (shape[1], shape[2], shape[3]), "channels_first"
    return ((shape[3], shape[1], shape[2]), "channels_last") if last else None


_CHANNELS_FIRST_MODULES = (
    *(nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.InstanceNorm2d, nn.GroupNorm, nn.ZeroPad2d),
    *(nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d),
    *(nn.Upsample, nn.PixelShuffle, nn.PixelUnshuffle),
)

_CHANNELS_FIRST_FUNCTIONS = {
    *("conv2d", "conv_transpose2d", "batch_norm", "max_pool2d", "avg_pool2d", "interpolate", "pixel_shuffle"),
    *("adaptive_avg_pool2d", "adaptive_max_pool2d"),
}


def axis_order(module: nn.Module, node: fx.Node, axes: int) -> list[int] | None:
    """Where each axis of a transposed or permuted tensor comes from; ``None`` for any other step."""
    if node.op == "call_module":
        permute: Any = module.get_submodule(str(node.target))
        return [axis % axes for axis in permute.dims] if type(permute).__name__ == "Permute" else None
    function = function_name(node)
    given: list[Any] = [*node.args[1:], *node.kwargs.values()]
    if function in ("transpose", "swapaxes", "swapdims"):
        order = list(range(axes))
        a, b = given
        order[a], order[b] = order[b], order[a]
        return order
    if function != "permute":
        return None
    dims = given[0] if isinstance(given[0], tuple | list) else given
    return [axis % axes for axis in dims]


def _reordered(
    module: nn.Module, node: fx.Node, shape: tuple[int, ...] | None, given: Arrangement | None
) -> Arrangement | None:
    """That of a map whose axes were put in another order, rows still before columns."""
    order = axis_order(module, node, len(shape or ()))
    if not shape or len(shape) != 4 or shape[0] != 1 or given is None or order is None:
        return None
    where = tuple(order.index(place) for place in PLACES[given[1]])
    if where == PLACES["channels_first"]:
        return (shape[1], shape[2], shape[3]), "channels_first"
    if where == PLACES["channels_last"]:
        return (shape[3], shape[1], shape[2]), "channels_last"
    return None


_CHANNELS_FIRST = {"Conv2dSame", *(module.__name__ for module in _CHANNELS_FIRST_MODULES)}
"""The same by name, for networks of which only the calls of modules are known."""

_MOST_PREFIX_TOKENS = 8
"""Class, distillation and register tokens in front of those of the picture: timm's models have one to five."""


def guessed_arrangement(
    shape: tuple[int, ...] | None, grid: tuple[int, int], kind: str
) -> Arrangement | None:
    """``(C, H, W)`` and the layout of an output, given the grid of the map before it; ``None`` for what is neither.

    Some steps put channels first by definition. For the others: the input is square, so maps usually are, and
    equal sides tell (N, C, H, W) from (N, H, W, C); where they aren't, the map before shows which axes they are.
    Maps hardly ever grow in a classifier, which tells them from attention's matrices. Tokens of a transformer
    are a map if there are as many as the map before had positions.
    """
    if not shape or shape[0] != 1:
        return None
    positions = grid[0] * grid[1]
    if len(shape) == 4 and (kind in _CHANNELS_FIRST or shape[2:] == grid or shape[2] == shape[3] <= grid[0]):
        return (shape[1], shape[2], shape[3]), "channels_first"
    if len(shape) == 4 and (shape[1:3] == grid or shape[1] == shape[2] <= grid[0]):
        return (shape[3], shape[1], shape[2]), "channels_last"
    if len(shape) == 3 and shape[1] == positions:
        return (shape[2], *grid), "tokens"
    if len(shape) == 3 and 0 < shape[1] - positions <= max(1, min(_MOST_PREFIX_TOKENS, positions // 4)):
        return (shape[2], *grid), "class_and_tokens"
    if len(shape) == 2:
        return (shape[1], 1, 1), "vector"
    return None
