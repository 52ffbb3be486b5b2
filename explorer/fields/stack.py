"""The receptive field of a stack of layers given by numbers: layer after layer, with the arithmetic shown.

Per axis, with kernel k, stride s, dilation d and the jump j, the product of all strides before the layer, each
layer adds (k − 1)·d·j pixels (Araujo, Norris and Sim, Distill 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, get_args

from explorer.convolution.arithmetic import output_size
from explorer.convolution.entry import format_number
from explorer.errors import ExplorerError
from explorer.fields.axis import Axis

StackLayerKind = Literal["conv", "max_pool", "avg_pool"]
Pair = tuple[int, int]

MOST_LAYERS = 200
MOST_FIELD_PX = 10**6
MOST_TERMS = 6
KIND_NAMES: dict[StackLayerKind, str] = {"conv": "conv", "max_pool": "max-pool", "avg_pool": "average-pool"}
_MOST = {"kernel": 255, "stride": 64, "padding": 255, "dilation": 64}
_LEAST = {"kernel": 1, "stride": 1, "padding": 0, "dilation": 1}


@dataclass(frozen=True)
class StackLayer:
    """One window that slides over a map; pairs are (height, width).

    Raises:
        ExplorerError: a number outside its range, or one that torch's pooling refuses.

    >>> StackLayer("max_pool", (3, 3), stride=(2, 2)).settings
    'max-pool 3×3, stride 2'
    """

    kind: StackLayerKind
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    name: str = ""

    def __post_init__(self) -> None:
        if self.kind not in get_args(StackLayerKind):
            kinds = " or ".join(repr(kind) for kind in get_args(StackLayerKind))
            raise ExplorerError(f"layer {self.kind!r}", "is not a kind of layer here", f"use {kinds}")
        for name, least in _LEAST.items():
            for number in getattr(self, name):
                if not least <= number <= _MOST[name]:
                    raise ExplorerError(
                        f"{name} {number}",
                        "is out of range",
                        f"use a whole number from {least} to {_MOST[name]}",
                    )
        if self.kind != "conv":
            self._check_pooling()

    @property
    def settings(self) -> str:
        """Its numbers in short, without what is at its default: ``conv 3×3, stride 2``."""
        sentence = f"{KIND_NAMES[self.kind]} {pair_text(self.kernel, always_two=True)}"
        for name in ("stride", "padding", "dilation"):
            value = getattr(self, name)
            if value != (_LEAST[name],) * 2:
                sentence += f", {name} {pair_text(value)}"
        return sentence

    def _check_pooling(self) -> None:
        if self.kind == "avg_pool" and self.dilation != (1, 1):
            raise ExplorerError(
                f"dilation {pair_text(self.dilation)} in an average-pool", "is not known to torch", "use 1"
            )
        for k, p in zip(self.kernel, self.padding, strict=True):
            if 2 * p > k:
                raise ExplorerError(
                    f"padding {p} in a pooling of {k}",
                    "is more than half the window",
                    f"use at most {k // 2}",
                )


def conv(
    kernel: int | Pair,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
    name: str = "",
) -> StackLayer:
    """A convolution; a single number counts for both axes."""
    return StackLayer("conv", _pair(kernel), _pair(stride), _pair(padding), _pair(dilation), name)


def max_pool(
    kernel: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0, name: str = ""
) -> StackLayer:
    """A max-pooling; its stride is its kernel unless given, as in torch."""
    return StackLayer("max_pool", _pair(kernel), _pair(stride or kernel), _pair(padding), name=name)


@dataclass(frozen=True)
class StackField:
    """What the units behind one layer of a stack see, in input pixels; pairs are (y, x).

    Attributes:
        layer: the layer.
        size: height and width of one unit's field.
        growth: how much this layer added to it.
        jump_before: how far apart the units are on which the layer's window stands.
        stride: how far apart the fields of neighbouring units are: the jump behind the layer.
        start: the centre of the field of unit (0, 0); 0 is the centre of the first pixel.
        units: rows and columns of the map, for an input of known size.
    """

    layer: StackLayer
    size: Pair
    growth: Pair
    jump_before: Pair
    stride: Pair
    start: tuple[float, float]
    units: Pair | None

    def arithmetic(self, axis: int) -> str:
        """The recurrence with this layer's numbers: ``3 + (3 − 1)·1·1 = 5`` (field + (k − 1)·d·jump)."""
        before, k, d = self.size[axis] - self.growth[axis], self.layer.kernel[axis], self.layer.dilation[axis]
        return f"{before} + ({k} − 1)·{d}·{self.jump_before[axis]} = {self.size[axis]}"


