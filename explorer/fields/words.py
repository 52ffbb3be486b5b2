"""What a drawing of receptive fields shows, in plain sentences with their numbers."""

from __future__ import annotations

from explorer.fields.effective import EffectiveField
from explorer.fields.stack import pair_text, place_text
from explorer.fields.theoretical import NetworkFields, ReceptiveField, share_inside
from explorer.images.geometry import Placement


def describe_unit(field: ReceptiveField, row: int, column: int, placement: Placement, input_px: int) -> str:
    """One unit's field: its size on the input and on the image, its centre, how much of it is clipped.

    Args:
        field: the layer's, from :func:`~explorer.receptive_field`.
        row, column: the unit, on the layer's map.
        placement: from the network's input to the image.
        input_px: the side of the network's input.
    """
    centre = place_text(field.centre(row, column), always_two=True)
    height, width = field.local_size
    sentence = (
        f"The unit in row {row}, column {column} of {field.layer} sees {height} × {width} px of the network's "
        f"{input_px} × {input_px} px input, around its pixel {centre}. On the picture that is "
        f"{height * placement.scale[0]:.0f} × {width * placement.scale[1]:.0f} px."
    )
    inside = share_inside(field.box(row, column), input_px, input_px)
    if inside < 1:
        sentence += (
            f" {_percent(1 - inside)} of it, drawn dashed, lies beyond what the network was given: there it "
            "sees padding."
        )
    return sentence + describe_mixing(field) + describe_source(field)


def describe_source(field: ReceptiveField) -> str:
    """Where the field comes from, unless it was worked out from kernels and strides."""
    if field.source != "measured":
        return ""
    return " Measured by changing pixels: a step on the way isn't known to this program."


def describe_mixing(field: ReceptiveField) -> str:
    """Why a unit depends on more than its box, where it does."""
    if not field.is_global:
        return ""
    return (
        f" Only convolutions and pooling count for this box. Through {field.mixed_by}, which mixes all "
        "positions, every unit depends on the whole picture as well."
    )


def describe_spacing(field: ReceptiveField) -> str:
    """The map and how far apart its units look."""
    rows, columns = field.units
    return (
        f"{field.layer}: {rows} × {columns} units, each {pair_text(field.stride)} px of the input from the next. "
        "Click one, or move with the arrow keys."
    )


def describe_pixel(field: ReceptiveField, y: int, x: int, seeing: tuple[range, range] | None) -> str:
    """Which units see a pixel of the image.

    Args:
        field: the layer's, from :func:`~explorer.receptive_field`.
        y, x: the pixel.
        seeing: what :func:`~explorer.units_seeing` says of it: ``None`` where the network never saw it.
    """
    sentence = f"The pixel in row {y}, column {x} of the picture "
    if seeing is None:
        return sentence + "lies outside of what the network was given, so no unit sees it."
    rows, columns = seeing
    if not rows or not columns:
        return (
            sentence
            + f"is seen by no unit of {field.layer}: it lies between their fields, or in a border they skip."
        )
    total = field.units[0] * field.units[1]
    return (
        sentence
        + f"is seen by {len(rows)} × {len(columns)} = {len(rows) * len(columns)} of the {total} units of "
        f"{field.layer}: rows {rows.start} to {rows.stop - 1}, columns {columns.start} to {columns.stop - 1}."
        + describe_mixing(field)
    )


def describe_effective_field(found: EffectiveField) -> str:
    """Where the gradient lies, compared with one that would be spread evenly."""
    row, column = found.unit
    height, width = found.field.local_size
    images = "1 picture" if found.images == 1 else f"{found.images} pictures"
    sentence = (
        f"Mean |gradient| of the unit in row {row}, column {column} of {found.field.layer} over {images}: "
    )
    if found.total == 0:
        return sentence + "it is 0 everywhere, no pixel moves this unit."
    sentence += (
        f"{_percent(found.central_share)} of it lies in the central half (dotted) of the theoretical "
        f"{height} × {width} px box, which is a quarter of its area."
    )
    if found.inside_share < 0.9995:
        sentence += f" {_percent(1 - found.inside_share)} lies outside of the box."
    return sentence + describe_mixing(found.field)


def describe_network(network: NetworkFields) -> str:
    """How far a network's fields grow, and where they pass the size of its input."""
    maps = [f for layer, f in zip(network.layers, network.fields, strict=True) if layer.is_map]
    if not maps:
        return f"{network.name} has no layer with a map."
    last = maps[-1]
    sentence = (
        f"{network.name} on {network.input_px} × {network.input_px} px: {len(network.layers)} layers, "
        f"{len(maps)} of them maps. A unit of the last map, {last.layer}, sees {pair_text(last.local_size)} px; "
        f"neighbours look {pair_text(last.stride)} px apart."
    )
    beyond = next((f for f in maps if min(f.local_size) > network.input_px), None)
    if beyond:
        sentence += f" From {beyond.layer} on, a field is larger than the whole input."
    mixed = next((f for f in maps if f.is_global), None)
    if mixed:
        sentence += (
            f" From {mixed.layer} on, every unit also depends on the whole input, through {mixed.mixed_by}; the "
            "sizes are those along convolutions and pooling alone."
        )
    return sentence


def _percent(share: float) -> str:
    if 0 < share < 0.01:
        return f"{100 * share:.1g} %"
    return f"{100 * share:.0f} %"
