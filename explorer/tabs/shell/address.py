"""What the page's address keeps of the explorer: a view survives a reload, and can be passed on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import gradio as gr

from explorer.errors import ExplorerError
from explorer.layers.listing import find_layer, list_layers, stages
from explorer.saliency.class_activation_maps import CAM_METHODS
from explorer.tabs.components import QUIET, Updates, class_choices, layer_choices, warn
from explorer.tabs.looking import activations, explaining, saliency, two_classes
from explorer.tabs.looking.activation_views import opening_layer
from explorer.tabs.looking.activations import ActivationsTab
from explorer.tabs.looking.saliency import SaliencyTab
from explorer.tabs.looking.two_classes import TwoClassesTab
from explorer.workbench import Visit

_USUAL = {
    "tab": activations.NAME,
    "framing": "crop",
    "view": "pca",
    "n": 10,
    "channel": 0,
    "component": 1,
    "method": "gradient",
    "objective": "logit",
    "sign": "signed",
    "pair-method": "grad_cam",
    "pair-objective": "logit",
}
# What is chosen anew for another picture or network, when its tab is opened next: until then it is of the one before.
_CHOSEN_IN = {
    "layer": activations.NAME,
    "class": saliency.NAME,
    "a": two_classes.NAME,
    "b": two_classes.NAME,
}
# Written by the browser itself, so that changing a control costs no round trip. A network of the user's own (its name
# has a colon) can't be named, and then neither can its layers and classes: in another network they'd mean others.
_WRITE = """(...values) => {
  const names = NAMES, usual = USUAL, wide = WIDE, chosenIn = CHOSEN_IN;
  const now = (name) => values[names.indexOf(name)];
  const own = String(now("model")).includes(":");
  const address = new URL(window.location);
  const outdated = (window.outdatedInAddress ??= {});
  const another = ["model", "image"].some(
    (name) => address.searchParams.has(name) && address.searchParams.get(name) !== String(now(name) ?? ""));
  for (const [name, tab] of Object.entries(chosenIn)) {
    if (now("tab") === tab) delete outdated[name];
    else if (another) outdated[name] = now(name);
  }
  names.forEach((name, i) => {
    const value = values[i];
    const keep = value !== null && value !== undefined && value !== "" && usual[name] !== value
      && outdated[name] !== value && !(own && ["model", "layer", "class", "a", "b", "n", "channel"].includes(name));
    keep ? address.searchParams.set(name, value) : address.searchParams.delete(name);
  });
  window.history.replaceState(null, "", address);
  document.body.dataset.wide = wide.includes(now("tab"));
}"""


def keep(components: dict[str, Any], wide: Sequence[str]) -> None:
    """Write each component's value into the address, under its name, whenever it isn't the usual one.

    The screens ``wide`` get the whole width of the page.
    """
    write = _WRITE
    for name, value in (
        ("NAMES", list(components)),
        ("USUAL", _USUAL),
        ("WIDE", list(wide)),
        ("CHOSEN_IN", _CHOSEN_IN),
    ):
        write = write.replace(name, json.dumps(value))
    parts = list(components.values())
    gr.on([part.change for part in parts], None, parts, None, js=write, **QUIET)


def go_to_the_tab(app: gr.Blocks, tabs: gr.Tabs, active: gr.Textbox, known: Sequence[str]) -> None:
    """Open the page at the tab of its address.

    Done by the browser before anything is asked, since by the time the server answers the user may be elsewhere.
    """
    go = """() => {
      const named = new URLSearchParams(location.search).get("tab"), there = KNOWN.includes(named);
      return there ? [{__type__: "update", selected: named}, named] : [{__type__: "update"}, USUAL];
    }"""
    go = go.replace("KNOWN", json.dumps(list(known))).replace("USUAL", json.dumps(_USUAL["tab"]))
    app.load(None, None, [tabs, active], js=go, **QUIET)


def one_of(wanted: dict[str, str], name: str, known: Sequence[str]) -> str | None:
    """What the address asks for under ``name``; None where it names nothing, or, which is said, none of ``known``."""
    value = wanted.get(name)
    if value is None or value in known:
        return value
    what = f"{name} {value[:60]!r} in the page's address"
    warn(ExplorerError(what, "is unknown", f"choose one of {', '.join(known)}"))
    return None


def wanted_layer(tab: ActivationsTab, visit: Visit, wanted: dict[str, str]) -> Updates:
    """Updates for the activations tab from the address; what isn't known is said and left out."""
    updates = _chosen(wanted, {"view": (tab.view, _values(activations.VIEWS))})
    if not wanted.keys() & {"layer", "n", "channel", "component"}:
        return updates
    layers = list_layers(visit.model)
    found = opening_layer(stages(visit.model), layers)
    if "layer" in wanted:
        try:
            found = find_layer(visit.model, wanted["layer"])
            updates[tab.layer] = gr.update(choices=layer_choices(layers), value=found.name)
        except ExplorerError as error:
            warn(error)
    last = found.shape[0] - 1
    return {
        **updates,
        tab.channels: _slider(wanted, "n", 1, last + 1),
        tab.channel: _slider(wanted, "channel", 0, last),
        tab.component: _slider(wanted, "component", 1, 3),
    }


