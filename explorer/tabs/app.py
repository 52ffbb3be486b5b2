"""The page: what is looked at on the left, the screens on the right, addresses that reproduce a view."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from explorer.catalogue import BUNDLED
from explorer.errors import ExplorerError
from explorer.images import sample_images
from explorer.layers import find_layer, list_layers
from explorer.session import Session
from explorer.tabs import (
    activations,
    convolution,
    endpoints,
    explaining,
    network,
    receptive_field,
    saliency,
    side_by_side,
    sidebar,
    two_classes,
)
from explorer.tabs.components import QUIET, class_choices, entered, layer_choices, warn
from explorer.tabs.doorway import Doorway, Wing
from explorer.tabs.sidebar import Sidebar
from explorer.workbench import Look, Workbench

CONVOLUTION = "convolution"
TABS = (
    activations.NAME,
    side_by_side.NAME,
    saliency.NAME,
    two_classes.NAME,
    receptive_field.NAME,
    network.NAME,
    CONVOLUTION,
)
# Written by the browser itself, so that changing a control costs no round trip.
_WRITE_ADDRESS = """(...values) => {
  const names = ["tab", "model", "image", "framing", "layer", "view", "class", "method", "a", "b"];
  const defaults = {tab: "activations", framing: "crop", view: "pca", method: "gradient"};
  const address = new URL(window.location);
  names.forEach((name, i) => {
    const value = values[i];
    const keep = value !== null && value !== undefined && value !== "" && defaults[name] !== value
      && !String(value).includes(":");
    keep ? address.searchParams.set(name, value) : address.searchParams.delete(name);
  });
  window.history.replaceState(null, "", address);
  document.body.dataset.wide = WIDE.includes(values[0]);
}"""


def build_app(bench: Workbench, *, model: str | None = None, wings: Sequence[Wing] = ()) -> gr.Blocks:
    """The whole page, not yet served; it opens with ``model`` if the address names none."""
    with gr.Blocks(title="CNN Explorer", analytics_enabled=False, delete_cache=(600, 3600)) as app:
        active = gr.Textbox(activations.NAME, visible=False)
        session = gr.State(Session())  # what the user keeps
        gr.HTML(
            '<header class="app-title"><h1>CNN Explorer</h1>'
            "<p>See what a convolutional network looks at</p></header>",
            padding=False,
        )
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=280, elem_id="sidebar"):
                left = sidebar.build(bench)
            with gr.Column(scale=7, min_width=320), gr.Tabs(elem_id="tabs") as tabs:
                with gr.Tab("Activations", id=activations.NAME) as tab:
                    main = activations.build(bench, left.look, active, tab, session)
                with gr.Tab("Side by side", id=side_by_side.NAME) as tab:
                    side_by_side.build(bench, left.look, active, tab, session)
                with gr.Tab("Saliency", id=saliency.NAME) as tab:
                    one = saliency.build(bench, left.look, active, tab, session)
                with gr.Tab("Two classes", id=two_classes.NAME) as tab:
                    two = two_classes.build(bench, left.look, active, tab, session)
                with gr.Tab("Receptive field", id=receptive_field.NAME) as tab:
                    receptive_field.build(bench, left.look, active, tab, session)
                with gr.Tab("Network", id=network.NAME) as tab:
                    network.build(bench, left.look, active, tab, session)
                with gr.Tab("Convolution", id=CONVOLUTION) as tab:
                    convolution.build(session)
                    entered(tab, active, CONVOLUTION)
                doorway = Doorway(
                    bench,
                    left.look,
                    left.model,
                    session,
                    (
                        *(left.look, left.model, left.image, left.framing, left.sample),
                        *(left.status, left.predictions, active, tabs),
                        *(two.first, two.second, two.seen),
                    ),
                )
                for wing in wings:
                    with gr.Tab(wing.title, id=wing.name) as tab:
                        wing.build(doorway, active, tab)
                        entered(tab, active, wing.name)

        endpoints.build(bench)

        screens = _Screens(active, tabs, main, one, two)
        _open_at_the_address(app, bench, left, screens, model, [wing.name for wing in wings])
        _keep_the_address(left, screens, [wing.name for wing in wings])
    return app


@dataclass(frozen=True)
class _Screens:
    """The components of the right side that an address can set."""

    active: gr.Textbox
    tabs: gr.Tabs
    main: activations.ActivationsTab
    one: saliency.SaliencyTab
    two: two_classes.TwoClassesTab


def _open_at_the_address(
    app: gr.Blocks, bench: Workbench, left: Sidebar, right: _Screens, model: str | None, wings: list[str]
) -> None:
    """When the page is loaded, show what its address asks for."""

    def start(request: gr.Request) -> tuple[Any, ...]:
        wanted = dict(request.query_params) if request else {}
        if model:
            wanted.setdefault("model", model)
        look, title = sidebar.first_look(bench, wanted)
        where = wanted.get("tab", "")
        where = where if where in (*TABS, *wings) else activations.NAME
        return (
            look,
            gr.update(choices=sidebar.model_choices(bench, look.model), value=look.model),
            sidebar.shown_picture(bench, look),
            look.framing,
            title,
            *sidebar.describe(bench, look),
            where,
            gr.update(selected=where),
            *wanted_layer(bench, look, wanted),
            *wanted_classes(bench, look, wanted),
        )

    main, one, two = right.main, right.one, right.two
    outputs: list[Any] = [
        *(left.look, left.model, left.image, left.framing, left.sample, left.status, left.predictions),
        *(right.active, right.tabs, main.layer, main.view),
        *(one.target, one.method, one.seen, two.first, two.second, two.seen),
    ]
    app.load(start, None, outputs, **QUIET)


def _keep_the_address(left: Sidebar, right: _Screens, wings: list[str]) -> None:
    """Whenever something of it changes, write the view into the page's address."""
    main, one, two = right.main, right.one, right.two
    parts: list[Any] = [
        *(right.active, left.model, left.sample, left.framing, main.layer, main.view),
        *(one.target, one.method, two.first, two.second),
    ]
    write = _WRITE_ADDRESS.replace("WIDE", json.dumps([CONVOLUTION, *wings]))
    gr.on([part.change for part in parts], None, parts, None, js=write, **QUIET)


