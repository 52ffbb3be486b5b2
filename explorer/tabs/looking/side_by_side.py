"""Several layers at once: how the picture changes on its way through the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
from markupsafe import Markup

from explorer.activations.captions import number
from explorer.activations.layer_comparison import LayerComparison, compare_layers, tiles
from explorer.errors import ExplorerError
from explorer.layers.listing import find_layer, list_layers, stages
from explorer.tabs.components import (
    QUIET,
    Updates,
    Values,
    colour_bar,
    facts_table,
    note,
    on_screen,
    picture_file,
    question,
    when_seen,
)
from explorer.tabs.keeping import connect, keep_button
from explorer.tabs.looking.keep import keep_layers
from explorer.workbench import Visit, Workbench

NAME = "side-by-side"
_NO_MAPS = "has no layer with positions"
VIEWS = [
    ("PCA: components as colours", "pca"),
    ("First principal component", "component"),
    ("Mean of the first 10 channels", "mean"),
    ("Largest channel (maximum)", "max"),
    ("Energy of all channels", "energy"),
]
MOST = 9


def build(bench: Workbench, selection: gr.State, active: gr.Textbox, tab: gr.Tab, session: gr.State) -> None:
    """Lay the tab out inside an open ``gr.Tab`` and connect it to what is looked at."""
    question("How does the picture change from layer to layer?")
    with gr.Row():
        layers = gr.Dropdown(
            [],
            label=f"Layers (up to {MOST})",
            multiselect=True,
            max_choices=MOST,
            elem_id="several-layers",
            scale=3,
        )
        with gr.Column(scale=2, min_width=240):
            view = gr.Dropdown(VIEWS, value="mean", label="View", filterable=False)
            shared = gr.Checkbox(False, label="One colour scale for all", elem_id="one-scale")
    gallery = gr.Gallery(
        label="The same picture in each layer",
        columns=3,
        height=440,
        object_fit="contain",
        buttons=["download", "fullscreen"],
        interactive=False,
        elem_id="several",
    )
    pin = keep_button("several-pin")
    scale = gr.HTML(padding=False)
    table = gr.HTML(padding=False, elem_id="several-shapes")

    settings = {layers, view, shared}

    def is_seen(given: Values) -> bool:
        return given[selection] is not None and given[active] == NAME

    def fill_list(given: Values) -> Updates:
        """A new network or picture: the layers stay chosen that the network has."""
        if not is_seen(given):
            return gr.skip()
        model = bench.model(given[selection].model)
        names = [layer.name for layer in list_layers(model) if layer.is_map]
        chosen = [name for name in given[layers] if name in names]
        return {layers: gr.update(choices=names, value=chosen or [layer.name for layer in stages(model, 6)])}

    def show(given: Values) -> Updates:
        if not is_seen(given):
            return gr.skip()
        shown = draw(bench.open(given[selection]), given[layers], given[view], given[shared])
        return {gallery: shown.pictures, scale: shown.scale, table: shown.table}

    def keep(given: Values) -> Any:
        visit = bench.open(given[selection])
        comparison = compared(visit, given[layers], given[view], given[shared])
        return keep_layers(visit, comparison, given[view], given[shared])

    drawing: dict[str, Any] = {
        "fn": on_screen(show),
        "inputs": {selection, active, *settings},
        "outputs": [gallery, scale, table],
        "concurrency_limit": 4,
        **QUIET,
    }
    filling: dict[str, Any] = {
        "fn": fill_list,
        "inputs": {selection, active, layers},
        "outputs": [layers],
        **QUIET,
    }
    when_seen(tab, selection, active, NAME)(**filling).then(**drawing)
    gr.on([layers.input, view.select, shared.input], **drawing)
    connect(pin, session, keep, {selection, *settings}, about=selection)


def compared(visit: Visit, names: list[str], method: Any, one_scale: bool) -> LayerComparison:
    """The chosen layers in execution order.

    Raises:
        ExplorerError: none is chosen, or there is none.
    """
    layers = list_layers(visit.model)
    if not any(layer.is_map for layer in layers):
        value = f"network {visit.selection.model!r}"
        raise ExplorerError(value, _NO_MAPS, "choose another network on the left")
    if not names:
        raise ExplorerError("no layer", "is chosen", "choose at least one in the list")
    order = {layer.name: place for place, layer in enumerate(layers)}
    known = sorted((find_layer(visit.model, name).name for name in names), key=order.__getitem__)
    found = visit.capture(*known).activations
    return compare_layers({name: found[name] for name in known}, method, one_scale=one_scale)


@dataclass(frozen=True, eq=False)
class SideBySide:
    """What is on screen: the gallery's files with their captions, the common scale, and the layers in numbers."""

    pictures: list[tuple[str, str]]
    scale: Markup
    table: Markup


def draw(visit: Visit, names: list[str], method: Any, one_scale: bool) -> SideBySide:
    """Several layers; words where the network has no map to show.

    Raises:
        ExplorerError: as :func:`compared`.
    """
    if not any(layer.is_map for layer in list_layers(visit.model)):
        sentence = f"This network {_NO_MAPS}: there are no pictures to put side by side."
        return SideBySide([], note(sentence), Markup(""))
    comparison = compared(visit, names, method, one_scale)
    pictures = [(picture_file(picture), caption) for picture, caption in tiles(visit.pixels, comparison)]
    scale = Markup("")
    if comparison.limits and comparison.colormap:
        scale = colour_bar(comparison.limits, colormap=comparison.colormap, what="activation, all layers")
    elif one_scale:
        scale = note(
            "Principal components of different layers have no scale in common; choose another view for one."
        )
    return SideBySide(pictures, scale, shapes_table(comparison))


def shapes_table(comparison: LayerComparison) -> Markup:
    """The layers in numbers, a row for each."""
    rows = [
        (
            activation.layer,
            activation.kind,
            "\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}".join(map(str, activation.shape)),
            number(float(activation.values.min())),
            number(float(activation.values.max())),
            view.description,
        )
        for activation, view in zip(comparison.activations, comparison.views, strict=True)
    ]
    head = ("Layer", "Kind", "Shape C × H × W", "Lowest", "Highest", "Shown")
    return Markup('<div class="scroll">{}</div>').format(facts_table(head, rows, flush_right=(2, 3, 4)))
