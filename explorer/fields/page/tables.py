"""Receptive fields as tables: layer by layer of a stack, and of a network."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from explorer.fields.stack import StackField, pair_text, place_text
from explorer.fields.theoretical import NetworkFields, ReceptiveField
from explorer.layers.listing import Layer

_HEAD = Markup("<th>{}</th>")
_NUMBER_HEAD = Markup('<th class="number">{}</th>')
_NUMBER = Markup('<td class="number rf-keep">{}</td>')


def draw_stack_table(fields: Sequence[StackField]) -> Markup:
    """Every layer of a stack with its numbers and the arithmetic of its size, of both axes where they differ."""
    rows = [_stack_row(number, field) for number, field in enumerate(fields, start=1)]
    words = ("Layer", "Settings", "Size + (k − 1)·d·jump")
    numbers = ("Size (px)", "Grows by", "Jump (px)", "Start (px)", "Map")
    return _table("Fields layer by layer", words, numbers, rows)


def draw_network_table(network: NetworkFields, chosen: str) -> Markup:
    """Every layer of a network with map, size, jump and start; the row of the one called ``chosen`` is marked."""
    rows = [
        _network_row(layer, field, layer.name == chosen)
        for layer, field in zip(network.layers, network.fields, strict=True)
    ]
    numbers = ("Map", "Size (px)", "Jump (px)", "Start (px)")
    return _table("Receptive fields of all layers", ("Layer", "Kind"), numbers, rows, ("",))


def _table(
    label: str,
    words: Sequence[str],
    numbers: Sequence[str],
    rows: Sequence[Markup],
    remarks: Sequence[str] = (),
) -> Markup:
    head = [
        *(_HEAD.format(word) for word in words),
        *(_NUMBER_HEAD.format(word) for word in numbers),
        *(_HEAD.format(word) for word in remarks),
    ]
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="{}">'
        '<table class="facts"><tr>{}</tr>{}</table></div>'
    ).format(label, Markup("").join(head), Markup("").join(rows))


def _stack_row(number: int, field: StackField) -> Markup:
    axes = (0,) if field.size[0] == field.size[1] else (0, 1)
    numbers = (
        pair_text(field.size),
        f"+{pair_text(field.growth)}",
        pair_text(field.stride),
        place_text(field.start),
        pair_text(field.units, always_two=True) if field.units else "",
    )
    return Markup('<tr><td>{}</td><td>{}</td><td class="rf-keep">{}</td>{}</tr>').format(
        field.layer.name or f"layer {number}",
        field.layer.settings,
        Markup("<br>").join(field.arithmetic(axis) for axis in axes),
        _numbers(numbers),
    )


def _network_row(layer: Layer, field: ReceptiveField, current: bool) -> Markup:
    numbers = (
        pair_text(field.units, always_two=True),
        pair_text(field.local_size),
        pair_text(field.stride),
        place_text(field.start),
    )
    pick = Markup(' data-layer="{}" tabindex="0"').format(layer.name) if layer.is_map else ""
    return Markup("<tr{}{}><td>{}</td><td>{}</td>{}<td>{}</td></tr>").format(
        pick,
        Markup(' aria-current="true"') if current else "",
        layer.name,
        layer.kind,
        _numbers(numbers),
        f"and everything, through {field.mixed_by}"
        if field.is_global
        else ("measured" if field.source == "measured" else ""),
    )


def _numbers(texts: Sequence[str]) -> Markup:
    return Markup("").join(_NUMBER.format(text) for text in texts)
