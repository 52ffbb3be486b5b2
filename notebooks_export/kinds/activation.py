"""What layers put out: as one map, channel by channel, as bars, or several layers side by side."""

from __future__ import annotations

from typing import Annotated

from explorer.activations.channel_grid import COUNT as CHANNELS
from explorer.activations.largest_values import COUNT as LARGEST
from explorer.activations.reduction import ReductionMethod
from explorer.images.overlay import Interpolation
from explorer.networks.preprocessing import Framing
from notebooks_export.kinds.cell import Given, activation, captured, literal, map_shown, written
from notebooks_export.kinds.kind import Arguments, Kind
from notebooks_export.kinds.numbers import Numbers, Scope, scales
from notebooks_export.kinds.parameters import (
    Colormap,
    Flag,
    ImageReference,
    LayerName,
    OfPicture,
    Opacity,
    Scale,
    Shown,
    several,
    whole,
)
from notebooks_export.paper.colour_bars import ColourBar


class ActivationMap(OfPicture):
    """One layer, reduced to a map; ``basis_image`` is the picture whose principal components are the colours."""

    layer: LayerName
    method: ReductionMethod = "pca"
    channels: Annotated[int, whole(1, 100_000)] = 10
    channel: Annotated[int, whole(0, 100_000)] = 0
    component: Annotated[int, whole(0, 100)] = 0
    alpha: Opacity = 0.6
    shown: Shown = "overlay"
    colormap: Colormap | None = None
    interpolation: Interpolation = "linear"
    limits: Annotated[tuple[Scale, ...], several(1, 3)] | None = None
    basis_image: ImageReference | None = None
    basis_framing: Framing = "crop"


class Channels(OfPicture):
    """The ``count`` strongest channels of a layer."""

    layer: LayerName
    count: Annotated[int, whole(1, 64)] = CHANNELS
    colormap: Colormap | None = None


class LargestValues(OfPicture):
    """The ``count`` largest values of a layer without positions."""

    layer: LayerName
    count: Annotated[int, whole(1, 100)] = LARGEST


class Layers(OfPicture):
    """Several layers, each reduced to a map by the same method."""

    layers: Annotated[tuple[LayerName, ...], several(1, 9)]
    method: ReductionMethod = "mean"
    one_scale: Flag = False


def _map(given: Given) -> list[str]:
    """A layer's activations, reduced and laid over the picture."""
    used = {"mean": "channels", "channel": "channel", "component": "component"}.get(given["method"])
    basis = _kept_basis(given) if given["basis_image"] and given["method"] in ("pca", "component") else []
    options = {"method": given["method"]} | ({used: given[used]} if used else {})
    named = [f"{name}={literal(value)}" for name, value in options.items()]
    call = written("explorer.reduce", "activation", *named, *(["basis=basis"] if basis else []))
    selection = {key: given[key] for key in ("colormap", "interpolation", "limits") if given[key] is not None}
    return [
        *captured(given, [given["layer"]]),
        f"activation = {activation(given)}",
        *basis,
        f"view = {call}",
        "print(explorer.describe_activation(activation, view))",
        map_shown(given, "view", **selection),
    ]


def _kept_basis(given: Given) -> list[str]:
    """Find a kept PCA basis again, on the picture and at the layer that it was found on."""
    name = literal(given["layer"])
    capture = written(
        "explorer.capture_activations",
        given.model,
        given.basis_image,
        f"[{name}]",
        framing=given["basis_framing"],
    )
    return [
        "# The colours are the principal components of another look: found there, used here.",
        f"found_on = {capture}",
        f"basis = explorer.reduce(found_on[{name}]).basis",
    ]


def _channels(given: Given) -> list[str]:
    """A layer's strongest channels on one scale."""
    colormap = {"colormap": given["colormap"]} if given["colormap"] else {}
    return [
        *captured(given, [given["layer"]]),
        f"grid = {written('explorer.channel_grid', activation(given), count=given['count'])}",
        "print(explorer.describe_channel_grid(grid))",
        f"Image.fromarray({written('explorer.channel_grid_picture', 'grid', **colormap)})",
    ]


def _values(given: Given) -> list[str]:
    """The largest values of a layer without positions."""
    labels = f"{given.model}.labels"
    return [
        *captured(given, [given["layer"]]),
        f"activation = {activation(given)}",
        f"units = {written('explorer.largest_values', 'activation', labels, count=given['count'])}",
        "print(explorer.describe_largest_values(activation, units))",
        "Image.fromarray(explorer.largest_values_picture(units))",
    ]


def _layers(given: Given) -> list[str]:
    """Several layers, each over the picture."""
    options = {"method": given["method"], "one_scale": given["one_scale"]}
    return [
        *captured(given, list(given["layers"])),
        f"compared = {written('explorer.compare_layers', 'activations', **options)}",
        "print(explorer.describe_layer_comparison(compared))",
        f"Image.fromarray(explorer.layer_comparison_picture({given.image}, compared))",
    ]


def _map_numbers(arguments: Arguments, scope: Scope) -> Numbers:
    view = scope["view"]
    limits = arguments.get("limits") or view.limits
    return Numbers({"map": view.values}, scales(view, limits, arguments.get("colormap")))


def _channel_numbers(arguments: Arguments, scope: Scope) -> Numbers:
    grid = scope["grid"]
    bar = ColourBar(grid.limits[0], arguments.get("colormap") or grid.colormap)
    return Numbers({"channels": grid.values}, [bar], grid.channels)


def _vector_numbers(arguments: Arguments, scope: Scope) -> Numbers:
    return Numbers({"values": scope["activation"].values.reshape(-1)})


def _layer_numbers(arguments: Arguments, scope: Scope) -> Numbers:
    compared = scope["compared"]
    maps = {f"map-{view.layer}": view.values for view in compared.views}
    if compared.limits:
        return Numbers(maps, [ColourBar(compared.limits[0], compared.colormap)])
    bars = [bar for view in compared.views for bar in scales(view, view.limits, label=view.layer)]
    return Numbers(maps, bars)


KINDS = (
    Kind("activation.map", ActivationMap, _map, former=("explorer.reduce",), numbers=_map_numbers),
    Kind(
        "activation.channels",
        Channels,
        _channels,
        former=("explorer.channel_grid.channel_grid",),
        numbers=_channel_numbers,
    ),
    Kind(
        "activation.values",
        LargestValues,
        _values,
        former=("explorer.vector_view.largest_values",),
        numbers=_vector_numbers,
    ),
    Kind(
        "activation.layers",
        Layers,
        _layers,
        former=("explorer.layer_comparison.compare_layers",),
        numbers=_layer_numbers,
    ),
)
