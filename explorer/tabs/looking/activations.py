"""The main screen: what a layer responds to, laid over the picture."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from explorer.images.overlay import DIVERGING, SEQUENTIAL
from explorer.layers.listing import Layer, find_layer, list_layers, stages
from explorer.tabs.components import QUIET, Updates, Values, layer_choices, on_screen, question, when_seen
from explorer.tabs.keeping import connect, keep_button
from explorer.tabs.looking.activation_views import (
    KeptColours,
    ViewSettings,
    colours_to_keep,
    film_strip,
    layer_view,
    opening_layer,
)
from explorer.tabs.looking.keep import keep_activation
from explorer.tabs.looking.pane import SHOWN, Pane, result_pane
from explorer.workbench import Visit, Workbench

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
    """The components of the tab."""

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
    def settings(self) -> dict[str, Any]:
        """Field of :class:`ViewSettings` → its component."""
        return {field.name: getattr(self, field.name) for field in fields(ViewSettings)}

    @property
    def drawn(self) -> list[Any]:
        """What changes with the layer and its settings."""
        return [*self.pane.outputs, self.grid, self.channels, self.channel, self.component]

    def view_settings(self, given: Values) -> ViewSettings:
        """How the layer is to be shown, from the components' values."""
        return ViewSettings(**{name: given[component] for name, component in self.settings.items()})

    def fitted_sliders(self, layer: Layer, settings: ViewSettings) -> Updates:
        """Updates for the sliders: those that this view needs, as long as this layer has channels.

        A value beyond the new end comes along: gradio refuses every event that lists a slider out of its range.
        """
        count = layer.shape[0]
        last, view = count - 1, settings.view
        fewer: dict[str, Any] = {"value": count} if settings.channels > count else {}
        lower: dict[str, Any] = {"value": last} if settings.channel > last else {}
        several = f"n channels (of {count})"
        one = f"Channel (0 to {last})"
        return {
            self.channels: gr.update(maximum=count, label=several, visible=view == "mean", **fewer),
            self.channel: gr.update(maximum=max(1, last), label=one, visible=view == "channel", **lower),
            self.component: gr.update(visible=view == "component"),
        }


def build(
    bench: Workbench, selection: gr.State, active: gr.Textbox, tab: gr.Tab, session: gr.State
) -> ActivationsTab:
    """Lay the tab out inside an open ``gr.Tab`` and connect it to what is looked at."""
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
        strip=strip,
        pane=pane,
        grid=grid,
        layer=layer,
        view=view,
        channels=channels,
        channel=channel,
        component=component,
        shown=shown,
        alpha=alpha,
        keep=keep,
        colormap=colormap,
        interpolation=interpolation,
        pin=pin,
    )


def _connect(
    bench: Workbench,
    selection: gr.State,
    active: gr.Textbox,
    tab: gr.Tab,
    controls: _Controls,
    session: gr.State,
) -> None:
    stage_names, kept_colours = gr.State([]), gr.State(None)

    def draw(visit: Visit, layer: str, given: Values) -> Updates:
        """The pane, the grid and the sliders for a layer of what is open."""
        settings = controls.view_settings(given)
        view = layer_view(visit, layer, settings, given[kept_colours])
        hidden = gr.update(visible=False)
        return {
            **controls.pane.showing(view.pane),
            controls.grid: hidden if view.tiles is None else gr.update(value=view.tiles, visible=True),
            **controls.fitted_sliders(find_layer(visit.model, layer), settings),
        }

    def show_layer(given: Values) -> Updates:
        return draw(bench.open(given[selection]), given[controls.layer], given)

    def show_stage(given: Values, event: gr.SelectData) -> Updates:
        layer = given[stage_names][event.index]
        return {controls.layer: layer, **draw(bench.open(given[selection]), layer, given)}

    def show_selection(given: Values) -> Updates:
        """A new network or picture: fill the list and the strip; the layer stays chosen if the network has it."""
        if given[selection] is None or given[active] != NAME:
            return gr.skip()
        visit = bench.open(given[selection])
        layers, main_stages = list_layers(visit.model), stages(visit.model)
        chosen = given[controls.layer]
        if chosen not in [layer.name for layer in layers]:
            chosen = opening_layer(main_stages, layers).name
        visit.capture(chosen, *(layer.name for layer in main_stages))  # all that is drawn, in one pass
        return {
            controls.layer: gr.update(choices=layer_choices(layers), value=chosen),
            controls.strip: film_strip(visit, main_stages),
            stage_names: [layer.name for layer in main_stages],
            **draw(visit, chosen, given),
        }

    def keep_colours(given: Values) -> KeptColours | None:
        if not given[controls.keep]:
            return None
        visit = bench.open(given[selection])
        return colours_to_keep(visit, given[controls.layer], controls.view_settings(given))

    def keep_layer(given: Values) -> Any:
        settings = controls.view_settings(given)
        visit = bench.open(given[selection])
        return keep_activation(visit, given[controls.layer], given[kept_colours], settings)

    drawn_from = {selection, controls.layer, kept_colours, *controls.settings.values()}
    options: dict[str, Any] = {"concurrency_limit": 4, **QUIET}
    drawing: dict[str, Any] = {"fn": on_screen(show_layer), "inputs": drawn_from, "outputs": controls.drawn}
    opening: dict[str, Any] = {
        "fn": on_screen(show_selection),
        "inputs": {active, *drawn_from},
        "outputs": [controls.layer, controls.strip, stage_names, *controls.drawn],
    }
    when_seen(tab, selection, active, NAME)(**opening, **options)
    controls.strip.select(
        on_screen(show_stage), {stage_names, *drawn_from}, [controls.layer, *controls.drawn], **options
    )
    moved = [c.release for c in (controls.channels, controls.channel, controls.component, controls.alpha)]
    # A list tells a choice twice as ``input`` and once as ``select``.
    listed = [choice.select for choice in (controls.layer, controls.view, controls.colormap)]
    gr.on(
        [*moved, *listed, controls.shown.input, controls.interpolation.input],
        **drawing,
        **options | {"trigger_mode": "always_last"},
    )
    keeping = controls.keep.input(
        on_screen(keep_colours), {controls.keep, *drawn_from}, [kept_colours], **QUIET
    )
    keeping.then(**drawing, **options)
    connect(controls.pin, session, keep_layer, drawn_from, about=selection)