def stack_fields(layers: Sequence[StackLayer], input_px: Pair | None = None) -> tuple[StackField, ...]:
    """The field behind every layer of a stack.

    Args:
        layers: from the input on.
        input_px: height and width of the input, to learn the size of each map as well.

    Raises:
        ExplorerError: no layers or too many, a field larger than any picture, a kernel larger than its padded
            input.

    >>> [field.size[0] for field in stack_fields([conv(3), conv(3), conv(3)])]
    [3, 5, 7]
    """
    _check_length(layers)
    axes = [Axis(0, 0, 1, 0), Axis(0, 0, 1, 0)]
    units = input_px
    fields = []
    for number, layer in enumerate(layers, start=1):
        units = _units_behind(layer, units, number)
        before = axes
        axes = [
            a.window(layer.kernel[i], layer.stride[i], layer.padding[i], layer.dilation[i], 0)
            for i, a in enumerate(axes)
        ]
        size = (int(axes[0].size), int(axes[1].size))
        if max(*size, axes[0].stride, axes[1].stride) > MOST_FIELD_PX:
            raise ExplorerError(
                f"the field of {max(size):,} px behind layer {number}",
                f"is beyond the {MOST_FIELD_PX:,} px that are followed here",
                "take fewer layers or smaller strides",
            )
        fields.append(
            StackField(
                layer=layer,
                size=size,
                growth=(size[0] - int(before[0].size), size[1] - int(before[1].size)),
                jump_before=(int(before[0].stride), int(before[1].stride)),
                stride=(int(axes[0].stride), int(axes[1].stride)),
                start=(axes[0].start, axes[1].start),
                units=units,
            )
        )
    return tuple(fields)


def written_out(layers: Sequence[StackLayer], axis: int) -> str:
    """The last field as one sum over the layers: ``1 + (3−1)·1·1 + (3−1)·1·2 = 7``.

    In long sums, equal neighbours are counted: ``4×(3−1)·1·4``.
    """
    fields = stack_fields(layers)
    terms = [
        f"({f.layer.kernel[axis]}−1)·{f.layer.dilation[axis]}·{f.jump_before[axis]}"
        for f in fields
        if f.growth[axis]
    ]
    if len(terms) > MOST_TERMS:
        counted = [(term, len(list(equal))) for term, equal in groupby(terms)]
        terms = [f"{count}×{term}" if count > 1 else term for term, count in counted]
    return " + ".join(["1", *terms]) + f" = {fields[-1].size[axis]}"


def taps(layers: Sequence[StackLayer], axis: int) -> list[list[int]]:
    """The units of each map that one unit of the last sees, the input first: indices along one axis.

    Index 0 is the unit above the last map's unit 0; a dilated window steps over some, so there may be gaps.
    """
    seen = [[0]]
    for layer in reversed(layers):
        k, s, p, d = (pair[axis] for pair in (layer.kernel, layer.stride, layer.padding, layer.dilation))
        seen.append(sorted({unit * s - p + tap * d for unit in seen[-1] for tap in range(k)}))
    return seen[::-1]


def pair_text(pair: tuple[float, float], *, always_two: bool = False) -> str:
    """``3`` for a square (3, 3), else ``1×7`` (height × width)."""
    height, width = map(format_number, pair)
    return height if pair[0] == pair[1] and not always_two else f"{height}×{width}"


def place_text(place: tuple[float, float], *, always_two: bool = False) -> str:
    """``3`` where both coordinates are equal, else ``(y 1.5, x 7.5)``."""
    y, x = map(format_number, place)
    return y if place[0] == place[1] and not always_two else f"(y {y}, x {x})"


def _units_behind(layer: StackLayer, units: Pair | None, number: int) -> Pair | None:
    if units is None:
        return None
    try:
        return output_size(units, layer.kernel, layer.stride, layer.padding, layer.dilation)
    except ExplorerError as error:
        raise ExplorerError(f"in layer {number}, {error.value}", error.rule, error.remedy) from error


def _check_length(layers: Sequence[StackLayer]) -> None:
    if not layers:
        raise ExplorerError("a stack of no layers", "sees single pixels", "add a layer")
    if len(layers) > MOST_LAYERS:
        raise ExplorerError(
            f"a stack of {len(layers)} layers", "is too long to follow", f"use at most {MOST_LAYERS}"
        )


def _pair(value: int | Pair) -> Pair:
    return value if isinstance(value, tuple) else (value, value)
