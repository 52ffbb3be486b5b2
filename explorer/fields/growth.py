"""How receptive fields grow, laid out once for page and paper: units and taps, bars, the curve of a network.

A short stack is a cone: every unit and every connection, the input at the bottom. In a long one they couldn't be
told apart: there it is a bar for each layer that enlarges the field.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Literal

from explorer.fields.stack import KIND_NAMES, Pair, StackField, StackLayer, pair_text, stack_fields, taps
from explorer.fields.theoretical import NetworkFields

WIDTH = 560
"""Of a drawing of a stack, in its own units; a unit of length is a pixel of the page at its largest."""
MOST_CONE_PX = 48
MOST_CONE_LAYERS = 8
_NAMES, _NUMBERS = 132, 84  # at the left for names, at the right for numbers
_GROWTH = 32  # of the numbers, for what a layer adds
_LONGEST_NAME = 22  # characters
_CONE_STEP, _UNIT = 46, 22  # from map to map, and the height of a unit
_BAR_STEP, _BAR = 20, 13
_MOST_TICKS = 5


@dataclass(frozen=True)
class Rectangle:
    """A unit, which is seen or not; or a bar, of what was seen before a layer or of what it adds on both sides."""

    x: float
    y: float
    width: float
    height: float
    kind: Literal["unit", "seen", "grown", "before"]


@dataclass(frozen=True)
class Label:
    """A text, its vertical middle at ``y`` and its start, middle or end at ``x``."""

    x: float
    y: float
    text: str
    anchor: Literal["start", "middle", "end"] = "start"
    faint: bool = False


@dataclass(frozen=True)
class StackDrawing:
    """A stack along one axis, :data:`WIDTH` units wide and ``height`` high, y growing downwards.

    Attributes:
        sentence: what it shows, in words.
        rectangles: units of a cone, or bars; later ones lie on earlier ones.
        taps: (x, y, x, y), from a unit to one that it reads; none between bars.
        input_edges: x of both ends of the input behind bars, where its size is known.
        labels: names at the left, numbers at the right.
    """

    height: float
    sentence: str
    rectangles: tuple[Rectangle, ...]
    labels: tuple[Label, ...]
    taps: tuple[tuple[float, float, float, float], ...] = ()
    input_edges: tuple[float, ...] = ()


@dataclass(frozen=True)
class GrowthCurve:
    """The longer side of one unit's field, map by map of a network.

    Attributes:
        sizes: in px, in execution order.
        input_px: the side of the network's input, to compare with.
        top: where the axis of sizes ends.
        ticks: round numbers on it, from 0 on.
        chosen: which map is marked, or None.
        sentence: what it shows, in words.
    """

    sizes: tuple[int, ...]
    input_px: int
    top: float
    ticks: tuple[int, ...]
    chosen: int | None
    sentence: str
    x_label: str = "maps of the network, in execution order"
    y_label: str = "side of the field (px)"

    @property
    def input_label(self) -> str:
        """What is written at the line for the input."""
        return f"the input: {self.input_px} px"


def stack_drawings(layers: Sequence[StackLayer], input_px: Pair | None = None) -> dict[str, StackDrawing]:
    """By the name of what it shows: one for both axes, or one each where they differ.

    Raises:
        ExplorerError: as :func:`~explorer.stack_fields`.

    >>> from explorer.fields.stack import conv
    >>> [list(stack_drawings([conv(kernel)])) for kernel in (3, (3, 1))]
    [['Field'], ['Height', 'Width']]
    """
    fields = stack_fields(layers)
    square = all(field.size[0] == field.size[1] for field in fields)
    return {
        name: _drawing(layers, fields, axis, input_px[axis] if input_px else None)
        for axis, name in enumerate(("Field",) if square else ("Height", "Width"))
    }


def network_growth(network: NetworkFields, chosen: str = "") -> GrowthCurve:
    """The curve of a network's maps with the layer called ``chosen`` marked; without sizes if it has no maps."""
    maps = [field for layer, field in zip(network.layers, network.fields, strict=True) if layer.is_map]
    sizes = tuple(max(field.local_size) for field in maps)
    most = max((*sizes, network.input_px))
    grown = f", map by map, from {sizes[0]} to {sizes[-1]} px" if sizes else ": there is no map"
    return GrowthCurve(
        sizes=sizes,
        input_px=network.input_px,
        top=1.04 * most,
        ticks=_ticks(most),
        chosen=next((i for i, field in enumerate(maps) if field.layer == chosen), None),
        sentence=f"Side of one unit's field{grown}.",
    )


def _drawing(
    layers: Sequence[StackLayer], fields: Sequence[StackField], axis: int, input_px: int | None
) -> StackDrawing:
    if fields[-1].size[axis] <= MOST_CONE_PX and len(layers) <= MOST_CONE_LAYERS:
        return _cone(layers, fields, axis)
    return _bars(fields, axis, input_px)


