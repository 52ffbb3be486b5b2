"""What the activations tab shows for a wish: pictures, colour bars and captions, as updates for its components."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np

from explorer.activations.captions import describe_activation, describe_vector, number
from explorer.activations.capture import Activation
from explorer.activations.channel_grid import ChannelGrid, channel_grid, describe_channel_grid
from explorer.activations.channel_grid import tiles as grid_tiles
from explorer.activations.largest_values import UnitValue, largest_values
from explorer.activations.reduction import PCABasis, Reduction, reduce
from explorer.images.overlay import colourise, default_colormap, overlay, shrunk
from explorer.layers.listing import Layer, find_layer
from explorer.tabs.components import (
    colour_bar,
    filled,
    note,
    picture_file,
)
from explorer.workbench import Selection, Workbench

_COMPONENTS = ("PC1 red", "PC2 green", "PC3 blue")
_PARTS = ("part 1 red", "part 2 green", "part 3 blue")


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
class Kept:
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

    def over(self, pixels: np.ndarray, view_settings: ViewSettings) -> np.ndarray:
        """The map over the picture."""
        options: dict[str, Any] = {"colormap": self.colormap, "interpolation": view_settings.interpolation}
        return overlay(pixels, self.view, view_settings.alpha, limits=self.scale, **options)

    def alone(self) -> np.ndarray:
        """The map, a pixel a cell."""
        return colourise(self.view.values, self.scale, self.colormap)


def film_strip(bench: Workbench, selection: Selection, listed: list[Layer]) -> list[tuple[str, str]]:
    """A PCA thumbnail with its caption for each stage of the network."""
    pixels = bench.picture(selection.image_path).pixels
    capture = bench.capture(selection, tuple(layer.name for layer in listed))
    thumbs = []
    for layer in listed:
        view = reduce(capture.activations[layer.name], "pca")
        top, left, bottom, right = view.placement.seen
        thumb = overlay(pixels, view, alpha=0.85)[top:bottom, left:right]
        grid = f"{layer.shape[1]} × {layer.shape[2]}"
        thumbs.append((picture_file(shrunk(thumb, 160), "stage"), f"{_part(layer, listed)}\n{grid}"))
    return thumbs


def activation_of(bench: Workbench, selection: Selection, layer: str) -> Activation:
    """What a layer puts out for the picture."""
    return bench.capture(selection, (layer,)).activations[
        find_layer(bench.model(selection.model), layer).name
    ]


def is_vector(activation: Activation) -> bool:
    """Whether it has no positions to lay over the picture."""
    return activation.shape[1] * activation.shape[2] == 1


def shown(
    bench: Workbench, selection: Selection, layer: str, view_settings: ViewSettings, kept: Kept | None
) -> Shown:
    """The map that a wish describes; kept colours are used where they belong."""
    activation = activation_of(bench, selection, layer)
    components = (
        kept is not None and kept.belongs_to(selection, layer) and view_settings.view in ("pca", "component")
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


def colours_to_keep(
    bench: Workbench, selection: Selection, layer: str, view_settings: ViewSettings
) -> Kept | None:
    """The colouring of what is on screen; None for what has no colours that another picture could take."""
    if view_settings.view == "grid" or is_vector(activation_of(bench, selection, layer)):
        return None
    view = shown(bench, selection, layer, view_settings, None).view
    return Kept(selection, layer, view_settings.view, view.basis, view.limits)


def draw(
    bench: Workbench, selection: Selection, layer: str, view_settings: ViewSettings, kept: Kept | None
) -> tuple[Any, ...]:
    """Updates for the pane and the channel grid."""
    pixels = bench.picture(selection.image_path).pixels
    activation = activation_of(bench, selection, layer)
    hidden = gr.update(visible=False)
    if is_vector(activation):
        bars = vector_bars(largest_values(activation, bench.model(selection.model).labels))
        return hidden, hidden, bars, note(describe_vector(activation)), hidden
    if view_settings.view == "grid":
        grid = channel_grid(activation)
        tiles, bar = grid_updates(grid, view_settings.colormap or grid.colormap)
        return hidden, hidden, bar, note(describe_channel_grid(grid)), gr.update(value=tiles, visible=True)
    seen = shown(bench, selection, layer, view_settings, kept)
    labels = _PARTS if seen.view.method == "nmf" else _COMPONENTS
    sentence = describe_activation(activation, seen.view)
    if kept is not None:
        sentence += _about_kept(kept, seen, view_settings)
    bar = colour_bar(seen.scale, colormap=seen.colormap, labels=labels, what="activation")
    updates = filled(
        view_settings.shown, pixels, lambda: seen.over(pixels, view_settings), seen.alone, bar, sentence
    )
    return (*updates, hidden)


def _about_kept(kept: Kept, seen: Shown, view_settings: ViewSettings) -> str:
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


def grid_updates(grid: ChannelGrid, colormap: str) -> tuple[list[tuple[str, str]], str]:
    """The gallery's tiles with their captions, and the colour bar that they share."""
    tiles = [
        (picture_file(picture, f"channel-{channel}"), caption)
        for channel, (picture, caption) in zip(grid.channels, grid_tiles(grid, colormap), strict=True)
    ]
    return tiles, colour_bar(grid.limits, colormap=colormap, what="activation")


def vector_bars(units: list[UnitValue]) -> str:
    """The largest values of a layer without positions, as bars with their numbers."""
    reach = abs(units[0].value) or 1.0
    rows = "".join(
        f'<li><span class="name">{html.escape(unit.name)} '
        f'<span class="index">{"" if unit.name == f"unit {unit.index}" else unit.index}</span></span>'
        f'<span class="value">{number(unit.value)}</span>'
        f'<span class="bar"><span style="width:{100 * abs(unit.value) / reach:.1f}%"></span></span></li>'
        for unit in units
    )
    return f'<ol class="predictions" aria-label="Largest values">{rows}</ol>'


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


def slider_updates(layer: Layer, view_settings: ViewSettings) -> tuple[Any, Any, Any]:
    """The sliders that this view needs, as long as this layer has channels.

    A value beyond the new end comes along: gradio refuses every event that lists a slider out of its range.
    """
    count = layer.shape[0]
    last = max(1, count - 1)
    n: dict[str, Any] = {"value": count} if view_settings.channels > count else {}
    channel: dict[str, Any] = {"value": count - 1} if view_settings.channel > count - 1 else {}
    return (
        gr.update(maximum=count, label=f"n channels (of {count})", visible=view_settings.view == "mean", **n),
        gr.update(
            maximum=last,
            label=f"Channel (0 to {count - 1})",
            visible=view_settings.view == "channel",
            **channel,
        ),
        gr.update(visible=view_settings.view == "component"),
    )
