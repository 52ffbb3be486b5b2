"""What the activations tab shows for a wish: pictures, colour bars and captions, as updates for its components."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np

from explorer.activations import Activation
from explorer.captions import describe_activation, describe_vector, number
from explorer.channel_grid import ChannelGrid, channel_grid, describe_channel_grid
from explorer.channel_grid import tiles as grid_tiles
from explorer.layers import Layer, find_layer
from explorer.overlay import colourise, default_colormap, overlay, shrunk
from explorer.reduction import PCABasis, Reduction, reduce
from explorer.tabs.components import (
    colour_bar,
    filled,
    note,
    picture_file,
)
from explorer.vector_view import UnitValue, largest_values
from explorer.workbench import Look, Workbench

_COMPONENTS = ("PC1 red", "PC2 green", "PC3 blue")
_PARTS = ("part 1 red", "part 2 green", "part 3 blue")


@dataclass(frozen=True)
class Wish:
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

    look: Look
    layer: str
    view: str
    basis: PCABasis | None
    limits: tuple[tuple[float, float], ...]

    def belongs_to(self, look: Look, layer: str) -> bool:
        """Whether its principal components mean the same there: another picture may differ, the layer not."""
        return (self.look.model, self.layer) == (look.model, layer)


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

    def over(self, pixels: np.ndarray, wish: Wish) -> np.ndarray:
        """The map over the picture."""
        options: dict[str, Any] = {"colormap": self.colormap, "interpolation": wish.interpolation}
        return overlay(pixels, self.view, wish.alpha, limits=self.scale, **options)

    def alone(self) -> np.ndarray:
        """The map, a pixel a cell."""
        return colourise(self.view.values, self.scale, self.colormap)


def film_strip(bench: Workbench, look: Look, told: list[Layer]) -> list[tuple[str, str]]:
    """A PCA thumbnail with its caption for each stage of the network."""
    pixels = bench.picture(look.image_path).pixels
    capture = bench.capture(look, tuple(layer.name for layer in told))
    thumbs = []
    for layer in told:
        view = reduce(capture.activations[layer.name], "pca")
        top, left, bottom, right = view.placement.seen
        thumb = overlay(pixels, view, alpha=0.85)[top:bottom, left:right]
        grid = f"{layer.shape[1]} × {layer.shape[2]}"
        thumbs.append((picture_file(shrunk(thumb, 160), "stage"), f"{_part(layer, told)}\n{grid}"))
    return thumbs


def activation_of(bench: Workbench, look: Look, layer: str) -> Activation:
    """What a layer puts out for the picture."""
    return bench.capture(look, (layer,)).activations[find_layer(bench.model(look.model), layer).name]


def is_vector(activation: Activation) -> bool:
    """Whether it has no positions to lay over the picture."""
    return activation.shape[1] * activation.shape[2] == 1


def shown(bench: Workbench, look: Look, layer: str, wish: Wish, kept: Kept | None) -> Shown:
    """The map that a wish describes; kept colours are used where they belong."""
    activation = activation_of(bench, look, layer)
    components = kept is not None and kept.belongs_to(look, layer) and wish.view in ("pca", "component")
    basis = kept.basis if kept and components else None
    method: Any = wish.view
    view = reduce(
        activation,
        method,
        channels=int(wish.channels),
        channel=min(int(wish.channel), activation.shape[0] - 1),
        component=int(wish.component) - 1,
        basis=basis,
    )
    # An energy on the scale of a mean would be a wrong picture that looks right.
    same_scale = kept is not None and kept.view == wish.view and len(kept.limits) == len(view.limits) == 1
    limits = kept.limits if kept is not None and same_scale else None
    return Shown(activation, view, limits, basis, wish.colormap or default_colormap(view))


def colours_to_keep(bench: Workbench, look: Look, layer: str, wish: Wish) -> Kept | None:
    """The colouring of what is on screen; None for what has no colours that another picture could take."""
    if wish.view == "grid" or is_vector(activation_of(bench, look, layer)):
        return None
    view = shown(bench, look, layer, wish, None).view
    return Kept(look, layer, wish.view, view.basis, view.limits)


def draw(bench: Workbench, look: Look, layer: str, wish: Wish, kept: Kept | None) -> tuple[Any, ...]:
    """Updates for the pane and the channel grid."""
    pixels = bench.picture(look.image_path).pixels
    activation = activation_of(bench, look, layer)
    hidden = gr.update(visible=False)
    if is_vector(activation):
        bars = vector_bars(largest_values(activation, bench.model(look.model).labels))
        return hidden, hidden, bars, note(describe_vector(activation)), hidden
    if wish.view == "grid":
        grid = channel_grid(activation)
        tiles, bar = grid_updates(grid, wish.colormap or grid.colormap)
        return hidden, hidden, bar, note(describe_channel_grid(grid)), gr.update(value=tiles, visible=True)
    seen = shown(bench, look, layer, wish, kept)
    labels = _PARTS if seen.view.method == "nmf" else _COMPONENTS
    said = describe_activation(activation, seen.view)
    if kept is not None:
        said += _about_kept(kept, seen, wish)
    bar = colour_bar(seen.scale, colormap=seen.colormap, labels=labels, what="activation")
    updates = filled(wish.shown, pixels, lambda: seen.over(pixels, wish), seen.alone, bar, said)
    return (*updates, hidden)


def _about_kept(kept: Kept, seen: Shown, wish: Wish) -> str:
    """What became of the kept colours: a sentence for the caption, with a space before it."""
    if seen.basis is not None:
        return ""
    if seen.limits is None:
        owner = kept.layer if kept.view == wish.view else "another view"
        return f" The kept colours belong to {owner} and aren't used here."
    ((low, high),), values = seen.limits, seen.view.values
    said = f" On the kept scale of {kept.layer}, {number(low)} to {number(high)}"
    cut = np.mean((values < low) | (values > high))
    return f"{said}; {cut:.0%} of the map lies beyond it." if cut else f"{said}."


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


def _part(layer: Layer, told: list[Layer]) -> str:
    """The shortest beginning of a layer's name that no other stage shares: ``layer1`` for ``layer1.1.relu_1``."""
    pieces = layer.name.split(".")
    for depth in range(1, len(pieces)):
        part = ".".join(pieces[:depth])
        if sum(f"{other.name}.".startswith(f"{part}.") for other in told) == 1:
            return part
    return layer.name


def opening_layer(told: list[Layer], layers: list[Layer]) -> Layer:
    """A layer in the middle of the network: fine enough to recognise the picture, deep enough to say something."""
    return told[len(told) // 2] if told else layers[0]


def slider_updates(layer: Layer, wish: Wish) -> tuple[Any, Any, Any]:
    """The sliders that this view needs, as long as this layer has channels.

    A value beyond the new end comes along: gradio refuses every event that lists a slider out of its range.
    """
    count = layer.shape[0]
    last = max(1, count - 1)
    n: dict[str, Any] = {"value": count} if wish.channels > count else {}
    channel: dict[str, Any] = {"value": count - 1} if wish.channel > count - 1 else {}
    return (
        gr.update(maximum=count, label=f"n channels (of {count})", visible=wish.view == "mean", **n),
        gr.update(
            maximum=last, label=f"Channel (0 to {count - 1})", visible=wish.view == "channel", **channel
        ),
        gr.update(visible=wish.view == "component"),
    )
