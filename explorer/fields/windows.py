"""Fields behind steps with windows: convolutions, pooling, padding, and those that make maps larger."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

from torch import nn

from explorer.fields.axis import Axis, Field
from explorer.fields.step import Step, are_numbers, mixed, pair


def windowed(
    field: Field, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool = False
) -> Field:
    k, s, p, d = pair(kernel), pair(stride), pair(padding), pair(dilation)

    def axis(a: Axis, i: int) -> Axis:
        room = a.units + 2 * p[i] - d[i] * (k[i] - 1) - 1
        count = (-(-room // s[i]) if ceil_mode else room // s[i]) + 1
        if ceil_mode and (count - 1) * s[i] >= a.units + p[i]:
            count -= 1  # torch drops a window that would start in the padding behind the input
        return a.window(k[i], s[i], p[i], d[i], count)

    return field._replace(y=axis(field.y, 0), x=axis(field.x, 1))


def convolved(field: Field, conv: nn.Conv2d) -> Field:
    if conv.padding != "same":
        padding = 0 if conv.padding == "valid" else conv.padding
        return windowed(field, conv.kernel_size, conv.stride, padding, conv.dilation)

    def axis(
        a: Axis, i: int
    ) -> Axis:  # torch's "same": stride 1; of an odd total the smaller half comes first
        k, d = conv.kernel_size[i], conv.dilation[i]
        return a.window(k, 1, d * (k - 1) // 2, d, a.units)

    return field._replace(y=axis(field.y, 0), x=axis(field.x, 1))


def sees_far_border(conv: nn.Conv2d) -> bool:
    """Whether units at a border see more than lies around them: what wraps around, or is mirrored from far inside."""
    if conv.padding_mode == "zeros" or not any(conv._reversed_padding_repeated_twice):
        return False
    reach = [d * (k - 1) for k, d in zip(conv.kernel_size, conv.dilation, strict=True)]
    left, right, top, bottom = conv._reversed_padding_repeated_twice
    too_far = 2 * max(top, bottom) > reach[0] or 2 * max(left, right) > reach[1]
    return conv.padding_mode == "circular" or too_far


def same_padded(field: Field, module: Any) -> Field:
    """TensorFlow's "same": as much padding as the stride needs, which depends on the size; less in front."""
    kernel, stride = pair(module.kernel_size), pair(module.stride)
    dilation = pair(getattr(module, "dilation", 1))

    def axis(a: Axis, i: int) -> Axis:
        k, s, d = kernel[i], stride[i], dilation[i]
        count = -(-a.units // s)
        total = max((count - 1) * s + (k - 1) * d + 1 - a.units, 0)
        return a.window(k, s, total // 2, d, count)

    return field._replace(y=axis(field.y, 0), x=axis(field.x, 1))


def padded(field: Field, padding: Any) -> Field:
    left, right, top, bottom = padding
    y, x = field.y, field.x
    return field._replace(
        y=y.window(1, 1, top, 1, y.units + top + bottom),
        x=x.window(1, 1, left, 1, x.units + left + right),
    )


def mirrored(field: Field, padding: Any, mode: str) -> Field:
    """Padded with what lies inside, or with the outermost units: those in the padding see what is seen there."""
    left, right, top, bottom = (max(0, amount) for amount in padding)
    further = (
        2 if mode == "reflect" else 1
    )  # the unit k cells outside is the one k cells inside, or the outermost

    def axis(a: Axis, before: int, after: int) -> Axis:
        low, high = a.low - further * after * a.stride, a.high + further * before * a.stride
        return a._replace(low=low, high=high)

    plain = padded(field, padding)
    return plain._replace(y=axis(plain.y, top, bottom), x=axis(plain.x, left, right))


def reaches_back(kernel: Any, dilation: Any, own_padding: Any, padding: Any) -> bool:
    """Whether windows over mirrored padding reach as far inside as outside: then they see no more than their box.

    Padding of their own moves them outwards.
    """
    if own_padding not in (0, (0, 0), [0, 0], "valid"):
        return False
    left, right, top, bottom = padding
    down, across = (d * (k - 1) for k, d in zip(pair(kernel), pair(dilation), strict=True))
    return 2 * max(top, bottom) <= down and 2 * max(left, right) <= across


def pooled(step: Step, field: Field, dilation: Any, ceil_mode: Any) -> Field:
    kernel, padding = step.argument(1, "kernel_size"), step.argument(3, "padding", 0)
    stride = step.argument(2, "stride") or kernel
    if not are_numbers(kernel, stride, padding, dilation):
        return mixed(field, step.name)
    return windowed(field, kernel, stride, padding, dilation, bool(ceil_mode))


def adaptive(field: Field, output_size: Any, name: str) -> Field:
    rows, columns = (
        wanted or axis.units for wanted, axis in zip(pair(output_size), (field.y, field.x), strict=True)
    )
    pooled = field._replace(y=field.y.adaptive(rows), x=field.x.adaptive(columns))
    over_everything = (rows == 1 < field.y.units) or (columns == 1 < field.x.units)
    return mixed(pooled, name) if over_everything else pooled


def transposed(step: Step, field: Field, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Field:
    """A transposed convolution: input unit i is written to the units i·s − p to i·s − p + d·(k − 1)."""
    k, s, p, d = pair(kernel), pair(stride), pair(padding), pair(dilation)

    def ends(i: int) -> Ends:
        return Ends(Fraction(p[i] - d[i] * (k[i] - 1), s[i]), Fraction(p[i], s[i]), Fraction(1, s[i]))

    return _grown(step, field, ends)


def resized(step: Step, field: Field, mode: str, align_corners: Any, scale: Any = None) -> Field:
    """Enlarged or made smaller by its nearest units, or by weights of two or four of them.

    ``scale``: the factor that was given, which torch goes by even where it doesn't give whole sizes.
    """
    if mode not in ("nearest", "nearest-exact", "bilinear", "bicubic") or step.places != (2, 3):
        return mixed(field, step.name)

    def ends(i: int) -> Ends:
        before, after = step.shape[2 + i], step.output[2 + i]
        ratio = Fraction(before, after)
        if scale is not None and not align_corners and before * pair(scale)[i] != after:
            return _ends_by_factor(1 / pair(scale)[i], mode)
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


def _ends_by_factor(ratio: float, mode: str) -> Ends:
    """The same for a distance of units that divides no size: between which ends they lie at the most."""
    stride = Fraction(ratio)
    match mode:
        case "nearest":
            return Ends(Fraction(-1), Fraction(0), stride)
        case "nearest-exact":
            return Ends(stride / 2 - 1, stride / 2, stride)
    first, wider = stride / 2 - Fraction(1, 2), Fraction(1 if mode == "bicubic" else 0)
    return Ends(first - 1 - wider, first + 1 + wider + max(Fraction(0), -first), stride)


def shuffled(step: Step, field: Field, factor: Any) -> Field:
    """Channels become a patch of positions each."""
    if step.places != (2, 3) or not are_numbers(factor):
        return mixed(field, step.name)
    return _grown(step, field, lambda i: Ends(Fraction(1, factor) - 1, Fraction(0), Fraction(1, factor)))


def unshuffled(step: Step, field: Field, factor: Any) -> Field:
    """Patches of positions become channels."""
    if step.places != (2, 3) or not are_numbers(factor):
        return mixed(field, step.name)
    return windowed(field, factor, factor, 0, 1)


class Ends(NamedTuple):
    """Between which units of the map before those lie that unit 0 sees, and how far on those of the next are."""

    before: Fraction
    after: Fraction
    stride: Fraction


def _grown(step: Step, field: Field, ends: Callable[[int], Ends]) -> Field:
    rows, columns = step.output[2:]
    y, x = field.y.grown(*ends(0), rows), field.x.grown(*ends(1), columns)
    return field._replace(y=y, x=x)
