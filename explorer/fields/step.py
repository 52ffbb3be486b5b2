"""One step of a network's graph, and what its rules for receptive fields ask of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from torch import fx, nn
from torch.fx.node import map_aggregate

from explorer.fields.axis import Field
from explorer.layers.trace import NUMBERS


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


def mixed(field: Field, name: str) -> Field:
    return field._replace(mixed_by=field.mixed_by or name)


def computed_over(axes: Iterable[int], step: Step, field: Field) -> Field:
    """Behind a step that computes something of these axes: of the channels of each position, or over positions."""
    return mixed(field, step.name) if step.touches_places(axes) else field


def are_numbers(*values: Any) -> bool:
    """Whether all are known before the network runs, not computed on the way."""
    flat = [number for value in values for number in (sequence(value) or (value,))]
    return all(isinstance(number, int) for number in flat)


def pair(value: Any) -> tuple[int, int]:
    return (value[0], value[-1]) if isinstance(value, tuple | list) else (value, value)


def sequence(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else ()
