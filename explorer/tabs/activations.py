"""The main screen: what a layer responds to, laid over the picture."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np

from explorer.activations import Activation
from explorer.captions import describe_activation, describe_vector, number
from explorer.layers import Layer, find_layer, list_layers, stages
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
    QUIET,
    SHOWN,
    colour_bar,
    entered,
    filled,
    layer_choices,
    note,
    on_screen,
    picture_file,
    question,
    result_pane,
)
from explorer.workbench import Look, Workbench

VIEWS: list[tuple[str, str]] = [
    ("Principal components as colours (PCA)", "pca"),
    ("One principal component", "component"),
    ("Mean of the first n channels", "mean"),
    ("Largest channel (maximum)", "max"),
    ("Energy of all channels", "energy"),
    ("One channel", "channel"),
    ("Parts that add up (NMF)", "nmf"),
    ("Grid of the strongest channels", "grid"),
]
COLORMAPS = [("automatic", ""), *[(name, name) for name in (*SEQUENTIAL, *DIVERGING)]]
NAME = "activations"
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


@dataclass(frozen=True)
class ActivationsTab:
    """What the app itself needs of this tab: for addresses that reproduce a view."""

    layer: gr.Dropdown
    view: gr.Dropdown


def build(bench: Workbench, look: gr.State, active: gr.Textbox, tab: gr.Tab) -> ActivationsTab:
    """Lay the tab out inside an open ``gr.Tab`` and connect it to the look."""
    question(
        "What does this layer respond to?", "The whole network, stage by stage: choose one, or a layer below."
    )
    stage_names = gr.State([])
    kept = gr.State(None)
    strip = gr.Gallery(
        label="Stages of the network",
        show_label=False,
        columns=8,
        height=108,
        object_fit="cover",
        allow_preview=False,
        buttons=[],
        interactive=False,
        elem_id="film-strip",
        elem_classes="strip",
    )
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320):
            grid = gr.Gallery(
                label="The strongest channels",
                columns=6,
                height=430,
                object_fit="contain",
                allow_preview=False,
                buttons=[],
                interactive=False,
                visible=False,
                elem_id="channel-grid",
                elem_classes="crisp",
            )
            pane = result_pane("Activation over the picture", "activation", height=370)
        with gr.Column(scale=3, min_width=240):
            layer = gr.Dropdown([], label="Layer", elem_id="layer", filterable=True)
            view = gr.Dropdown(VIEWS, value="pca", label="View", elem_id="view", filterable=False)
            channels = gr.Slider(1, 64, 10, step=1, label="n channels", visible=False)
            channel = gr.Slider(0, 63, 0, step=1, label="Channel", visible=False, elem_id="channel")
            component = gr.Slider(1, 3, 1, step=1, label="Principal component", visible=False)
            shown = gr.Radio(SHOWN, value="overlay", label="Show as", elem_id="shown")
            alpha = gr.Slider(0, 1, 0.6, step=0.05, label="Opacity", elem_id="alpha")
            keep = gr.Checkbox(
                False,
                label="Keep these colours",
                info="For the next picture or channel: one scale, one PCA basis",
                elem_id="keep",
            )
            with gr.Accordion("Colour map and resampling", open=False):
                colormap = gr.Dropdown(COLORMAPS, value="", label="Colour map", filterable=False)
                interpolation = gr.Radio(
                    ["nearest", "linear", "cubic"], value="linear", label="Resampling between cells"
                )

    def meet(look: Look | None, where: str, current: str | None, kept: Kept | None, *settings: Any) -> Any:
        """A new look: fill the layer list and the film strip; keep the layer if the network has it."""
        if look is None or where != NAME:
            return (gr.skip(),) * (len(met) + len(results))
        model = bench.model(look.model)
        layers, told = list_layers(model), stages(model)
        names = [layer.name for layer in layers]
        chosen = current if current in names else _opening_layer(told, layers).name
        return (
            gr.update(choices=layer_choices(layers), value=chosen),
            film_strip(bench, look, told),
            [layer.name for layer in told],
            *show(look, chosen, kept, *settings),
        )

    def show(look: Look, layer: str, kept: Kept | None, *settings: Any) -> tuple[Any, ...]:
        wish = Wish(*settings)
        sliders = _slider_updates(find_layer(bench.model(look.model), layer), wish.view)
        return (*draw(bench, look, layer, wish, kept), *sliders)

    def choose_stage(
        event: gr.SelectData, names: list[str], look: Look, kept: Kept | None, *settings: Any
    ) -> tuple[Any, ...]:
        return names[event.index], *show(look, names[event.index], kept, *settings)

    def remember(look: Look, layer: str, keep: bool, *settings: Any) -> Kept | None:
        if not keep or settings[0] == "grid":
            return None
        view = view_of(bench, look, layer, Wish(*settings), None)
        return Kept(look.model, layer, view.basis, view.limits)

    wish = [view, channels, channel, component, shown, alpha, colormap, interpolation]
    results = [*pane.outputs, grid, channels, channel, component]
    met = [layer, strip, stage_names]
    options: dict[str, Any] = {"concurrency_limit": 4, **QUIET}
    drawing: dict[str, Any] = {
        "fn": on_screen(show),
        "inputs": [look, layer, kept, *wish],
        "outputs": results,
    }
    meeting: dict[str, Any] = {
        "fn": on_screen(meet),
        "inputs": [look, active, layer, kept, *wish],
        "outputs": [*met, *results],
    }
    look.change(**meeting, **options)
    entered(tab, active, NAME).then(**meeting, **options)
    strip.select(on_screen(choose_stage), [stage_names, look, kept, *wish], [layer, *results], **options)
    moved = [slider.release for slider in (channels, channel, component, alpha)]
    # A list tells a choice twice as ``input`` and once as ``select``.
    chosen = [layer.select, view.select, shown.input, colormap.select, interpolation.input]
    # Straight to the server: a redraw takes milliseconds, less than the queue's own round trip.
    gr.on([*moved, *chosen], **drawing, queue=False, trigger_mode="always_last", **QUIET)
    keep.input(on_screen(remember), [look, layer, keep, *wish], [kept], **QUIET).then(**drawing, **options)
    return ActivationsTab(layer, view)


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


def _opening_layer(told: list[Layer], layers: list[Layer]) -> Layer:
    """A layer in the middle of the network: fine enough to recognise the picture, deep enough to say something."""
    return told[len(told) // 2] if told else layers[0]


def _slider_updates(layer: Layer, view: str) -> tuple[Any, Any, Any]:
    """The sliders that this view needs, as long as this layer has channels."""
    count = layer.shape[0]
    last = max(1, count - 1)
    return (
        gr.update(maximum=count, label=f"n channels (of {count})", visible=view == "mean"),
        gr.update(maximum=last, label=f"Channel (0 to {count - 1})", visible=view == "channel"),
        gr.update(visible=view == "component"),
    )
