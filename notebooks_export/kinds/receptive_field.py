"""What units see: on the picture, through a network, behind a stack of layers."""

from __future__ import annotations

from typing import Annotated

from explorer.fields.display import HEAT_COLORMAP, heat_limit
from explorer.images.decode import sample_images
from explorer.networks.catalogue import catalogue
from notebooks_export.kinds.cell import Given, figure_shown, literal, written
from notebooks_export.kinds.kind import Arguments, Kind
from notebooks_export.kinds.numbers import Numbers, Scope
from notebooks_export.kinds.parameters import (
    LayerName,
    OfNetwork,
    OfPicture,
    Parameters,
    Place,
    StackedLayer,
    one_of,
    several,
    whole,
)
from notebooks_export.paper.colour_bars import ColourBar


class OfLayer(OfNetwork):
    """The field of a layer's units."""

    layer: LayerName


class OfUnit(OfPicture):
    """A unit's field on the picture, or, with ``pixel``, which units see that pixel of the picture."""

    layer: LayerName
    unit: Place = (0, 0)
    pixel: Place | None = None


class Effective(OfPicture):
    """A unit's effective field, the mean over the picture and the samples named in ``others``."""

    layer: LayerName
    unit: Place
    others: Annotated[
        tuple[Annotated[str, one_of(*sample_images())], ...], several(0, len(sample_images()))
    ] = ()


class OfCatalogue(Parameters):
    """A network of the catalogue, whose weights don't matter."""

    name: Annotated[str, one_of(*catalogue())]


class Stack(Parameters):
    """Layers given by numbers."""

    layers: Annotated[tuple[StackedLayer, ...], several(1, 200)]
    input_px: Annotated[int, whole(1, 100_000)] | None = None


def _layer(given: Given) -> list[str]:
    """The field of a layer's units."""
    return [
        f"field = {written('explorer.receptive_field', given.model, repr(given['layer']))}",
        "height, width = field.local_size",
        'print(f"{field.layer} sees {height} × {width} px." + explorer.describe_mixing(field))',
        'print(f"Units are {field.stride} px apart, the first is centred on {field.start}.")',
    ]


def _unit(given: Given) -> list[str]:
    """A unit's field on the picture, or a pixel and who sees it."""
    framing = repr(given["framing"])
    lines = [
        f"field = {written('explorer.receptive_field', given.model, repr(given['layer']))}",
        f"placement = {given.model}.preprocess.placement(*{given.image}.shape[:2], {framing})",
    ]
    if given["pixel"] is not None:
        row, column = given["pixel"]
        drawn = written("explorer.field_picture", given.image, "placement", pixel=(row, column))
        return [
            *lines,
            f"seeing = explorer.units_seeing(field, placement, {row}, {column})",
            f"print(explorer.describe_pixel(field, {row}, {column}, seeing))",
            f"Image.fromarray({drawn})",
        ]
    row, column = given["unit"]
    sentence = f"explorer.describe_unit(field, {row}, {column}, placement, {given.model}.preprocess.crop_px)"
    return [
        *lines,
        f"print({sentence})",
        f"Image.fromarray(explorer.field_picture({given.image}, placement, field.box({row}, {column})))",
    ]


def _effective(given: Given) -> list[str]:
    """How much each pixel of its field moves a unit, over the picture and others."""
    call = written(
        *("explorer.effective_receptive_field", given.model, repr(given["layer"]), "pictures"),
        unit=given["unit"],
        framing=given["framing"],
    )
    others = [
        "pictures += [",
        "    explorer.read_image(explorer.sample_images()[name])",
        f"    for name in {literal(list(given['others']))}",
        "]",
    ]
    return [
        f"pictures = [{given.image}]",
        *(others if given["others"] else []),
        f"found = {call}",
        "print(explorer.describe_effective_field(found))",
        f"placement = {given.model}.preprocess.placement(*{given.image}.shape[:2], {given['framing']!r})",
        "inner = explorer.central_half(found.box)",
        "drawn = explorer.field_picture(",
        f"    {given.image}, placement, found.box, inner=inner, heat=found.values",
        ")",
        "Image.fromarray(drawn)",
    ]


def _network(given: Given) -> list[str]:
    """The fields of every map of a network."""
    return _fields(f"explorer.network_fields({given.model})")


def _catalogue(given: Given) -> list[str]:
    """The same for a network of the catalogue."""
    return _fields(f"explorer.catalogue_fields({given['name']!r})")


def _fields(call: str) -> list[str]:
    return [
        f"fields = {call}",
        "print(explorer.describe_network_fields(fields))",
        *figure_shown("explorer.network_fields_figure(fields)"),
    ]


def _stack(given: Given) -> list[str]:
    """The field behind each layer of a stack."""
    layers = [
        f"    explorer.StackLayer({kind!r}, {k}, {s}, {p}, {d})," for kind, k, s, p, d in given["layers"]
    ]
    side = given["input_px"]
    asked = f"layers, {(side, side)}" if side else "layers"
    return [
        "# kind, kernel, stride, padding, dilation; pairs are (height, width)",
        "layers = [",
        *layers,
        "]",
        f"print(explorer.describe_stack_fields({asked}))",
        *figure_shown("explorer.stack_fields_figure(layers)"),
    ]


def _effective_numbers(arguments: Arguments, scope: Scope) -> Numbers:
    values = scope["found"].values
    highest = heat_limit(values) ** 2  # the limit is that of the values' roots
    return Numbers({"map": values}, [ColourBar((0.0, highest), HEAT_COLORMAP, roots=True)] if highest else ())


KINDS = (
    Kind("receptive_field.layer", OfLayer, _layer, former=("explorer.receptive_field",)),
    Kind("receptive_field.unit", OfUnit, _unit, former=("explorer.receptive_field_picture.field_picture",)),
    Kind(
        "receptive_field.effective",
        Effective,
        _effective,
        former=("explorer.effective_receptive_field",),
        numbers=_effective_numbers,
    ),
    Kind("receptive_field.network", OfNetwork, _network, former=("explorer.receptive_field.network_fields",)),
    Kind(
        "receptive_field.catalogue",
        OfCatalogue,
        _catalogue,
        former=("explorer.receptive_field.catalogue_fields",),
    ),
    Kind("receptive_field.stack", Stack, _stack, former=("explorer.receptive_field_stack.stack_fields",)),
)
