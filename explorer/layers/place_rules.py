"""Where values lie that an operation puts out, from where those lie that it was given: a rule for each kind.

What moves values without changing them, :data:`MOVES`, needs no rule: it is carried out on places as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from explorer.layers.grids import Places, read_map

_STEP = 1e-6
"""Pixels, or shares: what is less is none."""


def varies(grid: Sequence[Tensor]) -> bool:
    known = [place[~place.isnan()] for place in grid]
    return any(bool(place.amax() > place.amin()) for place in known if place.numel())


def _thin(place: Tensor) -> Tensor:
    """Without the repetitions along an axis that is an expanded one: most are, along channels."""
    for axis, stride in enumerate(place.stride()):
        if stride == 0 and place.shape[axis] > 1:
            place = place.narrow(axis, 0, 1)
    return place


def _between(a: Tensor, b: Tensor) -> Tensor:
    """The middle of two places; of one that is nowhere, the other."""
    a, b = _thin(a), _thin(b)
    middle = (a + b) / 2
    missing = middle.isnan()
    return torch.where(missing, torch.where(a.isnan(), b, a), middle) if bool(missing.any()) else middle


def both(rule: Callable[[Tensor], Tensor], places: Places) -> Places:
    return rule(places[0]), rule(places[1])


class Call(NamedTuple):
    """An operation that was carried out.

    Attributes:
        places: of each input that is a tensor; ``None`` where they aren't known.
        inputs: these tensors.
        args: what PyTorch was given, by position.
        kwargs: and by name.
        output: what came out, the first of several.
    """

    places: list[Places | None]
    inputs: list[Tensor]
    args: Any
    kwargs: Any
    output: Tensor


Rule = Callable[[Call], Places | None]


def _alike(call: Call) -> Places | None:
    """Value by value: the middle of what the inputs say. A scale that is the same everywhere says nothing."""
    shape = call.output.shape
    known = [
        place if given.shape == shape else both(lambda axis: axis.expand(shape), place)
        for place, given in zip(call.places, call.inputs, strict=True)
        if place is not None and _can_be(given.shape, shape)
    ]
    return together(known, shape)


def together(known: Sequence[Places], shape: Sequence[int]) -> Places | None:
    """Of values that come from several places: a map's, else the middle. What is the same everywhere says nothing."""
    if len(known) > 1:
        known = [place for place in known if varies([_thin(axis) for axis in place])] or known
    if len(known) > 1 and not all(_is_same(known[0], place) for place in known):
        # Not the middle of a map and of what was found elsewhere, by a query that the whole picture shares; nor of two
        # maps of which one has values from nowhere, since it would jump there.
        in_order = [place for place in known if read_map(place, shape)]
        known = sorted(in_order, key=lambda place: int(_thin(place[0]).isnan().sum()))[:1] or known
    found: Places | None = None
    for place in known:
        found = place if found is None else _middle(found, place, shape)
    return found


def _is_same(a: Places, b: Places) -> bool:
    return a is b or all(torch.equal(one, other) for one, other in zip(a, b, strict=True))


def _can_be(shape: Sequence[int], wanted: Sequence[int]) -> bool:
    """Whether a tensor of this shape can be broadcast to the other."""
    pairs = zip(reversed(shape), reversed(wanted), strict=False)
    return len(shape) <= len(wanted) and all(n in (1, m) for n, m in pairs)


def _middle(a: Places, b: Places, shape: Sequence[int]) -> Places:
    rows, columns = (_between(one, other).expand(shape) for one, other in zip(a, b, strict=True))
    return rows, columns


def _none(call: Call) -> Places | None:
    """For what has another meaning than places: frequencies."""
    return None


def _of_the_first(rule: Callable[[Places, Call], Places]) -> Rule:
    """A rule for what comes from the first input alone."""
    return lambda call: None if call.places[0] is None else rule(call.places[0], call)


def _kept(place: Places, call: Call) -> Places:
    """For a normalisation: that of what is normalised."""
    return place