def _slider(wanted: dict[str, str], name: str, low: int, high: int) -> Any:
    """Update for a slider from ``low`` to ``high``, with its end: gradio refuses a value beyond the one it knows."""
    if name not in wanted:
        return gr.skip()
    given = wanted[name]
    if given.isdecimal() and low <= int(given[:9]) <= high:
        return gr.update(maximum=max(high, low + 1), value=int(given[:9]))
    what = f"{name} {given[:60]!r} in the page's address"
    warn(ExplorerError(what, f"is no whole number from {low} to {high}", "choose it on the page"))
    return gr.skip()


def wanted_class(tab: SaliencyTab, visit: Visit, wanted: dict[str, str]) -> Updates:
    """Updates for the saliency tab from the address."""
    updates: Updates = {}
    if "class" in wanted:
        updates = {
            tab.target: _class(visit, wanted["class"]),
            tab.seen: explaining.chosen_for(visit.selection),
        }
    signs = {"sign": (tab.sign, _values(explaining.SIGNS))}
    return updates | _explained(wanted, tab, "method", "objective") | _chosen(wanted, signs)


def wanted_classes(tab: TwoClassesTab, visit: Visit, wanted: dict[str, str]) -> Updates:
    """Updates for the tab of two classes from the address."""
    updates: Updates = {}
    given = [name for name in ("a", "b") if name in wanted]
    if len(given) == 2:
        updates = {
            tab.first: _class(visit, wanted["a"]),
            tab.second: _class(visit, wanted["b"]),
            tab.seen: explaining.chosen_for(visit.selection),
        }
    elif given:
        name, other = given[0], "b" if given[0] == "a" else "a"
        what = f"class {name} {wanted[name][:60]!r} in the page's address"
        warn(ExplorerError(what, "has no other to be compared with", f"give {other} as well"))
    return updates | _explained(wanted, tab, "pair-method", "pair-objective")


def _explained(
    wanted: dict[str, str], tab: SaliencyTab | TwoClassesTab, method_name: str, objective_name: str
) -> Updates:
    """Updates for a method, an objective, and whether the list of layers is shown, which not every method needs."""
    updates = _chosen(
        wanted,
        {
            method_name: (tab.method, _values(explaining.METHODS)),
            objective_name: (tab.objective, _values(explaining.OBJECTIVES)),
        },
    )
    if tab.method in updates:
        updates[tab.layer] = gr.update(visible=updates[tab.method] in CAM_METHODS)
    return updates


def _chosen(wanted: dict[str, str], lists: dict[str, tuple[Any, list[str]]]) -> Updates:
    """Updates for lists, name in the address → (component, values), that the address names one of the values of."""
    found = {component: one_of(wanted, name, known) for name, (component, known) in lists.items()}
    return {component: value for component, value in found.items() if value is not None}


def _class(visit: Visit, given: str) -> Any:
    try:
        return gr.update(choices=class_choices(visit.model.labels), value=visit.model.class_index(given))
    except ExplorerError as error:
        warn(error)
        return gr.skip()


def _values(choices: Sequence[tuple[str, str]]) -> list[str]:
    return [value for _, value in choices]
