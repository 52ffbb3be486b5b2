"""Receptive fields in lines of text: of a stack of layers, and of every layer of a network."""

from __future__ import annotations

from collections.abc import Sequence

from explorer.fields.stack import Pair, StackLayer, pair_text, place_text, stack_fields, written_out
from explorer.fields.theoretical import NetworkFields, ReceptiveField
from explorer.fields.words import describe_network
from explorer.images.geometry import Placement
from explorer.text_table import aligned

MOST_ROWS = 120
_AXES = ("height", "width")


def describe_stack_fields(layers: Sequence[StackLayer], input_px: Pair | None = None) -> str:
    """The field behind each layer with its arithmetic, and the last one as one sum.

    Both axes are written where they differ. Raises ExplorerError as :func:`~explorer.stack_fields`.

    >>> from explorer.fields.stack import StackLayer
    >>> print(describe_stack_fields([StackLayer("conv", (3, 3)), StackLayer("max_pool", (2, 2), (2, 2))]))
    conv 3×3: 1 + (3 − 1)·1·1 = 3 px; jump 1, start 1
    max-pool 2×2, stride 2: 3 + (2 − 1)·1·1 = 4 px; jump 2, start 1.5
    written out: 1 + (3−1)·1·1 + (2−1)·1·1 = 4
    """
    fields = stack_fields(layers, input_px)
    square = all(field.size[0] == field.size[1] for field in fields)
    lines = []
    for field in fields:
        sums = ", ".join(field.arithmetic(axis) for axis in ((0,) if square else (0, 1)))
        units = f", map {pair_text(field.units, always_two=True)}" if field.units else ""
        where = f"jump {pair_text(field.stride)}, start {place_text(field.start)}"
        lines.append(f"{field.layer.settings}: {sums} px; {where}{units}")
    if square:
        return "\n".join([*lines, f"written out: {written_out(layers, 0)}"])
    return "\n".join(
        [*lines, *(f"{name}, written out: {written_out(layers, axis)}" for axis, name in enumerate(_AXES))]
    )


def describe_network_fields(network: NetworkFields) -> str:
    """How far a network's fields grow, then a table of the maps at which they change.

    A map that sees what the one before it sees, such as a ReLU's, has no line of its own.

    >>> from explorer.fields.theoretical import catalogue_fields
    >>> print("\\n".join(describe_network_fields(catalogue_fields("alexnet")).splitlines()[2:5]))
    layer          map  size (px)  jump (px)  start (px)
    features.0   55×55         11          4           3
    features.2   27×27         19          8           7
    """
    rows: list[tuple[str, ...]] = [("layer", "map", "size (px)", "jump (px)", "start (px)")]
    before = None
    for layer, field in zip(network.layers, network.fields, strict=True):
        if layer.is_map and _seen(field) != before:
            before = _seen(field)
            rows.append(_row(field))
    left_out = len(rows) - 1 - MOST_ROWS
    rows = rows[: MOST_ROWS + 1]
    table = aligned(rows, left=1)
    more = [f"… and {left_out} more"] if left_out > 0 else []
    mixed = any(row[2].endswith("*") for row in rows[1:])
    notes = (
        ["* along convolutions and pooling; every unit depends on the whole input as well"] if mixed else []
    )
    return "\n".join([describe_network(network), "", table, *more, *notes])


def units_seeing(
    field: ReceptiveField, placement: Placement, row: int, column: int
) -> tuple[range, range] | None:
    """The rows and columns of units that see a pixel of the picture; ``None`` if the network never saw it.

    Args:
        field: the layer's, from :func:`~explorer.receptive_field`.
        placement: from the network's input to the picture.
        row, column: the pixel of the picture.

    >>> field = ReceptiveField("a 3×3 layer", size=(3, 3), stride=(1, 1), start=(1, 1), units=(6, 6), local_size=(3, 3))
    >>> units_seeing(field, Placement((1, 1), (0, 0), (0, 0, 8, 8)), 0, 4)
    (range(0, 1), range(2, 5))
    """
    top, left, bottom, right = placement.seen
    if not (top <= row < bottom and left <= column < right):
        return None
    y, x = placement.to_cell(row, column)
    return field.units_seeing(round(y), round(x))


def _seen(field: ReceptiveField) -> tuple[object, ...]:
    return field.units, field.local_size, field.stride, field.start, field.mixed_by


def _row(field: ReceptiveField) -> tuple[str, ...]:
    return (
        field.layer,
        pair_text(field.units, always_two=True),
        pair_text(field.local_size) + ("*" if field.is_global else ""),
        pair_text(field.stride),
        place_text(field.start),
    )
