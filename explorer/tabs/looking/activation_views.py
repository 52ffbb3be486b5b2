"""What the activations tab shows of a layer: pictures, colour bars and captions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from explorer.activations.captions import describe_activation, describe_vector, number
from explorer.activations.capture import Activation
from explorer.activations.channel_grid import ChannelGrid, channel_grid, describe_channel_grid
from explorer.activations.channel_grid import tiles as grid_tiles
from explorer.activations.largest_values import UnitValue, largest_values
from explorer.activations.legend import component_scales
from explorer.activations.reduction import PCABasis, Reduction, reduce
from explorer.images.overlay import colourise, default_colormap, overlay, shrunk
from explorer.layers.listing import Layer
from explorer.tabs.components import colour_bar, component_bars, picture_file, value_bars
from explorer.tabs.looking.pane import PaneContent, map_content
from explorer.workbench import Selection, Visit


@dataclass(frozen=True)
class ViewSettings:
    """How a layer is to be shown, as set on screen."""

    view: str = "pca"
    channels: int = 10
    channel: int = 0
    component: int = 1
    shown: str = "overlay"
    alpha: float = 0.6
    colormap: str = ""
    interpolation: Any = "linear"


@dataclass(frozen=True, eq=False)
class KeptColours:
    """A colouring that the user keeps for the next picture, layer or channel, and what it was found on."""

    selection: Selection
    layer: str
    view: str
    basis: PCABasis | None
    limits: tuple[tuple[float, float], ...]

    def belongs_to(self, selection: Selection, layer: str) -> bool:
        """Whether its principal components mean the same there: another picture may differ, the layer not."""
        return (self.selection.model, self.layer) == (selection.model, layer)


@dataclass(frozen=True, eq=False)
class Shown:
    """One layer as it is on screen: the map, and how it is coloured.

    ``limits`` are None where the map has its own scale; ``basis`` is the kept one, if it was used.
    """

    activation: Activation
    view: Reduction
    limits: tuple[tuple[float, float], ...] | None
    basis: PCABasis | None
    colormap: str

    @property
    def scale(self) -> tuple[tuple[float, float], ...]:
        """The (lowest, highest) value of each colour."""
        return self.limits or self.view.limits

    @property
    def bars(self) -> Markup:
        """The colour scale with its numbers: one bar, or one each for red, green and blue."""
        if len(self.scale) == 1:
            return colour_bar(self.scale, colormap=self.colormap, what="activation")
        return component_bars(component_scales(self.view, self.scale))

    def over(self, pixels: np.ndarray, view_settings: ViewSettings) -> np.ndarray:
        """The map over the picture."""
        options: dict[str, Any] = {"colormap": self.colormap, "interpolation": view_settings.interpolation}
        return overlay(pixels, self.view, view_settings.alpha, limits=self.scale, **options)

    def alone(self) -> np.ndarray:
        """The map, a pixel a cell."""
        return colourise(self.view.values, self.scale, self.colormap)


@dataclass(frozen=True, eq=False)
class LayerView:
    """What is on screen of a layer: the pane, and the tiles (file, caption) of the channel grid where that is shown."""

    pane: PaneContent
    tiles: list[tuple[str, str]] | None = None


def film_strip(visit: Visit, listed: list[Layer]) -> list[tuple[str, str]]:
    """A PCA thumbnail with its caption for each stage of the network."""
    activations = visit.capture(*(layer.name for layer in listed)).activations
    thumbs = []
    for layer in listed:
        view = reduce(activations[layer.name], "pca")
        top, left, bottom, right = view.placement.seen
        thumb = overlay(visit.pixels, view, alpha=0.85)[top:bottom, left:right]
        grid = f"{layer.shape[1]} × {layer.shape[2]}"
        thumbs.append((picture_file(shrunk(thumb, 160), "stage"), f"{_part(layer, listed)}\n{grid}"))
    return thumbs


def is_vector(activation: Activation) -> bool:
    """Whether it has no positions to lay over the picture."""
    return activation.shape[1] * activation.shape[2] == 1


def shown(
    selection: Selection, activation: Activation, view_settings: ViewSettings, kept: KeptColours | None
) -> Shown:
    """The map that the settings describe; kept colours are used where they belong."""
    components = (
        kept is not None
        and kept.belongs_to(selection, activation.layer)
        and view_settings.view in ("pca", "component")
    )
    basis = kept.basis if kept and components else None
    method: Any = view_settings.view
    view = reduce(
        activation,
        method,
        channels=int(view_settings.channels),
        channel=min(int(view_settings.channel), activation.shape[0] - 1),
        component=int(view_settings.component) - 1,
        basis=basis,
    )
    # An energy on the scale of a mean would be a wrong picture that looks right.
    same_scale = (
        kept is not None and kept.view == view_settings.view and len(kept.limits) == len(view.limits) == 1
    )
    limits = kept.limits if kept is not None and same_scale else None
    return Shown(activation, view, limits, basis, view_settings.colormap or default_colormap(view))


def colours_to_keep(visit: Visit, layer: str, view_settings: ViewSettings) -> KeptColours | None:
    """The colouring of what is on screen; None for what has no colours that another picture could take."""
    activation = visit.activation(layer)
    if view_settings.view == "grid" or is_vector(activation):
        return None
    view = shown(visit.selection, activation, view_settings, None).view
    return KeptColours(visit.selection, activation.layer, view_settings.view, view.basis, view.limits)


def layer_view(visit: Visit, layer: str, view_settings: ViewSettings, kept: KeptColours | None) -> LayerView:
    """A layer as the settings want it."""
    activation = visit.activation(layer)
    if is_vector(activation):
        bars = vector_bars(largest_values(activation, visit.model.labels))
        return LayerView(PaneContent(bars, describe_vector(activation)))
    if view_settings.view == "grid":
        grid = channel_grid(activation)
        colormap = view_settings.colormap or grid.colormap
        bar = colour_bar(grid.limits, colormap=colormap, what="activation")
        return LayerView(PaneContent(bar, describe_channel_grid(grid)), grid_files(grid, colormap))
    seen = shown(visit.selection, activation, view_settings, kept)
    caption = describe_activation(activation, seen.view)
    if kept is not None:
        caption += _about_kept(kept, seen, view_settings)
    return LayerView(
        map_content(
            view_settings.shown,
            visit.pixels,
            lambda: seen.over(visit.pixels, view_settings),
            seen.alone,
            seen.bars,
            caption,
        )
    )


def _about_kept(kept: KeptColours, seen: Shown, view_settings: ViewSettings) -> str:
    """What became of the kept colours: a sentence for the caption, with a space before it."""
    if seen.basis is not None:
        return ""
    if seen.limits is None:
        owner = kept.layer if kept.view == view_settings.view else "another view"
        return f" The kept colours belong to {owner} and aren't used here."
    ((low, high),), values = seen.limits, seen.view.values
    sentence = f" On the kept scale of {kept.layer}, {number(low)} to {number(high)}"
    cut = np.mean((values < low) | (values > high))
    return f"{sentence}; {cut:.0%} of the map lies beyond it." if cut else f"{sentence}."


def grid_files(grid: ChannelGrid, colormap: str) -> list[tuple[str, str]]:
    """The gallery's tiles as files, with their captions."""
    return [
        (picture_file(picture, f"channel-{channel}"), caption)
        for channel, (picture, caption) in zip(grid.channels, grid_tiles(grid, colormap), strict=True)
    ]


def vector_bars(units: list[UnitValue]) -> Markup:
    """The largest values of a layer without positions, as bars with their numbers."""
    reach = abs(units[0].value) or 1.0
    rows = [
        (
            unit.name,
            "" if unit.name == f"unit {unit.index}" else str(unit.index),
            number(unit.value),
            abs(unit.value) / reach,
        )
        for unit in units
    ]
    return value_bars(rows, "Largest values")


def _part(layer: Layer, listed: list[Layer]) -> str:
    """The shortest beginning of a layer's name that no other stage shares: ``layer1`` for ``layer1.1.relu_1``."""
    pieces = layer.name.split(".")
    for depth in range(1, len(pieces)):
        part = ".".join(pieces[:depth])
        if sum(f"{other.name}.".startswith(f"{part}.") for other in listed) == 1:
            return part
    return layer.name


def opening_layer(listed: list[Layer], layers: list[Layer]) -> Layer:
    """A layer in the middle of the network: fine enough to recognise the picture, deep enough to say something."""
    return listed[len(listed) // 2] if listed else layers[0]
