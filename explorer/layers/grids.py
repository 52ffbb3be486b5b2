"""Rows and columns of a map, read off the places on the picture where its values lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Layout = Literal["channels_first", "channels_last", "tokens", "class_and_tokens", "vector"]

Places = tuple[Tensor, Tensor]
"""Rows and columns of the picture, as floats, both of the shape of the tensor that they belong to; NaN: no place."""

_MOST_PREFIX_TOKENS = 8
"""Class, distillation and register tokens in front of those of the picture: timm's models have one to five."""

_SAME = 1e-9
"""Pixels: places that are nearer to each other are one."""

_TO_ORDER = 1e3
"""Places to the thousandth of a pixel: of tokens in another order, those of one row are the same."""


class Line(NamedTuple):
    """Where the units of an axis lie on the picture: the first at ``start``, the next ``stride`` pixels further."""

    start: float
    stride: float


class Arrangement(NamedTuple):
    """How the network itself arranges an output for one image.

    Attributes:
        shape: ``(C, H, W)``.
        layout: which axes hold what.
        order: of tokens that don't come row by row, such as those of windows: which of them is the first, and so on.
        lies: where rows and columns lie on the picture; ``None`` where that isn't regular.
    """

    shape: tuple[int, int, int]
    layout: Layout
    order: tuple[int, ...] | None = None
    lies: tuple[Line, Line] | None = None


def read_map(places: Places, shape: Sequence[int]) -> Arrangement | None:
    """The arrangement of a tensor whose values lie at these places; ``None`` if it is no map of one image."""
    if len(shape) == 4 and shape[0] == 1:
        if (grid := without_channels(places, 1)) and is_grid(*grid):
            return Arrangement((shape[1], shape[2], shape[3]), "channels_first", None, _lies(*grid))
        if (grid := without_channels(places, 3)) and is_grid(*grid):
            return Arrangement((shape[3], shape[1], shape[2]), "channels_last", None, _lies(*grid))
    if len(shape) == 3 and shape[0] == 1 and (tokens := without_channels(places, 2)) is not None:
        rows, columns = tokens
        return _read_tokens(rows, columns, shape[2])
    return None


def _read_tokens(rows: Tensor, columns: Tensor, channels: int) -> Arrangement | None:
    for prefix in range(max(0, min(_MOST_PREFIX_TOKENS, len(rows) - 2)) + 1):
        layout: Layout = "class_and_tokens" if prefix else "tokens"
        own_rows, own_columns = rows[prefix:], columns[prefix:]
        if (grid := token_grid(own_rows, own_columns)) is not None:
            lies = _lies(own_rows.reshape(grid), own_columns.reshape(grid))
            return Arrangement((channels, *grid), layout, None, lies)
    if (found := _put_in_order(rows, columns)) is not None:
        grid, order = found
        lies = _lies(rows[order].reshape(grid), columns[order].reshape(grid))
        return Arrangement((channels, *grid), "tokens", tuple(order.tolist()), lies)
    return None


def _put_in_order(rows: Tensor, columns: Tensor) -> tuple[tuple[int, int], Tensor] | None:
    """The grid whose cells these places are, one each, and which of them is the first, the second, …"""
    if bool(rows.isnan().any()) or bool(columns.isnan().any()):
        return None
    down, across = (place.mul(_TO_ORDER).round().unique(return_inverse=True) for place in (rows, columns))
    grid = (len(down[0]), len(across[0]))
    cells = down[1] * grid[1] + across[1]
    if min(grid) < 2 or len(cells) != grid[0] * grid[1] or len(cells.unique()) != len(cells):
        return None
    return grid, cells.argsort()


def _lies(rows: Tensor, columns: Tensor) -> tuple[Line, Line] | None:
    y, x = _line(rows), _line(columns.T)
    return (y, x) if y and x else None


def _line(place: Tensor) -> Line | None:
    """Most neighbours are equally far from each other; at the border windows draw them together."""
    along = place.nanmean(1)
    if len(along) < 2:
        return None
    steps = along.diff()
    stride = float(steps.nanmedian())
    regular = (steps - stride).abs() <= 1e-3 * stride
    if not stride > _SAME or 2 * int(regular.sum()) < len(steps):
        return None
    starts = along - stride * torch.arange(len(along), dtype=along.dtype, device=along.device)
    return Line(float(starts.nanmedian()), stride)


def without_channels(places: Places, channels: int) -> Sequence[Tensor] | None:
    """The mean places over this axis; ``None`` if it isn't one of channels, since places go along it, too."""
    if all(place.stride()[channels] == 0 for place in places):
        return [place.select(channels, 0)[0] for place in places]
    means = [place.nanmean(channels, keepdim=True) for place in places]
    within = sum(float((place - mean).square().nanmean()) for place, mean in zip(places, means, strict=True))
    between = sum(float((mean - mean.nanmean()).square().nanmean()) for mean in means)
    # Values of one position may come from slightly different places, by shifts or patches that became channels.
    return [mean.squeeze(channels)[0] for mean in means] if within < between / 2 else None


def lies_crosswise(rows: Tensor, columns: Tensor) -> bool:
    """Whether of (H, W) places the rows go mostly along the first axis, the columns along the second: in any order."""
    return _goes_along_first(rows) and _goes_along_first(columns.T)


def _goes_along_first(place: Tensor) -> bool:
    if place.shape[0] == 1:
        return True
    means = place.nanmean(1, keepdim=True)
    return bool((means - means.nanmean()).square().nanmean() > (place - means).square().nanmean())


def is_grid(rows: Tensor, columns: Tensor) -> bool:
    """Whether (H, W) places lie in rows and columns: down and to the right they never go back."""
    return rows.numel() > 1 and _ordered(rows) and _ordered(columns.T)


def _ordered(place: Tensor) -> bool:
    """Whether the places along the second axis are equal, and grow along the first, but for those that are nowhere."""
    along = place.nanmean(1, keepdim=True)
    known = along[~along.isnan()]
    extent = float(known[-1] - known[0]) if len(known) else 0.0
    if place.shape[0] > 1 and extent <= _SAME:
        return False
    reach = max(extent, _SAME)
    off_level = (place - along).abs().nan_to_num(0)
    return bool((known.diff() >= -1e-6 * reach).all()) and bool((off_level <= 1e-3 * reach).all())


def token_grid(rows: Tensor, columns: Tensor) -> tuple[int, int] | None:
    """Height and width of the grid whose rows these places are, one behind the other."""
    if bool(rows.isnan().any()) or bool(columns.isnan().any()):
        return None
    back = (columns.diff() < 0).nonzero()
    width = int(back[0]) + 1 if len(back) else len(columns)
    if len(rows) % width:
        return None
    grid = (len(rows) // width, width)
    return grid if is_grid(rows.reshape(grid), columns.reshape(grid)) else None
