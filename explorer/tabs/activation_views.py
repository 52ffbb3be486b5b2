"""What the activations tab shows for a wish: pictures, colour bars and captions, as updates for its components."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np

from explorer.activations import Activation
from explorer.captions import describe_activation, describe_vector, number
from explorer.layers import Layer, find_layer
from explorer.overlay import (
    DIVERGING,
    SEQUENTIAL,
    colourise,
    default_colormap,
    enlarged,
    overlay,
    shrunk,
)
from explorer.reduction import PCABasis, Reduction, reduce, strongest_channels
from explorer.tabs.components import (
    colour_bar,
    filled,
    note,
    picture_file,
)
from explorer.workbench import Look, Workbench

GRID_CHANNELS = 24
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
    """A colouring that the user keeps for the next picture, layer or channel."""

    model: str
    layer: str
    basis: PCABasis | None
    limits: tuple[tuple[float, float], ...]


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
        thumbs.append((picture_file(shrunk(thumb, 160), "stage"), f"{_part(layer, told)} · {grid}"))
    return thumbs


def view_of(bench: Workbench, look: Look, layer: str, wish: Wish, kept: Kept | None) -> Reduction:
    """The reduced map that a wish describes; a kept basis is used where it belongs."""
    activation = bench.capture(look, (layer,)).activations[find_layer(bench.model(look.model), layer).name]
    method: Any = wish.view if activation.shape[1] * activation.shape[2] > 1 else "max"
    same = kept is not None and (kept.model, kept.layer) == (look.model, layer)
    return reduce(
        activation,
        method,
        channels=int(wish.channels),
        channel=min(int(wish.channel), activation.shape[0] - 1),
        component=int(wish.component) - 1,
        basis=kept.basis if kept and same and method in ("pca", "component") else None,
    )


def draw(bench: Workbench, look: Look, layer: str, wish: Wish, kept: Kept | None) -> tuple[Any, ...]:
    """Updates for the pane and the channel grid."""
    pixels = bench.picture(look.image_path).pixels
    activation = bench.capture(look, (layer,)).activations[find_layer(bench.model(look.model), layer).name]
    hidden = gr.update(visible=False)
    if activation.shape[1] * activation.shape[2] == 1:
        bars = vector_bars(activation, bench.model(look.model).labels)
        return hidden, hidden, bars, note(describe_vector(activation)), hidden
    if wish.view == "grid":
        tiles, bar, said = channel_grid(activation, wish)
        return hidden, hidden, bar, note(said), gr.update(value=tiles, visible=True)
    view = view_of(bench, look, layer, wish, kept)
    limits = view.limits
    if kept is not None and len(kept.limits) == len(limits) == 1:
        limits = kept.limits
    colormap = wish.colormap or default_colormap(view)
    labels = _PARTS if view.method == "nmf" else _COMPONENTS
    said = describe_activation(activation, view)
    if kept is not None and view.basis is not None and (kept.model, kept.layer) != (look.model, layer):
        said += f" The kept colours belong to {kept.layer} and aren't used here."
    updates = filled(
        wish.shown,
        pixels,
        lambda: overlay(
            pixels, view, wish.alpha, colormap=colormap, interpolation=wish.interpolation, limits=limits
        ),
        lambda: colourise(view.values, limits, colormap),
        colour_bar(limits, colormap=colormap, labels=labels, what="activation"),
        said,
    )
    return (*updates, hidden)


def channel_grid(activation: Activation, wish: Wish) -> tuple[list[tuple[str, str]], str, str]:
    """Tiles with captions for the strongest channels on one scale, its colour bar and a caption."""
    strongest = strongest_channels(activation, GRID_CHANNELS)
    views = [reduce(activation, "channel", channel=i) for i in strongest]
    values = activation.values[strongest]
    low, high = float(values.min()), float(values.max())
    reach = max(-low, high)
    limits = ((-reach, reach) if low < 0 else (0.0, high),)
    colormap = wish.colormap or (DIVERGING[0] if low < 0 else SEQUENTIAL[0])
    tiles = [
        (
            picture_file(enlarged(colourise(view.values, limits, colormap), 112), f"channel-{i}"),
            f"#{i}: {number(float(view.values.max()))}",
        )
        for i, view in zip(strongest, views, strict=True)
    ]
    said = (
        f"{activation.layer}: the {len(strongest)} of {activation.shape[0]} channels with the largest mean of "
        "squares, the strongest first, all on one scale; below each its number and its highest value."
    )
    return tiles, colour_bar(limits, colormap=colormap, what="activation"), said


def vector_bars(activation: Activation, labels: tuple[str, ...]) -> str:
    """A layer without positions, as bars: its largest values with their numbers."""
    values = activation.values.reshape(-1)
    order = np.argsort(-np.abs(values), kind="stable")[:12]
    reach = float(np.abs(values[order[0]])) or 1.0
    named = len(values) == len(labels)
    rows = "".join(
        f'<li><span class="name">{html.escape(labels[i]) if named else f"unit {i}"} '
        f'<span class="index">{i if named else ""}</span></span>'
        f'<span class="value">{number(float(values[i]))}</span>'
        f'<span class="bar"><span style="width:{100 * abs(float(values[i])) / reach:.1f}%"></span></span></li>'
        for i in order
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


def slider_updates(layer: Layer, view: str) -> tuple[Any, Any, Any]:
    """The sliders that this view needs, as long as this layer has channels."""
    count = layer.shape[0]
    last = max(1, count - 1)
    return (
        gr.update(maximum=count, label=f"n channels (of {count})", visible=view == "mean"),
        gr.update(maximum=last, label=f"Channel (0 to {count - 1})", visible=view == "channel"),
        gr.update(visible=view == "component"),
    )
