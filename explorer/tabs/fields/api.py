"""The receptive-field lab's endpoints: plain JSON in, plain JSON out."""

from __future__ import annotations

from typing import Any

from explorer.errors import ExplorerError
from explorer.fields.entry import read_lines
from explorer.fields.stack import Pair, stack_fields, written_out
from explorer.fields.theoretical import catalogue_fields, share_inside
from explorer.tabs.components import on_screen

MOST_INPUT_PX = 100_000


@on_screen
def receptive_field(
    model: str, layer: str, row: int | None = None, column: int | None = None
) -> dict[str, Any]:
    """The theoretical receptive field of a layer's units, through branches and skip connections.

    Args:
        model: a network of the catalogue, such as resnet18. Its weights don't matter and aren't downloaded.
        layer: a layer's name, such as layer4.1.relu_1, or a module's, such as layer4.
        row: a unit's row on the layer's map; give row and column to learn about that unit.
        column: the unit's column.

    Returns:
        layer; units (rows, columns); size, stride (the jump between neighbours) and start (the centre of unit
        (0, 0)), each [y, x] in input pixels with the first pixel's centre at 0; input_px; is_global, mixed_by
        and local_size, where a step on the way mixes all positions; source (worked out, measured, or whole
        picture). For a unit also its centre, its box
        (top, left, bottom, right: pixel edges) and the share of the box that lies inside the input.
    """
    network = catalogue_fields(model)
    field = network.field(layer)
    listed: dict[str, Any] = {
        "layer": field.layer,
        "units": list(field.units),
        "size": list(field.size),
        "stride": list(field.stride),
        "start": list(field.start),
        "input_px": network.input_px,
        "is_global": field.is_global,
        "mixed_by": field.mixed_by,
        "local_size": list(field.local_size),
        "source": field.source,
    }
    if row is not None and column is not None:
        field.check_unit(row, column)
        box = field.box(row, column)
        listed["centre"] = list(field.centre(row, column))
        listed["box"] = list(box)
        listed["share_inside"] = share_inside(box, network.input_px, network.input_px)
    return listed


@on_screen
def receptive_field_of_stack(layers: str, input_px: int | None = None) -> dict[str, Any]:
    """The receptive field behind every layer of a stack given by numbers.

    Args:
        layers: one layer a line: kind (conv, maxpool, avgpool), kernel, then stride s, padding p and dilation d,
            such as "conv 7 s2 p3"; "1x7" gives height and width.
        input_px: the side of a square input, to learn the size of every map as well.

    Returns:
        size, stride, start, each [y, x] in input pixels; sum, the field's height as one sum; and layers: per
        layer its settings, size, growth, stride (the jump behind it), start, units (rows and columns, or null)
        and the arithmetic of its height.
    """
    stack = read_lines(layers)
    fields = stack_fields(stack, square(input_px))
    last = fields[-1]
    return {
        "size": list(last.size),
        "stride": list(last.stride),
        "start": list(last.start),
        "sum": written_out(stack, 0),
        "layers": [
            {
                "settings": field.layer.settings,
                "size": list(field.size),
                "growth": list(field.growth),
                "stride": list(field.stride),
                "start": list(field.start),
                "units": list(field.units) if field.units else None,
                "arithmetic": field.arithmetic(0),
            }
            for field in fields
        ],
    }


def square(input_px: float | None) -> Pair | None:
    """(side, side) of an input, or ``None`` where its size isn't given. Raises ExplorerError."""
    if input_px is None:
        return None
    if input_px != int(input_px) or not 1 <= input_px <= MOST_INPUT_PX:
        raise ExplorerError(
            f"an input of {input_px:g} px",
            "is no side of a picture",
            f"give a whole number from 1 to {MOST_INPUT_PX:,}, or leave it empty",
        )
    return int(input_px), int(input_px)
