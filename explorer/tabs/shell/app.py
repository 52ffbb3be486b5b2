"""The page: what is looked at on the left, the screens on the right, addresses that reproduce a view."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from explorer.errors import ExplorerError
from explorer.images.decode import sample_images
from explorer.networks.catalogue import BUNDLED
from explorer.session.steps import Session
from explorer.tabs.components import QUIET, Updates, components_of, entered
from explorer.tabs.convolution import lab as convolution
from explorer.tabs.fields import lab as receptive_field
from explorer.tabs.looking import activations, network, saliency, side_by_side, two_classes
from explorer.tabs.shell import address, endpoints, sidebar
from explorer.tabs.shell.extra_tabs import ExtraTab, TabContext
from explorer.tabs.shell.sidebar import Sidebar
from explorer.workbench import Workbench

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


def build_app(
    bench: Workbench, *, model: str | None = None, extra_tabs: Sequence[ExtraTab] = ()
) -> gr.Blocks:
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
                    main = activations.build(bench, left.selection, active, tab, session)
                with gr.Tab("Side by side", id=side_by_side.NAME) as tab:
                    side_by_side.build(bench, left.selection, active, tab, session)
                with gr.Tab("Saliency", id=saliency.NAME) as tab:
                    one = saliency.build(bench, left.selection, active, tab, session)
                with gr.Tab("Two classes", id=two_classes.NAME) as tab:
                    two = two_classes.build(bench, left.selection, active, tab, session)
                with gr.Tab("Receptive field", id=receptive_field.NAME) as tab:
                    receptive_field.build(bench, left.selection, active, tab, session)
                with gr.Tab("Network", id=network.NAME) as tab:
                    network.build(bench, left.selection, active, tab, session)
                with gr.Tab("Convolution", id=CONVOLUTION) as tab:
                    convolution.build(session)
                    entered(tab, active, CONVOLUTION)
                context = TabContext(bench, left, active, tabs, two, session)
                for extra_tab in extra_tabs:
                    with gr.Tab(extra_tab.title, id=extra_tab.name) as tab:
                        extra_tab.build(context, active, tab)
                        entered(tab, active, extra_tab.name)

        endpoints.build(bench)

        screens = _Screens(active, tabs, main, one, two)
        _open_at_the_address(app, bench, left, screens, model, [extra_tab.name for extra_tab in extra_tabs])
        _keep_the_address(left, screens, [extra_tab.name for extra_tab in extra_tabs])
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
    app: gr.Blocks, bench: Workbench, left: Sidebar, right: _Screens, model: str | None, extra_tabs: list[str]
) -> None:
    """When the page is loaded, show what its address asks for."""
    tabs = [*TABS, *extra_tabs]

    def start(request: gr.Request) -> Updates:
        wanted = dict(request.query_params) if request else {}
        if model:
            wanted.setdefault("model", model)
        selection, title = sidebar.first_selection(bench, wanted)
        address.one_of(wanted, "tab", tabs)  # the page itself went there; what is no tab is said here
        visit = bench.open(selection)
        return {
            **sidebar.opened(left, bench, visit, title),
            **address.wanted_layer(right.main, visit, wanted),
            **address.wanted_class(right.one, visit, wanted),
            **address.wanted_classes(right.two, visit, wanted),
        }

    address.go_to_the_tab(app, right.tabs, right.active, tabs)
    outputs = [part for parts in (left, right.main, right.one, right.two) for part in components_of(parts)]
    app.load(start, None, outputs, **QUIET)


def _keep_the_address(left: Sidebar, right: _Screens, extra_tabs: list[str]) -> None:
    """Whenever something of it changes, write the view into the page's address."""
    main, one, two = right.main, right.one, right.two
    components: dict[str, Any] = {
        "tab": right.active,
        "model": left.model,
        "image": left.sample,
        "framing": left.framing,
        "layer": main.layer,
        "view": main.view,
        "n": main.channels,
        "channel": main.channel,
        "component": main.component,
        "class": one.target,
        "method": one.method,
        "objective": one.objective,
        "sign": one.sign,
        "a": two.first,
        "b": two.second,
        "pair-method": two.method,
        "pair-objective": two.objective,
    }
    address.keep(components, wide=[CONVOLUTION, *extra_tabs])


def warm_up(bench: Workbench, model: str | None = None) -> threading.Thread:
    """Load the opening network and run it once beside the server, so that the first page finds it ready."""

    def run() -> None:
        try:
            selection = bench.select(model or BUNDLED, str(next(iter(sample_images().values()))))
            bench.capture(selection)
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
