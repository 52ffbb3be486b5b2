"""The main screen: what a layer responds to, laid over the picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from explorer.images.overlay import DIVERGING, SEQUENTIAL
from explorer.layers.listing import find_layer, list_layers, stages
from explorer.tabs.components import (
    QUIET,
    SHOWN,
    Pane,
    entered,
    layer_choices,
    on_screen,
    question,
    result_pane,
)
from explorer.tabs.keeping import connect, keep_button
from explorer.tabs.looking.activation_views import (
    Kept,
    ViewSettings,
    colours_to_keep,
    draw,
    film_strip,
    opening_layer,
    slider_updates,
)
from explorer.tabs.looking.keep import keep_activation
from explorer.workbench import Selection, Workbench

VIEWS: list[tuple[str, str]] = [
    ("PCA: components as colours", "pca"),
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


@dataclass(frozen=True)
class ActivationsTab:
    """What the app itself needs of this tab: for addresses that reproduce a view."""

    layer: gr.Dropdown
    view: gr.Dropdown
    channels: gr.Slider
    channel: gr.Slider
    component: gr.Slider


@dataclass(frozen=True)
class _Controls:
    """The components of the tab; ``settings`` in the order of :class:`ViewSettings`, ``results`` as they are drawn."""

    strip: gr.Gallery
    pane: Pane
    grid: gr.Gallery
    layer: gr.Dropdown
    view: gr.Dropdown
    channels: gr.Slider
    channel: gr.Slider
    component: gr.Slider
    shown: gr.Radio
    alpha: gr.Slider
    keep: gr.Checkbox
    colormap: gr.Dropdown
    interpolation: gr.Radio
    pin: gr.Button

    @property
    def settings(self) -> list[Any]:
        return [
            *(self.view, self.channels, self.channel, self.component),
            *(self.shown, self.alpha, self.colormap, self.interpolation),
        ]

    @property
    def results(self) -> list[Any]:
        return [*self.pane.outputs, self.grid, self.channels, self.channel, self.component]


def build(
    bench: Workbench, selection: gr.State, active: gr.Textbox, tab: gr.Tab, session: gr.State
) -> ActivationsTab:
    """Lay the tab out inside an open ``gr.Tab`` and connect it to the look."""
    controls = _lay_out()
    _connect(bench, selection, active, tab, controls, session)
    return ActivationsTab(
        controls.layer, controls.view, controls.channels, controls.channel, controls.component
    )


def _lay_out() -> _Controls:
    question(
        "What does this layer respond to?", "The whole network, stage by stage: choose one, or a layer below."
    )
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
            pin = keep_button("activation-pin")
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
    return _Controls(
        *(strip, pane, grid, layer, view, channels, channel, component),
        *(shown, alpha, keep, colormap, interpolation, pin),
    )


def _connect(
    bench: Workbench, selection: gr.State, active: gr.Textbox, tab: gr.Tab, on: _Controls, session: gr.State
) -> None:
    stage_names = gr.State([])
    kept = gr.State(None)

    def meet(
        selection: Selection | None, where: str, current: str | None, kept: Kept | None, *settings: Any
    ) -> Any:
        """A new look: fill the layer list and the film strip; keep the layer if the network has it."""
        if selection is None or where != NAME:
            return (gr.skip(),) * (len(met) + len(results))
        model = bench.model(selection.model)
        layers, main_stages = list_layers(model), stages(model)
        names = [layer.name for layer in layers]
        chosen = current if current in names else opening_layer(main_stages, layers).name
        return (
            gr.update(choices=layer_choices(layers), value=chosen),
            film_strip(bench, selection, main_stages),
            [layer.name for layer in main_stages],
            *show(selection, chosen, kept, *settings),
        )

    def show(selection: Selection, layer: str, kept: Kept | None, *settings: Any) -> tuple[Any, ...]:
        view_settings = ViewSettings(*settings)
        sliders = slider_updates(find_layer(bench.model(selection.model), layer), view_settings)
        return (*draw(bench, selection, layer, view_settings, kept), *sliders)

    def choose_stage(
        event: gr.SelectData, names: list[str], selection: Selection, kept: Kept | None, *settings: Any
    ) -> tuple[Any, ...]:
        return names[event.index], *show(selection, names[event.index], kept, *settings)

    def remember(selection: Selection, layer: str, keep: bool, *settings: Any) -> Kept | None:
        return colours_to_keep(bench, selection, layer, ViewSettings(*settings)) if keep else None

    view_settings, results = on.settings, on.results
    met = [on.layer, on.strip, stage_names]
    options: dict[str, Any] = {"concurrency_limit": 4, **QUIET}
    drawing: dict[str, Any] = {
        "fn": on_screen(show),
        "inputs": [selection, on.layer, kept, *view_settings],
        "outputs": results,
    }
    meeting: dict[str, Any] = {
        "fn": on_screen(meet),
        "inputs": [selection, active, on.layer, kept, *view_settings],
        "outputs": [*met, *results],
    }
    selection.change(**meeting, **options)
    entered(tab, active, NAME).then(**meeting, **options)
    on.strip.select(
        on_screen(choose_stage),
        [stage_names, selection, kept, *view_settings],
        [on.layer, *results],
        **options,
    )
    moved = [slider.release for slider in (on.channels, on.channel, on.component, on.alpha)]
    # A list tells a choice twice as ``input`` and once as ``select``.
    listed = [choice.select for choice in (on.layer, on.view, on.colormap)]
    gr.on(
        [*moved, *listed, on.shown.input, on.interpolation.input],
        **drawing,
        **options | {"trigger_mode": "always_last"},
    )
    keep = on.keep.input(on_screen(remember), [selection, on.layer, on.keep, *view_settings], [kept], **QUIET)
    keep.then(**drawing, **options)
    connect(on.pin, session, partial(keep_activation, bench), [selection, on.layer, kept, *view_settings])
