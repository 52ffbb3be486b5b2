"""Several layers at once: how the picture changes on its way through the network."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from explorer.activations.captions import number
from explorer.activations.layer_comparison import LayerComparison, compare_layers, tiles
from explorer.errors import ExplorerError
from explorer.layers.listing import find_layer, list_layers, stages
from explorer.tabs.components import QUIET, colour_bar, entered, note, on_screen, picture_file, question
from explorer.tabs.keeping import connect, keep_button
from explorer.tabs.looking.keep import keep_layers
from explorer.workbench import Selection, Workbench

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
    pin = keep_button("several-pin")
    scale = gr.HTML(padding=False)
    table = gr.HTML(padding=False, elem_id="several-shapes")

    def meet(selection: Selection | None, where: str, current: list[str]) -> Any:
        if selection is None or where != NAME:
            return gr.skip()
        model = bench.model(selection.model)
        known = list_layers(model)
        names = {layer.name for layer in known if layer.is_map}
        kept = [name for name in current if name in names] or [layer.name for layer in stages(model, 6)]
        return gr.update(choices=[layer.name for layer in known if layer.is_map], value=kept)

    def show(selection: Selection | None, where: str, names: list[str], view: Any, shared: bool) -> Any:
        if selection is None or where != NAME:
            return (gr.skip(),) * 3
        return draw(bench, selection, names, view, shared)

    def keep(selection: Selection, names: list[str], view: str, shared: bool) -> Any:
        return keep_layers(bench, selection, compared(bench, selection, names, view, shared), view, shared)

    drawing: dict[str, Any] = {
        "fn": on_screen(show),
        "inputs": [selection, active, layers, view, shared],
        "outputs": [gallery, scale, table],
        "concurrency_limit": 4,
        **QUIET,
    }
    meeting: dict[str, Any] = {
        "fn": meet,
        "inputs": [selection, active, layers],
        "outputs": [layers],
        **QUIET,
    }
    entered(tab, active, NAME).then(**meeting).then(**drawing)
    selection.change(**meeting).then(**drawing)
    gr.on([layers.input, view.select, shared.input], **drawing)
    connect(pin, session, keep, [selection, layers, view, shared])


def compared(
    bench: Workbench, selection: Selection, names: list[str], method: Any, one_scale: bool
) -> LayerComparison:
    """The chosen layers in execution order.

    Raises:
        ExplorerError: none is chosen, or there is none.
    """
    if not _has_maps(bench, selection):
        raise ExplorerError(f"network {selection.model!r}", _NO_MAPS, "choose another network on the left")
    if not names:
        raise ExplorerError("no layer", "is chosen", "choose at least one in the list")
    model = bench.model(selection.model)
    order = {layer.name: place for place, layer in enumerate(list_layers(model))}
    known = sorted((find_layer(model, name).name for name in names), key=order.__getitem__)
    found = bench.capture(selection, tuple(known)).activations
    return compare_layers({name: found[name] for name in known}, method, one_scale=one_scale)


def draw(
    bench: Workbench, selection: Selection, names: list[str], method: Any, one_scale: bool
) -> tuple[list[tuple[str, str]], str, str]:
    """(gallery, colour bar, table of shapes) for several layers; words where the network has no map to show."""
    if not _has_maps(bench, selection):
        return [], note(f"This network {_NO_MAPS}: there are no pictures to put side by side."), ""
    comparison = compared(bench, selection, names, method, one_scale)
    pixels = bench.picture(selection.image_path).pixels
    gallery = [(picture_file(picture), caption) for picture, caption in tiles(pixels, comparison)]
    bar = ""
    if comparison.limits and comparison.colormap:
        bar = colour_bar(comparison.limits, colormap=comparison.colormap, what="activation, all layers")
    elif one_scale:
        bar = note(
            "Principal components of different layers have no scale in common; choose another view for one."
        )
    return gallery, bar, _shapes(comparison)


def _has_maps(bench: Workbench, selection: Selection) -> bool:
    return any(layer.is_map for layer in list_layers(bench.model(selection.model)))


def _shapes(comparison: LayerComparison) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(activation.layer)}</td><td>{html.escape(activation.kind)}</td>"
        f'<td class="number">{"&nbsp;×&nbsp;".join(str(n) for n in activation.shape)}</td>'
        f'<td class="number">{number(float(activation.values.min()))}</td>'
        f'<td class="number">{number(float(activation.values.max()))}</td>'
        f"<td>{html.escape(view.description)}</td></tr>"
        for activation, view in zip(comparison.activations, comparison.views, strict=True)
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
    return f'<div class="scroll"><table class="facts"><tr>{head}</tr>{rows}</table></div>'