def _cone(layers: Sequence[StackLayer], fields: Sequence[StackField], axis: int) -> StackDrawing:
    """Rows of units, the input at the bottom: what one unit of the last map reads, map by map."""
    seen = taps(layers, axis)
    starts = [0.0, *(f.start[axis] for f in fields)]
    jumps = [1, *(f.stride[axis] for f in fields)]
    low, high = seen[0][0] - 1.5, seen[0][-1] + 1.5
    scale, rows = (WIDTH - _NAMES - _NUMBERS) / (high - low), len(seen)

    def x(level: int, unit: int) -> float:
        return _NAMES + (starts[level] + jumps[level] * unit - low) * scale

    def y(level: int) -> float:
        return 8 + (rows - 1 - level) * _CONE_STEP + _UNIT / 2

    units, labels = [], []
    for level in range(rows):
        side = min(_UNIT, 0.82 * jumps[level] * scale)
        first = ceil((low - starts[level]) / jumps[level])
        last = floor((high - starts[level]) / jumps[level])
        units += [
            Rectangle(
                x(level, unit) - side / 2,
                y(level) - _UNIT / 2,
                side,
                _UNIT,
                "seen" if unit in seen[level] else "unit",
            )
            for unit in range(first, last + 1)
        ]
        labels += _row_labels(y(level), *_cone_words(fields, level, axis))
    connections = [
        (x(level, unit), y(level) + _UNIT / 2, x(level - 1, below), y(level - 1) - _UNIT / 2)
        for level in range(1, rows)
        for unit in seen[level]
        for below in _read_by(layers[level - 1], axis, unit)
    ]
    return StackDrawing(
        height=rows * _CONE_STEP + 8,
        sentence=f"One unit behind {len(layers)} layers sees {fields[-1].size[axis]} input pixels",
        rectangles=tuple(units),
        labels=tuple(labels),
        taps=tuple(connections),
    )


def _bars(fields: Sequence[StackField], axis: int, input_px: int | None) -> StackDrawing:
    """A bar as long as the field behind each layer that enlarges it, its own part in colour."""
    numbered = list(enumerate(fields, start=1))
    growing = [(number, f) for number, f in numbered if f.growth[axis]] or numbered[-1:]
    room = WIDTH - _NAMES - _NUMBERS
    middle, scale = _NAMES + room / 2, room / max(fields[-1].size[axis], input_px or 0)
    bars, labels = [], []
    for row, (number, field) in enumerate(growing):
        y, size, growth = row * _BAR_STEP + 4, field.size[axis], field.growth[axis]
        parts: tuple[tuple[int, Literal["grown", "before"]], ...] = (
            (size, "grown"),
            (size - growth, "before"),
        )
        bars += [Rectangle(middle - px * scale / 2, y, px * scale, _BAR, kind) for px, kind in parts]
        labels += _row_labels(y + _BAR / 2, _name(field.layer, number), f"{size} px", f"+{growth}")
    height = (len(growing) + 1) * _BAR_STEP
    edges: tuple[float, ...] = ()
    if input_px:
        edges = (middle - input_px * scale / 2, middle + input_px * scale / 2)
        labels.append(Label(middle, height - 10, f"the input: {input_px} px", "middle", faint=True))
    first, last = growing[0][1].size[axis], fields[-1].size[axis]
    return StackDrawing(
        height=height,
        sentence=f"The field grows from {first} to {last} px over {len(fields)} layers",
        rectangles=tuple(bars),
        labels=tuple(labels),
        input_edges=edges,
    )


def _read_by(layer: StackLayer, axis: int, unit: int) -> list[int]:
    """The units below that a layer's unit reads."""
    first = unit * layer.stride[axis] - layer.padding[axis]
    return [first + tap * layer.dilation[axis] for tap in range(layer.kernel[axis])]


def _cone_words(fields: Sequence[StackField], level: int, axis: int) -> tuple[str, str, str]:
    if level == 0:
        return "input", f"{fields[-1].size[axis]} px", "seen"
    field = fields[level - 1]
    return _name(field.layer, level), f"{field.size[axis]} px", f"+{field.growth[axis]}"


def _name(layer: StackLayer, number: int) -> str:
    """A layer's name or number, with its kind and kernel where there is room for them."""
    name = layer.name or f"layer {number}"
    full = f"{name} · {KIND_NAMES[layer.kind]} {pair_text(layer.kernel)}"
    if len(full) <= _LONGEST_NAME:
        return full
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 2]}…"


def _row_labels(y: float, name: str, size: str, growth: str) -> list[Label]:
    return [
        Label(0, y, name),
        Label(WIDTH - _GROWTH, y, size, "end"),
        Label(WIDTH, y, growth, "end", faint=True),
    ]


def _ticks(most: int) -> tuple[int, ...]:
    """0 and the multiples, up to ``most``, of the smallest step of 1, 2, 5, 10, … that gives few enough of them."""
    step = next(
        number * 10**power
        for power in range(len(str(most)) + 1)
        for number in (1, 2, 5)
        if most // (number * 10**power) <= _MOST_TICKS
    )
    return tuple(range(0, most + 1, step))
