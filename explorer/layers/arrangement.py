"""How a step arranges a map: which axis of its output holds channels, which rows, which columns.

Read off where on the picture each value lies (:mod:`explorer.layers.places`), never off sizes: maps may have as many
channels as rows, be rectangles, grow, and matrices of attention may have the size of a map.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, fx, nn
from torch.utils._python_dispatch import _disable_current_modes

from explorer.layers.grids import Arrangement, Layout, read_map
from explorer.layers.places import FollowPlaces

PLACES: dict[Layout, tuple[int, ...]] = {
    "channels_first": (2, 3),
    "channels_last": (1, 2),
    "tokens": (1,),
    "class_and_tokens": (1,),
    "vector": (),
}
"""The axes of a step's output that hold rows and columns; of tokens one holds both."""


def function_name(node: fx.Node) -> str:
    """The name of the function or method that a step calls."""
    target = node.target
    return target if isinstance(target, str) else getattr(target, "__name__", str(target))


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


def arrangement(output: Tensor, places: FollowPlaces) -> Arrangement | None:
    """That of a map or a vector of one image; ``None`` for what is neither."""
    shape = tuple(output.shape)
    if not shape or shape[0] != 1:
        return None
    if len(shape) == 2:
        return Arrangement((shape[1], 1, 1), "vector")
    if len(shape) == 4 and shape[2:] == (1, 1):
        return Arrangement((shape[1], 1, 1), "channels_first")
    if len(shape) == 4 and shape[1:3] == (1, 1):
        return Arrangement((shape[3], 1, 1), "channels_last")
    found = places.of(output)
    if found is None:
        return None
    with _disable_current_modes():  # what is read off them needs no places of its own
        return read_map(found, shape)