def _reduced(place: Places, call: Call) -> Places:
    """Over axes: their mean."""
    before = call.inputs[0].dim()
    wanted = call.args[1] if len(call.args) > 1 else call.kwargs.get("dim")
    axes = list(range(before)) if wanted is None or wanted == [] else wanted
    axes = [axes] if isinstance(axes, int) else axes
    return both(lambda axis: axis.nanmean(axes, keepdim=call.output.dim() == before), place)


def _multiplied(call: Call) -> Places | None:
    """A product of matrices: where rows and columns both come from places, the middle between the two."""
    left, right = call.inputs[-2:]  # behind what is added
    a, b = (None if place is None or bool(place[0].isnan().all()) else place for place in call.places[-2:])
    if right.dim() < 2 or left.dim() < 2:
        return None
    shape = call.output.shape
    if a is not None and b is not None:
        return _compared(a, b, shape)
    # A weight that mixes places, as many as before: they are taken to be in the same order.
    if a is not None:
        return (
            a
            if left.shape == shape and _goes_along(a, -1)
            else both(lambda axis: _rows(axis).expand(shape), a)
        )
    if b is not None:
        return (
            b
            if right.shape == shape and _goes_along(b, -2)
            else both(lambda axis: _columns(axis).expand(shape), b)
        )
    return None


def _rows(place: Tensor) -> Tensor:
    return _thin(place).nanmean(-1, keepdim=True)


def _columns(place: Tensor) -> Tensor:
    return _thin(place).nanmean(-2, keepdim=True)


def _goes_along(places: Places, axis: int) -> bool:
    return any(_differs_along(place, axis) for place in places)


def _compared(a: Places, b: Places, shape: Sequence[int]) -> Places:
    """Of attention's two products. That of queries with keys lies between the two; that with values, at the query."""
    if (queries := _queries(a, b)) is not None:
        return both(lambda axis: axis.expand(shape), queries)
    if (queries := _queries(_turned(b), _turned(a))) is not None:
        return both(lambda axis: axis.mT.expand(shape), queries)
    rows, columns = both(_rows, a), both(_columns, b)
    if not _goes_along(columns, -1):
        columns = rows
    elif not _goes_along(rows, -2):
        rows = columns
    return _middle(rows, columns, shape)


def _turned(places: Places) -> Places:
    return both(lambda axis: axis.mT, places)


def _queries(comparisons: Places, values: Places) -> Places | None:
    """Where queries lie, ``(…, N, 1)``, whose comparisons with keys, ``(…, N, K)``, weigh ``values``, ``(…, K, d)``.

    A comparison lies between query and key; values lie where their keys do. So it goes along the keys as values do, but
    by a share of it. ``None`` where it doesn't: these are no comparisons.
    """
    by_key = torch.cat([axis.select(-2, -1).diff(dim=-1).flatten() for axis in comparisons])
    by_value = torch.cat([axis.select(-1, 0).diff(dim=-1).flatten() for axis in values])
    known = by_key.isfinite() & by_value.isfinite() & (by_value.abs() > _STEP)
    shares = by_key[known] / by_value[known]
    if not len(shares):
        return None
    share = float(shares.median())
    if not _STEP < share < 1 - _STEP or float((shares - share).abs().max()) > 1e-3:
        return None

    def query(comparison: Tensor, value: Tensor) -> Tensor:
        last = value.select(-2, -1).select(-1, 0).unsqueeze(-1)  # the last key is never a class token
        return ((comparison.select(-1, -1) - share * last) / (1 - share)).unsqueeze(-1)

    return query(comparisons[0], values[0]), query(comparisons[1], values[1])


def _differs_along(place: Tensor, axis: int) -> bool:
    if place.stride()[axis] == 0 or place.shape[axis] < 2:
        return False
    return bool(_thin_but(place, axis).diff(dim=axis).abs().nan_to_num(0).gt(0).any())


def _thin_but(place: Tensor, kept: int) -> Tensor:
    for axis, stride in enumerate(place.stride()):
        if stride == 0 and place.shape[axis] > 1 and axis != kept % place.dim():
            place = place.narrow(axis, 0, 1)
    return place


def _attended(place: Places, call: Call) -> Places:
    """Attention in one: what a query finds lies at the query."""
    return both(lambda axis: _rows(axis).expand(call.output.shape), place)


