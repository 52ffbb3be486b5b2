"""Several layers at once: how the picture changes on its way through the network."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from explorer.captions import number
from explorer.errors import ExplorerError
from explorer.layers import find_layer, list_layers, stages
from explorer.overlay import default_colormap, overlay, shrunk
from explorer.reduction import Reduction, reduce, shared_limits
from explorer.tabs.components import QUIET, colour_bar, entered, note, on_screen, picture_file, question
from explorer.workbench import Look, Workbench

NAME = "side-by-side"
VIEWS = [
    ("Principal components as colours (PCA)", "pca"),
    ("First principal component", "component"),
    ("Mean of the first 10 channels", "mean"),
    ("Largest channel (maximum)", "max"),
    ("Energy of all channels", "energy"),
]
MOST = 9


def build(bench: Workbench, look: gr.State, active: gr.Textbox, tab: gr.Tab) -> None:
    """Lay the tab out inside an open ``gr.Tab`` and connect it to the look."""
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
    scale = gr.HTML(padding=False)
    table = gr.HTML(padding=False, elem_id="several-shapes")

    def meet(look: Look | None, where: str, current: list[str]) -> Any:
        if look is None or where != NAME:
            return gr.skip()
        model = bench.model(look.model)
        known = list_layers(model)
        names = {layer.name for layer in known if layer.is_map}
        kept = [name for name in current if name in names] or [layer.name for layer in stages(model, 6)]
        return gr.update(choices=[layer.name for layer in known if layer.is_map], value=kept)

    def show(look: Look | None, where: str, names: list[str], view: Any, shared: bool) -> Any:
        if look is None or where != NAME:
            return (gr.skip(),) * 3
        if not names:
            raise ExplorerError("no layer", "is chosen", "choose at least one in the list")
        return draw(bench, look, names, view, shared)

    drawing: dict[str, Any] = {
        "fn": on_screen(show),
        "inputs": [look, active, layers, view, shared],
        "outputs": [gallery, scale, table],
        "concurrency_limit": 4,
        **QUIET,
    }
    meeting: dict[str, Any] = {"fn": meet, "inputs": [look, active, layers], "outputs": [layers], **QUIET}
    entered(tab, active, NAME).then(**meeting).then(**drawing)
    look.change(**meeting).then(**drawing)
    gr.on([layers.input, view.select, shared.input], **drawing)


def draw(bench: Workbench, look: Look, names: list[str], method: Any, shared: bool) -> tuple[Any, str, str]:
    """(gallery, colour bar, table of shapes) for several layers, in execution order."""
    model = bench.model(look.model)
    pixels = bench.picture(look.image_path).pixels
    order = {layer.name: place for place, layer in enumerate(list_layers(model))}
    names = sorted(names, key=lambda name: order.get(name, len(order)))
    activations = bench.capture(look, tuple(names)).activations
    views = [reduce(activations[find_layer(model, name).name], method) for name in names]
    one_scale = shared and method != "pca"
    limits = (shared_limits(views),) if one_scale else None
    tiles = [
        (picture_file(shrunk(overlay(pixels, view, 0.7, limits=limits), 640)), f"{view.layer} {_range(view)}")
        for view in views
    ]
    bar = ""
    if limits:
        signed = next((view for view in views if view.signed), views[0])
        bar = colour_bar(limits, colormap=default_colormap(signed), what="activation, all layers")
    elif shared:
        bar = note(
            "Principal components of different layers have no scale in common; choose another view for one."
        )
    rows = "".join(
        f"<tr><td>{html.escape(view.layer)}</td><td>{html.escape(activations[view.layer].kind)}</td>"
        f'<td class="number">{" × ".join(str(n) for n in activations[view.layer].shape)}</td>'
        f'<td class="number">{number(float(activations[view.layer].values.min()))}</td>'
        f'<td class="number">{number(float(activations[view.layer].values.max()))}</td>'
        f"<td>{html.escape(view.description)}</td></tr>"
        for view in views
    )
    head = "".join(
        f"<th{' class=number' if is_number else ''}>{text}</th>"
        for text, is_number in (
            ("Layer", False),
            ("Kind", False),
            ("Shape C × H × W", True),
            ("Lowest", True),
            ("Highest", True),
            ("Shown", False),
        )
    )
    return tiles, bar, f'<div class="scroll"><table class="facts"><tr>{head}</tr>{rows}</table></div>'


def _range(view: Reduction) -> str:
    if len(view.limits) > 1:
        return ""
    return f"{number(view.limits[0][0])} to {number(view.limits[0][1])}"
