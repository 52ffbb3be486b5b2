"""Where on the picture each value inside a network lies, followed through every operation that PyTorch carries out.

Beside each tensor go two of its shape: the row and the column of the input on which each value is centred, NaN for
values that come from no place, such as those of a class token. Operations that move values (views, permutations,
windows, shifts) move their places; what a convolution or pooling puts out lies in the middle of its window, what
attention finds at its query, a sum or mean in the middle of its terms. Which axes of an output are rows and columns can
then be read off it, whatever the network is written like: no size is compared with another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map
from torch.utils.weak import WeakTensorKeyDictionary

from explorer.layers.grids import Places, is_grid, lies_crosswise, without_channels
from explorer.layers.place_rules import MOVES, NEW, ON_GRIDS, Call, both, rule_of, together, varies

NOWHERE = math.nan

_FROM_ANYWHERE = {
    *("grid_sampler_2d", "grid_sampler_3d", "cudnn_grid_sampler", "index_put", "_index_put_impl", "scatter"),
    *("scatter_add", "scatter_reduce", "index_copy", "index_add", "index_reduce", "masked_scatter", "put"),
    *("sort", "topk", "kthvalue", "_cdist_forward", "resize", "resize_as", "set"),
}
"""Operations whose values come from where other values say, or from nowhere that is followed."""


class FollowPlaces(TorchDispatchMode):
    """While it is active, notes for every tensor that an operation puts out where its values lie on ``image``."""

    def __init__(self, image: Tensor) -> None:
        """``image``: ``(1, C, H, W)``, the network's input."""
        super().__init__()
        self._picture = image.shape[2:]
        self._noted = WeakTensorKeyDictionary()
        self._noted[image] = _spread(image, self._picture)

    def of(self, output: Tensor) -> Places | None:
        """Where the values of a tensor lie; ``None`` where that isn't known."""
        return self._noted.get(output)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Carry an operation out, then follow it."""
        given = kwargs or {}
        output = func(*args, **given)
        name = func.overloadpacket.__name__
        found = self._follow(name, func, args, given, output)
        if func._schema.is_mutable and args and isinstance(args[0], Tensor) and name.endswith("_"):
            self._overwrite(args[0], found)
            return output
        outputs = output if isinstance(output, tuple | list) else [output]
        places = found if isinstance(found, list) else [found]
        for tensor, place in zip(outputs, places, strict=False):
            if place is not None and isinstance(tensor, Tensor) and place[0].shape == tensor.shape:
                self._noted[tensor] = place
        return output

    def _follow(
        self, name: str, func: Any, args: Any, kwargs: Any, output: Any
    ) -> Places | list[Places] | None:
        first = output[0] if isinstance(output, tuple | list) and output else output
        if not isinstance(first, Tensor):
            return None
        if name in NEW:
            return _nowhere(first)
        if name.removesuffix("_") in _FROM_ANYWHERE:
            return None
        inputs = _tensors(args)
        if not any(tensor in self._noted for tensor in inputs):
            return _spread(first, self._picture) if name in ON_GRIDS and first.dim() == 4 else None
        try:
            if name == "cat" and (beside := self._beside_each_other(*args, output=first)) is not None:
                return beside
            if name in MOVES:
                return self._moved(func, args, kwargs)
            places = [self._noted.get(tensor) for tensor in inputs]
            found = rule_of(name)(Call(places, inputs, args, kwargs, first))
        except (RuntimeError, IndexError, TypeError, ValueError):
            return None  # an operation called in a way that isn't known here: nothing is claimed behind it
        if name in ON_GRIDS and first.dim() == 4 and (found is None or _is_disordered(found)):
            return _spread(first, self._picture)
        return found

    def _beside_each_other(self, parts: Sequence[Tensor], axis: int = 0, *, output: Tensor) -> Places | None:
        """Of parts that say nothing along the axis, as channels of branches do: their middle, for all of them."""
        places = [self._noted.get(part) for part in parts]
        if any(place is None or _says_something(place, axis) for place in places):
            return None
        firsts = [both(lambda one: one.narrow(axis, 0, 1), place) for place in places if place is not None]
        found = together(firsts, firsts[0][0].shape)
        return None if found is None else both(lambda one: one.expand(output.shape), found)

    def _moved(self, func: Any, args: Any, kwargs: Any) -> Places | list[Places]:
        """The same operation on places, for one that puts out values of its input as they are."""
        rows, columns = (self._carried_out(func, args, kwargs, axis) for axis in (0, 1))
        if isinstance(rows, tuple | list):
            return list(zip(rows, columns, strict=True))
        return rows, columns

    def _carried_out(self, func: Any, args: Any, kwargs: Any, axis: int) -> Any:
        def place(value: Any) -> Any:
            if not isinstance(value, Tensor) or not (value.is_floating_point() or value in self._noted):
                return value
            return (self._noted.get(value) or _nowhere(value))[axis]

        name = func.overloadpacket.__name__
        moved = tree_map(place, args)
        if name in ("view", "_unsafe_view"):
            return moved[0].reshape(moved[1])  # places are seldom as contiguous as what they belong to
        if name == "clone":
            return moved[0].clone()
        return func(*moved, **tree_map(place, kwargs))

    def _overwrite(self, target: Tensor, found: Any) -> None:
        """What is written into a part of a tensor has its places there, too."""
        if not isinstance(found, tuple):
            self._noted.pop(target, None)
            return
        known = self._noted.get(target)
        if known is None or known[0].shape != target.shape or any(0 in place.stride() for place in known):
            self._noted[target] = found
            return
        for old, new in zip(known, found, strict=True):
            old.copy_(new)


def _spread(map_: Tensor, picture: Sequence[int]) -> Places:
    """Places of a map ``(N, C, H, W)`` that lies evenly over a picture of ``(height, width)``."""
    steps = [
        (torch.arange(n, dtype=_precision(map_), device=map_.device) + 0.5) * (side / n) - 0.5
        for n, side in zip(map_.shape[2:], picture, strict=True)
    ]
    return steps[0].view(1, 1, -1, 1).expand(map_.shape), steps[1].view(1, 1, 1, -1).expand(map_.shape)


def _nowhere(tensor: Tensor) -> Places:
    rows, columns = (
        torch.full(tensor.shape, NOWHERE, dtype=_precision(tensor), device=tensor.device) for _ in range(2)
    )
    return rows, columns


def _precision(tensor: Tensor) -> torch.dtype:
    """Sums and means draw places together: with many digits they can be told apart behind dozens of them."""
    return torch.float32 if tensor.device.type == "mps" else torch.float64


def _says_something(places: Places, axis: int) -> bool:
    return any(place.stride()[axis] != 0 or place.shape[axis] < 2 for place in places)


def _is_disordered(places: Places) -> bool:
    """Whether a map's values lie nowhere in particular, or in rows and columns that are out of order.

    A vector was made a map, or it was mirrored, transposed, or wraps around. Not so a matrix that compares each place
    with each.
    """
    grid = without_channels(places, 1)
    if grid is None:
        return not any(bool(place.diff(dim=1).abs().gt(0).any()) for place in places)
    rows, columns = grid
    return not varies(grid) or (
        not is_grid(rows, columns) and (lies_crosswise(rows, columns) or lies_crosswise(columns, rows))
    )


def _tensors(values: Any) -> list[Tensor]:
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, tuple | list):
            found += _tensors(value)
    return found