Middles = dict[int, list[float]]
"""For axes of an output, between which units of the input each of its units lies."""


def _sampled(middles: Callable[[Call], Middles], *, mixes_channels: bool = False) -> Rule:
    """A rule for what has windows: a unit lies in the middle of its window."""

    def sampled(places: Places, call: Call) -> Places:
        at = middles(call)

        def in_the_middle(place: Tensor) -> Tensor:
            place = _thin(place)
            if mixes_channels:
                place = place.nanmean(1, keepdim=True)
            for axis, positions in at.items():
                place = place if place.shape[axis] == 1 else _at(place, axis, place.new_tensor(positions))
            return place.expand(call.output.shape)

        return both(in_the_middle, places)

    return _of_the_first(sampled)


def _of_convolution(call: Call) -> Middles:
    """Of a transposed one, the middle of those that reach a unit."""
    sides = call.inputs[1].dim() - 2
    kernel, transposed = call.inputs[1].shape[2:], call.args[6]
    stride, padding, dilation = (_each(call.args[i], sides) for i in (3, 4, 5))
    middles = {}
    for i in range(sides):
        before = padding[i] - dilation[i] * (kernel[i] - 1) / 2
        middles[2 + i] = [
            (unit + before) / stride[i] if transposed else unit * stride[i] - before
            for unit in range(call.output.shape[2 + i])
        ]
    return middles


def _of_pooling(call: Call) -> Middles:
    args, sides = call.args, call.output.dim() - 2
    kernel = _each(args[1], sides)
    stride = _each(args[2], sides) if len(args) > 2 and args[2] else kernel
    padding = _each(args[3], sides) if len(args) > 3 else [0] * sides
    # Of max pooling the next argument is the dilation, of mean pooling ceil_mode.
    given = args[4] if len(args) > 4 else 1
    dilation = [1] * sides if isinstance(given, bool) else _each(given, sides)
    return {
        2 + i: [
            unit * stride[i] - padding[i] + dilation[i] * (kernel[i] - 1) / 2
            for unit in range(call.output.shape[2 + i])
        ]
        for i in range(sides)
    }


def _each(given: Any, sides: int) -> list[int]:
    listed = list(given) if isinstance(given, tuple | list) else [given]
    return listed * sides if len(listed) == 1 else listed


