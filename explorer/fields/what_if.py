"""What else would enlarge a receptive field: one change to a stack of layers at a time, with its effect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from explorer.errors import ExplorerError
from explorer.fields.stack import Pair, StackField, StackLayer, conv, max_pool, pair_text, stack_fields


@dataclass(frozen=True)
class WhatIf:
    """One change to a stack, and what it does to its last units.

    Attributes:
        knob: what is changed: depth, kernel, stride, dilation or pooling.
        change: the change in words.
        reason: why the field grows by that much, in words with numbers.
        layers: the changed stack.
        size_before, size_after: height and width of the last units' fields.
    """

    knob: str
    change: str
    reason: str
    layers: tuple[StackLayer, ...]
    size_before: Pair
    size_after: Pair


def what_if(layers: Sequence[StackLayer], at: int) -> tuple[WhatIf, ...]:
    """One more layer, a larger kernel, stride or dilation, or a pooling, each at layer ``at`` (from 0).

    Changes that the layer can't take, such as a dilated average-pooling, are left out.

    Raises:
        ExplorerError: no such layer; a stack as in :func:`stack_fields`.

    >>> [(w.knob, w.size_after[0]) for w in what_if([conv(3), conv(3), conv(3)], 0)]
    [('depth', 9), ('kernel', 9), ('stride', 11), ('dilation', 9), ('pooling', 12)]
    """
    if not 0 <= at < len(layers):
        raise ExplorerError(
            f"layer {at + 1}", f"is not in this stack of {len(layers)}", f"choose from 1 to {len(layers)}"
        )
    fields = stack_fields(layers)
    before, place = fields[-1], _Place(at + 1, fields[at], _later(fields, at))
    found = []
    for knob, change in _KNOBS.items():
        try:
            put, words, reason = change(place)
            changed = (*layers[:at], *put, *layers[at + 1 :])
            after = stack_fields(changed)[-1]
        except ExplorerError:
            continue
        found.append(WhatIf(knob, words, reason, changed, before.size, after.size))
    return tuple(found)


class _Place(NamedTuple):
    number: int
    field: StackField
    later: Pair
    """How many pixels the layers behind it add."""


class _Change(NamedTuple):
    put: tuple[StackLayer, ...]
    words: str
    reason: str


def _later(fields: Sequence[StackField], at: int) -> Pair:
    last, here = fields[-1].size, fields[at].size
    return last[0] - here[0], last[1] - here[1]


def _depth(place: _Place) -> _Change:
    layer = place.field.layer
    kernel = (max(3, layer.kernel[0]), max(3, layer.kernel[1]))
    words = f"one more layer behind layer {place.number}: {pair_text(kernel, always_two=True)}, stride 1"
    reason = (
        f"adds ({pair_text(kernel)} − 1) · {pair_text(place.field.stride)}, the jump there; "
        "with stride 1 everywhere, depth adds the same each time"
    )
    return _Change((layer, conv(kernel)), words, reason)


def _kernel(place: _Place) -> _Change:
    layer, jump = place.field.layer, place.field.jump_before
    wider = replace(layer, kernel=(layer.kernel[0] + 2, layer.kernel[1] + 2))
    step = (layer.dilation[0] * jump[0], layer.dilation[1] * jump[1])
    words = f"kernel {pair_text(layer.kernel)} → {pair_text(wider.kernel)} in layer {place.number}"
    return _Change((wider,), words, f"two taps more, {pair_text(step)} px each")


def _stride(place: _Place) -> _Change:
    layer = place.field.layer
    wider = replace(layer, stride=_doubled(layer.stride))
    words = f"stride {pair_text(layer.stride)} → {pair_text(wider.stride)} in layer {place.number}"
    if any(place.later):
        reason = f"doubles what the layers behind it add, {pair_text(place.later)} px"
    else:
        reason = "no layer comes behind it: the field stays as it is, only the units move apart"
    return _Change((wider,), words, reason)


def _dilation(place: _Place) -> _Change:
    layer = place.field.layer
    wider = replace(layer, dilation=_doubled(layer.dilation))
    words = f"dilation {pair_text(layer.dilation)} → {pair_text(wider.dilation)} in layer {place.number}"
    if any(place.field.growth):
        reason = f"doubles what this layer adds, {pair_text(place.field.growth)} px, without any more weights"
    else:
        reason = "a 1×1 window has nothing to spread"
    return _Change((wider,), words, reason)


def _pooling(place: _Place) -> _Change:
    jump = pair_text(place.field.stride)
    reason = f"adds (2 − 1) · {jump}, the jump there"
    if any(place.later):
        reason += f", and doubles what the layers behind it add, {pair_text(place.later)} px"
    words = f"2×2 pooling, stride 2, behind layer {place.number}"
    return _Change((place.field.layer, max_pool(2)), words, reason)


def _doubled(pair: Pair) -> Pair:
    return 2 * pair[0], 2 * pair[1]


_KNOBS: dict[str, Callable[[_Place], _Change]] = {
    "depth": _depth,
    "kernel": _kernel,
    "stride": _stride,
    "dilation": _dilation,
    "pooling": _pooling,
}
