"""What a convolution is given, checked: numbers in every cell, whole numbers within their range."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from explorer.errors import ExplorerError

_LOWEST = {"size": 1, "kernel": 1, "stride": 1, "padding": 0, "dilation": 1, "groups": 1}


def numbers(values: ArrayLike, name: str, axes: tuple[int, ...]) -> NDArray[np.float64]:
    """An array of finite numbers with one of these numbers of axes. Raises ExplorerError that names what isn't."""
    try:
        array = np.asarray(values)
    except ValueError:
        raise ExplorerError(
            name, "has rows of different lengths", "give every row the same number of cells"
        ) from None
    if array.ndim not in axes:
        rule = f"must have {' or '.join(map(str, axes))} axes"
        raise ExplorerError(f"{name} of shape {array.shape}", rule, "see the docstring of convolve")
    if array.size == 0:
        raise ExplorerError(f"{name} of shape {array.shape}", "has no cells", "give it at least one")
    if array.dtype.kind not in "buif":
        # As objects: numpy would have turned the numbers beside a letter into text too.
        _refuse_first(np.asarray(values, dtype=object), name)
    cells = array.astype(np.float64)
    if not np.isfinite(cells).all():
        cell = tuple(int(i) for i in np.argwhere(~np.isfinite(cells))[0])
        raise ExplorerError(f"{name}{list(cell)} = {cells[cell]}", "is not finite", "give a finite number")
    return cells


def _refuse_first(array: NDArray[Any], name: str) -> None:
    """Name the first cell that is no number. Numbers kept as objects, such as fractions, are fine."""
    for cell, value in np.ndenumerate(array):
        if isinstance(value, str | bytes | complex) or not hasattr(value, "__float__"):
            rule = "is empty" if value is None or value == "" else "is not a number"
            raise ExplorerError(f"{name}{list(cell)} = {value!r}", rule, "give a finite number in every cell")


def pair(value: int | Sequence[int], name: str) -> tuple[int, int]:
    """(height, width) from two whole numbers, or from one for both. Raises ExplorerError."""
    if isinstance(value, str) or np.ndim(value) == 0:
        number = whole(value, name)
        return number, number
    if np.shape(value) != (2,):
        raise ExplorerError(f"{name} {value!r}", "is not one whole number or two", "give (height, width)")
    height, width = value  # type: ignore[misc]
    return whole(height, name), whole(width, name)


def whole(value: Any, name: str) -> int:
    """A whole number that is not below the least that ``name`` may be. Raises ExplorerError."""
    lowest = _LOWEST[name]
    number = lowest - 1 if isinstance(value, bool) or not hasattr(value, "__index__") else index(value)
    if number < lowest:
        shown = "(empty)" if value is None else value
        rule = f"is not a whole number from {lowest} up"
        raise ExplorerError(f"{name} {shown}", rule, f"use {lowest} or more")
    return number


def choice(value: Any, name: str, allowed: Sequence[Any]) -> None:
    """Raises ExplorerError unless the value is one of those allowed."""
    if value not in allowed:
        listed = ", ".join(repr(a) for a in allowed)
        raise ExplorerError(f"{name} {value!r}", "is not known", f"use one of {listed}")


def biases(bias: ArrayLike | None, kernels: int) -> NDArray[np.float64]:
    """(kernels,) from one number for all or one for each; None is 0. Raises ExplorerError."""
    values = numbers(0 if bias is None else bias, "bias", (0, 1))
    if values.ndim and len(values) != kernels:
        raise ExplorerError(
            f"{len(values)} biases", f"do not fit {kernels} kernels", f"give one number, or {kernels} of them"
        )
    return np.broadcast_to(values, (kernels,)).copy()