def _of_adaptive_pooling(call: Call) -> Middles:
    """Its windows run from ``⌊i·n/m⌋`` to ``⌈(i+1)·n/m⌉``."""
    return {
        axis: [(i * n // m + -(-(i + 1) * n // m) - 1) / 2 for i in range(m)] for axis, n, m in _sides(call)
    }


def _of_resizing(call: Call) -> Middles:
    """Each unit lies where it was taken from, whatever it is made of."""
    return {axis: [(i + 0.5) * n / m - 0.5 for i in range(m)] for axis, n, m in _sides(call)}


def _sides(call: Call) -> list[tuple[int, int, int]]:
    """(axis, units before, units now) of rows and of columns."""
    before, now = call.inputs[0].shape, call.output.shape
    return [(axis, before[axis], now[axis]) for axis in (len(now) - 2, len(now) - 1)]


def _of_padding(call: Call) -> Middles:
    """What is padded lies beyond the border, also where it is mirrored from inside."""
    last, amounts = call.output.dim() - 1, call.args[1]
    return {
        last - i: [float(unit - amounts[2 * i]) for unit in range(call.output.shape[last - i])]
        for i in range(len(amounts) // 2)
    }


def _at(place: Tensor, axis: int, positions: Tensor) -> Tensor:
    """Places between two neighbours, and beyond the border as if they went on: nothing draws together there."""
    first = positions.floor().clamp(0, place.shape[axis] - 2).long()
    share = (positions - first).reshape([-1 if i == axis else 1 for i in range(place.dim())])
    a, b = place.index_select(axis, first), place.index_select(axis, first + 1)
    between = torch.where(share == 0, a, a + (b - a) * share)
    return torch.where(between.isnan(), torch.where(a.isnan(), b, a), between)


def _summed_up(place: Places, call: Call) -> Places:
    """Windows put back where they were cut out, where they overlap the mean of them."""

    def put_back(axis: Tensor) -> Tensor:
        fold = torch.ops.aten.col2im
        known = (~axis.isnan()).to(axis.dtype)
        return fold(axis.nan_to_num(0).contiguous(), *call.args[1:]) / fold(known, *call.args[1:])

    return both(put_back, place)


_PADS = {
    *("constant_pad_nd", "reflection_pad1d", "reflection_pad2d", "replication_pad1d", "replication_pad2d"),
}

MOVES = {
    *("view", "_unsafe_view", "reshape", "expand", "permute", "transpose", "t", "unsqueeze", "squeeze"),
    *("slice", "select", "split", "split_with_sizes", "unsafe_split", "unbind", "narrow", "cat", "stack"),
    *("roll", "flip", "rot90", "index", "index_select", "gather", "repeat", "clone", "alias", "detach"),
    *("unfold", "im2col", "diagonal", "pixel_unshuffle", "channel_shuffle", "native_channel_shuffle"),
    "lift_fresh",
}
"""Operations that put out values of their inputs as they are, elsewhere."""

NEW = {
    *("zeros", "ones", "empty", "full", "new_zeros", "new_ones", "new_empty", "new_full", "empty_like"),
    *("zeros_like", "ones_like", "full_like", "rand", "randn", "rand_like", "randn_like"),
}

_REDUCTIONS = {
    *("mean", "sum", "amax", "amin", "max", "min", "var", "std", "logsumexp", "linalg_vector_norm", "norm"),
    *("prod", "median", "nanmean", "any", "all", "argmax", "argmin", "var_mean"),
}

_CONVOLUTIONS = {"convolution", "_convolution", "conv2d", "mkldnn_convolution", "cudnn_convolution"}
_POOLS = {"max_pool2d", "max_pool2d_with_indices", "avg_pool2d", "mkldnn_max_pool2d"}
_RESIZES = {
    *("upsample_nearest2d", "_upsample_nearest_exact2d", "upsample_bilinear2d", "upsample_bicubic2d"),
    *("_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa"),
}
_ATTENTIONS = {
    *("_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_flash_attention"),
    *("_scaled_dot_product_efficient_attention", "_scaled_dot_product_cudnn_attention"),
    "_scaled_dot_product_attention_math",
}
_NORMALISATIONS = {
    *("native_layer_norm", "native_group_norm", "native_batch_norm", "_native_batch_norm_legit_no_training"),
    *("_native_batch_norm_legit", "cudnn_batch_norm"),
    # Whole blocks of a transformer, of which each token stays where it is.
    *("_native_multi_head_attention", "_transformer_encoder_layer_fwd"),
}
ON_GRIDS = {*_CONVOLUTIONS, *_POOLS, *_RESIZES, "pixel_shuffle", "deform_conv2d"}
"""Operations that are defined on maps ``(N, C, H, W)``: what they put out lies on a grid in any case."""

_RULES: list[tuple[set[str], Rule]] = [
    (_REDUCTIONS, _of_the_first(_reduced)),
    ({"mm", "bmm", "addmm", "baddbmm", "matmul"}, _multiplied),
    (_CONVOLUTIONS, _sampled(_of_convolution, mixes_channels=True)),
    (_POOLS, _sampled(_of_pooling)),
    (
        {"_adaptive_avg_pool2d", "adaptive_max_pool2d", "mkldnn_adaptive_avg_pool2d"},
        _sampled(_of_adaptive_pooling),
    ),
    (_RESIZES, _sampled(_of_resizing)),
    ({"pixel_shuffle"}, _sampled(_of_resizing, mixes_channels=True)),
    (_PADS, _sampled(_of_padding)),
    ({"col2im"}, _of_the_first(_summed_up)),
    (_ATTENTIONS, _of_the_first(_attended)),
    (_NORMALISATIONS, _of_the_first(_kept)),
    ({"_fft_r2c", "_fft_c2c", "_fft_c2r"}, _none),
]


def rule_of(operation: str) -> Rule:
    """The rule for an operation of this name; of one that isn't known it is taken to work value by value."""
    return next((rule for names, rule in _RULES if operation in names), _alike)