def wanted_layer(bench: Workbench, look: Look, wanted: dict[str, str]) -> tuple[Any, Any]:
    """Updates for the activation tab's (layer, view) from the address; what isn't known is said and left out."""
    layer, view = gr.skip(), gr.skip()
    if "layer" in wanted:
        model = bench.model(look.model)
        try:
            name = find_layer(model, wanted["layer"]).name
            layer = gr.update(choices=layer_choices(list_layers(model)), value=name)
        except ExplorerError as error:
            warn(error)
    if "view" in wanted:
        views = [value for _, value in activations.VIEWS]
        if wanted["view"] in views:
            view = wanted["view"]
        else:
            warn(ExplorerError(f"view {wanted['view']!r}", "is unknown", f"choose one of {', '.join(views)}"))
    return layer, view


def wanted_classes(bench: Workbench, look: Look, wanted: dict[str, str]) -> tuple[Any, ...]:
    """Updates for (class, method, chosen for) and (class A, class B, chosen for) from the address."""
    model = bench.model(look.model)
    choices = class_choices(model.labels)

    def chosen(name: str) -> Any:
        try:
            return gr.update(choices=choices, value=model.class_index(wanted[name]))
        except ExplorerError as error:
            warn(error)
            return gr.skip()

    one: tuple[Any, ...] = (gr.skip(), gr.skip(), gr.skip())
    two: tuple[Any, ...] = (gr.skip(), gr.skip(), gr.skip())
    if "class" in wanted:
        one = (chosen("class"), gr.skip(), explaining.chosen_for(look))
    if wanted.get("method") in [value for _, value in explaining.METHODS]:
        one = (one[0], wanted["method"], one[2])
    if "a" in wanted and "b" in wanted:
        two = (chosen("a"), chosen("b"), explaining.chosen_for(look))
    return (*one, *two)


def warm_up(bench: Workbench, model: str | None = None) -> threading.Thread:
    """Load the opening network and run it once beside the server, so that the first page finds it ready."""

    def run() -> None:
        try:
            look = bench.look(model or BUNDLED, str(next(iter(sample_images().values()))))
            bench.capture(look)
        except ExplorerError:
            return  # the page will say so to whoever opens it

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def pick_device(device: str) -> str:
    """``auto`` → the fastest device there is."""
    if device != "auto":
        return device
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
